//! `embedgate explain`: what would happen to a request, stage by stage. The gate is pure, so this is the gate itself; nothing is sent.

use std::{fmt::Write as _, net::IpAddr};

use http::{HeaderName, HeaderValue, Method, Request, Uri, header, request::Parts};

use super::{ExplainArgs, Failure, print};
use crate::{
    adapter::{Adapter, Ask, Outbound, Plan},
    config::{SiteEntry, Snapshot},
    gate::{
        credential::Beside,
        param::Grant,
        policy::{self, Checks, Denial, Permit, Via, Viewer},
        refusal::Refusal,
        request::{RequestView, UnixTime},
        revocation::Revocations,
        route::{Access, Action, RouteMatch},
        token::NoCache,
        websocket::{self, Handshake},
    },
    rewrite::header::Forwarded,
    server::{
        app,
        arrival::{self, Arrival},
        client_addr::Client,
        clock::Clock,
        plan::{self, SitePlan},
        revocations::peek,
    },
};

/// Explains one request.
///
/// # Errors
/// The configuration has faults; the site, method, URL or a header cannot be read.
pub(super) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let snapshot = Snapshot::load(&args.config)?;
    let entry = snapshot
        .sites
        .iter()
        .find(|entry| *entry.site.name == *args.site);
    let entry = entry.ok_or_else(|| Failure::Usage(format!("there is no site `{}`", args.site)))?;
    let mut parts = request(args)?;
    let mut story = String::new();
    let outcome = explain(&snapshot, entry, &mut parts, &mut story);
    if let Err(denial) = outcome {
        let Denial {
            refusal,
            detail,
            told,
            unknown_kid,
        } = denial;
        tell(
            &mut story,
            "refused",
            &format!(
                "{} {} — {}",
                refusal.status().as_u16(),
                refusal.code(),
                told.as_deref().unwrap_or_else(|| refusal.message())
            ),
        );
        if let Some(detail) = detail {
            tell(&mut story, "detail", &detail);
        }
        for unknown in unknown_kid {
            tell(&mut story, "keys", &fetched(&snapshot, &unknown.issuer));
        }
        tell(&mut story, "upstream", "is sent nothing");
    }
    print(&story)
}

/// One line of the story.
fn tell(story: &mut String, stage: &str, what: &str) {
    let _infallible = writeln!(story, "{stage:<12}{what}");
}

/// Why an issuer's tokens cannot be judged here.
fn fetched(snapshot: &Snapshot, name: &str) -> String {
    let issuers = snapshot.issuers.iter();
    let mut named = issuers.filter(|entry| *entry.issuer.name == *name);
    let source = named.find_map(|entry| entry.source.as_ref());
    let place = source.map_or_else(String::new, |source| format!(" from {}", source.place));
    format!(
        "of issuer {name} are fetched at run time{place}; nothing is asked here, so its tokens cannot be judged"
    )
}

fn request(args: &ExplainArgs) -> Result<Parts, Failure> {
    let usage = |what: &str, why: &dyn std::fmt::Display| Failure::Usage(format!("{what}: {why}"));
    let method: Method = args
        .method
        .parse()
        .map_err(|error| usage("the method", &error))?;
    let uri: Uri = args.url.parse().map_err(|error| usage("the URL", &error))?;
    let mut parts = Request::new(()).into_parts().0;
    parts.method = method;
    if let Some(authority) = uri.authority() {
        let value =
            HeaderValue::from_str(authority.as_str()).map_err(|error| usage("the URL", &error))?;
        parts.headers.insert(header::HOST, value);
    }
    parts.uri = uri;
    for line in &args.header {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| usage("a header", &"`Name: value` is expected"))?;
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|error| usage("a header's name", &error))?;
        let value = HeaderValue::from_str(value.trim())
            .map_err(|error| usage("a header's value", &error))?;
        parts.headers.append(name, value);
    }
    if let Some(token) = &args.token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|error| usage("the token", &error))?;
        value.set_sensitive(true);
        parts.headers.append(header::AUTHORIZATION, value);
    }
    Ok(parts)
}

