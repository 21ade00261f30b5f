//! `POST /oidc/v1/token`: RFC 6749, strictly, and RFC 9396 for `authorization_details`.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value as Json, json};

use super::{
    super::wire::{Answer, Seen, pairs},
    Step, Workspace, now,
    store::{Issue, Payload},
};

/// The scope of a principal's own token.
const ALL: &str = "all-apis";

/// RFC 6749, section 5.2.
struct Refused {
    status: u16,
    error: &'static str,
    text: String,
}

fn refused(error: &'static str, text: impl Into<String>) -> Refused {
    let status = if error == "invalid_client" { 401 } else { 400 };
    let text = text.into();
    Refused {
        status,
        error,
        text,
    }
}

/// Which of the two tokens is asked for.
pub(super) fn step(seen: &Seen) -> Step {
    let form = pairs(&String::from_utf8_lossy(&seen.body));
    let has = |wanted: &str| form.iter().any(|(name, _)| name == wanted);
    let scoped = has("authorization_details") || has("custom_claim");
    if scoped { Step::Scoped } else { Step::Access }
}

/// Answers at the token endpoint.
pub(super) fn token(workspace: &mut Workspace, seen: &Seen) -> Answer {
    if seen.method != "POST" {
        return Answer::text(405, "").with("Allow", "POST");
    }
    let answer = match grant(workspace, seen) {
        Ok(body) => Answer::json(200, &body),
        Err(refused) => {
            let body = json!({"error": refused.error, "error_description": refused.text});
            let answer = Answer::json(refused.status, &body);
            if refused.status == 401 {
                answer.with("WWW-Authenticate", "Basic realm=\"databricks\"")
            } else {
                answer
            }
        }
    };
    answer.with("Pragma", "no-cache") // RFC 6749, section 5.1; every answer says `no-store` anyway
}

/// The principal that a request names in its Basic credentials, right or wrong.
pub(super) fn named(seen: &Seen) -> Option<String> {
    basic(seen).ok().map(|(id, _)| id)
}

fn grant(workspace: &mut Workspace, seen: &Seen) -> Result<Json, Refused> {
    if seen.target.contains('?') {
        let text = "parameters belong into the body";
        return Err(refused("invalid_request", text));
    }
    let (id, secret) = basic(seen)?;
    let form = Form::read(seen)?;
    if form.get("client_id").is_some() || form.get("client_secret").is_some() {
        let text = "more than one way to authenticate";
        return Err(refused("invalid_request", text));
    }
    authenticate(workspace, &id, &secret)?;
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(other) => return Err(refused("unsupported_grant_type", other)),
        None => return Err(refused("invalid_request", "grant_type is missing")),
    }
    if step(seen) == Step::Scoped {
        return scoped(workspace, &id, &form);
    }
    if form.get("scope") != Some(ALL) {
        let text = form.get("scope").unwrap_or("no scope");
        return Err(refused("invalid_scope", text));
    }
    let ttl = workspace.behaviour.access_ttl;
    Ok(mint(workspace, &id, ALL, ttl, vec![]))
}

fn basic(seen: &Seen) -> Result<(String, String), Refused> {
    let wrong = |text: &str| refused("invalid_client", text);
    let [credentials] = seen.all("authorization")[..] else {
        return Err(wrong("there must be one Authorization header"));
    };
    let (scheme, text) = credentials.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong("the scheme must be Basic"));
    }
    let text = BASE64.decode(text).ok().map(String::from_utf8);
    let Some(Ok(text)) = text else {
        return Err(wrong("not base64 of a text"));
    };
    let (id, secret) = text.split_once(':').ok_or_else(|| wrong("no colon"))?;
    Ok((id.into(), secret.into()))
}

fn authenticate(workspace: &mut Workspace, id: &str, secret: &str) -> Result<(), Refused> {
    // One answer for all, so that nobody learns which it was.
    let wrong = || refused("invalid_client", "Client authentication failed");
    let (after, lasting) = (workspace.behaviour.lock_after, workspace.behaviour.lock_for);
    let mut all = workspace.principals.iter_mut();
    let principal = all.find(|one| one.id == id).ok_or_else(wrong)?;
    if principal.locked_until > now() {
        return Err(wrong());
    }
    if principal.secrets.iter().any(|one| one == secret) {
        principal.wrong = 0;
        return Ok(());
    }
    principal.wrong += 1;
    if principal.wrong >= after {
        principal.lock(lasting);
    }
    Err(wrong())
}

/// A form whose every parameter stands once.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(seen: &Seen) -> Result<Self, Refused> {
        let wrong = |text: String| Err(refused("invalid_request", text));
        let kind = seen.all("content-type").concat().to_ascii_lowercase();
        let (kind, rest) = kind.split_once(';').unwrap_or((&kind, ""));
        let rest = rest.trim();
        let plain = rest.is_empty() || rest == "charset=utf-8";
        if kind.trim() != "application/x-www-form-urlencoded" || !plain {
            return wrong(format!("the body is {kind:?}"));
        }
        let Ok(text) = std::str::from_utf8(&seen.body) else {
            return wrong("the body is not a text".into());
        };
        if let Some(part) = text.split('&').find(|part| !encoded(part)) {
            return wrong(format!("not form encoded: {part}"));
        }
        let all = pairs(text);
        for (place, (name, _)) in all.iter().enumerate() {
            if all.iter().skip(place + 1).any(|(other, _)| other == name) {
                return wrong(format!("{name} is repeated")); // RFC 6749, section 3.2
            }
        }
        Ok(Self(all))
    }

    /// A value. An empty one counts as none: RFC 6749, section 3.2.
    fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }
}

