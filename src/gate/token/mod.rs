//! Viewer tokens (RFC 7519, RFC 8725), in two halves: the signature, which may be remembered, and the times, which may not.

pub mod cache;
pub mod claims;
pub(in crate::gate) mod json;
pub mod jwk;
pub mod key;
pub mod keys;
mod material;
pub mod sign;
mod verify;

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::Guard;
use aws_lc_rs::digest::{Context, SHA256};
use ipnet::IpNet;
use smallvec::SmallVec;

pub use cache::{FrontCache, MokaCache};
pub use claims::{ClaimNames, Claims};
pub use key::Key;
pub use keys::{Issuer, KeyRing, KeySet, Keys};
pub use sign::Signer;

use super::{id::SessionId, refusal::Refusal, request::UnixTime, session::GrantTag};

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

/// The key of a cached verification: SHA-256 over what kind of credential it is, who may have issued it (names and generations), and its text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// Of a credential. Every field has its length or is of fixed length: no two inputs hash the same bytes.
    pub(in crate::gate) fn of(
        kind: CredentialKind<'_>,
        issuers: &[Arc<Issuer>],
        text: &str,
    ) -> Self {
        Self::with(kind, issuers, &[], text)
    }

    /// With the keys that decide it now: what was verified by other keys is never found again.
    fn with(
        kind: CredentialKind<'_>,
        issuers: &[Arc<Issuer>],
        rings: &[Guard<Arc<KeyRing>>],
        text: &str,
    ) -> Self {
        let mut hash = Context::new(&SHA256);
        let field = |hash: &mut Context, bytes: &[u8]| {
            hash.update(&bytes.len().to_le_bytes());
            hash.update(bytes);
        };
        match kind {
            CredentialKind::Session { site, ring } => {
                hash.update(b"s");
                field(&mut hash, site.as_bytes());
                field(&mut hash, ring);
            }
            CredentialKind::Ticket { site, ring } => {
                hash.update(b"k");
                field(&mut hash, site.as_bytes());
                field(&mut hash, ring);
            }
            CredentialKind::Token => hash.update(b"t"),
        }
        hash.update(&issuers.len().to_le_bytes());
        for issuer in issuers {
            hash.update(&issuer.generation.to_le_bytes());
            field(&mut hash, issuer.name.as_bytes());
        }
        // As many as the kind of credential says: one for each issuer, or none.
        for ring in rings {
            hash.update(&ring.generation().to_le_bytes());
        }
        field(&mut hash, text.as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(hash.finish().as_ref());
        Self(digest)
    }
}

/// What kind of credential a digest stands for: a token's is never a session's, one site's session never another's.
#[derive(Clone, Copy)]
pub(in crate::gate) enum CredentialKind<'a> {
    /// A session cookie of a site.
    Session {
        /// The site's name.
        site: &'a str,
        /// Stands for the keys that open sessions now.
        ring: &'a [u8],
    },
    /// A session in the shape of a token.
    Ticket {
        /// The site's name.
        site: &'a str,
        /// Stands for the keys that open sessions now.
        ring: &'a [u8],
    },
    /// A viewer token.
    Token,
}

/// Claims whose authenticity was checked: by a signature, or by the seal of a session. Time-free, so it may be cached.
/// Private fields, made by [`signed`] and [`super::session::Sealer::open`] only; not `Clone`, not `Deserialize`.
#[derive(Debug)]
pub struct Signed {
    issuer: Arc<Issuer>,
    claims: Claims,
    voucher: Voucher,
    session: Option<SessionTimes>,
    /// About how many bytes it takes in memory.
    size: usize,
}

/// What vouches for claims.
enum Voucher {
    /// A signature.
    Signature(Proof),
    /// A seal of ours; with the `kid` of the key that verified the token which was sealed.
    Seal(Option<Box<str>>),
}

/// By which key of which ring a token was verified.
struct Proof {
    key: Arc<Key>,
    ring: u64,
}

impl Voucher {
    fn kid(&self) -> Option<&str> {
        match self {
            Self::Signature(proof) => proof.key.kid(),
            Self::Seal(kid) => kid.as_deref(),
        }
    }
}

impl fmt::Debug for Voucher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Signature(_) => "Signature",
            Self::Seal(_) => "Seal",
        };
        f.debug_tuple(name).field(&self.kid()).finish()
    }
}

