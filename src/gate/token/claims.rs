//! The claims of a viewer token, read strictly.

use serde_json::{Map, Value};

use super::super::{
    origin::Origin,
    refusal::Refusal,
    request::UnixTime,
    resource::{Resource, Scopes},
};
use super::keys::Issuer;

/// What a token (or the session made of it) says about its viewer.
#[derive(Clone, Debug)]
pub struct Claims {
    /// `sub`.
    pub viewer: Box<str>,
    /// `tenant`.
    pub tenant: Option<Box<str>>,
    /// `jti`.
    pub token_id: Option<Box<str>>,
    /// `resource` or `resources`, and what the issuer grants to every token.
    pub resources: Vec<Resource>,
    /// `params`, untyped yet: the site's declarations type them.
    pub params: Map<String, Value>,
    /// `scope`.
    pub scope: Scopes,
    /// `origin`.
    pub origin: Option<Origin>,
    /// `iat`.
    pub issued_at: Option<UnixTime>,
    /// `nbf`.
    pub not_before: Option<UnixTime>,
    /// `exp`.
    pub expires: UnixTime,
}

/// How an issuer's claims are named where it does not use ours; and what its tokens may leave out.
#[derive(Clone, Debug, Default)]
pub struct ClaimNames {
    /// The claim that holds the tenant (default `tenant`).
    pub tenant: Option<Box<str>>,
    /// Parameters that stand as top-level claims: (parameter, claim).
    pub params: Vec<(Box<str>, Box<str>)>,
    /// Resources granted to every token of this issuer; with these, `resource` may be absent.
    pub resources: Vec<Resource>,
    /// The viewer of tokens without `sub`, which may then be absent. All of them are one viewer: to limits, to sessions, to the audit trail.
    pub viewer_default: Option<Box<str>>,
}

impl ClaimNames {
    /// Whether a text can be a viewer's name: not blank, at most 256 characters, none of them a control character.
    pub fn is_viewer(text: &str) -> bool {
        is_word(text)
    }
}

impl Claims {
    /// Whether both say the same but for their times and their own name.
    pub(in crate::gate) fn grants_as(&self, other: &Self) -> bool {
        let Self {
            viewer,
            tenant,
            token_id: _,
            resources,
            params,
            scope,
            origin,
            issued_at: _,
            not_before: _,
            expires: _,
        } = self;
        *viewer == other.viewer
            && *tenant == other.tenant
            && *resources == other.resources
            && *params == other.params
            && *scope == other.scope
            && *origin == other.origin
    }

    /// About how many bytes it takes in memory.
    pub(in crate::gate) fn size(&self) -> usize {
        let texts = [
            Some(&self.viewer),
            self.tenant.as_ref(),
            self.token_id.as_ref(),
        ];
        let texts = texts.into_iter().flatten().map(|text| text.len());
        let resources = self.resources.iter();
        let resources = resources.map(|one| {
            size_of::<Resource>()
                .saturating_add(one.kind.len())
                .saturating_add(one.id.len())
        });
        let parts = texts.chain(resources).chain([
            size_of::<Self>(),
            self.scope.as_str().len(),
            members(&self.params),
        ]);
        parts.fold(0, usize::saturating_add)
    }

    /// Whether both have the same name (`jti`, which must be there) and times.
    pub(in crate::gate) fn same_token(&self, other: &Self) -> bool {
        let times = |claims: &Self| (claims.issued_at, claims.not_before, claims.expires);
        self.token_id.is_some() && self.token_id == other.token_id && times(self) == times(other)
    }

