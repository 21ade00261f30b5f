//! The only way out: every response, the upstream's and our own, passes here.

use http::{HeaderMap, HeaderName, HeaderValue, header, response::Parts};
use smallvec::SmallVec;

use super::{
    cookie::{self, CookiePolicy},
    csp, header as request_header,
    location::{self, Prefixes, Target},
};
use crate::gate::{
    origin::{Embedding, Origin},
    refusal::Refusal,
};

/// What a site does with the responses of its upstream.
#[derive(Clone, Debug)]
pub struct ResponseRules {
    /// What the upstream may call itself: its own origin, and the site's public ones.
    pub origins: Vec<Origin>,
    /// Where the site stands, in public and at its upstream.
    pub prefixes: Prefixes,
    /// What becomes of cookies.
    pub cookies: CookiePolicy,
}

/// How far a response may be kept by caches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keep {
    /// As the upstream says: public routes.
    AsSaid,
    /// By nobody at all.
    Nobody,
    /// By nobody, where the upstream says nothing: pages before a viewer is known.
    NotUnlessSaid,
    /// By nobody but the viewer's browser, which must ask us before each use: the credential is not part of the URL.
    Viewer,
}

/// Finishes a response of the upstream.
///
/// # Errors
/// `upstream_failed` for a redirect that leads elsewhere. The parts are then not fit to be sent.
pub fn finish(
    parts: &mut Parts,
    rules: &ResponseRules,
    embedding: &Embedding,
    keep: Keep,
) -> Result<(), Refusal> {
    let headers = &mut parts.headers;
    request_header::strip_hop_by_hop(headers);
    strip(headers);
    cookie::fit(headers, &rules.cookies, &rules.prefixes);
    let target = location::keep_inside(headers, &rules.origins, &rules.prefixes);
    if target == Target::Foreign && parts.status.is_redirection() {
        return Err(Refusal::UpstreamFailed);
    }
    bound_caches(headers, keep);
    protect(headers, embedding);
    Ok(())
}

/// What every response carries, our own refusals and redirects too: framing, referrer policy, no sniffing, CORS.
///
/// `Referrer-Policy: strict-origin`: a page's URL may hold a token, its origin is all that the checks of origins need. A page whose address names a
/// session and holds no token tells it to this site alone, so that what it asks for goes on by the same session.
pub fn protect(headers: &mut HeaderMap, embedding: &Embedding) {
    csp::enforce(headers, &embedding.directive);
    let strictest = headers
        .get(header::REFERRER_POLICY)
        .is_some_and(|value| value == "no-referrer");
    let policy = match (embedding.tells_address, strictest) {
        (true, true) => "same-origin",
        (true, false) => "strict-origin-when-cross-origin",
        (false, true) => "no-referrer",
        (false, false) => "strict-origin",
    };
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(policy));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Some(origin) = &embedding.cors {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Content-Disposition, Retry-After, X-Request-Id"),
        );
        if embedding.credentials {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}

/// Removes what an upstream says about itself or about other origins.
fn strip(headers: &mut HeaderMap) {
    let mut gone: SmallVec<[HeaderName; 8]> = SmallVec::new();
    for name in headers.keys() {
        if is_unwanted(name.as_str()) {
            gone.push(name.clone());
        }
    }
    for name in gone {
        headers.remove(name);
    }
}

/// Names are lower case. `alt-svc` would lead browsers past us.
fn is_unwanted(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'a') => name.starts_with("access-control-") || name == "alt-svc",
        Some(b's') => name == "server",
        Some(b'x') => {
            name.starts_with("x-metabase-")
                || matches!(
                    name,
                    "x-embedgate-session"
                        | "x-powered-by"
                        | "x-aspnet-version"
                        | "x-aspnetmvc-version"
                )
                || name.starts_with("x-accel-")
        }
        _ => false,
    }
}

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

fn bound_caches(headers: &mut HeaderMap, keep: Keep) {
    match keep {
        Keep::AsSaid => {}
        Keep::NotUnlessSaid if headers.contains_key(header::CACHE_CONTROL) => {}
        Keep::NotUnlessSaid => {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Keep::Nobody | Keep::Viewer => {
            headers.remove(CDN_CACHE_CONTROL);
            headers.remove(SURROGATE_CONTROL);
            let said = headers.contains_key(header::CACHE_CONTROL);
            let value = if keep == Keep::Viewer && said && !says_no_store(headers) {
                "private, no-cache"
            } else {
                "private, no-store"
            };
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
        }
    }
}

fn says_no_store(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(header::CACHE_CONTROL).iter();
    fields
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .any(|said| said.trim_ascii().eq_ignore_ascii_case(b"no-store"))
}

#[cfg(test)]
mod tests;
