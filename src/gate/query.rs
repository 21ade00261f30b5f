//! The query of a request, decoded once; duplicates stay visible.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{path::unhex, refusal::Refusal};

mod fold;

pub use fold::fold;

/// One `name=value` of a query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair<'a> {
    /// As received, between two `&`.
    pub raw: &'a str,
    /// The name, decoded once (`+` is a space).
    pub name: Cow<'a, str>,
    /// The value, decoded once; `None` where there was no `=`.
    pub value: Option<Cow<'a, str>>,
}

/// A query, in order of appearance; empty pairs (`&&`) are gone.
///
/// A `Vec` and no `SmallVec`: that is invariant in its items and cannot be dropped while borrowed for as long as they live.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query<'a> {
    pairs: Vec<Pair<'a>>,
}

impl<'a> Query<'a> {
    /// Reads a query (without `?`).
    ///
    /// # Errors
    /// `request_malformed` for broken escapes, control characters, text that is not UTF-8 once decoded, more than 512 pairs, or more than 16 KiB of names beyond ASCII.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let mut pairs = vec![];
        if text.is_empty() {
            return Ok(Self { pairs });
        }
        let mut odd = 0_usize;
        for raw in text.split('&').filter(|raw| !raw.is_empty()) {
            let pair = Pair::parse(raw)?;
            if pair
                .name
                .bytes()
                .any(|byte| !byte.is_ascii() || byte == b'%')
            {
                odd = odd.saturating_add(pair.name.len());
            }
            if pairs.len() == MAX_PAIRS || odd > MAX_ODD {
                return Err(Refusal::RequestMalformed);
            }
            pairs.push(pair);
        }
        Ok(Self { pairs })
    }

    /// The pairs in order.
    pub fn pairs(&self) -> &[Pair<'a>] {
        &self.pairs
    }
}

impl<'a> Pair<'a> {
    fn parse(raw: &'a str) -> Result<Self, Refusal> {
        let (name, value) = match raw.split_once('=') {
            Some((name, value)) => (name, Some(decode(value)?)),
            None => (raw, None),
        };
        Ok(Self {
            raw,
            name: decode(name)?,
            value,
        })
    }
}

/// Appends `name=value` to a query under construction, percent-encoded so that any reader decodes exactly these, with `&` where needed.
pub fn push(query: &mut String, name: &str, value: &str) {
    separate(query);
    query.extend(utf8_percent_encode(name, RESERVED));
    query.push('=');
    query.extend(utf8_percent_encode(value, RESERVED));
}

/// Appends a pair of the client's: byte for byte where every reader splits and decodes it alike, else written anew (a `;` becomes `%3B`, so that an
/// upstream that splits there sees the one value that was judged).
pub fn pass(query: &mut String, pair: &Pair<'_>) {
    if is_plain(pair.raw) {
        separate(query);
        query.push_str(pair.raw);
        return;
    }
    separate(query);
    query.extend(utf8_percent_encode(&pair.name, RESERVED));
    if let Some(value) = &pair.value {
        query.push('=');
        query.extend(utf8_percent_encode(value, RESERVED));
    }
}

fn separate(query: &mut String) {
    if !query.is_empty() {
        query.push('&');
    }
}

/// Whether no reader splits a pair but at its first `=`. Rison (`q=(columns:!(id,slug))`) and JSON-ish brackets pass.
fn is_plain(raw: &str) -> bool {
    let mut assigned = false;
    raw.bytes().all(|byte| match byte {
        b'=' => !std::mem::replace(&mut assigned, true),
        b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'%' | b'\'' | b'(' | b')' | b'*' | b'+'
        | b',' | b'/' | b':' | b'@' | b'[' | b']' => true,
        _ => byte.is_ascii_alphanumeric(),
    })
}

/// Decodes one side of a pair, strictly.
fn decode(text: &str) -> Result<Cow<'_, str>, Refusal> {
    // Without branches: tokens are long, and this way many bytes are looked at together.
    let (mut control, mut coded) = (0_u8, 0_u8);
    for byte in text.bytes() {
        control |= u8::from(byte < 0x20) | u8::from(byte == 0x7f);
        coded |= u8::from(byte == b'%') | u8::from(byte == b'+') | u8::from(byte >= 0x80);
    }
    if control != 0 {
        return Err(Refusal::RequestMalformed);
    }
    if coded == 0 {
        return Ok(Cow::Borrowed(text));
    }
    unescape(text)
        .filter(|decoded| !decoded.chars().any(char::is_control))
        .map(Cow::Owned)
        .ok_or(Refusal::RequestMalformed)
}

fn unescape(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => unhex(bytes.next(), bytes.next())?,
            b'+' => b' ',
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

/// More pairs than any front end sends; each costs a comparison with every declared parameter.
const MAX_PAIRS: usize = 512;

/// Bytes of names with escapes or beyond ASCII: each costs a thousand times what another does to [`fold()`].
const MAX_ODD: usize = 16 * 1024;

/// Everything but RFC 3986 unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests;
