//! The names of keys in Redis. Whoever reads them learns nothing of a person: viewers, tenants and tokens stand there as keyed hashes.

use std::fmt::Write;

use aws_lc_rs::hmac::{self, Context, HMAC_SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::seal::Strongbox;
use crate::gate::{
    limit::{Quota, Scope},
    single_use::Burning,
};

/// Names what one installation keeps. No `Debug`: it holds keys.
#[derive(Clone)]
pub struct Names {
    /// `{prefix}:`
    tag: Box<str>,
    key: hmac::Key,
    strongbox: Strongbox,
}

/// Names the counts of one quota, by whose they are. No `Debug`: it holds keys.
#[derive(Clone)]
pub struct Counter {
    begin: Box<str>,
    hash: Context,
}

impl Names {
    /// For a prefix and the secret that all gateways of the installation have; `None` where the secret cannot be used.
    pub fn new(prefix: &str, secret: &[u8]) -> Option<Self> {
        let master = hmac::Key::new(HMAC_SHA256, secret);
        let derive = |purpose: &[u8]| hmac::sign(&master, purpose);
        Some(Self {
            tag: format!("{{{prefix}}}:").into(),
            key: hmac::Key::new(HMAC_SHA256, derive(b"embedgate cluster names 1").as_ref()),
            strongbox: Strongbox::new(derive(b"embedgate cluster records 1").as_ref())?,
        })
    }

    /// Since when Redis has remembered used tokens.
    pub fn began(&self) -> String {
        self.fixed("began")
    }

    /// Shows whether all gateways have the same secret.
    pub fn check(&self) -> String {
        self.fixed("check")
    }

    /// Revocations, and what was taken back: id → record.
    pub fn revoked(&self) -> String {
        self.fixed("revoked")
    }

    /// When which of them may be forgotten.
    pub fn due(&self) -> String {
        self.fixed("due")
    }

    /// What was last added to them, as it is pushed.
    pub fn changes(&self) -> String {
        self.fixed("changes")
    }

    /// What [`Self::check`] holds.
    pub fn fingerprint(&self) -> String {
        let hash = hmac::sign(&self.key, b"check");
        URL_SAFE_NO_PAD.encode(hash.as_ref())
    }

    /// What seals records.
    pub fn strongbox(&self) -> &Strongbox {
        &self.strongbox
    }

    /// A token that was used.
    pub fn used(&self, token: &Burning<'_>) -> String {
        let mut hash = Context::with_key(&self.key);
        put(&mut hash, b"used");
        put(&mut hash, token.issuer.as_bytes());
        put(&mut hash, token.token_id.as_bytes());
        finish(&self.fixed("u:"), hash)
    }

    /// The counts of a quota; one with another size begins anew, as it does at one gateway.
    pub fn counter(&self, site: &str, scope: Scope, quota: Quota) -> Counter {
        let mut hash = Context::with_key(&self.key);
        put(&mut hash, b"limit");
        put(&mut hash, site.as_bytes());
        put(&mut hash, scope.label().as_bytes());
        put(&mut hash, &quota.count.get().to_be_bytes());
        put(&mut hash, &quota.period.as_nanos().to_be_bytes());
        let initial = scope.label().chars().next().unwrap_or('x');
        Counter {
            begin: self.fixed(&format!("l:{initial}:")).into(),
            hash,
        }
    }

    fn fixed(&self, name: &str) -> String {
        format!("{}{name}", self.tag)
    }
}

impl Counter {
    /// The key of one of those that are counted, told by all of these together; a part that is absent differs from one that is empty.
    pub fn of(&self, parts: &[Option<&str>]) -> String {
        let mut hash = self.hash.clone();
        for part in parts {
            match part {
                None => hash.update(&u64::MAX.to_be_bytes()),
                Some(part) => put(&mut hash, part.as_bytes()),
            }
        }
        finish(&self.begin, hash)
    }
}

/// With its length, so that no two sequences of parts read the same.
fn put(hash: &mut Context, part: &[u8]) {
    hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(part);
}

/// 128 bits: two of them never meet.
fn finish(begin: &str, hash: Context) -> String {
    let tag = hash.sign();
    let (short, _) = tag.as_ref().split_at(16.min(tag.as_ref().len()));
    let mut name = String::with_capacity(begin.len().saturating_add(22));
    name.push_str(begin);
    URL_SAFE_NO_PAD.encode_string(short, &mut name);
    name
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names(")?;
        f.write_str(&self.tag)?;
        f.write_char(')')
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use super::*;
    use crate::gate::request::UnixTime;

    fn names(secret: &str) -> Names {
        Names::new("embedgate", secret.as_bytes()).unwrap()
    }

    fn quota(count: u32) -> Quota {
        Quota {
            count: NonZeroU32::new(count).unwrap(),
            period: Duration::from_mins(1),
        }
    }

    #[test]
    fn a_key_tells_nothing_of_whom_it_counts() {
        let key = names("s").counter("reports", Scope::Viewer, quota(3)).of(&[
            Some("app"),
            Some("acme"),
            Some("ada@example.com"),
        ]);
        assert!(key.starts_with("{embedgate}:l:v:"), "{key}");
        assert_eq!(key.len(), "{embedgate}:l:v:".len() + 22);
        for part in ["ada", "acme", "reports", "app"] {
            assert!(!key.contains(part) || part == "app", "{key}");
        }
    }

    #[test]
    fn every_part_of_what_is_counted_makes_another_key() {
        let one = names("s");
        let of = |site, scope, count, parts: &[Option<&str>]| {
            one.counter(site, scope, quota(count)).of(parts)
        };
        let (a, b) = (Some("a"), Some("b"));
        let mut keys = vec![
            of("s", Scope::Viewer, 3, &[a, None, b]),
            of("s", Scope::Viewer, 3, &[a, b, None]),
            of("s", Scope::Viewer, 3, &[Some("ab"), None, None]),
            of("s", Scope::Viewer, 3, &[a, Some(""), b]),
            of("s", Scope::Viewer, 4, &[a, None, b]),
            of("t", Scope::Viewer, 3, &[a, None, b]),
            of("s", Scope::Tenant, 3, &[a, None, b]),
            names("t")
                .counter("s", Scope::Viewer, quota(3))
                .of(&[a, None, b]),
        ];
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all);
        assert_eq!(
            of("s", Scope::Viewer, 3, &[a, None, b]),
            of("s", Scope::Viewer, 3, &[a, None, b])
        );
    }

    #[test]
    fn a_used_token_is_named_by_issuer_and_id() {
        let token = |issuer, token_id| Burning {
            issuer,
            token_id,
            issued: UnixTime(1),
            until: UnixTime(2),
        };
        let names = names("s");
        let used = |issuer, id| names.used(&token(issuer, id));
        assert_eq!(used("a", "b"), used("a", "b"));
        assert_ne!(used("a", "b"), used("ab", ""));
        assert_ne!(used("a", "b"), used("b", "a"));
        assert!(used("a", "b").starts_with("{embedgate}:u:"));
    }
}
