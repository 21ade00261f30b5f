//! The workspace's tokens: ES256 under a key of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value as Json, json};

/// What signs and verifies.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    id: String,
    serial: AtomicU64,
}

impl Key {
    /// A fresh one.
    pub(super) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .unwrap_or_else(|why| panic!("no key: {why}"));
        let id = BASE64.encode(pair.public_key().as_ref());
        Self {
            pair,
            id: id.chars().take(16).collect(),
            serial: AtomicU64::new(0),
        }
    }

    /// The public half, as `/oidc/jwks.json` shows it.
    pub(crate) fn set(&self) -> Json {
        let point = self.pair.public_key().as_ref();
        let part = |from: usize| BASE64.encode(point.get(from..from + 32).unwrap_or_default());
        json!({"keys": [
            {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id, "x": part(1), "y": part(33)},
        ]})
    }

    /// A number that no token has had, larger than those before.
    pub(super) fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn sign(&self, claims: &Json) -> String {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": self.id});
        let text = [&header, claims].map(|part| BASE64.encode(part.to_string()));
        let text = text.join(".");
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes());
        let signature = signature.map(|one| BASE64.encode(one));
        format!("{text}.{}", signature.unwrap_or_default())
    }

    /// The claims of a token with a good signature.
    pub(super) fn verify(&self, token: &str) -> Option<Json> {
        let (text, signature) = token.rsplit_once('.')?;
        let (header, payload) = text.split_once('.')?;
        if part(header)?["alg"] != "ES256" {
            return None;
        }
        let public = self.pair.public_key().as_ref();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
        let signature = BASE64.decode(signature).ok()?;
        public.verify(text.as_bytes(), &signature).ok()?;
        part(payload)
    }
}

/// The claims of a token, whoever signed it.
pub(crate) fn peek(token: &str) -> Option<Json> {
    part(token.split('.').nth(1)?)
}

fn part(text: &str) -> Option<Json> {
    serde_json::from_slice(&BASE64.decode(text).ok()?).ok()
}
