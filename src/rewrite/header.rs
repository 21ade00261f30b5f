//! Request header fields towards the upstream: what the client may not send goes, what we say is set.

use std::{fmt::Write, net::IpAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

use super::{Bindings, Bound, cookie, judge};
use crate::gate::{
    param::{Mode, Place},
    policy::Denial,
    refusal::Refusal,
};

/// Removes the fields of one connection (RFC 9110 section 7.6.1): `Connection` and what it names, `Keep-Alive`, `Proxy-*`, `TE` (except `trailers`),
/// `Trailer`, `Transfer-Encoding`, `Upgrade`.
///
/// `Connection` cannot name away fields that were judged or that say what the body is; those are end-to-end by definition.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    strip(headers, is_hop_by_hop, &[]);
}

/// Removes what a client must not send towards an upstream: hop-by-hop fields, proxies' and identity fields (`Forwarded`, `X-Forwarded-*`, `X-Real-IP`,
/// `X-Request-Id`, trace context, `X-Original-*`, `X-Rewrite-*`, method overrides), `Authorization`, and any field with `_` in its name (CGI
/// and WSGI read `X_User` as `X-User`). `extra` are the site's own: identity fields, places of tokens.
///
/// What stays of `Referer` is its origin: the page's URL may hold a token.
pub fn strip_client(headers: &mut HeaderMap, extra: &[HeaderName]) {
    strip(
        headers,
        |name| is_hop_by_hop(name) || is_reserved(name),
        extra,
    );
    referer(headers);
}

fn strip(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool, extra: &[HeaderName]) {
    let mut gone: SmallVec<[HeaderName; 8]> = SmallVec::new();
    for name in headers.keys() {
        if unwanted(name.as_str()) || extra.contains(name) {
            gone.push(name.clone());
        }
    }
    for value in headers.get_all(header::CONNECTION) {
        for token in value.as_bytes().split(|byte| *byte == b',') {
            match HeaderName::from_bytes(token.trim_ascii()) {
                Ok(name) if !END_TO_END.contains(&name) => gone.push(name),
                _ => {}
            }
        }
    }
    let trailers = headers
        .get_all(header::TE)
        .iter()
        .all(|value| value == "trailers");
    for name in gone {
        if !(trailers && name == header::TE) {
            headers.remove(name);
        }
    }
}

/// Never removed on the word of `Connection`.
const END_TO_END: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::HOST,
    header::ORIGIN,
    header::REFERER,
    header::SET_COOKIE,
];

/// Names are lower case here ([`HeaderName`] sees to it).
fn is_hop_by_hop(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'h') => name == "http2-settings",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => name.starts_with("proxy-"),
        Some(b't') => matches!(name, "te" | "trailer" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        _ => false,
    }
}

fn is_reserved(name: &str) -> bool {
    let known = match name.as_bytes().first() {
        Some(b'x') => is_reserved_x(name.get(2..).unwrap_or_default()),
        Some(b'a') => name == "authorization",
        Some(b'b') => name == "baggage",
        Some(b'c') => matches!(name, "cf-connecting-ip" | "client-ip"),
        Some(b'e') => name == "expect",
        Some(b'f') => matches!(name, "fastly-client-ip" | "forwarded" | "front-end-https"),
        Some(b't') => matches!(name, "traceparent" | "tracestate" | "true-client-ip"),
        Some(b'v') => name == "via",
        _ => false,
    };
    known || name.contains('_')
}

/// What follows `x-`.
fn is_reserved_x(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'b') => name.starts_with("b3"),
        Some(b'c') => matches!(name, "client-ip" | "cluster-client-ip" | "correlation-id"),
        Some(b'e') => name.starts_with("envoy-") || name == "embedgate-session",
        Some(b'f') => name.starts_with("forwarded"),
        Some(b'h') => name == "host" || name.starts_with("http-method"),
        Some(b'm') => name == "method-override",
        Some(b'o') => name.starts_with("original-"),
        Some(b'p') => matches!(name, "proxyuser-ip" | "path-info"),
        Some(b'r') => {
            matches!(name, "real-ip" | "remote-user" | "request-id") || name.starts_with("rewrite-")
        }
        Some(b's') => matches!(name, "scheme" | "script-name"),
        Some(b'u') => matches!(name, "url-scheme"),
        _ => false,
    }
}

/// Cuts `Referer` to its origin, as `Referrer-Policy: strict-origin` would have.
fn referer(headers: &mut HeaderMap) {
    let Some(value) = headers.get(header::REFERER) else {
        return;
    };
    let text = value.as_bytes();
    let slashes = text.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let Some(origin) = slashes
        .map(|(at, _)| at)
        .nth(2)
        .and_then(|at| text.get(..=at))
    else {
        headers.remove(header::REFERER);
        return;
    };
    if origin.len() == text.len() {
        return;
    }
    match HeaderValue::from_bytes(origin) {
        Ok(origin) => headers.insert(header::REFERER, origin),
        Err(_) => headers.remove(header::REFERER),
    };
}

