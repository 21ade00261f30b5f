//! The file as written: one struct per table, no logic. The comments on the keys feed `embedgate schema`.
//!
//! Every field has a default, so that one bad value never hides the others (see `config::read`); what is required is checked
//! when the file is compiled, and noted here as `required` for the schema.

mod cluster;
mod issuer;
mod metabase;
mod site;
mod superset;

use std::{collections::BTreeMap, fmt, marker::PhantomData, path::PathBuf};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, SeqAccess, value::MapAccessDeserializer, value::SeqAccessDeserializer},
};

pub use cluster::{Addresses, Cluster, WithoutRedis};
pub use issuer::{Claims, Issuer, JwkSource, Key};
pub use metabase::{Item, ItemKind, Metabase, PublicLink, Unmapped, Values};
pub use site::{
    Access, Bind, BindNetwork, Cookies, Kind, Limits, Lock, Mode, Param, ParamType, Place, Route,
    Site, Tenant, Timeouts, TopLevel, UpstreamTls,
};
pub use superset::{Rule, Superset};

use super::{
    secret::SecretSource,
    units::{Duration, Size},
};

/// The configuration of embedgate: one TOML file. Unknown keys are errors; paths are relative to the file's folder.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["listen", "site"]))]
pub struct Config {
    /// The public side: where browsers connect.
    pub listen: Option<Listen>,
    /// The admin listener: metrics, health, and what is loaded. Without this table there is none.
    pub admin: Option<Admin>,
    /// What embedgate says about itself, on stderr.
    pub log: Log,
    /// The audit trail: one JSON line per request.
    pub audit: Audit,
    /// Sessions: what a page load with a valid token earns. Needed where a site has sessions.
    pub session: Option<Session>,
    /// Bounds of what is remembered.
    pub cache: Cache,
    /// Revocations: whose access ended before its time.
    pub revocations: Revocations,
    /// What several gateways share through Redis. Without this table, each gateway is on its own.
    pub cluster: Option<Cluster>,
    /// Issuers, by name: whoever signs viewer tokens.
    pub issuer: BTreeMap<String, Issuer>,
    /// Sites, by name: one public host (or host and path prefix) in front of one upstream.
    pub site: BTreeMap<String, Site>,
}

/// The public side: where browsers connect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["address"]))]
pub struct Listen {
    /// `IP:port` to listen on.
    pub address: Option<String>,
    /// Certificate and key, or several pairs: the client's server name picks one, the first serves the rest.
    pub tls: Option<OneOrMany<Tls>>,
    /// Offer HTTP/2 over TLS.
    pub http2: bool,
    /// Let clients resume TLS sessions by tickets (kept in memory, made anew at every start).
    pub tls_resumption: bool,
    /// Connections open at once; further ones wait to be accepted.
    pub max_connections: u32,
    /// Largest request head (request line and header fields).
    pub head_limit: Size,
    /// How long a client may take to send a request head.
    pub head_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Longest pause between two pieces of a body.
    pub body_timeout: Duration,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long requests in flight may take to finish at shutdown.
    pub shutdown_grace: Duration,
    /// Networks of proxies in front of embedgate, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<String>,
    /// Data threads; 0 is one per core.
    pub workers: u16,
    /// Listen without TLS on an address that is not loopback: tokens and data travel readable.
    pub danger_cleartext: bool,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: None,
            tls: None,
            http2: true,
            tls_resumption: true,
            max_connections: 10_000,
            head_limit: Size::kib(32),
            head_timeout: Duration::seconds(10),
            handshake_timeout: Duration::seconds(10),
            body_timeout: Duration::seconds(30),
            keep_alive: Duration::seconds(75),
            shutdown_grace: Duration::seconds(30),
            trusted_proxies: Vec::new(),
            workers: 0,
            danger_cleartext: false,
        }
    }
}

/// A certificate chain and its private key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["certificate", "key"]))]
pub struct Tls {
    /// PEM file with the certificate chain, leaf first.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub key: Option<PathBuf>,
}

