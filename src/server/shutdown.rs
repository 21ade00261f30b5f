//! The connections of one worker thread, so that shutdown can tell them all at once and see the last one go.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::timeout;

/// Every connection task of one thread. Costs a waker per connection and nothing per request.
#[derive(Debug, Default)]
pub(super) struct Lane {
    closing: Cell<bool>,
    tasks: RefCell<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    open: usize,
    /// Who waits for the last task to leave.
    drain: Option<Waker>,
}

impl Lane {
    /// Registers the calling task until the slot is dropped.
    pub(super) fn enter(self: &Rc<Self>, waker: Waker) -> Slot {
        let mut tasks = self.tasks.borrow_mut();
        tasks.open = tasks.open.saturating_add(1);
        let index = tasks.free.pop().unwrap_or(tasks.wakers.len());
        match tasks.wakers.get_mut(index) {
            Some(place) => *place = Some(waker),
            None => tasks.wakers.push(Some(waker)),
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
        let wakers: Vec<Waker> = self
            .tasks
            .borrow()
            .wakers
            .iter()
            .flatten()
            .cloned()
            .collect();
        wakers.into_iter().for_each(Waker::wake);
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

impl Drop for Slot {
    fn drop(&mut self) {
        let mut tasks = self.lane.tasks.borrow_mut();
        if let Some(place) = tasks.wakers.get_mut(self.index) {
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
