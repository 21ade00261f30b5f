//! The host page's backend: signs viewer tokens as any application would, and carries out what the tamper panel asks for.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{
    Addresses,
    accounts::TENANTS,
    attempt::{ATTEMPTS, Attempt, Bearer, Shot, Target},
    settings::{self, Secrets},
    web,
};
use crate::server::clock::Clock;

/// What the backend knows. No `Debug`: it holds the signing key.
pub struct Backend {
    addresses: Addresses,
    foreign: String,
    key: EncodingKey,
    audit_trail: PathBuf,
}

impl Backend {
    /// Of the addresses of everything, the shared secret, and where the gateway writes its trail.
    pub fn new(addresses: Addresses, secrets: &Secrets, audit_trail: PathBuf) -> Self {
        Self {
            addresses,
            foreign: addresses.foreign_url(),
            key: EncodingKey::from_secret(secrets.app.as_bytes()),
            audit_trail,
        }
    }

    /// Where everything is.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What the page needs to draw itself.
    pub fn setup(&self) -> Value {
        let tenants: Vec<Value> = TENANTS
            .iter()
            .map(|(id, name)| json!({"id": id, "name": name}))
            .collect();
        let attempts: Vec<Value> = ATTEMPTS.iter().map(Attempt::card).collect();
        let at = &self.addresses;
        json!({
            "host": at.host_url(), "gateway": at.gateway_url(), "foreign": at.foreign_url(), "bi": at.bi_url(), "metrics": at.metrics_url(),
            "tenants": tenants, "attempts": attempts,
        })
    }

    /// The address for the frame, and what was signed for it; with an attempt, the address that it would put there.
    pub fn embed(&self, tenant: u32, attempt: Option<&Attempt>) -> Option<Value> {
        let target = self.target(tenant);
        let shot = attempt.map(|attempt| attempt.shot(&target));
        let (page, bearer) = shot.map_or_else(
            || ("/dashboard/overview".to_owned(), Bearer::Valid),
            |shot| (shot.target, shot.bearer),
        );
        let claims = self.claims(tenant, bearer);
        let token = self.token(&claims, bearer, target.other)?;
        let separator = if page.contains('?') { '&' } else { '?' };
        let url = format!(
            "{}{page}{separator}embed_token={token}",
            self.addresses.gateway_url()
        );
        Some(json!({"url": url, "claims": claims, "token": token}))
    }

    /// Carries out an attempt, as from a terminal, and tells how it went.
    pub async fn carry_out(&self, attempt: &Attempt, tenant: u32) -> Option<Value> {
        let target = self.target(tenant);
        let shot = attempt.shot(&target);
        let token = self.token(&self.claims(tenant, shot.bearer), shot.bearer, target.other);
        let mut passed = 0;
        for _ in 0..shot.times {
            let answer = web::send(
                self.addresses.gateway,
                self.request(&shot, token.as_deref())?,
            )
            .await;
            let Ok(answer) = answer else {
                return Some(
                    json!({"id": attempt.id, "sent": describe(&shot, tenant), "error": answer.err()}),
                );
            };
            if shot.times == 1 || !answer.status().is_success() {
                return Some(outcome(attempt, &describe(&shot, tenant), passed, &answer));
            }
            passed += 1;
        }
        Some(
            json!({"id": attempt.id, "sent": describe(&shot, tenant), "status": 200, "passed": passed}),
        )
    }

    /// The last records of the audit trail, newest first.
    pub fn audit_tail(&self) -> Value {
        let tail = tail(&self.audit_trail).unwrap_or_default();
        let records: Vec<Value> = tail
            .lines()
            .rev()
            .filter_map(|line| serde_json::from_str(line).ok())
            .take(AUDIT_RECORDS)
            .collect();
        json!({"file": self.audit_trail, "records": records})
    }

