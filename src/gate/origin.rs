//! Origins, and the frame ancestors that may embed a site.

use std::collections::HashMap;

use http::HeaderValue;

use super::{refusal::Refusal, request::RequestView};

/// A web origin (RFC 6454): scheme, host, effective port. Never opaque.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Origin {
    scheme: Box<str>,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Reads an `http` or `https` origin exactly: `scheme://host[:port]`, nothing after it.
    pub fn parse(_text: &str) -> Option<Self> {
        None
    }

    /// The origin of an absolute URL (`Referer`).
    pub fn of_url(_url: &str) -> Option<Self> {
        None
    }
}

/// One entry of `frame_ancestors`: an origin, or `scheme://*.host[:port]` for every subdomain (CSP Level 3 host-source; never a bare `*`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ancestor {
    scheme: Box<str>,
    host: Box<str>,
    subdomains: bool,
    port: u16,
}

impl Ancestor {
    /// Reads one entry; the error says what is wrong with it.
    pub fn parse(_text: &str) -> Result<Self, &'static str> {
        Err("")
    }

    /// Whether it covers an origin.
    pub fn covers(&self, _origin: &Origin) -> bool {
        false
    }
}

/// Who may embed a page: entries, and the CSP directive that says so (`frame-ancestors 'none'` where empty).
#[derive(Clone, Debug)]
pub struct Ancestors {
    entries: Vec<Ancestor>,
    directive: HeaderValue,
}

impl Ancestors {
    /// Of entries.
    pub fn new(_entries: Vec<Ancestor>) -> Self {
        Self { entries: vec![], directive: HeaderValue::from_static("frame-ancestors 'none'") }
    }

    /// Whether an origin is covered.
    pub fn covers(&self, origin: &Origin) -> bool {
        self.entries.iter().any(|entry| entry.covers(origin))
    }

    /// `frame-ancestors …`, ready to send.
    pub fn directive(&self) -> &HeaderValue {
        &self.directive
    }
}

/// The frame policy of a site.
#[derive(Debug)]
pub struct FramePolicy {
    /// For viewers whose tenant has no list of its own.
    pub site: Ancestors,
    /// Lists of tenants; each replaces the site's.
    pub tenants: HashMap<Box<str>, Ancestors>,
    /// All of them together: for pages that are loaded before anybody knows the viewer (Superset).
    pub anyone: Ancestors,
    /// Whether pages may be opened outside a frame.
    pub top_level: bool,
}

/// What a request says about where its page stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Embedding {
    /// `frame-ancestors …` for the response.
    pub directive: HeaderValue,
    /// The origin to answer with in CORS, where the request is cross-origin and allowed.
    pub cors: Option<HeaderValue>,
}

impl FramePolicy {
    /// The list that holds for a tenant, or for pages of nobody yet.
    pub fn ancestors(&self, viewer: bool, tenant: Option<&str>) -> &Ancestors {
        match tenant.and_then(|tenant| self.tenants.get(tenant)) {
            Some(own) => own,
            None if viewer => &self.site,
            None => &self.anyone,
        }
    }

    /// Judges `Sec-Fetch-*`, `Referer` and `Origin` (Fetch Metadata; never *required*, since a browser may withhold them: CSP holds then).
    ///
    /// # Errors
    /// `origin_denied`, `top_level_denied`.
    pub fn judge(&self, _req: &RequestView<'_>, _viewer: bool, _tenant: Option<&str>, _narrowed: Option<&Origin>, _top_level: bool) -> Result<Embedding, Refusal> {
        Err(Refusal::OriginDenied)
    }

    /// State-changing requests under a session must come from the site itself: `Sec-Fetch-Site: same-origin`, or an `Origin` that is the site's own.
    ///
    /// # Errors
    /// `csrf_denied`, also where the browser says nothing at all.
    pub fn judge_write(&self, _req: &RequestView<'_>) -> Result<(), Refusal> {
        Err(Refusal::CsrfDenied)
    }
}
