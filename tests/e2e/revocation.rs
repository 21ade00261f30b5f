//! Access that ends before its time: every subject, every credential, from the next request on.

use std::net::SocketAddr;

use crate::{
    metabase::setup,
    support::{
        Answer, Gateway, Upstream,
        browser::{Browser, FRAME},
        client::Reply,
        eventually, gateway, get,
        metabase::{SECRET, Standin},
        send, token,
    },
};
use embedgate::gate::token::Signer;
use serde_json::{Value, json};

const ADMIN: &str = "admin-token-0123456789";
const ISSUER: &str = "algorithm = \"HS256\"\nsecret = { env = \"APP\" }";

/// A gateway of two workers, whose issuer names its key.
fn start(upstream: SocketAddr, more: &str) -> Gateway {
    let text = gateway::generic(upstream, "")
        .replace("workers = 1", "workers = 2")
        .replace(
            ISSUER,
            "keys = [{ kid = \"k1\", algorithm = \"HS256\", secret = { env = \"APP\" } }]",
        );
    serve(&format!("{more}{text}"))
}

fn serve(text: &str) -> Gateway {
    let text = text.replace("[admin]", "[admin]\ntoken = { env = \"ADMIN\" }");
    Gateway::start_with(&text, &|name| match name {
        "ADMIN" => Some(ADMIN.to_owned()),
        "MB_SECRET" => Some(SECRET.to_owned()),
        _ => None,
    })
}

fn admin(gateway: &Gateway, method: &str, path: &str, body: &str) -> Reply {
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    send(gateway.admin.unwrap(), text.as_bytes())
}

