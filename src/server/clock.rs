//! The one place that reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::gate::request::UnixTime;

/// Wall-clock time; a value that is passed, so that tests may stand still.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock(());

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(())
    }

    /// Whole seconds since the epoch; before the epoch it reads 0.
    pub fn now(self) -> UnixTime {
        UnixTime(i64::try_from(self.since_epoch().as_secs()).unwrap_or(i64::MAX))
    }

    /// Time since the epoch, for records that want fractions of a second.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one reader of the wall clock"
    )]
    pub fn since_epoch(self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}
