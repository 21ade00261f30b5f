//! Names that stay inside, and where they are told.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::Around;

/// How often a text is taken for percent-encoded.
const CODINGS: usize = 3;

/// What must not be seen, in lower case.
#[derive(Debug)]
pub(in crate::adapter::metabase) struct Inner {
    needles: Vec<String>,
    /// The authority of our site, in which part of a needle may well be.
    public: String,
}

impl Inner {
    /// Those of the configuration.
    pub(in crate::adapter::metabase) fn new(around: &Around<'_>) -> Self {
        let mut inner = Self {
            needles: Vec::new(),
            public: authority(&around.public_url.to_ascii_lowercase()).to_owned(),
        };
        for name in around.inner {
            inner.add(name);
        }
        inner
    }

    /// One more: a URL, an origin, an authority, or whatever text. A host counts also without its port.
    pub(in crate::adapter::metabase) fn add(&mut self, name: &str) {
        let name = name.trim().to_ascii_lowercase();
        let authority = authority(&name);
        let ours = host(&self.public).to_owned();
        for needle in [authority, host(authority)] {
            if needle.is_empty() || *needle == *self.public || needle == ours {
                continue;
            }
            // A name of one word, `metabase`, is part of many a text: it counts as the host of a URL.
            let needle = if needle.contains(['.', ':']) {
                needle.to_owned()
            } else {
                format!("//{needle}")
            };
            if !self.needles.contains(&needle) {
                self.needles.push(needle);
            }
        }
    }

    /// Whether a text tells one, also percent-encoded or with escaped slashes.
    pub(in crate::adapter::metabase) fn is_found_in(&self, text: &str) -> bool {
        let mut text = Cow::Borrowed(text);
        for _ in 0..CODINGS {
            if self.is_plain_in(&text) {
                return true;
            }
            if !text.contains('%') {
                return false;
            }
            let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
            if decoded == text {
                return false;
            }
            text = Cow::Owned(decoded);
        }
        self.is_plain_in(&text)
    }

    /// Whether a name or string anywhere in a value tells one.
    pub(in crate::adapter::metabase) fn is_told_by(&self, value: &Value) -> bool {
        match value {
            Value::Array(elements) => elements.iter().any(|element| self.is_told_by(element)),
            Value::Object(members) => members
                .iter()
                .any(|(name, value)| self.is_found_in(name) || self.is_told_by(value)),
            Value::String(text) => self.is_found_in(text),
            Value::Bool(_) | Value::Null | Value::Number(_) => false,
        }
    }

    fn is_plain_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase().replace("\\/", "/");
        let found = |needle: &String| {
            text.match_indices(&**needle).any(|(at, _)| {
                let end = at.saturating_add(needle.len());
                let bare = needle.starts_with("//");
                !(self.is_ours(&text, at, end) || bare && goes_on(&text, end))
            })
        };
        self.needles.iter().any(found)
    }

    /// Whether a needle is found only because it is part of our own authority: `example.com` in `bi.example.com`.
    fn is_ours(&self, text: &str, from: usize, to: usize) -> bool {
        if self.public.is_empty() {
            return false;
        }
        text.match_indices(&*self.public).any(|(at, _)| {
            let end = at.saturating_add(self.public.len());
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let begins = before.is_none_or(|before| !is_of_a_host(before));
            at <= from && to <= end && begins && !goes_on(text, end)
        })
    }
}

/// Whether the host that ends here goes on in truth: `metabase` in `metabase.example.com`.
fn goes_on(text: &str, at: usize) -> bool {
    let mut rest = text.get(at..).unwrap_or_default().chars();
    match rest.next() {
        Some('.') => rest.next().is_some_and(is_of_a_host),
        Some(next) => is_of_a_host(next),
        None => false,
    }
}

fn is_of_a_host(unit: char) -> bool {
    unit.is_alphanumeric() || matches!(unit, '-' | '.' | '_')
}

/// The authority of a URL, without user information; a text that is no URL counts as one.
fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once("//").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

/// An authority without its port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}
