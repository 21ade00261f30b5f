//! Metabase's embedding tokens, as the application would sign them. Each serves one request, goes upstream and nowhere else.

use std::{fmt, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    filters::{Rules, json},
    spec::{Item, ItemId, Lens, MetabaseSpec},
};
use crate::{
    adapter::secret::SecretBytes,
    gate::{
        param::{Grant, Granted},
        policy::Denial,
        request::UnixTime,
    },
};

/// Signs tokens with Metabase's embedding secret. No `Debug`, no way to the key.
pub struct Mint {
    key: hmac::Key,
    ttl: i64,
}

impl Mint {
    /// A mint with the secret as it stands in Metabase: 64 hexadecimal characters, whose ASCII bytes are the key (upstream behaviour: they are not
    /// decoded). Tokens live for `ttl`, at least a second, at most [`MetabaseSpec::MAX_TOKEN_TTL`].
    pub fn new(secret: &SecretBytes, ttl: Duration) -> Self {
        let ttl = ttl.min(MetabaseSpec::MAX_TOKEN_TTL).as_secs();
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose()),
            ttl: i64::try_from(ttl).unwrap_or_default().max(1),
        }
    }

    /// A token for one item: its locked parameters with the viewer's values, and the presets of its enabled ones. Values are lists, whatever their number;
    /// an empty one, which Metabase takes for "all rows", stands where the viewer's token says "all" and nowhere else.
    ///
    /// # Errors
    /// As [`Rules::fixed`].
    pub fn token(
        &self,
        item: &Item,
        lens: Lens<'_>,
        granted: Granted<'_>,
        now: UnixTime,
    ) -> Result<String, Denial> {
        let fixed = Rules { lens, granted }.fixed()?;
        let mut params = String::with_capacity(64);
        for (count, fixed) in fixed.iter().enumerate() {
            if count > 0 {
                params.push(',');
            }
            json::quote(&mut params, &fixed.spec.name);
            params.push(':');
            match fixed.grant {
                Grant::All => params.push_str("[]"),
                Grant::Only(value) => json::list(&mut params, value.scalars()),
            }
        }
        Ok(self.saying(item, &params, now))
    }

    /// A token for one item that says of its parameters what is written here: the members of a JSON object, without its braces. For our own questions;
    /// what a viewer asks goes through [`Self::token`].
    pub(super) fn saying(&self, item: &Item, params: &str, now: UnixTime) -> String {
        let (kind, id) = (item.kind.as_str(), item.id);
        let quote = match id {
            ItemId::Number(_) => "",
            ItemId::Entity(_) => "\"",
        };
        let (iat, exp) = (now.0, now.plus(self.ttl).0);
        self.sign(&format!(
            r#"{{"resource":{{"{kind}":{quote}{id}{quote}}},"params":{{{params}}},"iat":{iat},"exp":{exp}}}"#
        ))
    }

    fn sign(&self, payload: &str) -> String {
        let length = payload.len().saturating_mul(4).div_ceil(3);
        let mut token = String::with_capacity(HEADER.len().saturating_add(length + 45));
        token.push_str(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let tag = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, &mut token);
        token
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mint(…)")
    }
}

/// `{"alg":"HS256","typ":"JWT"}`; Metabase knows no other.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

#[cfg(test)]
mod tests;
