//! What comes after `exp`: a page that is open goes on under its session, a copied address does not; a host page posts a fresh token.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{
    setup::Scene,
    wide::{MINE, TABLE, changed, method, named, names_own_only, own, refused},
};
use crate::support::{
    client::{Reply, post},
    gateway::now,
    token,
};

pub(crate) const HOST_PAGE: &str = "https://app.example.com";
const SESSION: &str = "/_embedgate/session";

/// Without leeway, so that a second is a second; sessions as `session` says.
pub(crate) fn scene(session: &str) -> Scene {
    changed("", |text| {
        text.replace(
            "max_lifetime = \"10m\"",
            "max_lifetime = \"10m\"\nleeway = \"0s\"",
        )
        .replace("lifetime = \"8h\"", session)
    })
}

pub(crate) fn usual() -> Scene {
    scene("lifetime = \"8h\"")
}

/// A token that lives for so many seconds at least, and less than one more (its times are whole seconds); more of its claims changed.
pub(crate) fn short(seconds: i64, more: &Value) -> String {
    let mut claims = json!({
        "resource": { "dashboard": 42 }, "params": own(), "scope": "view download",
        "iat": now(), "exp": now() + seconds + 1,
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    token(&claims)
}

/// Until a token of so many seconds has ended.
pub(crate) fn past(seconds: u64) {
    sleep(Duration::from_millis((seconds + 1) * 1000 + 300));
}

fn open(scene: &Scene, token: &str) -> String {
    let page = scene.get(&format!("/embed/dashboard/{token}"));
    assert_eq!(page.status, 200, "{page:?}");
    page.session().unwrap()
}

/// What an open page asks for, with the filters that its viewer has set.
pub(crate) fn asked(token: &str) -> [String; 5] {
    [
        format!("/api/embed/dashboard/{token}"),
        format!(
            "/api/embed/dashboard/{token}/{TABLE}?parameters=%7B%22region%22%3A%5B%22Europe%22%5D%7D"
        ),
        format!("/api/embed/dashboard/{token}/{TABLE}/csv?region=Europe"),
        format!("/api/embed/dashboard/{token}/params/a0420002/values"),
        format!("/embed/dashboard/{token}?region=Europe"),
    ]
}

#[test]
fn an_open_page_goes_on_when_the_token_in_its_address_has_ended() {
    let scene = usual();
    let token = short(1, &json!({}));
    let cookie = open(&scene, &token);
    past(1);
    for target in asked(&token) {
        let reply = scene.get_with(&target, &[("Cookie", &cookie)]);
        assert!(reply.status < 300, "{target} {reply:?}");
        assert!(names_own_only(&reply), "{target}");
        if target.contains("region") && !target.starts_with("/embed") {
            assert_eq!(named(&reply), 3, "the filter is still there: {target}");
        }
        assert_eq!(reply.session(), None, "nothing is prolonged");
        assert!(!scene.metabase.last().holds(&token));
    }
    // The address that somebody copied is dead, also for who has some other cookie.
    let other = open(&scene, &short(60, &json!({ "sub": "viewer-8" })));
    for target in asked(&token) {
        let before = scene.metabase.seen().len();
        for headers in [
            &[][..],
            &[("Cookie", "__Host-embedgate=")],
            &[("Cookie", &*other)],
            &[("Cookie", "__Host-embedgate=AAAA")],
        ] {
            let reply = scene.get_with(&target, headers);
            refused(&reply, 401, "token_expired");
        }
        assert_eq!(scene.metabase.seen().len(), before, "{target}");
    }
}

#[test]
fn only_a_session_that_grants_the_very_same_stands_in() {
    let scene = usual();
    let token = short(1, &json!({}));
    let others: Vec<(Value, String)> = [
        json!({ "sub": "viewer-8" }),
        json!({ "resource": { "dashboard": 43 } }),
        json!({ "params": { MINE: 777 } }),
        json!({ "params": { MINE: 999, "region": "Europe" } }),
        json!({ "scope": "view" }),
        json!({ "tenant": "acme" }),
        json!({ "origin": HOST_PAGE }),
    ]
    .into_iter()
    .map(|more| {
        let session = open_session(&scene, &short(60, &more));
        (more, session)
    })
    .collect();
    let same = open_session(&scene, &short(60, &json!({ "jti": "another" })));
    past(1);
    let target = format!("/api/embed/dashboard/{token}/{TABLE}");
    for (more, cookie) in &others {
        let reply = scene.get_with(&target, &[("Cookie", cookie)]);
        assert_eq!(&*reply.code(), "token_expired", "{more}");
    }
    let reply = scene.get_with(&target, &[("Cookie", &same)]);
    assert_eq!((reply.status, named(&reply)), (202, 7), "{reply:?}");
    // A token that is not authentic has no past.
    let forged = format!("{}A", token.trim_end_matches(char::is_alphanumeric));
    let reply = scene.get_with(&target.replace(&token, &forged), &[("Cookie", &same)]);
    refused(&reply, 401, "token_invalid");
}

/// As a host page does: a fresh token in, a session out.
pub(crate) fn open_session(scene: &Scene, token: &str) -> String {
    let reply = renew(scene, token, HOST_PAGE);
    assert_eq!(reply.status, 204, "{reply:?}");
    reply.session().unwrap()
}

fn renew(scene: &Scene, token: &str, origin: &str) -> Reply {
    let headers = [
        ("Authorization", &*format!("Bearer {token}")),
        ("Origin", origin),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
    ];
    post(scene.gateway.address, SESSION, &headers, b"")
}

#[test]
fn a_token_that_is_alive_counts_more_than_any_session() {
    let scene = usual();
    let cookie = open(&scene, &short(60, &json!({})));
    let other = short(60, &json!({ "sub": "viewer-8", "params": { MINE: 777 } }));
    let target = format!("/api/embed/dashboard/{other}/{TABLE}");
    let reply = scene.get_with(&target, &[("Cookie", &cookie)]);
    assert_eq!((reply.status, named(&reply)), (202, 5), "{reply:?}");
    assert!(!names_own_only(&reply));
    let foreign = short(60, &json!({ "resource": { "dashboard": 10 } }));
    let reply = scene.get_with(
        &format!("/api/embed/dashboard/{foreign}/{TABLE}"),
        &[("Cookie", &cookie)],
    );
    assert_eq!(
        (reply.status, named(&reply)),
        (400, 0),
        "no `tenant`: Metabase's refusal"
    );
}

#[test]
fn a_session_that_has_ended_stands_in_for_nothing() {
    let scene = scene("lifetime = \"2s\"");
    let token = short(1, &json!({}));
    let cookie = open(&scene, &token);
    past(2);
    let target = format!("/api/embed/dashboard/{token}/{TABLE}");
    let reply = scene.get_with(&target, &[("Cookie", &cookie)]);
    refused(&reply, 401, "token_expired");
}

#[test]
fn a_host_page_posts_a_fresh_token_and_the_frame_goes_on() {
    let scene = usual();
    let token = short(1, &json!({}));
    past(1);
    let target = format!("/api/embed/dashboard/{token}/{TABLE}?region=Europe");
    refused(&scene.get(&target), 401, "token_expired");
    let preflight = method(
        &scene,
        "OPTIONS",
        SESSION,
        &[
            ("Origin", HOST_PAGE),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization"),
        ],
    );
    assert_eq!(preflight.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", HOST_PAGE),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "authorization"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(preflight.header(name), Some(value), "{name}");
    }
    let fresh = short(60, &json!({ "jti": "fresh" }));
    let reply = renew(&scene, &fresh, HOST_PAGE);
    assert_eq!((reply.status, reply.body.len()), (204, 0), "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), Some(HOST_PAGE));
    assert_eq!(
        reply.header("access-control-allow-credentials"),
        Some("true")
    );
    let cookie = reply.all("set-cookie")[0];
    for attribute in [
        "Secure",
        "HttpOnly",
        "SameSite=None",
        "Partitioned",
        "Path=/",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = reply.session().unwrap();
    let rows = scene.get_with(&target, &[("Cookie", &cookie)]);
    assert_eq!((rows.status, named(&rows)), (202, 3), "{rows:?}");
}

#[test]
fn a_foreign_page_posts_nothing() {
    let scene = usual();
    let fresh = short(60, &json!({}));
    for origin in [
        "https://evil.example",
        "http://app.example.com",
        "http://localhost:3000",
        "null",
    ] {
        let preflight = method(
            &scene,
            "OPTIONS",
            SESSION,
            &[
                ("Origin", origin),
                ("Access-Control-Request-Method", "POST"),
            ],
        );
        assert_eq!(preflight.header("access-control-allow-origin"), None);
        assert_eq!(preflight.header("access-control-allow-credentials"), None);
        let reply = renew(&scene, &fresh, origin);
        refused(&reply, 403, "origin_denied");
        assert_eq!(reply.session(), None);
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    for (token, code) in [
        (short(3600, &json!({})), "token_lifetime"),
        (short(-60, &json!({ "iat": now() - 120 })), "token_expired"),
        (format!("{fresh}x"), "token_invalid"),
    ] {
        let reply = renew(&scene, &token, HOST_PAGE);
        refused(&reply, 401, code);
        assert_eq!(reply.session(), None);
    }
    let nobody = post(
        scene.gateway.address,
        SESSION,
        &[("Origin", HOST_PAGE)],
        b"",
    );
    refused(&nobody, 401, "token_missing");
    let get = method(&scene, "GET", SESSION, &[]);
    refused(&get, 405, "method_denied");
}

#[test]
fn without_sessions_a_token_is_all_there_is() {
    let scene = changed("", |text| {
        text.replace(
            "kind = \"metabase\"",
            "kind = \"metabase\"\nsessions = false",
        )
        .replace(
            "max_lifetime = \"10m\"",
            "max_lifetime = \"10m\"\nleeway = \"0s\"",
        )
    });
    let token = short(1, &json!({}));
    let page = scene.get(&format!("/embed/dashboard/{token}"));
    assert_eq!((page.status, page.session()), (200, None));
    past(1);
    let target = format!("/api/embed/dashboard/{token}/{TABLE}");
    refused(&scene.get(&target), 401, "token_expired");
}
