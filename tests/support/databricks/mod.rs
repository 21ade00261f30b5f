//! A strict stand-in of a Databricks workspace, for tests: none can be had where they run.
//!
//! It speaks the three steps of "embedding for external users" (a service principal's token, `published/tokeninfo`, the scoped token), and has an embed
//! surface: the page that `@databricks/aibi-client` frames, its script, and the calls that the script makes with the scoped token. It **refuses what a
//! server may refuse** (two credentials, a form that is none, a repeated parameter, details that are not those it gave) and **leaks where Databricks
//! leaks**: a dataset that does not use `__aibi_external_value` shows every row to everybody, and an all-apis token opens everything. What is only known
//! from third parties, or guessed, says so ([`Paths`], [`Behaviour`]). Every fixture is told in [`store`].
//!
//! ```ignore
//! let databricks = Standin::start();
//! databricks.edit(|workspace| workspace.behaviour.scoped_ttl = 299);
//! databricks.fault(Step::Scoped, Fault::Later(503, "2".into()), 1);
//! // … a gateway in front of databricks.address …
//! assert_eq!(databricks.count(Step::Scoped), 2);
//! assert!(databricks.peak(Step::Scoped) <= 20);
//! ```

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "JSON that the stand-in made itself; a test that asks for what is not there fails by panicking"
)]

mod api;
mod embed;
mod fault;
mod limit;
mod oidc;
mod route;
mod rows;
pub(crate) mod store;
pub(crate) mod token;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value as Json;

pub(crate) use super::wire::Seen;
pub(crate) use fault::Fault;
pub(crate) use store::{BROKER, Payload, SECRET, Workspace};

/// Stands in every answer that no viewer should ever see.
pub(crate) const LEAK: &str = "STANDIN-LEAK";

/// Calls are remembered up to this number.
const REMEMBERED: usize = 100_000;

/// What is asked of a workspace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// The token endpoint, for the service principal's own token.
    Access,
    /// A script, a style sheet.
    Asset,
    /// A call of the embedded page.
    Data,
    /// `published/tokeninfo`.
    Info,
    /// Everything else.
    Other,
    /// The embedded page.
    Page,
    /// The token endpoint, for a viewer's token.
    Scoped,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) step: Step,
    /// When it came: milliseconds since the epoch.
    pub(crate) at: i64,
    /// What was answered; 0 where the connection was closed instead.
    pub(crate) status: u16,
    /// The principal whose name or token it bore, right or wrong.
    pub(crate) principal: Option<String>,
    pub(crate) seen: Seen,
}

/// A stand-in that answers until the process ends.
pub(crate) struct Standin {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Standin {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// Starts one after some change.
    pub(crate) fn with(change: impl FnOnce(&mut Workspace)) -> Self {
        let mut workspace = Workspace::new();
        change(&mut workspace);
        Self::serve(SocketAddr::from(([127, 0, 0, 1], 0)), workspace)
            .unwrap_or_else(|why| panic!("no stand-in: {why}"))
    }

    /// Starts one on an address.
    pub(crate) fn serve(address: SocketAddr, workspace: Workspace) -> std::io::Result<Self> {
        let state = State {
            workspace,
            calls: vec![],
            log: None,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let address = super::wire::listen(address, move |seen| {
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            route::answer(&mut state, seen)
        })?;
        Ok(Self { address, state })
    }

    /// `http://…`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what it holds, or how it behaves.
    pub(crate) fn edit<T>(&self, change: impl FnOnce(&mut Workspace) -> T) -> T {
        change(&mut self.state().workspace)
    }

    /// Lets the next so many calls of a step go wrong, after those that are already to.
    pub(crate) fn fault(&self, step: Step, fault: Fault, times: usize) {
        self.edit(|workspace| workspace.faults.push((step, fault, times)));
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.edit(|workspace| workspace.faults.clear());
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Those of one step.
    pub(crate) fn calls_of(&self, step: Step) -> Vec<Call> {
        let mut all = self.calls();
        all.retain(|call| call.step == step);
        all
    }

    /// How many there were of a step.
    pub(crate) fn count(&self, step: Step) -> usize {
        let state = self.state();
        state.calls.iter().filter(|call| call.step == step).count()
    }

    /// The most calls of a step within any second, refused ones too.
    pub(crate) fn peak(&self, step: Step) -> usize {
        let state = self.state();
        let times = state.calls.iter().filter(|call| call.step == step);
        limit::peak(&times.map(|call| call.at).collect::<Vec<_>>())
    }

    /// The last call.
    pub(crate) fn last(&self) -> Call {
        let last = self.state().calls.last().cloned();
        last.unwrap_or_else(|| panic!("nothing reached the stand-in"))
    }

    /// Forgets the calls.
    pub(crate) fn forget(&self) {
        self.state().calls.clear();
    }

    /// Calls with every call from now on.
    pub(crate) fn log(&self, log: fn(&Call)) {
        self.state().log = Some(log);
    }

    /// The claims of a token that it signed and that is valid now; panics otherwise.
    pub(crate) fn claims(&self, token: &str) -> Json {
        let claims = self.edit(|workspace| workspace.verify(token));
        claims.unwrap_or_else(|| panic!("no valid token: {token}"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread and the handle share.
struct State {
    workspace: Workspace,
    calls: Vec<Call>,
    log: Option<fn(&Call)>,
}

impl State {
    fn note(&mut self, call: Call) {
        if let Some(log) = self.log {
            log(&call);
        }
        if self.calls.len() < REMEMBERED {
            self.calls.push(call);
        }
    }
}

/// Milliseconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the stand-in is a server of its own, in real time"
)]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// The stand-in is compiled into several test binaries, none of which uses all of it.
const _: () = {
    use store::{Filter, Principal};
    _ = (Standin::start, Standin::last, Standin::forget);
    _ = (Standin::count, Standin::peak, Standin::calls_of);
    _ = (Standin::fault, Standin::heal, Standin::log, Standin::url);
    _ = (Standin::claims, LEAK, SECRET, BROKER, REMEMBERED);
    _ = |standin: &Standin| (standin.address, standin.edit(|one| one.key.set()));
    _ = |call: &Call| (call.status, call.principal.clone(), call.seen.holds(""));
    _ = (Principal::lock, Workspace::withdraw, Workspace::dashboard);
    _ = (Workspace::principal, Workspace::revoke_tokens);
    _ = || (Payload::UrlSafe, Filter::Optional, Fault::Hang);
    _ = (Fault::Edited, Fault::read, Fault::every);
    _ = (
        store::DRAFT,
        store::SALES,
        store::BENCHMARK,
        store::ELSEWHERE,
    );
    _ = (
        store::OTHER,
        store::OTHER_SECRET,
        store::WORKSPACE,
        store::PAGES,
    );
    _ = (rows::of, token::peek);
};
