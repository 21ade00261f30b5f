//! `[site.NAME]` and the tables below it.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SessionMode, metabase::Metabase, superset::Superset};
use crate::config::units::{Duration, Rate, Size};

/// One public host (or host and path prefix) in front of one upstream, with its policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["hosts", "upstream", "kind"]))]
pub struct Site {
    /// Public host names, without port.
    pub hosts: Vec<String>,
    /// Public path prefix, where several sites share a host: `"/bi"`. It is cut off before the upstream.
    pub path_prefix: String,
    /// URL of the BI server; a path in it is put in front of every request's.
    pub upstream: Option<String>,
    /// What stands behind: picks the adapter.
    pub kind: Option<Kind>,
    /// Names of the issuers whose tokens are accepted.
    pub issuers: Vec<String>,
    /// Origins that may embed the site: `"https://app.example.com"`, `"https://*.partner.example"`.
    pub frame_ancestors: Vec<String>,
    /// Whether pages may be opened outside a frame.
    pub top_level: TopLevel,
    /// Query parameters in which a token may stand; the adapter's own places come on top.
    pub token_query: Vec<String>,
    /// Whether a page load with a token earns a session. Unless given: true for generic sites, false for Superset; for Metabase true
    /// where there is a `[session]`.
    pub sessions: Option<bool>,
    /// What carries the site's sessions; `session.mode` unless given. Not for Superset.
    pub session_mode: Option<SessionMode>,
    /// Whether a token opens one page only, which then goes on by its session: `token_replayed` for everybody after. Tokens need `jti` and `iat`.
    pub single_use: bool,
    /// What tokens and sessions are tied to: `"session"`, `"origin"`, `"network"`.
    pub bind: Vec<Bind>,
    /// With `bind = ["network"]`: how much of the client's address is its network.
    pub bind_network: Option<BindNetwork>,
    /// What happens to the upstream's cookies.
    pub cookies: Cookies,
    /// With `cookies = "strip"`: names of upstream cookies that pass all the same, both ways, made fit for a frame.
    pub upstream_cookies: Vec<String>,
    /// Header fields that tell the upstream who the viewer is: field = `"viewer"`, `"tenant"`, `"scope"` or `"param.NAME"`.
    pub identity: BTreeMap<String, String>,
    /// Largest request body, where a route says nothing else.
    pub body_limit: Size,
    /// How an `https` upstream is verified, and what we show it.
    pub upstream_tls: Option<UpstreamTls>,
    /// How long the upstream may take.
    pub timeouts: Timeouts,
    /// Parameters, by name: the filters.
    pub params: BTreeMap<String, Param>,
    /// How fast.
    pub limits: Limits,
    /// Tenants with rules of their own, by the name in the token.
    pub tenants: BTreeMap<String, Tenant>,
    /// The surface of a generic site; the most specific path wins, what is not listed is 404.
    pub routes: Vec<Route>,
    /// What the Metabase adapter needs; for `kind = "metabase"`.
    pub metabase: Option<Metabase>,
    /// What the Superset adapter needs; for `kind = "superset"`.
    pub superset: Option<Superset>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            path_prefix: String::new(),
            upstream: None,
            kind: None,
            issuers: Vec::new(),
            frame_ancestors: Vec::new(),
            top_level: TopLevel::Deny,
            token_query: vec!["embed_token".into()],
            sessions: None,
            session_mode: None,
            single_use: false,
            bind: Vec::new(),
            bind_network: None,
            cookies: Cookies::Strip,
            upstream_cookies: Vec::new(),
            identity: BTreeMap::new(),
            body_limit: Size::kib(1024),
            upstream_tls: None,
            timeouts: Timeouts::default(),
            params: BTreeMap::new(),
            limits: Limits::default(),
            tenants: BTreeMap::new(),
            routes: Vec::new(),
            metabase: None,
            superset: None,
        }
    }
}

/// What stands behind a site.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any web application; the file declares the surface.
    Generic,
    /// Metabase; the adapter brings the surface.
    Metabase,
    /// Apache Superset or CalabiIQ; the adapter brings the surface.
    Superset,
}

/// Whether pages may be opened outside a frame.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TopLevel {
    /// They may.
    Allow,
    /// They may not.
    #[default]
    Deny,
}

/// What tokens and sessions are tied to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Bind {
    /// Sessions to the network that they began in; tokens to their session.
    Network,
    /// Requests to the frame: a page must show where it stands, everything else that it comes from such a page.
    Origin,
    /// Tokens to the session that they opened.
    Session,
}

/// How much of a client's address is its network.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BindNetwork {
    /// Leading bits of an IPv4 address.
    pub v4: u8,
    /// Leading bits of an IPv6 address.
    pub v6: u8,
}

impl Default for BindNetwork {
    fn default() -> Self {
        Self { v4: 24, v6: 56 }
    }
}

/// What happens to the upstream's cookies.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cookies {
    /// All pass, made fit for a frame: `Secure; SameSite=None; Partitioned`.
    Frame,
    /// None passes, in either direction.
    #[default]
    Strip,
}

