//! Remembered verifications, over moka: bounded, and each gone when its token or session is. (Moka reads its own clock to evict; decisions never do.)

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{Expiry, sync::Cache};

use super::{Signed, TokenDigest, VerificationCache};
use crate::gate::request::UnixTime;

/// A cache of verifications, shared by all threads. Keys are digests, never token text.
pub struct MokaCache {
    entries: Cache<TokenDigest, Arc<Signed>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl MokaCache {
    /// Room for so many. `now` is asked only when something is put in, to see how long it may stay.
    pub fn new(capacity: u64, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .expire_after(UntilEnd { now })
            .build();
        Self {
            entries,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// How many are remembered (moka's estimate).
    pub fn len(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Whether none is remembered (moka's estimate).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Look-ups that found something.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Look-ups that found nothing.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}

impl VerificationCache for MokaCache {
    fn get(&self, digest: &TokenDigest) -> Option<Arc<Signed>> {
        let found = self.entries.get(digest);
        let counter = if found.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn put(&self, digest: TokenDigest, signed: &Arc<Signed>) {
        self.entries.insert(digest, Arc::clone(signed));
    }
}

/// One thread's own memory in front of the shared one: a slot per digest, the later one stays. It saves the shared cache's bookkeeping, not a check:
/// times are judged on every request, and a digest names the keys that it was made with.
pub struct FrontCache(RefCell<Box<[Slot]>>);

type Slot = Option<(TokenDigest, Arc<Signed>)>;

impl Default for FrontCache {
    fn default() -> Self {
        Self(RefCell::new((0..SLOTS).map(|_| None).collect()))
    }
}

impl FrontCache {
    /// In front of a shared cache.
    pub fn before<'a>(&'a self, shared: &'a MokaCache) -> Fronted<'a> {
        Fronted {
            front: self,
            shared,
        }
    }
}

/// A [`FrontCache`] and the shared cache behind it.
#[derive(Clone, Copy)]
pub struct Fronted<'a> {
    front: &'a FrontCache,
    shared: &'a MokaCache,
}

impl VerificationCache for Fronted<'_> {
    fn get(&self, digest: &TokenDigest) -> Option<Arc<Signed>> {
        let slot = slot(digest);
        if let Some(Some((known, signed))) = self.front.0.borrow().get(slot)
            && known == digest
        {
            self.shared.hits.fetch_add(1, Ordering::Relaxed);
            return Some(Arc::clone(signed));
        }
        let signed = self.shared.get(digest)?;
        self.keep(slot, *digest, &signed);
        Some(signed)
    }

    fn put(&self, digest: TokenDigest, signed: &Arc<Signed>) {
        self.keep(slot(&digest), digest, signed);
        self.shared.put(digest, signed);
    }
}

impl Fronted<'_> {
    fn keep(&self, slot: usize, digest: TokenDigest, signed: &Arc<Signed>) {
        if let Some(slot) = self.front.0.borrow_mut().get_mut(slot) {
            *slot = Some((digest, Arc::clone(signed)));
        }
    }
}

fn slot(digest: &TokenDigest) -> usize {
    let [first, second, ..] = digest.0;
    usize::from(u16::from_be_bytes([first, second])) % SLOTS
}

/// Some 200 kB per thread, and the verifications that they hold.
const SLOTS: usize = 4096;

struct UntilEnd<F> {
    now: F,
}

impl<F: Fn() -> UnixTime> Expiry<TokenDigest, Arc<Signed>> for UntilEnd<F> {
    fn expire_after_create(
        &self,
        _digest: &TokenDigest,
        signed: &Arc<Signed>,
        _created: Instant,
    ) -> Option<Duration> {
        let left = signed.ends().0.saturating_sub((self.now)().0);
        Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::token::testing;

    #[test]
    fn a_front_remembers_and_never_answers_for_another_digest() {
        let signed = Arc::new(testing::signed("viewer", None));
        let shared = MokaCache::new(10, || UnixTime(0));
        let front = FrontCache::default();
        let cache = front.before(&shared);
        let (mut one, two) = ([1; 32], [1; 32]);
        one[31] = 2;
        cache.put(TokenDigest(one), &signed);
        assert!(cache.get(&TokenDigest(one)).is_some());
        assert!(
            cache.get(&TokenDigest(two)).is_none(),
            "same slot, other digest"
        );
        assert_eq!((shared.hits(), shared.misses()), (1, 1));
    }

    #[test]
    fn remembers_until_the_token_ends() {
        let signed = Arc::new(testing::signed("viewer", None));
        let end = signed.ends();
        for (now, kept) in [(end.plus(-60), true), (end, false), (end.plus(60), false)] {
            let cache = MokaCache::new(10, move || now);
            cache.put(TokenDigest([1; 32]), &signed);
            assert_eq!(cache.get(&TokenDigest([1; 32])).is_some(), kept, "{now:?}");
            assert!(cache.get(&TokenDigest([2; 32])).is_none());
            assert_eq!(
                (cache.hits(), cache.misses()),
                (u64::from(kept), 2 - u64::from(kept))
            );
        }
    }
}
