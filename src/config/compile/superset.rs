//! `[site.NAME.superset]`.

use http::{HeaderValue, Uri};

use super::{Reported, context::At, issuer::Issuers};
use crate::{
    adapter::{
        secret::SecretBytes,
        superset::{
            rules::Rule,
            spec::{Backend, DashboardId, Signer, SupersetSpec},
        },
    },
    config::{
        raw,
        secret::{Secret, SecretSource},
        spec::{IdentitySource, IssuerEntry, UpstreamSpec},
    },
    gate::param::{Mode, ParamSpec},
};

/// What the adapter needs of the rest of the site.
pub(super) struct Around<'s> {
    /// The site's table.
    pub(super) site: &'s raw::Site,
    /// Its parameters.
    pub(super) params: &'s [ParamSpec],
    /// Its issuers.
    pub(super) issuers: &'s Issuers,
    /// Where Superset is.
    pub(super) upstream: Option<&'s UpstreamSpec>,
    /// What goes into headers.
    pub(super) identity: &'s [IdentitySource],
}

/// `[site.NAME.superset]`.
pub(super) fn spec(
    raw: Option<&raw::Superset>,
    at: &At<'_>,
    around: &Around<'_>,
) -> Option<SupersetSpec> {
    let raw = at.require(
        raw,
        "the table with what embedgate needs to sign guest tokens",
    )?;
    let guest_secret = at.key("guest_secret");
    let source = guest_secret.require(
        raw.guest_secret.as_ref(),
        "Superset's GUEST_TOKEN_JWT_SECRET, such as { env = \"NAME\" }",
    );
    let guest_secret = source.and_then(|source| self::guest_secret(source, &guest_secret));
    let rules = rules(raw, at, around);
    let dashboards = dashboards(raw, &at.key("dashboards"));
    let referer = referer(raw, &at.key("referer"), around);
    let backend = backend(raw, at, around);
    if raw.danger_uncovered_datasets {
        at.key("danger_uncovered_datasets").danger();
    }
    for (key, count) in [
        ("max_queries", u64::from(raw.max_queries)),
        ("max_rows", raw.max_rows),
    ] {
        if count == 0 {
            at.key(key).report("must be at least 1");
        }
    }
    Some(SupersetSpec {
        guest_secret: guest_secret?,
        guest_audience: raw.guest_audience.as_str().into(),
        guest_ttl: at.key("guest_ttl").positive(raw.guest_ttl),
        rules: rules?,
        dashboards: dashboards?,
        referer: referer?,
        backend: backend.ok()?,
        max_queries: usize::try_from(raw.max_queries).ok()?,
        max_rows: raw.max_rows,
        coverage_ttl: raw.coverage_ttl.0,
        danger_uncovered_datasets: raw.danger_uncovered_datasets,
    })
}

fn guest_secret(source: &SecretSource, at: &At<'_>) -> Option<SecretBytes> {
    let secret = at.long_secret(source, "a guest token secret", SHORTEST_SECRET)?;
    if secret.expose() == PUBLIC_SECRET {
        at.report("is Superset's built-in default, which everybody knows: set GUEST_TOKEN_JWT_SECRET in Superset");
        return None;
    }
    Some(bytes_of(&secret))
}

fn bytes_of(secret: &Secret) -> SecretBytes {
    SecretBytes::new(secret.expose())
}

fn rules(raw: &raw::Superset, at: &At<'_>, around: &Around<'_>) -> Option<Vec<Rule>> {
    let at = at.key("rules");
    if raw.rules.is_empty() {
        at.report("is required: without a rule Superset shows all rows, such as [{ clause = \"tenant_id = {tenant_id}\" }]");
        return None;
    }
    let one = |(index, rule): (usize, &raw::Rule)| {
        let at = at.index(index).key("clause");
        let clause = at.require(
            rule.clause.as_ref(),
            "SQL condition such as \"tenant_id = {tenant_id}\"",
        )?;
        at.accept(Rule::parse(clause, rule.dataset, around.params))
    };
    let all: Vec<_> = raw.rules.iter().enumerate().map(one).collect();
    let all: Option<Vec<Rule>> = all.into_iter().collect();
    if all.is_some() {
        without_effect(raw, &at, around);
    }
    all
}

