//! JSON of filters: strictly read, with numbers as they were written, and written anew.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value as Json, value::RawValue};

use crate::{gate::param::Scalar, rewrite};

/// What a viewer says of one parameter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Said<'a> {
    /// `null`, `""`, `[]`: nothing, a filter that is cleared.
    Nothing,
    /// One value.
    One(Token<'a>),
    /// A list; never empty.
    Many(Vec<Token<'a>>),
}

/// One value as it was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token<'a> {
    /// A number, `true` or `false`, as written.
    Bare(&'a str),
    /// What is no value of a filter: `null` in a list, a list in a list, an object.
    Other,
    /// A string.
    Text(Cow<'a, str>),
}

impl<'a> Said<'a> {
    /// Reads the text of one value, which [`strict`] has seen.
    pub(super) fn read(raw: &'a RawValue) -> Self {
        if let Some(items) = items(raw) {
            let tokens: Vec<_> = items.into_iter().map(Token::read).collect();
            return if tokens.is_empty() {
                Self::Nothing
            } else {
                Self::Many(tokens)
            };
        }
        match Token::read(raw) {
            Token::Other if raw.get() == "null" => Self::Nothing,
            Token::Text(text) if text.is_empty() => Self::Nothing,
            token @ (Token::Bare(_) | Token::Other | Token::Text(_)) => Self::One(token),
        }
    }

    /// The values of a repeated key.
    pub(super) fn repeated(texts: &[&'a str]) -> Self {
        match texts {
            [] | [""] => Self::Nothing,
            [one] => Self::One(Token::Text(Cow::Borrowed(one))),
            many => Self::Many(
                many.iter()
                    .map(|text| Token::Text(Cow::Borrowed(*text)))
                    .collect(),
            ),
        }
    }

    /// The JSON that says the same with typed values: a lone value stays alone, since Metabase makes a list of one, but not the other way round.
    pub(super) fn write(&self, typed: &[Scalar]) -> String {
        let mut out = String::with_capacity(16);
        match (self, typed) {
            (Self::Nothing, _) => out.push_str("null"),
            (Self::One(_), [one]) => scalar(&mut out, one),
            (Self::One(_) | Self::Many(_), typed) => list(&mut out, typed),
        }
        out
    }

    /// The values, one or several.
    pub(super) fn tokens(&self) -> &[Token<'a>] {
        match self {
            Self::Nothing => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(all) => all,
        }
    }
}

impl<'a> Token<'a> {
    fn read(raw: &'a RawValue) -> Self {
        match raw.get().as_bytes().first() {
            Some(b'"') => string(raw).map_or(Self::Other, Self::Text),
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => Self::Bare(raw.get()),
            _ => Self::Other,
        }
    }
}

/// Text that has one reading: no duplicate keys, nothing after it, no deep nesting, not over [`MAX_TEXT`] bytes.
pub(super) fn strict(text: &str) -> Option<&RawValue> {
    if text.len() > MAX_TEXT {
        return None;
    }
    rewrite::json::check(text.as_bytes()).ok()?;
    serde_json::from_str(text).ok()
}

/// The members of an object.
pub(super) fn members(raw: &RawValue) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    serde_json::from_str::<Members<'_>>(raw.get())
        .ok()
        .map(|members| members.0)
}

/// The elements of a list.
pub(super) fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    raw.get()
        .starts_with('[')
        .then(|| serde_json::from_str(raw.get()).ok())?
}

/// A string's content.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get())
        .ok()
        .map(|text| text.0)
}

/// Appends a string.
pub(in crate::adapter::metabase) fn quote(out: &mut String, text: &str) {
    let plain = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Json::from(text).to_string());
    }
}

/// Appends one value.
pub(super) fn scalar(out: &mut String, scalar: &Scalar) {
    out.push_str(&scalar.json_text());
}

/// Appends a list of values.
pub(in crate::adapter::metabase) fn list(out: &mut String, scalars: &[Scalar]) {
    out.push('[');
    for (count, one) in scalars.iter().enumerate() {
        if count > 0 {
            out.push(',');
        }
        scalar(out, one);
    }
    out.push(']');
}

/// An object, in order; the values as text.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    members.push((name.0, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        reader.deserialize_map(Pairs)
    }
}

/// A string, borrowed where it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Chars;
        impl<'de> Visitor<'de> for Chars {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        reader.deserialize_str(Chars)
    }
}

/// More than the longest list of a viewer's choices.
const MAX_TEXT: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said<'_> {
        Said::read(strict(text).unwrap())
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        let text = |text: &'static str| Token::Text(Cow::Borrowed(text));
        for (json, expected) in [
            ("null", Said::Nothing),
            (" [ ] ", Said::Nothing),
            ("\"\"", Said::Nothing),
            ("\"a\\u0062\"", Said::One(text("ab"))),
            (
                "12345678901234567890123",
                Said::One(Token::Bare("12345678901234567890123")),
            ),
            ("-1.50", Said::One(Token::Bare("-1.50"))),
            ("true", Said::One(Token::Bare("true"))),
            ("{}", Said::One(Token::Other)),
            (
                "[\"\", 1 , null, []]",
                Said::Many(vec![text(""), Token::Bare("1"), Token::Other, Token::Other]),
            ),
        ] {
            assert_eq!(said(json), expected, "{json}");
        }
    }

    #[test]
    fn only_text_with_one_reading_is_read() {
        for bad in [
            "",
            "{} {}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
            "[1,]",
            "nul",
            "\u{feff}{}",
        ] {
            assert!(strict(bad).is_none(), "{bad}");
        }
        assert!(strict(&"[".repeat(100)).is_none());
        assert!(strict(&format!("\"{}\"", "a".repeat(MAX_TEXT))).is_none());
    }

    #[test]
    fn strings_are_quoted_as_json_does() {
        for text in ["", "plain", "\"\\", "a\nb", "grün", "\u{7f}\u{2028}"] {
            let mut out = String::new();
            quote(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text, "{out}");
        }
    }
}