/// Revokes; the id.
fn revoke(gateway: &Gateway, wanted: &Value) -> String {
    let mut wanted = wanted.clone();
    wanted["reason"] = "a test".into();
    let made = admin(gateway, "POST", "/v1/revocations", &wanted.to_string());
    assert_eq!(made.status, 201, "{wanted}: {made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

fn take_back(gateway: &Gateway, id: &str) -> u16 {
    let path = format!("/v1/revocations/{id}");
    admin(gateway, "DELETE", &path, "").status
}

/// A viewer of tenant `acme`, and everything that they come with.
fn viewer() -> String {
    let mut claims = gateway::claims();
    claims["tenant"] = "acme".into();
    Signer::new("HS256", gateway::APP.as_bytes(), Some("k1"))
        .unwrap()
        .sign(&claims)
        .unwrap()
}

fn by_token(gateway: &Gateway, token: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    get(
        gateway.address,
        "/reports/q3",
        &[("Authorization", &bearer)],
    )
}

fn by_session(gateway: &Gateway, cookie: &str) -> Reply {
    get(gateway.address, "/reports/q3", &[("Cookie", cookie)])
}

/// A session by a page load.
fn open(gateway: &Gateway, token: &str) -> String {
    let target = format!("/reports/q3?embed_token={token}");
    let page = get(gateway.address, &target, &[("Sec-Fetch-Dest", "iframe")]);
    page.session().unwrap_or_else(|| panic!("{page:?}"))
}

#[test]
fn each_subject_ends_tokens_and_sessions_on_every_worker_and_taking_it_back_restores_them() {
    let upstream = Upstream::plain();
    let gateway = start(upstream.address, "");
    let token = viewer();
    let session = open(&gateway, &token);
    let other = gateway::token(&json!({ "sub": "other", "jti": "t-2" }));
    for subject in [
        json!({ "viewer": "viewer-7" }),
        json!({ "viewer": "viewer-7", "tenant": "acme" }),
        json!({ "viewer": "viewer-7", "issuer": "app" }),
        json!({ "viewer": "viewer-7", "tenant": "acme", "issuer": "app" }),
        json!({ "tenant": "acme" }),
        json!({ "tenant": "acme", "issuer": "app" }),
        json!({ "jti": "t-1" }),
        json!({ "jti": "t-1", "issuer": "app" }),
        json!({ "kid": "k1" }),
        json!({ "kid": "k1", "issuer": "app" }),
        json!({ "issuer": "app" }),
    ] {
        // Both are remembered by now.
        assert_eq!(by_token(&gateway, &token).status, 200, "{subject}");
        assert_eq!(by_session(&gateway, &session).status, 200, "{subject}");
        let before = upstream.seen().len();
        let id = revoke(&gateway, &subject);
        // Fresh connections, so both workers are asked.
        for _ in 0..10 {
            let replies = [by_token(&gateway, &token), by_session(&gateway, &session)];
            for reply in replies {
                assert_eq!(reply.status, 401, "{subject}: {reply:?}");
                assert_eq!(reply.code(), "token_revoked", "{subject}");
                let challenge = reply.header("www-authenticate").unwrap();
                assert!(challenge.starts_with("Bearer error="), "{challenge}");
            }
        }
        assert_eq!(upstream.seen().len(), before, "{subject}");
        // This one has another name, tenant and token; the key and the issuer are the same.
        let shared = subject.as_object().unwrap();
        let spared = ["viewer", "tenant", "jti"];
        let spared = spared.iter().any(|name| shared.contains_key(*name));
        assert_eq!(
            by_token(&gateway, &other).status == 200,
            spared,
            "{subject}"
        );
        assert_eq!(take_back(&gateway, &id), 204, "{subject}");
        assert_eq!(take_back(&gateway, &id), 404, "{subject}");
    }
    assert_eq!(by_session(&gateway, &session).status, 200);
}

#[test]
fn a_key_is_revoked_though_the_token_does_not_name_it_and_other_subjects_do_not_match() {
    let upstream = Upstream::plain();
    let gateway = start(upstream.address, "");
    // The header names no key; the gateway knows which one verified it.
    let nameless = token(&json!({}));
    assert_eq!(by_token(&gateway, &nameless).status, 200);
    for subject in [
        json!({ "viewer": "VIEWER-7" }),
        json!({ "viewer": "viewer-7 " }),
        json!({ "viewer": "viewer-7", "tenant": "acme" }),
        json!({ "tenant": "viewer-7" }),
        json!({ "jti": "t-1 " }),
        json!({ "kid": "k2" }),
        json!({ "session": "00112233445566778899aabbccddeeff" }),
    ] {
        revoke(&gateway, &subject);
        assert_eq!(by_token(&gateway, &nameless).status, 200, "{subject}");
    }
    revoke(&gateway, &json!({ "kid": "k1" }));
    assert_eq!(by_token(&gateway, &nameless).code(), "token_revoked");
}

#[test]
fn a_session_is_revoked_by_its_id_in_the_trail_also_once_it_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("audit.jsonl");
    let upstream = Upstream::plain();
    let text = gateway::generic(upstream.address, "")
        .replace(
            "output = \"off\"",
            &format!("output = \"{}\"", trail.display()),
        )
        .replace(
            "secret = { env = \"SESSION\" }",
            "secret = { env = \"SESSION\" }\nidle = \"8s\"",
        );
    let gateway = serve(&text);
    let token = viewer();
    let [session, another] = [(); 2].map(|()| open(&gateway, &token));
    assert_eq!(by_session(&gateway, &session).status, 200);
    let mut renewed = None;
    eventually("the cookie is sealed afresh", || {
        renewed = by_session(&gateway, &session).session();
        renewed.is_some()
    });
    let renewed = renewed.unwrap();
    let mut id = None;
    eventually("the trail names the session", || {
        let text = std::fs::read_to_string(&trail).unwrap_or_default();
        let mut lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        id = lines.find_map(|line| Some(line["session"].as_str()?.to_owned()));
        id.is_some()
    });
    revoke(&gateway, &json!({ "session": id.unwrap() }));
    assert_eq!(by_session(&gateway, &session).code(), "token_revoked");
    assert_eq!(by_session(&gateway, &renewed).code(), "token_revoked");
    assert_eq!(by_session(&gateway, &another).status, 200);
    assert_eq!(by_token(&gateway, &token).status, 200);
    gateway.stop();
    let text = std::fs::read_to_string(&trail).unwrap();
    let refused = text
        .lines()
        .find(|line| line.contains("token_revoked"))
        .unwrap();
    let refused: Value = serde_json::from_str(refused).unwrap();
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.starts_with("revocation 00"), "{refused}");
}

#[test]
fn a_ticket_falls_with_its_viewer() {
    let metabase = Standin::start();
    let gateway = serve(&setup::text(metabase.address, ""));
    let token = setup::dashboard(42, &json!({ "organization_id": 999 }));
    let body = "{\"entityType\":\"dashboard\",\"entityId\":42}";
    let bearer = format!("Bearer {token}");
    let made = crate::support::client::post(
        gateway.address,
        "/_embedgate/metabase/token",
        &[
            ("Authorization", &bearer),
            ("Content-Type", "application/json"),
        ],
        body.as_bytes(),
    );
    let ticket = made.json()["jwt"].as_str().unwrap().to_owned();
    let ask = |token: &str| {
        get(
            gateway.address,
            &format!("/api/embed/dashboard/{token}"),
            &[],
        )
    };
    assert_eq!((ask(&ticket).status, ask(&token).status), (200, 200));
    revoke(&gateway, &json!({ "viewer": "viewer-7" }));
    assert_eq!(ask(&ticket).code(), "token_revoked");
    assert_eq!(ask(&token).code(), "token_revoked");
}

