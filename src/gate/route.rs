//! The surface of a site: which routes exist, and what each asks for. Everything else is 404.

use std::{borrow::Cow, sync::Arc};

use http::Method;
use smallvec::SmallVec;

use super::{
    param::{Lock, Place},
    refusal::Refusal,
    resource::{IdRule, ResourceRule},
};

mod tree;

use tree::{Node, Pattern};

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
    /// The pattern: `/reports/{id}`, `/static/*`. Segments are literal (in any spelling of [`NormalPath`](super::path::NormalPath)), `{name}` (one
    /// segment, not empty) or a final `*` (any rest, also none: `/static/*` covers `/static/` and `/static/a/b`, not `/static`).
    pub pattern: Box<str>,
    /// Allowed methods; `HEAD` comes with `GET`. Empty means `GET` and `HEAD`, and every method where the route denies.
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
    /// A capture in which a token stands.
    pub path_credential: Option<PathCredential>,
    /// Whether a request with a token earns a session although it loads no page.
    pub earns_session: bool,
    /// Whether the pages of frame ancestors may use it under a session, by any method, and with the viewer's cookies (CORS with credentials).
    pub from_ancestors: bool,
    /// Whether bodies pass unread although the site has parameters that a viewer may not send (uploads). Else each is read and judged.
    pub unread_body: bool,
    /// Whether it may become a WebSocket, which carries what the viewer sends unread. For routes of viewers.
    pub websocket: bool,
    /// Whether a browser may open it outside a frame (exports open in a new window); else the site's rule holds.
    pub top_level: bool,
    /// Largest request body in bytes.
    pub body_limit: u64,
    /// Whether the response is a page of the embed: `Cache-Control: no-store` is added where the upstream says nothing.
    pub no_store: bool,
}

/// Where in the path a viewer token stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathCredential {
    /// The name of the capture, one segment.
    pub capture: Box<str>,
    /// What may follow the token in that segment (`.csv`).
    pub suffixes: &'static [&'static str],
}

/// All routes of a site; lookup time does not depend on how many there are.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    patterns: Vec<Pattern>,
    root: Node,
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
    /// Its position in [`RouteTable::routes`].
    pub index: usize,
    /// Capture names and values, in order of the pattern; [`decode`](super::path::decode) reads a value.
    pub captures: SmallVec<[(&'r str, &'p str); 2]>,
}

impl<'p> RouteMatch<'_, 'p> {
    /// What a capture holds, raw.
    pub fn capture(&self, name: &str) -> Option<&'p str> {
        self.captures
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| *value)
    }

    /// The token in the path, where the route has a place for one. Whatever stands there is meant to be one.
    pub fn path_token(&self) -> Option<&'p str> {
        let place = self.route.path_credential.as_ref()?;
        let text = self.capture(&place.capture)?;
        let mut suffixes = place.suffixes.iter();
        Some(
            suffixes
                .find_map(|suffix| text.strip_suffix(suffix))
                .unwrap_or(text),
        )
    }
}

impl RouteTable {
    /// Builds the table.
    ///
    /// # Errors
    /// A pattern that cannot be read, that lacks a capture which its resource or a lock names, or that matches the same requests as another one:
    /// two that differ only in the names of captures, with a method in common.
    pub fn build(routes: Vec<Route>) -> Result<Self, RouteError> {
        let mut table = Self {
            routes: Vec::with_capacity(routes.len()),
            patterns: Vec::with_capacity(routes.len()),
            root: Node::default(),
        };
        for route in routes {
            table.insert(route)?;
        }
        Ok(table)
    }

    /// All routes, in the order given.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The most specific route for a canonical path (literal before `{name}` before `*`, from the left), then its methods: a more specific path with
    /// other methods is not passed over for a less specific one.
    ///
    /// Most servers take `/a` and `/a/` for one. So a path that comes under a `*` only by its final slash, or for want of one, is denied where a more
    /// specific route asks for more: `/admin` under `/*` beside a denied `/admin/*`, `/reports/7/` under `/*` beside `/reports/{id}` with its resource.
    ///
    /// # Errors
    /// `route_denied` where nothing matches or the route denies; `method_denied` where the path is on the surface with other methods only.
    pub fn find<'r, 'p>(
        &'r self,
        method: &Method,
        path: &'p str,
    ) -> Result<RouteMatch<'r, 'p>, Refusal> {
        let mut values = SmallVec::new();
        let leaf = self
            .root
            .find(path, &mut values)
            .ok_or(Refusal::RouteDenied)?;
        let serving = self.at(leaf).find(|(_, route, _)| route.serves(method));
        let Some((index, route, pattern)) = serving else {
            return Err(self.refusal_at(leaf));
        };
        if route.access == Access::Deny || self.slips_by(method, path, route) {
            return Err(Refusal::RouteDenied);
        }
        Ok(RouteMatch {
            route,
            index,
            captures: pattern.captures().zip(values).collect(),
        })
    }

    /// Whether a path is on the surface with any method (for CORS preflight, which asks before the method is used).
    pub fn path_known(&self, path: &str) -> bool {
        self.served(path).next().is_some()
    }

    /// The methods of a path, ready for `Allow` (RFC 9110 section 10.2.1); empty where the path is not on the surface.
    pub fn allowed_methods(&self, path: &str) -> String {
        let mut names: Vec<&str> = vec![];
        for route in self.served(path) {
            names.extend(route.claims().map(Method::as_str));
        }
        names.sort_unstable();
        names.join(", ")
    }

