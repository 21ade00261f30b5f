//! What is seen from outside: metrics, the audit trail, the log, request ids.
//!
//! Decisions neither log nor count (see [`crate::gate`]); a [`record::Record`] per request does both, once, at its end.

pub mod audit;
pub mod logging;
pub mod metrics;
pub mod record;
pub mod request_id;

use std::{sync::Arc, time::Duration};

use self::{audit::Audit, metrics::Metrics};

/// Everything that a record reports to.
#[derive(Debug)]
pub struct Observer {
    metrics: Arc<Metrics>,
    audit: Audit,
    clock: fn() -> Duration,
}

impl Observer {
    /// Of its parts; the clock (time since the Unix epoch) dates the records of the audit trail.
    pub fn new(metrics: Arc<Metrics>, audit: Audit, clock: fn() -> Duration) -> Self {
        Self {
            metrics,
            audit,
            clock,
        }
    }

    /// The metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The audit trail.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    fn now(&self) -> Duration {
        (self.clock)()
    }
}