/// What embedgate tells an upstream about a request.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The host as the client named it, with its port.
    pub host: &'a str,
    /// Whether the client spoke TLS.
    pub secure: bool,
    /// Our id of the request.
    pub request_id: &'a HeaderValue,
    /// Trace context (W3C), ours.
    pub traceparent: &'a HeaderValue,
}

/// Sets `X-Forwarded-For/-Proto/-Host`, `Forwarded` (RFC 7239), `X-Request-Id` and `traceparent`.
///
/// Whatever stood there before is replaced. What is written here shares one allocation; a host that cannot stand in a header field is left out.
pub fn set_forwarded(headers: &mut HeaderMap, forwarded: &Forwarded<'_>) {
    let Forwarded {
        client,
        host,
        secure,
        request_id,
        traceparent,
    } = *forwarded;
    let proto = if secure { "https" } else { "http" };
    let mut text = String::with_capacity(host.len().saturating_mul(2).saturating_add(128));
    // Writing to a String cannot fail.
    let _infallible = write!(text, "{client}");
    let client_end = text.len();
    text.push_str(host);
    let host_end = text.len();
    let (before, after) = match client {
        IpAddr::V4(_) => ("for=", ""),
        IpAddr::V6(_) => ("for=\"[", "]\""),
    };
    text.push_str(before);
    text.extend_from_within(..client_end);
    text.extend([after, ";proto=", proto]);
    if !host.contains(['"', '\\']) {
        text.extend([";host=\"", host, "\""]);
    }
    let text = Bytes::from(text);
    let mut set = |name: HeaderName, value: Bytes| match HeaderValue::from_maybe_shared(value) {
        Ok(value) => headers.insert(name, value),
        Err(_) => headers.remove(name),
    };
    set(X_FORWARDED_FOR, text.slice(..client_end));
    set(X_FORWARDED_HOST, text.slice(client_end..host_end));
    set(header::FORWARDED, text.slice(host_end..));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.insert(X_REQUEST_ID, request_id.clone());
    headers.insert(TRACEPARENT, traceparent.clone());
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts values into header fields and cookies: the client's copies go, ours stand once. A list is joined with `, ` (in a cookie `%2C`).
///
/// Call after [`strip_client`] and [`cookie::filter`].
///
/// # Errors
/// `param_missing`; `param_invalid` for a value that cannot stand there unchanged (blank at its ends, commas inside a list).
pub fn bind(headers: &mut HeaderMap, bindings: Bindings<'_>) -> Result<(), Denial> {
    if !bindings
        .locks
        .iter()
        .any(|lock| matches!(lock.place, Place::Cookie(_) | Place::Header(_)))
    {
        return Ok(());
    }
    for bound in bindings.bounds()? {
        match bound.place {
            Place::Header(name) => field(headers, name, &bound)?,
            Place::Cookie(name) => cookie::bind(headers, name, &bound)?,
            Place::Form(_) | Place::Json { .. } | Place::Path(_) | Place::Query(_) => {}
        }
    }
    Ok(())
}

fn field(headers: &mut HeaderMap, name: &HeaderName, bound: &Bound<'_>) -> Result<(), Denial> {
    let invalid = || judge::denied(Refusal::ParamInvalid, bound.spec);
    if let (Mode::Enabled, Some(sent)) = (bound.spec.mode, headers.get(name)) {
        // The viewer's own choice stands, where it is one and of its type.
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(invalid());
        }
        let text = sent.to_str().map_err(|_| invalid())?;
        let typed = judge::typed(bound.spec, text)?;
        let value = HeaderValue::from_str(&typed).map_err(|_| invalid())?;
        headers.insert(name, value);
        return Ok(());
    }
    if bound.spec.mode == Mode::Disabled && headers.contains_key(name) {
        return Err(judge::denied(Refusal::ParamDisabled, bound.spec));
    }
    headers.remove(name);
    let Some(value) = bound.value else {
        return Ok(());
    };
    let scalars = value.scalars();
    let mut joined = String::new();
    for (index, scalar) in scalars.iter().enumerate() {
        if *scalar.text != *scalar.text.trim()
            || scalar.text.is_empty()
            || (scalars.len() > 1 && scalar.text.contains(','))
        {
            return Err(invalid());
        }
        joined.push_str(if index > 0 { ", " } else { "" });
        joined.push_str(&scalar.text);
    }
    headers.insert(
        name,
        HeaderValue::from_str(&joined)
            .or_else(|_| HeaderValue::from_bytes(joined.as_bytes()))
            .map_err(|_| invalid())?,
    );
    Ok(())
}

#[cfg(test)]
mod tests;
