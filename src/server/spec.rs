//! What the transport is told: one listener and its upstreams, already parsed and checked by the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use ipnet::IpNet;

/// How the public side listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSpec {
    /// Where to bind; port 0 picks a free one (tests).
    pub address: SocketAddr,
    /// Certificates, the default first; empty means cleartext.
    pub tls: Vec<TlsFiles>,
    /// Offer HTTP/2 over TLS.
    pub http2: bool,
    /// Connections open at once over all workers.
    pub max_connections: usize,
    /// Bytes of one request head.
    pub head_limit: usize,
    /// How long a client may take to send a request head once it began.
    pub head_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// The longest pause between two pieces of a body, in either direction.
    pub body_timeout: Duration,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long requests in flight may take to finish at shutdown.
    pub shutdown_grace: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Data threads; 0 means one per core.
    pub workers: usize,
}

impl Default for ListenSpec {
    /// The documented defaults on a free loopback port.
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: Vec::new(),
            http2: true,
            max_connections: 10_000,
            head_limit: 32 * 1024,
            head_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            shutdown_grace: Duration::from_secs(30),
            trusted_proxies: Vec::new(),
            workers: 0,
        }
    }
}

/// One certificate chain and its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
}

/// One BI server and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSpec {
    /// `http` or `https`, nothing else.
    pub scheme: Scheme,
    /// A name or an IP address (without brackets).
    pub host: String,
    /// The port, explicit or the scheme's own.
    pub port: u16,
    /// What the upstream reads in `Host`.
    pub authority: Authority,
    /// Path prepended to every request, without a trailing slash; empty for none.
    pub prefix: String,
    /// How `https` is verified; `None` means the system's roots and `host` as the name.
    pub tls: Option<UpstreamTls>,
    /// How long one attempt to connect (TLS included) may take.
    pub connect_timeout: Duration,
    /// How long the upstream may take until its response head.
    pub response_timeout: Duration,
    /// The longest pause inside a response body, and how long a pooled connection is kept.
    pub idle_timeout: Duration,
}

/// How an `https` upstream is verified and what we show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// PEM bundle of the roots to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Client certificate chain (PEM); needs `key`.
    pub certificate: Option<PathBuf>,
    /// Private key of the client certificate (PEM).
    pub key: Option<PathBuf>,
    /// Name to expect in the upstream's certificate instead of `host`.
    pub server_name: Option<String>,
}
