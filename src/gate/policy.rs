//! The decision: credential, times, origin, resource, scope, parameters. What it permits is a [`Permit`].

mod denial;
mod hint;
mod recognise;
mod sessions;

use std::sync::Arc;

use http::Method;
use smallvec::SmallVec;

pub use denial::Denial;
pub use hint::{HINT, Hint, hint};
pub use recognise::{Checks, Via, Viewer, recognise};

use super::{
    origin::Embedding,
    param::{Granted, Mode, Value},
    refusal::Refusal,
    request::{RequestView, UnixTime},
    route::{Access, Route, RouteMatch},
    session::Carrier,
    single_use::{Burn, Burning},
    site::Site,
    token::Claims,
    websocket,
};

/// The proof that every check before the limits was passed.
///
/// Private fields, not `Clone`, not `Default`: [`decide`] alone makes it, so a request that skipped a check cannot go upstream.
///
/// ```compile_fail,E0451
/// # use embedgate::gate::policy::Permit;
/// # fn forge(parts: Permit) -> Permit {
/// Permit { viewer: None, ..parts }
/// # }
/// ```
#[derive(Debug)]
pub struct Permit {
    site: Arc<Site>,
    route: Arc<Route>,
    route_index: usize,
    viewer: Option<Viewer>,
    values: Vec<Option<Value>>,
    all: SmallVec<[usize; 2]>,
    embedding: Embedding,
    websocket: bool,
}

impl Permit {
    /// The site.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// The route.
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The route's position in the site's surface.
    pub fn route_index(&self) -> usize {
        self.route_index
    }

    /// Whether the request asks for a WebSocket, and the route may become one.
    pub fn opens_websocket(&self) -> bool {
        self.websocket
    }

    /// The viewer; `None` on public routes.
    pub fn viewer(&self) -> Option<&Viewer> {
        self.viewer.as_ref()
    }

    /// The typed values that the token brings, by the index of the site's parameters: all locked ones, and presets of enabled ones.
    pub fn values(&self) -> &[Option<Value>] {
        &self.values
    }

    /// The values, and the locked parameters for which the token says "all values": those have no value, so who knows nothing of `all` refuses.
    pub fn granted(&self) -> Granted<'_> {
        Granted {
            values: &self.values,
            all: &self.all,
        }
    }

    /// The token that must be burnt, and the answer given to [`settle`], before [`admit`](super::limit::Limits::admit) lets the request go on.
    pub fn burning(&self) -> Option<Burning<'_>> {
        let viewer = self.viewer.as_ref().filter(|viewer| viewer.aside.burn)?;
        let claims = viewer.signed.claims();
        Some(Burning {
            issuer: &viewer.signed.issuer().name,
            // Both were seen to be there; without them, nothing is older and nothing has another name.
            token_id: claims.token_id.as_deref().unwrap_or_default(),
            issued: claims.issued_at.unwrap_or(UnixTime(i64::MIN)),
            until: viewer.signed.ends(),
        })
    }

    /// Whether the request goes on by a session if the token turns out to have been used.
    pub fn has_stand_in(&self) -> bool {
        let viewer = self.viewer.as_ref();
        viewer.is_some_and(|viewer| viewer.aside.stand_in.is_some())
    }

    /// Framing and CORS of the response.
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }
}

/// Decides on a request whose viewer is known: origin and frame, resource, scope, parameters of the token.
/// (Parameters that the viewer sends are judged where they are rewritten, in one pass.)
///
/// # Errors
/// `origin_denied`, `top_level_denied`, `csrf_denied`, `resource_denied`, `scope_denied`, `param_missing`, `param_invalid`, `param_disabled`.
pub fn decide(
    site: &Arc<Site>,
    matched: &RouteMatch<'_, '_>,
    viewer: Option<Viewer>,
    req: &RequestView<'_>,
) -> Result<Permit, Denial> {
    let route = matched.route;
    let claims = match (&viewer, route.access) {
        (Some(viewer), Access::Viewer) => Some(viewer.signed.claims()),
        (None, Access::Public) => None,
        (None, Access::Viewer) => return Err(Refusal::TokenMissing.into()),
        (_, Access::Deny) | (Some(_), Access::Public) => return Err(Refusal::RouteDenied.into()),
    };
    let tenant = claims.and_then(|claims| claims.tenant.as_deref());
    let narrowed = claims.and_then(|claims| claims.origin.as_ref());
    let top_level = route.top_level || site.frame.top_level;
    let mut embedding = site
        .frame
        .judge(req, claims.is_some(), tenant, narrowed, top_level)?;
    embedding.credentials = route.from_ancestors;
    if let Some(viewer) = &viewer {
        if site.sharing.origin {
            let ancestors = route.from_ancestors;
            site.frame.judge_shown(req, tenant, narrowed, ancestors)?;
        }
        embedding.tells_address = viewer.hint() == Some(Hint::Address)
            && route.path_credential.is_none()
            && !viewer.token_in_query();
        from_own_page(site, route, viewer, req, &embedding)?;
    }
    let websocket = route.websocket && websocket::is_asked(req.headers);
    let (mut values, mut all) = (Vec::new(), SmallVec::new());
    if let Some(claims) = claims {
        granted(route, matched, claims)?;
        (values, all) = typed(site, claims)?;
    }
    Ok(Permit {
        site: Arc::clone(site),
        route: Arc::clone(route),
        route_index: matched.index,
        viewer,
        values,
        all,
        embedding,
        websocket,
    })
}

