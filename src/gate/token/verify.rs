//! One token, checked from scratch: shape, header, candidate keys, signature, claims. Bounded work for hostile input.

use std::sync::Arc;

use arc_swap::Guard;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    Claims, Issuer, Proof, RawToken, Signed, UnknownKid, Unproven, json, key::accepted,
    keys::KeyRing,
};

/// Checks a token against the issuers of a site and their keys, one ring for each.
///
/// # Errors
/// It proves nothing.
pub(super) fn verify(
    raw: RawToken<'_>,
    issuers: &[Arc<Issuer>],
    rings: &[Guard<Arc<KeyRing>>],
) -> Result<Signed, Unproven> {
    let token = Token::read(raw.expose()).ok_or_else(Unproven::default)?;
    let accepted = || {
        let both = issuers.iter().zip(rings);
        both.filter(|(issuer, _)| token.may_be_of(issuer))
    };
    let Some((issuer, proof)) = token.signer(accepted()) else {
        let unknown = accepted().filter(|(issuer, ring)| token.names_no_key_of(issuer, ring));
        return Err(Unproven {
            unknown_kid: unknown
                .map(|(issuer, ring)| UnknownKid {
                    issuer: Arc::clone(&issuer.name),
                    ring: ring.generation(),
                })
                .collect(),
        });
    };
    let claims = Claims::read(token.payload, issuer).map_err(|_| Unproven::default())?;
    Ok(Signed::proven(Arc::clone(issuer), claims, proof))
}

/// Whether text can be a token at all: two dots, and not too long. Cheap, before anything is hashed.
pub(super) fn is_plausible(raw: RawToken<'_>) -> bool {
    let text = raw.expose();
    text.len() <= MAX_TOKEN && text.matches('.').count() == 2
}

/// A token in its parts, none of them believed yet.
struct Token<'t> {
    header: Header,
    payload: Map<String, Value>,
    message: &'t str,
    signature: Vec<u8>,
}

impl<'t> Token<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        Some(Self {
            header: Header::parse(&decode(header)?)?,
            payload: json::object(&decode(payload)?)?,
            message,
            signature: decode(signature)?,
        })
    }

    /// An issuer that pins another `iss` is not even tried.
    fn may_be_of(&self, issuer: &Issuer) -> bool {
        let iss = self.payload.get("iss").and_then(Value::as_str);
        issuer.iss.is_none() || issuer.iss.as_deref() == iss
    }

    /// The issuer whose key made the signature, and that key.
    fn signer<'i>(
        &self,
        accepted: impl Iterator<Item = (&'i Arc<Issuer>, &'i Guard<Arc<KeyRing>>)>,
    ) -> Option<(&'i Arc<Issuer>, Proof)> {
        let Header { algorithm, kid } = &self.header;
        accepted
            .flat_map(|(issuer, ring)| {
                let keys = ring.keys().candidates(kid.as_deref(), algorithm);
                keys.map(move |key| (issuer, ring, key))
            })
            .take(MAX_CHECKS)
            .find(|(_, _, key)| key.verifies(&self.signature, self.message.as_bytes()))
            .map(|(issuer, ring, key)| {
                let proof = Proof {
                    key: Arc::clone(key),
                    ring: ring.generation(),
                };
                (issuer, proof)
            })
    }

    /// Whether an issuer's keys are fetched and have none of the name that the token gives: then it may be signed with a new one.
    fn names_no_key_of(&self, issuer: &Issuer, ring: &KeyRing) -> bool {
        let known = self.header.kid.as_deref();
        issuer.keys.is_fetched()
            && accepted(&self.header.algorithm).is_ok()
            && known.is_none_or(|kid| !ring.keys().knows(kid))
    }
}

/// base64url without padding, whitespace or stray bits (RFC 7515 section 2): one text per value.
fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

struct Header {
    algorithm: String,
    kid: Option<String>,
}

impl Header {
    /// Reads a JOSE header. What would bring its own key, or change what the signature covers, is refused by name.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let members = json::object(bytes)?;
        if members
            .keys()
            .any(|name| REFUSED.contains(&name.as_str()) || name.starts_with("x5"))
        {
            return None;
        }
        if !members.get("typ").is_none_or(is_viewer_token_type) {
            return None;
        }
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return None,
        };
        Some(Self {
            algorithm: members.get("alg")?.as_str()?.to_owned(),
            kid,
        })
    }
}

/// Explicit typing (RFC 8725 section 3.11): an issuer's logout, event or proof-of-possession tokens are no viewer tokens.
fn is_viewer_token_type(typ: &Value) -> bool {
    let Some(typ) = typ.as_str() else {
        return false;
    };
    let bare = match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    bare.eq_ignore_ascii_case("jwt") || bare.eq_ignore_ascii_case("at+jwt")
}

/// Header parameters that no viewer token carries: keys and where to fetch them, critical extensions, unencoded or nested payloads, encryption.
const REFUSED: &[&str] = &[
    "apu", "apv", "b64", "crit", "cty", "enc", "epk", "iv", "jku", "jwk", "p2c", "p2s", "tag",
    "zip",
];

/// The longest token, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// The most signature checks that one token may cost.
const MAX_CHECKS: usize = 4;
