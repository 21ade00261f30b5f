//! Remembered verifications, over moka: bounded, and each gone when its token or session is. (Moka reads its own clock to evict; decisions never do.)

use std::{
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
