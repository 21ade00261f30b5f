//! The path swap: what an application signs opens the gateway, what the gateway signs opens Metabase, and neither is ever seen on the other side.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{
    setup::{Scene, text},
    wide::{
        DOORS, MINE, TABLE, changed, gateway_of, grant, own, refused, secrets, signed_by, unheard,
        whole, wide,
    },
};
use crate::{
    pairs as keys,
    support::{
        client::{Reply, post},
        gateway::{Gateway, now},
        get,
        metabase::{SECRET, Seen, Standin, fixtures, token::sign_with},
    },
};

const ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "RS256", "PS256"];

fn claims(params: &Value) -> Value {
    json!({
        "aud": "embedgate", "sub": "viewer-7", "iat": now(), "exp": now() + 300,
        "resource": { "dashboard": 42 }, "params": params,
    })
}

/// A site whose application keeps a private key.
fn with_key(algorithm: &str, folder: &Path) -> Scene {
    let metabase = Standin::start();
    let file = folder.join("app.pem");
    fs::write(&file, keys::pair(algorithm).public).unwrap();
    let key = format!(
        "algorithm = \"{algorithm}\"\npublic_key = \"{}\"",
        file.display()
    );
    let text = text(metabase.address, "")
        .replace("algorithm = \"HS256\"\nsecret = { env = \"APP\" }", &key);
    let gateway = gateway_of(&text, folder);
    Scene { metabase, gateway }
}

#[test]
fn applications_sign_with_keys_of_their_own() {
    for algorithm in ALGORITHMS {
        let folder = tempfile::tempdir().unwrap();
        let scene = with_key(algorithm, folder.path());
        let token = signed_by(algorithm, &keys::pair(algorithm).private, &claims(&own()));
        let reply = scene.get(&format!("/api/embed/dashboard/{token}/{TABLE}"));
        assert_eq!(reply.status, 202, "{algorithm} {reply:?}");
        let seen = scene.metabase.last();
        assert_eq!(seen.claims().unwrap()["params"], json!({ MINE: [999] }));
        assert!(!seen.holds(&token));
        // What Metabase gets is signed with its own key: the stand-in would not have answered else.
        let before = scene.metabase.seen().len();
        let foreign = signed_by(
            algorithm,
            &keys::foreign(algorithm).private,
            &claims(&own()),
        );
        let classic = signed_by("HS256", SECRET.as_bytes(), &claims(&own()));
        let secret = String::from_utf8(keys::pair(algorithm).public).unwrap();
        let confused = sign_with(&secret, &json!({ "alg": "HS256" }), &claims(&own()));
        for bad in [foreign, classic, confused] {
            let reply = scene.get(&format!("/api/embed/dashboard/{bad}/{TABLE}"));
            unheard(&scene, before, &reply, 401, "token_invalid");
        }
    }
}

#[test]
fn an_application_that_signs_for_metabase_changes_nothing_but_the_host() {
    let metabase = Standin::start();
    let text = text(metabase.address, "").replace(
        "secret = { env = \"APP\" }\naudience = \"embedgate\"",
        "secret = { env = \"MB_SECRET\" }\ndefault_viewer = \"anonymous\"",
    );
    let gateway = gateway_of(&text, Path::new("/"));
    let scene = Scene { metabase, gateway };
    let sign = |exp: Value, params: Value| {
        let mut claims = json!({ "resource": { "dashboard": 42 }, "params": params, "exp": exp });
        if exp.is_null() {
            claims.as_object_mut().unwrap().remove("exp");
        }
        signed_by("HS256", SECRET.as_bytes(), &claims)
    };
    let ask = |token: &str| scene.get(&format!("/api/embed/dashboard/{token}/{TABLE}"));
    for params in [json!({ MINE: 999 }), json!({ MINE: [999] })] {
        let token = sign(json!(now() + 600), params);
        let reply = ask(&token);
        assert_eq!(reply.status, 202, "{reply:?}");
        assert!(!scene.metabase.last().holds(&token), "it went on");
        let life = scene.metabase.last().claims().unwrap();
        assert!(life["exp"].as_i64().unwrap() <= now() + 120);
    }
    for (exp, params, code) in [
        (json!(null), own(), "token_invalid"),
        (json!(now() + 3600), own(), "token_lifetime"),
        (json!(now() - 60), own(), "token_expired"),
        (json!(now() + 60), json!({ MINE: [] }), "param_missing"),
        (json!(now() + 60), json!({ MINE: null }), "param_missing"),
        (json!(now() + 60), json!({}), "param_missing"),
        (
            json!(now() + 60),
            json!({ MINE: 999, "ghost": 1 }),
            "param_invalid",
        ),
    ] {
        let before = scene.metabase.seen().len();
        let reply = ask(&sign(exp, params));
        assert_eq!(&*reply.code(), code, "{reply:?}");
        assert_eq!(scene.metabase.seen().len(), before);
    }
}

