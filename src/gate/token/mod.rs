//! Viewer tokens (RFC 7519, RFC 8725), in two halves: the signature, which may be remembered, and the times, which may not.

pub mod claims;
pub mod keys;

use std::sync::Arc;

pub use claims::{ClaimNames, Claims};
pub use keys::{Issuer, KeySet};

use super::{refusal::Refusal, request::UnixTime};

/// Text that claims to be a token; nobody has looked at it. No `Debug`, no `Display`: it must not end in a log.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct RawToken<'a>(&'a str);

impl<'a> RawToken<'a> {
    /// Wraps.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    pub fn expose(self) -> &'a str {
        self.0
    }
}

/// The key of a cached verification: SHA-256 over the generation of the issuers' keys, the site and the token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TokenDigest(pub [u8; 32]);

/// Claims whose authenticity was checked: by a signature, or by the seal of a session. Time-free, so it may be cached.
/// Private fields, made by [`signed`] and [`super::session::Sealer::open`] only; not `Clone`, not `Deserialize`.
#[derive(Debug)]
pub struct Signed {
    issuer: Arc<Issuer>,
    claims: Claims,
}

impl Signed {
    pub(in crate::gate) fn assert(issuer: Arc<Issuer>, claims: Claims) -> Self {
        Self { issuer, claims }
    }

    /// What was signed.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Who signed it.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }
}

/// Remembers verifications; failures are never put in.
pub trait VerificationCache {
    /// A remembered verification.
    fn get(&self, digest: &TokenDigest) -> Option<Arc<Signed>>;
    /// Remembers one, at most until it expires.
    fn put(&self, digest: TokenDigest, signed: &Arc<Signed>);
}

/// Checks the signature and the shape of a token against the issuers of a site, through the cache.
///
/// # Errors
/// `token_invalid`.
pub fn signed(_raw: RawToken<'_>, _issuers: &[Arc<Issuer>], _cache: &impl VerificationCache) -> Result<Arc<Signed>, Refusal> {
    Err(Refusal::TokenInvalid)
}

/// Checks the times of a token: on every request, also on a cache hit.
///
/// # Errors
/// `token_expired`, `token_not_yet_valid`, `token_lifetime`.
pub fn current(_signed: &Signed, _now: UnixTime) -> Result<(), Refusal> {
    Err(Refusal::TokenExpired)
}
