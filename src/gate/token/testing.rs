//! Keys, issuers and grants for unit tests.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{ClaimNames, Claims, Issuer, KeySet, Signed, Signer};

#[path = "../../../tests/support/keys.rs"]
mod keys;

pub(crate) use keys::{foreign, pair};

/// The time at which the tokens of these tests are issued.
pub(crate) const ISSUED: i64 = 1_764_000_000;

/// An issuer named `app` with one key of an algorithm.
pub(crate) fn issuer(algorithm: &str) -> Issuer {
    let mut keys = KeySet::new();
    keys.add(None, algorithm, &pair(algorithm).public).unwrap();
    Issuer {
        name: Arc::from("app"),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: keys.into(),
        claims: ClaimNames::default(),
        generation: 1,
    }
}

/// Good claims, valid for ten minutes.
pub(crate) fn claims() -> Value {
    json!({"sub": "viewer-7", "exp": ISSUED + 600, "iat": ISSUED, "resource": {"dashboard": 42}, "tenant": "acme", "params": {"organization_id": 99}})
}

/// A token of these claims, by the key that [`issuer`] has.
pub(crate) fn token(algorithm: &str, claims: &Value) -> String {
    Signer::new(algorithm, &pair(algorithm).private, None)
        .unwrap()
        .sign(claims)
        .unwrap()
}

/// A grant, as if its signature had been checked.
pub(crate) fn signed(viewer: &str, tenant: Option<&str>) -> Signed {
    let mut claims = claims();
    claims["sub"] = viewer.into();
    let members = claims.as_object_mut().unwrap();
    match tenant {
        None => drop(members.remove("tenant")),
        Some(tenant) => drop(members.insert("tenant".into(), tenant.into())),
    }
    signed_of(&claims)
}

/// A grant of these claims.
pub(crate) fn signed_of(claims: &Value) -> Signed {
    let issuer = issuer("HS256");
    let claims = Claims::read(claims.as_object().unwrap().clone(), &issuer).unwrap();
    Signed::sealed(Arc::new(issuer), claims, None)
}

/// A public key that is too small for anything.
pub(crate) const RSA_1024: &[u8] = b"-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDDe4XWxEEGDWkM4Wsf5I24Aoth
p3oG5EQN1WFu7FMENQZ3y76EbWpTlZTjKdG12GuGrp3Q7EIXbBRAQhvMARS8+sPR
MYeHmRJQ1bDaJUq9DpdFv9FOi3oV8rHqp+v6mKTPEcak61ANRSPTSMc5BAsvvXze
MgrIFxWxlHigqqGhLwIDAQAB
-----END PUBLIC KEY-----
";
