use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;
use crate::{
    adapter::superset::testing::{KEY, SECRET, UUID, params, spec},
    gate::{
        param::Type,
        token::{ClaimNames, KeySet},
    },
};

fn ask_as(key: Option<&str>, action: u8, body: &Value) -> (StatusCode, Value) {
    let spec = spec();
    let params = params();
    let desk = Desk {
        backend: spec.backend.as_ref().unwrap(),
        dashboards: &spec.dashboards,
        params: &params,
        sessions: None,
        now: UnixTime(1_000),
    };
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        headers.insert(header::AUTHORIZATION, key.parse().unwrap());
    }
    let reply = desk.answer(action, &headers, body.to_string().as_bytes());
    assert_eq!(reply.refusal.is_some(), reply.status != StatusCode::OK);
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

fn ask(body: &Value) -> (StatusCode, Value) {
    ask_as(Some(&format!("Bearer {KEY}")), LOCAL_GUEST_TOKEN, body)
}

/// What a backend sends to Superset today, with parameters in place of SQL.
fn wanted() -> Value {
    json!({
        "user": {"username": "viewer-1", "first_name": "V", "last_name": "One"},
        "resources": [{"type": "dashboard", "id": UUID}], "rls": [], "params": {"tenant_id": 999},
    })
}

fn claims(token: &Value) -> Value {
    let payload = token
        .as_str()
        .unwrap()
        .split('.')
        .nth(1)
        .unwrap()
        .to_owned();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn a_grant_that_fits_into_no_session_comes_with_a_warning() {
    let spec = spec();
    let list = ParamSpec {
        kind: Type::String,
        list: true,
        ..params().remove(0)
    };
    let mut keys = KeySet::new();
    keys.add(Some("k1"), "HS256", SECRET).unwrap();
    let issuers = [Arc::new(Issuer {
        name: "app".into(),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: keys.into(),
        claims: ClaimNames::default(),
        generation: 1,
    })];
    let sealer = Sealer::new(&[&[7; 32]], Duration::from_hours(8), None).unwrap();
    for (length, sessions, warned) in [(1, true, false), (500, true, true), (500, false, false)] {
        let desk = Desk {
            backend: spec.backend.as_ref().unwrap(),
            dashboards: &spec.dashboards,
            params: std::slice::from_ref(&list),
            sessions: sessions.then_some((&sealer, &issuers[..])),
            now: UnixTime(1_000),
        };
        let mut headers = HeaderMap::new();
        let key = format!("Bearer {KEY}");
        headers.insert(header::AUTHORIZATION, key.parse().unwrap());
        let mut body = wanted();
        body["params"] = json!({ "tenant_id": vec!["tenant"; length] });
        let reply = desk.answer(LOCAL_GUEST_TOKEN, &headers, body.to_string().as_bytes());
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert!(answer["token"].is_string(), "{answer}");
        let warning = answer["warning"].as_str().unwrap_or_default();
        assert_eq!(
            warning.contains("3800"),
            warned,
            "{length} {sessions} {warning}"
        );
    }
}

#[test]
fn a_backend_gets_a_viewer_token() {
    let (status, body) = ask(&wanted());
    assert_eq!(status, StatusCode::OK, "{body}");
    let mut claims = claims(&body["token"]);
    let jti = claims.as_object_mut().unwrap().shift_remove("jti").unwrap();
    assert_eq!(jti.as_str().unwrap().len(), 32);
    assert_eq!(
        claims,
        json!({
            "iss": "app", "aud": "embedgate", "sub": "viewer-1", "iat": 1000, "exp": 1300,
            "resources": [{"type": "dashboard", "id": UUID}], "params": {"tenant_id": 999},
        })
    );
}

#[test]
fn a_backend_may_ask_for_more() {
    let mut body = wanted();
    body["tenant"] = json!("acme");
    body["scope"] = json!("view download");
    body["ttl"] = json!(20);
    let claims = claims(&ask(&body).1["token"]);
    assert_eq!(
        (&claims["tenant"], &claims["scope"], &claims["exp"]),
        (&json!("acme"), &json!("view download"), &json!(1020))
    );
}

#[test]
fn sql_from_a_backend_is_refused_and_says_what_to_do() {
    let mut body = wanted();
    body["rls"] = json!([{"clause": "tenant_id = 999"}]);
    let (status, answer) = ask(&body);
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::BAD_REQUEST, &json!("request_malformed"))
    );
    assert!(
        answer["message"].as_str().unwrap().contains("`params`"),
        "{answer}"
    );
}

