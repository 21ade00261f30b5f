//! Attacks that once got further than they should.

use std::{
    io::{BufReader, Write},
    time::Duration,
};

use crate::support::{
    Gateway, Upstream,
    client::{connect, read},
    gateway::{self, bearer},
    get, token,
};
use serde_json::json;

/// Sends the head of a request with a large body, and one byte of that body.
fn begin(gateway: &Gateway, headers: &str) -> Option<crate::support::client::Reply> {
    let mut stream = connect(gateway.address);
    let head = format!(
        "POST /api/query HTTP/1.1\r\nHost: bi.example.com\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n{headers}\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    read(&mut BufReader::new(stream), false)
}

#[test]
fn a_body_is_not_waited_for_before_its_sender_is_known_and_permitted() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let other = token(&json!({ "scope": "download" }));
    for (headers, code) in [
        (String::new(), "token_missing"),
        ("Authorization: Bearer a.b.c\r\n".into(), "token_invalid"),
        (format!("Authorization: Bearer {other}\r\n"), "scope_denied"),
    ] {
        let reply = begin(&gateway, &headers).expect("an answer before the body");
        assert_eq!(reply.code(), code, "{headers}");
    }
}

#[test]
fn a_client_cannot_write_where_another_route_has_its_lock() {
    let upstream = Upstream::plain();
    let text = gateway::generic(upstream.address, "")
        .replace(
            "[site.reports.params]",
            "[site.reports.identity]\nX_Viewer = \"viewer\"\n[site.reports.params]",
        )
        .replace(
            "kind = \"generic\"",
            "kind = \"generic\"\ncookies = \"frame\"",
        )
        + "[[site.reports.routes]]\npath = \"/api/cookie\"\nlock = [{ param = \"tenant_id\", in = \"cookie\", name = \"tenant\" }, { param = \"region\", in = \"header\", name = \"X_Region\" }]\n";
    let gateway = Gateway::start(&text);
    let bearer = bearer();
    for target in ["/api/default", "/static/a.js", "/api/cookie", "/api/header"] {
        let reply = get(
            gateway.address,
            target,
            &[
                ("Authorization", &bearer),
                ("X-Tenant", "evil"),
                ("X_Tenant", "evil"),
                ("X-Viewer", "evil"),
                ("X-Region", "evil"),
                ("Cookie", "a=b; tenant=evil; TENANT=evil; tenant[]=evil"),
            ],
        );
        assert_eq!(reply.status, 200, "{target} {reply:?}");
        let seen = upstream.last();
        assert!(!seen.holds("evil"), "{target} {seen:?}");
        assert!(seen.holds("a=b"), "{target} {seen:?}");
    }
}

#[test]
fn the_trail_names_the_resource_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("audit.jsonl");
    let upstream = Upstream::plain();
    let text = gateway::generic(upstream.address, "").replace(
        "output = \"off\"",
        &format!("output = \"{}\"", trail.display()),
    );
    let gateway = Gateway::start(&text);
    let bearer = bearer();
    for (target, code) in [("/reports/q3", ""), ("/reports/other", "resource_denied")] {
        let reply = get(gateway.address, target, &[("Authorization", &bearer)]);
        assert_eq!(reply.code(), code, "{target}");
    }
    gateway.stop();
    let lines = std::fs::read_to_string(&trail).unwrap();
    let named: Vec<String> = lines
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["resource"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(named, ["report:q3", "report:other"]);
}
