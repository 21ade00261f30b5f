//! What the upstream is asked: target, header fields and body of the outbound request, worked out without sending anything.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    adapter::{Outbound, metabase::Metabase, superset::Superset},
    config::{AdapterSpec, CookieMode, IdentitySource, SiteEntry},
    gate::{
        param::{Lock, Mode, ParamSpec, Place, Value},
        path::NormalPath,
        policy::{Denial, Permit},
        query::Query,
        refusal::Refusal,
        route::{Access, Action, Route},
        site::Site,
    },
    rewrite::{
        Bindings, body,
        cookie::{self, CookiePolicy},
        decode, header as fields,
        header::Forwarded,
        path,
        query::QueryPlan,
        response::Keep,
    },
};

/// What a site does with requests, worked out once per generation of the configuration.
#[derive(Debug)]
pub struct SitePlan {
    routes: Vec<RoutePlan>,
    identity: Vec<(HeaderName, IdentitySource)>,
    stripped: Vec<HeaderName>,
    cookies: CookiePolicy,
    /// Where locks of any route stand: on the routes without that lock, the client's own must not pass for one.
    bound_headers: Vec<HeaderName>,
    bound_cookies: Vec<Box<str>>,
}

#[derive(Debug)]
struct RoutePlan {
    query: QueryPlan,
    body: BodyUse,
}

/// How a route treats the request body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyUse {
    /// The adapter reads it.
    Inspect,
    /// It has no place for locked values, but may not name a parameter that is not the viewer's either.
    Judge,
    /// Locked values are put into it.
    Rewrite,
    /// It passes as it comes.
    Stream,
}

impl SitePlan {
    /// Of a site.
    pub fn new(entry: &SiteEntry, cookies: CookiePolicy) -> Self {
        let site = &entry.site;
        let plan = |route: &std::sync::Arc<Route>| RoutePlan::new(site, route, &entry.adapter);
        let identity = entry.identity.clone();
        let mut stripped: Vec<HeaderName> = identity.iter().map(|(name, _)| name.clone()).collect();
        stripped.extend(site.places.headers.iter().cloned());
        stripped.extend(identity.iter().filter_map(|(name, _)| dashed(name)));
        let (mut bound_headers, mut bound_cookies) = (Vec::new(), Vec::new());
        let routes = site.surface.routes().iter();
        for lock in routes.flat_map(|route| &route.locks) {
            match &lock.place {
                Place::Cookie(name) => bound_cookies.push(name.clone()),
                Place::Header(name) => {
                    bound_headers.push(name.clone());
                    stripped.extend(dashed(name));
                }
                Place::Form(_) | Place::Json { .. } | Place::Path(_) | Place::Query(_) => {}
            }
        }
        bound_headers.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        bound_headers.dedup();
        bound_cookies.sort();
        bound_cookies.dedup();
        Self {
            bound_headers,
            bound_cookies,
            routes: site.surface.routes().iter().map(plan).collect(),
            identity,
            stripped,
            cookies,
        }
    }

    /// How a route treats the request body.
    pub fn body_use(&self, route: usize) -> BodyUse {
        self.routes
            .get(route)
            .map_or(BodyUse::Inspect, |plan| plan.body)
    }

    /// The path and query below the upstream's prefix: the route's locks in place, the viewer's parameters judged, tokens gone.
    ///
    /// # Errors
    /// `param_locked`, `param_disabled`, `param_invalid`, `param_missing`.
    pub fn target(
        &self,
        permit: &Permit,
        path: &NormalPath<'_>,
        query: &Query<'_>,
    ) -> Result<String, Denial> {
        let bindings = bindings(permit);
        let plan = self
            .routes
            .get(permit.route_index())
            .ok_or(Refusal::RouteDenied)?;
        let path = path::apply(&permit.route().pattern, path.as_str(), bindings)?;
        let query = plan
            .query
            .rebuild(query, bindings.params, bindings.values)?;
        let mut target = String::with_capacity(path.len() + query.len() + 1);
        target.push_str(&path);
        if !query.is_empty() {
            target.push('?');
            target.push_str(&query);
        }
        Ok(target)
    }

