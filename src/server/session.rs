//! The session cookie on the wire: given at a page load with a token, renewed, and the redirect that takes the token out of the URL.

use http::{HeaderValue, Response, StatusCode, header};

use super::body::Body;
use crate::gate::{
    credential::SESSION_COOKIE,
    policy::{Permit, Via},
    query::{self, Query},
    request::UnixTime,
    session::Sealer,
};

/// The `Set-Cookie` that a response owes its viewer: for a page load with a token, or a session whose idle timer wants a fresh seal.
pub(super) fn cookie(
    permit: &Permit,
    sealer: Option<&Sealer>,
    page: bool,
    now: UnixTime,
) -> Option<HeaderValue> {
    let sealer = sealer.filter(|_| permit.site().sessions)?;
    let viewer = permit.viewer()?;
    let site = &permit.site().name;
    let value = match viewer.via {
        // A ticket carries the beginning of its session on: what it opens ends no later.
        Via::Token { .. } if page => {
            let began = viewer.signed.session_began().unwrap_or(now);
            sealer.seal(site, &viewer.signed, began, now)?
        }
        Via::Session { renew: true, .. } => sealer.renew(site, &viewer.signed, now)?,
        Via::Session { .. } | Via::Token { .. } => return None,
    };
    let text =
        format!("{SESSION_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=None; Partitioned");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Takes a token out of the URL (RFC 9110 section 15.4.4): the same path and query without it, and the session instead.
pub(super) fn redirect(
    path: &str,
    query: &Query<'_>,
    names: &[Box<str>],
    cookie: HeaderValue,
) -> Option<Response<Body>> {
    let mut rest = String::new();
    for pair in query.pairs() {
        let folded = query::fold(&pair.name);
        if names.iter().all(|name| *query::fold(name) != *folded) {
            query::pass(&mut rest, pair);
        }
    }
    let location = if rest.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{rest}")
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_str(&location).ok()?);
    headers.insert(header::SET_COOKIE, cookie);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    Some(response)
}
