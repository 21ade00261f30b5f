use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::*;
use crate::gate::token::KeySet;

fn issuer() -> Issuer {
    Issuer {
        name: Arc::from("app"),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: KeySet::new().into(),
        claims: ClaimNames::default(),
        generation: 1,
    }
}

fn read_with(payload: &Value, issuer: &Issuer) -> Result<Claims, Refusal> {
    Claims::read(payload.as_object().unwrap().clone(), issuer)
}

fn read(payload: &Value) -> Result<Claims, Refusal> {
    read_with(payload, &issuer())
}

/// A good payload with some claims replaced; `null` removes.
fn with(changes: &Value) -> Value {
    let mut payload = json!({"sub": "viewer-7", "exp": 1_764_000_600, "iat": 1_764_000_000, "resource": {"dashboard": 42}});
    for (name, value) in changes.as_object().unwrap() {
        payload[name] = value.clone();
    }
    payload
}

fn without(name: &str) -> Value {
    let mut payload = with(&json!({}));
    payload.as_object_mut().unwrap().remove(name);
    payload
}

#[test]
fn reads_a_whole_token() {
    let claims = read(&with(&json!({
        "jti": "b1c", "tenant": "acme", "scope": "view  download", "nbf": 1_764_000_000.9, "other": [1],
        "params": {"organization_id": 99, "region": "us-west"}, "origin": "https://app.example.com",
    })))
    .unwrap();
    assert_eq!(&*claims.viewer, "viewer-7");
    assert_eq!(claims.tenant.as_deref(), Some("acme"));
    assert_eq!(claims.token_id.as_deref(), Some("b1c"));
    assert_eq!(claims.resources, [Resource::new("dashboard", "42")]);
    assert_eq!(claims.scope.as_str(), "view download");
    assert_eq!(claims.not_before, Some(UnixTime(1_764_000_000)));
    assert_eq!(claims.issued_at, Some(UnixTime(1_764_000_000)));
    assert_eq!(claims.expires, UnixTime(1_764_000_600));
    assert_eq!(claims.params["organization_id"], 99);
    assert_eq!(claims.origin, Origin::parse("https://app.example.com"));
    assert!(claims.origin.is_some());
}

#[test]
fn refuses_a_token_without_a_required_claim() {
    for name in ["sub", "exp", "resource"] {
        assert_eq!(
            read(&without(name)).err(),
            Some(Refusal::TokenInvalid),
            "{name}"
        );
    }
}

#[test]
fn a_default_viewer_stands_in_for_an_absent_sub_only() {
    let mut issuer = issuer();
    issuer.claims.viewer_default = Some("anonymous".into());
    let viewer = |payload: &Value| read_with(payload, &issuer).map(|claims| claims.viewer);
    assert_eq!(viewer(&without("sub")).as_deref(), Ok("anonymous"));
    assert_eq!(viewer(&with(&json!({}))).as_deref(), Ok("viewer-7"));
    for wrong in [json!(null), json!(""), json!(" "), json!(7), json!(["a"])] {
        let payload = with(&json!({ "sub": wrong }));
        assert_eq!(viewer(&payload), Err(Refusal::TokenInvalid), "{wrong}");
    }
}

#[test]
fn refuses_a_claim_that_is_not_of_its_type() {
    let long = "x".repeat(257);
    let table = [
        json!({"sub": ""}),
        json!({"sub": " "}),
        json!({"sub": 7}),
        json!({"sub": null}),
        json!({"sub": "a\nb"}),
        json!({"sub": "a\u{85}"}),
        json!({"sub": long}),
        json!({"exp": "1764000600"}),
        json!({"exp": -1}),
        json!({"exp": 1e300}),
        json!({"exp": null}),
        json!({"exp": 253_402_300_800_i64}),
        json!({"exp": u64::MAX}),
        json!({"iat": "x"}),
        json!({"iat": null}),
        json!({"nbf": true}),
        json!({"nbf": -0.5}),
        json!({"tenant": ""}),
        json!({"tenant": null}),
        json!({"tenant": 5}),
        json!({"tenant": ["acme"]}),
        json!({"tenant": "a\u{0}"}),
        json!({"jti": 1}),
        json!({"jti": ""}),
        json!({"scope": ["view"]}),
        json!({"scope": null}),
        json!({"scope": "view\ndownload"}),
        json!({"origin": null}),
        json!({"origin": "*"}),
        json!({"origin": "https://a.example/path"}),
        json!({"origin": ["https://a.example"]}),
        json!({"params": null}),
        json!({"params": []}),
        json!({"params": "a=b"}),
    ];
    for change in table {
        assert_eq!(
            read(&with(&change)).err(),
            Some(Refusal::TokenInvalid),
            "{change}"
        );
    }
}

