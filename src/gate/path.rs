//! The path of a request: one reading or refused.
//!
//! Every path that a server could read as another one is either refused or given one spelling: two request paths have the same [`NormalPath`] exactly
//! when they decode to the same text. So a rule about `/admin` cannot be walked around with `/%61dmin`, `/admin/.`, `/x/..%2fadmin`, `/admin;x` or
//! `/a%64min%2f`, and the upstream receives the spelling that was judged.

use std::borrow::Cow;

use percent_encoding::percent_encode_byte;
use unicode_normalization::UnicodeNormalization as _;

use super::refusal::Refusal;

/// A path in canonical form: starts with `/`, no empty, `.` or `..` segments (a final empty one is a trailing slash and is kept); one spelling for
/// every character: plain where RFC 3986 allows it in a segment, else escaped in upper case. `+` is escaped, since some servers take it for a space.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NormalPath<'a>(Cow<'a, str>);

impl<'a> NormalPath<'a> {
    /// Reads the path of a request target; borrows where it is canonical already.
    ///
    /// # Errors
    /// `path_ambiguous` for dot segments, `//`, a backslash, `;`, an escaped slash, backslash, `;` or percent sign, control characters, text that is
    /// not UTF-8 (overlong forms too), broken escapes, characters that normalise (NFKC) to one of these, and a path that does not start with `/`.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let (structure, canonical) = scan(text)?;
        if canonical {
            structure.end()?;
            return Ok(Self(Cow::Borrowed(text)));
        }
        let path = rewrite(text)?;
        if path == text {
            return Ok(Self(Cow::Borrowed(text)));
        }
        Ok(Self(Cow::Owned(path)))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is left below a prefix, on a segment boundary: `/a` leaves `/b` of `/a/b`, `/` of `/a`, nothing of `/ab`. The empty prefix leaves all.
    pub fn below(&self, prefix: &str) -> Option<NormalPath<'_>> {
        let rest = self.0.strip_prefix(prefix)?;
        match rest.as_bytes().first() {
            None => Some(NormalPath(Cow::Borrowed("/"))),
            Some(b'/') => Some(NormalPath(Cow::Borrowed(rest))),
            Some(_) => None,
        }
    }
}

/// The text of one segment of a canonical path, or of any text that is to be read like one (a route's capture).
///
/// # Errors
/// `path_ambiguous` where the decoded text is none that a segment may hold: `/`, `\`, `;`, `%`, control characters, broken escapes, not UTF-8.
pub fn decode(segment: &str) -> Result<Cow<'_, str>, Refusal> {
    if segment.bytes().all(|byte| class(byte) == Class::Plain) {
        return Ok(Cow::Borrowed(segment));
    }
    unescape(segment)
        .filter(|text| !segment.contains('/') && is_unambiguous(text))
        .map(Cow::Owned)
        .ok_or(Refusal::PathAmbiguous)
}

/// The canonical spelling of a text as one segment; `None` for a text that no segment may hold (empty, `.`, `..`, and what [`decode`] refuses).
pub fn segment(text: &str) -> Option<Cow<'_, str>> {
    let dots = matches!(text, "" | "." | "..");
    let banned = text.bytes().any(is_banned_even_escaped);
    if dots || banned || !is_unambiguous(text) {
        return None;
    }
    if text.bytes().all(|byte| class(byte) == Class::Plain) {
        return Some(Cow::Borrowed(text));
    }
    let mut escaped = String::with_capacity(text.len().saturating_mul(2));
    escape(&mut escaped, text);
    Some(Cow::Owned(escaped))
}

/// The byte that two hexadecimal digits say.
pub(super) fn unhex(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// What a byte means in the text of a path.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Class {
    /// Has a canonical spelling, and it is not this one.
    Encode,
    /// Begins an escape.
    Escape,
    /// Stands for itself.
    Plain,
    /// Has no business here.
    Refused,
    /// Separates segments.
    Slash,
}

const fn class(byte: u8) -> Class {
    match byte {
        b'a'..=b'z'
        | b'A'..=b'Z'
        | b'0'..=b'9'
        | b'-'
        | b'.'
        | b'_'
        | b'~'
        | b'!'
        | b'$'
        | b'&'
        | b'\''
        | b'('
        | b')'
        | b'*'
        | b','
        | b'='
        | b':'
        | b'@' => Class::Plain,
        b'/' => Class::Slash,
        b'%' => Class::Escape,
        b'"'
        | b'+'
        | b'<'
        | b'>'
        | b'['
        | b']'
        | b'^'
        | b'`'
        | b'{'
        | b'|'
        | b'}'
        | 0x80..=0xff => Class::Encode,
        0..=b' ' | b'#' | b';' | b'?' | b'\\' | 0x7f => Class::Refused,
    }
}

