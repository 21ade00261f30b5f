//! `embedgate explain`: what would happen to a request, stage by stage. The gate is pure, so this is the gate itself; nothing is sent.

use std::{fmt::Write as _, net::IpAddr};

use http::{HeaderName, HeaderValue, Method, Request, Uri, header, request::Parts};

use super::{ExplainArgs, Failure, print};
use crate::{
    adapter::superset,
    config::{AdapterSpec, SiteEntry, Snapshot},
    gate::{
        credential::Beside,
        policy::{self, Denial, Permit, Via},
        refusal::Refusal,
        route::{Access, RouteMatch},
        token::NoCache,
    },
    rewrite::header::Forwarded,
    server::{
        arrival::{self, Arrival},
        client_addr::Client,
        clock::Clock,
        plan::{self, SitePlan},
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
        tell(&mut story, "upstream", "is sent nothing");
    }
    print(&story)
}

/// One line of the story.
fn tell(story: &mut String, stage: &str, what: &str) {
    let _infallible = writeln!(story, "{stage:<12}{what}");
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
    let (permit, target) = decide(snapshot, entry, &plan, parts, client, story)?;
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
    plan.headers(&permit, &mut parts.headers, &forwarded)?;
    if let AdapterSpec::Superset(spec) = &entry.adapter {
        for name in &superset::REMOVED {
            parts.headers.remove(name);
        }
        parts.headers.insert(header::REFERER, spec.referer.clone());
    }
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
            "{} {}://{}{}{target}",
            parts.method, spec.scheme, spec.authority, spec.prefix
        ),
    );
    for (name, value) in &parts.headers {
        tell(
            story,
            "",
            &format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())),
        );
    }
    if matches!(entry.adapter, AdapterSpec::Superset(_)) && permit.viewer().is_some() {
        tell(
            story,
            "",
            "x-guesttoken: (minted for this request, once the dashboard's datasets are known to be covered)",
        );
    }
    tell(
        story,
        "response",
        &String::from_utf8_lossy(permit.embedding().directive.as_bytes()),
    );
    Ok(())
}

fn decide(
    snapshot: &Snapshot,
    entry: &SiteEntry,
    plan: &SitePlan,
    parts: &Parts,
    client: Client,
    story: &mut String,
) -> Result<(Permit, String), Denial> {
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
    let viewer = policy::recognise(
        site,
        matched.route,
        &view,
        Beside {
            form: None,
            path: matched.path_token(),
        },
        snapshot.sessions.as_deref(),
        &NoCache,
    )?;
    if let Some(viewer) = &viewer {
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
    let permit = policy::decide(site, &matched, viewer, &view)?;
    tell(
        story,
        "permitted",
        "frame, origin, resource, scope and parameters are in order (limits are not asked)",
    );
    for (spec, value) in site.params.iter().zip(permit.values()) {
        if let Some(value) = value {
            tell(
                story,
                "parameter",
                &format!("{} = {} ({:?})", spec.name, value.to_json(), spec.mode),
            );
        }
    }
    let target = plan.target(&permit, view.path, view.query)?;
    Ok((permit, target))
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
