//! Apache Superset, and CalabiIQ, which is Superset under another name and a path prefix.
//!
//! The viewer's token travels where Superset's guest token does (`X-GuestToken`, the form field `guest_token`), and ends here. Upstream gets a guest token
//! minted for this one request: short-lived, for one dashboard, with the site's row-level rules filled from the viewer's locked parameters. So a viewer never
//! holds anything that Superset would accept.

mod body;
pub mod coverage;
mod dropin;
mod guest;
mod json;
pub mod rules;
pub mod spec;
pub mod surface;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};

pub use body::{Pinned, form_field};
pub use coverage::Coverage;
pub use dropin::LocalReply;
pub use spec::{Backend, DashboardId, Signer, SupersetSpec};
pub use surface::{places, surface};

use body::{Fence, Media};
use dropin::Desk;
use guest::{Mint, RlsRule};
use surface::{GUEST_TOKEN, Kind};

use super::{Answer, Ask as Asked, Outbound, Plan, Sending, exchange::Known};
use crate::gate::{
    param::{ParamSpec, Value},
    policy::{Denial, Permit},
    refusal::Refusal,
    request::{RequestView, UnixTime},
    resource::Scopes,
    route::{Access, Action, Route},
    session::Sealer,
    token::{Claims, Issuer},
};

/// One Superset site.
pub struct Superset {
    spec: SupersetSpec,
    mint: Mint,
}

/// What a request becomes on its way to Superset.
#[derive(Debug)]
pub struct SupersetPlan {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Vec<u8>>,
    export: bool,
}

/// What never passes: Superset puts a session before a guest token, and a guest token before a bearer; and it is no business of the embedding page's.
pub static REMOVED: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::ORIGIN,
    GUEST_TOKEN,
    HeaderName::from_static("x-csrftoken"),
];

impl SupersetPlan {
    /// Whether the viewer takes a file away: the audit trail says so.
    pub fn exports(&self) -> bool {
        self.export
    }
}

impl From<SupersetPlan> for Outbound {
    fn from(plan: SupersetPlan) -> Self {
        Self {
            remove: &REMOVED,
            set: plan.headers,
            body: plan.body.map_or(Sending::Nothing, Sending::Own),
            export: plan.export,
            ..Self::default()
        }
    }
}

impl Superset {
    /// Takes the settings.
    pub fn new(spec: SupersetSpec) -> Self {
        let mint = Mint::new(
            spec.guest_secret.expose(),
            &spec.guest_audience,
            spec.guest_ttl,
        );
        Self { spec, mint }
    }

    /// The settings.
    pub fn spec(&self) -> &SupersetSpec {
        &self.spec
    }

    /// Whether a request to this route must be read whole before it can be judged.
    pub fn needs_body(route: &Route) -> bool {
        Kind::of(route) == Kind::ChartData || matches!(route.action, Action::Local(_))
    }

    /// The dashboard whose [`Coverage`] a request needs; `None` where it needs none (the page itself, static files).
    ///
    /// # Errors
    /// `resource_denied` where the token does not grant exactly one dashboard of this site.
    pub fn wants(&self, permit: &Permit) -> Result<Option<DashboardId>, Denial> {
        match (permit.route().access, permit.viewer()) {
            (Access::Viewer, Some(viewer)) => self.dashboard(viewer.signed.claims()).map(Some),
            (Access::Deny | Access::Public, _) | (Access::Viewer, None) => Ok(None),
        }
    }

    /// What to send. `captures` are those of the route's pattern; `body` the whole body where [`Self::needs_body`] says so; `coverage` that of [`Self::wants`].
    ///
    /// # Errors
    /// `resource_denied` for another dashboard than the token's, or one that no rule covers; `route_denied` for a page that the site does not have;
    /// `scope_denied`, `param_missing`, `param_invalid`, and what a chart request may be refused for.
    pub fn plan(
        &self,
        permit: &Permit,
        req: &RequestView<'_>,
        captures: &[(&str, &str)],
        body: Option<&[u8]>,
        coverage: Option<&Coverage>,
    ) -> Result<SupersetPlan, Denial> {
        let kind = Kind::of(permit.route());
        let claims = permit.viewer().map(|viewer| viewer.signed.claims());
        Ask {
            kind,
            claims,
            values: permit.values(),
            req,
            captures,
            body,
            coverage,
        }
        .plan(self)
    }

    /// What never passes, and the constant `Referer`.
    pub(super) fn sketch(&self) -> Outbound {
        Outbound {
            remove: &REMOVED,
            set: vec![(header::REFERER, self.spec.referer.clone())],
            ..Outbound::default()
        }
    }

    /// The answer to one of our own endpoints, or what goes upstream.
    pub(super) fn answer_or_plan(&self, ask: &Asked<'_, '_, '_>) -> Result<Plan, Denial> {
        let site = ask.permit.site();
        if let Action::Local(number) = ask.permit.route().action {
            let sealer = ask.sealer.filter(|_| site.sessions);
            let sessions = sealer.zip(Some(&*site.issuers));
            let body = ask.body.unwrap_or_default();
            let reply = self.local(number, ask.req, body, &site.params, sessions);
            return Ok(Plan::from(Answer {
                refusal: reply.refusal,
                ..Answer::json(reply.status, reply.body)
            }));
        }
        let coverage = match ask.known {
            Some(Known::Superset(coverage)) => Some(&**coverage),
            Some(Known::Metabase(_)) | None => None,
        };
        let plan = self.plan(
            ask.permit,
            ask.req,
            &ask.matched.captures,
            ask.body,
            coverage,
        )?;
        Ok(Plan::Send(Box::new(plan.into())))
    }

