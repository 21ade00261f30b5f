//! A gateway in front of the stand-in, and its viewers.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{
    client::Reply,
    gateway::{self, Gateway},
    get,
    metabase::{SECRET, Standin},
};

/// The host that browsers know.
pub(crate) const HOST: &str = "bi.example.com";

/// A gateway and what is behind it.
pub(crate) struct Scene {
    pub(crate) metabase: Standin,
    pub(crate) gateway: Gateway,
}

/// The configuration of one Metabase site; `more` stands at its end, in `[site.reports.metabase]`.
pub(crate) fn text(upstream: SocketAddr, more: &str) -> String {
    format!(
        r#"
[listen]
address = "127.0.0.1:0"
[admin]
address = "127.0.0.1:0"
[audit]
output = "off"
[session]
secret = {{ env = "SESSION" }}
lifetime = "8h"
[issuer.app]
algorithm = "HS256"
secret = {{ env = "APP" }}
audience = "embedgate"
max_lifetime = "10m"
[site.reports]
hosts = ["{HOST}"]
upstream = "http://{upstream}"
kind = "metabase"
issuers = ["app"]
frame_ancestors = ["https://app.example.com"]
top_level = "allow"
[site.reports.params]
organization_id = {{ mode = "locked", type = "integer", all = "staff" }}
region = {{ mode = "enabled", list = true }}
plan = {{ mode = "enabled", list = true }}
min_seats = {{ mode = "enabled", type = "integer" }}
internal = {{ mode = "disabled" }}
[site.reports.metabase]
embedding_secret = {{ env = "MB_SECRET" }}
version = 58
{more}
"#
    )
}

impl Scene {
    /// With the usual configuration and `more` in the Metabase table.
    pub(crate) fn with(more: &str) -> Self {
        let metabase = Standin::start();
        let gateway = Gateway::start_with(&text(metabase.address, more), &|name| match name {
            "MB_SECRET" => Some(SECRET.to_owned()),
            "MB_KEY" => Some(crate::support::metabase::fixtures::API_KEY.to_owned()),
            _ => None,
        });
        Self { metabase, gateway }
    }

    pub(crate) fn signed() -> Self {
        Self::with("")
    }

    /// `GET` without any credential but what the path holds.
    pub(crate) fn get(&self, path: &str) -> Reply {
        get(self.gateway.address, path, &[("Host", HOST)])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![("Host", HOST)];
        all.extend_from_slice(headers);
        get(self.gateway.address, path, &all)
    }
}

/// A viewer token for a dashboard, with these parameters.
pub(crate) fn dashboard(id: u64, params: &Value) -> String {
    gateway::token(&json!({ "resource": { "dashboard": id }, "params": params }))
}

/// A viewer token for a question.
pub(crate) fn question(id: u64, params: &Value) -> String {
    gateway::token(&json!({ "resource": { "question": id }, "params": params }))
}
