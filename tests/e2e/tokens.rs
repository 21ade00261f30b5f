//! Tokens and sessions over the wire: what is refused, with which code, and that the upstream never sees it.

use crate::support::{Gateway, Upstream, eventually, gateway, get, token};
use serde_json::json;

#[test]
fn each_fault_of_a_token_has_its_own_code() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let now = gateway::now();
    for (name, changes, code) in [
        ("no exp", json!({ "exp": null }), "token_invalid"),
        (
            "expired",
            json!({ "iat": now - 600, "exp": now - 300 }),
            "token_expired",
        ),
        ("lifetime", json!({ "exp": now + 3600 }), "token_lifetime"),
        (
            "iat to come",
            json!({ "iat": now + 60 }),
            "token_not_yet_valid",
        ),
        (
            "nbf to come",
            json!({ "nbf": now + 60 }),
            "token_not_yet_valid",
        ),
        ("other audience", json!({ "aud": "other" }), "token_invalid"),
        (
            "audience list",
            json!({ "aud": ["embedgate"] }),
            "token_invalid",
        ),
        ("no audience", json!({ "aud": null }), "token_invalid"),
        ("no sub", json!({ "sub": null }), "token_invalid"),
        (
            "exp is text",
            json!({ "exp": (now + 60).to_string() }),
            "token_invalid",
        ),
        ("no resource", json!({ "resource": null }), "token_invalid"),
        (
            "other resource",
            json!({ "resource": { "report": "q4" } }),
            "resource_denied",
        ),
        (
            "other scope",
            json!({ "scope": "download" }),
            "scope_denied",
        ),
    ] {
        let bearer = format!("Bearer {}", token(&changes));
        let reply = get(
            gateway.address,
            "/reports/q3",
            &[("Authorization", &bearer)],
        );
        assert_eq!(reply.code(), code, "{name}: {reply:?}");
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        assert_eq!(
            challenge.starts_with("Bearer error=\""),
            reply.status == 401,
            "{name}"
        );
    }
    assert_eq!(
        get(gateway.address, "/reports/q3", &[]).code(),
        "token_missing"
    );
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_three_shapes_of_resources_are_read() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    for changes in [
        json!({ "resource": { "report": "q3" } }),
        json!({ "resource": "report:q3" }),
        json!({ "resource": null, "resources": ["report:q3", "dashboard:1"] }),
        json!({ "resource": null, "resources": [{ "type": "report", "id": "q3" }] }),
    ] {
        let bearer = format!("Bearer {}", token(&changes));
        assert_eq!(
            get(
                gateway.address,
                "/reports/q3",
                &[("Authorization", &bearer)]
            )
            .status,
            200,
            "{changes}"
        );
    }
}

#[test]
fn two_different_credentials_are_refused_and_equal_ones_are_one() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let (one, two) = (token(&json!({})), token(&json!({ "sub": "other" })));
    let header = |token: &str| format!("Bearer {token}");
    let ask = |target: &str, bearers: &[String]| {
        let headers: Vec<_> = bearers
            .iter()
            .map(|bearer| ("Authorization", bearer.as_str()))
            .collect();
        get(gateway.address, target, &headers)
    };
    let query = format!("/api/default?embed_token={one}");
    let fetch = |bearers: &[String]| {
        let mut headers: Vec<_> = bearers
            .iter()
            .map(|bearer| ("Authorization", bearer.as_str()))
            .collect();
        headers.push(("Sec-Fetch-Dest", "empty"));
        get(gateway.address, &query, &headers)
    };
    assert_eq!(fetch(&[header(&one)]).status, 200);
    assert_eq!(fetch(&[header(&two)]).code(), "credential_conflict");
    assert_eq!(
        ask("/api/default", &[header(&one), header(&two)]).code(),
        "credential_conflict"
    );
    assert_eq!(
        ask(
            &format!("/api/default?embed_token={one}&embed_token={two}"),
            &[]
        )
        .code(),
        "credential_conflict"
    );
    assert_eq!(
        ask(
            &format!("/api/default?embed%5Ftoken={one}&embed_token={two}"),
            &[]
        )
        .code(),
        "credential_conflict"
    );
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn a_session_is_for_its_site_and_cannot_be_altered() {
    let upstream = Upstream::plain();
    let text = gateway::generic(upstream.address, "");
    let other = text
        .replace("[site.reports", "[site.other")
        .replace("bi.example.com", "other.example.com");
    let (_, other) = other.split_once("[site.other]").unwrap();
    let other = format!(
        "[site.other]{}",
        other.replace("[[site.reports", "[[site.other")
    );
    let gateway = Gateway::start(&format!("{text}{other}"));
    let first = get(
        gateway.address,
        &format!("/reports/q3?embed_token={}", token(&json!({}))),
        &[("Sec-Fetch-Dest", "iframe")],
    );
    let session = first.session().unwrap();
    let ask = |host: &str, cookie: &str| {
        get(
            gateway.address,
            "/reports/q3",
            &[("Host", host), ("Cookie", cookie)],
        )
    };
    assert_eq!(ask("bi.example.com", &session).status, 200);
    assert_eq!(ask("other.example.com", &session).code(), "session_invalid");
    let mut altered = session.clone().into_bytes();
    let at = altered.len() - 10;
    altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
    assert_eq!(
        ask("bi.example.com", std::str::from_utf8(&altered).unwrap()).code(),
        "session_invalid"
    );
    assert_eq!(
        ask("bi.example.com", "__Host-embedgate=x").code(),
        "session_invalid"
    );
    assert_eq!(
        ask("bi.example.com", &format!("{session}; __Host-embedgate=x")).code(),
        "credential_conflict"
    );
}

#[test]
fn a_remembered_token_still_expires() {
    let upstream = Upstream::plain();
    let text = gateway::generic(upstream.address, "").replace(
        "audience = \"embedgate\"",
        "audience = \"embedgate\"\nleeway = \"0s\"",
    );
    let gateway = Gateway::start(&text);
    let now = gateway::now();
    let bearer = format!("Bearer {}", token(&json!({ "iat": now, "exp": now + 2 })));
    let ask = || {
        get(
            gateway.address,
            "/reports/q3",
            &[("Authorization", &bearer)],
        )
    };
    assert_eq!(ask().status, 200);
    eventually("the token expires", || {
        let reply = ask();
        assert!(reply.status == 200 || reply.code() == "token_expired");
        reply.status != 200
    });
}

#[test]
fn a_path_that_is_public_asks_nobody() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    for cookie in ["__Host-embedgate=garbage", "a=b"] {
        let reply = get(
            gateway.address,
            "/static/app.js?v=1",
            &[("Cookie", cookie), ("Authorization", "Bearer garbage")],
        );
        assert_eq!(reply.status, 200);
    }
    let seen = upstream.last();
    assert_eq!(seen.target, "/static/app.js?v=1");
    assert!(!seen.holds("garbage"));
}
