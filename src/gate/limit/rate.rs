//! One quota for many keys: governor's GCRA over a table that cannot grow without bound.

use std::{
    cell::Cell,
    hash::{BuildHasher, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use governor::{
    RateLimiter,
    clock::{Clock, Reference},
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::{
        StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};
use http::HeaderValue;

use super::{Quota, RateInfo, Scope};

/// A quota is exhausted, or there is no room to count for one more key.
pub(super) enum Exceeded {
    /// No room.
    Full,
    /// Exhausted for so long.
    Until(Duration, RateInfo),
}

/// The limiter of one quota.
pub(super) struct Rate<C: Clock> {
    limiter: RateLimiter<u64, Store, C, StateInformationMiddleware>,
    table: Arc<Table>,
    quota: Quota,
    /// How long one request takes to be given back.
    interval: Duration,
    policy: HeaderValue,
    scope: Scope,
    capacity: usize,
    began: C::Instant,
    /// When the table was last swept because it was full, in nanoseconds since `began`.
    swept: AtomicU64,
}

impl<C: Clock> Rate<C> {
    pub(super) fn new(scope: Scope, quota: Quota, capacity: usize, clock: C) -> Self {
        let per_second = governor::Quota::per_second(quota.count);
        let spread = quota
            .period
            .checked_div(quota.count.get())
            .and_then(governor::Quota::with_period);
        let paced = spread.unwrap_or(per_second).allow_burst(quota.count);
        let table = Arc::new(Table::default());
        let began = clock.now();
        Self {
            limiter: RateLimiter::new(paced, Store(Arc::clone(&table)), clock),
            table,
            quota,
            interval: paced.replenish_interval(),
            policy: RateInfo::policy_of(scope, quota),
            scope,
            capacity,
            began,
            swept: AtomicU64::new(0),
        }
    }

    /// Charges one request to a key.
    pub(super) fn charge(&self, key: u64) -> Result<RateInfo, Exceeded> {
        if !self.has_room_for(key) {
            return Err(Exceeded::Full);
        }
        match self.limiter.check_key(&key) {
            Ok(state) => Ok(self.info(state.remaining_burst_capacity())),
            Err(until) => Err(Exceeded::Until(
                until.wait_time_from(self.limiter.clock().now()),
                self.info(0),
            )),
        }
    }

    /// Forgets keys whose quota is whole again; nobody notices.
    pub(super) fn shrink(&self) {
        self.limiter.retain_recent();
        self.table
            .count
            .store(self.table.states.len(), Ordering::Relaxed);
    }

    /// How many keys are remembered.
    pub(super) fn len(&self) -> usize {
        self.table.states.len()
    }

    /// Keys that are known always pass; a full table is swept first, but at most once a second: a flood must not buy sweeps.
    fn has_room_for(&self, key: u64) -> bool {
        let full = || self.table.count.load(Ordering::Relaxed) >= self.capacity;
        if !full() || self.table.states.contains_key(&key) {
            return true;
        }
        let now = self
            .limiter
            .clock()
            .now()
            .duration_since(self.began)
            .as_u64();
        let swept = self.swept.load(Ordering::Relaxed);
        let due = now.saturating_sub(swept) >= SWEEP_NANOS;
        if due
            && self
                .swept
                .compare_exchange(swept, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.shrink();
        }
        !full()
    }

    fn info(&self, remaining: u32) -> RateInfo {
        let spent = self.quota.count.get().saturating_sub(remaining);
        RateInfo {
            name: self.scope.label(),
            policy: self.policy.clone(),
            remaining,
            reset: self.interval.saturating_mul(spent),
        }
    }
}

/// The states of all keys, and about how many there are (counting a concurrent map exactly would lock all of it).
#[derive(Default)]
struct Table {
    states: DashMapStateStore<u64, AlreadyHashed>,
    count: AtomicUsize,
}

/// Hands the table to governor while we keep an eye on its size.
struct Store(Arc<Table>);

impl StateStore for Store {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let fresh = Cell::new(false);
        let outcome = self.0.states.measure_and_replace(key, |known| {
            fresh.set(known.is_none());
            decide(known)
        });
        if fresh.get() {
            self.0.count.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}

impl ShrinkableKeyedStateStore<u64> for Store {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.states.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        self.0.states.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.0.states.len()
    }

    fn is_empty(&self) -> bool {
        self.0.states.is_empty()
    }
}

/// Keys are keyed hashes already: hashing them again buys nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct AlreadyHashed;

/// Passes a 64-bit key through.
#[derive(Default)]
pub(super) struct PassThrough(u64);

impl BuildHasher for AlreadyHashed {
    type Hasher = PassThrough;

    fn build_hasher(&self) -> PassThrough {
        PassThrough::default()
    }
}

impl Hasher for PassThrough {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// One second.
const SWEEP_NANOS: u64 = 1_000_000_000;
