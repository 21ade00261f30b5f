//! A request as it arrived: the one reading of its head on which everything else is built.

use http::{HeaderMap, HeaderValue, Method, header, request::Parts};

use super::client_addr::Client;
use crate::gate::{
    host::Host,
    path::NormalPath,
    query::Query,
    refusal::Refusal,
    request::{RequestView, UnixTime},
};

/// Host, path and query of a request, each read once. Borrows from the head.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// The host that the client named.
    pub host: Host<'a>,
    /// The whole path, normalised.
    pub path: NormalPath<'a>,
    /// The query.
    pub query: Query<'a>,
}

impl<'a> Arrival<'a> {
    /// Reads a head.
    ///
    /// # Errors
    /// `request_malformed` (no host, two hosts, a broken query), `path_ambiguous`.
    pub fn read(parts: &'a Parts) -> Result<Self, Refusal> {
        Ok(Self {
            host: Host::parse(authority(parts)?)?,
            path: NormalPath::parse(parts.uri.path())?,
            query: Query::parse(parts.uri.query().unwrap_or_default())?,
        })
    }
}

/// What the gate looks at, for a path below the site's prefix.
pub fn view<'a>(
    parts: &'a Parts,
    arrival: &'a Arrival<'a>,
    path: &'a NormalPath<'a>,
    client: Client,
    now: UnixTime,
) -> RequestView<'a> {
    RequestView {
        method: &parts.method,
        host: &arrival.host,
        secure: client.secure,
        path,
        query: &arrival.query,
        headers: &parts.headers,
        client: client.address,
        now,
    }
}

/// `Host`, or `:authority`; where both are there they must agree (RFC 9113 section 8.3.1, RFC 9112 section 3.2.2).
pub(super) fn authority(parts: &Parts) -> Result<&str, Refusal> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err(Refusal::RequestMalformed),
        (Some(one), None) => Some(one.to_str().map_err(|_| Refusal::RequestMalformed)?),
        (None, _) => None,
    };
    let target = parts.uri.authority().map(http::uri::Authority::as_str);
    match (host, target) {
        (Some(host), Some(target)) if host.eq_ignore_ascii_case(target) => Ok(host),
        (Some(_), Some(_)) | (None, None) => Err(Refusal::RequestMalformed),
        (Some(one), None) | (None, Some(one)) => Ok(one),
    }
}

/// Whether a browser loads a page with this request, as far as it says: then it is shown a page, and a token in the query earns a session.
pub fn loads_page(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    match headers.get("sec-fetch-dest") {
        Some(dest) => matches!(
            dest.as_bytes(),
            b"document" | b"embed" | b"frame" | b"iframe" | b"object"
        ),
        None => !headers.contains_key(header::ORIGIN) && !headers.contains_key("x-requested-with"),
    }
}

/// Makes a form that brought a session the page load that it stands for.
pub(super) fn become_page_load(parts: &mut Parts) {
    parts.method = Method::GET;
    for name in [
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::ORIGIN,
        header::TRANSFER_ENCODING,
    ] {
        parts.headers.remove(name);
    }
}

/// Whether a person looks at the answer: a browser that navigates, by form or link.
pub fn shows_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).is_some_and(|accept| {
        accept
            .as_bytes()
            .windows(9)
            .any(|part| part.eq_ignore_ascii_case(b"text/html"))
    });
    let dest = headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
    accepts
        && matches!(
            dest,
            None | Some(b"document" | b"embed" | b"frame" | b"iframe" | b"object")
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn host_and_authority_must_agree() {
        for (uri, hosts, good) in [
            ("/", &[("host", "bi.example.com")][..], true),
            ("https://bi.example.com/", &[], true),
            (
                "https://bi.example.com/",
                &[("host", "BI.example.com")],
                true,
            ),
            (
                "https://bi.example.com/",
                &[("host", "evil.example")],
                false,
            ),
            (
                "/",
                &[("host", "bi.example.com"), ("host", "bi.example.com")],
                false,
            ),
            ("/", &[], false),
        ] {
            assert_eq!(
                authority(&parts(uri, hosts)).is_ok(),
                good,
                "{uri} {hosts:?}"
            );
        }
    }

    #[test]
    fn a_fetch_is_no_page_load() {
        for (headers, page) in [
            (&[][..], true),
            (&[("sec-fetch-dest", "iframe")][..], true),
            (&[("sec-fetch-dest", "empty")][..], false),
            (&[("origin", "https://app.example")][..], false),
            (&[("x-requested-with", "XMLHttpRequest")][..], false),
        ] {
            assert_eq!(
                loads_page(&Method::GET, &parts("/", headers).headers),
                page,
                "{headers:?}"
            );
        }
        assert!(!loads_page(&Method::POST, &parts("/", &[]).headers));
    }

    #[test]
    fn problem_details_go_to_everybody_who_is_no_navigating_browser() {
        let html = ("accept", "text/html,application/xhtml+xml");
        for (headers, page) in [
            (&[html, ("sec-fetch-dest", "iframe")][..], true),
            (&[html][..], true),
            (&[("accept", "*/*")][..], false),
            (&[html, ("sec-fetch-dest", "empty")][..], false),
        ] {
            assert_eq!(
                shows_page(&parts("/", headers).headers),
                page,
                "{headers:?}"
            );
        }
    }
}
