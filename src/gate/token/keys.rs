//! Issuers and their keys: a set that is picked from by `kid` in constant time, and that may be replaced while requests read it.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::digest::{Context, SHA256};

use super::{
    claims::ClaimNames,
    key::{Key, KeyError, accepted},
};

/// Whoever signs viewer tokens.
#[derive(Debug)]
pub struct Issuer {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// The `iss` claim that its tokens must carry, where named.
    pub iss: Option<Box<str>>,
    /// The `aud` claim that its tokens must carry, where named.
    pub audience: Option<Box<str>>,
    /// The longest allowed `exp - iat` (`exp - now` without `iat`).
    pub max_lifetime: Duration,
    /// Tolerance for clocks that differ.
    pub leeway: Duration,
    /// Its keys.
    pub keys: Keys,
    /// How its claims are named.
    pub claims: ClaimNames,
    /// Changes whenever the rules (or configured keys) do: remembered verifications of an earlier generation are never found again.
    /// Keys that change at run time have a generation of their own, [`KeyRing::generation`].
    pub generation: u64,
}

impl Issuer {
    /// Whether both stand for the same issuer with the same rules.
    pub(in crate::gate) fn same(&self, other: &Self) -> bool {
        self.generation == other.generation && self.name == other.name
    }
}

/// The keys of one issuer as they are now. Reading takes no lock; whoever reads keeps to one ring from beginning to end.
#[derive(Debug)]
pub struct Keys {
    live: ArcSwap<KeyRing>,
    fetched: bool,
}

impl Keys {
    /// Keys that are fetched while the gateway runs: none yet.
    pub fn fetched() -> Self {
        Self {
            live: ArcSwap::from_pointee(KeyRing::from(KeySet::new())),
            fetched: true,
        }
    }

    /// Whether they are fetched while the gateway runs, so that a `kid` that nobody knows may be a new one.
    pub fn is_fetched(&self) -> bool {
        self.fetched
    }

    /// The ring in force.
    pub fn now(&self) -> Guard<Arc<KeyRing>> {
        self.live.load()
    }

    /// Puts another ring in force: what was verified by the one before is not remembered any more.
    pub fn replace(&self, ring: Arc<KeyRing>) {
        self.live.store(ring);
    }
}

/// Keys that the configuration names: they stay.
impl From<KeySet> for Keys {
    fn from(set: KeySet) -> Self {
        Self {
            live: ArcSwap::from_pointee(KeyRing::from(set)),
            fetched: false,
        }
    }
}

/// A set that does not change any more, and what stands for it.
#[derive(Debug)]
pub struct KeyRing {
    set: KeySet,
    generation: u64,
}

impl From<KeySet> for KeyRing {
    fn from(set: KeySet) -> Self {
        let mut marks: Vec<&[u8; 32]> = set.all().map(|key| key.mark()).collect();
        marks.sort_unstable();
        let mut hash = Context::new(&SHA256);
        for mark in marks {
            hash.update(mark);
        }
        let digest = hash.finish();
        let first = digest.as_ref().first_chunk();
        let generation = first.map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self { set, generation }
    }
}

impl KeyRing {
    /// The keys.
    pub fn keys(&self) -> &KeySet {
        &self.set
    }

    /// Made of the keys alone: equal keys, equal number, whenever and in whatever order they came. Derived from secrets: never shown.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

/// Keys, each bound to one algorithm, picked by `kid`.
#[derive(Default)]
pub struct KeySet {
    named: HashMap<Box<str>, Arc<Key>>,
    /// A key without `kid` is the only one.
    lone: Option<Arc<Key>>,
    /// The first few of each algorithm: what a token without `kid` is checked with.
    first: Vec<Arc<Key>>,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.len()).finish()
    }
}

impl KeySet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key: `material` is the shared secret for HMAC, else a PEM public key (SPKI, for RSA also PKCS#1).
    ///
    /// # Errors
    /// As [`Key::new`] and [`Self::insert`].
    pub fn add(
        &mut self,
        kid: Option<&str>,
        algorithm: &str,
        material: &[u8],
    ) -> Result<(), KeyError> {
        accepted(algorithm)?;
        self.admit(kid)?;
        self.insert(Key::new(kid, algorithm, material)?)
    }

    /// Adds a key. One may go without a `kid`; of several, each has its own.
    ///
    /// # Errors
    /// Its `kid` is taken, or one is missing.
    pub fn insert(&mut self, key: Key) -> Result<(), KeyError> {
        self.admit(key.kid())?;
        let key = Arc::new(key);
        let alike = self
            .first
            .iter()
            .filter(|other| other.algorithm() == key.algorithm());
        if alike.count() < FIRST {
            self.first.push(Arc::clone(&key));
        }
        match key.kid() {
            None => self.lone = Some(key),
            Some(kid) => drop(self.named.insert(kid.into(), key)),
        }
        Ok(())
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.named
            .len()
            .saturating_add(usize::from(self.lone.is_some()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All keys, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.named.values().chain(&self.lone)
    }

    /// Whether a key is called by this `kid`.
    pub fn knows(&self, kid: &str) -> bool {
        self.named.contains_key(kid)
    }

    /// The keys that a token may be checked with: of exactly this algorithm, and of this `kid` where both sides name one.
    pub(super) fn candidates<'k>(
        &'k self,
        kid: Option<&str>,
        algorithm: &'k str,
    ) -> impl Iterator<Item = &'k Arc<Key>> {
        let found = match (&self.lone, kid) {
            (Some(lone), _) => std::slice::from_ref(lone),
            (None, None) => &self.first,
            (None, Some(kid)) => self.named.get(kid).map_or(&[][..], std::slice::from_ref),
        };
        found
            .iter()
            .filter(move |key| key.algorithm_name() == algorithm)
    }

    fn admit(&self, kid: Option<&str>) -> Result<(), KeyError> {
        let problem = match kid {
            Some("") => "a `kid` must not be empty".to_owned(),
            None if !self.is_empty() => "several keys need a `kid` each".to_owned(),
            Some(kid) if self.knows(kid) => format!("two keys have the `kid` `{kid}`"),
            Some(_) if self.lone.is_some() => "several keys need a `kid` each".to_owned(),
            None | Some(_) => return Ok(()),
        };
        Err(KeyError::Kid(problem))
    }
}

/// Keys of one algorithm that a token without `kid` may be checked with.
const FIRST: usize = 4;

#[cfg(test)]
mod tests;
