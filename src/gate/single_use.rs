//! Single use: a token opens one page. Who asks, and what a memory of burnt tokens answers; [`Burnt`] is the one of this process.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{Context, SHA256};

use super::request::UnixTime;

/// A token that a page load is about to use up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Burning<'a> {
    /// The issuer's name in the configuration.
    pub issuer: &'a str,
    /// `jti`.
    pub token_id: &'a str,
    /// `iat`. Where that is still to come, whoever asks waits for it: a token that was used before its time could be used once more by whoever begins to
    /// remember in between.
    pub issued: UnixTime,
    /// From when on nothing accepts the token any more: then it may be forgotten.
    pub until: UnixTime,
}

/// What a memory of burnt tokens answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Burn {
    /// It was used before, or nobody can tell any more.
    Again,
    /// It is used now, for the first time. Of any number of callers at once, exactly one hears this.
    First,
    /// There is no room to remember it, or nobody to ask: it must not be used.
    Full,
}

/// Remembers which tokens were used.
///
/// The gate never asks: it says what is to be burnt ([`super::policy::Permit::burning`]) and takes the answer ([`super::policy::settle`]), so that the
/// shell may ask over a network, too.
pub trait SingleUse {
    /// Burns a token.
    fn burn(&self, token: &Burning<'_>, now: UnixTime) -> Burn;
}

/// The tokens that this process saw used. It forgets them at the process's end, so that tokens issued before it began (or in that second) count as used.
pub struct Burnt {
    began: UnixTime,
    most: usize,
    table: Mutex<Table>,
}

/// Issuer and `jti`, hashed: two of them never meet, however long they are.
type Key = u128;

#[derive(Default)]
struct Table {
    known: HashSet<Key>,
    /// When what is forgotten. As many entries as there are different seconds.
    ends: BTreeMap<i64, Vec<Key>>,
    /// The latest end of a token that was forgotten. Up to there nobody can tell any more, should the clock be set back.
    forgotten: Option<i64>,
}

impl Burnt {
    /// An empty memory that begins now, with room for so many tokens (about 60 bytes each).
    pub fn new(most: usize, now: UnixTime) -> Self {
        Self {
            began: now,
            most,
            table: Mutex::default(),
        }
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.lock().known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SingleUse for Burnt {
    fn burn(&self, token: &Burning<'_>, now: UnixTime) -> Burn {
        if token.issued <= self.began {
            return Burn::Again;
        }
        let key = key(token);
        let end = token.until.plus(GRACE).0;
        let mut table = self.lock();
        table.forget(now);
        if table.known.contains(&key) || table.forgotten >= Some(end) {
            return Burn::Again;
        }
        if table.known.len() >= self.most {
            return Burn::Full;
        }
        table.known.insert(key);
        table.ends.entry(end).or_default().push(key);
        Burn::First
    }
}

impl fmt::Debug for Burnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Burnt")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// Each entry is looked at once, when its time has come.
    fn forget(&mut self, now: UnixTime) {
        while let Some(first) = self.ends.first_entry() {
            if *first.key() > now.0 {
                return;
            }
            self.forgotten = self.forgotten.max(Some(*first.key()));
            for key in first.remove() {
                self.known.remove(&key);
            }
        }
    }
}

fn key(token: &Burning<'_>) -> Key {
    let mut hash = Context::new(&SHA256);
    hash.update(&token.issuer.len().to_le_bytes());
    hash.update(token.issuer.as_bytes());
    hash.update(token.token_id.as_bytes());
    let digest = hash.finish();
    digest
        .as_ref()
        .first_chunk()
        .map_or(0, |bytes| Key::from_le_bytes(*bytes))
}

/// Seconds for which a token is remembered beyond its end: a clock that is set back must not make it new.
const GRACE: i64 = 60;

#[cfg(test)]
mod tests;
