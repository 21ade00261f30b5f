//! Cookies both ways: what of the client's reaches the upstream, and what of the upstream's reaches a browser, made fit for a frame.

use http::{HeaderMap, HeaderValue, header};

use super::{Bound, judge, location::Prefixes};
use crate::gate::{
    param::{Mode, Value},
    policy::Denial,
    query::fold,
    refusal::Refusal,
    session::jar::is_session_cookie,
};

/// What a site does with the cookies of its upstream. embedgate's own never pass, in either direction.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum CookiePolicy {
    /// They pass both ways, made fit for a frame.
    Frame {
        /// Only those with these names; `None`: all.
        only: Option<Vec<Box<str>>>,
        /// Whether browsers reach the site over TLS: only then can a cookie live in a foreign frame. Else it is sent as `SameSite=Lax`.
        secure: bool,
    },
    /// None pass.
    #[default]
    Strip,
}

impl CookiePolicy {
    fn passes(&self, name: &[u8]) -> bool {
        match self {
            Self::Strip => false,
            Self::Frame { .. } if is_session_cookie(name) => false,
            Self::Frame { only: None, .. } => true,
            Self::Frame {
                only: Some(names), ..
            } => names.iter().any(|own| own.as_bytes() == name),
        }
    }
}

/// Filters the request's `Cookie` fields into one, or none.
pub fn filter(headers: &mut HeaderMap, policy: &CookiePolicy) {
    if !headers.contains_key(header::COOKIE) {
        return;
    }
    if *policy == CookiePolicy::Strip {
        headers.remove(header::COOKIE);
        return;
    }
    retain(headers, |name| policy.passes(name), b"");
}

/// Takes out every cookie whose name folds as this one does.
pub fn without(headers: &mut HeaderMap, name: &str) {
    if headers.contains_key(header::COOKIE) {
        let folded = fold(name);
        let same =
            |other: &[u8]| std::str::from_utf8(other).is_ok_and(|other| fold(other) == folded);
        retain(headers, |other| !same(other), b"");
    }
}

/// Keeps the cookies whose names are wanted, with `last` after them.
fn retain(headers: &mut HeaderMap, wanted: impl Fn(&[u8]) -> bool, last: &[u8]) {
    let mut kept = Vec::new();
    for field in headers.get_all(header::COOKIE) {
        for pair in field
            .as_bytes()
            .split(|byte| *byte == b';')
            .map(<[u8]>::trim_ascii)
        {
            // A cookie without a name may be read as the name of another; it goes.
            let name = pair
                .iter()
                .position(|byte| *byte == b'=')
                .and_then(|end| pair.get(..end))
                .map(<[u8]>::trim_ascii);
            if name.is_some_and(|name| !name.is_empty() && wanted(name)) {
                push(&mut kept, pair);
            }
        }
    }
    if !last.is_empty() {
        push(&mut kept, last);
    }
    headers.remove(header::COOKIE);
    if let (false, Ok(mut value)) = (kept.is_empty(), HeaderValue::from_bytes(&kept)) {
        value.set_sensitive(true);
        headers.insert(header::COOKIE, value);
    }
}

fn push(cookies: &mut Vec<u8>, pair: &[u8]) {
    if !cookies.is_empty() {
        cookies.extend_from_slice(b"; ");
    }
    cookies.extend_from_slice(pair);
}

/// Puts a value into a cookie: every cookie whose name folds alike goes, ours stands once, percent-encoded where it must be.
pub(super) fn bind(headers: &mut HeaderMap, name: &str, bound: &Bound<'_>) -> Result<(), Denial> {
    without(headers, name);
    if bound.spec.mode != Mode::Locked && bound.value.is_none() {
        // Nobody locked or preset it: what the viewer's browser holds under this name means nothing to us, so it does not pass.
        return Ok(());
    }
    let mut pair = format!("{name}=");
    let scalars = bound.value.map(Value::scalars).unwrap_or_default();
    for (index, scalar) in scalars.iter().enumerate() {
        if scalars.len() > 1 && scalar.text.contains(',') {
            return Err(judge::denied(Refusal::ParamInvalid, bound.spec));
        }
        pair.push_str(if index > 0 { "%2C" } else { "" });
        pair.extend(percent_encoding::utf8_percent_encode(
            &scalar.text,
            percent_encoding::NON_ALPHANUMERIC,
        ));
    }
    retain(headers, |_| true, pair.as_bytes());
    Ok(())
}

/// Rewrites the response's `Set-Cookie` fields.
pub fn fit(headers: &mut HeaderMap, policy: &CookiePolicy, prefixes: &Prefixes) {
    if !headers.contains_key(header::SET_COOKIE) {
        return;
    }
    let CookiePolicy::Frame { secure, .. } = policy else {
        headers.remove(header::SET_COOKIE);
        return;
    };
    let fitted: Vec<_> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|field| one(field, policy, *secure, prefixes))
        .collect();
    headers.remove(header::SET_COOKIE);
    for value in fitted {
        headers.append(header::SET_COOKIE, value);
    }
}

/// One cookie made fit: no `Domain`, `Path` mapped, `Secure; SameSite=None; Partitioned` once; nothing that we do not know.
fn one(
    field: &HeaderValue,
    policy: &CookiePolicy,
    secure: bool,
    prefixes: &Prefixes,
) -> Option<HeaderValue> {
    let mut parts = field
        .as_bytes()
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii);
    let pair = parts.next()?;
    let name = pair
        .get(..pair.iter().position(|byte| *byte == b'=')?)?
        .trim_ascii();
    let odd = name.is_empty()
        || name
            .iter()
            .any(|byte| !byte.is_ascii_graphic() || b"\"(),/:;<=>?@[\\]{}".contains(byte));
    if odd || pair.contains(&b'\t') || !policy.passes(name) {
        return None;
    }
    let mut out = pair.to_vec();
    let mut path = None;
    for part in parts {
        let (key, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (
                part.get(..at)?.trim_ascii(),
                part.get(at.saturating_add(1)..)?.trim_ascii(),
            ),
            None => (part, &b""[..]),
        };
        match key.to_ascii_lowercase().as_slice() {
            b"expires" | b"httponly" | b"max-age" => push(&mut out, part),
            // The last one counts (RFC 6265 section 5.3).
            b"path" => path = Some(value),
            _ => {}
        }
    }
    if let Some(path) = path.filter(|path| path.first() == Some(&b'/')) {
        push(&mut out, b"Path=");
        let host_only = name
            .get(..7)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"__Host-"));
        let path = std::str::from_utf8(path).ok()?;
        out.extend_from_slice(
            if host_only {
                "/".into()
            } else {
                prefixes.cookie_path(path)
            }
            .as_bytes(),
        );
    }
    push(
        &mut out,
        if secure {
            b"Secure; SameSite=None; Partitioned"
        } else {
            b"SameSite=Lax"
        },
    );
    HeaderValue::from_bytes(&out).ok()
}

#[cfg(test)]
mod tests;
