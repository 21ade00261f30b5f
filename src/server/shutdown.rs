//! The connections of one worker thread, so that shutdown can tell them all at once and see the last one go; and so that
//! parked ones need no timer of their own.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, interval, timeout};

/// Every connection task of one thread. Costs some words per connection and nothing per request.
#[derive(Debug, Default)]
pub(super) struct Lane {
    closing: Cell<bool>,
    /// Connections parked since memory was last given back.
    parked: Cell<usize>,
    tasks: RefCell<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    places: Vec<Option<Place>>,
    free: Vec<usize>,
    open: usize,
    /// Who waits for the last task to leave.
    drain: Option<Waker>,
}

#[derive(Debug)]
struct Place {
    waker: Waker,
    /// When the task wants to be woken, if nothing else happens.
    alarm: Option<Instant>,
}

impl Lane {
    /// Rings the alarms of parked connections, about every `tick`; never ends.
    pub(super) async fn ring(&self, tick: Duration) {
        let mut ticks = interval(tick);
        let (mut before, mut calm) = (0, 0);
        loop {
            let now = ticks.tick().await;
            self.ring_once(now);
            // Many were parked, and now no more: what they used is free, and nobody will ask for it soon.
            let parked = self.parked.get();
            calm = if parked == before { calm + 1 } else { 0 };
            if parked >= MANY && calm > 0 {
                give_back();
                if calm >= ROUNDS {
                    self.parked.set(0);
                }
            }
            before = self.parked.get();
        }
    }

    fn ring_once(&self, now: Instant) {
        let mut tasks = self.tasks.borrow_mut();
        for place in tasks.places.iter_mut().flatten() {
            if place.alarm.is_some_and(|alarm| alarm <= now) {
                place.alarm = None;
                place.waker.wake_by_ref();
            }
        }
    }

    /// Registers the calling task until the slot is dropped.
    pub(super) fn enter(self: &Rc<Self>, waker: Waker) -> Slot {
        let mut tasks = self.tasks.borrow_mut();
        tasks.open = tasks.open.saturating_add(1);
        let index = tasks.free.pop().unwrap_or(tasks.places.len());
        let place = Some(Place { waker, alarm: None });
        match tasks.places.get_mut(index) {
            Some(free) => *free = place,
            None => tasks.places.push(place),
        }
        drop(tasks);
        Slot {
            lane: Rc::clone(self),
            index,
        }
    }

    /// Whether the worker is shutting down; every connection asks on each poll.
    pub(super) fn closing(&self) -> bool {
        self.closing.get()
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.tasks.borrow().open
    }

    /// Tells every connection to finish, waits for at most `grace`, and says how many had to be left behind.
    pub(super) async fn close(&self, grace: Duration) -> usize {
        self.closing.set(true);
        for place in self.tasks.borrow().places.iter().flatten() {
            place.waker.wake_by_ref();
        }
        let gone = std::future::poll_fn(|cx| {
            let mut tasks = self.tasks.borrow_mut();
            if tasks.open == 0 {
                return Poll::Ready(());
            }
            tasks.drain = Some(cx.waker().clone());
            Poll::Pending
        });
        match timeout(grace, gone).await {
            Ok(()) => 0,
            Err(_) => self.open(),
        }
    }
}

/// One connection's place in its lane.
#[derive(Debug)]
pub(super) struct Slot {
    lane: Rc<Lane>,
    index: usize,
}

impl Slot {
    pub(super) fn lane(&self) -> &Rc<Lane> {
        &self.lane
    }

    /// Wakes the task soon after `alarm`; `None` takes it back.
    pub(super) fn alarm(&self, alarm: Option<Instant>) {
        let mut tasks = self.lane.tasks.borrow_mut();
        if let Some(Some(place)) = tasks.places.get_mut(self.index) {
            place.alarm = alarm;
        }
        if alarm.is_some() {
            let parked = &self.lane.parked;
            parked.set(parked.get().saturating_add(1));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut tasks = self.lane.tasks.borrow_mut();
        if let Some(place) = tasks.places.get_mut(self.index) {
            *place = None;
        }
        tasks.free.push(self.index);
        tasks.open = tasks.open.saturating_sub(1);
        if tasks.open == 0
            && let Some(waker) = tasks.drain.take()
        {
            waker.wake();
        }
    }
}

/// Lets the allocator return freed memory to the system. Mimalloc does that in passing, as far as measurements tell every ten
/// thousand calls that leave its shortest path; a gateway gone idle makes none. So they are made here, after a burst only.
fn give_back() {
    for _ in 0..CALLS {
        drop(black_box(Vec::<u8>::with_capacity(CALL)));
    }
}

/// Parked connections that are worth it.
const MANY: usize = 1024;
/// What one round frees, a later one returns.
const ROUNDS: usize = 3;
const CALLS: usize = 10_500;
/// More than the allocator's shortest path serves.
const CALL: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn closing_waits_for_the_last_and_counts_who_stays() {
        let lane = Rc::new(Lane::default());
        let first = lane.enter(Waker::noop().clone());
        let second = lane.enter(Waker::noop().clone());
        drop(first);
        assert_eq!(lane.open(), 1);
        assert_eq!(lane.close(Duration::from_secs(1)).await, 1);
        drop(second);
        assert_eq!(lane.close(Duration::from_secs(1)).await, 0);
        assert!(lane.closing());
    }

    #[test]
    fn a_place_is_used_again() {
        let lane = Rc::new(Lane::default());
        drop(lane.enter(Waker::noop().clone()));
        let slot = lane.enter(Waker::noop().clone());
        assert_eq!(slot.index, 0);
    }
}