/// Whether `name=value` is as the form serializer of the URL standard writes it (`~` may stand for itself).
fn encoded(part: &str) -> bool {
    if part.matches('=').count() != 1 || part.starts_with('=') {
        return false;
    }
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
        let good = match byte {
            b'%' => hex(bytes.next()) && hex(bytes.next()),
            b'*' | b'-' | b'.' | b'_' | b'+' | b'=' | b'~' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !good {
            return false;
        }
    }
    let text = part.replace('+', " ");
    percent_encoding::percent_decode_str(&text)
        .decode_utf8()
        .is_ok()
}

/// The viewer's token.
fn scoped(workspace: &Workspace, principal: &str, form: &Form) -> Result<Json, Refused> {
    let wrong = |text: &str| refused("invalid_authorization_details", text);
    let details = form.get("authorization_details");
    let details: Vec<Json> = details
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| wrong("no JSON array of objects"))?;
    let issue = issue(workspace, principal, form, &details)?;
    let dashboard = workspace.published(&issue.dashboard);
    if !dashboard.is_some_and(|one| one.runners.iter().any(|one| one == principal)) {
        return Err(wrong("the principal may not run the dashboard"));
    }
    let (mut given, mut enriched) = (issue.details.clone(), details);
    for one in &issue.details {
        let found = enriched.iter().position(|other| other == one);
        enriched.remove(found.ok_or_else(|| wrong("not what tokeninfo gave"))?);
    }
    if !enriched.iter().all(privileges) {
        return Err(wrong("more than tokeninfo gave"));
    }
    given.extend(enriched);
    let scope = form.get("scope").unwrap_or_default();
    let mut asked = scope.split(' ');
    if scope.is_empty() || !asked.all(|one| issue.scope.split(' ').any(|known| known == one)) {
        return Err(refused("invalid_scope", scope));
    }
    for (name, value) in &issue.extra {
        let value = value.as_str().map_or_else(|| value.to_string(), Into::into);
        if form.get(name) != Some(&value) {
            let text = format!("{name} is not what tokeninfo gave");
            return Err(refused("invalid_request", text));
        }
    }
    let mut claims = vec![("authorization_details", Json::Array(given))];
    if let Some(claim) = form.get("custom_claim") {
        claims.push(("custom", json!({"claim": claim})));
    }
    if workspace.behaviour.payload == Payload::UrlSafe {
        claims.push(("hint", json!(">>>>>>>>????????")));
    }
    let ttl = workspace.behaviour.scoped_ttl;
    Ok(mint(workspace, principal, scope, ttl, claims))
}

/// What tokeninfo gave for this. Without a custom claim a token without one is made, as community reports tell of another grant type.
fn issue(
    workspace: &Workspace,
    principal: &str,
    form: &Form,
    details: &[Json],
) -> Result<Issue, Refused> {
    let claim = form.get("custom_claim");
    let fits = |one: &&Issue| match claim {
        Some(claim) => one.claim == claim,
        None => one.details.iter().all(|one| details.contains(one)),
    };
    let mut own = workspace.issued.iter().rev();
    let found = own.find(|one| one.principal == principal && fits(one));
    if let Some(found) = found {
        return Ok(found.clone());
    }
    let unknown = || {
        refused(
            "invalid_request",
            "a custom_claim that tokeninfo did not give",
        )
    };
    if workspace.behaviour.remembers {
        return Err(unknown());
    }
    let claim = claim.ok_or_else(unknown)?;
    let id = claim.rsplit(':').next().unwrap_or_default();
    Ok(super::api::issue(workspace, principal, id, claim.into()))
}

/// The one kind of detail that may be added: a second lock, on a table.
fn privileges(detail: &Json) -> bool {
    let text = |name: &str| detail[name].as_str().unwrap_or_default();
    let some = detail["privileges"]
        .as_array()
        .is_some_and(|all| !all.is_empty() && all.iter().all(Json::is_string));
    text("type") == "unity_catalog_privileges"
        && some
        && text("object_type") == "TABLE"
        && text("object_full_path").split('.').count() == 3
}

fn mint(
    workspace: &Workspace,
    principal: &str,
    scope: &str,
    ttl: i64,
    more: Vec<(&str, Json)>,
) -> Json {
    let now = now() / 1000;
    let serial = workspace.key.serial();
    let mut claims = json!({
        "iss": format!("https://workspace-{}.example/oidc", workspace.id),
        "aud": workspace.id,
        "sub": principal,
        "client_id": principal,
        "scope": scope,
        "iat": now,
        "exp": now + ttl,
        "jti": format!("{serial:08}"),
    });
    for (name, value) in more {
        claims[name] = value;
    }
    json!({
        "access_token": workspace.key.sign(&claims),
        "scope": scope,
        "token_type": "Bearer",
        "expires_in": ttl,
    })
}

impl Workspace {
    /// The claims of a token that is good now.
    pub(super) fn verify(&self, token: &str) -> Option<Json> {
        let claims = self.key.verify(token)?;
        let principal = claims["sub"].as_str()?;
        let principal = self.principals.iter().find(|one| one.id == principal)?;
        let serial: u64 = claims["jti"].as_str()?.parse().ok()?;
        let alive = claims["exp"].as_i64()? * 1000 > now() && serial >= principal.tokens_from;
        alive.then_some(claims)
    }
}
