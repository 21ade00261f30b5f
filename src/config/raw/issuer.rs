//! `[issuer.NAME]`: whoever signs viewer tokens.

use std::{borrow::Cow, collections::BTreeMap, fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess},
};
use serde_json::{Map, Value};

use crate::config::{
    secret::SecretSource,
    units::{Duration, Moment},
};

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
    /// The public key as a JSON Web Key instead: a table, or the path of a JSON file. What it says of `alg` and `kid` holds.
    pub jwk: Option<JwkSource>,
    /// Several keys instead of one; the token's `kid` picks.
    pub keys: Vec<Key>,
    /// A JSON Web Key Set instead: the path of a file, or an `https://` URL that is fetched while embedgate runs.
    pub jwks: Option<String>,
    /// An `OpenID` Connect provider instead: its discovery document says where its keys are. Tokens must carry this very text as `iss`.
    pub issuer_url: Option<String>,
    /// With `jwks`, `jwk` or `issuer_url`: the only algorithms accepted. A key without `alg` gets the one of them that fits it.
    pub algorithms: Vec<String>,
    /// How often keys are fetched, at least; the provider's `Cache-Control: max-age` may ask for more often, down to 30 seconds.
    pub jwks_refresh: Duration,
    /// PEM bundle of the roots to trust instead of the system's when keys are fetched.
    pub jwks_ca: Option<PathBuf>,
    /// Fetch keys over `http://` from an address that is not loopback: whoever is on the way can put in keys of their own.
    pub danger_jwks_cleartext: bool,
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
            jwk: None,
            keys: Vec::new(),
            jwks: None,
            issuer_url: None,
            algorithms: Vec::new(),
            jwks_refresh: Duration::seconds(600),
            jwks_ca: None,
            danger_jwks_cleartext: false,
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
pub struct Key {
    /// The token header's `kid` that picks this key; the JSON Web Key may say it instead.
    pub kid: Option<String>,
    /// The only accepted algorithm with this key; the JSON Web Key may say it instead.
    pub algorithm: Option<String>,
    /// The shared secret, for HS algorithms.
    pub secret: Option<SecretSource>,
    /// PEM file with the public key, for the other algorithms.
    pub public_key: Option<PathBuf>,
    /// The public key as a JSON Web Key instead: a table, or the path of a JSON file.
    pub jwk: Option<JwkSource>,
    /// From when on the key is good; judged on every request, without leeway.
    pub not_before: Option<Moment>,
    /// Until when the key is good; judged on every request, without leeway.
    pub not_after: Option<Moment>,
}

/// Where a JSON Web Key is: here, or in a file.
#[derive(Debug)]
pub enum JwkSource {
    /// In a file.
    File(PathBuf),
    /// Here.
    Inline(Map<String, Value>),
}

impl<'de> Deserialize<'de> for JwkSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JwkVisitor)
    }
}

struct JwkVisitor;

impl<'de> de::Visitor<'de> for JwkVisitor {
    type Value = JwkSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with the members of a JSON Web Key, or the path of a JSON file")
    }

    fn visit_str<E: de::Error>(self, path: &str) -> Result<JwkSource, E> {
        Ok(JwkSource::File(path.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JwkSource, A::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = map.next_entry()? {
            members.insert(name, value);
        }
        Ok(JwkSource::Inline(members))
    }
}

impl JsonSchema for JwkSource {
    fn schema_name() -> Cow<'static, str> {
        "JwkSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A JSON Web Key (RFC 7517): its members as a table, or the path of a JSON file.",
            "type": ["object", "string"]
        })
    }
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
