//! `[site.NAME]`: one public host in front of one upstream.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use super::{
    context::At, frame, identity, issuer::Issuers, metabase, param, route, session, sharing,
    superset, upstream,
};
use crate::{
    adapter::{metabase::surface as metabase_surface, superset::surface as superset_surface},
    config::{
        raw,
        spec::{AdapterSpec, IdentitySource, SiteEntry, TunnelSpec, UpstreamSpec},
        units::Rate,
    },
    gate::{
        credential::Places,
        host::Host,
        limit::SiteLimits,
        param::ParamSpec,
        query::fold,
        route::{Access, RouteTable},
        site::{Site, SiteTable},
        token::Issuer,
    },
};

/// What sites share.
pub(super) struct Shared<'s> {
    /// All issuers.
    pub(super) issuers: &'s Issuers,
    /// How long sessions live, where there is a `[session]`.
    pub(super) session: Option<Duration>,
    /// What carries them, where a site says nothing else.
    pub(super) mode: Option<raw::SessionMode>,
}

/// All sites, and the table that finds them.
pub(super) fn sites(
    raw: &BTreeMap<String, raw::Site>,
    at: &At<'_>,
    shared: &Shared<'_>,
) -> Option<(SiteTable, Vec<SiteEntry>)> {
    if raw.is_empty() {
        at.report("is required: at least one [site.NAME]");
    }
    let mut claims = HashMap::new();
    let mut table = SiteTable::default();
    let mut entries = Vec::with_capacity(raw.len());
    let mut whole = true;
    for (index, (name, raw)) in raw.iter().enumerate() {
        let at = at.key(name);
        let hosts = hosts(raw, &at, name, &mut claims);
        let entry = Draft {
            name,
            index,
            raw,
            at: &at,
            shared,
        }
        .finish();
        let (Some(hosts), Some(mut entry)) = (hosts, entry) else {
            whole = false;
            continue;
        };
        if table.add(&entry.site, &hosts).is_err() {
            at.key("hosts")
                .report("is taken by another site with the same path_prefix");
        }
        entry.hosts = hosts;
        entries.push(entry);
    }
    whole.then_some((table, entries))
}

/// A name that goes into metrics and logs.
pub(super) fn check_name(name: &str, at: &At<'_>) {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if name.is_empty() || name.len() > LONGEST_NAME || !plain {
        at.report("a name is 1 to 64 letters, digits, `_` and `-`");
    }
}

/// One site while it is compiled.
struct Draft<'s, 'a> {
    name: &'s str,
    index: usize,
    raw: &'s raw::Site,
    at: &'s At<'a>,
    shared: &'s Shared<'s>,
}

impl Draft<'_, '_> {
    fn finish(&self) -> Option<SiteEntry> {
        check_name(self.name, self.at);
        let (raw, at) = (self.raw, self.at);
        let upstream = upstream::upstream(raw, at);
        let params = param::params(&raw.params, &at.key("params"), raw.kind);
        let sessions = self.sessions();
        let carrier = session::carrier(raw, at, sessions, self.shared.mode);
        let identity = identity::identity(&raw.identity, &at.key("identity"), &params);
        let (cookies, kept_cookies) = identity::cookies(raw, at);
        let told: Vec<_> = identity.iter().map(|(_, source)| *source).collect();
        let adapter = self.adapter(&params, upstream.as_ref(), &told, sessions);
        let issuers = self.issuers(adapter.as_ref().map(|(surface, _)| surface));
        let frame = frame::policy(raw, at);
        let limits = limits(&raw.limits, &at.key("limits"));
        let places = self.places(&params);
        let sharing = sharing::sharing(raw, at, sessions);
        let dropped = sharing::dropped(&places, &params, at, sessions);
        let (surface, adapter) = adapter?;
        let site = Site {
            name: self.name.into(),
            index: self.index,
            prefix: upstream::prefix(&raw.path_prefix).ok()?.into(),
            surface,
            issuers: issuers?,
            places,
            params,
            frame: frame?,
            limits,
            sessions,
            carrier,
            sharing,
            dropped,
        };
        Some(SiteEntry {
            site: Arc::new(site),
            hosts: Vec::new(),
            adapter,
            upstream: upstream?,
            cookies,
            kept_cookies,
            identity,
            tunnels: self.tunnels(),
        })
    }

