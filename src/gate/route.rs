//! The surface of a site: which routes exist, and what each asks for. Everything else is 404.

use std::sync::Arc;

use http::Method;

use super::{param::Lock, refusal::Refusal, resource::ResourceRule};

/// Who may use a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Nobody: as if the route did not exist.
    Deny,
    /// Anybody: no credential is asked for, none is looked at, no locks apply (static assets).
    Public,
    /// Viewers with a valid token or session.
    Viewer,
}

/// What answers a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The gateway itself: `204 No Content`, body drained within bounds (beacons).
    NoContent,
    /// The adapter, by a number that it chose itself (Superset's guest-token endpoint).
    Local(u8),
    /// The upstream.
    Proxy,
}

/// One route of a surface.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name in metrics, audit and logs; for configured routes the path pattern.
    pub name: Arc<str>,
    /// The pattern: `/reports/{id}`, `/static/*`. Segments are literal, `{name}` (one segment) or a final `*` (any rest, also none).
    pub pattern: Box<str>,
    /// Allowed methods; `HEAD` comes with `GET`. Empty means `GET` and `HEAD`.
    pub methods: Vec<Method>,
    /// Who may use it.
    pub access: Access,
    /// What answers.
    pub action: Action,
    /// The resource that the token must grant. `None`: any token that is valid for the site.
    pub resource: Option<ResourceRule>,
    /// The scope that the token must carry.
    pub scope: Box<str>,
    /// Where locked (and preset) values go. Filled in completely by the configuration: a locked parameter without a lock here does not reach the upstream on this route.
    pub locks: Vec<Lock>,
    /// Query parameters that may pass (decoded names); others are dropped. `None`: all pass.
    pub query_allow: Option<Vec<Box<str>>>,
    /// A field of a form body (urlencoded or multipart) in which a token may stand.
    pub form_credential: Option<Box<str>>,
    /// Whether a browser may open it outside a frame (exports open in a new window); else the site's rule holds.
    pub top_level: bool,
    /// Largest request body in bytes.
    pub body_limit: u64,
    /// Whether the response is a page of the embed: `Cache-Control: no-store` is added where the upstream says nothing.
    pub no_store: bool,
}

/// All routes of a site; lookup time does not depend on how many there are.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
}

/// Two routes claim the same requests, or a pattern cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Same shape and overlapping methods.
    #[error("`{pattern}` matches the same requests as `{other}`")]
    Conflict {
        /// The later pattern.
        pattern: Box<str>,
        /// The earlier pattern.
        other: Box<str>,
    },
    /// Not a pattern.
    #[error("`{pattern}` is not a route pattern: {why}")]
    Pattern {
        /// The text.
        pattern: Box<str>,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A route that matched, with what its pattern captured (raw, as in the path).
#[derive(Debug)]
pub struct RouteMatch<'r, 'p> {
    /// The route.
    pub route: &'r Arc<Route>,
    /// Capture names and values, in order of the pattern.
    pub captures: smallvec::SmallVec<[(&'r str, &'p str); 2]>,
}

impl RouteTable {
    /// Builds the table.
    pub fn build(routes: Vec<Route>) -> Result<Self, RouteError> {
        Ok(Self { routes: routes.into_iter().map(Arc::new).collect() })
    }

    /// All routes, in the order given.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The most specific route for a path (literal before `{name}` before `*`), then its methods.
    ///
    /// # Errors
    /// `route_denied` where nothing matches or the route denies; `method_denied` where the path is on the surface with other methods only.
    pub fn find<'r, 'p>(&'r self, _method: &Method, _path: &'p str) -> Result<RouteMatch<'r, 'p>, Refusal> {
        Err(Refusal::RouteDenied)
    }
}
