//! Where the credential stands; two different ones are refused.

use http::HeaderName;

use super::{refusal::Refusal, request::RequestView, token::RawToken};

/// The places of a site in which a viewer token may stand.
#[derive(Clone, Debug)]
pub struct Places {
    /// Query parameters (`embed_token`).
    pub query: Vec<Box<str>>,
    /// `Authorization: Bearer`.
    pub bearer: bool,
    /// Further header fields whose whole value is the token (`X-GuestToken`).
    pub headers: Vec<HeaderName>,
}

/// What a request brings as proof of its viewer.
pub enum Credential<'a> {
    /// A sealed session cookie (the value).
    Session(&'a str),
    /// A viewer token; it wins over a session.
    Token(Found<'a>),
}

/// A token and where it stood.
pub struct Found<'a> {
    /// The token.
    pub token: RawToken<'a>,
    /// Whether it stood in the query (then a generic site redirects to the same URL without it).
    pub in_query: bool,
}

/// The session cookie's name.
pub const SESSION_COOKIE: &str = "__Host-embedgate";

/// Finds the credential of a request. `form` is a token from the body, where the route has a place there.
///
/// # Errors
/// `credential_conflict`: two different tokens, or two different session cookies; `token_invalid`: a token place that is no visible ASCII.
pub fn extract<'a>(_places: &Places, _req: &RequestView<'a>, _form: Option<&'a str>) -> Result<Option<Credential<'a>>, Refusal> {
    Ok(None)
}