    fn tunnels(&self) -> TunnelSpec {
        let (raw, at) = (&self.raw.timeouts, self.at.key("timeouts"));
        let life = raw.websocket_life;
        TunnelSpec {
            idle: at.key("websocket_idle").positive(raw.websocket_idle),
            life: life.map(|life| at.key("websocket_life").positive(life)),
        }
    }

    /// The surface, and what is known about the BI server.
    fn adapter(
        &self,
        params: &[ParamSpec],
        upstream: Option<&UpstreamSpec>,
        identity: &[IdentitySource],
        sessions: bool,
    ) -> Option<(RouteTable, AdapterSpec)> {
        let (raw, at) = (self.raw, self.at);
        let kind = at.key("kind").require(
            raw.kind.as_ref(),
            "\"generic\", \"metabase\" or \"superset\"",
        )?;
        self.misplaced(*kind);
        match kind {
            raw::Kind::Generic => Some((
                route::routes(raw, &at.key("routes"), params)?,
                AdapterSpec::Generic,
            )),
            raw::Kind::Metabase => {
                let around = metabase::Around {
                    params,
                    session: self.shared.session.filter(|_| sessions),
                };
                let at = at.key("metabase");
                let spec = metabase::spec(raw.metabase.as_ref(), &at, &around)?;
                let surface = at.accept(RouteTable::build(metabase_surface::surface(&spec)))?;
                Some((surface, AdapterSpec::Metabase(Box::new(spec))))
            }
            raw::Kind::Superset => {
                let around = superset::Around {
                    site: raw,
                    params,
                    issuers: self.shared.issuers,
                    upstream,
                    identity,
                };
                let spec = superset::spec(raw.superset.as_ref(), &at.key("superset"), &around)?;
                let surface = at
                    .key("superset")
                    .accept(RouteTable::build(superset_surface::surface(&spec)))?;
                Some((surface, AdapterSpec::Superset(Box::new(spec))))
            }
        }
    }

    /// Tables that belong to another kind of site.
    fn misplaced(&self, kind: raw::Kind) {
        let report = |key: &str, problem: &str| self.at.key(key).report(problem);
        let brings = match kind {
            raw::Kind::Generic => None,
            raw::Kind::Metabase => Some("Metabase"),
            raw::Kind::Superset => Some("Superset"),
        };
        if let Some(name) = brings.filter(|_| !self.raw.routes.is_empty()) {
            let problem =
                format!("goes with kind = \"generic\": the {name} adapter brings its own surface");
            report("routes", &problem);
        }
        if self.raw.metabase.is_some() && kind != raw::Kind::Metabase {
            report("metabase", "goes with kind = \"metabase\"");
        }
        if self.raw.superset.is_some() && kind != raw::Kind::Superset {
            report("superset", "goes with kind = \"superset\"");
        }
    }

    fn issuers(&self, surface: Option<&RouteTable>) -> Option<Vec<Arc<Issuer>>> {
        let at = self.at.key("issuers");
        let viewers = surface.is_none_or(|surface| {
            surface
                .routes()
                .iter()
                .any(|route| route.access == Access::Viewer)
        });
        if self.raw.issuers.is_empty() && viewers {
            at.report("is required: names of the issuers whose viewer tokens are accepted");
        }
        let one = |(index, name): (usize, &String)| {
            let at = at.index(index);
            if !self.shared.issuers.knows(name) {
                at.report(match self.shared.issuers.names() {
                    names if names.is_empty() => format!("there is no [issuer.{name}]"),
                    names => format!("there is no [issuer.{name}]; there are: {names}"),
                });
            }
            let entry = self.shared.issuers.find(name)?;
            Some(Arc::clone(&entry.issuer))
        };
        let all: Vec<_> = self.raw.issuers.iter().enumerate().map(one).collect();
        all.into_iter().collect()
    }

