//! Idle connections to one upstream, of one worker thread: the warmest first.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::wire::Wire;

#[derive(Debug)]
pub(super) struct Pool {
    idle: RefCell<VecDeque<(Box<Wire>, Instant)>>,
    keep: Duration,
}

impl Pool {
    pub(super) fn new(keep: Duration) -> Self {
        Self {
            idle: RefCell::default(),
            keep: keep.min(LONGEST),
        }
    }

    /// The connection that was used last, if one is still open.
    pub(super) fn take(&self) -> Option<Box<Wire>> {
        loop {
            let (mut wire, _) = self.idle.borrow_mut().pop_back()?;
            if wire.is_fit() {
                return Some(wire);
            }
        }
    }

    /// Keeps a connection for the next request. One that is not clean is closed instead.
    pub(super) fn put(&self, mut wire: Box<Wire>) {
        // Reading also takes this request's waker off the socket: an idle connection wakes nobody.
        if !wire.is_clean() || !wire.is_fit() {
            return;
        }
        wire.rest();
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= MOST {
            idle.pop_front();
        }
        idle.push_back((wire, Instant::now()));
    }

    /// Closes what has been idle for too long or was closed by the upstream.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|(wire, since)| now.duration_since(*since) < self.keep && wire.is_fit());
    }
}

/// Shorter than what servers usually grant an idle connection, so that it is seldom they who close it.
const LONGEST: Duration = Duration::from_secs(30);
/// Idle connections per upstream and worker.
const MOST: usize = 256;
