//! The claims of a viewer token, read strictly.

use super::super::{origin::Origin, request::UnixTime, resource::{Resource, Scopes}};

/// What a token (or the session made of it) says about its viewer.
#[derive(Clone, Debug)]
pub struct Claims {
    /// `sub`.
    pub viewer: Box<str>,
    /// `tenant`.
    pub tenant: Option<Box<str>>,
    /// `jti`.
    pub token_id: Option<Box<str>>,
    /// `resource` or `resources`.
    pub resources: Vec<Resource>,
    /// `params`, untyped yet: the site's declarations type them.
    pub params: serde_json::Map<String, serde_json::Value>,
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
}