#[test]
fn without_the_key_there_is_nothing() {
    let lower = format!("bearer {KEY}");
    assert_eq!(
        ask_as(Some(&lower), LOCAL_GUEST_TOKEN, &wanted()).0,
        StatusCode::OK
    );
    let longer = format!("Bearer {KEY}x");
    for key in [
        None,
        Some("Bearer "),
        Some("Bearer x"),
        Some(&*longer),
        Some(KEY),
        Some("Basic eA=="),
    ] {
        for action in [LOCAL_GUEST_TOKEN, LOCAL_CSRF_TOKEN] {
            assert_eq!(
                ask_as(key, action, &wanted()).0,
                StatusCode::UNAUTHORIZED,
                "{key:?}"
            );
        }
    }
}

#[test]
fn the_calls_before_it_are_answered_too() {
    let (status, body) = ask_as(
        None,
        LOCAL_LOGIN,
        &json!({"username": "svc", "password": KEY, "provider": "db", "refresh": true}),
    );
    assert_eq!(
        (status, &body["access_token"]),
        (StatusCode::OK, &json!(KEY))
    );
    assert_eq!(
        ask_as(
            None,
            LOCAL_LOGIN,
            &json!({"username": "admin", "password": "admin"})
        )
        .0,
        StatusCode::UNAUTHORIZED
    );
    let (status, body) = ask_as(
        Some(&format!("Bearer {KEY}")),
        LOCAL_CSRF_TOKEN,
        &json!(null),
    );
    assert!(status == StatusCode::OK && body["result"].is_string());
}

#[test]
fn a_mistake_is_told_to_the_backend() {
    let change = |pointer: &str, value: Value| {
        let mut body = wanted();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let plus = |name: &str, value: Value| {
        let mut body = wanted();
        body[name] = value;
        body
    };
    for (body, code, word) in [
        (
            change("/user/username", json!(" ")),
            "request_malformed",
            "username",
        ),
        (
            change("/resources", json!([])),
            "request_malformed",
            "resources",
        ),
        (
            change("/resources/0/id", json!(1)),
            "request_malformed",
            "resources",
        ),
        (
            change("/resources/0/id", json!("1")),
            "request_malformed",
            "uuid",
        ),
        (
            change(
                "/resources/0/id",
                json!("5d2f6c1e-0d3b-4f6a-8a51-3c9e7b1f2d22"),
            ),
            "resource_denied",
            "5d2f6c1e",
        ),
        (change("/params", json!({})), "param_missing", "tenant_id"),
        (
            change("/params", json!({"tenant_id": "1) OR (1=1"})),
            "param_invalid",
            "tenant_id",
        ),
        (
            change("/params", json!({"tenant_id": 1, "other": 1})),
            "param_invalid",
            "other",
        ),
        (plus("ttl", json!(0)), "request_malformed", "ttl"),
        (plus("ttl", json!(601)), "request_malformed", "ttl"),
        (
            plus("resource", json!("x")),
            "request_malformed",
            "resource",
        ),
    ] {
        let (status, answer) = ask(&body);
        assert_eq!(answer["code"], code, "{body} {answer}");
        assert_ne!(status, StatusCode::OK);
        assert!(
            answer["message"].as_str().unwrap().contains(word),
            "{answer}"
        );
    }
}
