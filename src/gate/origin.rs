//! Origins, and the frame ancestors that may embed a site.

use std::{collections::HashSet, fmt};

use http::HeaderValue;

use super::host::Host;

mod frame;

pub use frame::{Embedding, FramePolicy};

pub(in crate::gate) use frame::own_referer;

/// A web origin (RFC 6454): scheme, host, effective port. Never opaque.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Origin {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Reads an `http` or `https` origin exactly: `scheme://host[:port]`, nothing after it.
    pub fn parse(text: &str) -> Option<Self> {
        Seen::origin(text).map(|seen| seen.to_origin())
    }

    /// The origin of an absolute URL (`Referer`).
    pub fn of_url(url: &str) -> Option<Self> {
        Seen::url(url).map(|seen| seen.to_origin())
    }
}

impl fmt::Display for Origin {
    /// As browsers serialise it: without the default port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_origin(f, self.scheme, "", &self.host, self.port)
    }
}

/// One entry of `frame_ancestors`: an origin, or `scheme://*.host[:port]` for every subdomain (CSP Level 3 host-source; never a bare `*`).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Ancestor {
    scheme: Scheme,
    host: Box<str>,
    subdomains: bool,
    port: u16,
}

impl Ancestor {
    /// Reads one entry.
    ///
    /// # Errors
    /// What is wrong with it, in words for an operator.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.trim_matches('\'') {
            "*" => return Err("`*` would admit every site; name the origins that may embed"),
            "none" => return Err("an empty list already means that nobody may embed"),
            "self" => {
                return Err(
                    "write the site's own origin (https://bi.example.com) instead of 'self'",
                );
            }
            _ => {}
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("it is not an origin such as https://app.example.com")?;
        let scheme = Scheme::parse(scheme).ok_or("its scheme is neither https nor http")?;
        if rest.contains(['/', '?', '#']) {
            return Err("an origin ends after the host and port: remove what follows");
        }
        let below = rest.strip_prefix("*.");
        let host = Host::parse(below.unwrap_or(rest))
            .map_err(|_| "its host is not a name or address, with an optional port")?;
        if below.is_some() {
            check_wildcard(host.name())?;
        }
        let (name, port) = host.authority(scheme == Scheme::Https);
        Ok(Self {
            scheme,
            host: name.into(),
            subdomains: below.is_some(),
            port,
        })
    }

    /// Whether it covers an origin. `https://*.a.example` covers `https://b.a.example` and `https://c.b.a.example`, not `https://a.example`.
    pub fn covers(&self, origin: &Origin) -> bool {
        self.admits(origin.scheme, &origin.host, origin.port)
    }

    /// The one origin that it covers; `None` where it covers subdomains.
    pub fn exact(&self) -> Option<Origin> {
        (!self.subdomains).then(|| Origin {
            scheme: self.scheme,
            host: self.host.clone(),
            port: self.port,
        })
    }

    fn admits(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        if scheme != self.scheme || port != self.port {
            return false;
        }
        if !self.subdomains {
            return *host == *self.host;
        }
        let below = host.strip_suffix(&*self.host);
        below.is_some_and(|below| below.len() > 1 && below.ends_with('.'))
    }
}

impl fmt::Display for Ancestor {
    /// As a CSP host-source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wildcard = if self.subdomains { "*." } else { "" };
        write_origin(f, self.scheme, wildcard, &self.host, self.port)
    }
}

/// Who may embed a page: entries, and the CSP directive that says so (`frame-ancestors 'none'` where empty).
#[derive(Clone, Debug)]
pub struct Ancestors {
    entries: Vec<Ancestor>,
    directive: HeaderValue,
}

impl Ancestors {
    /// Of entries; repeated ones count once.
    pub fn new(mut entries: Vec<Ancestor>) -> Self {
        let mut known = HashSet::new();
        entries.retain(|entry| known.insert(entry.clone()));
        let directive = directive(&entries);
        Self { entries, directive }
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[Ancestor] {
        &self.entries
    }

    /// Whether an origin is covered.
    pub fn covers(&self, origin: &Origin) -> bool {
        self.entries.iter().any(|entry| entry.covers(origin))
    }

    /// `frame-ancestors …`, ready to send.
    pub fn directive(&self) -> &HeaderValue {
        &self.directive
    }

    fn admits(&self, seen: &Seen<'_>) -> bool {
        let (host, port) = seen.authority();
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.admits(seen.scheme, host, port))
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("https") {
            return Some(Self::Https);
        }
        text.eq_ignore_ascii_case("http").then_some(Self::Http)
    }
}

/// An origin read from a header without allocating.
#[derive(Debug)]
struct Seen<'a> {
    scheme: Scheme,
    host: Host<'a>,
}

impl<'a> Seen<'a> {
    fn origin(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        Some(Self {
            scheme: Scheme::parse(scheme)?,
            host: Host::parse(authority).ok()?,
        })
    }

    fn url(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        Some(Self {
            scheme: Scheme::parse(scheme)?,
            host: Host::parse(authority).ok()?,
        })
    }

    fn authority(&self) -> (&str, u16) {
        self.host.authority(self.scheme == Scheme::Https)
    }

    fn is(&self, origin: &Origin) -> bool {
        self.scheme == origin.scheme && self.authority() == (&*origin.host, origin.port)
    }

    fn to_origin(&self) -> Origin {
        let (host, port) = self.authority();
        Origin {
            scheme: self.scheme,
            host: host.into(),
            port,
        }
    }
}

/// Subdomains of an address make no sense, those of a top-level domain are half the web.
fn check_wildcard(host: &str) -> Result<(), &'static str> {
    if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err("an address has no subdomains");
    }
    if !host.contains('.') && host != "localhost" {
        return Err("it would admit a whole top-level domain");
    }
    Ok(())
}

fn directive(entries: &[Ancestor]) -> HeaderValue {
    let mut text = String::from("frame-ancestors");
    for entry in entries {
        text.push(' ');
        text.push_str(&entry.to_string());
    }
    if entries.is_empty() {
        text.push_str(" 'none'");
    }
    header(text)
}

/// Hosts are checked to be plain ASCII, so this cannot fail; were it to, nobody may embed.
fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text)
        .unwrap_or_else(|_| HeaderValue::from_static("frame-ancestors 'none'"))
}

fn write_origin(
    f: &mut fmt::Formatter<'_>,
    scheme: Scheme,
    wildcard: &str,
    host: &str,
    port: u16,
) -> fmt::Result {
    let (scheme, default) = match scheme {
        Scheme::Http => ("http", 80),
        Scheme::Https => ("https", 443),
    };
    write!(f, "{scheme}://{wildcard}{host}")?;
    if port == default {
        return Ok(());
    }
    write!(f, ":{port}")
}

#[cfg(test)]
mod tests;
