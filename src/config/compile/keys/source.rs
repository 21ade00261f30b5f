//! Keys that are fetched while the gateway runs: from where, and by which rules. Nothing is asked here, so that a file compiles without network.

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        context::{At, fingerprint},
        tls,
    },
    Found, rules,
};
use crate::{
    config::{
        raw,
        remote::{Cleartext, Remote, Trust},
        spec::KeySource,
        units,
    },
    gate::token::Keys,
};

/// `jwks = "https://…"`.
pub(super) fn by_url(text: &str, raw: &raw::Issuer, at: &At<'_>) -> Option<Found> {
    let means = Means::read(raw, at);
    let key = at.key("jwks");
    let place = means.as_ref().map(|means| {
        let place = Remote::parse(text, means.trust.clone());
        key.accept(place.map_err(|why| refused(text, why)))
    });
    means?.found(place??, None, raw, at)
}

/// `issuer_url = "https://…"`.
pub(super) fn by_discovery(text: &str, raw: &raw::Issuer, at: &At<'_>) -> Option<Found> {
    let means = Means::read(raw, at);
    let key = at.key("issuer_url");
    if raw.issuer.as_deref().is_some_and(|issuer| issuer != text) {
        at.key("issuer").report(
            "is not `issuer_url`, which tokens carry as `iss` to the letter: leave this one out",
        );
    }
    if raw.audience.is_none() {
        at.key("audience").report(
            "is required with `issuer_url`: a provider signs for many applications, and the others' tokens are not for this one",
        );
    }
    if text.contains('?') {
        key.report("holds a query, which no issuer has");
        return None;
    }
    // OpenID Connect Discovery 1.0 section 4.1.
    let document = format!(
        "{}/.well-known/openid-configuration",
        text.strip_suffix('/').unwrap_or(text)
    );
    let place = means.as_ref().map(|means| {
        let place = Remote::parse(&document, means.trust.clone());
        key.accept(place.map_err(|why| refused(text, why)))
    });
    means?.found(place??, Some(text), raw, at)
}

/// Reports what makes no sense where nothing is fetched.
pub(super) fn no_url(raw: &raw::Issuer, at: &At<'_>) {
    let written =
        raw.jwks.is_some() || raw.jwk.is_some() || raw.keys.iter().any(|key| key.jwk.is_some());
    for (key, misplaced, with) in [
        ("jwks_ca", raw.jwks_ca.is_some(), FETCHED),
        ("danger_jwks_cleartext", raw.danger_jwks_cleartext, FETCHED),
        (
            "algorithms",
            !raw.algorithms.is_empty() && !written,
            "goes with `jwks`, `issuer_url` or `jwk`; a key of another form has its `algorithm`",
        ),
    ] {
        if misplaced {
            at.key(key).report(with);
        }
    }
}

/// How keys are fetched.
struct Means {
    trust: Trust,
    roots: u64,
    refresh: Duration,
}

impl Means {
    fn read(raw: &raw::Issuer, at: &At<'_>) -> Option<Self> {
        let key = at.key("jwks_ca");
        let roots = match &raw.jwks_ca {
            None => Some(0),
            Some(path) => tls::certificates(path, &key).map(|roots| {
                let parts: Vec<&[u8]> = roots.iter().map(AsRef::as_ref).collect();
                fingerprint(&parts)
            }),
        };
        if raw.danger_jwks_cleartext {
            at.key("danger_jwks_cleartext").danger();
        }
        let refresh = raw.jwks_refresh;
        if !(OFTENEST..=RAREST).contains(&refresh) {
            at.key("jwks_refresh").report(format!(
                "`{refresh}` is not between {OFTENEST} and {RAREST}"
            ));
        }
        Some(Self {
            trust: Trust {
                ca: raw.jwks_ca.as_ref().map(|path| at.resolve(path)),
                cleartext: if raw.danger_jwks_cleartext {
                    Cleartext::Anywhere
                } else {
                    Cleartext::Loopback
                },
            },
            roots: roots?,
            refresh: refresh.0,
        })
    }

    fn found(
        self,
        place: Remote,
        issuer: Option<&str>,
        raw: &raw::Issuer,
        at: &At<'_>,
    ) -> Option<Found> {
        let source = KeySource {
            place,
            issuer: issuer.map(Into::into),
            rules: rules(raw, false, at)?,
            refresh: self.refresh,
            roots: self.roots,
        };
        Some(Found {
            keys: Keys::fetched(),
            infos: Vec::new(),
            material: Vec::new(),
            source: Some(Arc::new(source)),
            unused: Vec::new(),
        })
    }
}

/// Names the URL unless it may hold a password.
fn refused(text: &str, why: &str) -> String {
    if text.contains(['@', '?']) {
        format!("keys cannot be fetched from there: {why}")
    } else {
        format!("keys cannot be fetched from `{text}`: {why}")
    }
}

const FETCHED: &str = "goes with keys that are fetched: `jwks` with a URL, or `issuer_url`";
const OFTENEST: units::Duration = units::Duration::seconds(1);
const RAREST: units::Duration = units::Duration::seconds(24 * 3600);
