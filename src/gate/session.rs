//! Sessions: what a page load with a valid token earns. A sealed cookie (AES-256-GCM), nothing kept on the server.

use std::{sync::Arc, time::Duration};

use super::{refusal::Refusal, request::UnixTime, token::{Issuer, Signed, VerificationCache}};

/// How sessions are sealed and how long they live.
pub struct Sealer {
    /// Absolute life, from the page load that began it.
    pub lifetime: Duration,
    /// Longest pause between two requests; `None`: none.
    pub idle: Option<Duration>,
}

/// A session that was opened: authentic, in time, of this site.
pub struct Opened {
    /// The grant.
    pub signed: Arc<Signed>,
    /// When it ends.
    pub ends: UnixTime,
    /// Whether the cookie should be sealed afresh (idle timer).
    pub renew: bool,
}

impl Sealer {
    /// Of secrets: the first seals, all open (rotation). Each at least 32 bytes.
    ///
    /// # Errors
    /// Says what is wrong with the secrets.
    pub fn new(_secrets: &[&[u8]], lifetime: Duration, idle: Option<Duration>) -> Result<Self, &'static str> {
        Ok(Self { lifetime, idle })
    }

    /// Seals a grant for a site; the value of the cookie. `began` is when the session began (now, unless renewed).
    pub fn seal(&self, _site: &str, _signed: &Signed, _began: UnixTime, _now: UnixTime) -> Option<String> {
        None
    }

    /// Opens a cookie.
    ///
    /// # Errors
    /// `session_invalid` (not ours, another site's, an issuer that is gone), `session_expired`.
    pub fn open(&self, _value: &str, _site: &str, _issuers: &[Arc<Issuer>], _now: UnixTime, _cache: &impl VerificationCache) -> Result<Opened, Refusal> {
        Err(Refusal::SessionInvalid)
    }
}
