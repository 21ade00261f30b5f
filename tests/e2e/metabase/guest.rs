//! The gateway as the web component's `guestEmbedProviderUri`: tokens for a session, for what it grants, and never for longer.

use std::{thread::sleep, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use super::{
    renewal::{HOST_PAGE, asked, open_session, past, scene, short, usual},
    setup::Scene,
    wide::{MINE, TABLE, changed, named, names_own_only, refused},
};
use crate::support::{
    client::{Reply, post},
    gateway::now,
    metabase::Seen,
};

const GUEST: &str = "/_embedgate/metabase/token";

/// As Metabase's `embed.js` asks its provider.
fn guest(scene: &Scene, cookie: &str, origin: &str, kind: &str, id: &Value) -> Reply {
    let body = json!({ "entityType": kind, "entityId": id, "customContext": { "a": 1 } });
    let headers = [
        ("Cookie", cookie),
        ("Origin", origin),
        ("Content-Type", "application/json"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "cors"),
    ];
    let target = format!("{GUEST}?response=json");
    let body = body.to_string();
    post(scene.gateway.address, &target, &headers, body.as_bytes())
}

fn ticket(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    let json = reply.json();
    assert_eq!(json.as_object().unwrap().len(), 1);
    json["jwt"].as_str().unwrap().to_owned()
}

fn payload(jwt: &str) -> Value {
    let parts: Vec<_> = jwt.split('.').collect();
    assert_eq!(parts.len(), 3);
    serde_json::from_slice(&BASE64.decode(parts[1]).unwrap()).unwrap()
}

#[test]
fn the_web_component_gets_its_tokens_from_the_gateway() {
    let scene = usual();
    let cookie = open_session(&scene, &short(60, &json!({})));
    let reply = guest(&scene, &cookie, HOST_PAGE, "dashboard", &json!(42));
    assert_eq!(reply.header("access-control-allow-origin"), Some(HOST_PAGE));
    assert_eq!(
        reply.header("access-control-allow-credentials"),
        Some("true")
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let jwt = ticket(&reply);
    let readable = payload(&jwt);
    assert_eq!(readable["resource"], json!({ "dashboard": 42 }));
    assert_eq!(readable["params"], json!({}));
    let left = readable["exp"].as_i64().unwrap() - now();
    assert!((590..=600).contains(&left), "{left}");
    assert_eq!(readable.as_object().unwrap().len(), 3);
    assert!(!jwt.contains("999"));
    // No cookie is needed with it: third-party ones may be blocked.
    for target in asked(&jwt) {
        let reply = scene.get(&target);
        assert!(reply.status < 300, "{target} {reply:?}");
        assert!(names_own_only(&reply));
        assert!(!scene.metabase.last().holds(&jwt));
    }
    let claims = scene.metabase.seen();
    let last = claims.iter().rev().find_map(Seen::claims).unwrap();
    assert_eq!(last["params"], json!({ MINE: [999] }));
    // It is nobody's to change, and no key of any issuer makes one.
    for bad in [
        jwt.replacen("eyJ", "eyK", 1),
        format!("{jwt}A"),
        format!("{}.{}", jwt.rsplit_once('.').unwrap().0, "AAAA"),
    ] {
        let reply = scene.get(&format!("/api/embed/dashboard/{bad}"));
        refused(&reply, 401, "token_invalid");
    }
}

#[test]
fn a_ticket_is_for_what_the_session_grants_and_nothing_else() {
    let scene = usual();
    let cookie = open_session(&scene, &short(60, &json!({})));
    for (kind, id, status, code) in [
        ("dashboard", json!(43), 403, "resource_denied"),
        ("question", json!(42), 403, "resource_denied"),
        (
            "dashboard",
            json!("D00000000000000000042"),
            403,
            "resource_denied",
        ),
        ("dashboard", json!("042"), 400, "request_malformed"),
        ("dashboard", json!(42.5), 400, "request_malformed"),
        ("dashboard", json!(null), 400, "request_malformed"),
        ("dashboard", json!([42]), 400, "request_malformed"),
        ("action", json!(42), 400, "request_malformed"),
    ] {
        let reply = guest(&scene, &cookie, HOST_PAGE, kind, &id);
        assert_eq!(
            (reply.status, &*reply.code()),
            (status, code),
            "{kind} {id}"
        );
    }
    let same = guest(&scene, &cookie, HOST_PAGE, "dashboard", &json!("42"));
    assert_eq!(
        payload(&ticket(&same))["resource"],
        json!({ "dashboard": "42" })
    );
    for body in [
        "",
        "{}",
        "[]",
        "{\"entityType\":\"dashboard\"}",
        "entityType=dashboard",
    ] {
        let headers = [("Cookie", &*cookie), ("Origin", HOST_PAGE)];
        let reply = post(scene.gateway.address, GUEST, &headers, body.as_bytes());
        refused(&reply, 400, "request_malformed");
    }
    // A ticket opens its own dashboard alone.
    let jwt = ticket(&guest(&scene, &cookie, HOST_PAGE, "dashboard", &json!(42)));
    refused(
        &scene.get(&format!("/api/embed/card/{jwt}")),
        403,
        "resource_denied",
    );
}

#[test]
fn nobody_else_gets_a_ticket() {
    let scene = usual();
    let cookie = open_session(&scene, &short(60, &json!({})));
    for origin in ["https://evil.example", "http://localhost:3000", "null"] {
        let reply = guest(&scene, &cookie, origin, "dashboard", &json!(42));
        refused(&reply, 403, "origin_denied");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    let reply = guest(&scene, "a=b", HOST_PAGE, "dashboard", &json!(42));
    refused(&reply, 401, "token_missing");
    let reply = guest(
        &scene,
        "__Host-embedgate=x",
        HOST_PAGE,
        "dashboard",
        &json!(42),
    );
    refused(&reply, 401, "session_invalid");
    // A form of no origin at all, under somebody's session.
    let body = b"{\"entityType\":\"dashboard\",\"entityId\":42}";
    let reply = post(scene.gateway.address, GUEST, &[("Cookie", &cookie)], body);
    refused(&reply, 403, "csrf_denied");
    assert!(scene.metabase.seen().is_empty());
}

#[test]
fn no_chain_of_tickets_outlives_the_session() {
    let scene = scene("lifetime = \"3s\"");
    let cookie = open_session(&scene, &short(60, &json!({})));
    let end = now() + 3;
    sleep(Duration::from_millis(1200));
    let jwt = ticket(&guest(&scene, &cookie, HOST_PAGE, "dashboard", &json!(42)));
    let exp = payload(&jwt)["exp"].as_i64().unwrap();
    assert!(exp <= end, "{exp} {end}");
    // What the ticket opens is the same session: its layout gives a cookie, which gives a ticket.
    let layout = scene.get(&format!("/api/embed/dashboard/{jwt}"));
    let second = layout.session().unwrap();
    let next = ticket(&guest(&scene, &second, HOST_PAGE, "dashboard", &json!(42)));
    assert!(payload(&next)["exp"].as_i64().unwrap() <= end);
    sleep(Duration::from_secs(2));
    for late in [&jwt, &next] {
        for headers in [&[][..], &[("Cookie", &*cookie)], &[("Cookie", &*second)]] {
            let reply = scene.get_with(&format!("/api/embed/dashboard/{late}/{TABLE}"), headers);
            refused(&reply, 401, "token_expired");
        }
    }
    for late in [&cookie, &second] {
        let reply = guest(&scene, late, HOST_PAGE, "dashboard", &json!(42));
        refused(&reply, 401, "session_expired");
    }
}

#[test]
fn the_layout_begins_the_session_of_a_page_that_had_no_token() {
    let scene = usual();
    let page = scene.get("/embed/sdk/v1?embed-js-identifier=1");
    assert_eq!((page.status, page.session()), (200, None), "{page:?}");
    let token = short(1, &json!({}));
    let fetch = [
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    let layout = scene.get_with(&format!("/api/embed/dashboard/{token}"), &fetch);
    let cookie = layout.session().unwrap();
    let rows = scene.get_with(&format!("/api/embed/dashboard/{token}/{TABLE}"), &fetch);
    assert_eq!((rows.status, rows.session()), (202, None));
    past(1);
    let jwt = ticket(&guest(&scene, &cookie, HOST_PAGE, "dashboard", &json!(42)));
    let reply = scene.get_with(&format!("/api/embed/dashboard/{jwt}/{TABLE}"), &fetch);
    assert_eq!((reply.status, named(&reply)), (202, 7));
}

#[test]
fn without_sessions_there_is_no_provider() {
    let scene = changed("", |text| {
        text.replace(
            "kind = \"metabase\"",
            "kind = \"metabase\"\nsessions = false",
        )
    });
    let reply = guest(
        &scene,
        "__Host-embedgate=x",
        HOST_PAGE,
        "dashboard",
        &json!(42),
    );
    refused(&reply, 401, "token_missing");
}
