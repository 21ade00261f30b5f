//! The decision: credential, times, origin, resource, scope, parameters. What it permits is a [`Permit`].

mod hint;
mod sessions;

use std::{borrow::Cow, sync::Arc};

use http::Method;
use smallvec::SmallVec;

pub use hint::{HINT, Hint, hint};

use self::sessions::Sessions;
use super::{
    credential::{self, Beside, Credential, Found},
    origin::Embedding,
    param::{Granted, Mode, Value},
    refusal::Refusal,
    request::{RequestView, UnixTime},
    revocation::Revocations,
    route::{Access, Route, RouteMatch},
    session::{Jar, Sealer},
    single_use::{Burn, Burning},
    site::Site,
    token::{self, Claims, Signed, Unproven, VerificationCache},
};

/// A request turned away: the public code, and a detail for the audit trail alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial {
    /// What the client learns.
    pub refusal: Refusal,
    /// What the auditor learns too (a parameter's name, a claim's); never a value, never token text.
    pub detail: Option<Cow<'static, str>>,
    /// What the client learns beyond the refusal's own sentence: which of the filters that it sent, and why. Nothing that it did not know before.
    pub told: Option<Box<str>>,
    /// Issuers whose keys are fetched and do not have the key that the token names: with fresher keys the verdict may be another.
    pub unknown_kid: Vec<Arc<str>>,
}

impl Denial {
    /// A refusal with a detail for the auditor.
    pub fn because(refusal: Refusal, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            refusal,
            detail: Some(detail.into()),
            told: None,
            unknown_kid: Vec::new(),
        }
    }

    /// The same, with a sentence for the person in front of the screen.
    #[must_use]
    pub fn telling(mut self, sentence: impl Into<Box<str>>) -> Self {
        self.told = Some(sentence.into());
        self
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            detail: None,
            told: None,
            unknown_kid: Vec::new(),
        }
    }
}

impl From<Unproven> for Denial {
    fn from(unproven: Unproven) -> Self {
        let Unproven { unknown_kid } = unproven;
        let detail = unknown_kid.first().map(|issuer| {
            format!("the keys of issuer `{issuer}` have none of the token's `kid`").into()
        });
        Self {
            detail,
            unknown_kid,
            ..Refusal::TokenInvalid.into()
        }
    }
}

/// Who the viewer is and how we know.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The grant.
    pub signed: Arc<Signed>,
    /// By which credential.
    pub via: Via,
    aside: Aside,
}

/// What else is known of how a viewer was recognised.
#[derive(Clone, Debug, Default)]
struct Aside {
    /// The token is to be burnt before the request may go on.
    burn: bool,
    /// The session by which the request goes on where the token was burnt before.
    stand_in: Option<Box<Viewer>>,
    /// What picked the session.
    hint: Option<Hint>,
    /// A token stands in the query, although the request goes on by a session.
    in_query: bool,
}

impl Viewer {
    /// A viewer by a credential.
    pub fn new(signed: Arc<Signed>, via: Via) -> Self {
        Self {
            signed,
            via,
            aside: Aside::default(),
        }
    }

    /// Whether a token stands in the query.
    pub fn token_in_query(&self) -> bool {
        self.aside.in_query || matches!(self.via, Via::Token { in_query: true })
    }

    /// What picked the session, where an address named it.
    pub fn hint(&self) -> Option<Hint> {
        self.aside.hint
    }
}

/// What a credential is checked with.
pub struct Checks<'a, C> {
    /// Remembered verifications.
    pub cache: &'a C,
    /// What was granted and is denied all the same.
    pub revocations: &'a Revocations,
    /// What opens sessions; `None`: there are none.
    pub sealer: Option<&'a Sealer>,
}

/// By which credential a viewer was recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Via {
    /// A sealed session cookie; whether it should be sealed afresh.
    Session {
        /// When the session ends.
        ends: UnixTime,
        /// Whether the idle timer wants a fresh cookie.
        renew: bool,
    },
    /// A viewer token; whether it stood in the query.
    Token {
        /// It stood in the query.
        in_query: bool,
    },
}

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

    /// The token that must be burnt, and the answer given to [`settle`], before [`charge`](super::limit::Limits::charge) lets the request go on.
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

    /// Framing and CORS of the response.
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }
}

