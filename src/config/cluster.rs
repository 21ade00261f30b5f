//! What `[cluster]` compiles to, and the addresses of Redis.

use std::{fmt, net::IpAddr, time::Duration};

use http::uri::Uri;
use rustls_pki_types::ServerName;

use super::{raw::WithoutRedis, secret::Secret, spec::UpstreamTls};
use crate::gate::cluster::Names;

/// How gateways share.
#[derive(Debug)]
pub struct ClusterSpec {
    /// Where Redis is, or its Sentinels; at least one.
    pub nodes: Vec<Node>,
    /// Whether TLS is spoken.
    pub secure: bool,
    /// How it is verified.
    pub tls: UpstreamTls,
    /// Whether a Redis elsewhere may be spoken to without TLS.
    pub cleartext: bool,
    /// The name of the master that the nodes watch; `None`: they are Redis themselves.
    pub sentinel: Option<Box<str>>,
    /// The number of the database.
    pub database: u16,
    /// The user; `None`: Redis's default user.
    pub username: Option<Secret>,
    /// The user's password.
    pub password: Option<Secret>,
    /// The Sentinels' password.
    pub sentinel_password: Option<Secret>,
    /// Names and seals what Redis holds.
    pub names: Names,
    /// The longest that a request waits.
    pub timeout: Duration,
    /// What happens to rate limits without Redis.
    pub limits: WithoutRedis,
    /// Whether a token opens one page at each gateway while Redis does not answer; else none.
    pub local_single_use: bool,
    /// Changes with all of this.
    pub fingerprint: u64,
}

/// Where a server listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// A name or an address, without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
}

/// One address as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// `rediss://`.
    pub secure: bool,
    /// Where.
    pub node: Node,
    /// The number of the database, where the address names one.
    pub database: u16,
}

impl Address {
    /// Reads `redis://host:6379/0` or `rediss://…`; `port` is the one that goes without saying.
    ///
    /// # Errors
    /// Says what is wrong with it; nothing of the text is repeated, since it may hold a password.
    pub fn parse(text: &str, port: u16) -> Result<Self, &'static str> {
        // Before anything else, so that what it says is of use to whoever wrote one.
        if text.contains('@') {
            return Err(
                "a name and password do not belong in it: set `password = { env = \"NAME\" }`, and `username` where Redis has users",
            );
        }
        let secure = match text.split_once("://") {
            Some(("redis", _)) => false,
            Some(("rediss", _)) => true,
            _ => return Err("it must begin with redis:// or rediss://"),
        };
        let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
        if uri.query().is_some() || text.contains('#') {
            return Err("a query or fragment does not belong in it");
        }
        let authority = uri.authority().ok_or("it names no host")?;
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
            None => port,
        };
        let database = match uri.path() {
            "" | "/" => 0,
            path => path
                .strip_prefix('/')
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .ok_or("after the host stands the number of a database, or nothing")?,
        };
        Ok(Self {
            secure,
            node: Node {
                host: host.into(),
                port,
            },
            database,
        })
    }
}

impl Node {
    /// Whether it is on this very machine.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        address.map_or_else(
            |_| self.host.eq_ignore_ascii_case("localhost"),
            |address| address.to_canonical().is_loopback(),
        )
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_redis_is() {
        for (text, secure, shown, database) in [
            ("redis://127.0.0.1", false, "127.0.0.1:6379", 0),
            ("redis://localhost:7000/", false, "localhost:7000", 0),
            ("rediss://redis.internal/3", true, "redis.internal:6379", 3),
            ("rediss://[::1]:6380", true, "[::1]:6380", 0),
        ] {
            let address = Address::parse(text, 6379).unwrap();
            assert_eq!(
                (address.secure, address.node.to_string(), address.database),
                (secure, shown.to_owned(), database),
                "{text}"
            );
        }
        assert_eq!(
            Address::parse("redis://s1", 26379).unwrap().node.port,
            26379
        );
    }

    #[test]
    fn refuses_what_is_no_address() {
        for bad in [
            "",
            "redis.internal:6379",
            "http://redis.internal",
            "redis://",
            "redis:///0",
            "redis://:secret@redis.internal",
            "redis://user:secret@redis.internal",
            "redis://redis.internal:0",
            "redis://redis.internal:99999",
            "redis://redis.internal/x",
            "redis://redis.internal/0/1",
            "redis://redis.internal/70000",
            "redis://redis.internal?db=1",
            "redis://redis.internal#1",
            "redis://a b",
        ] {
            assert!(Address::parse(bad, 6379).is_err(), "{bad}");
        }
        let why = Address::parse("redis://:hunter2@h", 6379).unwrap_err();
        assert!(
            why.contains("password = { env") && !why.contains("hunter2"),
            "{why}"
        );
    }

    #[test]
    fn knows_this_machine() {
        for (host, here) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("LocalHost", true),
            ("10.0.0.1", false),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
        ] {
            let node = Node {
                host: host.into(),
                port: 1,
            };
            assert_eq!(node.is_loopback(), here, "{host}");
        }
    }
}
