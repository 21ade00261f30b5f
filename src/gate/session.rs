//! Sessions: what a page load with a valid token earns. A sealed cookie (AES-256-GCM), nothing kept on the server.
//!
//! The value is base64url of `version | key id | nonce | ciphertext and tag`; version, key id and the site's name are authenticated with it.
//! A key seals at most 2^32 cookies safely (NIST SP 800-38D section 8.3: random nonces); rotate the secret well before.

pub mod carrier;
mod content;
pub mod jar;
mod tag;
mod ticket;

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ipnet::IpNet;
use zeroize::Zeroizing;

pub use self::{
    carrier::Carrier,
    jar::{Holding, Jar, Placing},
    tag::GrantTag,
};

use self::content::Content;
use super::{
    id::SessionId,
    refusal::Refusal,
    request::UnixTime,
    token::{
        self, CredentialKind, Issuer, NoCache, RawToken, SessionTimes, Signed, TokenDigest,
        VerificationCache, seconds,
    },
};

/// How sessions are sealed and how long they live. No `Debug`: it holds keys.
pub struct Sealer {
    /// Absolute life, from the page load that began it.
    pub lifetime: Duration,
    /// Longest pause between two requests; `None`: none.
    pub idle: Option<Duration>,
    keys: Vec<SealKey>,
    /// Stands for all keys in their order: what was remembered under other keys is never found again.
    ring: Vec<u8>,
}

/// A session that was opened: authentic, in time, of this site.
pub struct Opened {
    /// The grant.
    pub signed: Arc<Signed>,
    /// When its first page was loaded: what a renewed cookie is sealed with.
    pub began: UnixTime,
    /// When it ends, by its lifetime: at the latest.
    pub ends: UnixTime,
    /// Whether the cookie should be sealed afresh (idle timer, or an earlier secret).
    pub renew: bool,
}

/// How a session begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opening {
    /// When.
    pub began: UnixTime,
    /// The client's network, where the session is to hold in no other.
    pub network: Option<IpNet>,
}

impl From<UnixTime> for Opening {
    fn from(began: UnixTime) -> Self {
        Self {
            began,
            network: None,
        }
    }
}

/// A grant does not fit into a cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{size} bytes as a session cookie, where browsers keep {LONGEST_COOKIE}")]
pub struct TooLarge {
    /// What the cookie's value would be long, in bytes.
    pub size: usize,
}

