//! `[site.NAME.superset]`: what the Superset adapter needs to know.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{secret::SecretSource, units::Duration};

/// Apache Superset, or CalabiIQ, behind this site.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["guest_secret", "rules"]))]
pub struct Superset {
    /// Superset's `GUEST_TOKEN_JWT_SECRET`: embedgate signs guest tokens with it.
    pub guest_secret: Option<SecretSource>,
    /// Superset's `GUEST_TOKEN_JWT_AUDIENCE`.
    pub guest_audience: String,
    /// Life of the guest tokens that Superset gets; they never leave the gateway.
    pub guest_ttl: Duration,
    /// Row-level rules that every guest token carries.
    pub rules: Vec<Rule>,
    /// The `Referer` that Superset sees on page loads, for its `allowed_domains`; the upstream's own origin unless given.
    pub referer: Option<String>,
    /// Embed UUIDs of the dashboards that may be shown; those that tokens name unless given.
    pub dashboards: Option<Vec<String>>,
    /// Most queries in one chart request.
    pub max_queries: u32,
    /// Largest `row_limit` of one query.
    pub max_rows: u64,
    /// How long it is remembered which datasets a dashboard is made of.
    pub coverage_ttl: Duration,
    /// Key that a backend shows (`Authorization: Bearer`) to the drop-in `POST /api/v1/security/guest_token/`; without it there is no such route.
    pub service_key: Option<SecretSource>,
    /// The issuer in whose name the drop-in endpoint signs; one of this site's, with a shared secret.
    pub issuer: Option<String>,
    /// Show dashboards with datasets that no rule covers: their rows are not filtered.
    pub danger_uncovered_datasets: bool,
}

impl Default for Superset {
    fn default() -> Self {
        Self {
            guest_secret: None,
            guest_audience: "superset".into(),
            guest_ttl: Duration::seconds(60),
            rules: Vec::new(),
            referer: None,
            dashboards: None,
            max_queries: 20,
            max_rows: 100_000,
            coverage_ttl: Duration::seconds(300),
            service_key: None,
            issuer: None,
            danger_uncovered_datasets: false,
        }
    }
}

/// A row-level rule.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["clause"]))]
pub struct Rule {
    /// SQL condition in which `{name}` stands for a locked parameter, as a typed literal (a list: in parentheses).
    pub clause: Option<String>,
    /// The dataset's number, where the rule holds for one only.
    pub dataset: Option<u64>,
}