/// A locked parameter that goes nowhere would only look like a filter.
fn without_effect(raw: &raw::Superset, at: &At<'_>, around: &Around<'_>) {
    for (index, param) in around
        .params
        .iter()
        .enumerate()
        .filter(|(_, param)| param.mode == Mode::Locked)
    {
        let placeholder = format!("{{{}}}", param.name);
        let used = raw
            .rules
            .iter()
            .filter_map(|rule| rule.clause.as_ref())
            .any(|clause| clause.contains(&placeholder));
        if !used && !around.identity.contains(&IdentitySource::Param(index)) {
            at.report(format!(
                "`{}` is locked but stands in no rule: it would filter nothing",
                param.name
            ));
        }
    }
}

fn dashboards(raw: &raw::Superset, at: &At<'_>) -> Option<Vec<DashboardId>> {
    let Some(list) = &raw.dashboards else {
        return Some(Vec::new());
    };
    if list.is_empty() {
        at.report("is empty: no dashboard could be shown; leave it out for those that tokens name");
    }
    let one = |(index, text): (usize, &String)| {
        at.index(index).accept(
            DashboardId::parse(text).ok_or_else(|| format!("`{text}` is not an embed UUID")),
        )
    };
    let all: Vec<_> = list.iter().enumerate().map(one).collect();
    all.into_iter().collect()
}

fn referer(raw: &raw::Superset, at: &At<'_>, around: &Around<'_>) -> Option<HeaderValue> {
    let Some(text) = &raw.referer else {
        let upstream = around.upstream?;
        return HeaderValue::try_from(format!("{}://{}/", upstream.scheme, upstream.authority))
            .ok();
    };
    let url = text
        .parse::<Uri>()
        .ok()
        .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    let value = url.and_then(|_| HeaderValue::from_str(text).ok());
    if value.is_none() {
        at.report(format!(
            "`{text}` is not a URL, such as \"https://app.example.com/\""
        ));
    }
    value
}

/// The drop-in guest-token endpoint, where there is one.
fn backend(
    raw: &raw::Superset,
    at: &At<'_>,
    around: &Around<'_>,
) -> Result<Option<Backend>, Reported> {
    match (&raw.service_key, &raw.issuer) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            at.key("service_key").report("is required beside `issuer`: what backends show to the drop-in guest-token endpoint");
            Err(Reported)
        }
        (Some(_), None) => {
            at.key("issuer").report(
                "is required beside `service_key`: in whose name the drop-in endpoint signs",
            );
            Err(Reported)
        }
        (Some(source), Some(name)) => {
            let key = at
                .key("service_key")
                .long_secret(source, "a service key", Backend::MIN_KEY);
            let signer = signer(name, &at.key("issuer"), around);
            Ok(Some(Backend {
                service_key: bytes_of(&key.ok_or(Reported)?),
                signer: signer.ok_or(Reported)?,
            }))
        }
    }
}

fn signer(name: &str, at: &At<'_>, around: &Around<'_>) -> Option<Signer> {
    if !around.site.issuers.iter().any(|issuer| issuer == name) {
        at.report(format!("`{name}` is not one of the site's issuers"));
        return None;
    }
    let entry: &IssuerEntry = around.issuers.find(name)?;
    let Some((key, secret)) = entry.signing() else {
        at.report(format!(
            "`{name}` has public keys only: signing needs one with a shared secret (HS256)"
        ));
        return None;
    };
    Some(Signer {
        name: entry.issuer.name.clone(),
        algorithm: key.algorithm,
        secret: bytes_of(secret),
        kid: key.kid.clone(),
        iss: entry.issuer.iss.clone(),
        audience: entry.issuer.audience.clone(),
        claims: entry.issuer.claims.clone(),
        max_lifetime: entry.issuer.max_lifetime,
    })
}

/// Superset's `config.py` ships with this one.
const PUBLIC_SECRET: &[u8] = b"test-guest-secret-change-me";
const SHORTEST_SECRET: usize = 16;
