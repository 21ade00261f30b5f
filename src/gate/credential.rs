//! Where the credential stands; two different ones are refused.

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};

use super::{
    query::Pair,
    refusal::Refusal,
    request::RequestView,
    resource::Resource,
    session::{Carrier, Jar},
    token::RawToken,
};

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

/// What a request brings as proof of its viewer. No `Debug`: it is a secret.
pub enum Credential<'a> {
    /// Sealed sessions, at least one.
    Sessions(Jar<'a>),
    /// A viewer token; it wins over a session.
    Token(Found<'a>),
}

/// A token and where it stood.
pub struct Found<'a> {
    /// The token.
    pub token: RawToken<'a>,
    /// Whether it stood in the query (then a generic site redirects to the same URL without it).
    pub in_query: bool,
    /// Whether it stood in the path: a page's address, which outlives the token.
    pub in_path: bool,
}

/// What is known of a request beside its head and the site's [`Places`].
#[derive(Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The token in the body, where the route has a place for one.
    pub form: Option<&'a str>,
    /// What carries the site's sessions.
    pub carrier: Carrier,
    /// The session in the body, where the request is a page load that brings one there.
    pub session: Option<&'a str>,
    /// The token in the path, where the route has a place for one.
    pub path: Option<&'a str>,
    /// Whether it loads a page, or is another that a token opens a session with.
    pub opens: bool,
    /// What it is about, as far as its head tells: asked only where several sessions would do.
    pub about: Option<&'a dyn Fn() -> Option<Resource>>,
}

/// The session cookie's name; further ones of a browser have a tag after it (see [`Jar`]).
pub const SESSION_COOKIE: &str = "__Host-embedgate";

/// Finds the credential of a request.
/// The same token in several places is one; an empty place is as if it were absent. A session is looked for only where there is no token.
///
/// # Errors
/// `credential_conflict`: two different tokens, or two different sessions under one name; `token_invalid`, `session_invalid`: no visible ASCII.
pub fn extract<'a>(
    places: &Places,
    req: &RequestView<'a>,
    beside: Beside<'a>,
) -> Result<Option<Credential<'a>>, Refusal> {
    if let Some(found) = token(places, req.query.pairs(), req.headers, beside)? {
        return Ok(Some(Credential::Token(found)));
    }
    let jar = beside.carrier.sessions(req.headers, beside.session)?;
    Ok((!jar.is_empty()).then_some(Credential::Sessions(jar)))
}

fn token<'a>(
    places: &Places,
    query: &'a [Pair<'a>],
    headers: &'a HeaderMap,
    beside: Beside<'a>,
) -> Result<Option<Found<'a>>, Refusal> {
    let mut only = Only::new(Refusal::TokenInvalid);
    for pair in query {
        if places.query.iter().any(|name| **name == *pair.name) {
            only.offer(pair.value.as_deref().unwrap_or("").as_bytes())?;
        }
    }
    let in_query = only.found.is_some();
    if places.bearer {
        for line in headers.get_all(AUTHORIZATION) {
            only.offer(bearer(line.as_bytes()).unwrap_or(b""))?;
        }
    }
    for name in &places.headers {
        for line in headers.get_all(name) {
            only.offer(line.as_bytes().trim_ascii())?;
        }
    }
    only.offer(beside.form.unwrap_or("").as_bytes())?;
    only.offer(beside.path.unwrap_or("").as_bytes())?;
    Ok(only.found.map(|text| Found {
        token: RawToken::new(text),
        in_query,
        in_path: beside.path == Some(text),
    }))
}

/// The token of `Bearer <token>` (RFC 6750 section 2.1); other schemes are no credential of ours.
fn bearer(line: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = line.split_at_checked(b"Bearer".len())?;
    let spaced = rest
        .first()
        .is_none_or(|byte| *byte == b' ' || *byte == b'\t');
    (scheme.eq_ignore_ascii_case(b"Bearer") && spaced).then(|| rest.trim_ascii())
}

/// Accepts one value, however often; a different one is a conflict.
struct Only<'a> {
    found: Option<&'a str>,
    unreadable: Refusal,
}

impl<'a> Only<'a> {
    fn new(unreadable: Refusal) -> Self {
        Self {
            found: None,
            unreadable,
        }
    }

    fn offer(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        if value.is_empty() {
            return Ok(());
        }
        // Without branches, as tokens are long.
        let strange = value
            .iter()
            .fold(0_u8, |seen, byte| seen | u8::from(!byte.is_ascii_graphic()));
        if strange != 0 {
            return Err(self.unreadable);
        }
        let text = str::from_utf8(value).map_err(|_| self.unreadable)?;
        match self.found {
            Some(first) if first != text => Err(Refusal::CredentialConflict),
            _ => {
                self.found = Some(text);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