    /// A chart request as it may go on.
    ///
    /// # Errors
    /// `body_unsupported` and `request_malformed` for what has no single reading; `resource_denied` for another dashboard, dataset or kind of result;
    /// `scope_denied` for an export without scope `download`.
    pub fn pin(
        &self,
        coverage: &Coverage,
        scope: &Scopes,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Pinned, Denial> {
        let fence = Fence {
            dashboard: coverage.checked(self.spec.danger_uncovered_datasets)?,
            coverage,
            scope,
            spec: &self.spec,
        };
        fence.pass(Media::of(headers)?, body)
    }

    /// Answers a route whose action is [`Action::Local`]. `params` are the site's; `sessions` what seals them and whose tokens are taken, where it has any.
    pub fn local(
        &self,
        action: u8,
        req: &RequestView<'_>,
        body: &[u8],
        params: &[ParamSpec],
        sessions: Option<(&Sealer, &[Arc<Issuer>])>,
    ) -> LocalReply {
        match &self.spec.backend {
            Some(backend) => Desk {
                backend,
                dashboards: &self.spec.dashboards,
                params,
                sessions,
                now: req.now,
            }
            .answer(action, req.headers, body),
            None => LocalReply {
                status: Refusal::RouteDenied.status(),
                body: b"{}".to_vec(),
                refusal: Some(Refusal::RouteDenied),
            },
        }
    }

    /// The one dashboard that a token grants.
    fn dashboard(&self, claims: &Claims) -> Result<DashboardId, Denial> {
        let mut granted = claims
            .resources
            .iter()
            .filter(|resource| &*resource.kind == "dashboard");
        let (Some(one), None) = (granted.next(), granted.next()) else {
            return Err(denied("a Superset token grants exactly one dashboard"));
        };
        let id = DashboardId::parse(&one.id)
            .ok_or_else(|| denied("a Superset dashboard is granted by its embed uuid"))?;
        if self.knows(&id) {
            Ok(id)
        } else {
            Err(denied("the dashboard is not one of this site's"))
        }
    }

    fn knows(&self, id: &DashboardId) -> bool {
        self.spec.dashboards.is_empty() || self.spec.dashboards.contains(id)
    }

    fn rules(&self, values: &[Option<Value>]) -> Result<Vec<RlsRule>, Denial> {
        let fill = |rule: &rules::Rule| {
            Ok(RlsRule {
                clause: rule.fill(values)?,
                dataset: rule.dataset(),
            })
        };
        self.spec.rules.iter().map(fill).collect()
    }

    fn guest_token(
        &self,
        claims: &Claims,
        values: &[Option<Value>],
        now: UnixTime,
    ) -> Result<HeaderValue, Denial> {
        let dashboard = self.dashboard(claims)?;
        Ok(self
            .mint
            .token(&claims.viewer, &dashboard, &self.rules(values)?, now)?)
    }
}

impl std::fmt::Debug for Superset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Superset")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

/// Everything that a plan depends on.
struct Ask<'a, 'r> {
    kind: Kind,
    claims: Option<&'a Claims>,
    values: &'a [Option<Value>],
    req: &'a RequestView<'r>,
    captures: &'a [(&'a str, &'a str)],
    body: Option<&'a [u8]>,
    coverage: Option<&'a Coverage>,
}

impl Ask<'_, '_> {
    fn plan(&self, superset: &Superset) -> Result<SupersetPlan, Denial> {
        let mut plan = SupersetPlan {
            headers: vec![(header::REFERER, superset.spec.referer.clone())],
            body: None,
            export: false,
        };
        match self.kind {
            Kind::Page => self.known_page(superset)?,
            Kind::Static => {}
            Kind::ChartData | Kind::Dashboard | Kind::Me => self.pinned(superset, &mut plan)?,
        }
        Ok(plan)
    }

    /// The page is loaded before anybody has a token; which pages there are may be configured.
    fn known_page(&self, superset: &Superset) -> Result<(), Denial> {
        let id = self.capture("uuid").and_then(DashboardId::parse);
        if id.is_some_and(|id| superset.knows(&id)) {
            Ok(())
        } else {
            Err(Refusal::RouteDenied.into())
        }
    }

    /// A viewer's request: about the token's dashboard and no other, under a guest token of its own.
    fn pinned(&self, superset: &Superset, plan: &mut SupersetPlan) -> Result<(), Denial> {
        let claims = self.claims.ok_or(Refusal::TokenMissing)?;
        let coverage = self.coverage.ok_or(Refusal::UpstreamFailed)?;
        let dashboard = coverage.checked(superset.spec.danger_uncovered_datasets)?;
        if self.kind == Kind::Dashboard
            && self.capture("id").and_then(body::number) != Some(dashboard)
        {
            return Err(denied("another dashboard"));
        }
        if self.kind == Kind::ChartData {
            body::pin_query(dashboard, self.req.query)?;
            let sent = self.body.unwrap_or_default();
            let pinned = superset.pin(coverage, &claims.scope, self.req.headers, sent)?;
            plan.headers
                .push((header::CONTENT_TYPE, pinned.content_type));
            plan.body = Some(pinned.body);
            plan.export = pinned.export;
        }
        plan.headers.push((
            GUEST_TOKEN,
            superset.guest_token(claims, self.values, self.req.now)?,
        ));
        Ok(())
    }

    fn capture(&self, name: &str) -> Option<&str> {
        self.captures
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }
}

fn denied(detail: &'static str) -> Denial {
    Denial::because(Refusal::ResourceDenied, detail)
}

#[cfg(test)]
mod tests;