#[test]
fn a_session_does_not_stand_in_for_a_path_token_that_was_revoked() {
    let metabase = Standin::start();
    let text = setup::text(metabase.address, "").replace(
        "max_lifetime = \"10m\"",
        "max_lifetime = \"10m\"\nleeway = \"0s\"",
    );
    let gateway = serve(&text);
    let grant = |jti: &str, life: i64| {
        token(&json!({
            "resource": { "dashboard": 42 }, "params": { "organization_id": 999 },
            "jti": jti, "iat": gateway::now(), "exp": gateway::now() + life,
        }))
    };
    let bearer = format!("Bearer {}", grant("long", 300));
    let opened = crate::support::client::post(
        gateway.address,
        "/_embedgate/session",
        &[("Authorization", &bearer)],
        b"",
    );
    let session = opened.session().unwrap();
    let target = format!("/api/embed/dashboard/{}", grant("short", 1));
    let ask = || get(gateway.address, &target, &[("Cookie", &session)]);
    eventually("the token expires", || {
        get(gateway.address, &target, &[]).code() == "token_expired"
    });
    assert_eq!(ask().status, 200, "the session stands in");
    for jti in ["short", "long"] {
        let id = revoke(&gateway, &json!({ "jti": jti }));
        assert_eq!(ask().code(), "token_revoked", "{jti}");
        assert_eq!(take_back(&gateway, &id), 204);
        assert_eq!(ask().status, 200, "{jti}");
    }
}

#[test]
fn a_frame_is_told_that_its_access_was_withdrawn() {
    let upstream = Upstream::start(|_| Answer::html("<p>q3</p>"));
    let gateway = start(upstream.address, "");
    let token = token(&json!({}));
    revoke(&gateway, &json!({ "jti": "t-1" }));
    let page = get(
        gateway.address,
        &format!("/reports/q3?embed_token={token}"),
        &[
            ("Accept", "text/html,application/xhtml+xml"),
            ("Sec-Fetch-Dest", "iframe"),
            ("Referer", "https://app.example.com/page"),
        ],
    );
    assert_eq!((page.status, page.session()), (401, None));
    let text = page.text();
    assert!(
        text.contains("{type:\"embedgate:refused\",code:\"token_revoked\"}")
            && text.contains("https://app.example.com"),
        "{text}"
    );
    assert!(
        !text.contains("a test"),
        "the reason is not for viewers: {text}"
    );
}

#[test]
fn a_revocation_ends_by_itself() {
    let upstream = Upstream::plain();
    let gateway = start(upstream.address, "");
    let token = token(&json!({}));
    let until = gateway::now() + 2;
    revoke(&gateway, &json!({ "viewer": "viewer-7", "until": until }));
    assert_eq!(by_token(&gateway, &token).code(), "token_revoked");
    eventually("it is over", || by_token(&gateway, &token).status == 200);
    assert!(gateway::now() >= until);
    eventually("it is forgotten", || {
        let metrics = get(gateway.admin.unwrap(), "/metrics", &[("Host", "localhost")]);
        metrics.text().contains("\nembedgate_revocations 0\n")
    });
}

#[test]
fn without_an_end_it_covers_what_was_granted_before() {
    let upstream = Upstream::plain();
    let gateway = start(upstream.address, "");
    let made = |subject: &str| {
        let body = json!({ subject: "app", "reason": "r" }).to_string();
        admin(&gateway, "POST", "/v1/revocations", &body).json()
    };
    let seconds = |shown: &Value| {
        let time: jiff::Timestamp = shown.as_str().unwrap().parse().unwrap();
        time.as_second()
    };
    let viewer = made("viewer");
    let life = seconds(&viewer["until"]) - seconds(&viewer["made"]);
    assert_eq!(
        life,
        8 * 3600 + 60,
        "a session, by a clock that is a minute fast"
    );
    assert_eq!(viewer["durable"], false);
    assert_eq!(made("issuer")["until"], "9999-12-30T22:00:00Z");
    let list = |query: &str| admin(&gateway, "GET", &format!("/v1/revocations{query}"), "").json();
    let all = list("")["revocations"].clone();
    assert_eq!(all.as_array().map(Vec::len), Some(2), "{all}");
    let first = list("?limit=1");
    let next = first["next"].as_str().unwrap();
    let second = list(&format!("?limit=1&after={next}"));
    assert_eq!(first["revocations"][0], all[0], "{first}");
    assert_eq!(second["revocations"][0], all[1], "{second}");
}