    fn places(&self, params: &[ParamSpec]) -> Places {
        let at = self.at.key("token_query");
        for (index, name) in self.raw.token_query.iter().enumerate() {
            if name.is_empty() {
                at.index(index).report("is not a name");
            }
            if params.iter().any(|param| *param.folded == *fold(name)) {
                at.index(index)
                    .report(format!("`{name}` is a parameter too"));
            }
        }
        let mut places = match self.raw.kind {
            Some(raw::Kind::Metabase) => metabase_surface::places(),
            Some(raw::Kind::Superset) => superset_surface::places(),
            Some(raw::Kind::Generic) | None => Places {
                query: Vec::new(),
                bearer: true,
                headers: Vec::new(),
            },
        };
        for name in &self.raw.token_query {
            if !places.query.iter().any(|other| **other == **name) {
                places.query.push(name.as_str().into());
            }
        }
        places
    }

    fn sessions(&self) -> bool {
        let there = self.shared.session.is_some();
        let usual = match self.raw.kind {
            Some(raw::Kind::Generic) => true,
            Some(raw::Kind::Metabase) => there,
            Some(raw::Kind::Superset) | None => false,
        };
        let sessions = self.raw.sessions.unwrap_or(usual);
        if sessions && !there {
            let whose = match self.raw.kind {
                Some(raw::Kind::Generic) => "a generic site's ",
                Some(raw::Kind::Metabase | raw::Kind::Superset) | None => "",
            };
            self.at.key("sessions").report(format!(
                "needs a [session] table with a secret: {whose}page loads earn a session; or set sessions = false, so that every request must \
                 bring its token",
            ));
        }
        sessions
    }
}

/// Host and prefix that a site claims, and where it does.
type Claims = HashMap<(String, String), (String, usize)>;

fn hosts(raw: &raw::Site, at: &At<'_>, site: &str, claims: &mut Claims) -> Option<Vec<String>> {
    let prefix = path_prefix(&raw.path_prefix, &at.key("path_prefix"));
    let at = at.key("hosts");
    if raw.hosts.is_empty() {
        at.report("is required: public host names, such as [\"bi.example.com\"]");
        return None;
    }
    let prefix = prefix?;
    let mut names = Vec::with_capacity(raw.hosts.len());
    for (index, text) in raw.hosts.iter().enumerate() {
        let at = at.index(index);
        let Some(name) = host(text, &at) else {
            continue;
        };
        match claims.insert((name.clone(), prefix.clone()), (site.to_owned(), at.line())) {
            None => names.push(name),
            Some((other, line)) if other == site => at.report(format!("`{text}` is there already, in line {line}")),
            Some((other, line)) => at
                .report(format!("`{text}` is taken by site.{other} in line {line}; one of the two needs a path_prefix of its own")),
        }
    }
    (names.len() == raw.hosts.len()).then_some(names)
}

fn host(text: &str, at: &At<'_>) -> Option<String> {
    let Ok(host) = Host::parse(text) else {
        at.report(format!("`{text}` is not a host name"));
        return None;
    };
    if host.port().is_some() {
        at.report(format!(
            "`{text}` has a port: a site answers to its host's name on every port; write `{}`",
            host.name()
        ));
        return None;
    }
    Some(host.name().to_owned())
}

fn path_prefix(text: &str, at: &At<'_>) -> Option<String> {
    let read = if text.contains(['{', '}', '*']) {
        Err("")
    } else {
        upstream::prefix(text)
    };
    at.accept(read.map_err(|_| format!("`{text}` is not a path prefix, such as \"/bi\"")))
}

fn limits(raw: &raw::Limits, at: &At<'_>) -> SiteLimits {
    let quota = |rate: Option<Rate>| rate.map(|rate| rate.0);
    let in_flight = raw.in_flight.and_then(NonZeroU32::new);
    if raw.in_flight.is_some() && in_flight.is_none() {
        at.key("in_flight")
            .report("0 would allow nothing; leave it out for no limit");
    }
    let websockets = NonZeroU32::new(raw.websockets);
    if websockets.is_none() {
        at.key("websockets")
            .report("0 would allow none; leave `websocket` out of the routes instead");
    }
    SiteLimits {
        address: quota(raw.address),
        viewer: quota(raw.viewer),
        tenant: quota(raw.tenant),
        site: quota(raw.site),
        in_flight,
        websockets,
    }
}

const LONGEST_NAME: usize = 64;
