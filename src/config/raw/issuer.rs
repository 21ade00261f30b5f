//! `[issuer.NAME]`: whoever signs viewer tokens.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{secret::SecretSource, units::Duration};

/// Whoever signs viewer tokens, usually the embedding application's backend.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Issuer {
    /// The only accepted algorithm: HS256/384/512, RS256/384/512, PS256/384/512, ES256/384 or `EdDSA`. The token has no say in it.
    pub algorithm: Option<String>,
    /// The shared secret, for HS algorithms; at least as long as the hash (32 bytes for HS256).
    pub secret: Option<SecretSource>,
    /// PEM file with the public key, for the other algorithms.
    pub public_key: Option<PathBuf>,
    /// Several keys instead of one; the token's `kid` picks.
    pub keys: Vec<Key>,
    /// What the token's `iss` must be; not named, it is not asked for.
    pub issuer: Option<String>,
    /// What the token's `aud` must be; not named, it is not asked for.
    pub audience: Option<String>,
    /// The longest life a token may have, from `iat` to `exp`.
    pub max_lifetime: Duration,
    /// Tolerance for clocks that differ.
    pub leeway: Duration,
    /// Other names of claims, for issuers that cannot use ours.
    pub claims: Claims,
    /// The viewer of tokens without `sub`, which may then leave it out; all of them are one viewer.
    pub default_viewer: Option<String>,
    /// Resources granted to every token of this issuer, which then needs no `resource` claim.
    pub danger_resources: Vec<String>,
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            algorithm: None,
            secret: None,
            public_key: None,
            keys: Vec::new(),
            issuer: None,
            audience: None,
            max_lifetime: Duration::seconds(600),
            leeway: Duration::seconds(5),
            claims: Claims::default(),
            default_viewer: None,
            danger_resources: Vec::new(),
        }
    }
}

/// One key of several.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["kid", "algorithm"]))]
pub struct Key {
    /// The token header's `kid` that picks this key.
    pub kid: Option<String>,
    /// The only accepted algorithm with this key.
    pub algorithm: Option<String>,
    /// The shared secret, for HS algorithms.
    pub secret: Option<SecretSource>,
    /// PEM file with the public key, for the other algorithms.
    pub public_key: Option<PathBuf>,
}

/// Other names of claims.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Claims {
    /// The claim that holds the tenant; `tenant` unless given.
    pub tenant: Option<String>,
    /// Parameters that stand as claims of their own, outside `params`: parameter = claim.
    pub params: BTreeMap<String, String>,
}
