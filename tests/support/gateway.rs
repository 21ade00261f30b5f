//! A gateway on a free port, from configuration text, and the tokens to use with it.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use embedgate::{
    config::Snapshot,
    gate::token::Signer,
    server::launch::{Launched, launch},
};
use serde_json::{Value, json};

/// The secret of the issuer `app`.
pub(crate) const APP: &str = "app-secret-0123456789abcdef0123456789";
/// The secret that seals sessions.
pub(crate) const SESSION: &str = "session-secret-0123456789abcdef01234";

/// A gateway that runs until it is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    launched: Option<Launched>,
}

impl Gateway {
    /// Starts one; panics with the configuration's errors.
    pub(crate) fn start(text: &str) -> Self {
        Self::start_with(text, &|_| None)
    }

    /// Starts one with further secrets.
    pub(crate) fn start_with(text: &str, more: &dyn Fn(&str) -> Option<String>) -> Self {
        let env = |name: &str| match name {
            "APP" => Some(APP.to_owned()),
            "SESSION" => Some(SESSION.to_owned()),
            _ => more(name),
        };
        let snapshot =
            Snapshot::parse(text, Path::new("/"), &env).unwrap_or_else(|errors| panic!("{errors}"));
        let launched = launch(snapshot, None).unwrap_or_else(|error| panic!("{error}"));
        Self {
            address: launched.address(),
            admin: launched.admin(),
            launched: Some(launched),
        }
    }

    /// Starts a gateway with one generic site `reports` in front of an upstream; `more` is appended.
    pub(crate) fn generic(upstream: SocketAddr, more: &str) -> Self {
        Self::start(&generic(upstream, more))
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        self.launched.take().unwrap().shutdown();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(launched) = self.launched.take() {
            launched.shutdown();
        }
    }
}

/// The configuration of [`Gateway::generic`].
pub(crate) fn generic(upstream: SocketAddr, more: &str) -> String {
    format!(
        r#"
[listen]
address = "127.0.0.1:0"
workers = 1
shutdown_grace = "5s"
[admin]
address = "127.0.0.1:0"
[audit]
output = "off"
[session]
secret = {{ env = "SESSION" }}
[issuer.app]
algorithm = "HS256"
secret = {{ env = "APP" }}
audience = "embedgate"
[site.reports]
hosts = ["bi.example.com"]
upstream = "http://{upstream}"
kind = "generic"
issuers = ["app"]
frame_ancestors = ["https://app.example.com", "https://*.partner.example"]
[site.reports.params]
tenant_id = {{ mode = "locked", type = "integer" }}
region = {{ mode = "enabled" }}
internal = {{ mode = "disabled" }}
[site.reports.tenants.acme]
frame_ancestors = ["https://portal.acme.example"]
{more}
[[site.reports.routes]]
path = "/static/*"
access = "public"
[[site.reports.routes]]
path = "/reports/{{id}}"
resource = "report:{{id}}"
lock = [{{ param = "tenant_id", in = "query", name = "tenant" }}]
[[site.reports.routes]]
path = "/api/query"
methods = ["POST"]
lock = [{{ param = "tenant_id", in = "json", at = "/filters/-", value = {{ field = "tenant_id", op = "=", value = "$value" }} }}]
[[site.reports.routes]]
path = "/api/form"
methods = ["POST"]
lock = [{{ param = "tenant_id", in = "form", name = "tenant_id" }}]
[[site.reports.routes]]
path = "/api/header"
lock = [{{ param = "tenant_id", in = "header", name = "X-Tenant" }}]
[[site.reports.routes]]
path = "/api/export"
scope = "download"
[[site.reports.routes]]
path = "/api/default"
methods = ["GET", "POST"]
"#
    )
}

/// Seconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the gateway under test reads the real clock"
)]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap()
}

/// Waits for the next second: a token of the one in which a gateway began may have been used before, for all that it knows.
pub(crate) fn next_second() {
    let began = now();
    super::eventually("the next second", || now() > began);
}

/// Good claims for [`Gateway::generic`].
pub(crate) fn claims() -> Value {
    json!({
        "aud": "embedgate", "sub": "viewer-7", "jti": "t-1", "iat": now(), "exp": now() + 300,
        "resource": { "report": "q3" }, "params": { "tenant_id": 999 },
    })
}

/// A token of the issuer `app`, with some claims changed (`null` takes one away).
pub(crate) fn token(changes: &Value) -> String {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    sign(&claims)
}

pub(crate) fn sign(claims: &Value) -> String {
    Signer::new("HS256", APP.as_bytes(), None)
        .unwrap()
        .sign(claims)
        .unwrap()
}

/// `Authorization` for a good token.
pub(crate) fn bearer() -> String {
    format!("Bearer {}", token(&json!({})))
}
