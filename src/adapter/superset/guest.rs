//! Superset's guest tokens, as Superset itself would sign them. They go upstream and nowhere else.

use std::{fmt::Write, time::Duration};

use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::spec::DashboardId;
use crate::gate::{refusal::Refusal, request::UnixTime};

/// Signs guest tokens.
pub(super) struct Mint {
    key: EncodingKey,
    audience: Box<str>,
    ttl: i64,
}

/// One row-level rule of a guest token.
#[derive(Debug, Serialize)]
pub(super) struct RlsRule {
    /// The SQL.
    pub clause: String,
    /// Superset's id of the one dataset that it holds for; a uuid or a name would be accepted, and filter nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<u64>,
}

#[derive(Serialize)]
struct Guest<'a> {
    user: User<'a>,
    resources: [Granted<'a>; 1],
    rls_rules: &'a [RlsRule],
    iat: i64,
    exp: i64,
    aud: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct User<'a> {
    username: &'a str,
}

#[derive(Serialize)]
struct Granted<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
}

impl Mint {
    pub(super) fn new(secret: &[u8], audience: &str, ttl: Duration) -> Self {
        let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX).max(1);
        Self {
            key: EncodingKey::from_secret(secret),
            audience: audience.into(),
            ttl,
        }
    }

    /// A token for one viewer and one dashboard, ready to send.
    ///
    /// # Errors
    /// `upstream_failed` for a token without rules, which Superset would read as "all rows".
    pub(super) fn token(
        &self,
        viewer: &str,
        dashboard: &DashboardId,
        rules: &[RlsRule],
        now: UnixTime,
    ) -> Result<HeaderValue, Refusal> {
        if rules.is_empty() || rules.iter().any(|rule| rule.clause.trim().is_empty()) {
            return Err(Refusal::UpstreamFailed);
        }
        let guest = Guest {
            user: User {
                username: &username(viewer),
            },
            resources: [Granted {
                kind: "dashboard",
                id: dashboard.as_str(),
            }],
            rls_rules: rules,
            // Superset allows no leeway: an `iat` one second ahead of its clock is a 401.
            iat: now.plus(-BACK_DATED).0,
            exp: now.plus(self.ttl).0,
            aud: &self.audience,
            kind: "guest",
        };
        let text = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &guest, &self.key)
            .map_err(|_| Refusal::UpstreamFailed)?;
        let mut value = HeaderValue::from_maybe_shared(text.into_bytes())
            .map_err(|_| Refusal::UpstreamFailed)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// How far `iat` is dated back, in seconds, for clocks that differ.
const BACK_DATED: i64 = 30;

/// A viewer as a Superset user name. Datasets may paste `current_username()` into SQL, so only harmless characters remain;
/// the rest becomes `~` and its bytes, so that two viewers never share a name.
fn username(viewer: &str) -> String {
    let mut name = String::with_capacity(viewer.len());
    for character in viewer.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '@' | '+' | '-' | '_') {
            name.push(character);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in character.encode_utf8(&mut bytes).bytes() {
            // Writing to a string does not fail.
            let _ = write!(name, "~{byte:02X}");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;

    fn claims(token: &HeaderValue) -> Value {
        let payload = token.to_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn a_guest_token_is_what_superset_reads() {
        let mint = Mint::new(b"secret", "superset-embed", Duration::from_mins(1));
        let id = DashboardId::parse("B7B1D3A0-7C55-4F0E-9A3C-0F5E9D2C1A11").unwrap();
        let rules = [
            RlsRule {
                clause: "tenant_id = 999".into(),
                dataset: None,
            },
            RlsRule {
                clause: "plan = 'x'".into(),
                dataset: Some(7),
            },
        ];
        let token = mint
            .token("viewer 1", &id, &rules, UnixTime(1_000))
            .unwrap();
        assert!(token.is_sensitive());
        assert_eq!(
            claims(&token),
            json!({
                "user": {"username": "viewer~201"},
                "resources": [{"type": "dashboard", "id": "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11"}],
                "rls_rules": [{"clause": "tenant_id = 999"}, {"clause": "plan = 'x'", "dataset": 7}],
                "iat": 970, "exp": 1060, "aud": "superset-embed", "type": "guest",
            })
        );
    }

    #[test]
    fn a_token_without_rules_is_never_minted() {
        let mint = Mint::new(b"secret", "superset-embed", Duration::from_mins(1));
        let id = DashboardId::parse("b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11").unwrap();
        assert_eq!(
            mint.token("v", &id, &[], UnixTime(0)).unwrap_err(),
            Refusal::UpstreamFailed
        );
        let blank = [RlsRule {
            clause: " ".into(),
            dataset: None,
        }];
        assert_eq!(
            mint.token("v", &id, &blank, UnixTime(0)).unwrap_err(),
            Refusal::UpstreamFailed
        );
    }

    #[test]
    fn user_names_are_harmless_and_distinct() {
        assert_eq!(username("ann@example.com"), "ann@example.com");
        assert_eq!(username("o'neil"), "o~27neil");
        assert_eq!(username("o~27neil"), "o~7E27neil");
        assert_eq!(username("{{ 1 }}"), "~7B~7B~201~20~7D~7D");
    }
}