impl Sealer {
    /// Of secrets: the first seals, all open (rotation). Each at least 32 bytes.
    ///
    /// # Errors
    /// Says what is wrong with the secrets.
    pub fn new(
        secrets: &[&[u8]],
        lifetime: Duration,
        idle: Option<Duration>,
    ) -> Result<Self, &'static str> {
        if secrets.is_empty() {
            return Err("a session secret is wanted");
        }
        let keys = secrets
            .iter()
            .map(|secret| SealKey::derive(secret))
            .collect::<Result<Vec<_>, _>>()?;
        let alike = keys.iter().enumerate().any(|(at, key)| {
            keys.iter()
                .skip(at.saturating_add(1))
                .any(|other| other.id == key.id)
        });
        if alike {
            return Err("the same session secret is listed twice");
        }
        let ring = keys.iter().flat_map(|key| key.mark).collect();
        Ok(Self {
            lifetime,
            idle,
            keys,
            ring,
        })
    }

    /// The longest time, in seconds, that a session can live which began before now, by the clock of whichever gateway sealed it.
    pub fn longest_life(&self) -> i64 {
        seconds(self.lifetime).saturating_add(CLOCK_SKEW)
    }

    /// Seals a grant for a site; the value of the cookie. `opening` says when the session began: now, unless it is carried on.
    ///
    /// # Errors
    /// The grant is too large for a cookie: such a viewer can only go on with the token.
    pub fn seal(
        &self,
        site: &str,
        signed: &Signed,
        opening: impl Into<Opening>,
        now: UnixTime,
    ) -> Result<String, TooLarge> {
        self.sealed(site, signed, opening.into(), now)
    }

    fn sealed(
        &self,
        bound: &str,
        signed: &Signed,
        opening: Opening,
        now: UnixTime,
    ) -> Result<String, TooLarge> {
        // A session that goes on keeps its id, a new one gets its own.
        let id = match signed.session() {
            Some(times) => Some(times.id),
            None => SessionId::fresh(),
        };
        let times = (now, self.end(opening.began));
        let content = id.and_then(|id| Content::of(signed, id, opening, times).write());
        let key = self.keys.first();
        // JSON of text and numbers can be written, and there is a key and randomness: else it is as if it did not fit.
        let sealed = content.zip(key);
        let value = sealed.and_then(|(content, key)| key.seal(bound, content));
        match value {
            Some(value) if value.len() <= LONGEST_COOKIE => Ok(value),
            Some(value) => Err(TooLarge { size: value.len() }),
            None => Err(TooLarge { size: usize::MAX }),
        }
    }

    /// Seals an opened session afresh: the same grant, beginning and network, seen now. `None` for a grant that is not of a session, or grew too large.
    pub fn renew(&self, site: &str, signed: &Signed, now: UnixTime) -> Option<String> {
        let times = signed.session()?;
        let opening = Opening {
            began: times.began,
            network: times.network,
        };
        self.seal(site, signed, opening, now).ok()
    }

    /// Whether a token's grant fits into a session cookie. Nothing is said of a token that these issuers did not sign.
    ///
    /// # Errors
    /// It does not.
    pub fn fits(
        &self,
        token: &str,
        issuers: &[Arc<Issuer>],
        now: UnixTime,
    ) -> Result<(), TooLarge> {
        match token::signed(RawToken::new(token), issuers, &NoCache) {
            Ok(signed) => self.seal("", &signed, now, now).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// What a cookie of a request holds, for a site.
    pub fn holding(
        &self,
        value: &str,
        site: &str,
        issuers: &[Arc<Issuer>],
        now: UnixTime,
        cache: &impl VerificationCache,
    ) -> Holding {
        match self.open(value, site, issuers, now, cache) {
            Ok(opened) => match opened.signed.session() {
                Some(times) => Holding::Alive(times.tag, times.began.0),
                None => Holding::Nothing,
            },
            Err(Refusal::SessionExpired) => Holding::Over,
            Err(_) if self.is_ours(value) => Holding::Other,
            Err(_) => Holding::Nothing,
        }
    }

    /// Whether a value says that one of our keys sealed it. Anybody can say so.
    fn is_ours(&self, value: &str) -> bool {
        let head = value.get(..HEAD_CHARS).unwrap_or_default();
        let Ok(head) = URL_SAFE_NO_PAD.decode(head) else {
            return false;
        };
        let id = head.strip_prefix(&[VERSION]);
        id.is_some_and(|id| self.keys.iter().any(|key| id.starts_with(&key.id)))
    }

    /// Opens a cookie. Authenticity may be remembered; the times are judged on every request.
    ///
    /// # Errors
    /// `session_invalid` (not ours, another site's, an issuer that is gone), `session_expired`.
    pub fn open(
        &self,
        value: &str,
        site: &str,
        issuers: &[Arc<Issuer>],
        now: UnixTime,
        cache: &impl VerificationCache,
    ) -> Result<Opened, Refusal> {
        if value.len() > LONGEST_COOKIE {
            return Err(Refusal::SessionInvalid);
        }
        let digest = TokenDigest::of(
            CredentialKind::Session {
                site,
                ring: &self.ring,
            },
            issuers,
            value,
        );
        let (signed, fresh) = match cache.get(&digest) {
            Some(known) => (known, false),
            None => (
                Arc::new(
                    self.unseal(value, site, site, issuers)
                        .ok_or(Refusal::SessionInvalid)?,
                ),
                true,
            ),
        };
        let opened = self.opened(signed, issuers, now)?;
        if fresh {
            cache.put(digest, &opened.signed);
        }
        Ok(opened)
    }

    /// What was unsealed, or remembered as such, judged now.
    fn opened(
        &self,
        signed: Arc<Signed>,
        issuers: &[Arc<Issuer>],
        now: UnixTime,
    ) -> Result<Opened, Refusal> {
        let times = signed
            .session()
            .filter(|_| issuers.iter().any(|issuer| issuer.same(signed.issuer())))
            .ok_or(Refusal::SessionInvalid)?;
        let renew = self.judge(times, now)?;
        Ok(Opened {
            signed,
            began: times.began,
            ends: self.end(times.began).min(times.until),
            renew,
        })
    }

    fn unseal(
        &self,
        value: &str,
        site: &str,
        bound: &str,
        issuers: &[Arc<Issuer>],
    ) -> Option<Signed> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(value).ok()?);
        let (&version, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk::<ID_LEN>()?;
        if version != VERSION {
            return None;
        }
        let at = self.keys.iter().position(|key| key.id == *id)?;
        let key = self.keys.get(at)?;
        let content = Content::read(&key.open(bound, rest)?)?;
        let issuer = issuers
            .iter()
            .find(|issuer| *issuer.name == *content.issuer)?;
        let ((began, seen), until) = (content.times(), content.until());
        let network = content.network()?;
        let idle_end = seen.plus(self.idle.map_or(i64::MAX, seconds));
        // A longer `lifetime` counts from the next seal on: who is denied one (revoked) does not rise again because others may stay longer.
        let ends = self.end(began).min(idle_end).min(until);
        let id = content.id()?;
        let (claims, kid) = content.grant()?;
        let grant = Signed::sealed(Arc::clone(issuer), claims, kid);
        let times = SessionTimes {
            id,
            began,
            seen,
            ends,
            until,
            old_key: at > 0,
            network,
            tag: GrantTag::of(site, &grant),
        };
        Some(grant.with_times(times))
    }

    /// Whether the session is alive; and if so, whether its cookie is to be renewed: a quarter of the idle time is over, or its key is old.
    fn judge(&self, times: SessionTimes, now: UnixTime) -> Result<bool, Refusal> {
        if times.seen > now.plus(CLOCK_SKEW) || times.began > times.seen {
            return Err(Refusal::SessionInvalid);
        }
        let pause = now.0.saturating_sub(times.seen.0);
        let idle = self.idle.map_or(i64::MAX, seconds);
        if now >= self.end(times.began) || pause >= idle || now >= times.ends {
            return Err(Refusal::SessionExpired);
        }
        Ok(times.old_key || pause >= idle.checked_div(4).unwrap_or(idle))
    }

    /// Whether it opens whatever another one does.
    pub fn opens_all_of(&self, other: &Self) -> bool {
        let mut theirs = other.keys.iter();
        theirs.all(|key| self.keys.iter().any(|own| own.mark == key.mark))
    }

    /// When a session ends that began then, however busy it is.
    pub fn end(&self, began: UnixTime) -> UnixTime {
        began.plus(seconds(self.lifetime))
    }
}

