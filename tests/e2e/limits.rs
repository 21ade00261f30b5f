//! Limits over the wire: 429 with its headers, and nobody else pays.

use std::sync::{Arc, Barrier};

use crate::support::{Answer, Gateway, Upstream, eventually, get, token};
use serde_json::json;

fn bearer(viewer: &str) -> String {
    format!("Bearer {}", token(&json!({ "sub": viewer })))
}

#[test]
fn a_greedy_viewer_is_slowed_and_another_is_not() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(
        upstream.address,
        "[site.reports.limits]\nviewer = \"3/min\"\n",
    );
    let ask = |viewer: &str| {
        get(
            gateway.address,
            "/api/default",
            &[("Authorization", &bearer(viewer))],
        )
    };
    for _ in 0..3 {
        assert_eq!(ask("greedy").status, 200);
    }
    let limited = ask("greedy");
    assert_eq!(
        (limited.status, limited.code().as_str()),
        (429, "rate_limited")
    );
    let seconds: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    assert_eq!(
        limited.header("ratelimit-policy"),
        Some("\"viewer\";q=3;w=60")
    );
    assert!(
        limited
            .header("ratelimit")
            .unwrap()
            .starts_with("\"viewer\";r=0;t="),
        "{limited:?}"
    );
    assert_eq!(ask("modest").status, 200);
    assert_eq!(upstream.seen().len(), 4);
}

#[test]
fn addresses_are_limited_before_any_signature_is_checked() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(
        upstream.address,
        "[site.reports.limits]\naddress = \"2/min\"\n",
    );
    let ask = || {
        get(
            gateway.address,
            "/api/default",
            &[("Authorization", "Bearer a.b.c")],
        )
        .code()
    };
    assert_eq!(
        [ask(), ask(), ask()],
        ["token_invalid", "token_invalid", "rate_limited"]
    );
}

#[test]
fn requests_in_flight_are_counted_per_viewer() {
    let both = Arc::new(Barrier::new(2));
    let gate = Arc::clone(&both);
    let upstream = Upstream::start(move |seen| {
        if seen.target.contains("slow") {
            gate.wait();
            gate.wait();
        }
        Answer::json("{}")
    });
    let gateway = Gateway::generic(upstream.address, "[site.reports.limits]\nin_flight = 1\n");
    let address = gateway.address;
    let slow = std::thread::spawn(move || {
        get(
            address,
            "/api/default?slow",
            &[("Authorization", &bearer("busy"))],
        )
    });
    both.wait();
    let second = get(
        address,
        "/api/default",
        &[("Authorization", &bearer("busy"))],
    );
    assert_eq!(
        (second.status, second.code().as_str()),
        (429, "in_flight_limited")
    );
    assert!(second.header("retry-after").is_some());
    both.wait();
    assert_eq!(slow.join().unwrap().status, 200);
    eventually("the place is given back", || {
        let reply = get(
            address,
            "/api/default",
            &[("Authorization", &bearer("busy"))],
        );
        reply.status == 200
    });
}
