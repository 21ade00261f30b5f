//! `identity`, `cookies`, `upstream_cookies`: what the upstream learns about the viewer, and what passes of its cookies.

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderName;

use super::context::At;
use crate::{
    config::{
        raw,
        spec::{CookieMode, IdentitySource},
    },
    gate::{
        param::{Mode, ParamSpec},
        session::jar::is_session_cookie,
    },
};

/// `identity`.
pub(super) fn identity(
    raw: &BTreeMap<String, String>,
    at: &At<'_>,
    params: &[ParamSpec],
) -> Vec<(HeaderName, IdentitySource)> {
    let mut taken = BTreeSet::new();
    let mut all = Vec::with_capacity(raw.len());
    for (name, source) in raw {
        let at = at.key(name);
        let (header, source) = (header(name, &at), identity_source(source, &at, params));
        let Some(header) = header else { continue };
        if !taken.insert(header.as_str().replace('_', "-")) {
            at.report("is there already: field names differ in neither case nor `_` and `-`");
        }
        all.extend(source.map(|source| (header, source)));
    }
    all
}

/// A header field that may be set towards the upstream.
pub(super) fn header(name: &str, at: &At<'_>) -> Option<HeaderName> {
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        at.report(format!("`{name}` is not a header field name"));
        return None;
    };
    let plain = header.as_str().replace('_', "-");
    if OURS.contains(&plain.as_str())
        || plain.starts_with("x-forwarded-")
        || plain.starts_with("sec-")
        || plain.starts_with("proxy-")
    {
        at.report(format!("`{name}` is set by embedgate or by HTTP itself"));
        return None;
    }
    Some(header)
}

fn identity_source(text: &str, at: &At<'_>, params: &[ParamSpec]) -> Option<IdentitySource> {
    match text {
        "scope" => return Some(IdentitySource::Scope),
        "tenant" => return Some(IdentitySource::Tenant),
        "viewer" => return Some(IdentitySource::Viewer),
        _ => {}
    }
    let Some(name) = text.strip_prefix("param.") else {
        at.report(format!(
            "`{text}` is not \"viewer\", \"tenant\", \"scope\" or \"param.NAME\""
        ));
        return None;
    };
    let Some(index) = params.iter().position(|param| &*param.name == name) else {
        at.report(format!("`{name}` is not one of the site's params"));
        return None;
    };
    if params
        .get(index)
        .is_some_and(|param| param.mode != Mode::Locked)
    {
        at.report(format!(
            "`{name}` is not locked: a viewer could choose who to be"
        ));
        return None;
    }
    Some(IdentitySource::Param(index))
}

/// `cookies` and `upstream_cookies`.
pub(super) fn cookies(raw: &raw::Site, at: &At<'_>) -> (CookieMode, Vec<Box<str>>) {
    let none = match raw.kind {
        Some(raw::Kind::Metabase) => Some(
            "Metabase's embeds need no cookies: none of them may pass, a signed-in person's least of all",
        ),
        Some(raw::Kind::Superset) => Some(
            "Superset's session cookie would win over the guest token: none of its cookies may pass",
        ),
        Some(raw::Kind::Generic) | None => None,
    };
    let frame = raw.cookies == raw::Cookies::Frame;
    if let Some(why) = none.filter(|_| frame || !raw.upstream_cookies.is_empty()) {
        let key = if frame { "cookies" } else { "upstream_cookies" };
        at.key(key).report(why);
    }
    let at = at.key("upstream_cookies");
    if none.is_none() && raw.cookies == raw::Cookies::Frame && !raw.upstream_cookies.is_empty() {
        at.report("goes with cookies = \"strip\": with \"frame\" all pass");
    }
    for (index, name) in raw.upstream_cookies.iter().enumerate() {
        check_cookie(name, &at.index(index));
    }
    let mode = match raw.cookies {
        raw::Cookies::Frame => CookieMode::Frame,
        raw::Cookies::Strip => CookieMode::Strip,
    };
    (
        mode,
        raw.upstream_cookies
            .iter()
            .map(|name| name.as_str().into())
            .collect(),
    )
}

/// A cookie name that may be used towards the upstream.
pub(super) fn check_cookie(name: &str, at: &At<'_>) -> bool {
    // A cookie name is a token (RFC 6265 section 4.1.1), as a header field name is.
    let token = HeaderName::from_bytes(name.as_bytes()).is_ok();
    if !token {
        at.report(format!("`{name}` is not a cookie name"));
    } else if is_session_cookie(name.as_bytes()) {
        at.report(format!("`{name}` is embedgate's own"));
        return false;
    }
    token
}

/// Fields that carry credentials, framing, or what embedgate says about the request.
const OURS: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-embedgate-session",
    "x-guesttoken",
    "x-real-ip",
    "x-request-id",
];
