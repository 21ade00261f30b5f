//! Revocation: what was granted and is denied all the same, on every request, until its time is over.
//!
//! The index answers in time that does not depend on how many there are: one look-up per *shape* of subject that is in use (viewer, viewer of a
//! tenant, token …, at most twelve), none where nothing is revoked. Requests only ever read, each look-up one of 64 tables, so that neither a
//! million entries nor the growth of a table makes anybody wait. An entry costs some 350 bytes, the texts of its subject and reason included.

mod subject;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::RandomState,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use hashbrown::HashTable;

pub use subject::{Facets, Subject, Unclear};
pub use wire::{Entry, Unreadable, Wanted};

pub use super::id::RevocationId;
use super::{
    refusal::Refusal,
    request::UnixTime,
    session::Sealer,
    token::{Issuer, Signed, seconds},
};

/// One decision that access ends. Everything of its subject is denied until `until`, whenever it was signed or sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revocation {
    /// Its name.
    pub id: RevocationId,
    /// Whose access ends.
    pub subject: Subject,
    /// Why, in the words of whoever decided; no viewer ever sees it.
    pub reason: Box<str>,
    /// When it was made.
    pub made: UnixTime,
    /// From when on it denies nothing any more.
    pub until: UnixTime,
}

/// All revocations in force. Shared by all threads; whoever learns of a revocation, from wherever, adds it here.
pub struct Revocations {
    /// Subjects cannot be chosen so that they collide.
    hasher: RandomState,
    /// The shapes of which there is any.
    used: AtomicU64,
    /// The entries by subject; a subject always falls into the same table.
    tables: Box<[RwLock<HashTable<Posting>>]>,
    /// The entries by id and by end. Locked before any table.
    book: Mutex<Book>,
}

struct Book {
    by_id: BTreeMap<RevocationId, Arc<Revocation>>,
    due: BTreeSet<(UnixTime, RevocationId)>,
    shapes: [usize; subject::SHAPES],
}

