//! Locked parameters over the wire: what a viewer tries, and what the upstream gets to see.

use crate::support::{Gateway, Upstream, client::post, gateway, gateway::bearer, get, token};
use serde_json::{Value, json};

#[test]
fn no_spelling_of_a_locked_name_in_the_query_passes_with_another_value() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    for query in [
        "tenant_id=1",
        "tenant=1",
        "tenant%5Fid=1",
        "TENANT_ID=1",
        "tenant_id[]=1",
        "tenant_id[0]=1",
        "tenant_id%20=1",
        "+tenant_id=1",
        "%EF%BD%94enant_id=1",
        "%2574enant_id=1",
        "tenant_id",
        "tenant_id=",
        "tenant_id=0999",
        "tenant_id=999&tenant_id=1",
        "x=1&tenant_id=1&y=2",
    ] {
        let reply = get(
            gateway.address,
            &format!("/reports/q3?{query}"),
            &[("Authorization", &bearer)],
        );
        assert_eq!(reply.code(), "param_locked", "{query} {reply:?}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_locked_value_arrives_exactly_once() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    for (query, target) in [
        ("", "/reports/q3?tenant=999"),
        ("?", "/reports/q3?tenant=999"),
        ("?tenant_id=999", "/reports/q3?tenant=999"),
        ("?tenant=999&a=b", "/reports/q3?a=b&tenant=999"),
        ("?a=1;tenant=1", "/reports/q3?a=1%3Btenant%3D1&tenant=999"),
        ("?a=%26tenant%3D1", "/reports/q3?a=%26tenant%3D1&tenant=999"),
    ] {
        let reply = get(
            gateway.address,
            &format!("/reports/q3{query}"),
            &[("Authorization", &bearer)],
        );
        assert_eq!(reply.status, 200, "{query} {reply:?}");
        assert_eq!(upstream.last().target, target, "{query}");
    }
}

#[test]
fn enabled_parameters_are_the_viewers_and_disabled_ones_nobodys() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let preset = format!(
        "Bearer {}",
        token(&json!({ "params": { "tenant_id": 999, "region": "us-west" } }))
    );
    for (query, result) in [
        ("", Ok("/api/default?region=us-west&tenant_id=999")),
        ("?region=eu", Ok("/api/default?region=eu&tenant_id=999")),
        ("?region=eu&region=us", Err("param_invalid")),
        ("?internal=1", Err("param_disabled")),
        ("?INTERNAL[]=1", Err("param_disabled")),
    ] {
        let reply = get(
            gateway.address,
            &format!("/api/default{query}"),
            &[("Authorization", &preset)],
        );
        match result {
            Ok(target) => {
                let seen = upstream.last();
                let mut pairs: Vec<&str> =
                    seen.target.split_once('?').unwrap().1.split('&').collect();
                pairs.sort_unstable();
                assert_eq!(
                    format!("/api/default?{}", pairs.join("&")),
                    target,
                    "{query}"
                );
            }
            Err(code) => assert_eq!(reply.code(), code, "{query}"),
        }
    }
}

#[test]
fn an_empty_or_missing_locked_value_never_means_everything() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    for (params, code) in [
        (json!({}), "param_missing"),
        (json!({ "tenant_id": null }), "param_missing"),
        (json!({ "tenant_id": "" }), "param_missing"),
        (json!({ "tenant_id": [] }), "param_missing"),
        (json!({ "tenant_id": "999" }), "param_invalid"),
        (json!({ "tenant_id": 9.5 }), "param_invalid"),
        (json!({ "tenant_id": { "a": 1 } }), "param_invalid"),
        (json!({ "tenant_id": [1, 2] }), "param_invalid"),
        (json!({ "tenant_id": 999, "internal": 1 }), "param_disabled"),
        (json!({ "tenant_id": 999, "unknown": 1 }), "param_invalid"),
    ] {
        let bearer = format!("Bearer {}", token(&json!({ "params": params })));
        let reply = get(
            gateway.address,
            "/reports/q3",
            &[("Authorization", &bearer)],
        );
        assert_eq!(reply.code(), code, "{params}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn a_json_body_carries_the_lock_and_keeps_its_numbers() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    let ask = |kind: &str, body: &[u8]| {
        post(
            gateway.address,
            "/api/query",
            &[("Authorization", &bearer), ("Content-Type", kind)],
            body,
        )
    };
    let lock = json!({ "field": "tenant_id", "op": "=", "value": 999 });

    let good = ask(
        "application/json",
        br#"{"filters":[{"field":"a","op":"=","value":9007199254740993}],"n":1e400}"#,
    );
    assert_eq!(good.status, 200, "{good:?}");
    let seen = upstream.last();
    assert!(
        seen.text().contains("9007199254740993") && seen.text().contains("1e400"),
        "{}",
        seen.text()
    );
    assert_eq!(seen.all("content-length"), [seen.body.len().to_string()]);
    let ends = serde_json::from_str::<Value>(&seen.text().replace("1e400", "0")).unwrap();
    assert_eq!(ends["filters"].as_array().unwrap().last().unwrap(), &lock);

    assert_eq!(ask("application/json", b"{}").status, 200);
    assert_eq!(
        serde_json::from_slice::<Value>(&upstream.last().body).unwrap(),
        json!({ "filters": [lock] })
    );
}

