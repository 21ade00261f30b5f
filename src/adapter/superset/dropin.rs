//! A stand-in for Superset's guest-token endpoint, for backends that call it today: they change a base URL and a key, not their code.
//!
//! What comes back is a viewer token of ours. The backend names parameters (`params`), which the site's rules turn into SQL; SQL from the backend
//! (`rls`) is refused. Backends log in first and fetch a CSRF token; both calls are answered without Superset: the password is the service key.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{constant_time, digest, rand};
use http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{EncodingKey, Header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    json::is_strict,
    spec::{Backend, DashboardId},
    surface::{LOCAL_CSRF_TOKEN, LOCAL_GUEST_TOKEN, LOCAL_LOGIN},
};
use crate::gate::{
    param::{Mode, ParamSpec},
    refusal::Refusal,
    request::UnixTime,
    session::Sealer,
    token::Issuer,
};

/// The answer to a request that never reaches Superset. `Content-Type: application/json`, `Cache-Control: no-store`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalReply {
    /// The status.
    pub status: StatusCode,
    /// The body, JSON.
    pub body: Vec<u8>,
    /// For metrics and audit, where the request was refused.
    pub refusal: Option<Refusal>,
}

/// What a backend's request is judged by.
pub(super) struct Desk<'a> {
    pub(super) backend: &'a Backend,
    pub(super) dashboards: &'a [DashboardId],
    pub(super) params: &'a [ParamSpec],
    /// What seals sessions, and whose tokens are taken, where the site has sessions.
    pub(super) sessions: Option<(&'a Sealer, &'a [Arc<Issuer>])>,
    pub(super) now: UnixTime,
}

/// A refusal, and what the backend's developer should know. (Only the holder of the service key reads more than the code.)
type Failure = (Refusal, String);

#[derive(Deserialize)]
struct Login {
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    user: User,
    resources: Vec<Named>,
    #[serde(default)]
    rls: Vec<Value>,
    #[serde(default)]
    params: Map<String, Value>,
    tenant: Option<String>,
    scope: Option<String>,
    ttl: Option<u64>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
    id: Value,
}

