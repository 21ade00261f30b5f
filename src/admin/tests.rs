use std::net::Ipv4Addr;

use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use super::*;

struct Gateway {
    ready: bool,
}

impl Control for Gateway {
    fn ready(&self) -> Result<(), Vec<&'static str>> {
        if self.ready {
            Ok(())
        } else {
            Err(vec!["draining"])
        }
    }

    fn sites(&self) -> Value {
        json!({ "reports": { "kind": "generic" } })
    }

    async fn reload(&self) -> Result<(), Vec<String>> {
        if self.ready {
            Ok(())
        } else {
            Err(vec!["edge.toml:3: site.x.hosts: missing".into()])
        }
    }

    fn revocations(&self, after: Option<&str>, most: usize) -> Option<Value> {
        (after != Some("bad")).then(|| json!({ "after": after, "most": most }))
    }

    async fn revoke(&self, wanted: &[u8]) -> Result<Value, NotRevoked> {
        match wanted {
            b"bad" => Err(NotRevoked::Bad("not so".into())),
            b"full" => Err(NotRevoked::Full("2 are enough".into())),
            b"disk" => Err(NotRevoked::Volatile("no space".into())),
            _ => Ok(json!({ "id": "7" })),
        }
    }

    async fn unrevoke(&self, id: &str) -> Result<bool, String> {
        match id {
            "disk" => Err("no space".into()),
            id => Ok(id == "7"),
        }
    }
}

fn state(ready: bool, token: Option<&str>) -> AdminState<Gateway> {
    AdminState {
        metrics: Arc::new(Metrics::new().unwrap()),
        token: token.map(|token| AdminToken::new(token.as_bytes())),
        address: (Ipv4Addr::LOCALHOST, 9901).into(),
        control: Gateway { ready },
    }
}

