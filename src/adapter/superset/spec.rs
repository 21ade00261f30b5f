//! What the configuration says about a Superset site: plain data, checked while it was read.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;

use super::rules::Rule;
use crate::{adapter::secret::SecretBytes, gate::token::ClaimNames};

/// Everything of `[site.X.superset]`, checked.
#[derive(Clone, Debug)]
pub struct SupersetSpec {
    /// `guest_secret`: Superset's `GUEST_TOKEN_JWT_SECRET`, raw bytes.
    pub guest_secret: SecretBytes,
    /// `guest_audience`: Superset's `GUEST_TOKEN_JWT_AUDIENCE` (where Superset does not set it: its `WEBDRIVER_BASEURL`).
    pub guest_audience: Box<str>,
    /// `guest_ttl`: how long a minted guest token lives; no viewer ever sees one. Default [`Self::GUEST_TTL`].
    pub guest_ttl: Duration,
    /// `rules`: the row-level rules that every guest token carries. Never empty: Superset reads "no rule" as "all rows".
    pub rules: Vec<Rule>,
    /// `dashboards`: embed uuids that exist on this site. Empty: those that tokens name.
    pub dashboards: Vec<DashboardId>,
    /// `referer`: the constant `Referer` that Superset sees; it must be one of the dashboard's allowed domains.
    pub referer: HeaderValue,
    /// `service_key` and `issuer`: the drop-in guest-token endpoint for backends. `None`: there is no such endpoint.
    pub backend: Option<Backend>,
    /// `max_queries`: most queries in one chart request. Default [`Self::MAX_QUERIES`].
    pub max_queries: usize,
    /// `max_rows`: largest `row_limit` of one query. Default [`Self::MAX_ROWS`].
    pub max_rows: u64,
    /// `coverage_ttl`: how long what a dashboard is made of is remembered. Default [`Self::COVERAGE_TTL`].
    pub coverage_ttl: Duration,
    /// `danger_uncovered_datasets`: serve dashboards although a dataset of theirs has no rule, that is: unfiltered.
    pub danger_uncovered_datasets: bool,
}

impl SupersetSpec {
    /// Default of `guest_ttl`.
    pub const GUEST_TTL: Duration = Duration::from_mins(1);
    /// Default of `coverage_ttl`.
    pub const COVERAGE_TTL: Duration = Duration::from_mins(5);
    /// Default of `max_queries`.
    pub const MAX_QUERIES: usize = 20;
    /// Default of `max_rows`.
    pub const MAX_ROWS: u64 = 100_000;
}

/// The drop-in for `POST /api/v1/security/guest_token/`: who may call it, and as whom we sign.
#[derive(Clone, Debug)]
pub struct Backend {
    /// `service_key`: what the backend sends as `Authorization: Bearer`. At least [`Self::MIN_KEY`] bytes.
    pub service_key: SecretBytes,
    /// The issuer (`issuer`), which must be one of the site's and sign with a shared secret, since a public key cannot sign.
    pub signer: Signer,
}

impl Backend {
    /// Shortest accepted `service_key`, in bytes.
    pub const MIN_KEY: usize = 32;
}

/// How viewer tokens are signed in the name of an issuer.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The issuer's name in the configuration.
    pub name: Arc<str>,
    /// HS256, HS384 or HS512.
    pub algorithm: jsonwebtoken::Algorithm,
    /// The issuer's shared secret (its first HMAC key).
    pub secret: SecretBytes,
    /// That key's `kid`, where it has one.
    pub kid: Option<Box<str>>,
    /// The `iss` that the issuer's tokens must carry, where named.
    pub iss: Option<Box<str>>,
    /// The `aud` that the issuer's tokens must carry, where named.
    pub audience: Option<Box<str>>,
    /// How the issuer's claims are named, where they are not named as ours.
    pub claims: ClaimNames,
    /// The longest lifetime that the issuer may grant.
    pub max_lifetime: Duration,
}

/// The uuid under which a dashboard is embedded, lower case: Superset compares it as text, and refuses its own in upper case.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DashboardId(Box<str>);

impl DashboardId {
    /// Reads `8-4-4-4-12` hexadecimal digits in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let groups = text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        let digits = text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        (groups && digits).then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DashboardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_id_is_a_uuid_in_lower_case() {
        let id = DashboardId::parse("B7B1D3A0-7C55-4F0E-9A3C-0F5E9D2C1A11").unwrap();
        assert_eq!(id.as_str(), "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11");
        for bad in [
            "",
            "1",
            "b7b1d3a07c554f0e9a3c0f5e9d2c1a11",
            "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a1",
            "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a1g",
            "{b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11}",
        ] {
            assert_eq!(DashboardId::parse(bad), None, "{bad}");
        }
    }
}
