//! The decision: route, credential, times, origin, resource, scope, parameters. What it permits is a [`Permit`].

use std::{borrow::Cow, sync::Arc};

use super::{
    origin::Embedding, param::Value, refusal::Refusal, request::UnixTime, route::Route, site::Site, token::Signed,
};

/// A request turned away: the public code, and a detail for the audit trail alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial {
    /// What the client learns.
    pub refusal: Refusal,
    /// What the auditor learns too (a parameter's name, a claim's); never a value, never token text.
    pub detail: Option<Cow<'static, str>>,
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, detail: None }
    }
}

/// Who the viewer is and how we know.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The grant.
    pub signed: Arc<Signed>,
    /// By which credential.
    pub via: Via,
}

/// By which credential a viewer was recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Via {
    /// A sealed session cookie; whether it should be sealed afresh.
    Session {
        /// When the session ends.
        ends: UnixTime,
        /// Whether the idle timer wants a fresh cookie.
        renew: bool,
    },
    /// A viewer token; whether it stood in the query.
    Token {
        /// It stood in the query.
        in_query: bool,
    },
}

/// The proof that every check before the limits was passed. Private fields: [`decide`] alone makes it.
#[derive(Debug)]
pub struct Permit {
    site: Arc<Site>,
    route: Arc<Route>,
    viewer: Option<Viewer>,
    values: Vec<Option<Value>>,
    embedding: Embedding,
}

impl Permit {
    /// The site.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// The route.
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The viewer; `None` on public routes.
    pub fn viewer(&self) -> Option<&Viewer> {
        self.viewer.as_ref()
    }

    /// The typed values that the token brings, by the index of the site's parameters: all locked ones, and presets of enabled ones.
    pub fn values(&self) -> &[Option<Value>] {
        &self.values
    }

    /// Framing and CORS of the response.
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }
}