/// The way of a request through the gate, told as far as it comes.
fn explain(
    snapshot: &Snapshot,
    entry: &SiteEntry,
    parts: &mut Parts,
    story: &mut String,
) -> Result<(), Denial> {
    let plan = SitePlan::new(entry, plan::cookie_policy(entry, true));
    let client = Client {
        address: IpAddr::from([192, 0, 2, 1]),
        secure: parts.uri.scheme_str() != Some("http"),
    };
    let adapter = app::adapter(entry);
    let (permit, way) = decide(snapshot, entry, &plan, &adapter, parts, client, story)?;
    let Way::Upstream(target, mut outbound) = way else {
        return Ok(());
    };
    let host = parts.headers.get(header::HOST).cloned();
    let forwarded = Forwarded {
        client: client.address,
        host: host
            .as_ref()
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default(),
        secure: client.secure,
        request_id: &HeaderValue::from_static("(a fresh one)"),
        traceparent: &HeaderValue::from_static("(a fresh one)"),
    };
    outbound.narrow(&mut parts.headers);
    plan.headers(&permit, &mut parts.headers, &forwarded)?;
    outbound.dress(&mut parts.headers);
    tell(
        story,
        "body",
        match plan.body_use(permit.route_index()) {
            plan::BodyUse::Judge => "read, and refused where it names a locked parameter",
            plan::BodyUse::Inspect => "read and judged by the adapter",
            plan::BodyUse::Rewrite => "read, and the locked values put in",
            plan::BodyUse::Stream => "passes as it comes",
        },
    );
    let spec = &entry.upstream;
    tell(
        story,
        "upstream",
        &format!(
            "{} {}://{}{}{}",
            parts.method,
            spec.scheme,
            spec.authority,
            spec.prefix,
            masked(&target)
        ),
    );
    for (name, value) in &parts.headers {
        tell(
            story,
            "",
            &format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())),
        );
    }
    tell(
        story,
        "response",
        &String::from_utf8_lossy(permit.embedding().directive.as_bytes()),
    );
    Ok(())
}

/// Where a permitted request goes.
enum Way {
    /// It is answered here, or what it becomes cannot be told without asking the upstream first: that was told.
    Here,
    /// To the upstream: path and query, and what the adapter says of it.
    Upstream(String, Box<Outbound>),
}

/// A target without the tokens that were minted for it.
fn masked(target: &str) -> String {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let segment = |segment: &str| match segment.split('.').count() {
        3 if segment.len() > 40 => "(a token minted for this request)".to_owned(),
        _ => segment.to_owned(),
    };
    let path = path.split('/').map(segment).collect::<Vec<_>>().join("/");
    query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
}

fn decide(
    snapshot: &Snapshot,
    entry: &SiteEntry,
    plan: &SitePlan,
    adapter: &Adapter,
    parts: &Parts,
    client: Client,
    story: &mut String,
) -> Result<(Permit, Way), Denial> {
    let arrival = Arrival::read(parts)?;
    let (site, path) = snapshot.gate.find(&arrival.host, &arrival.path)?;
    tell(story, "site", &site.name);
    if site.index != entry.site.index {
        return Err(Denial::because(
            Refusal::SiteUnknown,
            format!("this URL belongs to the site `{}`", site.name),
        ));
    }
    tell(story, "path", path.as_str());
    let view = arrival::view(parts, &arrival, &path, client, Clock::system().now());
    let matched = site.surface.find(view.method, path.as_str())?;
    route(&matched, story);
    let handshake = websocket(&matched, parts, story)?;
    let opens = matched.route.earns_session || arrival::loads_page(view.method, view.headers);
    let viewer = policy::recognise(
        site,
        matched.route,
        &view,
        Beside {
            form: None,
            path: matched.path_token(),
            opens: opens && !handshake,
            about: Some(&|| adapter.about(&matched, None)),
            ..Beside::default()
        },
        &Checks {
            cache: &NoCache,
            revocations: &revocations(snapshot, view.now, story),
            sealer: snapshot.sessions.as_deref(),
        },
    )?;
    if let Some(viewer) = &viewer {
        recognised(viewer, story);
    }
    let permit = policy::decide(site, &matched, viewer, &view)?;
    if permit.burning().is_some() {
        let what = "the token opens this page and is used up by it; one that was used before is refused (401 token_replayed)";
        tell(story, "single use", what);
    }
    tell(
        story,
        "permitted",
        "frame, origin, resource, scope and parameters are in order (limits are not asked)",
    );
    parameters(&permit, story);
    let way = way(snapshot, plan, adapter, &permit, &view, &matched, story)?;
    Ok((permit, way))
}