    fn insert(&mut self, route: Route) -> Result<(), RouteError> {
        let pattern = Pattern::parse(&route.pattern).and_then(|pattern| {
            route.check(&pattern)?;
            Ok(pattern)
        });
        let pattern = pattern.map_err(|why| RouteError::Pattern {
            pattern: route.pattern.clone(),
            why,
        })?;
        let leaf = self.root.leaf(&pattern);
        for other in leaf.iter().filter_map(|index| self.routes.get(*index)) {
            if route.overlaps(other) {
                return Err(RouteError::Conflict {
                    pattern: route.pattern,
                    other: other.pattern.clone(),
                });
            }
        }
        leaf.push(self.routes.len());
        self.routes.push(Arc::new(route));
        self.patterns.push(pattern);
        Ok(())
    }

    /// The routes that share a pattern's shape.
    fn at(&self, leaf: &[usize]) -> impl Iterator<Item = (usize, &Arc<Route>, &Pattern)> {
        leaf.iter().filter_map(|index| {
            let (route, pattern) = (self.routes.get(*index)?, self.patterns.get(*index)?);
            Some((*index, route, pattern))
        })
    }

    /// Whether a path is another route's but for its final slash, and that route is more specific and asks for more.
    fn slips_by(&self, method: &Method, path: &str, route: &Route) -> bool {
        if !route.pattern.ends_with('*') {
            return false;
        }
        let other = match path.strip_suffix('/') {
            Some("") => return false,
            Some(bare) => Cow::Borrowed(bare),
            None => Cow::Owned(format!("{path}/")),
        };
        let leaf = self.root.find(&other, &mut SmallVec::new()).unwrap_or(&[]);
        let serving = self.at(leaf).find(|(_, other, _)| other.serves(method));
        serving.is_some_and(|(_, other, _)| {
            other.rank() > route.rank() && other.asks_for_more_than(route)
        })
    }

    fn served(&self, path: &str) -> impl Iterator<Item = &Route> {
        let leaf = self.root.find(path, &mut SmallVec::new()).unwrap_or(&[]);
        let routes = self.at(leaf).map(|(_, route, _)| &**route);
        routes.filter(|route| route.access != Access::Deny)
    }

    /// Why none of the routes at a leaf serves a method. Where all of them deny, there is nothing to be known about the path.
    fn refusal_at(&self, leaf: &[usize]) -> Refusal {
        let mut routes = self.at(leaf);
        if routes.all(|(_, route, _)| route.access == Access::Deny) {
            return Refusal::RouteDenied;
        }
        Refusal::MethodDenied
    }
}

impl Route {
    /// The path with one capture replaced by a text, which is escaped as needed (a locked value in the path).
    ///
    /// `None` where the pattern has no such capture, the path does not have the pattern's shape, or no segment can hold the text.
    pub fn replace_capture(&self, path: &str, name: &str, text: &str) -> Option<String> {
        let pattern = Pattern::parse(&self.pattern).ok()?;
        pattern.replace(path, name, &super::path::segment(text)?)
    }

    /// Whether a request with this method is this route's.
    fn serves(&self, method: &Method) -> bool {
        self.claims_all() || self.claims().any(|claimed| claimed == method)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.claims_all() || other.claims_all() || self.claims().any(|method| other.serves(method))
    }

    /// Denying without naming methods denies them all.
    fn claims_all(&self) -> bool {
        self.access == Access::Deny && self.methods.is_empty()
    }

    fn claims(&self) -> impl Iterator<Item = &Method> {
        let named: &[Method] = if self.methods.is_empty() {
            &[Method::GET]
        } else {
            &self.methods
        };
        let implied = named.contains(&Method::GET) && !named.contains(&Method::HEAD);
        named.iter().chain(implied.then_some(&Method::HEAD))
    }

    /// How specific the pattern is, as far as a final slash goes: its depth, and whether it ends there.
    fn rank(&self) -> (usize, bool) {
        let fixed = self.pattern.trim_end_matches('*').trim_end_matches('/');
        (fixed.matches('/').count(), !self.pattern.ends_with('*'))
    }

    fn asks_for_more_than(&self, other: &Self) -> bool {
        let locks = |route: &Self| {
            let locks = route.locks.iter();
            locks
                .map(|lock| (lock.param, lock.place.clone()))
                .collect::<Vec<_>>()
        };
        match (self.access, other.access) {
            (Access::Deny, _) | (Access::Viewer, Access::Public) => true,
            (Access::Viewer, Access::Deny | Access::Viewer) => {
                self.resource.is_some() && self.resource != other.resource
                    || self.scope != other.scope
                    || locks(self) != locks(other)
            }
            (Access::Public, _) => false,
        }
    }

    /// Whether both ask the same of a viewer, and the same of the upstream for one.
    pub fn asks_as(&self, other: &Self) -> bool {
        self.pattern == other.pattern
            && (self.access, self.action, self.websocket)
                == (other.access, other.action, other.websocket)
            && !self.asks_for_more_than(other)
            && !other.asks_for_more_than(self)
    }

    fn check(&self, pattern: &Pattern) -> Result<(), &'static str> {
        let has = |name: &str| pattern.captures().any(|capture| capture == name);
        let resource = self.resource.as_ref().map(|rule| &rule.id);
        if matches!(resource, Some(IdRule::Capture(name)) if !has(name)) {
            return Err("its resource names a capture that is not in the path");
        }
        let token = self.path_credential.as_ref();
        if token.is_some_and(|place| !has(&place.capture)) {
            return Err("the place of its token names a capture that is not in the path");
        }
        let mut places = self.locks.iter().map(|lock| &lock.place);
        if places.any(|place| matches!(place, Place::Path(name) if !has(name))) {
            return Err("a lock names a capture that is not in the path");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