/// An entry of a table, with its hash, so that a table grows without looking at what it holds.
struct Posting {
    hash: u64,
    revocation: Arc<Revocation>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

impl Revocations {
    /// None.
    pub fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            used: AtomicU64::new(0),
            tables: (0..TABLES).map(|_| RwLock::new(HashTable::new())).collect(),
            book: Mutex::new(Book {
                by_id: BTreeMap::new(),
                due: BTreeSet::new(),
                shapes: [0; subject::SHAPES],
            }),
        }
    }

    /// Whether a grant is denied: by what it says, by the key that vouches for it, or by its session.
    ///
    /// # Errors
    /// `token_revoked`.
    pub fn check(&self, signed: &Signed, now: UnixTime) -> Result<(), Refusal> {
        match self.find(signed, now) {
            None => Ok(()),
            Some(_) => Err(Refusal::TokenRevoked),
        }
    }

    /// A revocation that denies a grant, where there is one.
    pub fn find(&self, signed: &Signed, now: UnixTime) -> Option<RevocationId> {
        let used = self.used.load(Ordering::Acquire);
        if used == 0 {
            return None;
        }
        let all = Facets::of(signed);
        subject::Shape::all(used).find_map(|shape| self.denying(&all.cut(shape)?, now))
    }

    fn denying(&self, wanted: &Facets<'_>, now: UnixTime) -> Option<RevocationId> {
        let hash = wanted.hash(&self.hasher);
        let table = self.table(hash)?;
        let table = table.read().unwrap_or_else(PoisonError::into_inner);
        let found = table.find(hash, |posting| {
            posting.hash == hash
                && posting.revocation.until > now
                && posting.revocation.subject.facets() == *wanted
        });
        found.map(|posting| posting.revocation.id)
    }

    /// Puts one in force, on the next request of every thread. False: its id is known, nothing changes.
    pub fn add(&self, revocation: Revocation) -> bool {
        let mut book = self.book();
        let (id, until) = (revocation.id, revocation.until);
        if book.by_id.contains_key(&id) {
            return false;
        }
        let facets = revocation.subject.facets();
        let (shape, hash) = (facets.shape(), facets.hash(&self.hasher));
        let revocation = Arc::new(revocation);
        book.by_id.insert(id, Arc::clone(&revocation));
        book.due.insert((until, id));
        if let Some(table) = self.table(hash) {
            let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
            table.insert_unique(hash, Posting { hash, revocation }, |posting| posting.hash);
        }
        if let Some(count) = book.shapes.get_mut(shape.index()) {
            *count = count.saturating_add(1);
        }
        self.used.fetch_or(shape.bit(), Ordering::Release);
        true
    }

    /// Takes one back.
    pub fn remove(&self, id: RevocationId) -> Option<Arc<Revocation>> {
        self.take(&mut self.book(), id)
    }

    fn take(&self, book: &mut Book, id: RevocationId) -> Option<Arc<Revocation>> {
        let revocation = book.by_id.remove(&id)?;
        book.due.remove(&(revocation.until, id));
        let facets = revocation.subject.facets();
        let (shape, hash) = (facets.shape(), facets.hash(&self.hasher));
        if let Some(table) = self.table(hash) {
            let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
            if let Ok(found) = table.find_entry(hash, |posting| posting.revocation.id == id) {
                let _removed = found.remove();
            }
        }
        if let Some(count) = book.shapes.get_mut(shape.index()) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                // Adding waits for the book, so no shape is taken out that has just come in.
                self.used.fetch_and(!shape.bit(), Ordering::Release);
            }
        }
        Some(revocation)
    }

    /// Forgets what denies nothing any more; how many that were. ([`Self::check`] does not wait for it.)
    pub fn expire(&self, now: UnixTime) -> usize {
        let mut gone: usize = 0;
        loop {
            // One at a time, so that nobody waits for the book for long.
            let mut book = self.book();
            let Some(&(until, id)) = book.due.first() else {
                return gone;
            };
            if until > now {
                return gone;
            }
            book.due.remove(&(until, id));
            self.take(&mut book, id);
            gone = gone.saturating_add(1);
        }
    }

    /// The entries after one (or from the first), oldest first, at most so many.
    pub fn list(&self, after: Option<RevocationId>, most: usize) -> Vec<Arc<Revocation>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let book = self.book();
        let entries = book.by_id.range((from, Bound::Unbounded));
        entries
            .take(most)
            .map(|(_, revocation)| Arc::clone(revocation))
            .collect()
    }

    /// One entry.
    pub fn get(&self, id: RevocationId) -> Option<Arc<Revocation>> {
        self.book().by_id.get(&id).map(Arc::clone)
    }

    /// How many, also those that are over and not forgotten yet.
    pub fn len(&self) -> usize {
        self.book().by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By bits that the table itself does not go by.
    fn table(&self, hash: u64) -> Option<&RwLock<HashTable<Posting>>> {
        let at = usize::try_from(hash >> 40).unwrap_or(0) % TABLES;
        self.tables.get(at)
    }
}

/// The longest time, in seconds, that anything can live that was signed or sealed before: a token of the issuer that grants the longest life, by a
/// clock that is fast by the leeway; a session that began just now. (A token that is dated into the future can outlive it.)
pub fn longest_life<'a, I>(issuers: I, sealer: Option<&Sealer>) -> i64
where
    I: Iterator<Item = &'a Issuer>,
{
    let token = |issuer: &Issuer| {
        let leeway = seconds(issuer.leeway).saturating_mul(2);
        seconds(issuer.max_lifetime).saturating_add(leeway)
    };
    let sessions = sealer.map(Sealer::longest_life);
    issuers.map(token).chain(sessions).max().unwrap_or(0)
}

/// The end of what does not end by itself: the last second that can be written as a date everywhere (9999-12-30T22:00:00Z).
pub const NEVER: UnixTime = UnixTime(253_402_207_200);

/// Tables that the entries are spread over.
const TABLES: usize = 64;

#[cfg(test)]
mod tests;