/// Which session it is, and its times, as sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::gate) struct SessionTimes {
    /// Its id.
    pub(in crate::gate) id: SessionId,
    /// When its first page was loaded.
    pub(in crate::gate) began: UnixTime,
    /// When its cookie was sealed.
    pub(in crate::gate) seen: UnixTime,
    /// When it ends, at the latest.
    pub(in crate::gate) ends: UnixTime,
    /// When it would end were it never idle, as was said when it was sealed.
    pub(in crate::gate) until: UnixTime,
    /// Whether it was sealed with an earlier secret than the current one.
    pub(in crate::gate) old_key: bool,
    /// The only network that it holds in, where it was sealed for one.
    pub(in crate::gate) network: Option<IpNet>,
    /// Tells it from other sessions of the same browser.
    pub(in crate::gate) tag: GrantTag,
}

impl Signed {
    /// Authentic by our seal; `kid` names the key that verified the token which was sealed.
    pub(in crate::gate) fn sealed(
        issuer: Arc<Issuer>,
        claims: Claims,
        kid: Option<Box<str>>,
    ) -> Self {
        Self::new(issuer, claims, Voucher::Seal(kid))
    }

    fn proven(issuer: Arc<Issuer>, claims: Claims, proof: Proof) -> Self {
        Self::new(issuer, claims, Voucher::Signature(proof))
    }

    fn new(issuer: Arc<Issuer>, claims: Claims, voucher: Voucher) -> Self {
        Self {
            size: claims.size().saturating_add(size_of::<Self>()),
            issuer,
            claims,
            voucher,
            session: None,
        }
    }

    pub(in crate::gate) fn with_times(self, times: SessionTimes) -> Self {
        Self {
            session: Some(times),
            ..self
        }
    }

    /// Whether both grant the same, by the word of the same issuer: to one viewer, on the same things, with the same filters.
    pub(in crate::gate) fn grants_as(&self, other: &Self) -> bool {
        self.issuer.same(&other.issuer) && self.claims.grants_as(&other.claims)
    }

    /// Whether both are the same token, or one is the session that the other opened.
    pub(in crate::gate) fn same_token(&self, other: &Self) -> bool {
        self.grants_as(other) && self.claims.same_token(&other.claims)
    }

    /// When the session began that it was sealed in; `None` for a token.
    pub fn session_began(&self) -> Option<UnixTime> {
        self.session.map(|times| times.began)
    }

    /// The session that it was sealed in; `None` for a token.
    pub fn session_id(&self) -> Option<SessionId> {
        self.session.map(|times| times.id)
    }

    /// The `kid` of the key that verified the token, also where it opened a session; `None` for a key without.
    pub fn kid(&self) -> Option<&str> {
        self.voucher.kid()
    }

    /// What was signed.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Who signed it.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// The times of the session that it was sealed in; `None` for a token.
    pub(in crate::gate) fn session(&self) -> Option<SessionTimes> {
        self.session
    }

    /// From when on nothing accepts it any more: the token's `exp` (with leeway), or the session's end. Caches forget it then.
    pub fn ends(&self) -> UnixTime {
        match self.session {
            None => self.claims.expires.plus(seconds(self.issuer.leeway)),
            Some(times) => times.ends,
        }
    }
}

/// Remembers verifications; failures are never put in.
pub trait VerificationCache {
    /// A remembered verification.
    fn get(&self, digest: &TokenDigest) -> Option<Arc<Signed>>;
    /// Remembers one, at most until [`Signed::ends`].
    fn put(&self, digest: TokenDigest, signed: &Arc<Signed>);
}

/// Remembers nothing (`embedgate explain`, tests).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCache;

impl VerificationCache for NoCache {
    fn get(&self, _digest: &TokenDigest) -> Option<Arc<Signed>> {
        None
    }

    fn put(&self, _digest: TokenDigest, _signed: &Arc<Signed>) {}
}

/// Why a token proves nothing.
#[derive(Debug, Default)]
pub struct Unproven {
    /// Issuers whose keys are fetched, and which have no key of the name that the token gives: with fresher keys the verdict may be another.
    pub unknown_kid: Vec<UnknownKid>,
}

/// An issuer's keys, and a token that names none of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownKid {
    /// The issuer.
    pub issuer: Arc<str>,
    /// The generation of the ring that was looked through ([`KeyRing::generation`]): where another is in force by now, judging again may be enough.
    pub ring: u64,
}