/// Takes the answer to [`Permit::burning`]: the request goes on by its token, which now is burnt, or by the session that an earlier page load opened.
///
/// # Errors
/// `token_replayed`; `overloaded` where nobody could remember the token; `csrf_denied`.
pub fn settle(mut permit: Permit, burn: Burn, req: &RequestView<'_>) -> Result<Permit, Denial> {
    let Some(viewer) = permit.viewer.as_mut().filter(|viewer| viewer.aside.burn) else {
        return Ok(permit);
    };
    let stand_in = viewer.aside.stand_in.take();
    match (burn, stand_in) {
        (Burn::First, _) => viewer.aside.burn = false,
        (Burn::Again, Some(session)) => {
            from_own_page(
                &permit.site,
                &permit.route,
                &session,
                req,
                &permit.embedding,
            )?;
            permit.viewer = Some(*session);
        }
        (Burn::Again, None) => return Err(Refusal::TokenReplayed.into()),
        (Burn::Full, _) => {
            return Err(Denial::because(
                Refusal::Overloaded,
                "no room to remember that the token was used",
            ));
        }
    }
    Ok(permit)
}

/// A session travels by itself with every request, so what changes state must come from the site's own pages; where the route says so, from a frame
/// ancestor's (whose `Origin` was judged just before). A WebSocket's handshake counts as that: it is a GET, and a page of anybody may send it and read on.
fn from_own_page(
    site: &Site,
    route: &Route,
    viewer: &Viewer,
    req: &RequestView<'_>,
    embedding: &Embedding,
) -> Result<(), Denial> {
    let safe = matches!(*req.method, Method::GET | Method::HEAD | Method::OPTIONS);
    match viewer.via {
        // Our script sends it to its own origin alone.
        Via::Session { .. } if site.carrier == Carrier::Script && embedding.cors.is_some() => {
            Err(Refusal::OriginDenied.into())
        }
        Via::Session { .. } if route.websocket && websocket::is_asked(req.headers) => {
            Ok(site.frame.judge_handshake(req)?)
        }
        Via::Session { .. } if route.from_ancestors && embedding.cors.is_some() => Ok(()),
        Via::Session { .. } if !safe => Ok(site.frame.judge_write(req)?),
        Via::Session { .. } | Via::Token { .. } => Ok(()),
    }
}

/// Resource and scope.
fn granted(route: &Route, matched: &RouteMatch<'_, '_>, claims: &Claims) -> Result<(), Denial> {
    if let Some(rule) = &route.resource {
        let id = rule.id(&matched.captures)?;
        let found = claims
            .resources
            .iter()
            .any(|have| have.kind == rule.kind && *have.id == *id);
        if !found {
            return Err(Refusal::ResourceDenied.into());
        }
    }
    if claims.scope.contains(&route.scope) {
        return Ok(());
    }
    Err(Refusal::ScopeDenied.into())
}

/// Types the token's parameters by the site's declarations. A parameter that the site does not declare is refused:
/// the issuer meant a filter that would never be applied.
fn typed(site: &Site, claims: &Claims) -> Result<Typed, Denial> {
    let mut known = 0;
    let mut values = Vec::with_capacity(site.params.len());
    let mut all = SmallVec::new();
    for (index, spec) in site.params.iter().enumerate() {
        let json = claims.params.get(&*spec.name);
        known += usize::from(json.is_some());
        values.push(match (spec.mode, json) {
            (Mode::Disabled, Some(_)) => {
                return Err(Denial::because(
                    Refusal::ParamDisabled,
                    String::from(&*spec.name),
                ));
            }
            (Mode::Locked, None) => {
                return Err(Denial::because(
                    Refusal::ParamMissing,
                    String::from(&*spec.name),
                ));
            }
            (Mode::Disabled | Mode::Enabled, None) => None,
            (Mode::Locked, Some(json)) if spec.says_all(json, &claims.scope) => {
                all.push(index);
                None
            }
            (Mode::Enabled | Mode::Locked, Some(json)) => {
                let value = spec.value(json);
                Some(value.map_err(|why| Denial::because(why, String::from(&*spec.name)))?)
            }
        });
    }
    if known < claims.params.len() {
        let stranger = claims
            .params
            .keys()
            .find(|name| site.params.iter().all(|spec| *spec.name != **name));
        let name = stranger.cloned().unwrap_or_default();
        return Err(Denial::because(
            Refusal::ParamInvalid,
            format!("the site declares no parameter `{name}`"),
        ));
    }
    Ok((values, all))
}

/// Values, and the indexes of those that are "all".
type Typed = (Vec<Option<Value>>, SmallVec<[usize; 2]>);
