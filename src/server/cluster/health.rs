//! How the gateway stands with Redis: for readiness, metrics, and one line in the log when that changes.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use crate::observe::metrics::ClusterFigures;

/// What is counted, by all workers.
#[derive(Debug, Default)]
pub struct Health {
    links: AtomicUsize,
    down: AtomicUsize,
    told: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    late: AtomicU64,
    skipped: AtomicU64,
    waited: AtomicU64,
    offset: AtomicI64,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Answered,
    Failed,
    Late,
    /// There was no connection: nobody waited.
    Skipped,
}

impl Health {
    /// Whether every connection that there should be is there.
    pub fn is_up(&self) -> bool {
        self.is_used() && self.down.load(Ordering::Relaxed) == 0
    }

    fn is_used(&self) -> bool {
        self.links.load(Ordering::Relaxed) > 0
    }

    /// What metrics tell; `None` where nothing is shared.
    pub fn figures(&self) -> Option<ClusterFigures> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.is_used().then(|| ClusterFigures {
            up: self.is_up(),
            exchanges: vec![
                ("answered", count(&self.answered)),
                ("failed", count(&self.failed)),
                ("late", count(&self.late)),
                ("skipped", count(&self.skipped)),
            ],
            waited: Duration::from_micros(count(&self.waited)),
            offset: self.offset.load(Ordering::Relaxed),
        })
    }

    /// A connection is to be made from now on.
    pub(super) fn begin(&self) {
        self.links.fetch_add(1, Ordering::Relaxed);
        self.down.fetch_add(1, Ordering::Relaxed);
    }

    /// It is not to be made any more; it was down.
    pub(super) fn end(&self) {
        self.down.fetch_sub(1, Ordering::Relaxed);
        self.links.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection is there.
    pub(super) fn back(&self) {
        let last = self.down.fetch_sub(1, Ordering::Relaxed) == 1;
        if last && self.told.swap(false, Ordering::Relaxed) {
            tracing::info!("redis answers again");
        }
    }

    /// A connection is gone, or takes too long.
    pub(super) fn lost(&self) {
        self.down.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells why, once, until all is well again.
    pub(super) fn tell(&self, why: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                why,
                "redis does not answer: limits and used tokens are not shared, no revocation of another gateway is learnt"
            );
        }
    }

    pub(super) fn exchanged(&self, outcome: Outcome, waited: Duration) {
        let counter = match outcome {
            Outcome::Answered => &self.answered,
            Outcome::Failed => &self.failed,
            Outcome::Late => &self.late,
            Outcome::Skipped => &self.skipped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(waited.as_micros()).unwrap_or(0);
        self.waited.fetch_add(micros, Ordering::Relaxed);
    }

    /// Notes how far ahead our clock is. Both clocks are read in whole seconds: one second is no difference.
    pub(super) fn skewed(&self, offset: i64) {
        let before = self.offset.swap(offset, Ordering::Relaxed);
        if before.abs() <= TOLERABLE && offset.abs() > TOLERABLE {
            tracing::warn!(
                seconds = offset,
                "the clocks of this gateway and of redis differ"
            );
        }
    }
}

/// Seconds.
const TOLERABLE: i64 = 5;
