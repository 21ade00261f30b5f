//! JSON Web Keys and sets of them (RFC 7517, RFC 7518 section 6, RFC 8037), read strictly: no key without an algorithm, none that is private.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    json,
    key::{Key, KeyError, Numbers, accepted},
    keys::KeySet,
};

/// By which rules a JWK becomes a key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JwkRules {
    /// The only algorithms accepted. A key without `alg` gets the one of them that fits it; where several fit, none does. Empty: each key
    /// must name its own.
    pub algorithms: Vec<&'static str>,
    /// Whether a shared secret (`kty` = `oct`) may be among them: in the operator's own file, never in what anybody can fetch.
    pub secrets: bool,
}

/// Why a JWK is no key of ours.
#[derive(Debug, thiserror::Error)]
pub enum JwkError {
    /// It is not fit to be used: broken, private, weak or ambiguous.
    #[error("{0}")]
    Refused(String),
    /// It is for something else, or of a kind that we do not know: as if it were not there.
    #[error("{0}")]
    Skipped(String),
}

/// Why text is no set of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JwksError {
    /// No JSON object (or one with a name twice), or without the array `keys`.
    #[error("it is not a JSON Web Key Set: an object with the array `keys`, no name twice")]
    Form,
    /// More keys than anybody needs.
    #[error("it holds more than {MAX_KEYS} keys")]
    Many,
    /// A document of `OpenID` discovery that is none, or another issuer's.
    #[error("{0}")]
    Discovery(&'static str),
}

/// A set that was read, and what in it is not used.
#[derive(Debug)]
pub struct Jwks {
    /// The keys.
    pub keys: KeySet,
    /// Keys that are not used, and why; each begins with the key's `kid`, where it has one.
    pub unused: Vec<JwkError>,
}

/// A key of a JWK, and the shared secret where it is one.
pub struct Jwk {
    /// The key.
    pub key: Key,
    /// The secret.
    pub secret: Option<Zeroizing<Vec<u8>>>,
}

impl JwkRules {
    /// Rules for these algorithms.
    ///
    /// # Errors
    /// One of them is not on the list.
    pub fn new(algorithms: &[impl AsRef<str>], secrets: bool) -> Result<Self, KeyError> {
        let algorithms = algorithms
            .iter()
            .map(|name| accepted(name.as_ref()).map(|known| known.name));
        Ok(Self {
            algorithms: algorithms.collect::<Result<_, _>>()?,
            secrets,
        })
    }

    /// Reads one key from text.
    ///
    /// # Errors
    /// It is no JSON object, or not used.
    pub fn parse(&self, text: &[u8]) -> Result<Jwk, JwkError> {
        let members = json::object(text);
        self.key(&members.ok_or_else(|| refused("it is not a JSON object, or has a name twice"))?)
    }

