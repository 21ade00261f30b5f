//! One token, checked from scratch: shape, header, candidate keys, signature, claims. Bounded work for hostile input.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::super::refusal::Refusal;
use super::{Claims, Issuer, RawToken, Signed, json};

/// Checks a token against the issuers of a site.
///
/// # Errors
/// `token_invalid`.
pub(super) fn verify(raw: RawToken<'_>, issuers: &[Arc<Issuer>]) -> Result<Signed, Refusal> {
    examine(raw.expose(), issuers).ok_or(Refusal::TokenInvalid)
}

/// Whether text can be a token at all: two dots, and not too long. Cheap, before anything is hashed.
pub(super) fn is_plausible(raw: RawToken<'_>) -> bool {
    let text = raw.expose();
    text.len() <= MAX_TOKEN && text.matches('.').count() == 2
}

fn examine(text: &str, issuers: &[Arc<Issuer>]) -> Option<Signed> {
    let (message, signature) = text.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let header = Header::parse(&decode(header)?)?;
    let payload = json::object(&decode(payload)?)?;
    let issuer = signer(&header, &payload, message, signature, issuers)?;
    let claims = Claims::read(payload, issuer).ok()?;
    Some(Signed::assert(Arc::clone(issuer), claims))
}

/// The issuer whose key made the signature. An issuer that pins another `iss` is not even tried.
fn signer<'i>(
    header: &Header,
    payload: &Map<String, Value>,
    message: &str,
    signature: &str,
    issuers: &'i [Arc<Issuer>],
) -> Option<&'i Arc<Issuer>> {
    let iss = payload.get("iss").and_then(Value::as_str);
    issuers
        .iter()
        .filter(|issuer| issuer.iss.is_none() || issuer.iss.as_deref() == iss)
        .flat_map(|issuer| {
            issuer
                .keys
                .candidates(header.kid.as_deref(), &header.algorithm)
                .map(move |key| (issuer, key))
        })
        .take(MAX_CHECKS)
        .find_map(|(issuer, key)| key.verifies(signature, message).then_some(issuer))
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