    /// The upstream's header fields: what the client must not send is gone, what embedgate says is set.
    ///
    /// # Errors
    /// `param_missing`, `param_invalid`, `param_disabled`.
    pub fn headers(
        &self,
        permit: &Permit,
        headers: &mut HeaderMap,
        forwarded: &Forwarded<'_>,
    ) -> Result<(), Denial> {
        fields::strip_client(headers, &self.stripped);
        cookie::filter(headers, &self.cookies);
        self.unbind(&permit.route().locks, headers);
        fields::set_forwarded(headers, forwarded);
        fields::bind(headers, bindings(permit))?;
        headers.remove(header::HOST);
        for (name, source) in &self.identity {
            if let Some(value) = identity(permit, *source)? {
                headers.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    /// Takes away what stands where another route of the site has a lock.
    fn unbind(&self, locks: &[Lock], headers: &mut HeaderMap) {
        for name in &self.bound_headers {
            if !locks
                .iter()
                .any(|lock| matches!(&lock.place, Place::Header(own) if own == name))
            {
                headers.remove(name);
            }
        }
        for name in &self.bound_cookies {
            if !locks
                .iter()
                .any(|lock| matches!(&lock.place, Place::Cookie(own) if own == name))
            {
                cookie::without(headers, name);
            }
        }
    }

    /// A body with the route's locks in it, and the header fields that go with it.
    ///
    /// # Errors
    /// `body_unsupported`, `body_too_large`, and what a parameter may be refused for.
    pub fn rewrite(
        &self,
        permit: &Permit,
        headers: &mut HeaderMap,
        body: Bytes,
    ) -> Result<Bytes, Denial> {
        let media = body::media(headers)?;
        let plain = decode::inflate(headers, body, permit.route().body_limit)?;
        let drop: &[Box<str>] = permit.route().form_credential.as_slice();
        let body = body::apply(&media, &plain, bindings(permit), drop)?;
        body::rewritten(headers, body.len());
        Ok(body.into())
    }
}

impl RoutePlan {
    fn new(site: &Site, route: &Route, adapter: &AdapterSpec) -> Self {
        let (params, locks) = match route.access {
            Access::Viewer => (&*site.params, &*route.locks),
            Access::Deny | Access::Public => (&[][..], &[][..]),
        };
        let generic = matches!(adapter, AdapterSpec::Generic);
        let inspected = match adapter {
            AdapterSpec::Generic => false,
            AdapterSpec::Metabase(_) => Metabase::needs_body(route),
            AdapterSpec::Superset(_) => Superset::needs_body(route),
        };
        let body = match (inspected, route.action) {
            (true, _) | (_, Action::Local(_)) => BodyUse::Inspect,
            (false, _) if body::is_bound(locks) => BodyUse::Rewrite,
            (false, Action::Proxy) if forbids(params) && !route.unread_body && generic => {
                BodyUse::Judge
            }
            (false, Action::NoContent | Action::Proxy) => BodyUse::Stream,
        };
        Self {
            query: QueryPlan::new(params, locks, &site.dropped, route.query_allow.as_deref()),
            body,
        }
    }
}

/// Whether there is anything that a viewer may not send.
fn forbids(params: &[ParamSpec]) -> bool {
    params.iter().any(|spec| spec.mode != Mode::Enabled)
}

/// The other spelling of a name with `_`: CGI and WSGI read both as one. (Names with `_` never pass at all.)
fn dashed(name: &HeaderName) -> Option<HeaderName> {
    let plain = name.as_str().replace('_', "-");
    (plain != name.as_str())
        .then(|| HeaderName::from_bytes(plain.as_bytes()).ok())
        .flatten()
}

/// How far a response may be kept.
pub(super) fn keep(permit: &Permit, outbound: &Outbound) -> Keep {
    match (permit.viewer(), permit.route().no_store) {
        (Some(_), _) if outbound.no_store => Keep::Nobody,
        (Some(_), _) => Keep::Viewer,
        (None, true) => Keep::NotUnlessSaid,
        (None, false) => Keep::AsSaid,
    }
}

/// The cookie policy of a site.
pub fn cookie_policy(entry: &SiteEntry, secure: bool) -> CookiePolicy {
    match entry.cookies {
        CookieMode::Frame => CookiePolicy::Frame { only: None, secure },
        CookieMode::Strip if entry.kept_cookies.is_empty() => CookiePolicy::Strip,
        CookieMode::Strip => CookiePolicy::Frame {
            only: Some(entry.kept_cookies.clone()),
            secure,
        },
    }
}

/// The parameters of a permit; none on public routes.
fn bindings(permit: &Permit) -> Bindings<'_> {
    match permit.viewer() {
        None => Bindings::NONE,
        Some(_) => Bindings {
            params: &permit.site().params,
            values: permit.values(),
            locks: &permit.route().locks,
        },
    }
}

fn identity(permit: &Permit, source: IdentitySource) -> Result<Option<HeaderValue>, Denial> {
    let Some(viewer) = permit.viewer() else {
        return Ok(None);
    };
    let claims = viewer.signed.claims();
    match source {
        IdentitySource::Param(index) => match permit.values().get(index) {
            Some(Some(value)) => listed(value).map(Some),
            Some(None) | None => Ok(None),
        },
        IdentitySource::Scope => field(claims.scope.as_str()).map(Some),
        IdentitySource::Tenant => claims.tenant.as_deref().map(field).transpose(),
        IdentitySource::Viewer => field(&claims.viewer).map(Some),
    }
}

/// A list with commas between; a value that holds one could pass for two.
fn listed(value: &Value) -> Result<HeaderValue, Denial> {
    let all: Vec<&str> = value.scalars().iter().map(|one| &*one.text).collect();
    if all.len() > 1 && all.iter().any(|text| text.contains(',')) {
        return Err(Refusal::ParamInvalid.into());
    }
    field(&all.join(","))
}

/// Text as a field value, exactly; a blank at an end would be lost on the way.
fn field(text: &str) -> Result<HeaderValue, Denial> {
    let value = HeaderValue::from_bytes(text.as_bytes()).ok();
    let exact = value.filter(|_| text.trim() == text);
    exact.ok_or_else(|| {
        Denial::because(
            Refusal::ParamInvalid,
            "a value that no header field can hold",
        )
    })
}
