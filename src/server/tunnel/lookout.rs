//! Whoever must know when revocations or the configuration change: the tunnels of one worker, told by one task.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::server::app::App;

/// The tunnels of one worker, and what they are judged by.
pub(in crate::server) struct Lookout {
    app: Arc<App>,
    /// Counts changes.
    round: Cell<u64>,
    places: RefCell<Places>,
}

#[derive(Default)]
struct Places {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// One tunnel's place; given back on drop.
pub(super) struct Place {
    lookout: Rc<Lookout>,
    index: usize,
}

impl Lookout {
    /// Nobody yet. Must be called on a worker thread (in its service's factory).
    pub(in crate::server) fn new(app: &Arc<App>) -> Rc<Self> {
        let this = Rc::new(Self {
            app: Arc::clone(app),
            round: Cell::new(0),
            places: RefCell::default(),
        });
        tokio::task::spawn_local(look(Rc::downgrade(&this), Arc::clone(app)));
        this
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// How often something has changed.
    pub(super) fn round(&self) -> u64 {
        self.round.get()
    }

    pub(super) fn enter(self: &Rc<Self>) -> Place {
        let mut places = self.places.borrow_mut();
        let index = places.free.pop().unwrap_or(places.wakers.len());
        if index == places.wakers.len() {
            places.wakers.push(None);
        }
        drop(places);
        Place {
            lookout: Rc::clone(self),
            index,
        }
    }

    fn changed(&self) {
        self.round.set(self.round.get().wrapping_add(1));
        for waker in self.places.borrow().wakers.iter().flatten() {
            waker.wake_by_ref();
        }
    }
}

impl Place {
    pub(super) fn lookout(&self) -> &Lookout {
        &self.lookout
    }

    /// Whom to wake.
    pub(super) fn wake(&self, waker: &Waker) {
        let mut places = self.lookout.places.borrow_mut();
        if let Some(place) = places.wakers.get_mut(self.index) {
            match place {
                Some(known) => known.clone_from(waker),
                None => *place = Some(waker.clone()),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.lookout.places.borrow_mut();
        let waker = places.wakers.get_mut(self.index).and_then(Option::take);
        places.free.push(self.index);
        drop(places);
        drop(waker);
    }
}

async fn look(lookout: Weak<Lookout>, app: Arc<App>) {
    let mut revocations = app.revocations.follow();
    let mut seen = app.current();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let revoked = tokio::select! {
            changed = revocations.changed() => changed.is_ok(),
            _ = ticks.tick() => false,
        };
        let Some(lookout) = lookout.upgrade() else {
            return;
        };
        let now = app.current();
        if revoked || !Arc::ptr_eq(&seen, &now) {
            seen = now;
            lookout.changed();
        }
        drop(lookout);
        if revoked {
            // Of a thousand revocations in a row, tunnels need not judge each.
            sleep(GATHER).await;
        }
    }
}

/// How often the configuration is looked at.
const TICK: Duration = Duration::from_millis(500);
const GATHER: Duration = Duration::from_millis(20);
