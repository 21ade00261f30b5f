//! A strict stand-in of Metabase's embed and public API, for tests: none can be installed where they run.
//!
//! It verifies tokens, keeps Metabase's rules and messages, holds the demo's accounts with real filtering, and **leaks where Metabase leaks**: an empty
//! list lifts a locked filter, `null` lifts a default, the last of two duplicates wins, a caller's `target` wins on questions, results echo the locked
//! values, pages may be framed by anybody. Where versions differ there is a switch ([`Behaviour`]); where it is not known what Metabase does, the
//! stand-in does what leaks most. It answers on loopback alone. Every fixture is told in [`fixtures`].
//!
//! ```ignore
//! let metabase = Standin::start();
//! metabase.edit(|store| store.behaviour.batch = true);
//! // … a gateway in front of metabase.address …
//! assert_eq!(metabase.last().claims().unwrap()["params"]["organization_id"], json!([999]));
//! ```

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "JSON that the stand-in made itself; a test that asks for what is not there fails by panicking"
)]

mod danger;
pub(crate) mod data;
mod embed;
pub(crate) mod fixtures;
pub(crate) mod http;
mod layout;
pub(crate) mod pages;
mod policy;
mod public;
mod query;
mod resolve;
mod route;
pub(crate) mod store;
mod tiles;
pub(crate) mod token;
mod values;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(crate) use danger::LEAK;
pub(crate) use fixtures::SECRET;
pub(crate) use http::Seen;
pub(crate) use store::{Behaviour, Store};

/// Requests are remembered up to this number.
const REMEMBERED: usize = 10_000;

/// A stand-in that answers until the process ends.
pub(crate) struct Standin {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Standin {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        Self::with(Behaviour::default())
    }

    /// Starts one that behaves in some way.
    pub(crate) fn with(behaviour: Behaviour) -> Self {
        let mut store = fixtures::store();
        store.behaviour = behaviour;
        Self::serve(SocketAddr::from(([127, 0, 0, 1], 0)), store)
            .unwrap_or_else(|why| panic!("no stand-in: {why}"))
    }

    /// Starts one on an address.
    pub(crate) fn serve(address: SocketAddr, store: Store) -> std::io::Result<Self> {
        let state = State {
            store,
            seen: vec![],
            log: None,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let address = super::wire::listen(address, move |seen| http::answer(&shared, seen))?;
        Ok(Self { address, state })
    }

    /// Changes what it holds, or how it behaves.
    pub(crate) fn edit<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.state().store)
    }

    /// What it saw so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Seen {
        let last = self.state().seen.last().cloned();
        last.unwrap_or_else(|| panic!("no request reached the stand-in"))
    }

    /// Forgets what it saw.
    pub(crate) fn forget(&self) {
        self.state().seen.clear();
    }

    /// Calls with every request from now on.
    pub(crate) fn log(&self, log: fn(&Seen)) {
        self.state().log = Some(log);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread and the handle share.
struct State {
    store: Store,
    seen: Vec<Seen>,
    log: Option<fn(&Seen)>,
}

impl State {
    fn note(&mut self, seen: Seen) {
        if let Some(log) = self.log {
            log(&seen);
        }
        if self.seen.len() < REMEMBERED {
            self.seen.push(seen);
        }
    }

    /// Whether a request acts as somebody: `true` for an administrator.
    fn acting(store: &Store, seen: &Seen) -> Option<bool> {
        let session = seen.cookie("metabase.SESSION").into_iter();
        let mut sessions = session.chain(seen.all("x-metabase-session"));
        if sessions.any(|one| one == store.session) {
            return Some(true);
        }
        let keys = seen.all("x-api-key");
        let known = |(key, _): &&(String, bool)| keys.contains(&key.as_str());
        store.api_keys.iter().find(known).map(|(_, admin)| *admin)
    }
}

/// Seconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the stand-in is a server of its own, in real time"
)]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// The stand-in is compiled into several test binaries, none of which uses all of it.
const _: () = {
    use store::{Clash, Dashboard, Failed};
    _ = (Standin::start, Standin::last, Standin::forget);
    _ = (Standin::seen, Standin::log, LEAK, SECRET);
    _ = |standin: &Standin| (standin.address, standin.edit(|store| store.embedding));
    _ = (Seen::holds, Seen::json, Seen::claims, Behaviour::old);
    _ = (Store::dashboard, Store::card, Dashboard::parameter);
    _ = (Failed::Late, Clash::First, Dashboard::dashcard);
    _ = (fixtures::ACTION_LINK, fixtures::DOCUMENT_LINK);
    _ = (fixtures::everything, token::sign, token::sign_with);
    _ = (pages::SCRIPT, data::tenant);
};