    /// Reads one key.
    ///
    /// # Errors
    /// It is not used.
    pub fn key(&self, members: &Map<String, Value>) -> Result<Jwk, JwkError> {
        let kid = optional(members, "kid")?;
        let kind = required(members, "kty")?;
        if kind != "oct" && PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(refused(
                "it is a private key: whoever can read it can sign; take it out of use",
            ));
        }
        if kind == "oct" && !self.secrets {
            return Err(refused("it is a shared secret, where anybody can read it"));
        }
        self.purpose(members)?;
        let algorithm = self.algorithm(members, kind)?;
        let number = |name: &str| -> Result<Zeroizing<Vec<u8>>, JwkError> {
            let decoded = URL_SAFE_NO_PAD.decode(required(members, name)?);
            decoded
                .map(Zeroizing::new)
                .map_err(|_| refused(&format!("`{name}` is not base64url without padding")))
        };
        if kind == "oct" {
            let secret = number("k")?;
            let key = Key::new(kid, algorithm, &secret).map_err(|error| unfit(&error))?;
            let secret = Some(secret);
            return Ok(Jwk { key, secret });
        }
        let key = match kind {
            "EC" => {
                let (x, y) = (number("x")?, number("y")?);
                Key::of_numbers(kid, algorithm, Numbers::Ec { x: &x, y: &y })
            }
            "OKP" => Key::of_numbers(kid, algorithm, Numbers::Ed { x: &number("x")? }),
            _ => {
                let (n, e) = (number("n")?, number("e")?);
                Key::of_numbers(kid, algorithm, Numbers::Rsa { n: &n, e: &e })
            }
        };
        let key = key.map_err(|error| unfit(&error))?;
        Ok(Jwk { key, secret: None })
    }

    /// Reads a set. What cannot be used in it is left out and told. A `kid` that several different keys have is nobody's: none of them is used.
    ///
    /// # Errors
    /// The text as a whole is no set.
    pub fn set(&self, text: &[u8]) -> Result<Jwks, JwksError> {
        let entries = entries(text)?;
        if entries.len() > MAX_KEYS {
            return Err(JwksError::Many);
        }
        let (jwks, unused) = self.each(entries);
        let keys = jwks.into_iter().map(|jwk| jwk.key);
        Ok(distinct(keys.collect(), unused))
    }

    /// Reads every usable key of a set, in its order and as many as there are; what is not used is told.
    ///
    /// # Errors
    /// The text as a whole is no set.
    pub fn read(&self, text: &[u8]) -> Result<(Vec<Jwk>, Vec<JwkError>), JwksError> {
        Ok(self.each(entries(text)?))
    }

    fn each(&self, entries: Vec<Value>) -> (Vec<Jwk>, Vec<JwkError>) {
        let (mut keys, mut unused) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            match entry {
                Value::Object(members) => match self.key(&members) {
                    Ok(jwk) => keys.push(jwk),
                    Err(why) => unused.push(named(members.get("kid"), why)),
                },
                Value::Array(_)
                | Value::Bool(_)
                | Value::Null
                | Value::Number(_)
                | Value::String(_) => unused.push(refused("an entry of `keys` is not an object")),
            }
        }
        (keys, unused)
    }

    /// Whether a key is meant for checking signatures (RFC 7517 sections 4.2 and 4.3).
    fn purpose(&self, members: &Map<String, Value>) -> Result<(), JwkError> {
        match members.get("use") {
            None => {}
            Some(Value::String(usage)) if usage == "sig" => {}
            Some(Value::String(_)) => return Err(skipped("it is not for signatures (`use`)")),
            Some(_) => return Err(refused("`use` is not a text")),
        }
        match members.get("key_ops") {
            None => Ok(()),
            Some(Value::Array(operations)) => {
                let verifies = operations.iter().any(|one| one == "verify");
                let found = verifies.then_some(());
                found.ok_or_else(|| skipped("it is not for checking signatures (`key_ops`)"))
            }
            Some(_) => Err(refused("`key_ops` is not a list")),
        }
    }

    /// The algorithm of a key: its own word, or the only one of ours that fits. Never the token's.
    fn algorithm(
        &self,
        members: &Map<String, Value>,
        kind: &str,
    ) -> Result<&'static str, JwkError> {
        let family = family(kind, optional(members, "crv")?)?;
        if let Some(named) = optional(members, "alg")? {
            let fits = family.iter().find(|name| **name == named);
            let name = fits.copied().ok_or_else(|| {
                skipped(&format!("`{}` is no algorithm for it", shortened(named)))
            })?;
            let ours = self.algorithms.is_empty() || self.algorithms.contains(&name);
            return if ours {
                Ok(name)
            } else {
                Err(skipped(&format!("{name} is not among `algorithms`")))
            };
        }
        let mut fitting = family
            .iter()
            .filter(|name| self.algorithms.contains(name))
            .copied();
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (None, _) if self.algorithms.is_empty() => Err(skipped(
                "it names no `alg`, and the issuer names no `algorithms`",
            )),
            (None, _) => Err(skipped("none of `algorithms` fits it")),
            (Some(one), Some(other)) => Err(skipped(&format!(
                "it names no `alg`, and of `algorithms` {one} fits as well as {other}"
            ))),
        }
    }
}

fn entries(text: &[u8]) -> Result<Vec<Value>, JwksError> {
    let mut members = json::object(text).ok_or(JwksError::Form)?;
    match members.get_mut("keys").map(Value::take) {
        Some(Value::Array(entries)) => Ok(entries),
        _ => Err(JwksError::Form),
    }
}

