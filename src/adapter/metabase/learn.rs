//! What is learnt of a Metabase before its viewers may ask for anything.

use std::time::Duration;

/// What was learnt.
#[derive(Debug)]
pub struct Learnt {
    valid_for: Duration,
}

impl Learnt {
    pub(in crate::adapter) fn valid_for(&self) -> Duration {
        self.valid_for
    }

    pub(in crate::adapter) fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What the exchange waits for.
#[derive(Debug)]
pub(in crate::adapter) enum Stage {
    /// The public settings.
    Settings,
}
