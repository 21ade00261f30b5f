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
    /// There is no room for any: nobody in front of it remembers one either.
    is_off: bool,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl MokaCache {
    /// Room for so many of the usual size; one that takes more than [`UNIT`] bytes counts as several. `now` is asked only when something is put in, to see how long it may stay.
    pub fn new(capacity: u64, now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, signed: &Arc<Signed>| u32::try_from(units(signed)).unwrap_or(u32::MAX))
            .expire_after(UntilEnd { now })
            .build();
        Self {
            entries,
            is_off: capacity == 0,
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
        if self.shared.is_off || units(signed) > MOST_UNITS {
            return;
        }
        if let Some(slot) = self.front.0.borrow_mut().get_mut(slot) {
            *slot = Some((digest, Arc::clone(signed)));
        }
    }
}

/// How much room something takes, in [`UNIT`]s.
fn units(signed: &Signed) -> usize {
    signed.size.div_ceil(UNIT).max(1)
}

fn slot(digest: &TokenDigest) -> usize {
    let [first, second, ..] = digest.0;
    usize::from(u16::from_be_bytes([first, second])) % SLOTS
}

/// Some 200 kB per thread, and the verifications that they hold.
const SLOTS: usize = 4096;

/// Bytes that a usual verification stays below. A token of 8 KiB can take a hundred times as much once it is read.
pub const UNIT: usize = 2048;

/// A thread's own memory holds nothing larger, in [`UNIT`]s: what it holds is not counted.
const MOST_UNITS: usize = 4;

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

    /// A rogue issuer's largest tokens, or those that a viewer made large, take no more room than as many bytes of usual ones.
    #[test]
    fn large_grants_count_by_their_size() {
        const ROOM: u64 = 1000;
        let shared = MokaCache::new(ROOM, || UnixTime(testing::ISSUED));
        let front = FrontCache::default();
        let mut claims = testing::claims();
        claims["params"] = serde_json::json!({ "a": vec![serde_json::json!({ "": 1 }); 600] });
        let large = testing::signed_of(&claims);
        assert!((200_000..400_000).contains(&large.size), "{}", large.size);
        assert_eq!(units(&testing::signed("viewer", None)), 1);
        let large = Arc::new(large);
        for number in 0_u16..1000 {
            let mut digest = [0; 32];
            digest[..2].copy_from_slice(&number.to_be_bytes());
            front.before(&shared).put(TokenDigest(digest), &large);
        }
        shared.entries.run_pending_tasks();
        let most = ROOM * u64::try_from(UNIT).unwrap() / 200_000;
        assert!((1..=most).contains(&shared.len()), "{}", shared.len());
        let kept = front.0.borrow().iter().flatten().count();
        assert_eq!(kept, 0, "what a thread keeps for itself is small");
    }

    #[test]
    fn where_nothing_is_to_be_remembered_no_thread_does() {
        let (shared, front) = (MokaCache::new(0, || UnixTime(0)), FrontCache::default());
        let cache = front.before(&shared);
        cache.put(TokenDigest([1; 32]), &Arc::new(testing::signed("v", None)));
        assert!(cache.get(&TokenDigest([1; 32])).is_none());
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
