//! What the file compiles to: plain data that the shell reads and never changes.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use http::{
    HeaderName,
    uri::{Authority, Scheme},
};
use ipnet::IpNet;

use super::{
    cluster::ClusterSpec,
    raw::{LogFormat, LogLevel},
    remote::Remote,
    secret::Secret,
    stamp::FileStamp,
};
use crate::{
    adapter::{metabase::MetabaseSpec, superset::spec::SupersetSpec},
    gate::{session::Sealer, site::Site, site::SiteTable, token::Issuer, token::jwk::JwkRules},
};

/// One generation of the configuration, complete and checked.
pub struct Snapshot {
    /// The sites as the gate finds them.
    pub gate: SiteTable,
    /// The sites with everything that the gate need not know; `sites[site.index].site` is `site`.
    pub sites: Vec<SiteEntry>,
    /// All issuers, also those that no site uses.
    pub issuers: Vec<IssuerEntry>,
    /// The public side.
    pub listen: ListenSpec,
    /// The admin listener; `None`: there is none.
    pub admin: Option<AdminSpec>,
    /// The audit trail.
    pub audit: AuditSpec,
    /// The log.
    pub log: LogSpec,
    /// Where revocations are kept.
    pub revocations: RevocationsSpec,
    /// What several gateways share; `None`: this one is on its own.
    pub cluster: Option<Arc<ClusterSpec>>,
    /// What seals sessions; present where a site has sessions.
    pub sessions: Option<Arc<Sealer>>,
    /// Token verifications remembered at once.
    pub cache_entries: u64,
    /// Used tokens remembered at once.
    pub single_use_entries: usize,
    /// The files that were read, as they were just before: the configuration itself, secrets, keys and certificates.
    pub files: Vec<FileStamp>,
    /// The key path of every `danger_` key that is set.
    pub dangers: Vec<String>,
    /// Changes with the text and with every secret and key. Derived from secrets: never shown.
    pub generation: u64,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sites: Vec<&str> = self.sites.iter().map(|entry| &*entry.site.name).collect();
        f.debug_struct("Snapshot")
            .field("sites", &sites)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// A site and its way to the upstream.
#[derive(Debug)]
pub struct SiteEntry {
    /// What the gate decides by.
    pub site: Arc<Site>,
    /// Its public names.
    pub hosts: Vec<String>,
    /// What is known about the BI server.
    pub adapter: AdapterSpec,
    /// Where it is.
    pub upstream: UpstreamSpec,
    /// What happens to its cookies.
    pub cookies: CookieMode,
    /// With [`CookieMode::Strip`]: upstream cookies that pass all the same, both ways, made fit for a frame.
    pub kept_cookies: Vec<Box<str>>,
    /// Header fields that tell the upstream who the viewer is; what a client sends under these names never passes.
    pub identity: Vec<(HeaderName, IdentitySource)>,
    /// How long `WebSockets` live.
    pub tunnels: TunnelSpec,
}

/// How long a WebSocket lives at most, whatever its grant says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TunnelSpec {
    /// Without a byte in either direction.
    pub idle: Duration,
    /// At all; `None`: as long as the grant.
    pub life: Option<Duration>,
}

/// What is known about one kind of BI server.
#[derive(Debug)]
pub enum AdapterSpec {
    /// Nothing: the file declares the surface.
    Generic,
    /// Metabase.
    Metabase(Box<MetabaseSpec>),
    /// Apache Superset or CalabiIQ.
    Superset(Box<SupersetSpec>),
}

/// What happens to the upstream's cookies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CookieMode {
    /// All pass, made fit for a frame.
    Frame,
    /// None passes, in either direction.
    Strip,
}

/// What an identity header holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdentitySource {
    /// A locked parameter's value, by its index in the site's parameters; a list is joined with commas.
    Param(usize),
    /// The granted scopes, separated by spaces.
    Scope,
    /// The tenant.
    Tenant,
    /// The viewer.
    Viewer,
}

/// An issuer, and what is needed to sign in its name.
#[derive(Debug)]
pub struct IssuerEntry {
    /// What tokens are checked against.
    pub issuer: Arc<Issuer>,
    /// Its keys, in the order of the file; none where they are fetched.
    pub keys: Vec<KeyInfo>,
    /// Where its keys are fetched from while the gateway runs; `None`: they are configured.
    pub source: Option<Arc<KeySource>>,
    /// Keys of its file that are not used, and why.
    pub unused: Vec<String>,
}

/// Where an issuer's keys are fetched from, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeySource {
    /// The set itself, or the discovery document that says where it is.
    pub place: Remote,
    /// With discovery: what the document's `issuer` must be.
    pub issuer: Option<Box<str>>,
    /// By which rules keys are read.
    pub rules: JwkRules,
    /// The longest pause between two fetches.
    pub refresh: Duration,
    /// Changes with the roots that are trusted.
    pub roots: u64,
}

impl IssuerEntry {
    /// The first key that can sign: one with a shared secret.
    pub fn signing(&self) -> Option<(&KeyInfo, &Secret)> {
        self.keys
            .iter()
            .find_map(|key| Some((key, key.secret.as_deref()?)))
    }
}

/// One key of an issuer.
#[derive(Debug)]
pub struct KeyInfo {
    /// Its `kid`.
    pub kid: Option<Box<str>>,
    /// Its algorithm.
    pub algorithm: jsonwebtoken::Algorithm,
    /// The shared secret; `None` where we only know the public half.
    pub secret: Option<Arc<Secret>>,
}

/// How the public side listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenSpec {
    /// Where to bind; port 0 picks a free one.
    pub address: SocketAddr,
    /// Certificates, the default first; empty means cleartext.
    pub tls: Vec<TlsFiles>,
    /// Offer HTTP/2 over TLS.
    pub http2: bool,
    /// Let clients resume TLS sessions by tickets.
    pub tls_resumption: bool,
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
            tls_resumption: true,
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
}

/// The admin listener.
#[derive(Debug)]
pub struct AdminSpec {
    /// Where to bind.
    pub address: SocketAddr,
    /// The bearer token for everything that writes; `None`: writing is off.
    pub token: Option<Secret>,
}

/// The audit trail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditSpec {
    /// Where it goes.
    pub output: AuditOutput,
    /// Whether the values of locked parameters are recorded too.
    pub values: bool,
    /// Whether requests are refused rather than lose a record.
    pub required: bool,
    /// Bytes that may wait to be written.
    pub buffer: usize,
}

/// Where the audit trail goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuditOutput {
    /// To the end of a file.
    File(PathBuf),
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
}

/// Where revocations are kept, and how many.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevocationsSpec {
    /// The log; `None`: in memory alone.
    pub file: Option<PathBuf>,
    /// The most that may be in force at once.
    pub max: usize,
}

/// The log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogSpec {
    /// The least that is worth a line.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// One BI server and how to reach it.
#[derive(Clone, Debug, Eq, PartialEq)]
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
#[derive(Clone, Debug, Default, Eq, PartialEq)]
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