#[test]
fn every_request_gets_a_token_of_its_own_that_lives_for_seconds() {
    let scene = wide("token_ttl = \"5s\"");
    for door in DOORS {
        let reply = door.ask(&scene, &own(), "");
        assert_eq!(reply.status, door.status);
        let claims = scene.metabase.last().claims().unwrap();
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(life, 5, "{door:?}");
        let mut names: Vec<_> = claims.as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        // Nothing of the viewer: no `sub`, no tenant, no scope.
        assert_eq!(names, ["exp", "iat", "params", "resource"]);
    }
}

/// What a browser of somebody who is signed in to Metabase sends along.
const STOLEN: [(&str, &str); 12] = [
    (
        "Cookie",
        "metabase.SESSION=5e551000-0000-4000-8000-000000000001; metabase.DEVICE=1; a=b",
    ),
    ("X-Metabase-Session", fixtures::ADMIN_SESSION),
    ("X-API-Key", fixtures::API_KEY),
    ("X-Metabase-Anti-CSRF-Token", "x"),
    ("Proxy-Authorization", "Basic x"),
    ("X-Forwarded-For", "10.9.8.7"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Original-URL", "/api/session"),
    ("X-Rewrite-URL", "/api/session"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X_API_Key", fixtures::API_KEY),
    (
        "Referer",
        "https://app.example.com/embed/dashboard/secret-token",
    ),
];

fn targets(dashboard: &str, question: &str) -> Vec<String> {
    let mut all: Vec<String> = DOORS
        .iter()
        .map(|door| match door.kind {
            "dashboard" => door.target(dashboard, ""),
            _ => door.target(question, ""),
        })
        .collect();
    all.extend([
        format!("/embed/dashboard/{dashboard}"),
        format!("/embed/question/{question}"),
        format!("/api/embed/dashboard/{dashboard}"),
        format!("/api/embed/card/{question}"),
        format!("/api/embed/dashboard/{dashboard}/params/a0420002/values"),
        "/embed/sdk/v1?embed-js-identifier=1".to_owned(),
        "/api/session/properties".to_owned(),
        "/api/geojson/offices".to_owned(),
        "/app/embed.js".to_owned(),
        "/app/assets/img/x.svg".to_owned(),
        "/favicon.ico".to_owned(),
    ]);
    all
}

#[test]
fn b30_credentials_of_the_browser_never_arrive() {
    let scene = wide("geojson = [\"offices\"]");
    let dashboard = grant("dashboard", &json!(42), &own());
    let question = grant("question", &json!(7), &own());
    for target in targets(&dashboard, &question) {
        let token = if target.contains(&question) {
            &question
        } else {
            &dashboard
        };
        let bearer = format!("Bearer {token}");
        for authorization in [bearer.as_str(), "Basic YWRtaW46YWRtaW4="] {
            let mut headers = STOLEN.to_vec();
            headers.push(("Authorization", authorization));
            let reply = scene.get_with(&target, &headers);
            assert!(reply.status < 300, "{target} {reply:?}");
            assert_eq!(reply.header("x-standin-acting"), None, "{target}");
        }
    }
    let seen = scene.metabase.seen();
    assert!(seen.len() > 30);
    for one in seen {
        for name in [
            "authorization",
            "cookie",
            "x-metabase-session",
            "x-api-key",
            "x_api_key",
            "x-metabase-anti-csrf-token",
            "proxy-authorization",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
        ] {
            assert!(one.all(name).is_empty(), "{name} on {}", one.target);
        }
        for text in [
            "10.9.8.7",
            "evil.example",
            "secret-token",
            &dashboard,
            &question,
        ] {
            assert!(!one.holds(text), "{text} on {}", one.target);
        }
    }
}

/// What Metabase was shown as a token.
fn minted(seen: &[Seen]) -> Vec<String> {
    let segments = seen.iter().flat_map(|one| one.path().split('/'));
    let tokens = segments.filter(|part| part.starts_with("eyJ") && part.contains('.'));
    tokens.map(str::to_owned).collect()
}

#[test]
fn neither_the_secret_nor_a_minted_token_is_in_any_answer() {
    let scene = wide("");
    let dashboard = grant("dashboard", &json!(42), &own());
    let question = grant("question", &json!(7), &own());
    let mut replies: Vec<(String, Reply)> = Vec::new();
    let mut ask = |scene: &Scene, more: &str| {
        for target in targets(&dashboard, &question) {
            let reply = scene.get(&format!("{target}{more}"));
            replies.push((target.clone(), reply));
            let html = ("Accept", "text/html");
            replies.push((target.clone(), scene.get_with(&target, &[html])));
        }
    };
    ask(&scene, "");
    ask(&scene, "?organization_id=777");
    scene.metabase.edit(|store| store.embedding = false);
    ask(&scene, "");
    scene.metabase.edit(|store| {
        store.embedding = true;
        store.behaviour.busy = 40;
    });
    ask(&scene, "");
    scene.metabase.edit(|store| {
        store.behaviour.busy = 0;
        store.secret = Some("f".repeat(64));
    });
    ask(&scene, "");
    let tokens = minted(&scene.metabase.seen());
    assert!(tokens.len() > 40);
    for (target, reply) in &replies {
        let said = whole(reply);
        assert!(!said.contains(SECRET), "{target}");
        for part in tokens.iter().filter_map(|token| token.split('.').nth(1)) {
            assert!(!said.contains(part), "{target} {said}");
        }
    }
}

#[test]
fn the_trail_names_the_viewer_and_the_dashboard_and_holds_no_token_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("audit.jsonl");
    let output = format!("output = \"{}\"", trail.display());
    let scene = changed("", |text| text.replace("output = \"off\"", &output));
    let dashboard = grant("dashboard", &json!(42), &own());
    let question = grant("question", &json!(7), &own());
    let all = targets(&dashboard, &question);
    for target in &all {
        scene.get(target);
        scene.get(&format!(
            "{target}?region=Atlantis&organization_id=123454321"
        ));
        scene.get(&format!("{target}?embed_token={dashboard}x"));
    }
    let tokens = minted(&scene.metabase.seen());
    scene.gateway.stop();
    let text = fs::read_to_string(&trail).unwrap();
    assert_eq!(text.lines().count(), 3 * all.len());
    for private in [&dashboard, &question, SECRET, "Atlantis", "123454321"] {
        assert!(!text.contains(private), "{private}");
    }
    for token in tokens {
        assert!(!text.contains(&token), "{token}");
    }
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |resource: &str| {
        lines
            .iter()
            .filter(|line| line["resource"] == resource)
            .count()
    };
    assert!(of("dashboard:42") > 7 && of("question:7") > 5, "{text}");
    let download = |line: &&Value| line["action"] == "download" && line["outcome"] == "allowed";
    assert_eq!(lines.iter().filter(download).count(), 8, "{text}");
    let locked = lines.iter().find(|line| line["code"] == "param_locked");
    assert_eq!(locked.unwrap()["viewer"], "viewer-7");
}

#[test]
fn a_body_of_the_client_never_arrives() {
    let scene = wide("");
    let token = grant("dashboard", &json!(42), &own());
    let target = format!("/api/embed/dashboard/{token}/{TABLE}");
    let reply = post(
        scene.gateway.address,
        &target,
        &[("Content-Type", "application/json")],
        b"{\"parameters\":{\"organization_id\":[777]}}",
    );
    refused(&reply, 405, "method_denied");
    let text = format!(
        "GET {target} HTTP/1.1\r\nHost: bi.example.com\r\nContent-Length: 33\r\nConnection: close\r\n\r\n{{\"parameters\":{{\"organization_id\":"
    );
    let reply = crate::support::send(scene.gateway.address, text.as_bytes());
    assert!(matches!(reply.status, 202 | 400 | 413), "{reply:?}");
    for one in scene.metabase.seen() {
        assert!(one.body.is_empty() && one.all("content-length").is_empty());
    }
}

#[test]
fn a_site_of_two_issuers_knows_who_signed() {
    let metabase = Standin::start();
    let text = text(metabase.address, "")
        .replace(
            "[site.reports]",
            "[issuer.classic]\nalgorithm = \"HS256\"\nsecret = { env = \"MB_SECRET\" }\ndefault_viewer = \"anonymous\"\n[site.reports]",
        )
        .replace("issuers = [\"app\"]", "issuers = [\"app\", \"classic\"]");
    let gateway = Gateway::start_with(&text, &secrets);
    let ask = |token: &str| {
        let target = format!("/api/embed/dashboard/{token}/{TABLE}");
        get(gateway.address, &target, &[])
    };
    assert_eq!(ask(&grant("dashboard", &json!(42), &own())).status, 202);
    let classic = json!({ "resource": { "dashboard": 42 }, "params": own(), "exp": now() + 60 });
    assert_eq!(
        ask(&signed_by("HS256", SECRET.as_bytes(), &classic)).status,
        202
    );
    // `aud` is asked for where the issuer names one, `sub` where it has no viewer of its own.
    let app = signed_by("HS256", crate::support::gateway::APP.as_bytes(), &classic);
    refused(&ask(&app), 401, "token_invalid");
}
