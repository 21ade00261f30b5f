//! Who may talk to the admin listener, and who may write.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use http::{HeaderMap, StatusCode, header, uri::Authority};

use super::reply::Problem;

/// The token for writing, kept as its hash. No `Debug`, no `Display`.
pub struct AdminToken(digest::Digest);

impl AdminToken {
    /// Of the configured secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(hash(secret))
    }

    /// Compares hashes in constant time: neither the text nor its length shows in the time it takes.
    fn is(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_ref(), hash(shown).as_ref()).is_ok()
    }
}

fn hash(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

/// On a loopback address only loopback names are answered: else any web page could read the policy by DNS rebinding.
pub(super) fn host(bound: SocketAddr, headers: &HeaderMap) -> Result<(), Problem> {
    let mut named = headers.get_all(header::HOST).iter();
    let (host, another) = (named.next(), named.next());
    let local = host
        .and_then(|host| host.to_str().ok())
        .is_some_and(|host| names(bound.ip(), host));
    if another.is_none() && (local || !bound.ip().to_canonical().is_loopback()) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "site_unknown",
        "This address is not served here.",
    ))
}

fn names(bound: IpAddr, host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if host.contains('@') {
        return false;
    }
    let name = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|named| named == bound || named.is_loopback())
}

/// Lets through who shows the token.
pub(super) fn writer(token: Option<&AdminToken>, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = token else {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "writing_off",
            "Writing is off: no admin token is configured.",
        ));
    };
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (shown, another) = (fields.next(), fields.next());
    let shown = shown.and_then(|value| bearer(value.as_bytes()));
    if another.is_none() && shown.is_some_and(|shown| token.is(shown)) {
        return Ok(());
    }
    let challenge = if shown.is_some() {
        "Bearer error=\"invalid_token\""
    } else {
        "Bearer"
    };
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "token_invalid",
        "The admin token is missing or not valid.",
    );
    Err(problem.with(header::WWW_AUTHENTICATE, challenge))
}

/// The credentials of the scheme `Bearer`, whose name has no case (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| rest.trim_ascii())
        .filter(|token| !token.is_empty())
}