#[test]
fn a_json_body_against_the_lock_or_read_in_two_ways_goes_nowhere() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    let ask = |kind: &str, body: &[u8]| {
        post(
            gateway.address,
            "/api/query",
            &[("Authorization", &bearer), ("Content-Type", kind)],
            body,
        )
    };
    for (kind, body, code) in [
        (
            "application/json",
            &br#"{"filters":[{"field":"tenant_id","op":"=","value":1}]}"#[..],
            "param_locked",
        ),
        (
            "application/json",
            br#"{"filters":[{"field":"TENANT_ID","op":"=","value":1}]}"#,
            "param_locked",
        ),
        ("application/json", br#"{"tenant_id":1}"#, "param_locked"),
        (
            "application/json",
            br#"{"tenant_id\u0020":1}"#,
            "param_locked",
        ),
        (
            "application/json",
            br#"{"filters":[],"filters":[]}"#,
            "body_unsupported",
        ),
        (
            "application/json",
            br#"{"a":{"b":1,"b":2}}"#,
            "body_unsupported",
        ),
        ("application/json", b"\xef\xbb\xbf{}", "body_unsupported"),
        ("application/json", b"{}x", "body_unsupported"),
        ("application/json", b"{\"a\":", "body_unsupported"),
        (
            "application/json; charset=utf-16",
            b"{}",
            "body_unsupported",
        ),
        ("application/json", br#"{"filters":{}}"#, "body_unsupported"),
        (
            "application/x-www-form-urlencoded",
            b"a=1",
            "body_unsupported",
        ),
        ("text/plain", b"{}", "body_unsupported"),
        ("application/json", b"", "body_unsupported"),
    ] {
        assert_eq!(
            ask(kind, body).code(),
            code,
            "{kind} {}",
            String::from_utf8_lossy(body)
        );
    }
    let twice = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
        ("Content-Type", "text/plain"),
    ];
    assert_eq!(
        post(gateway.address, "/api/query", &twice, b"{}").code(),
        "body_unsupported"
    );
    assert!(upstream.seen().is_empty());
}

#[test]
fn compressed_bodies_are_read_within_bounds() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    let gzip = |body: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, body).unwrap();
        encoder.finish().unwrap()
    };
    let ask = |encoding: &str, body: &[u8]| {
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Content-Encoding", encoding),
        ];
        post(gateway.address, "/api/query", &headers, body)
    };
    assert_eq!(ask("gzip", &gzip(b"{}")).status, 200);
    let seen = upstream.last();
    assert!(
        seen.all("content-encoding").is_empty() && seen.text().contains("999"),
        "{seen:?}"
    );
    let bomb = format!("{{\"a\":\"{}\"}}", "x".repeat(20 << 20));
    assert_eq!(ask("gzip", &gzip(bomb.as_bytes())).code(), "body_too_large");
    assert_eq!(ask("gzip", b"{}").code(), "body_unsupported");
    assert_eq!(ask("gzip, gzip", &gzip(b"{}")).code(), "body_unsupported");
    assert_eq!(ask("compress", b"{}").code(), "body_unsupported");
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn forms_and_headers_carry_the_lock_too() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let ask = |body: &[u8]| {
        post(
            gateway.address,
            "/api/form",
            &[("Authorization", &bearer), form],
            body,
        )
    };
    assert_eq!(ask(b"a=1&b=%26").status, 200);
    assert_eq!(upstream.last().text(), "a=1&b=%26&tenant_id=999");
    assert_eq!(ask(b"tenant%5Fid=1").code(), "param_locked");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("X-Tenant", "1"),
        ("x_tenant", "1"),
        ("Connection", "X-Tenant"),
    ];
    assert_eq!(get(gateway.address, "/api/header", &headers).status, 200);
    assert_eq!(upstream.last().all("x-tenant"), ["999"]);
    assert!(upstream.last().all("x_tenant").is_empty());
}

#[test]
fn a_body_beyond_the_limit_is_cut_off() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let reply = post(
        gateway.address,
        "/api/query",
        &headers,
        &vec![b' '; 3 << 20],
    );
    assert_eq!(reply.code(), "body_too_large");
    assert!(upstream.seen().is_empty());
}

#[test]
fn a_body_without_a_lock_of_its_own_may_not_name_a_locked_parameter_either() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    let ask = |kind: &str, body: &[u8]| {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        post(gateway.address, "/api/default", &headers, body)
    };
    let form = "application/x-www-form-urlencoded";
    for (kind, body, code) in [
        (form, &b"tenant_id=1"[..], "param_locked"),
        (form, b"TENANT%5FID[]=1", "param_locked"),
        (form, b"internal=1", "param_disabled"),
        ("application/json", br#"{"tenant_id":1}"#, "param_locked"),
        (
            "multipart/form-data; boundary=x",
            b"--x--",
            "body_unsupported",
        ),
        ("text/plain", b"tenant_id=1", "body_unsupported"),
    ] {
        assert_eq!(ask(kind, body).code(), code, "{kind}");
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(ask(form, b"a=1&tenant_id=999").status, 200);
    assert_eq!(upstream.last().text(), "a=1");
    assert_eq!(ask("application/json", br#"{"a":1.0}"#).status, 200);
    assert_eq!(upstream.last().text(), r#"{"a":1.0}"#);
    assert_eq!(ask("text/plain", b"").status, 200);

    let unread = gateway::generic(upstream.address, "").replace(
        "path = \"/api/default\"",
        "path = \"/api/default\"\ndanger_unread_body = true",
    );
    let gateway = Gateway::start(&unread);
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "text/plain"),
    ];
    assert_eq!(
        post(gateway.address, "/api/default", &headers, b"raw").status,
        200
    );
    assert_eq!(upstream.last().text(), "raw");
}