    fn target(&self, tenant: u32) -> Target<'_> {
        let other = TENANTS
            .iter()
            .map(|(id, _)| *id)
            .find(|id| *id != tenant)
            .unwrap_or_default();
        Target {
            tenant,
            other,
            foreign: &self.foreign,
        }
    }

    fn claims(&self, tenant: u32, bearer: Bearer) -> Value {
        let now = Clock::system().now().0;
        let signed = if bearer == Bearer::Expired {
            now - 1_200
        } else {
            now
        };
        let viewer = if bearer == Bearer::Fresh {
            format!("visitor-{}", settings::random_hex(3).unwrap_or_default())
        } else {
            format!("viewer-of-{tenant}")
        };
        json!({
            "iss": "demo-app",
            "aud": "embedgate",
            "sub": viewer,
            "jti": settings::random_hex(8).unwrap_or_default(),
            "iat": signed,
            "exp": signed + 300,
            "tenant": tenant.to_string(),
            "resource": {"dashboard": "overview"},
            "params": {"tenant_id": tenant},
            "scope": "view",
            "origin": self.addresses.host_url(),
        })
    }

    fn token(&self, claims: &Value, bearer: Bearer, other: u32) -> Option<String> {
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.key).ok()?;
        match bearer {
            Bearer::None => None,
            Bearer::Edited => edited(&token, claims, other),
            Bearer::Expired | Bearer::Fresh | Bearer::Valid => Some(token),
        }
    }

    fn request(&self, shot: &Shot, token: Option<&str>) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(&shot.method)
            .uri(&shot.target)
            .header(
                header::HOST,
                format!("localhost:{}", self.addresses.gateway.port()),
            )
            .header(header::ACCEPT, "application/json");
        for (name, value) in &shot.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if shot.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(
                shot.body
                    .as_ref()
                    .map(Value::to_string)
                    .unwrap_or_default()
                    .into(),
            ))
            .ok()
    }
}

/// A token that says another tenant, under the signature of the old one.
fn edited(token: &str, claims: &Value, other: u32) -> Option<String> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut claims = claims.clone();
    *claims.pointer_mut("/params/tenant_id")? = other.into();
    let (head, signature) = (token.split('.').next()?, token.rsplit('.').next()?);
    Some(format!(
        "{head}.{}.{signature}",
        URL_SAFE_NO_PAD.encode(claims.to_string())
    ))
}

/// The request as the page shows it: the token named, not printed.
fn describe(shot: &Shot, tenant: u32) -> Vec<String> {
    let token = match shot.bearer {
        Bearer::Edited => Some("token with an edited payload".to_owned()),
        Bearer::Expired => Some(format!("expired token of tenant {tenant}")),
        Bearer::Fresh => Some(format!("valid token of tenant {tenant}, a fresh viewer")),
        Bearer::None => None,
        Bearer::Valid => Some(format!("valid token of tenant {tenant}")),
    };
    let times = if shot.times > 1 {
        format!("   up to {} times", shot.times)
    } else {
        String::new()
    };
    let mut lines = vec![format!("{} {}{times}", shot.method, shot.target)];
    lines.extend(token.map(|token| format!("Authorization: Bearer ‹{token}›")));
    lines.extend(
        shot.headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    lines.extend(shot.body.as_ref().map(Value::to_string));
    lines
}

fn outcome(attempt: &Attempt, sent: &[String], passed: u32, answer: &Response<Bytes>) -> Value {
    let text = String::from_utf8_lossy(answer.body());
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let said = |name: &str, open: &str, close: &str| match problem.get(name).and_then(Value::as_str)
    {
        Some(value) => Some(value.to_owned()),
        None => text
            .split_once(open)
            .and_then(|(_, rest)| rest.split_once(close))
            .map(|(inside, _)| inside.to_owned()),
    };
    let code = if answer.status().is_success() {
        Some("ok".to_owned())
    } else {
        said("code", "data-code=\"", "\"")
    };
    json!({
        "id": attempt.id,
        "sent": sent,
        "passed": passed,
        "status": answer.status().as_u16(),
        "reason": answer.status().canonical_reason(),
        "as_expected": code.as_deref() == Some(attempt.expect),
        "title": said("title", "<title>", "</title>"),
        "message": said("message", "<p class=\"message\">", "</p>"),
        "code": code,
        "request_id": named(answer.headers(), "x-request-id"),
        "retry_after": named(answer.headers(), "retry-after"),
        "rows": problem.get("rows").and_then(Value::as_array).map(Vec::len),
        "owners": problem.get("owners"),
        "refused": answer.status() >= StatusCode::BAD_REQUEST,
    })
}

fn named<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The last lines of a file, whole ones only.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = vec![];
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const AUDIT_RECORDS: usize = 12;
const TAIL_BYTES: u64 = 32 * 1024;
