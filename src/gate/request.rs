//! One reading of a request head.

use std::net::IpAddr;

use http::{HeaderMap, Method};

use super::{host::Host, path::NormalPath, query::Query};

/// Seconds since 1970-01-01T00:00:00Z (RFC 7519 `NumericDate`, whole seconds).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// This time plus a number of seconds; saturates.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// A request head, read once; everything that decides looks at this and nothing else.
#[derive(Debug)]
pub struct RequestView<'a> {
    /// The method.
    pub method: &'a Method,
    /// Host and port as the client named them, read strictly.
    pub host: &'a Host<'a>,
    /// Whether the client speaks TLS (to us, or to a trusted proxy in front of us).
    pub secure: bool,
    /// The path below the site's prefix, normalised.
    pub path: &'a NormalPath<'a>,
    /// The query, decoded once.
    pub query: &'a Query<'a>,
    /// The header fields as received.
    pub headers: &'a HeaderMap,
    /// The client's address (after trusted proxies were looked through).
    pub client: IpAddr,
    /// Now; the pure ring has no clock.
    pub now: UnixTime,
}
