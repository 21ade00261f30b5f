//! Keys that are fetched: what is known of each source, beyond any one configuration; who waits for it, and how often it is asked.

mod fetch;
mod tend;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

pub(super) use tend::tend;

use super::app::{App, Generation};
use crate::{
    config::{IssuerEntry, KeySource},
    gate::{
        request::UnixTime,
        token::{KeyRing, UnknownKid},
    },
};

/// All sources of fetched keys. It outlives configurations, so that a reload loses no key while a provider is down.
#[derive(Default)]
pub struct Keychain {
    places: Mutex<BTreeMap<Arc<str>, Arc<Place>>>,
    changed: Notify,
}

/// One issuer's source, and what came of it.
struct Place {
    name: Arc<str>,
    source: Arc<KeySource>,
    state: Mutex<State>,
    /// Somebody wants keys now.
    wanted: Notify,
    /// The number of the last fetch that ended.
    ended: watch::Sender<u64>,
    /// Requests that wait.
    waiting: AtomicUsize,
    results: [AtomicU64; Outcome::ALL.len()],
    /// When keys were last fetched, or found unchanged; 0: never.
    fetched: AtomicI64,
}

#[derive(Default)]
struct State {
    /// The last good set.
    ring: Option<Arc<KeyRing>>,
    /// How many fetches have begun.
    begun: u64,
    /// Whether one is under way.
    running: bool,
    /// Whether a request has asked for another.
    asked: bool,
    /// When a request last asked for one.
    asked_at: Option<Instant>,
}

/// What became of a fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// Other keys than before.
    Changed,
    /// Something came that is no set of keys.
    Invalid,
    /// The same keys.
    Unchanged,
    /// Nothing came.
    Unreachable,
}

impl Outcome {
    const ALL: [Self; 4] = [
        Self::Changed,
        Self::Invalid,
        Self::Unchanged,
        Self::Unreachable,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Invalid => "invalid",
            Self::Unchanged => "unchanged",
            Self::Unreachable => "unreachable",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Changed => 0,
            Self::Invalid => 1,
            Self::Unchanged => 2,
            Self::Unreachable => 3,
        }
    }
}

/// What is told of one source.
pub(super) struct Figures {
    /// When keys were last fetched, or found unchanged.
    pub(super) fetched: Option<UnixTime>,
    /// How many fetches had each result.
    pub(super) results: Vec<(&'static str, u64)>,
}

impl Keychain {
    /// Gives a generation the keys that its issuers' sources have already, and forgets sources that it does not name.
    /// Called before it is in force, so that it never serves without; and again after, since keys may have come in between.
    pub(super) fn equip(&self, generation: &Generation) {
        let mut places = lock(&self.places);
        let before = std::mem::take(&mut *places);
        for (entry, source) in sourced(generation) {
            let name = &entry.issuer.name;
            let place = match before.get(name) {
                Some(known) if known.source == *source => Arc::clone(known),
                known => Place::new(name, source, known.and_then(|known| known.bequeath(source))),
            };
            // Under the lock: whoever puts newer keys in force does so before or after, never in between.
            let state = lock(&place.state);
            if let Some(ring) = &state.ring {
                entry.issuer.keys.replace(Arc::clone(ring));
            }
            drop(state);
            places.insert(Arc::clone(name), place);
        }
        drop(places);
        self.changed.notify_one();
    }

    /// Whether every source that a site relies on has brought keys once. It stays so through outages.
    pub(super) fn is_ready(&self, generation: &Generation) -> bool {
        let places = lock(&self.places);
        sourced(generation)
            .filter(|(entry, _)| is_used(entry, generation))
            .all(|(entry, _)| {
                let place = places.get(&entry.issuer.name);
                place.is_some_and(|place| lock(&place.state).ring.is_some())
            })
    }

    /// Asks for fresher keys than those that a token was judged by, and waits for them a little: whether it is worth judging again.
    ///
    /// A stranger can name any key that there is not, so this is cheap: one fetch at a time, one in vain in [`PAUSE`], few who wait.
    pub(super) async fn fresher(&self, unknown: &[UnknownKid]) -> bool {
        let now = Instant::now();
        let asked: Vec<(Arc<Place>, u64)> = {
            let places = lock(&self.places);
            let places = unknown
                .iter()
                .filter_map(|unknown| Some((places.get(&unknown.issuer)?, unknown.ring)));
            places
                .filter_map(|(place, judged)| Some((Arc::clone(place), place.ask(judged, now)?)))
                .collect()
        };
        let mut fresher = false;
        for (place, number) in asked {
            fresher |= place.wait(number, now + PATIENCE).await;
        }
        fresher
    }

    /// What is told of a source.
    pub(super) fn figures(&self, issuer: &str) -> Option<Figures> {
        let place = lock(&self.places).get(issuer).cloned()?;
        let fetched = place.fetched.load(Ordering::Relaxed);
        let count = |outcome: Outcome| {
            let count = place.results.get(outcome.index());
            count.map_or(0, |count| count.load(Ordering::Relaxed))
        };
        Some(Figures {
            fetched: (fetched > 0).then_some(UnixTime(fetched)),
            results: Outcome::ALL
                .map(|outcome| (outcome.label(), count(outcome)))
                .to_vec(),
        })
    }

