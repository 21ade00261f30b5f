//! What the tests of this module share.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;

use super::{Backend, DashboardId, Signer, Superset, SupersetSpec, rules::Rule};
use crate::adapter::secret::SecretBytes;
use crate::gate::{
    param::{Mode, ParamSpec, Scalar, Type, Value},
    token::ClaimNames,
};

pub(super) const UUID: &str = "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11";
pub(super) const KEY: &str = "service-key-of-the-tests-0123456789";
pub(super) const SECRET: &[u8] = b"issuer-secret-of-the-tests-0123456789";

pub(super) fn params() -> Vec<ParamSpec> {
    vec![ParamSpec {
        name: "tenant_id".into(),
        folded: "tenant_id".into(),
        mode: Mode::Locked,
        kind: Type::Integer,
        list: false,
        all: None,
    }]
}

pub(super) fn values() -> Vec<Option<Value>> {
    vec![Some(Value::One(Scalar {
        text: "999".into(),
        kind: Type::Integer,
    }))]
}

/// A site whose one rule covers dataset 1.
pub(super) fn spec() -> SupersetSpec {
    SupersetSpec {
        guest_secret: SecretBytes::new(b"guest-secret"),
        guest_audience: "superset-embed".into(),
        guest_ttl: SupersetSpec::GUEST_TTL,
        rules: vec![Rule::parse("tenant_id = {tenant_id}", Some(1), &params()).unwrap()],
        dashboards: vec![DashboardId::parse(UUID).unwrap()],
        referer: HeaderValue::from_static("https://gateway.example/"),
        backend: Some(Backend {
            service_key: SecretBytes::new(KEY.as_bytes()),
            signer: Signer {
                name: Arc::from("app"),
                algorithm: jsonwebtoken::Algorithm::HS256,
                secret: SecretBytes::new(SECRET),
                kid: Some("k1".into()),
                iss: Some("app".into()),
                audience: Some("embedgate".into()),
                claims: ClaimNames::default(),
                max_lifetime: Duration::from_mins(10),
            },
        }),
        max_queries: 3,
        max_rows: 1_000,
        coverage_ttl: SupersetSpec::COVERAGE_TTL,
        danger_uncovered_datasets: false,
    }
}

pub(super) fn superset() -> Superset {
    Superset::new(spec())
}
