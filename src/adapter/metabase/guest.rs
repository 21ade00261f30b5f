//! What the host page asks of us: a session for a fresh token, and a token for a session (Metabase's `guestEmbedProviderUri`).

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Ask, Item, ItemId, Kind, Metabase, Plan, claims, denied, sole};
use crate::{
    adapter::Answer,
    gate::{policy::Denial, refusal::Refusal, request::UnixTime},
};

/// What Metabase's `embed.js` posts; whatever else it says means nothing to us. (Upstream behaviour: it comes from the browser, so it grants nothing.)
#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "entityType")]
    kind: String,
    #[serde(rename = "entityId")]
    id: Value,
}

/// The answer to a fresh viewer token: a session, which the page goes on with.
pub(super) fn session() -> Plan {
    Plan::from(Answer {
        status: StatusCode::NO_CONTENT,
        headers: HeaderMap::new(),
        body: Vec::new(),
        refusal: None,
    })
}

impl Metabase {
    /// A token for the viewer of a session (or of a token): for the item that it grants, as far as the session goes.
    pub(super) fn guest_token(&self, ask: &Ask<'_, '_, '_>) -> Result<Plan, Denial> {
        let (item, named) = wanted(ask.body.unwrap_or_default())?;
        if sole(claims(ask.permit)?, item.kind)? != item {
            return Err(denied("another item than the session's"));
        }
        let viewer = ask.permit.viewer().ok_or(Refusal::TokenMissing)?;
        let sealer = ask.sealer.ok_or(Refusal::TokenMissing)?;
        let ttl = i64::try_from(self.spec.guest_token_ttl.as_secs()).unwrap_or(i64::MAX);
        let now: UnixTime = ask.req.now;
        let ticket = sealer.ticket(
            &ask.permit.site().name,
            &viewer.signed,
            readable(item.kind, &named),
            now.plus(ttl),
            now,
        );
        let ticket = ticket.ok_or_else(|| {
            Denial::because(Refusal::TokenInvalid, "a grant too large for a session")
        })?;
        let body = json!({ "jwt": ticket }).to_string().into_bytes();
        Ok(Answer::json(StatusCode::OK, body).into())
    }
}

/// The item that a body names, and its name as it stands there.
///
/// # Errors
/// `request_malformed`.
pub(super) fn wanted(body: &[u8]) -> Result<(Item, Value), Denial> {
    let Wanted { kind, id: named } = serde_json::from_slice(body)
        .map_err(|_| malformed("the body is not {\"entityType\", \"entityId\"}"))?;
    let kind = match &*kind {
        "dashboard" => Kind::Dashboard,
        "question" => Kind::Question,
        _ => return Err(malformed("`entityType` is neither dashboard nor question")),
    };
    let id = match &named {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Object(_) => String::new(),
    };
    let id = ItemId::parse(&id).ok_or_else(|| malformed("`entityId` is no id"))?;
    Ok((Item { kind, id }, named))
}

/// What Metabase's front end reads of a token: what it is about, and that nothing is preset that it could show.
fn readable(kind: Kind, id: &Value) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("resource".into(), json!({ kind.as_str(): id }));
    members.insert("params".into(), json!({}));
    members
}

fn malformed(why: &'static str) -> Denial {
    Denial::because(Refusal::RequestMalformed, why)
}
