//! Tickets: a session in the shape of a JSON Web Token, for front ends that carry a token and read its payload (Metabase's web component).
//!
//! `base64url(header).base64url(payload).sealed`: the payload tells what a front end wants to know, the third part is the session, sealed as in a
//! cookie and bound to the two readable parts. Nobody but a gateway with the session secret can make or change one, and it is never a signature:
//! the header's `alg` names no JWS algorithm, so nothing else accepts it.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{Opened, Opening, Sealer, SessionTimes, Signed};
use crate::gate::{
    refusal::Refusal,
    request::UnixTime,
    token::{CredentialKind, Issuer, TokenDigest, VerificationCache},
};

/// base64url of `{"alg":"embedgate","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJlbWJlZGdhdGUiLCJ0eXAiOiJKV1QifQ";

impl Sealer {
    /// Whether a token is a ticket, by its header.
    pub fn is_ticket(text: &str) -> bool {
        text.strip_prefix(HEADER)
            .is_some_and(|rest| rest.starts_with('.'))
    }

    /// A ticket for a grant, valid until `until` at the latest. It keeps the beginning of the session that it is made from, so it prolongs nothing.
    /// `readable` is what a front end wants to read in its payload; `exp` is added. `None` where the grant is too large.
    pub fn ticket(
        &self,
        site: &str,
        signed: &Signed,
        mut readable: Map<String, Value>,
        until: UnixTime,
        now: UnixTime,
    ) -> Option<String> {
        let opening = signed.session().map_or_else(
            || now.into(),
            |times| Opening {
                began: times.began,
                network: times.network,
            },
        );
        let until = until.min(self.end(opening.began));
        readable.insert("exp".into(), json!(until.0));
        let payload = serde_json::to_vec(&readable).ok()?;
        let open = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(payload));
        let sealed = self
            .sealed(&bound(site, &open), signed, opening, now)
            .ok()?;
        Some(format!("{open}.{sealed}"))
    }

    /// Opens a ticket. Authenticity may be remembered; the times are judged on every request.
    ///
    /// # Errors
    /// `token_invalid` (not ours, changed, another site's, an issuer that is gone), `token_expired`.
    pub fn open_ticket(
        &self,
        text: &str,
        site: &str,
        issuers: &[Arc<Issuer>],
        now: UnixTime,
        cache: &impl VerificationCache,
    ) -> Result<Opened, Refusal> {
        let kind = CredentialKind::Ticket {
            site,
            ring: &self.ring,
        };
        let digest = TokenDigest::of(kind, issuers, text);
        let (signed, fresh) = if let Some(known) = cache.get(&digest) {
            (known, false)
        } else {
            let signed = self.unseal_ticket(text, site, issuers);
            (Arc::new(signed.ok_or(Refusal::TokenInvalid)?), true)
        };
        let opened = self.opened(signed, issuers, now).map_err(|why| {
            if why == Refusal::SessionExpired {
                Refusal::TokenExpired
            } else {
                Refusal::TokenInvalid
            }
        })?;
        if fresh {
            cache.put(digest, &opened.signed);
        }
        Ok(opened)
    }

    /// The grant of a ticket, in time or not; the ticket's own end is the session's.
    fn unseal_ticket(&self, text: &str, site: &str, issuers: &[Arc<Issuer>]) -> Option<Signed> {
        let (open, sealed) = text.rsplit_once('.')?;
        let payload = open.strip_prefix(HEADER)?.strip_prefix('.')?;
        let signed = self.unseal(sealed, site, &bound(site, open), issuers)?;
        // Authentic now, hence written by us.
        let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let until = UnixTime(payload.get("exp")?.as_i64()?);
        let times = signed.session()?;
        let times = SessionTimes {
            ends: times.ends.min(until),
            ..times
        };
        Some(signed.with_times(times))
    }
}

/// What a ticket's seal is bound to. A site's name holds no line break, so no cookie is ever a ticket.
fn bound(site: &str, open: &str) -> String {
    format!("{site}\n{open}")
}

#[cfg(test)]
mod tests;