/// The admin listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// `IP:port` to listen on.
    pub address: String,
    /// Bearer token for everything that writes, and for the list of revocations; without one, both are off.
    pub token: Option<SecretSource>,
    /// Listen on an address that is not loopback although there is no token. Whoever reaches the address reads metrics and the redacted
    /// policy, with a token set or not: it guards writing alone.
    pub danger_public: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:9901".into(),
            token: None,
            danger_public: false,
        }
    }
}

/// What embedgate says about itself, on stderr.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least that is worth a line.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// The least that is worth a line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything that helps an engineer.
    Debug,
    /// Someone must act.
    Error,
    /// What an operator wants to know.
    #[default]
    Info,
    /// All there is.
    Trace,
    /// Degraded.
    Warn,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    #[default]
    Pretty,
}

/// The audit trail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// `"stdout"`, `"off"`, or the path of a file to append to.
    pub output: String,
    /// Record the values of locked parameters too, not their names alone.
    pub values: bool,
    /// Refuse requests (`overloaded`) rather than lose a record.
    pub required: bool,
    /// Bound of what waits to be written.
    pub buffer: Size,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            output: "stdout".into(),
            values: false,
            required: false,
            buffer: Size::kib(8 * 1024),
        }
    }
}

/// Sessions: what a page load with a token earns, so that short tokens suffice.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Seals the cookie; at least 32 bytes.
    pub secret: Option<SecretSource>,
    /// Instead of `secret`, for rotation: the first seals, all open.
    pub secrets: Vec<SecretSource>,
    /// Life of a session, from the page load that began it.
    pub lifetime: Duration,
    /// Longest pause between two requests.
    pub idle: Duration,
    /// What carries sessions, where a site says nothing else.
    pub mode: SessionMode,
}

/// What carries a session from request to request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionMode {
    /// A cookie.
    #[default]
    Cookie,
    /// A script in the page, for browsers that keep no cookie at all.
    Script,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            secret: None,
            secrets: Vec::new(),
            lifetime: Duration::seconds(8 * 3600),
            idle: Duration::seconds(30 * 60),
            mode: SessionMode::Cookie,
        }
    }
}

/// Bounds of what is remembered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Token verifications remembered at once; 0 remembers none.
    pub verifications: u64,
    /// Used tokens remembered at once, for sites with `single_use`; where there is no room, page loads are refused (`overloaded`).
    pub used_tokens: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            verifications: 100_000,
            used_tokens: 1_000_000,
        }
    }
}

/// Revocations: whose access ended before its time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Revocations {
    /// File that they are kept in, so that a restart forgets none. Without it they are kept in memory alone.
    pub file: Option<PathBuf>,
    /// Revocations in force at once; beyond that, none is made.
    pub max: u32,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            file: None,
            max: 1_000_000,
        }
    }
}

/// One table, or an array of them.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// An array.
    Many(Vec<T>),
    /// One table.
    One(T),
}

impl<T> OneOrMany<T> {
    /// The tables.
    pub fn all(&self) -> &[T] {
        match self {
            Self::Many(all) => all,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, or an array of tables")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMany<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMany::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany::Many)
    }
}

/// The JSON Schema of the file, for editors.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Config);
    schemars::transform::transform_subschemas(&mut WithoutNull, &mut schema);
    schema.to_value()
}

/// TOML has no `null`: it is neither a default nor a type.
#[derive(Clone)]
struct WithoutNull;

impl schemars::transform::Transform for WithoutNull {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        if schema
            .get("default")
            .is_some_and(serde_json::Value::is_null)
        {
            schema.remove("default");
        }
        if let Some(serde_json::Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
        }
        if let Some(serde_json::Value::Array(any)) = schema.get_mut("anyOf") {
            any.retain(|one| one.get("type").is_none_or(|name| name != "null"));
        }
        schemars::transform::transform_subschemas(self, schema);
    }
}
