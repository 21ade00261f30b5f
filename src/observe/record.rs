//! The record of one request: a guard that writes one audit line and updates the metrics once, however the request ends.
//!
//! When a client hangs up, hyper drops the handler's future, or the response body; the record goes with it.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, Method, StatusCode, header};
use tokio::time::Instant;

use super::{
    Observer,
    audit::{Line, Outcome},
    metrics::{HUNG_UP, LimitScope, SiteMetrics, TokenResult, Verb},
    request_id::RequestId,
};
use crate::gate::{
    limit::Taken,
    policy::{Denial, Via, Viewer},
    refusal::Refusal,
    route::{Access, Route},
    site::Site,
    token::Signed,
};

/// The record of one request. Made when its head is there, told what happens, written when dropped; let it follow the response body
/// (as its observer), so that bytes and duration are final. Not `Clone`: one request, one record.
#[derive(Debug)]
pub struct Record {
    observer: Arc<Observer>,
    started: Instant,
    id: RequestId,
    client: IpAddr,
    verb: Verb,
    site: Option<(Arc<Site>, Arc<SiteMetrics>)>,
    route: Option<Arc<Route>>,
    viewer: Option<(Arc<Signed>, Via)>,
    resource: Option<Box<str>>,
    action: Option<&'static str>,
    origin: Option<Box<str>>,
    refusal: Option<Refusal>,
    detail: Option<Cow<'static, str>>,
    limited: Option<LimitScope>,
    status: Option<u16>,
    upstream: Option<Duration>,
    bytes: u64,
    end: End,
    taken: Option<Taken>,
}

/// How far the response came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The upstream broke off.
    Broken,
    /// The client has it.
    Complete,
    /// Not yet; dropped like this, the client hung up.
    Open,
    /// It became a tunnel after so many microseconds; whether the upstream broke that off.
    Switched(u32, bool),
}

impl Record {
    /// Begins; counts the request as under way until the record is dropped.
    pub fn begin(
        observer: &Arc<Observer>,
        started: Instant,
        id: RequestId,
        client: IpAddr,
        method: &Method,
    ) -> Self {
        observer.metrics().in_flight().inc();
        Self {
            observer: Arc::clone(observer),
            started,
            id,
            client,
            verb: Verb::of(method),
            site: None,
            route: None,
            viewer: None,
            resource: None,
            action: None,
            origin: None,
            refusal: None,
            detail: None,
            limited: None,
            status: None,
            upstream: None,
            bytes: 0,
            end: End::Open,
            taken: None,
        }
    }

    /// The request's id.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// When the request came.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The site that it is for, with the site's counters ([`super::metrics::Metrics::for_site`]).
    pub fn site(&mut self, site: &Arc<Site>, metrics: &Arc<SiteMetrics>) {
        self.site = Some((Arc::clone(site), Arc::clone(metrics)));
    }

    /// The route that it matched.
    pub fn route(&mut self, route: &Arc<Route>) {
        self.route = Some(Arc::clone(route));
    }

    /// Who asks, once that is proven; also of requests that are refused afterwards.
    pub fn viewer(&mut self, viewer: &Viewer) {
        self.viewer = Some((Arc::clone(&viewer.signed), viewer.via));
    }

    /// Keeps what was taken from the limits until the response is over.
    pub fn hold(&mut self, taken: Taken) {
        self.taken = Some(taken);
    }

    /// The site, once known.
    pub fn known_site(&self) -> Option<&Arc<Site>> {
        self.site.as_ref().map(|(site, _)| site)
    }

    /// The route, once known.
    pub fn known_route(&self) -> Option<&Arc<Route>> {
        self.route.as_ref()
    }

    /// The viewer's grant, once known.
    pub fn known_viewer(&self) -> Option<&Signed> {
        self.viewer.as_ref().map(|(signed, _)| &**signed)
    }

    /// The resource that was asked for. Where none is named, the record names what the viewer holds.
    pub fn resource(&mut self, resource: impl Into<Box<str>>) {
        self.resource = Some(resource.into());
    }

    /// What was done, where the route's scope does not say it.
    pub fn action(&mut self, action: &'static str) {
        self.action = Some(action);
    }