/// The place of an issuer's key set, from its `OpenID` discovery document: `issuer` must be the very text that was configured
/// (`OpenID` Connect Discovery 1.0 section 4.3).
///
/// # Errors
/// It is no such document, or another issuer's.
pub fn discovered(document: &[u8], issuer: &str) -> Result<String, JwksError> {
    let members = json::object(document).ok_or(JwksError::Discovery(
        "the discovery document is not a JSON object, or has a name twice",
    ))?;
    if members.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(JwksError::Discovery(
            "the discovery document is another issuer's: its `issuer` is not `issuer_url`",
        ));
    }
    match members.get("jwks_uri") {
        Some(Value::String(place)) => Ok(place.clone()),
        _ => Err(JwksError::Discovery(
            "the discovery document names no `jwks_uri`",
        )),
    }
}

/// Puts keys together. Fail closed: of several that one `kid` could mean, none is used; the very same key twice is one key. Without a `kid`
/// only a key that is alone can be meant.
fn distinct(keys: Vec<Key>, mut unused: Vec<JwkError>) -> Jwks {
    let alone = keys.len() == 1;
    let mut by_kid: BTreeMap<Option<Box<str>>, Vec<Key>> = BTreeMap::new();
    for key in keys {
        let same = by_kid.entry(key.kid().map(Into::into)).or_default();
        if same.iter().all(|other| other.mark() != key.mark()) {
            same.push(key);
        }
    }
    let mut set = KeySet::new();
    for (kid, mut same) in by_kid {
        let told = kid.as_deref().map(Value::from);
        match (same.pop(), same.is_empty()) {
            (Some(_), _) if kid.is_none() && !alone => {
                let why = refused("it has no `kid`, and is not the only key");
                unused.push(named(told.as_ref(), why));
            }
            (Some(key), true) => {
                if let Err(error) = set.insert(key) {
                    unused.push(named(told.as_ref(), refused(&error.to_string())));
                }
            }
            (Some(_), false) => {
                let why = refused("several keys have this `kid`: none of them is used");
                unused.push(named(told.as_ref(), why));
            }
            (None, _) => {}
        }
    }
    Jwks { keys: set, unused }
}

/// The algorithms that a kind of key can be used with.
fn family(kind: &str, curve: Option<&str>) -> Result<&'static [&'static str], JwkError> {
    match (kind, curve) {
        ("EC", Some("P-256")) => Ok(&["ES256"]),
        ("EC", Some("P-384")) => Ok(&["ES384"]),
        ("OKP", Some("Ed25519")) => Ok(&["EdDSA"]),
        ("RSA", _) => Ok(&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        ("oct", _) => Ok(&["HS256", "HS384", "HS512"]),
        ("EC" | "OKP", _) => Err(skipped("its curve (`crv`) is not one of ours")),
        _ => Err(skipped("its kind (`kty`) is not one of ours")),
    }
}

fn optional<'m>(members: &'m Map<String, Value>, name: &str) -> Result<Option<&'m str>, JwkError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(refused(&format!("`{name}` is not a text"))),
    }
}

fn required<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m str, JwkError> {
    optional(members, name)?.ok_or_else(|| refused(&format!("`{name}` is missing")))
}

/// With the name of the key that it is about.
fn named(kid: Option<&Value>, why: JwkError) -> JwkError {
    let Some(kid) = kid.and_then(Value::as_str) else {
        return why;
    };
    let kid = shortened(kid);
    match why {
        JwkError::Refused(why) => JwkError::Refused(format!("`{kid}`: {why}")),
        JwkError::Skipped(why) => JwkError::Skipped(format!("`{kid}`: {why}")),
    }
}

/// Text of others, fit for a log: short, without control characters.
fn shortened(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { '?' } else { c });
    plain.take(64).collect()
}

fn unfit(error: &KeyError) -> JwkError {
    refused(&error.to_string())
}

fn refused(why: &str) -> JwkError {
    JwkError::Refused(why.to_owned())
}

fn skipped(why: &str) -> JwkError {
    JwkError::Skipped(why.to_owned())
}

/// Members of private keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1, RFC 8037 section 2).
const PRIVATE: &[&str] = &["d", "dp", "dq", "k", "oth", "p", "q", "qi"];

/// The most keys that a fetched set may list.
pub const MAX_KEYS: usize = 1000;

#[cfg(test)]
mod tests;