#[test]
fn what_is_no_revocation_is_refused_and_denies_nobody() {
    let upstream = Upstream::plain();
    let gateway = start(upstream.address, "[revocations]\nmax = 1\n");
    for body in [
        "",
        "{}",
        "[]",
        "{\"viewer\":\"viewer-7\"}",
        "{\"viewer\":\"viewer-7\",\"reason\":\"\"}",
        "{\"viewer\":\"viewer-7\",\"jti\":\"t-1\",\"reason\":\"r\"}",
        "{\"viewer\":\"viewer-7\",\"viewer\":\"viewer-7\",\"reason\":\"r\"}",
        "{\"viewer\":\"viewer-7\",\"reason\":\"r\",\"more\":1}",
        "{\"viewer\":\"viewer-7\",\"reason\":\"r\",\"until\":1}",
        "{\"viewer\":\"viewer-7\",\"reason\":\"r\",\"until\":\"soon\"}",
        "{\"issuer\":\"nobody\",\"reason\":\"r\"}",
        "{\"kid\":\"k1\",\"issuer\":\"embedgate\",\"reason\":\"r\"}",
    ] {
        let reply = admin(&gateway, "POST", "/v1/revocations", body);
        assert_eq!(
            (reply.status, &*reply.code()),
            (400, "revocation_invalid"),
            "{body}"
        );
        assert_eq!(
            reply.json()["errors"].as_array().unwrap().len(),
            1,
            "{body}"
        );
    }
    let token = token(&json!({}));
    assert_eq!(by_token(&gateway, &token).status, 200);
    revoke(&gateway, &json!({ "viewer": "somebody" }));
    let body = "{\"viewer\":\"viewer-7\",\"reason\":\"r\"}";
    let full = admin(&gateway, "POST", "/v1/revocations", body);
    assert_eq!((full.status, &*full.code()), (507, "revocations_full"));
    let refused = get(
        gateway.admin.unwrap(),
        "/v1/revocations",
        &[("Host", "localhost")],
    );
    assert_eq!(refused.status, 401);
    assert!(!refused.text().contains("somebody"));
}

/// Two viewers in one browser: what is revoked of one is not served by the other, where the page's address says whose it is.
#[test]
fn a_page_of_a_revoked_session_is_not_served_by_another_of_the_browser() {
    let upstream = Upstream::plain();
    let gateway = start(upstream.address, "");
    let mut browser = Browser::default();
    let pages = ["one", "two"].map(|viewer| {
        let token = token(&json!({ "sub": viewer, "jti": viewer }));
        let target = format!("/reports/q3?embed_token={token}");
        let page = browser.get(gateway.address, &target, FRAME);
        page.header("location").unwrap().to_owned()
    });
    let served = |browser: &mut Browser, page: &str| {
        browser.fetch(gateway.address, "/api/default", page).code()
    };
    for page in &pages {
        assert_eq!(served(&mut browser, page), "");
    }
    revoke(&gateway, &json!({ "viewer": "one" }));
    for _ in 0..2 {
        assert_eq!(served(&mut browser, &pages[0]), "token_revoked");
        let page = browser.get(gateway.address, &pages[0], FRAME);
        assert_eq!(page.code(), "token_revoked");
        assert_eq!(served(&mut browser, &pages[1]), "");
    }
    // The other's cookie under this one's name is still the other's.
    let name = pages[0].rsplit_once('=').unwrap().1;
    let value = browser.cookies.values().next_back().unwrap().clone();
    for forged in [
        format!("__Host-embedgate-{name}={value}"),
        format!("__Host-embedgate={value}; __Host-embedgate-{name}={value}"),
    ] {
        let reply = get(gateway.address, &pages[0], &[("Cookie", &forged)]);
        assert!(
            matches!(&*reply.code(), "session_invalid" | "token_revoked"),
            "{reply:?}"
        );
    }
}
