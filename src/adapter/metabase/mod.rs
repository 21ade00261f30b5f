//! Metabase: signed ("static", "guest") embeds whose token is swapped at the edge, and public links that are locked to a viewer's token.

pub mod filters;
pub mod layout;
pub mod learn;
pub mod mint;
pub mod prune;
pub mod settings;
pub mod shell;
pub mod spec;
pub mod surface;

pub use learn::Learnt;
pub use spec::{Item, ItemId, Kind, Lens, MetabaseSpec, PublicLink, Unmapped, Uuid, Values};
pub use surface::{places, surface};

use super::{
    Ask, Plan,
    exchange::{ExchangeError, Known, Pending, Reply, Step, Want},
};
use crate::gate::{
    policy::{Denial, Permit},
    refusal::Refusal,
    request::UnixTime,
    route::{Action, Route, RouteMatch},
};

/// One Metabase site.
#[derive(Debug)]
pub struct Metabase {
    spec: MetabaseSpec,
}

/// How the body of a reply is rewritten.
#[derive(Debug)]
pub enum Rewriting {}

/// A reply's body, rewritten.
#[derive(Debug)]
pub struct Rewritten {
    /// The body.
    pub body: Vec<u8>,
    /// What was learnt from it on the way.
    pub learnt: Option<(Want, Known)>,
}

impl Rewriting {
    /// Rewrites a body.
    ///
    /// # Errors
    /// `upstream_failed`, and what the viewer must not see.
    pub fn run(self, _body: &[u8]) -> Result<Rewritten, Denial> {
        match self {}
    }
}

impl Metabase {
    /// Takes the settings.
    pub fn new(spec: MetabaseSpec) -> Self {
        Self { spec }
    }

    /// The settings.
    pub fn spec(&self) -> &MetabaseSpec {
        &self.spec
    }

    /// Whether a request to this route must be read whole before it can be planned.
    pub fn needs_body(route: &Route) -> bool {
        route.body_limit > 0 || matches!(route.action, Action::Local(_))
    }

    pub(super) fn wants(
        &self,
        _permit: &Permit,
        _matched: &RouteMatch<'_, '_>,
    ) -> Result<Option<Want>, Denial> {
        Ok(None)
    }

    pub(super) fn begin(&self, _want: &Want, _now: UnixTime) -> Result<Step, ExchangeError> {
        Err(ExchangeError::STRAY)
    }

    pub(super) fn resume(
        &self,
        _pending: Pending,
        _reply: Reply<'_>,
        _now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        Err(ExchangeError::STRAY)
    }

    pub(super) fn plan(&self, _ask: &Ask<'_, '_, '_>) -> Result<Plan, Denial> {
        Err(Refusal::RouteDenied.into())
    }
}