/// Recognises the viewer of a request: credential, signature, times, revocation. On public routes nobody is looked for.
///
/// Only signatures and seals are remembered: times and revocations are looked at on every request.
///
/// A token in the path is part of a page's address and outlives itself there: once it is past its `exp`, a live session that grants exactly the same
/// stands in for it. (A session that grants anything else does not: the request follows its token.)
///
/// Where a site's tokens hold only with the session that they opened ([`Sharing`](super::sharing::Sharing)), a request with a token goes on by that session; a page
/// load may open one, with single use after the token was burnt.
///
/// # Errors
/// The refusals of [`credential::extract`], [`token::signed`], [`token::current`], [`Sealer::open`] and [`Sealer::open_ticket`]; `token_revoked`;
/// `token_missing` where the route needs a viewer.
pub fn recognise<'a>(
    site: &Site,
    route: &Route,
    req: &RequestView<'a>,
    beside: Beside<'a>,
    checks: &Checks<'_, impl VerificationCache>,
) -> Result<Option<Viewer>, Denial> {
    match route.access {
        Access::Deny => return Err(Refusal::RouteDenied.into()),
        Access::Public => return Ok(None),
        Access::Viewer => {}
    }
    let Checks {
        cache,
        revocations,
        sealer,
    } = *checks;
    let sealer = sealer.filter(|_| site.sessions);
    let sessions = sealer.map(|sealer| Sessions {
        site,
        sealer,
        req,
        cache,
        revocations,
    });
    let found = match credential::extract(&site.places, req, beside)? {
        None => return Err(Refusal::TokenMissing.into()),
        Some(Credential::Sessions(jar)) => {
            let sessions = sessions.ok_or(Refusal::TokenMissing)?;
            return sessions.choose(&jar, beside.about).map(Some);
        }
        Some(Credential::Token(found)) => found,
    };
    match (by_token(site, &found, req.now, sealer, cache), sessions) {
        (Err(Unrecognised::Expired(expired)), Some(sessions)) if found.in_path => {
            in_force(&expired, revocations, req.now)?;
            let jar = Jar::read(req.headers)?;
            let stands_in = sessions.granting_as(&jar, &expired);
            stands_in.map(Some).map_err(|denial| match denial.refusal {
                Refusal::TokenRevoked => denial,
                _ => Refusal::TokenExpired.into(),
            })
        }
        (Err(why), _) => Err(why.into()),
        (Ok(viewer), sessions) => {
            in_force(&viewer.signed, revocations, req.now)?;
            match sessions {
                _ if !site.sharing.wants_session() => Ok(Some(viewer)),
                Some(sessions) => sessions.beside(viewer, beside.opens).map(Some),
                None => Err(Denial::because(
                    Refusal::SessionInvalid,
                    "tokens of this site need sessions, and there are none",
                )),
            }
        }
    }
}

/// Nothing revokes this grant. The auditor learns what does.
fn in_force(signed: &Signed, revocations: &Revocations, now: UnixTime) -> Result<(), Denial> {
    match revocations.find(signed, now) {
        None => Ok(()),
        Some(id) => Err(Denial::because(
            Refusal::TokenRevoked,
            format!("revocation {id}"),
        )),
    }
}

/// Why a token does not tell who the viewer is.
enum Unrecognised {
    /// It is past its end, and said this.
    Expired(Arc<Signed>),
    /// It is refused.
    Refused(Refusal),
    /// It proves nothing.
    Unproven(Unproven),
}

impl From<Unrecognised> for Denial {
    fn from(why: Unrecognised) -> Self {
        match why {
            Unrecognised::Expired(_) => Refusal::TokenExpired.into(),
            Unrecognised::Refused(refusal) => refusal.into(),
            Unrecognised::Unproven(unproven) => unproven.into(),
        }
    }
}

/// By a viewer token, or a ticket.
fn by_token(
    site: &Site,
    found: &Found<'_>,
    now: UnixTime,
    sealer: Option<&Sealer>,
    cache: &impl VerificationCache,
) -> Result<Viewer, Unrecognised> {
    let via = Via::Token {
        in_query: found.in_query,
    };
    if Sealer::is_ticket(found.token.expose()) {
        let sealer = sealer.ok_or(Unrecognised::Refused(Refusal::TokenInvalid))?;
        let opened =
            sealer.open_ticket(found.token.expose(), &site.name, &site.issuers, now, cache);
        let signed = opened.map_err(Unrecognised::Refused)?.signed;
        return Ok(Viewer::new(signed, via));
    }
    let signed = token::prove(found.token, &site.issuers, cache).map_err(Unrecognised::Unproven)?;
    match token::current(&signed, now) {
        Err(Refusal::TokenExpired) => Err(Unrecognised::Expired(signed)),
        Err(why) => Err(Unrecognised::Refused(why)),
        Ok(()) => Ok(Viewer::new(signed, via)),
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
/// ancestor's (whose `Origin` was judged just before).
fn from_own_page(
    site: &Site,
    route: &Route,
    viewer: &Viewer,
    req: &RequestView<'_>,
    embedding: &Embedding,
) -> Result<(), Denial> {
    let safe = matches!(*req.method, Method::GET | Method::HEAD | Method::OPTIONS);
    match viewer.via {
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
