//! Metabase's tokens: HS256 under the ASCII characters of the secret, verified as Metabase does, with its messages.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Map, Value as Json, json};

const LEEWAY: i64 = 60;
const CORRUPT: &str = "Message seems corrupt or manipulated";

/// Signs claims as an embedding application does.
pub(crate) fn sign(secret: &str, claims: &Json) -> String {
    sign_with(secret, &json!({"alg": "HS256", "typ": "JWT"}), claims)
}

/// The same under another header.
pub(crate) fn sign_with(secret: &str, header: &Json, claims: &Json) -> String {
    let text = [header, claims].map(|part| BASE64.encode(part.to_string()));
    let text = text.join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = BASE64.encode(hmac::sign(&key, text.as_bytes()));
    format!("{text}.{signature}")
}

/// The claims of a token, whoever signed it.
pub(crate) fn peek(token: &str) -> Option<Json> {
    part(token.split('.').nth(1)?)
}

/// Whether the API's routes know this as a token: letters, digits, `-_=`, in two or three parts.
pub(super) fn shaped(text: &str) -> bool {
    let plain = |part: &str, more: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let mut parts = text.splitn(3, '.');
    let mut next = || parts.next().unwrap_or_default();
    plain(next(), "-_=") && plain(next(), "-_=") && {
        let rest = next();
        rest.is_empty() || plain(rest, "-_.+=")
    }
}

/// Verifies a token; the error is the text that Metabase answers with 400.
pub(super) fn unsign(
    secret: Option<&str>,
    token: &str,
    now: i64,
) -> Result<Map<String, Json>, String> {
    let mut parts = token.splitn(3, '.');
    let mut next = || parts.next().unwrap_or_default();
    let (header, payload, signature) = (next(), next(), next());
    let head: Json = part(header).ok_or(CORRUPT)?;
    if head["alg"].is_null() {
        return Err("JWT is missing `alg`.".into());
    }
    if head["alg"] == "none" {
        return Err("JWT `alg` cannot be `none`.".into());
    }
    let secret = secret.ok_or("The embedding secret key has not been set.")?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = format!("{header}.{payload}");
    let signature = BASE64.decode(signature.trim_end_matches('='));
    let signature = signature.map_err(|_| CORRUPT)?;
    hmac::verify(&key, signed.as_bytes(), &signature).map_err(|_| CORRUPT)?;
    let Some(Json::Object(claims)) = part(payload) else {
        return Err(CORRUPT.into());
    };
    let time = |name: &str| claims.get(name).and_then(Json::as_f64);
    let now = f64::from(u32::try_from(now).unwrap_or(u32::MAX));
    let leeway = f64::from(i32::try_from(LEEWAY).unwrap_or_default());
    if let Some(exp) = time("exp").filter(|exp| *exp <= now - leeway) {
        return Err(format!("Token is expired ({exp})"));
    }
    if let Some(nbf) = time("nbf").filter(|nbf| *nbf > now + leeway) {
        return Err(format!("Token is not yet valid ({nbf})"));
    }
    Ok(claims)
}

fn part(text: &str) -> Option<Json> {
    let bytes = BASE64.decode(text.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// What a token is about: a number, or an entity id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Id {
    Number(u64),
    Entity(String),
}

impl Id {
    pub(super) fn is(&self, id: u64, entity: &str) -> bool {
        match self {
            Self::Number(number) => *number == id,
            Self::Entity(text) => text == entity,
        }
    }

    /// As it stands in `/api/dashboard/:id`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let number = text.parse().ok().map(Self::Number);
        number.or_else(|| (text.len() == 21).then(|| Self::Entity(text.into())))
    }
}

/// `resource.dashboard` or `resource.question` of verified claims.
pub(super) fn resource(claims: &Map<String, Json>, kind: &str) -> Result<Id, String> {
    let missing = || format!("Token is missing value for keypath [:resource :{kind}]");
    let Some(Json::Object(resource)) = claims.get("resource") else {
        return Err(missing());
    };
    let id = resource.get(kind).ok_or_else(missing)?;
    if resource.len() > 1 {
        return Err("Invalid input: {:resource {:disallowed-key [\"disallowed key\"]}}".into());
    }
    let number = id.as_u64().filter(|id| *id > 0).map(Id::Number);
    let entity = id.as_str().filter(|text| text.len() == 21);
    let read = number.or_else(|| entity.map(|text| Id::Entity(text.into())));
    read.ok_or_else(|| {
        format!("Invalid input: [\"value must be an integer greater than zero., got: {id}\"]")
    })
}

/// `params` of verified claims.
pub(super) fn params(claims: &Map<String, Json>) -> Result<Map<String, Json>, String> {
    match claims.get("params") {
        Some(Json::Object(params)) => Ok(params.clone()),
        Some(other) => Err(format!(
            "Invalid input: {{:params [\"invalid type, got: {other}\"]}}"
        )),
        None => Err("Token is missing value for keypath [:params]".into()),
    }
}