impl Desk<'_> {
    pub(super) fn answer(&self, action: u8, headers: &HeaderMap, body: &[u8]) -> LocalReply {
        let answered = match action {
            LOCAL_GUEST_TOKEN => self.known(headers).and_then(|()| self.guest_token(body)),
            LOCAL_LOGIN => self.login(body),
            // No cookie holds this one; what proves the backend is its key.
            LOCAL_CSRF_TOKEN => self
                .known(headers)
                .map(|()| json!({"result": "none-needed"})),
            _ => Err((
                Refusal::RouteDenied,
                Refusal::RouteDenied.message().to_owned(),
            )),
        };
        match answered {
            Ok(body) => LocalReply {
                status: StatusCode::OK,
                body: body.to_string().into_bytes(),
                refusal: None,
            },
            Err((refusal, message)) => {
                let body = json!({
                    "type": "about:blank", "title": refusal.title(), "status": refusal.status().as_u16(), "code": refusal.code(), "message": message,
                });
                LocalReply {
                    status: refusal.status(),
                    body: body.to_string().into_bytes(),
                    refusal: Some(refusal),
                }
            }
        }
    }

    fn known(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err((
                Refusal::TokenMissing,
                "send the service key as `Authorization: Bearer …`".to_owned(),
            ));
        };
        let key = value
            .as_bytes()
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
            .map(|(_, key)| key);
        if key.is_some_and(|key| self.is_key(key)) {
            Ok(())
        } else {
            Err(wrong_key())
        }
    }

    /// Compares digests, so that neither length nor content shows in the time it takes.
    fn is_key(&self, sent: &[u8]) -> bool {
        let hash = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
        constant_time::verify_slices_are_equal(
            hash(sent).as_ref(),
            hash(self.backend.service_key.expose()).as_ref(),
        )
        .is_ok()
    }

    /// `POST /api/v1/security/login`: whoever has the key as a password gets it as an access token.
    fn login(&self, body: &[u8]) -> Result<Value, Failure> {
        let login: Login = serde_json::from_slice(body)
            .map_err(|_| malformed("expected {\"username\", \"password\"}"))?;
        if !self.is_key(login.password.as_bytes()) {
            return Err(wrong_key());
        }
        Ok(json!({"access_token": login.password, "refresh_token": login.password}))
    }

    fn guest_token(&self, body: &[u8]) -> Result<Value, Failure> {
        if !is_strict(body) {
            return Err(malformed("the body is not JSON, or holds a key twice"));
        }
        let wanted: Wanted =
            serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
        if !wanted.rls.is_empty() {
            let message = "`rls` is not accepted: row-level rules are configured in the gateway. Send the values as `params`, for example {\"params\": {\"tenant_id\": 999}}, and leave `rls` out or empty";
            return Err(malformed(message));
        }
        if wanted.user.username.trim().is_empty() {
            return Err(malformed(
                "`user.username` names the viewer and may not be empty",
            ));
        }
        let dashboard = self.dashboard(&wanted.resources)?;
        self.params(&wanted.params)?;
        let token = self.sign(&wanted, &dashboard)?;
        let large = self
            .sessions
            .and_then(|(sealer, issuers)| sealer.fits(&token, issuers, self.now).err());
        Ok(match large {
            Some(large) => {
                json!({"token": token, "warning": format!("this grant is too large for a session: {large}")})
            }
            None => json!({"token": token}),
        })
    }

    fn dashboard(&self, resources: &[Named]) -> Result<DashboardId, Failure> {
        let [
            Named {
                kind,
                id: Value::String(id),
            },
        ] = resources
        else {
            return Err(malformed(
                "`resources` must name one dashboard: [{\"type\": \"dashboard\", \"id\": \"<embed uuid>\"}]",
            ));
        };
        let id = DashboardId::parse(id).filter(|_| kind == "dashboard");
        let id = id.ok_or_else(|| {
            malformed("the resource must be a dashboard, named by its embed uuid")
        })?;
        if self.dashboards.is_empty() || self.dashboards.contains(&id) {
            return Ok(id);
        }
        Err((
            Refusal::ResourceDenied,
            format!("dashboard {id} is not one of this site's"),
        ))
    }

    /// Types the parameters now, so that the backend learns of a mistake rather than the viewer.
    fn params(&self, given: &Map<String, Value>) -> Result<(), Failure> {
        if let Some(name) = given
            .keys()
            .find(|name| self.params.iter().all(|spec| *spec.name != ***name))
        {
            return Err((
                Refusal::ParamInvalid,
                format!("`params.{name}` is not one of this site's parameters"),
            ));
        }
        for spec in self.params {
            match (given.get(&*spec.name), spec.mode) {
                (None, Mode::Locked) => {
                    return Err((
                        Refusal::ParamMissing,
                        format!("`params.{}` is required", spec.name),
                    ));
                }
                (None, Mode::Disabled | Mode::Enabled) => {}
                (Some(_), Mode::Disabled) => {
                    return Err((
                        Refusal::ParamDisabled,
                        format!("`params.{}` is disabled", spec.name),
                    ));
                }
                (Some(value), Mode::Enabled | Mode::Locked) => {
                    spec.value(value).map_err(|refusal| {
                        (
                            refusal,
                            format!("`params.{}` is not of its declared type", spec.name),
                        )
                    })?;
                }
            }
        }
        Ok(())
    }

    fn sign(&self, wanted: &Wanted, dashboard: &DashboardId) -> Result<String, Failure> {
        let signer = &self.backend.signer;
        let ttl = lifetime(wanted.ttl, signer.max_lifetime)?;
        let names = &signer.claims;
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        if let Some(iss) = &signer.iss {
            put("iss", json!(iss));
        }
        if let Some(audience) = &signer.audience {
            put("aud", json!(audience));
        }
        put("sub", json!(wanted.user.username));
        put("jti", json!(token_id()?));
        put("iat", json!(self.now.0));
        put("exp", json!(self.now.plus(ttl).0));
        put(
            "resources",
            json!([{"type": "dashboard", "id": dashboard.as_str()}]),
        );
        if let Some(tenant) = &wanted.tenant {
            put(names.tenant.as_deref().unwrap_or("tenant"), json!(tenant));
        }
        if let Some(scope) = &wanted.scope {
            put("scope", json!(scope));
        }
        let mut params = wanted.params.clone();
        for (param, claim) in &names.params {
            if let Some(value) = params.shift_remove(&**param) {
                put(claim, value);
            }
        }
        put("params", Value::Object(params));
        let mut head = Header::new(signer.algorithm);
        head.kid = signer.kid.as_deref().map(str::to_owned);
        let key = EncodingKey::from_secret(signer.secret.expose());
        jsonwebtoken::encode(&head, &claims, &key).map_err(|_| {
            (
                Refusal::UpstreamFailed,
                "the token could not be signed".to_owned(),
            )
        })
    }
}

/// What Superset grants by default (`GUEST_TOKEN_JWT_EXP_SECONDS`).
const DEFAULT_TTL: Duration = Duration::from_mins(5);

fn lifetime(wanted: Option<u64>, longest: Duration) -> Result<i64, Failure> {
    let seconds = wanted.unwrap_or_else(|| DEFAULT_TTL.min(longest).as_secs());
    let fits = seconds > 0 && seconds <= longest.as_secs();
    let seconds = i64::try_from(seconds).ok().filter(|_| fits);
    seconds.ok_or_else(|| {
        malformed(&format!(
            "`ttl` must be between 1 and {} seconds",
            longest.as_secs()
        ))
    })
}

fn token_id() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).map_err(|_| {
        (
            Refusal::Overloaded,
            Refusal::Overloaded.message().to_owned(),
        )
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn wrong_key() -> Failure {
    (
        Refusal::TokenInvalid,
        "this is not the service key".to_owned(),
    )
}

fn malformed(message: &str) -> Failure {
    (Refusal::RequestMalformed, message.to_owned())
}

#[cfg(test)]
mod tests;