struct SealKey {
    /// Names the key in a cookie.
    id: [u8; ID_LEN],
    /// Names the key in the cache, beyond any accident.
    mark: [u8; 16],
    key: RandomizedNonceKey,
}

impl SealKey {
    /// HKDF-SHA256 (RFC 5869): one secret, a key and its public name.
    fn derive(secret: &[u8]) -> Result<Self, &'static str> {
        if secret.len() < 32 {
            return Err("a session secret needs at least 32 bytes");
        }
        let prk = Salt::new(HKDF_SHA256, b"embedgate session v1").extract(secret);
        let expand = |info: &[u8], out: &mut [u8]| {
            prk.expand(&[info], OutputLength(out.len()))
                .and_then(|okm| okm.fill(out))
        };
        let mut key = Zeroizing::new([0; 32]);
        let (mut id, mut mark) = ([0; ID_LEN], [0; 16]);
        expand(b"key", &mut *key)
            .and_then(|()| expand(b"id", &mut id))
            .and_then(|()| expand(b"mark", &mut mark))
            .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, &*key))
            .map(|key| Self { id, mark, key })
            .map_err(|_| "the session secret cannot be used")
    }

    fn seal(&self, bound: &str, mut content: Vec<u8>) -> Option<String> {
        let nonce = self
            .key
            .seal_in_place_append_tag(self.bound_to(bound), &mut content)
            .ok()?;
        let mut bytes = Vec::with_capacity(content.len().saturating_add(1 + ID_LEN + NONCE_LEN));
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(nonce.as_ref());
        bytes.extend_from_slice(&content);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn open(&self, bound: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut content = Zeroizing::new(sealed.to_vec());
        let length = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                self.bound_to(bound),
                &mut content,
            )
            .ok()?
            .len();
        content.truncate(length);
        Some(content)
    }

    /// What it is bound to (the site's name, for a ticket also its readable part) ends the associated data, all before it has a fixed length.
    fn bound_to(&self, bound: &str) -> Aad<Vec<u8>> {
        Aad::from(
            [
                b"embedgate session".as_slice(),
                &[VERSION],
                &self.id,
                bound.as_bytes(),
            ]
            .concat(),
        )
    }
}

struct OutputLength(usize);

impl KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

/// The longest cookie value, in bytes: with its name and attributes it stays below the 4096 that browsers keep.
pub const LONGEST_COOKIE: usize = 3800;

/// Characters of a cookie that hold its version and its key's public name: five bytes, and one more that completes the last character.
const HEAD_CHARS: usize = 8;

/// The version of the format.
const VERSION: u8 = 2;

/// Bytes of a key's public name.
const ID_LEN: usize = 4;

/// Seconds by which gateways that share a secret may differ.
const CLOCK_SKEW: i64 = 60;

#[cfg(test)]
mod tests;