    /// Reads the payload of a token whose signature holds, by the rules of its issuer. Unknown claims are ignored.
    ///
    /// # Errors
    /// `token_invalid`: a required claim is absent, or a claim is not of its type.
    pub(in crate::gate) fn read(
        mut payload: Map<String, Value>,
        issuer: &Issuer,
    ) -> Result<Self, Refusal> {
        names(&payload, "iss", issuer.iss.as_deref())?;
        names(&payload, "aud", issuer.audience.as_deref())?;
        let tenant = tenant(&payload, issuer.claims.tenant.as_deref())?;
        Ok(Self {
            viewer: viewer(&payload, issuer.claims.viewer_default.as_deref())?,
            tenant,
            token_id: text(&payload, "jti")?,
            resources: resources(&payload, &issuer.claims.resources)?,
            scope: scope(&payload)?,
            origin: origin(&payload)?,
            issued_at: date(&payload, "iat")?,
            not_before: date(&payload, "nbf")?,
            expires: date(&payload, "exp")?.ok_or(INVALID)?,
            params: params(&mut payload, &issuer.claims.params)?,
        })
    }
}

/// About how many bytes a value takes, itself included. (Its depth is bounded, since it was read.)
fn size(value: &Value) -> usize {
    let within = match value {
        Value::Bool(_) | Value::Null | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).fold(0, usize::saturating_add),
        Value::Object(map) => members(map),
    };
    within.saturating_add(size_of::<Value>())
}

/// An object has room for a few members, each with its hash, and an index of them.
fn members(map: &Map<String, Value>) -> usize {
    if map.is_empty() {
        return 0;
    }
    let slots = map
        .len()
        .max(4)
        .saturating_mul(size_of::<(u64, String, Value)>());
    let each = map.iter().map(|(name, value)| {
        // The value's own place is in its slot.
        let within = size(value).saturating_sub(size_of::<Value>());
        name.len().saturating_add(within)
    });
    each.fold(slots.saturating_add(INDEX), usize::saturating_add)
}

/// Bytes of a small object's index.
const INDEX: usize = 64;

/// A claim that the issuer pins must be there, and be exactly this string: an array is another meaning ("any of").
fn names(payload: &Map<String, Value>, claim: &str, wanted: Option<&str>) -> Result<(), Refusal> {
    match wanted {
        Some(wanted) if payload.get(claim).and_then(Value::as_str) != Some(wanted) => Err(INVALID),
        _ => Ok(()),
    }
}

/// A short text without control characters; `null` and `""` are not "absent" but wrong.
fn text(payload: &Map<String, Value>, claim: &str) -> Result<Option<Box<str>>, Refusal> {
    match payload.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) if is_word(text) => Ok(Some(text.as_str().into())),
        Some(_) => Err(INVALID),
    }
}

/// `sub`; where it is absent, the issuer's own default. One that is there and wrong is never replaced.
fn viewer(payload: &Map<String, Value>, default: Option<&str>) -> Result<Box<str>, Refusal> {
    let named = text(payload, "sub")?;
    named.or_else(|| default.map(Into::into)).ok_or(INVALID)
}

/// Not blank, at most 256 characters, none of them a control character: what a viewer, tenant or token id can be.
pub(in crate::gate) fn is_word(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= MAX_CHARS
        && !text.chars().any(char::is_control)
}

/// `tenant`; under an issuer's own name for it an integer is accepted too, as its decimal text.
fn tenant(payload: &Map<String, Value>, mapped: Option<&str>) -> Result<Option<Box<str>>, Refusal> {
    let Some(claim) = mapped else {
        return text(payload, "tenant");
    };
    match payload.get(claim) {
        Some(Value::Number(number)) if !number.is_f64() => Ok(Some(number.to_string().into())),
        _ => text(payload, claim),
    }
}

fn date(payload: &Map<String, Value>, claim: &str) -> Result<Option<UnixTime>, Refusal> {
    match payload.get(claim) {
        None => Ok(None),
        Some(Value::Number(number)) => whole_seconds(number).map(Some).ok_or(INVALID),
        Some(_) => Err(INVALID),
    }
}

/// RFC 7519 `NumericDate`, rounded down, between 1970 and 9999.
fn whole_seconds(number: &serde_json::Number) -> Option<UnixTime> {
    let seconds = match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole,
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "the guard holds it far below 2^53"
        )]
        (None, Some(fraction)) if (0.0..253_402_300_800.0).contains(&fraction) => {
            fraction.floor() as i64
        }
        _ => return None,
    };
    (0..=LAST_SECOND)
        .contains(&seconds)
        .then_some(UnixTime(seconds))
}

