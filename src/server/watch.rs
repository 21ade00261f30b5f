//! What one connection has been doing, and what its slow clock concludes from it.
//!
//! A timer per request would cost more than it guards. Instead every connection has one tick (a tenth of a second) at which its
//! counters are compared with those of the tick before: idle connections are parked, slow heads and stalled readers are cut.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::spec::ListenSpec;
use super::tunnel::Tunnel;

/// Counters of one connection, shared by its stream, its requests and its response bodies (all on one thread).
#[derive(Debug, Default)]
pub(super) struct Meter {
    read: Cell<usize>,
    written: Cell<usize>,
    write_blocked: Cell<bool>,
    calls: Cell<usize>,
    busy: Cell<usize>,
    waiting: Cell<usize>,
    /// The upstream's half of an accepted upgrade, until the response head is out.
    pub(super) tunnel: RefCell<Option<Box<Tunnel>>>,
}

impl Meter {
    pub(super) fn read(&self, n: usize) {
        self.read.set(self.read.get().wrapping_add(n));
    }

    pub(super) fn wrote(&self, n: usize) {
        self.written.set(self.written.get().wrapping_add(n));
        self.write_blocked.set(false);
    }

    pub(super) fn block_write(&self, blocked: bool) {
        self.write_blocked.set(blocked);
    }
}

/// One request in progress: from the call until its response body is gone.
#[derive(Debug)]
pub(super) struct Busy {
    meter: Rc<Meter>,
    waiting: bool,
}

impl Busy {
    pub(super) fn start(meter: &Rc<Meter>) -> Self {
        meter.calls.set(meter.calls.get().wrapping_add(1));
        meter.busy.set(meter.busy.get().saturating_add(1));
        meter.waiting.set(meter.waiting.get().saturating_add(1));
        Self {
            meter: Rc::clone(meter),
            waiting: true,
        }
    }

    /// Says whether we wait for the upstream (true) or for the client to take what we gave (false).
    pub(super) fn wait(&mut self, waiting: bool) {
        if self.waiting == waiting {
            return;
        }
        self.waiting = waiting;
        let count = self.meter.waiting.get();
        self.meter.waiting.set(if waiting {
            count.saturating_add(1)
        } else {
            count.saturating_sub(1)
        });
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.wait(false);
        self.meter.busy.set(self.meter.busy.get().saturating_sub(1));
    }
}

/// What to do with a connection at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Drop it: the client is too slow.
    Cut,
    /// Nothing has happened on it since the last tick.
    Idle,
    /// Leave it alone.
    Keep,
}

/// The time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) tick: Duration,
    pub(super) head: Duration,
    pub(super) body: Duration,
    pub(super) keep_alive: Duration,
}

impl Patience {
    pub(super) fn new(spec: &ListenSpec, tick: Duration) -> Self {
        Self {
            tick,
            head: spec.head_timeout,
            body: spec.body_timeout,
            keep_alive: spec.keep_alive,
        }
    }
}

/// The memory between two ticks.
#[derive(Debug)]
pub(super) struct Watch {
    calls: usize,
    written: usize,
    read: usize,
    /// Since when a request head has been incomplete.
    pub(super) head_since: Option<Instant>,
    stalled_since: Option<Instant>,
    /// HTTP/2 hears pings and window updates between requests, and hyper bounds its heads.
    http2: bool,
}

impl Watch {
    /// `head_since` goes on counting for a head that began before the connection was last parked.
    pub(super) fn http1(head_since: Option<Instant>) -> Self {
        Self {
            calls: 0,
            written: 0,
            read: 0,
            head_since,
            stalled_since: None,
            http2: false,
        }
    }

    pub(super) fn http2() -> Self {
        Self {
            http2: true,
            ..Self::http1(None)
        }
    }

    pub(super) fn tick(&mut self, meter: &Meter, patience: &Patience, now: Instant) -> Verdict {
        let called = self.calls != meter.calls.get();
        let moved = self.written != meter.written.get();
        let heard = self.read != meter.read.get();
        self.calls = meter.calls.get();
        self.written = meter.written.get();
        self.read = meter.read.get();
        if called {
            self.head_since = None;
        }
        let busy = meter.busy.get();
        if meter.write_blocked.get() || (busy > 0 && meter.waiting.get() == 0) {
            return self.stalled(moved, patience, now);
        }
        self.stalled_since = None;
        if busy > 0 || called {
            return Verdict::Keep;
        }
        self.between_requests(heard, patience, now)
    }

    /// The client does not read what we send.
    fn stalled(&mut self, moved: bool, patience: &Patience, now: Instant) -> Verdict {
        if moved {
            self.stalled_since = None;
        }
        let since = *self.stalled_since.get_or_insert(now);
        if now.duration_since(since) >= patience.body {
            return Verdict::Cut;
        }
        Verdict::Keep
    }

    /// No request is in progress: either a head is on its way or nothing is.
    fn between_requests(&mut self, heard: bool, patience: &Patience, now: Instant) -> Verdict {
        // Before the first request of this incarnation, bytes read mean an unfinished head that hyper holds and would not give back.
        let unfinished = heard || (self.calls == 0 && self.read > 0);
        if !unfinished || self.http2 {
            return Verdict::Idle;
        }
        let since = *self.head_since.get_or_insert(now);
        if now.duration_since(since) >= patience.head {
            return Verdict::Cut;
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience {
            tick: Duration::from_secs(1),
            head: Duration::from_secs(10),
            body: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
        }
    }

    /// Ticks once a second and says at which second the verdict came.
    fn first(meter: &Meter, wanted: Verdict, mut each: impl FnMut(&Meter)) -> Option<u64> {
        let start = Instant::now();
        let mut watch = Watch::http1(None);
        (1..60).find(|second| {
            each(meter);
            watch.tick(meter, &patience(), start + Duration::from_secs(*second)) == wanted
        })
    }

    #[test]
    fn an_idle_connection_is_idle_one_tick_after_its_last_request() {
        let meter = Rc::new(Meter::default());
        meter.read(80);
        drop(Busy::start(&meter));
        assert_eq!(first(&meter, Verdict::Idle, |_| ()), Some(2));
    }

    #[test]
    fn a_dripping_head_is_cut() {
        let meter = Meter::default();
        assert_eq!(first(&meter, Verdict::Cut, |m| m.read(1)), Some(11));
    }

    #[test]
    fn half_a_first_head_is_never_idle() {
        let meter = Meter::default();
        meter.read(10);
        assert_eq!(first(&meter, Verdict::Idle, |_| ()), None);
    }

    #[test]
    fn a_reader_that_stalls_is_cut_and_one_that_crawls_is_not() {
        let meter = Meter::default();
        meter.block_write(true);
        assert_eq!(first(&meter, Verdict::Cut, |_| ()), Some(6));
        let crawl = |m: &Meter| {
            m.wrote(1);
            m.block_write(true);
        };
        assert_eq!(first(&meter, Verdict::Cut, crawl), None);
    }

    #[test]
    fn waiting_for_the_upstream_is_not_the_clients_fault() {
        let meter = Rc::new(Meter::default());
        let mut busy = Busy::start(&meter);
        assert_eq!(first(&meter, Verdict::Cut, |_| ()), None);
        busy.wait(false);
        assert_eq!(first(&meter, Verdict::Cut, |_| ()), Some(6));
    }
}