async fn ask(
    state: &AdminState<Gateway>,
    method: Method,
    path: &str,
    fields: &[(&'static str, &str)],
) -> (StatusCode, HeaderMap, String) {
    send(state, method, path, fields, "").await
}

async fn send(
    state: &AdminState<Gateway>,
    method: Method,
    path: &str,
    fields: &[(&'static str, &str)],
    body: &str,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::new(Full::new(Bytes::from(body.to_owned())));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    let headers = request.headers_mut();
    for (name, value) in fields {
        headers.append(
            http::HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
        .entry(header::HOST)
        .or_insert(HeaderValue::from_static("localhost:9901"));
    let reply = respond(state, request).await.unwrap_or_else(Problem::reply);
    let (head, body) = reply.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let (status, headers, body) = ask(&state(true, None), Method::GET, "/metrics", &[]).await;
    assert_eq!(status, 200);
    assert_eq!(headers[header::CONTENT_TYPE], metrics::CONTENT_TYPE);
    assert!(body.contains("embedgate_build_info{version="), "{body}");
}

#[tokio::test]
async fn readiness_says_why_not() {
    let (status, _, body) = ask(&state(false, None), Method::GET, "/readyz", &[]).await;
    assert_eq!(
        (status.as_u16(), body.contains("draining")),
        (503, true),
        "{body}"
    );
    for path in ["/livez", "/readyz"] {
        assert_eq!(
            ask(&state(true, None), Method::GET, path, &[]).await.0,
            200,
            "{path}"
        );
    }
    assert_eq!(
        ask(&state(false, None), Method::GET, "/livez", &[]).await.0,
        200
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_get_problem_details() {
    let state = state(true, None);
    let (status, headers, body) = ask(&state, Method::GET, "/v1/nothing", &[]).await;
    assert_eq!(status, 404);
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&problem["status"], &problem["code"]),
        (&json!(404), &json!("not_found"))
    );
    let (status, headers, _) = ask(&state, Method::POST, "/metrics", &[]).await;
    assert_eq!(
        (status.as_u16(), &headers[header::ALLOW]),
        (405, &HeaderValue::from_static("GET, HEAD"))
    );
    assert_eq!(ask(&state, Method::GET, "/v1/reload", &[]).await.0, 405);
}

#[tokio::test]
async fn reload_needs_the_token() {
    let off = state(true, None);
    assert_eq!(
        ask(
            &off,
            Method::POST,
            "/v1/reload",
            &[("authorization", "Bearer secret")]
        )
        .await
        .0,
        403
    );
    let on = state(true, Some("secret"));
    let cases: [(&[(&'static str, &str)], u16); 7] = [
        (&[], 401),
        (&[("authorization", "Bearer wrong")], 401),
        (&[("authorization", "Bearer ")], 401),
        (&[("authorization", "Basic secret")], 401),
        (
            &[
                ("authorization", "Bearer secret"),
                ("authorization", "Bearer secret"),
            ],
            401,
        ),
        (&[("authorization", "Bearer secret")], 200),
        (&[("authorization", "bearer  secret")], 200),
    ];
    for (fields, expected) in cases {
        assert_eq!(
            ask(&on, Method::POST, "/v1/reload", fields).await.0,
            expected,
            "{fields:?}"
        );
    }
    let (_, headers, _) = ask(&on, Method::POST, "/v1/reload", &[]).await;
    assert_eq!(headers[header::WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn a_bad_reload_lists_the_errors() {
    let (status, _, body) = ask(
        &state(false, Some("secret")),
        Method::POST,
        "/v1/reload",
        &[("authorization", "Bearer secret")],
    )
    .await;
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status.as_u16(), &problem["errors"][0]),
        (422, &json!("edge.toml:3: site.x.hosts: missing"))
    );
}

#[tokio::test]
async fn a_rebound_name_is_not_answered_on_loopback() {
    let state = state(true, None);
    for good in [
        "localhost",
        "LOCALHOST:9901",
        "127.0.0.1:9901",
        "[::1]:9901",
        "127.0.0.1",
    ] {
        assert_eq!(
            ask(&state, Method::GET, "/v1/sites", &[("host", good)])
                .await
                .0,
            200,
            "{good}"
        );
    }
    for bad in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "x@localhost",
        "",
        "10.0.0.1",
    ] {
        assert_eq!(
            ask(&state, Method::GET, "/v1/sites", &[("host", bad)])
                .await
                .0,
            421,
            "{bad}"
        );
    }
    assert_eq!(
        ask(
            &state,
            Method::GET,
            "/livez",
            &[("host", "localhost"), ("host", "localhost")]
        )
        .await
        .0,
        421
    );
    let open = AdminState {
        address: (Ipv4Addr::UNSPECIFIED, 9901).into(),
        ..state
    };
    assert_eq!(
        ask(
            &open,
            Method::GET,
            "/metrics",
            &[("host", "gateway.monitoring.svc:9901")]
        )
        .await
        .0,
        200
    );
}

const TOKEN: &[(&str, &str)] = &[("authorization", "Bearer secret")];

#[tokio::test]
async fn revocations_are_neither_listed_nor_made_without_the_token() {
    let (off, on) = (state(true, None), state(true, Some("secret")));
    for (method, path) in [
        (Method::GET, "/v1/revocations"),
        (Method::POST, "/v1/revocations"),
        (Method::DELETE, "/v1/revocations/7"),
    ] {
        let without = ask(&off, method.clone(), path, TOKEN).await.0;
        assert_eq!(without, 403, "{method}");
        for fields in [&[][..], &[("authorization", "Bearer wrong")]] {
            let status = ask(&on, method.clone(), path, fields).await.0;
            assert_eq!(status, 401, "{method} {fields:?}");
        }
        let good = ask(&on, method.clone(), path, TOKEN).await.0;
        assert!(good.is_success(), "{method}: {good}");
    }
    for (method, path) in [
        (Method::PUT, "/v1/revocations"),
        (Method::DELETE, "/v1/revocations"),
        (Method::GET, "/v1/revocations/7"),
    ] {
        assert_eq!(
            ask(&on, method.clone(), path, TOKEN).await.0,
            405,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn each_outcome_of_a_revocation_has_its_status() {
    let state = state(true, Some("secret"));
    for (body, status, code) in [
        ("{}", 201, ""),
        ("bad", 400, "revocation_invalid"),
        ("full", 507, "revocations_full"),
        ("disk", 503, "revocation_unwritten"),
        (&*"x".repeat(20_000), 413, "body_too_large"),
    ] {
        let (found, headers, text) =
            send(&state, Method::POST, "/v1/revocations", TOKEN, body).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found, status, "{text}");
        assert_eq!(answer["code"].as_str().unwrap_or_default(), code, "{text}");
        let place = headers.get(header::LOCATION).map(HeaderValue::as_bytes);
        let made = (status == 201).then_some(&b"/v1/revocations/7"[..]);
        assert_eq!(place, made, "{text}");
    }
    for (id, status) in [
        ("7", 204),
        ("8", 404),
        ("", 404),
        ("7/x", 404),
        ("disk", 503),
    ] {
        let path = format!("/v1/revocations/{id}");
        assert_eq!(
            ask(&state, Method::DELETE, &path, TOKEN).await.0,
            status,
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let state = state(true, Some("secret"));
    for (query, wanted) in [
        ("", Some(json!({ "after": null, "most": 1000 }))),
        ("?limit=5&after=7", Some(json!({ "after": "7", "most": 5 }))),
        ("?limit=0", None),
        ("?limit=10001", None),
        ("?limit=-1", None),
        ("?after=bad", None),
        ("?viewer=7", None),
        ("?limit", None),
    ] {
        let path = format!("/v1/revocations{query}");
        let (status, _, text) = ask(&state, Method::GET, &path, TOKEN).await;
        let found: Value = serde_json::from_str(&text).unwrap();
        match wanted {
            Some(wanted) => assert_eq!((status.as_u16(), found), (200, wanted), "{query}"),
            None => assert_eq!(found["code"], "revocation_invalid", "{query}"),
        }
    }
}