/// `resource` (Metabase's `{"dashboard": 42}`, or `"dashboard:42"`), or `resources` (a list of those strings or of `{"type", "id"}`, or one string). Not both.
fn resources(payload: &Map<String, Value>, granted: &[Resource]) -> Result<Vec<Resource>, Refusal> {
    let mut found = match (payload.get("resource"), payload.get("resources")) {
        (None, None) if granted.is_empty() => return Err(INVALID),
        (None, None) => Vec::new(),
        (Some(one), None) => vec![single(one).ok_or(INVALID)?],
        (None, Some(Value::Array(list))) if (1..=MAX_RESOURCES).contains(&list.len()) => list
            .iter()
            .map(listed)
            .collect::<Option<_>>()
            .ok_or(INVALID)?,
        (None, Some(Value::String(text))) => vec![written(text).ok_or(INVALID)?],
        (_, Some(_)) => return Err(INVALID),
    };
    found.extend_from_slice(granted);
    Ok(found)
}

fn single(value: &Value) -> Option<Resource> {
    match value {
        Value::String(text) => written(text),
        Value::Object(members) if members.len() == 1 => {
            let (kind, id) = members.iter().next()?;
            resource(kind, id)
        }
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => {
            None
        }
    }
}

fn listed(value: &Value) -> Option<Resource> {
    match value {
        Value::String(text) => written(text),
        Value::Object(members) if members.len() == 2 => {
            resource(members.get("type")?.as_str()?, members.get("id")?)
        }
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => {
            None
        }
    }
}

fn written(text: &str) -> Option<Resource> {
    let found = Resource::parse(text)?;
    (is_word(&found.kind) && is_word(&found.id)).then_some(found)
}

/// A kind holds no colon, so that `kind:id` reads back as the same two parts.
fn resource(kind: &str, id: &Value) -> Option<Resource> {
    let id = match id {
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::String(text) if is_word(text) => text.clone(),
        Value::Array(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Number(_)
        | Value::Object(_)
        | Value::String(_) => return None,
    };
    (is_word(kind) && !kind.contains(':')).then(|| Resource::new(kind, &id))
}

fn scope(payload: &Map<String, Value>) -> Result<Scopes, Refusal> {
    match payload.get("scope") {
        None => Ok(Scopes::parse("")),
        Some(Value::String(words)) if !words.chars().any(char::is_control) => {
            Ok(Scopes::parse(words))
        }
        Some(_) => Err(INVALID),
    }
}

fn origin(payload: &Map<String, Value>) -> Result<Option<Origin>, Refusal> {
    match payload.get("origin") {
        None => Ok(None),
        Some(Value::String(text)) => Origin::parse(text).map(Some).ok_or(INVALID),
        Some(_) => Err(INVALID),
    }
}

/// `params`, and the parameters that stand as claims of their own. One that stands in both places has two meanings: refused.
fn params(
    payload: &mut Map<String, Value>,
    mapped: &[(Box<str>, Box<str>)],
) -> Result<Map<String, Value>, Refusal> {
    let mut params = match payload.get_mut("params").map(Value::take) {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(INVALID),
    };
    for (param, claim) in mapped {
        let value = match payload.get(&**claim) {
            None => continue,
            Some(Value::Array(_) | Value::Null | Value::Object(_)) => return Err(INVALID),
            Some(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => value.clone(),
        };
        if params.insert(param.to_string(), value).is_some() {
            return Err(INVALID);
        }
    }
    Ok(params)
}

const INVALID: Refusal = Refusal::TokenInvalid;

/// The longest viewer, tenant, token id, resource kind or identifier.
const MAX_CHARS: usize = 256;

/// The most resources that one token may list.
const MAX_RESOURCES: usize = 256;

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

#[cfg(test)]
mod tests;