impl From<Unproven> for Refusal {
    fn from(_: Unproven) -> Self {
        Self::TokenInvalid
    }
}

/// Checks the signature and the shape of a token against the issuers of a site, through the cache.
///
/// # Errors
/// `token_invalid`.
pub fn signed(
    raw: RawToken<'_>,
    issuers: &[Arc<Issuer>],
    cache: &impl VerificationCache,
) -> Result<Arc<Signed>, Refusal> {
    Ok(prove(raw, issuers, cache)?)
}

/// The same; what proves nothing says whose keys it asks for.
///
/// # Errors
/// `token_invalid`.
pub fn prove(
    raw: RawToken<'_>,
    issuers: &[Arc<Issuer>],
    cache: &impl VerificationCache,
) -> Result<Arc<Signed>, Unproven> {
    if !verify::is_plausible(raw) {
        return Err(Unproven::default());
    }
    // Taken once: the keys that the digest names are the keys that decide, whatever is put in force meanwhile.
    let rings: Rings = issuers.iter().map(|issuer| issuer.keys.now()).collect();
    let digest = TokenDigest::with(CredentialKind::Token, issuers, &rings, raw.expose());
    if let Some(known) = cache.get(&digest) {
        // The digest says as much already; a cache that answers wrongly must not widen what a site accepts.
        let proof = match &known.voucher {
            Voucher::Signature(proof) => Some(proof).filter(|_| known.session.is_none()),
            Voucher::Seal(_) => None,
        };
        let mut accepted = issuers.iter().zip(&rings);
        let ours = proof.is_some_and(|proof| {
            accepted
                .any(|(issuer, ring)| issuer.same(&known.issuer) && ring.generation() == proof.ring)
        });
        return if ours {
            Ok(known)
        } else {
            Err(Unproven::default())
        };
    }
    let signed = Arc::new(verify::verify(raw, issuers, &rings)?);
    cache.put(digest, &signed);
    Ok(signed)
}

/// The keys of a site's issuers as they were when a token came.
type Rings = SmallVec<[Guard<Arc<KeyRing>>; 2]>;

/// Checks the times of a token, and of the key that verified it: on every request, also on a cache hit.
///
/// # Errors
/// `token_invalid` (the key is not good yet, or no longer), `token_expired`, `token_not_yet_valid`, `token_lifetime`.
pub fn current(signed: &Signed, now: UnixTime) -> Result<(), Refusal> {
    let (claims, issuer) = (&signed.claims, &signed.issuer);
    if let Voucher::Signature(proof) = &signed.voucher
        && !proof.key.validity().covers(now)
    {
        return Err(Refusal::TokenInvalid);
    }
    let leeway = seconds(issuer.leeway);
    let latest_start = now.plus(leeway);
    if claims.expires.plus(leeway) <= now {
        return Err(Refusal::TokenExpired);
    }
    if claims.not_before.is_some_and(|start| start > latest_start)
        || claims.issued_at.is_some_and(|issued| issued > latest_start)
    {
        return Err(Refusal::TokenNotYetValid);
    }
    let start = claims.issued_at.unwrap_or(latest_start);
    if claims.expires.0.saturating_sub(start.0) > seconds(issuer.max_lifetime) {
        return Err(Refusal::TokenLifetime);
    }
    Ok(())
}

/// Judges once more what was judged a while ago and has been in use since (a tunnel's grant): whether the issuer is still accepted, and for a token, whether
/// its key is still among the issuer's keys and its times are good. The end of what is sealed is the session's, not judged here.
///
/// # Errors
/// `token_invalid`, and those of [`current`].
pub fn still(signed: &Signed, issuers: &[Arc<Issuer>], now: UnixTime) -> Result<(), Refusal> {
    let mut accepted = issuers.iter();
    let issuer = accepted.find(|issuer| issuer.same(&signed.issuer));
    let issuer = issuer.ok_or(Refusal::TokenInvalid)?;
    let Voucher::Signature(proof) = &signed.voucher else {
        return Ok(());
    };
    let ring = issuer.keys.now();
    let mut keys = ring.keys().all();
    if ring.generation() == proof.ring || keys.any(|key| key.mark() == proof.key.mark()) {
        return current(signed, now);
    }
    Err(Refusal::TokenInvalid)
}

/// Whole seconds, rounded down; saturates.
pub(in crate::gate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
