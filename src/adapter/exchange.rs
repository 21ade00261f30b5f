//! Exchanges with an upstream, described and not performed: what to ask, and what the answer means.
//!
//! An adapter that must learn something before it can plan a request says [`Step::Call`]; the shell sends the call, bounded in time and size, and hands
//! the reply back, until the adapter says [`Step::Done`]. The shell shares one exchange among the requests that wait for it, and remembers the result
//! for as long as it is valid.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, Method, StatusCode};

use super::{
    metabase::{Item, Learnt, MapCard, Uuid, learn},
    superset::{
        DashboardId,
        coverage::{self, Coverage},
    },
};
use crate::gate::refusal::Refusal;

/// The next thing to do.
#[derive(Debug)]
pub enum Step {
    /// Ask the upstream this, then resume with the reply.
    Call(Box<Call>, Pending),
    /// All is known.
    Done(Known),
}

/// One request to the upstream. It has no body.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path (and query) below the upstream's own path prefix.
    pub path: String,
    /// Header fields, apart from `Host`.
    pub headers: HeaderMap,
    /// Largest body of the reply, in bytes; a longer one fails the exchange.
    pub reply_limit: usize,
}

/// Where an exchange stands between two steps. Opaque to the shell.
#[derive(Debug)]
pub struct Pending(pub(in crate::adapter) Stage);

/// Whose exchange it is.
#[derive(Debug)]
pub(in crate::adapter) enum Stage {
    Metabase(learn::Stage),
    Superset(coverage::Stage),
}

/// What a request needs to be known before it can be planned: names what is remembered.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Want {
    /// The public settings of a Metabase.
    MetabaseSettings,
    /// What a signed dashboard or question is made of.
    MetabaseItem(Item),
    /// Which lists of values of a signed dashboard or question keep to the locked parameters.
    MetabaseValues(Item),
    /// What a public link leads to.
    MetabasePublic(Uuid),
    /// Which columns a map is drawn from, and the layout that it stands in.
    MetabaseMap(MapCard),
    /// What a Superset dashboard is made of.
    SupersetDashboard(DashboardId),
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MetabaseSettings => f.write_str("the public settings"),
            Self::MetabaseItem(item) => write!(f, "the layout of {item}"),
            Self::MetabaseValues(item) => write!(f, "the lists of values of {item}"),
            Self::MetabasePublic(uuid) => write!(f, "the layout of public link {uuid}"),
            Self::MetabaseMap(card) => write!(f, "the map of {card}"),
            Self::SupersetDashboard(id) => write!(f, "the datasets of dashboard {id}"),
        }
    }
}

/// A reply, read completely.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// Its status; redirects are not followed.
    pub status: StatusCode,
    /// Its body, without content coding.
    pub body: &'a [u8],
}

/// What was learnt.
#[derive(Clone, Debug)]
pub enum Known {
    /// About a Metabase.
    Metabase(Arc<Learnt>),
    /// What a Superset dashboard is made of.
    Superset(Arc<Coverage>),
}

impl Known {
    /// How long it may be remembered.
    pub fn valid_for(&self) -> Duration {
        match self {
            Self::Metabase(learnt) => learnt.valid_for(),
            Self::Superset(coverage) => coverage.valid_for(),
        }
    }

    /// What the operator should know of it, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Metabase(learnt) => learnt.warnings(),
            Self::Superset(_) => Vec::new(),
        }
    }
}

/// Why an exchange failed. The words are for the operator's log; a client learns [`Self::refusal`] alone.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExchangeError {
    /// A status that says how the two are configured against each other.
    #[error("{call} answered {status}: {hint}")]
    Status {
        /// Which call.
        call: &'static str,
        /// The status.
        status: StatusCode,
        /// What to look at.
        hint: &'static str,
    },
    /// A reply that can be read, and not be used.
    #[error("{call} cannot be used: {why}")]
    Unfit {
        /// Which call.
        call: &'static str,
        /// Why.
        why: String,
    },
    /// A reply that cannot be read.
    #[error("{call} answered something else than expected: {what}")]
    Unreadable {
        /// Which call.
        call: &'static str,
        /// What was missing.
        what: &'static str,
    },
}

impl ExchangeError {
    /// An exchange that belongs to another adapter.
    pub(in crate::adapter) const STRAY: Self = Self::Unreadable {
        call: "the exchange",
        what: "its own adapter",
    };

    /// What the client learns.
    pub fn refusal(&self) -> Refusal {
        Refusal::UpstreamFailed
    }
}
