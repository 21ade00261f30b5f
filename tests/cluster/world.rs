//! Gateways of one installation in front of one upstream.

use std::{net::SocketAddr, path::Path};

use serde_json::json;

use crate::support::{Gateway, Upstream, client::Reply, eventually, gateway, get, token};

/// The secret of the installation.
pub(crate) const SECRET: &str = "cluster-secret-0123456789abcdef012345";

/// The usual gateway with `keys` in its site and `[cluster]`.
pub(crate) struct Member {
    pub(crate) gateway: Gateway,
}

/// The configuration: `site` stands in the site's table, `more` between tables, `cluster` in `[cluster]`.
pub(crate) fn text(upstream: SocketAddr, site: &str, more: &str, cluster: &str) -> String {
    let more = format!("{more}\n[cluster]\nsecret = {{ env = \"CLUSTER\" }}\n{cluster}\n");
    gateway::generic(upstream, &more)
        .replace("kind = \"generic\"", &format!("kind = \"generic\"\n{site}"))
}

pub(crate) fn secrets(name: &str) -> Option<String> {
    match name {
        "CLUSTER" => Some(SECRET.to_owned()),
        "OTHER" => Some(SECRET.replace('0', "x")),
        "PASSWORD" => Some("hunter2".to_owned()),
        "USER" => Some("embedgate".to_owned()),
        _ => None,
    }
}

impl Member {
    /// Starts one and does not wait for Redis.
    pub(crate) fn start(upstream: &Upstream, site: &str, more: &str, cluster: &str) -> Self {
        let text = text(upstream.address, site, more, cluster);
        Self {
            gateway: Gateway::start_with(&text, &secrets),
        }
    }

    /// Starts several that have Redis.
    pub(crate) fn several(
        count: usize,
        upstream: &Upstream,
        site: &str,
        more: &str,
        cluster: &str,
    ) -> Vec<Self> {
        let all: Vec<Self> = (0..count)
            .map(|_| Self::start(upstream, site, more, cluster))
            .collect();
        for member in &all {
            member.connected();
        }
        all
    }

    /// Waits until Redis answers.
    pub(crate) fn connected(&self) {
        eventually("redis answers", || {
            self.readiness().get("degraded").is_none()
        });
    }

    /// Waits until it is noticed that Redis does not answer.
    pub(crate) fn noticed(&self) {
        eventually("the outage is noticed", || {
            self.readiness().get("degraded").is_some()
        });
    }

    pub(crate) fn readiness(&self) -> serde_json::Value {
        let reply = get(self.gateway.admin.unwrap(), "/readyz", HERE);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// A metric that has no labels, or this one.
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let reply = get(self.gateway.admin.unwrap(), "/metrics", HERE);
        let line = reply
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("no {name}"));
        line.parse().unwrap()
    }

    /// How often Redis was asked, whatever came of it.
    pub(crate) fn exchanges(&self) -> i64 {
        ["answered", "failed", "late", "skipped"]
            .iter()
            .map(|result| {
                self.metric(&format!(
                    "embedgate_cluster_exchanges_total{{result=\"{result}\"}}"
                ))
            })
            .sum()
    }

    /// A viewer's request.
    pub(crate) fn ask(&self, viewer: &str) -> Reply {
        let bearer = format!("Bearer {}", token(&json!({ "sub": viewer })));
        get(
            self.gateway.address,
            "/api/default",
            &[("Authorization", &bearer)],
        )
    }
}

/// What the admin listener wants to be called.
pub(crate) const HERE: &[(&str, &str)] = &[("Host", "localhost")];

/// A folder as text, for a file's path.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