/// How an `https` upstream is verified, and what we show it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamTls {
    /// PEM file with the roots to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM file with our client certificate; needs `key`.
    pub certificate: Option<PathBuf>,
    /// PEM file with the client certificate's private key.
    pub key: Option<PathBuf>,
    /// The name to expect in the upstream's certificate, where it is not the URL's host.
    pub server_name: Option<String>,
}

/// How long the upstream may take.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// To accept a connection, TLS included.
    pub connect: Duration,
    /// To send a response head.
    pub response: Duration,
    /// Between two pieces of a response body; idle connections are kept that long too.
    pub idle: Duration,
    /// How long a WebSocket may carry nothing.
    pub websocket_idle: Duration,
    /// How long a WebSocket may live, where its grant lives longer.
    pub websocket_life: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::seconds(5),
            response: Duration::seconds(60),
            idle: Duration::seconds(60),
            websocket_idle: Duration::seconds(600),
            websocket_life: None,
        }
    }
}

/// A parameter: one filter.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["mode"]))]
pub struct Param {
    /// Who decides its value.
    pub mode: Option<Mode>,
    /// The type of one value.
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// Whether the token may hold a list of several values.
    pub list: bool,
    /// The scope with which a token may say `{ "all": true }` for this locked parameter, and so every value. Only with `kind = "metabase"`.
    pub all: Option<String>,
}

/// Who decides a parameter's value.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nobody may send it.
    Disabled,
    /// The viewer may set it; the token may preset it.
    Enabled,
    /// The token alone.
    Locked,
}

/// The type of one value.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    /// `true` or `false`.
    Boolean,
    /// `2026-11-22`.
    Date,
    /// A whole number of any size.
    Integer,
    /// A number.
    Number,
    /// Any text without control characters.
    #[default]
    String,
    /// A UUID.
    Uuid,
}

/// How fast; what is not given is unlimited.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests per client address (IPv6: per /64), before any token is looked at.
    pub address: Option<Rate>,
    /// Requests per viewer.
    pub viewer: Option<Rate>,
    /// Requests per tenant.
    pub tenant: Option<Rate>,
    /// Requests of the site as a whole.
    pub site: Option<Rate>,
    /// Requests of one viewer under way at once.
    pub in_flight: Option<u32>,
    /// Open `WebSockets` of one viewer.
    pub websockets: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            address: None,
            viewer: None,
            tenant: None,
            site: None,
            in_flight: None,
            websockets: 16,
        }
    }
}

/// A tenant's own rules.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["frame_ancestors"]))]
pub struct Tenant {
    /// Origins that may embed the site for viewers of this tenant, instead of the site's.
    pub frame_ancestors: Option<Vec<String>>,
}

/// A route of a generic site.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["path"]))]
pub struct Route {
    /// Pattern: literal segments, `{name}` for one segment, a final `*` for any rest.
    pub path: Option<String>,
    /// Allowed methods; `GET` (with `HEAD`) unless given.
    pub methods: Vec<String>,
    /// Who may use it.
    pub access: Access,
    /// The resource that the token must grant: `"report:{id}"` takes the identifier from the path.
    pub resource: Option<String>,
    /// The scope that the token must carry; `view` unless given.
    pub scope: Option<String>,
    /// Where locked and preset values go. A parameter without an entry goes to the query parameter of its own name.
    pub lock: Vec<Lock>,
    /// Query parameters that may pass; all unless given.
    pub query: Option<Vec<String>>,
    /// `"allow"`: may be opened outside a frame, whatever the site says (downloads in a new window).
    pub top_level: TopLevel,
    /// Largest request body; the site's unless given.
    pub body_limit: Option<Size>,
    /// Locked parameters that this route does not need: the upstream is asked without them.
    pub danger_unlocked: Vec<String>,
    /// Bodies pass unread (uploads), although the upstream might find a locked parameter in them. Else each body is read, must be a form or
    /// JSON, and may not say otherwise than the token.
    pub danger_unread_body: bool,
    /// Whether it may become a WebSocket.
    pub websocket: bool,
    /// What viewers send through the route's WebSocket passes unread, although the upstream might find a locked parameter in it. Needed with
    /// `websocket` on a site with locked or disabled parameters.
    pub danger_unread_messages: bool,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Nobody: as if it did not exist.
    Deny,
    /// Anybody (static assets).
    Public,
    /// Viewers with a valid token or session.
    #[default]
    Viewer,
}

/// Where a parameter's value goes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["param", "in"]))]
pub struct Lock {
    /// Name of a locked or enabled parameter.
    pub param: Option<String>,
    /// The part of the upstream request.
    #[serde(rename = "in")]
    pub place: Option<Place>,
    /// The name there, where it is not the parameter's. For `in = "path"`: the `{name}` of the pattern.
    pub name: Option<String>,
    /// For `in = "json"`: JSON pointer of the place; a final `/-` appends to an array.
    pub at: Option<String>,
    /// For `in = "json"`: what is put there, `"$value"` standing for the value; the bare value unless given.
    pub value: Option<serde_json::Value>,
}

/// A part of the upstream request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A cookie.
    Cookie,
    /// A field of a urlencoded form body.
    Form,
    /// A header field.
    Header,
    /// A JSON body.
    Json,
    /// A `{name}` of the path.
    Path,
    /// A query parameter.
    Query,
}
