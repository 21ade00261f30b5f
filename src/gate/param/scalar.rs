//! One value of one type: each has exactly one text, so that equal values are equal texts.

use serde_json::{Number, Value as Json};

use super::{Scalar, Type};
use crate::gate::refusal::Refusal;

/// Reads a JSON scalar of a type. A string is never taken for a number, nor the other way round: the backend that signs knows its types.
pub(super) fn typed(kind: Type, json: &Json) -> Result<Scalar, Refusal> {
    match (kind, json) {
        (_, Json::Null) => Err(Refusal::ParamMissing),
        (_, Json::Array(items)) if items.is_empty() => Err(Refusal::ParamMissing),
        (_, Json::String(text)) if text.trim().is_empty() => Err(Refusal::ParamMissing),
        (Type::Boolean, Json::Bool(value)) => read(kind, if *value { "true" } else { "false" }),
        (Type::Integer, Json::Number(number)) if !number.is_f64() => {
            read(kind, &number.to_string())
        }
        (Type::Number, Json::Number(number)) if is_exact(number) => read(kind, &number.to_string()),
        (Type::Date | Type::String | Type::Uuid, Json::String(text)) => read(kind, text),
        (
            Type::Boolean | Type::Date | Type::Integer | Type::Number | Type::String | Type::Uuid,
            _,
        ) => Err(Refusal::ParamInvalid),
    }
}

/// Reads text of a type.
pub(super) fn read(kind: Type, text: &str) -> Result<Scalar, Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::ParamMissing);
    }
    let good = match kind {
        Type::Boolean => text == "true" || text == "false",
        Type::Date => is_date(text),
        Type::Integer => is_integer(text),
        Type::Number => is_number(text),
        Type::String => is_plain(text),
        Type::Uuid => is_uuid(text),
    };
    if !good {
        return Err(Refusal::ParamInvalid);
    }
    let text = if kind == Type::Uuid {
        text.to_ascii_lowercase().into()
    } else {
        text.into()
    };
    Ok(Scalar { text, kind })
}

/// A float of 2^53 or more may be the rounding of an integer that the token spelled out: another value, so not this one.
fn is_exact(number: &Number) -> bool {
    !number.is_f64()
        || number
            .as_f64()
            .is_some_and(|value| value.abs() < 9_007_199_254_740_992.0)
}

/// `0`, or digits that do not begin with `0`, perhaps negative; `-0` is `0` twice.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let canonical = digits.first() != Some(&b'0') || text == "0";
    canonical && (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

/// A JSON number (RFC 8259 section 6) within the range of a double.
fn is_number(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let ends = text.ends_with(|last: char| last.is_ascii_digit());
    begins
        && ends
        && text.len() <= MAX_DIGITS
        && serde_json::from_str::<f64>(text).is_ok_and(f64::is_finite)
}

/// Exactly `YYYY-MM-DD`, of a day that exists.
fn is_date(text: &str) -> bool {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| {
            if at == 4 || at == 7 {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        });
    shape && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_plain(text: &str) -> bool {
    text.chars().count() <= MAX_CHARS && !text.chars().any(char::is_control)
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if hyphen(at) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}

/// The longest number.
const MAX_DIGITS: usize = 64;

/// The longest string.
const MAX_CHARS: usize = 1024;
