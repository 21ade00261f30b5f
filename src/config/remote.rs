//! A document on another server that the gateway fetches for itself: a URL, read strictly, and how it may be reached.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use http::uri::{PathAndQuery, Scheme, Uri};
use rustls_pki_types::ServerName;

use super::spec::{UpstreamSpec, UpstreamTls};

/// Where a document is. The server is reached like an upstream; redirects are never followed, so this is where it comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remote {
    /// The server.
    pub upstream: UpstreamSpec,
    /// Path and query.
    pub target: Box<str>,
    /// What else may be fetched on its word.
    pub trust: Trust,
}

/// How documents may be reached.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trust {
    /// PEM bundle of the roots to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Which `http://` URLs are accepted; `https://` always is.
    pub cleartext: Cleartext,
}

/// Which `http://` URLs are accepted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Cleartext {
    /// All: somebody says that the network is safe.
    Anywhere,
    /// Those of this very machine.
    #[default]
    Loopback,
    /// None: what comes over TLS must not lead out of it, nor to this machine.
    Nowhere,
}

impl Remote {
    /// Reads a URL.
    ///
    /// # Errors
    /// Says what is wrong with it; nothing of the text is repeated.
    pub fn parse(text: &str, trust: Trust) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err("it must begin with https://"),
        };
        if text.contains(['#', '\\', '"', '<', '>', ' ']) || !text.is_ascii() {
            return Err("it holds characters that do not belong in a URL");
        }
        let authority = uri.authority().ok_or("it names no host")?.clone();
        if authority.as_str().contains('@') {
            return Err("a name and password do not belong in it");
        }
        let host = authority.host().trim_matches(['[', ']']);
        if ServerName::try_from(host).is_err() {
            return Err("its host is neither a name nor an address");
        }
        let port = match authority.port_u16() {
            Some(0) => return Err("port 0 is no port"),
            Some(port) => port,
            None if authority.as_str() != authority.host() => {
                return Err("its port is no number up to 65535");
            }
            None if secure => 443,
            None => 80,
        };
        match trust.cleartext {
            Cleartext::Anywhere => {}
            Cleartext::Loopback if secure || is_loopback(host) => {}
            Cleartext::Nowhere if secure => {}
            Cleartext::Loopback => {
                return Err("http:// is for loopback addresses only: use https://");
            }
            Cleartext::Nowhere => return Err("it must begin with https://"),
        }
        let host = host.to_owned();
        let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Ok(Self {
            target: target.into(),
            upstream: UpstreamSpec {
                scheme: if secure { Scheme::HTTPS } else { Scheme::HTTP },
                host,
                port,
                authority,
                prefix: String::new(),
                tls: trust.ca.as_ref().filter(|_| secure).map(|ca| UpstreamTls {
                    ca: Some(ca.clone()),
                    ..UpstreamTls::default()
                }),
                connect_timeout: PATIENCE,
                response_timeout: PATIENCE,
                idle_timeout: PATIENCE,
            },
            trust,
        })
    }

    /// A document that this one names. What came over TLS leads to TLS only.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn follow(&self, text: &str) -> Result<Self, &'static str> {
        let secure = self.upstream.scheme == Scheme::HTTPS;
        let cleartext = match self.trust.cleartext {
            Cleartext::Loopback if secure => Cleartext::Nowhere,
            own @ (Cleartext::Anywhere | Cleartext::Loopback | Cleartext::Nowhere) => own,
        };
        let trust = Trust {
            ca: self.trust.ca.clone(),
            cleartext,
        };
        Self::parse(text, trust)
    }
}

/// Without the query, where somebody may have put a key.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UpstreamSpec {
            scheme, authority, ..
        } = &self.upstream;
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{authority}{path}")
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The longest wait for a connection, and for the next byte.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, cleartext: Cleartext) -> Result<Remote, &'static str> {
        let ca = None;
        Remote::parse(text, Trust { ca, cleartext })
    }

    #[test]
    fn reads_where_a_document_is() {
        for (text, host, port, target, shown) in [
            (
                "https://idp.example.com/jwks.json",
                "idp.example.com",
                443,
                "/jwks.json",
                "https://idp.example.com/jwks.json",
            ),
            (
                "https://idp.example.com:8443/a?key=hush",
                "idp.example.com",
                8443,
                "/a?key=hush",
                "https://idp.example.com:8443/a",
            ),
            (
                "https://idp.example.com",
                "idp.example.com",
                443,
                "/",
                "https://idp.example.com/",
            ),
            (
                "http://127.0.0.1:9/x",
                "127.0.0.1",
                9,
                "/x",
                "http://127.0.0.1:9/x",
            ),
            ("http://[::1]/x", "::1", 80, "/x", "http://[::1]/x"),
            (
                "http://localhost/x",
                "localhost",
                80,
                "/x",
                "http://localhost/x",
            ),
        ] {
            let remote = parse(text, Cleartext::Loopback).unwrap();
            let found = (remote.upstream.host.as_str(), remote.upstream.port);
            assert_eq!((found, &*remote.target), ((host, port), target), "{text}");
            assert_eq!(remote.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_safe_place() {
        for bad in [
            "",
            "idp.example.com/jwks",
            "/jwks",
            "file:///etc/passwd",
            "ftp://idp.example.com/",
            "https://",
            "https://user:word@idp.example.com/",
            "https://idp.example.com/#x",
            "https://idp.example.com:0/",
            "https://idp.example.com:99999/",
            "https://idp.example.com/a b",
            "https://idp.example.com/\u{e9}",
            "http://idp.example.com/",
            "http://127.0.0.1.example.com/",
            "http://10.0.0.1/",
        ] {
            assert!(parse(bad, Cleartext::Loopback).is_err(), "{bad}");
        }
        assert!(parse("http://idp.example.com/", Cleartext::Anywhere).is_ok());
        assert!(parse("http://127.0.0.1/", Cleartext::Nowhere).is_err());
    }

    #[test]
    fn what_came_over_tls_leads_to_tls() {
        let (over_tls, here) = ("https://idp.example.com/a", "http://127.0.0.1/a");
        let lead =
            |from: &str, cleartext, to: &str| parse(from, cleartext).unwrap().follow(to).is_ok();
        assert!(lead(
            over_tls,
            Cleartext::Loopback,
            "https://keys.example.com/"
        ));
        assert!(!lead(over_tls, Cleartext::Loopback, here), "this machine");
        assert!(lead(here, Cleartext::Loopback, here));
        assert!(!lead(here, Cleartext::Loopback, "http://idp.example.com/"));
        assert!(lead(
            over_tls,
            Cleartext::Anywhere,
            "http://idp.example.com/"
        ));
    }
}