/// What the log of revocations holds, as far as there is one that we may read.
fn revocations(snapshot: &Snapshot, now: UnixTime, story: &mut String) -> Revocations {
    let Some(file) = snapshot.revocations.file.as_ref() else {
        return Revocations::new();
    };
    match file.try_exists() {
        Ok(false) => Revocations::new(),
        Ok(true) | Err(_) => peek(file, now).unwrap_or_else(|error| {
            tell(
                story,
                "revocations",
                &format!("are not looked at: {}", super::run::runtime(&error)),
            );
            Revocations::new()
        }),
    }
}

/// Who the viewer is.
fn recognised(viewer: &Viewer, story: &mut String) {
    let claims = viewer.signed.claims();
    let tenant = claims.tenant.as_deref().unwrap_or("none");
    let via = match viewer.via {
        Via::Session { .. } => "session",
        Via::Token { .. } => "token",
    };
    tell(
        story,
        "viewer",
        &format!(
            "{} (tenant {tenant}), by a {via} of issuer {}",
            claims.viewer,
            viewer.signed.issuer().name
        ),
    );
}

/// What the token says of the filters.
fn parameters(permit: &Permit, story: &mut String) {
    let site = permit.site();
    for (spec, value) in site.params.iter().zip(permit.values()) {
        if let Some(value) = value {
            tell(
                story,
                "parameter",
                &format!("{} = {} ({:?})", spec.name, value.to_json(), spec.mode),
            );
        }
    }
    for (index, spec) in site.params.iter().enumerate() {
        if permit.granted().of(index) == Some(Grant::All) {
            tell(
                story,
                "parameter",
                &format!("{} = all values ({:?})", spec.name, spec.mode),
            );
        }
    }
}

/// Where the adapter sends it.
fn way(
    snapshot: &Snapshot,
    plan: &SitePlan,
    adapter: &Adapter,
    permit: &Permit,
    view: &RequestView<'_>,
    matched: &RouteMatch<'_, '_>,
    story: &mut String,
) -> Result<Way, Denial> {
    let want = adapter.wants(permit, matched)?;
    let route = permit.route();
    if let Some(want) = &want {
        tell(
            story,
            "asks first",
            &format!("the upstream for {want}, unless it is remembered"),
        );
    }
    if want.is_some() || adapter.needs_body(route) {
        let planned = match route.action {
            Action::Local(_) => {
                tell(
                    story,
                    "answered",
                    "by the adapter, once it has read the body",
                );
                Way::Here
            }
            Action::NoContent | Action::Proxy => {
                tell(
                    story,
                    "then",
                    "the adapter plans by what it learnt; what is below holds whatever that is",
                );
                let target = plan.target(permit, view.path, view.query);
                Way::Upstream(
                    target.unwrap_or_else(|_| view.path.as_str().to_owned()),
                    Box::new(adapter.sketch()),
                )
            }
        };
        return Ok(planned);
    }
    let planned = adapter.plan(&Ask {
        permit,
        req: view,
        matched,
        body: None,
        known: None,
        sealer: snapshot.sessions.as_deref(),
    })?;
    match planned {
        Plan::Answer(answer) => {
            tell(story, "answered", &format!("here, with {}", answer.status));
            Ok(Way::Here)
        }
        Plan::Send(mut outbound) => {
            let target = match outbound.target.take() {
                Some(target) => target,
                None => plan.target(permit, view.path, view.query)?,
            };
            Ok(Way::Upstream(target, outbound))
        }
    }
}

fn route(matched: &RouteMatch<'_, '_>, story: &mut String) {
    let route = matched.route;
    let access = match route.access {
        Access::Deny => "nobody".to_owned(),
        Access::Public => "anybody".to_owned(),
        Access::Viewer => format!("viewers with scope {}", route.scope),
    };
    tell(story, "route", &format!("{} for {access}", route.pattern));
}

/// What becomes of a request for a WebSocket; whether it is one.
fn websocket(
    matched: &RouteMatch<'_, '_>,
    parts: &Parts,
    story: &mut String,
) -> Result<bool, Denial> {
    if !websocket::is_asked(&parts.headers) {
        return Ok(false);
    }
    if !matched.route.websocket {
        let what = "not on this route: it goes on as an ordinary request";
        tell(story, "websocket", what);
        return Ok(false);
    }
    let read = Handshake::read(&parts.method, parts.version, &parts.headers)?;
    let what = "the upstream is asked for one; what goes through it passes unread";
    tell(story, "websocket", what);
    Ok(read.is_some())
}