    /// The page that embeds or calls: `Origin`, else the origin of `Referer` (never its path: tokens stand there).
    pub fn origin(&mut self, headers: &HeaderMap) {
        let field = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .and_then(origin_of)
        };
        self.origin = field(header::ORIGIN)
            .or_else(|| field(header::REFERER))
            .map(Into::into);
    }

    /// It is turned away; the first reason counts.
    pub fn refuse(&mut self, denial: &Denial) {
        if self.refusal.is_none() {
            self.refusal = Some(denial.refusal);
            self.detail.clone_from(&denial.detail);
        }
    }

    /// Which limit turned it away.
    pub fn limited(&mut self, scope: impl Into<LimitScope>) {
        self.limited = Some(scope.into());
    }

    /// The status of the response whose head is about to be sent.
    pub fn status(&mut self, status: StatusCode) {
        self.status = Some(status.as_u16());
    }

    /// How long the upstream took to answer.
    pub fn upstream_time(&mut self, took: Duration) {
        self.upstream = Some(took);
    }

    /// Bytes of the response body that were sent.
    pub fn add_bytes(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The response is complete; whatever is dropped without this counts as a client that hung up.
    pub fn finish(&mut self) {
        if self.end == End::Open {
            self.end = End::Complete;
        }
    }

    /// The upstream broke off in the middle of the response.
    pub fn broken(&mut self) {
        self.end = match self.end {
            End::Switched(after, _) => End::Switched(after, true),
            End::Broken | End::Complete | End::Open => End::Broken,
        };
    }

    /// The connection is a tunnel from now on, and no request under way any more.
    pub fn switched(&mut self) {
        if self.end == End::Open {
            let after = self.started.elapsed().as_micros();
            self.end = End::Switched(u32::try_from(after).unwrap_or(u32::MAX), false);
            self.observer.metrics().in_flight().dec();
        }
    }

    /// Why the tunnel ended; a refusal where it was refused to go on.
    pub fn ended(&mut self, refusal: Option<Refusal>, why: String) {
        self.refusal = refusal;
        self.detail = Some(why.into());
    }

    fn outcome(&self) -> Outcome {
        match (self.refusal, self.end) {
            // Whatever ended it, there was a time when it was served.
            (_, End::Switched(_, false)) | (None, End::Complete) => Outcome::Allowed,
            (
                Some(
                    Refusal::UpstreamFailed
                    | Refusal::UpstreamTimeout
                    | Refusal::UpstreamUnavailable,
                ),
                _,
            )
            | (None, End::Broken)
            | (_, End::Switched(_, true)) => Outcome::Failed,
            (Some(_), _) => Outcome::Refused,
            (None, End::Open) => Outcome::Aborted,
        }
    }

    fn count(&self, took: Duration) {
        let metrics = self.observer.metrics();
        let took = match self.end {
            // What was to be waited for, not how long it was open.
            End::Switched(after, _) => Duration::from_micros(after.into()),
            End::Broken | End::Complete | End::Open => {
                metrics.in_flight().dec();
                took
            }
        };
        let site = self
            .site
            .as_ref()
            .map_or_else(|| metrics.none(), |(_, metrics)| metrics);
        site.count(
            self.route.as_ref(),
            self.verb,
            self.status.unwrap_or(HUNG_UP),
            took,
        );
        if let Some(refusal) = self.refusal {
            site.refused(refusal);
        }
        if let Some(scope) = self.limited {
            site.limited(scope);
        }
        if let Some(took) = self.upstream {
            site.upstream_took(took);
        }
        let switched = matches!(self.end, End::Switched(_, _));
        let judged = self.refusal.filter(|_| !switched);
        let judged = judged.and_then(TokenResult::of);
        let shown = self
            .viewer
            .as_ref()
            .filter(|(_, via)| matches!(via, Via::Token { .. }));
        if let Some(result) = judged.or_else(|| shown.map(|_| TokenResult::Valid)) {
            site.token(shown.map(|(signed, _)| &*signed.issuer().name), result);
        }
    }

    fn write(&self, took: Duration) {
        let audit = self.observer.audit();
        if audit.is_off() {
            return;
        }
        let claims = self.known_viewer().map(Signed::claims);
        let params = self
            .site
            .as_ref()
            .filter(|_| claims.is_some())
            .map_or(&[][..], |(site, _)| &site.params);
        let held = self
            .route
            .as_ref()
            .is_some_and(|route| route.access == Access::Viewer);
        let now = self.observer.now();
        let line = Line {
            time: now.saturating_sub(took),
            id: self.id,
            site: self.site.as_ref().map(|(site, _)| &*site.name),
            route: self.route.as_ref().map(|route| &*route.name),
            viewer: claims.map(|claims| &*claims.viewer),
            tenant: claims.and_then(|claims| claims.tenant.as_deref()),
            token_id: claims.and_then(|claims| claims.token_id.as_deref()),
            session: self
                .viewer
                .as_ref()
                .and_then(|(signed, _)| signed.session_id()),
            resource: self.resource.as_deref(),
            granted: claims
                .filter(|_| held)
                .map_or(&[], |claims| &claims.resources),
            action: self
                .action
                .or_else(|| self.route.as_ref().map(|route| &*route.scope)),
            outcome: self.outcome(),
            refusal: self.refusal,
            detail: self.detail.as_deref(),
            status: self.status,
            bytes: self.bytes,
            duration: took,
            client: self.client,
            origin: self.origin.as_deref(),
            params,
            values: claims
                .filter(|_| audit.values())
                .map(|claims| &claims.params),
        };
        audit.push(&line.write(), self.refusal == Some(Refusal::Overloaded));
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.count(took);
        self.write(took);
    }
}

/// `scheme://host[:port]` at the beginning of a URL, where it looks like one and is not overlong.
fn origin_of(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    let good = matches!(scheme, "http" | "https")
        && !host.is_empty()
        && host.len() <= 261
        && host.bytes().all(plain);
    good.then(|| url.get(..scheme.len() + 3 + host.len()))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_origin_of_a_referer_is_kept() {
        for (url, origin) in [
            ("https://app.example.com", Some("https://app.example.com")),
            (
                "https://app.example.com:8443/p?embed_token=x",
                Some("https://app.example.com:8443"),
            ),
            ("http://[::1]:3000#t", Some("http://[::1]:3000")),
            ("https://user:pass@app.example.com/", None),
            ("https://app example.com", None),
            ("data:text/html,x", None),
            ("https:///x", None),
            ("null", None),
        ] {
            assert_eq!(origin_of(url), origin, "{url}");
        }
    }

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Record>() <= 320, "{}", size_of::<Record>());
    }
}
