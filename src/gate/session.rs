//! Sessions: what a page load with a valid token earns. A sealed cookie (AES-256-GCM), nothing kept on the server.
//!
//! The value is base64url of `version | key id | nonce | ciphertext and tag`; version, key id and the site's name are authenticated with it.
//! A key seals at most 2^32 cookies safely (NIST SP 800-38D section 8.3: random nonces); rotate the secret well before.

mod content;
mod ticket;

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use self::content::Content;
use super::{
    id::SessionId,
    refusal::Refusal,
    request::UnixTime,
    token::{
        CredentialKind, Issuer, SessionTimes, Signed, TokenDigest, VerificationCache, seconds,
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
    /// When it ends.
    pub ends: UnixTime,
    /// Whether the cookie should be sealed afresh (idle timer, or an earlier secret).
    pub renew: bool,
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

    /// Seals a grant for a site; the value of the cookie. `began` is when the session began (now, unless renewed).
    /// `None` where the grant is too large for a cookie: such a viewer goes on with the token.
    pub fn seal(
        &self,
        site: &str,
        signed: &Signed,
        began: UnixTime,
        now: UnixTime,
    ) -> Option<String> {
        self.sealed(site, signed, began, now)
    }

    fn sealed(
        &self,
        bound: &str,
        signed: &Signed,
        began: UnixTime,
        now: UnixTime,
    ) -> Option<String> {
        // A session that goes on keeps its id, a new one gets its own.
        let id = match signed.session() {
            Some(times) => times.id,
            None => SessionId::fresh()?,
        };
        let content = Content::of(signed, id, began, now).write()?;
        let value = self.keys.first()?.seal(bound, content)?;
        (value.len() <= MAX_VALUE).then_some(value)
    }

    /// Seals an opened session afresh: the same grant and beginning, seen now. `None` for a grant that is not of a session.
    pub fn renew(&self, site: &str, signed: &Signed, now: UnixTime) -> Option<String> {
        self.seal(site, signed, signed.session()?.began, now)
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
        if value.len() > MAX_VALUE {
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
                    self.unseal(value, site, issuers)
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
            ends: self.end(times.began),
            renew,
        })
    }

    fn unseal(&self, value: &str, bound: &str, issuers: &[Arc<Issuer>]) -> Option<Signed> {
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
        let (began, seen) = content.times();
        let idle_end = seen.plus(self.idle.map_or(i64::MAX, seconds));
        let ends = self.end(began).min(idle_end);
        let times = SessionTimes {
            id: content.id()?,
            began,
            seen,
            ends,
            old_key: at > 0,
        };
        let (claims, kid) = content.grant()?;
        Some(Signed::unsealed(Arc::clone(issuer), claims, kid, times))
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

    fn end(&self, began: UnixTime) -> UnixTime {
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

/// The longest cookie value: with its name and attributes it stays below the 4096 bytes that browsers keep.
const MAX_VALUE: usize = 3800;

/// The version of the format.
const VERSION: u8 = 2;

/// Bytes of a key's public name.
const ID_LEN: usize = 4;

/// Seconds by which gateways that share a secret may differ.
const CLOCK_SKEW: i64 = 60;

#[cfg(test)]
mod tests;
