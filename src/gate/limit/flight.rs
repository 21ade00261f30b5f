//! Requests under way, per viewer.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::rate::AlreadyHashed;

/// Who has how many requests under way; bounded by the requests that there are.
pub(super) struct Flights {
    shards: [Mutex<HashMap<u64, u32, AlreadyHashed>>; SHARDS],
}

/// One request under way; given back on drop, also when the client hangs up. Not `Clone`: it would be given back twice.
pub struct InFlight {
    flights: Arc<Flights>,
    key: u64,
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InFlight")
    }
}

impl Flights {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// One more for a key, unless it has that many already.
    pub(super) fn enter(self: &Arc<Self>, key: u64, limit: NonZeroU32) -> Option<InFlight> {
        let mut shard = self.shard(key)?;
        match shard.get_mut(&key) {
            Some(count) if *count >= limit.get() => return None,
            Some(count) => *count = count.saturating_add(1),
            None => drop(shard.insert(key, 1)),
        }
        drop(shard);
        Some(InFlight {
            flights: Arc::clone(self),
            key,
        })
    }

    /// How many keys have requests under way.
    pub(super) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    fn leave(&self, key: u64) {
        let Some(mut shard) = self.shard(key) else {
            return;
        };
        match shard.get_mut(&key) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(shard.remove(&key)),
        }
    }

    /// The shard of a key. (A thread that panicked inside left whole numbers behind: the lock stays usable.)
    fn shard(&self, key: u64) -> Option<MutexGuard<'_, HashMap<u64, u32, AlreadyHashed>>> {
        let at = usize::from(key.to_be_bytes()[0]).checked_rem(SHARDS)?;
        Some(
            self.shards
                .get(at)?
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.flights.leave(self.key);
    }
}

/// Locks, so that threads seldom meet.
const SHARDS: usize = 64;