#[test]
fn reads_each_form_of_resources() {
    let [a, b] = [
        Resource::new("dashboard", "42"),
        Resource::new("report", "q:3"),
    ];
    let table = [
        (json!({"resource": {"dashboard": 42}}), vec![a.clone()]),
        (json!({"resource": {"dashboard": "42"}}), vec![a.clone()]),
        (json!({"resource": "report:q:3"}), vec![b.clone()]),
        (json!({"resources": "dashboard:42"}), vec![a.clone()]),
        (
            json!({"resources": ["dashboard:42", "report:q:3"]}),
            vec![a.clone(), b.clone()],
        ),
        (
            json!({"resources": [{"type": "dashboard", "id": 42}, {"id": "q:3", "type": "report"}]}),
            vec![a, b],
        ),
    ];
    for (claim, wanted) in table {
        let mut payload = without("resource");
        payload
            .as_object_mut()
            .unwrap()
            .extend(claim.as_object().unwrap().clone());
        assert_eq!(read(&payload).unwrap().resources, wanted, "{claim}");
    }
}

#[test]
fn refuses_resources_that_name_nothing_or_too_much() {
    let many: Vec<String> = (0..257).map(|n| format!("d:{n}")).collect();
    let table = [
        json!({"resource": {}}),
        json!({"resource": {"dashboard": 1, "question": 2}}),
        json!({"resource": null}),
        json!({"resource": ""}),
        json!({"resource": "dashboard"}),
        json!({"resource": {"dashboard": null}}),
        json!({"resource": {"dashboard": 1.5}}),
        json!({"resource": {"dashboard": [1]}}),
        json!({"resource": {"dashboard": ""}}),
        json!({"resource": {"": 1}}),
        json!({"resource": {"a:b": 1}}),
        json!({"resource": ["dashboard:42"]}),
        json!({"resource": "dashboard:4\n2"}),
        json!({"resource": true}),
        json!({"resources": []}),
        json!({"resources": {"type": "dashboard", "id": 1}}),
        json!({"resources": [{"type": "dashboard"}]}),
        json!({"resources": [["a:b"]]}),
        json!({"resources": [{"type": "d", "id": 1, "x": 2}]}),
        json!({"resources": many}),
        json!({"resources": ["dashboard:1", null]}),
        json!({"resource": "a:1", "resources": ["a:2"]}),
    ];
    for claim in table {
        let mut payload = without("resource");
        payload
            .as_object_mut()
            .unwrap()
            .extend(claim.as_object().unwrap().clone());
        assert_eq!(read(&payload).err(), Some(Refusal::TokenInvalid), "{claim}");
    }
}

#[test]
fn an_issuer_may_grant_resources_to_all() {
    let mut issuer = issuer();
    issuer.claims.resources = vec![Resource::new("report", "q3")];
    assert_eq!(
        read_with(&without("resource"), &issuer).unwrap().resources,
        [Resource::new("report", "q3")]
    );
    assert_eq!(
        read_with(&with(&json!({})), &issuer)
            .unwrap()
            .resources
            .len(),
        2
    );
    assert!(read_with(&with(&json!({"resource": null})), &issuer).is_err());
}

#[test]
fn a_pinned_issuer_and_audience_are_required_as_plain_strings() {
    let mut issuer = issuer();
    issuer.iss = Some("app".into());
    issuer.audience = Some("embedgate".into());
    assert!(read_with(&with(&json!({"iss": "app", "aud": "embedgate"})), &issuer).is_ok());
    let table = [
        json!({}),
        json!({"iss": "app"}),
        json!({"aud": "embedgate"}),
        json!({"iss": "app", "aud": "other"}),
        json!({"iss": "App", "aud": "embedgate"}),
        json!({"iss": "app", "aud": ["embedgate"]}),
        json!({"iss": ["app"], "aud": "embedgate"}),
        json!({"iss": "app", "aud": "embedgate "}),
        json!({"iss": null, "aud": "embedgate"}),
    ];
    for change in table {
        assert!(read_with(&with(&change), &issuer).is_err(), "{change}");
    }
}

#[test]
fn claims_may_have_other_names_but_one_meaning() {
    let mut issuer = issuer();
    issuer.claims.tenant = Some("tenant_id".into());
    issuer.claims.params = vec![
        ("org".into(), "tenant_id".into()),
        ("region".into(), "area".into()),
    ];
    let claims = read_with(
        &with(&json!({"tenant_id": 99, "area": "west", "tenant": "ignored", "params": {"x": 1}})),
        &issuer,
    )
    .unwrap();
    assert_eq!(claims.tenant.as_deref(), Some("99"));
    assert_eq!(
        Value::Object(claims.params),
        json!({"x": 1, "org": 99, "region": "west"})
    );
    let table = [
        json!({"tenant_id": [1]}),
        json!({"tenant_id": null}),
        json!({"tenant_id": 1.5}),
        json!({"area": {}}),
        json!({"area": null}),
        json!({"area": "w", "params": {"region": "w"}}),
    ];
    for change in table {
        assert!(read_with(&with(&change), &issuer).is_err(), "{change}");
    }
}
