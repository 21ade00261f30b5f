//! What a session cookie holds, as compact JSON: a verified grant, the session's id and its times.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Opening;
use crate::gate::{
    id::SessionId,
    origin::Origin,
    request::UnixTime,
    resource::{Resource, Scopes},
    token::{Claims, Signed},
};

/// The sealed content. One letter per name: a cookie is small.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    #[serde(rename = "i")]
    pub(super) issuer: Box<str>,
    #[serde(rename = "d")]
    id: String,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    kid: Option<Box<str>>,
    #[serde(rename = "b")]
    began: i64,
    #[serde(rename = "s")]
    seen: i64,
    #[serde(rename = "u")]
    until: i64,
    #[serde(rename = "v")]
    viewer: Box<str>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    tenant: Option<Box<str>>,
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    token_id: Option<Box<str>>,
    #[serde(rename = "r")]
    resources: Vec<String>,
    #[serde(rename = "p", default, skip_serializing_if = "Map::is_empty")]
    params: Map<String, Value>,
    #[serde(rename = "c")]
    scope: String,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    issued_at: Option<i64>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    not_before: Option<i64>,
    #[serde(rename = "e")]
    expires: i64,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
}

impl Content {
    pub(super) fn of(
        signed: &Signed,
        id: SessionId,
        opening: Opening,
        (seen, until): (UnixTime, UnixTime),
    ) -> Self {
        let Claims {
            viewer,
            tenant,
            token_id,
            resources,
            params,
            scope,
            origin,
            issued_at,
            not_before,
            expires,
        } = signed.claims();
        Self {
            issuer: (*signed.issuer().name).into(),
            id: URL_SAFE_NO_PAD.encode(id.to_bytes()),
            kid: signed.kid().map(Into::into),
            began: opening.began.0,
            seen: seen.0,
            until: until.0,
            viewer: viewer.clone(),
            tenant: tenant.clone(),
            token_id: token_id.clone(),
            resources: resources.iter().map(Resource::to_string).collect(),
            params: params.clone(),
            scope: scope.as_str().to_owned(),
            origin: origin.as_ref().map(Origin::to_string),
            issued_at: issued_at.map(|time| time.0),
            not_before: not_before.map(|time| time.0),
            expires: expires.0,
            network: opening.network.map(|network| network.to_string()),
        }
    }

    pub(super) fn write(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// When it began, and when it was sealed.
    pub(super) fn times(&self) -> (UnixTime, UnixTime) {
        (UnixTime(self.began), UnixTime(self.seen))
    }

    /// When it ends at the latest, as was said when it was sealed.
    pub(super) fn until(&self) -> UnixTime {
        UnixTime(self.until)
    }

    /// Which session it is.
    pub(super) fn id(&self) -> Option<SessionId> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.id).ok()?;
        Some(SessionId::of_bytes(bytes.try_into().ok()?))
    }

    /// The network that it holds in; the outer `None` where it cannot be read.
    #[expect(clippy::option_option, reason = "absent is not unreadable")]
    pub(super) fn network(&self) -> Option<Option<IpNet>> {
        match &self.network {
            None => Some(None),
            Some(text) => text.parse().ok().map(Some),
        }
    }

    /// The grant, and the `kid` of the key that vouches for it; `None` where a part does not read back as what was sealed (never "without that part": an origin that is lost would widen it).
    pub(super) fn grant(self) -> Option<(Claims, Option<Box<str>>)> {
        let origin = match self.origin {
            None => None,
            Some(text) => Some(Origin::parse(&text)?),
        };
        let claims = Claims {
            viewer: self.viewer,
            tenant: self.tenant,
            token_id: self.token_id,
            resources: self
                .resources
                .iter()
                .map(|text| Resource::parse(text))
                .collect::<Option<_>>()?,
            params: self.params,
            scope: Scopes::parse(&self.scope),
            origin,
            issued_at: self.issued_at.map(UnixTime),
            not_before: self.not_before.map(UnixTime),
            expires: UnixTime(self.expires),
        };
        Some((claims, self.kid))
    }
}