/// What may not be in a segment however it is written: an upstream that decodes once more, or splits after decoding, would see another path.
const fn is_banned_even_escaped(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'%' | b'/' | b';' | b'\\' | 0x7f)
}

/// The segment that a scan is in: how far it still looks like a dot segment.
#[derive(Clone, Copy)]
enum Structure {
    Dot,
    DotDot,
    Empty,
    Text,
}

impl Structure {
    const fn with(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Empty, b'.') => Self::Dot,
            (Self::Dot, b'.') => Self::DotDot,
            _ => Self::Text,
        }
    }

    /// The segment ends at a slash.
    const fn slash(self) -> Result<Self, Refusal> {
        match self {
            Self::Text => Ok(Self::Empty),
            Self::Dot | Self::DotDot | Self::Empty => Err(Refusal::PathAmbiguous),
        }
    }

    /// The path ends here.
    const fn end(self) -> Result<(), Refusal> {
        match self {
            Self::Empty | Self::Text => Ok(()),
            Self::Dot | Self::DotDot => Err(Refusal::PathAmbiguous),
        }
    }
}

/// One pass over the bytes, without allocation: the last segment, and whether the text is canonical as it stands. Stops at the first byte that is not.
fn scan(text: &str) -> Result<(Structure, bool), Refusal> {
    let rest = text.strip_prefix('/').ok_or(Refusal::PathAmbiguous)?;
    let mut segment = Structure::Empty;
    for byte in rest.bytes() {
        segment = match class(byte) {
            Class::Plain => segment.with(byte),
            Class::Slash => segment.slash()?,
            Class::Encode | Class::Escape => return Ok((segment, false)),
            Class::Refused => return Err(Refusal::PathAmbiguous),
        };
    }
    Ok((segment, true))
}

/// The canonical text of a path that holds escapes, or characters that need one.
fn rewrite(text: &str) -> Result<String, Refusal> {
    let decoded = unescape(text).ok_or(Refusal::PathAmbiguous)?;
    let mut path = String::with_capacity(text.len().saturating_mul(2));
    let mut structure = Structure::Empty;
    for (index, segment) in decoded.split('/').enumerate() {
        if index > 0 {
            path.push('/');
        }
        if index > 1 {
            structure = structure.slash()?;
        }
        if !is_unambiguous(segment) {
            return Err(Refusal::PathAmbiguous);
        }
        structure = segment.bytes().fold(structure, Structure::with);
        escape(&mut path, segment);
    }
    structure.end()?;
    Ok(path)
}

/// Decodes once; nothing where an escape is broken, the result is not UTF-8, or something stands there that may not.
fn unescape(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match class(byte) {
            Class::Encode | Class::Plain | Class::Slash => decoded.push(byte),
            Class::Escape => {
                let byte = unhex(bytes.next(), bytes.next())?;
                if is_banned_even_escaped(byte) {
                    return None;
                }
                decoded.push(byte);
            }
            Class::Refused => return None,
        }
    }
    String::from_utf8(decoded).ok()
}

/// Whether a decoded segment stays what it is on a server that normalises text: no control characters, nothing that turns into a separator, an escape
/// or a dot segment (`／`, `℀`, `％２ｆ`, `．．`, `‥`).
fn is_unambiguous(segment: &str) -> bool {
    if segment.is_ascii() {
        return true;
    }
    let mut dots = 0_usize;
    let mut length = 0_usize;
    for c in segment.nfkc() {
        if c.is_control() || matches!(c, '/' | '\\' | '%' | ';') {
            return false;
        }
        length = length.saturating_add(1);
        dots = dots.saturating_add(usize::from(c == '.'));
    }
    dots != length || dots > 2
}

/// Appends decoded text, every character in its canonical spelling.
fn escape(path: &mut String, text: &str) {
    for byte in text.bytes() {
        match class(byte) {
            Class::Plain => path.push(char::from(byte)),
            Class::Encode | Class::Escape | Class::Refused | Class::Slash => {
                path.push_str(percent_encode_byte(byte));
            }
        }
    }
}

#[cfg(test)]
mod tests;
