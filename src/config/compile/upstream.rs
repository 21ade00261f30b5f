//! `upstream`, `upstream_tls`, `timeouts`: where the BI server is.

use http::uri::{Scheme, Uri};

use super::{context::At, tls};
use crate::{
    config::{raw, spec::UpstreamSpec},
    gate::path::NormalPath,
};

/// The upstream of a site.
pub(super) fn upstream(raw: &raw::Site, at: &At<'_>) -> Option<UpstreamSpec> {
    let key = at.key("upstream");
    let url = key.require(
        raw.upstream.as_ref(),
        "URL of the BI server, such as \"http://127.0.0.1:3000\"",
    );
    let url = url.and_then(|text| key.accept(parse(text).map_err(|why| refused(text, why))));
    let tls_key = at.key("upstream_tls");
    let tls = match &raw.upstream_tls {
        None => Some(None),
        Some(raw) => tls::upstream(raw, &tls_key).map(Some),
    };
    if raw.upstream_tls.is_some() && url.as_ref().is_some_and(|url| url.scheme == Scheme::HTTP) {
        tls_key.report("the upstream is http: there is no TLS to speak");
    }
    let timeouts = at.key("timeouts");
    let connect_timeout = timeouts.key("connect").positive(raw.timeouts.connect);
    let response_timeout = timeouts.key("response").positive(raw.timeouts.response);
    let idle_timeout = timeouts.key("idle").positive(raw.timeouts.idle);
    Some(UpstreamSpec {
        tls: tls?,
        connect_timeout,
        response_timeout,
        idle_timeout,
        ..url?
    })
}

/// Names the URL unless it may hold a password.
fn refused(text: &str, why: &str) -> String {
    if text.contains('@') {
        format!("cannot be an upstream: {why}")
    } else {
        format!("`{text}` cannot be an upstream: {why}")
    }
}

/// Reads the URL; times and TLS are filled in by the caller.
fn parse(text: &str) -> Result<UpstreamSpec, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
    let scheme = uri
        .scheme()
        .filter(|scheme| **scheme == Scheme::HTTP || **scheme == Scheme::HTTPS);
    let scheme = scheme
        .ok_or("it must begin with http:// or https://")?
        .clone();
    let authority = uri.authority().ok_or("it names no host")?.clone();
    if authority.as_str().contains('@') {
        return Err("a name and password do not belong in it");
    }
    if uri.query().is_some() || text.contains('#') {
        return Err("a query or fragment does not belong in it");
    }
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    if host.is_empty() {
        return Err("it names no host");
    }
    let port = match authority.port_u16() {
        Some(0) => return Err("port 0 is no port"),
        Some(port) => port,
        None if authority.as_str() != authority.host() => {
            return Err("its port is no number up to 65535");
        }
        None if scheme == Scheme::HTTPS => 443,
        None => 80,
    };
    let (host, prefix) = (host.to_owned(), prefix(uri.path())?);
    let zero = std::time::Duration::ZERO;
    Ok(UpstreamSpec {
        scheme,
        host,
        port,
        authority,
        prefix,
        tls: None,
        connect_timeout: zero,
        response_timeout: zero,
        idle_timeout: zero,
    })
}

/// A path prefix without its final slash.
pub(super) fn prefix(path: &str) -> Result<String, &'static str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(String::new());
    }
    match NormalPath::parse(path) {
        Ok(normal) if normal.as_str() == path => Ok(path.to_owned()),
        _ => Err("its path is not in plain form"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_host_port_and_authority() {
        for (text, host, port, authority) in [
            ("http://127.0.0.1:3000", "127.0.0.1", 3000, "127.0.0.1:3000"),
            ("https://bi.internal/", "bi.internal", 443, "bi.internal"),
            ("http://[::1]:88", "::1", 88, "[::1]:88"),
            ("http://superset", "superset", 80, "superset"),
        ] {
            let upstream = parse(text).unwrap();
            assert_eq!(
                (
                    upstream.host.as_str(),
                    upstream.port,
                    upstream.authority.as_str()
                ),
                (host, port, authority),
                "{text}"
            );
            assert_eq!(upstream.prefix, "", "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_origin_and_path() {
        for bad in [
            "",
            "bi.internal",
            "/x",
            "ftp://bi.internal",
            "http://",
            "http://user:pass@bi.internal",
            "http://bi.internal?x=1",
            "http://bi.internal/#x",
            "http://bi.internal:0",
            "http://bi.internal:99999",
            "http://bi internal",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
