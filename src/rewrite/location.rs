//! Redirects stay inside: what an upstream calls itself becomes the public path, and nothing leads elsewhere.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::gate::{host::Host, origin::Origin};

/// Where a site stands: below which path in public, and below which at its upstream. Both empty, or `/segment…` without a final slash.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prefixes {
    /// Under which names in public, on whatever port browsers use.
    pub hosts: Vec<Box<str>>,
    /// In public.
    pub public: Box<str>,
    /// At the upstream.
    pub upstream: Box<str>,
}

impl Prefixes {
    /// The public path for an upstream path (with query and fragment); none for what is not below the upstream's prefix.
    pub fn public_path<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        if self.public == self.upstream {
            return below(path, &self.upstream).map(|_| Cow::Borrowed(path));
        }
        let rest = below(path, &self.upstream)?;
        match (self.public.is_empty(), rest.starts_with('/')) {
            (true, true) => Some(Cow::Borrowed(rest)),
            (true, false) => Some(Cow::Owned(format!("/{rest}"))),
            (false, _) => Some(Cow::Owned(format!("{}{rest}", self.public))),
        }
    }

    /// Whether an authority is one of the public names. What is made of such a URL is a path, so its port does not matter.
    fn named(&self, scheme: Option<&str>, authority: &str) -> bool {
        let web = scheme.is_none_or(|scheme| {
            scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
        });
        let host = Host::parse(authority);
        web && host.is_ok_and(|host| self.hosts.iter().any(|own| **own == *host.name()))
    }

    /// The path of a cookie: one above the upstream's prefix becomes the whole site.
    pub(super) fn cookie_path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let whole = if self.public.is_empty() {
            "/"
        } else {
            &self.public
        };
        self.public_path(path)
            .unwrap_or_else(|| Cow::Owned(whole.to_owned()))
    }
}

/// What is left of a path below a prefix, on a segment boundary.
fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    (prefix.is_empty() || rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
}

/// What became of a redirect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// It leads elsewhere, or could be read so; the field was removed.
    Foreign,
    /// It stays inside, or there is none.
    Inside,
}

/// Maps `Location`, `Content-Location` and `Refresh`. `origins` are the upstream's own and the site's.
pub fn keep_inside(headers: &mut HeaderMap, origins: &[Origin], prefixes: &Prefixes) -> Target {
    let target = field(headers, &header::LOCATION, |text| {
        inside(text, origins, prefixes)
    });
    field(headers, &header::CONTENT_LOCATION, |text| {
        inside(text, origins, prefixes)
    });
    let refresh = field(headers, &header::REFRESH, |text| {
        refreshed(text, origins, prefixes)
    });
    if refresh == Target::Foreign {
        refresh
    } else {
        target
    }
}

/// Maps one field; several of it, or one that is no text, are foreign.
fn field(
    headers: &mut HeaderMap,
    name: &HeaderName,
    map: impl Fn(&str) -> Option<Cow<'_, str>>,
) -> Target {
    let mut all = headers.get_all(name).iter();
    let new = match (all.next(), all.next()) {
        (None, _) => return Target::Inside,
        (Some(one), None) => std::str::from_utf8(one.as_bytes()).ok().and_then(&map),
        (Some(_), Some(_)) => None,
    };
    if let Some(Ok(value)) = new.map(|text| HeaderValue::from_str(&text)) {
        headers.insert(name, value);
        return Target::Inside;
    }
    headers.remove(name);
    Target::Foreign
}

/// The URL reference that a browser should see for an upstream's; none for what leads elsewhere.
///
/// What browsers read in their own ways is foreign: backslashes, control characters, tabs, `//` where a path should stand, `user@`.
pub fn inside<'t>(text: &'t str, origins: &[Origin], prefixes: &Prefixes) -> Option<Cow<'t, str>> {
    if text
        .bytes()
        .any(|byte| byte < b' ' || byte == 0x7f || byte == b'\\')
        || text.starts_with(' ')
    {
        return None;
    }
    let Some((scheme, rest)) = authority(text) else {
        return relative(text, prefixes).map(escaped);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let own = |scheme: &str| {
        Origin::parse(&format!("{scheme}://{authority}"))
            .is_some_and(|origin| origins.contains(&origin))
    };
    let known = scheme.map_or_else(|| own("https") || own("http"), own);
    if !known && !prefixes.named(scheme, authority) {
        return None;
    }
    if path.starts_with("//") {
        return None;
    }
    let mapped = if path.starts_with('/') {
        prefixes.public_path(path)?
    } else {
        Cow::Owned(prefixes.public_path("/")?.into_owned() + path)
    };
    single_slash(mapped).map(escaped)
}

/// `scheme://rest`, or `//rest` with no scheme.
fn authority(text: &str) -> Option<(Option<&str>, &str)> {
    if let Some(rest) = text.strip_prefix("//") {
        return Some((None, rest));
    }
    let (scheme, rest) = text.split_once("://")?;
    let plain = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    plain.then_some((Some(scheme), rest))
}

/// A reference without an authority: an absolute path is mapped, a relative one stays, another scheme is foreign.
fn relative<'t>(text: &'t str, prefixes: &Prefixes) -> Option<Cow<'t, str>> {
    if text.starts_with('/') {
        return single_slash(prefixes.public_path(text)?);
    }
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    (!first.contains(':')).then_some(Cow::Borrowed(text))
}

/// `//host` must never come out of a path.
fn single_slash(path: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (path.starts_with('/') && !path.starts_with("//")).then_some(path)
}

/// Spaces and text beyond ASCII, percent-encoded as browsers would.
fn escaped(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text;
    }
    Cow::Owned(percent_encoding::utf8_percent_encode(&text, ODD).to_string())
}

/// `seconds; url=reference`, in the spellings that browsers accept.
fn refreshed<'t>(text: &'t str, origins: &[Origin], prefixes: &Prefixes) -> Option<Cow<'t, str>> {
    let text = text.trim();
    let end = text
        .find(|char: char| !char.is_ascii_digit() && char != '.')
        .unwrap_or(text.len());
    let (delay, rest) = text.split_at_checked(end)?;
    let delay = delay.split('.').next().filter(|delay| !delay.is_empty())?;
    let rest = rest.trim_start();
    if rest.is_empty() {
        return Some(Cow::Borrowed(text));
    }
    let rest = rest.strip_prefix([';', ',']).unwrap_or(rest).trim_start();
    let keyed = rest
        .get(..3)
        .is_some_and(|key| key.eq_ignore_ascii_case("url"));
    let url = if keyed {
        rest.get(3..)?.trim_start().strip_prefix('=')?.trim_start()
    } else {
        rest
    };
    let url = match url.chars().next() {
        Some(quote @ ('"' | '\'')) => url.strip_prefix(quote)?.split(quote).next()?,
        _ => url,
    };
    let url = inside(url, origins, prefixes)?;
    Some(Cow::Owned(format!("{delay}; url={url}")))
}

const ODD: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ');

#[cfg(test)]
mod tests;