    fn all(&self) -> Vec<Arc<Place>> {
        lock(&self.places).values().cloned().collect()
    }
}

impl Place {
    fn new(name: &Arc<str>, source: &Arc<KeySource>, ring: Option<Arc<KeyRing>>) -> Arc<Self> {
        let state = State {
            ring,
            ..State::default()
        };
        Arc::new(Self {
            name: Arc::clone(name),
            source: Arc::clone(source),
            state: Mutex::new(state),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
            results: Default::default(),
            fetched: AtomicI64::new(0),
        })
    }

    /// What a source that is only asked otherwise (more often, say) may begin with.
    fn bequeath(&self, source: &KeySource) -> Option<Arc<KeyRing>> {
        let KeySource {
            place,
            issuer,
            rules,
            refresh: _,
            roots: _,
        } = &*self.source;
        let same = *place == source.place && *issuer == source.issuer && *rules == source.rules;
        self.ring().filter(|_| same)
    }

    /// Asks for a fetch that begins after now; the number of the one to wait for. `None`: there was one just before.
    ///
    /// Where other keys came since the request was judged, it is one that has ended: another fetch would be in vain, and delay the next that is not.
    fn ask(&self, judged: u64, now: Instant) -> Option<u64> {
        let mut state = lock(&self.state);
        if state
            .ring
            .as_ref()
            .is_some_and(|ring| ring.generation() != judged)
        {
            return Some(0);
        }
        let next = state.begun.saturating_add(1);
        if state.asked {
            return Some(next);
        }
        let lately = state
            .asked_at
            .is_some_and(|when| now.saturating_duration_since(when) < PAUSE);
        if lately {
            return state.running.then_some(state.begun);
        }
        state.asked = true;
        state.asked_at = Some(now);
        drop(state);
        self.wanted.notify_one();
        Some(next)
    }

    /// Waits for the end of a fetch: whether it came in time.
    async fn wait(&self, number: u64, until: Instant) -> bool {
        let _place = Waiting::begin(&self.waiting);
        if self.waiting.load(Ordering::Relaxed) > MOST_WAITING {
            return false;
        }
        let mut ended = self.ended.subscribe();
        let end = timeout_at(until, ended.wait_for(|ended| *ended >= number)).await;
        matches!(end, Ok(Ok(_)))
    }

    /// A fetch begins; its number.
    fn begin(&self) -> u64 {
        let mut state = lock(&self.state);
        state.begun = state.begun.saturating_add(1);
        (state.running, state.asked) = (true, false);
        state.begun
    }

    /// Puts a set in force, for the configuration that is and for those to come; the one before.
    fn put(&self, app: &App, ring: &Arc<KeyRing>) -> Option<Arc<KeyRing>> {
        let mut state = lock(&self.state);
        let before = state.ring.replace(Arc::clone(ring));
        let generation = app.current();
        let mut mine = sourced(&generation)
            .filter(|(entry, source)| entry.issuer.name == self.name && **source == self.source);
        if let Some((entry, _)) = mine.next() {
            entry.issuer.keys.replace(Arc::clone(ring));
        }
        before
    }

    /// A fetch is over.
    fn end(&self, number: u64, outcome: Outcome, now: UnixTime) {
        let mut state = lock(&self.state);
        state.running = false;
        if outcome == Outcome::Changed {
            // No stranger can make a provider change its keys: the long pause is for fetches that were for nothing.
            state.asked_at = None;
        }
        drop(state);
        if let Some(count) = self.results.get(outcome.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(outcome, Outcome::Changed | Outcome::Unchanged) {
            self.fetched.store(now.0, Ordering::Relaxed);
        }
        self.ended.send_replace(number);
    }

    fn ring(&self) -> Option<Arc<KeyRing>> {
        lock(&self.state).ring.clone()
    }

    fn is_asked(&self) -> bool {
        lock(&self.state).asked
    }
}

/// One who waits, until dropped.
struct Waiting<'p>(&'p AtomicUsize);

impl<'p> Waiting<'p> {
    fn begin(count: &'p AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The issuers whose keys are fetched.
fn sourced(generation: &Generation) -> impl Iterator<Item = (&IssuerEntry, &Arc<KeySource>)> {
    let issuers = generation.snapshot.issuers.iter();
    issuers.filter_map(|entry| Some((entry, entry.source.as_ref()?)))
}

/// Whether a site relies on an issuer.
fn is_used(entry: &IssuerEntry, generation: &Generation) -> bool {
    let mut used = generation.sites().flat_map(|(site, _)| &site.issuers);
    used.any(|issuer| issuer.name == entry.issuer.name)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The shortest time between two fetches of one source that requests ask for, where the first brought nothing new.
const PAUSE: Duration = Duration::from_secs(10);
/// How long a request waits for keys.
const PATIENCE: Duration = Duration::from_secs(3);
/// Requests that wait for the keys of one source; further ones are judged by what there is.
const MOST_WAITING: usize = 1000;

#[cfg(test)]
mod tests;
