//! Parameters: the filters of a dashboard, locked, enabled or disabled; typed values.
//!
//! "No restriction" is never the meaning of an empty value: `null`, `""`, blanks and `[]` are refused wherever a value is read.

mod scalar;

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{refusal::Refusal, resource::Scopes};

/// Who decides a parameter's value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Nobody may send it.
    Disabled,
    /// The viewer may set it; the token may preset it.
    Enabled,
    /// The token alone.
    Locked,
}

/// The type of one value. Text is kept as the token or the viewer wrote it, after checking.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// `true` or `false`.
    Boolean,
    /// RFC 3339 `full-date`: `2026-11-22`.
    Date,
    /// A decimal integer of any size.
    Integer,
    /// A JSON number.
    Number,
    /// Any text without control characters.
    String,
    /// RFC 9562, lower case after parsing.
    Uuid,
}

/// One declared parameter of a site.
#[derive(Clone, Debug)]
pub struct ParamSpec {
    /// The name in the token's `params`, and to the viewer.
    pub name: Box<str>,
    /// `name`, folded as [`super::query::fold`] does; two parameters of a site never share it.
    pub folded: Box<str>,
    /// Who decides.
    pub mode: Mode,
    /// The type of one value.
    pub kind: Type,
    /// Whether a list of several values is accepted (one value always is, also as a list of one).
    pub list: bool,
    /// The scope with which a token may say `{"all": true}` for this locked parameter: every value, said in so many words. `None`: nobody may.
    pub all: Option<Box<str>>,
}

impl ParamSpec {
    /// Reads the value that a token brings: JSON, typed. Where no list is accepted, a list of exactly one value is that value: Metabase's
    /// documentation tells backends to sign `["acme"]`.
    ///
    /// # Errors
    /// `param_missing` for an empty value, also within a list; `param_invalid` for one of another type, or for several where one is accepted.
    pub fn value(&self, json: &Json) -> Result<Value, Refusal> {
        match (json, self.list) {
            (Json::Array(all), _) if all.is_empty() => Err(Refusal::ParamMissing),
            (Json::Array(all), false) => match all.as_slice() {
                [one] => scalar::typed(self.kind, one).map(Value::One),
                _ => Err(Refusal::ParamInvalid),
            },
            (Json::Array(all), true) if all.len() > MAX_LIST => Err(Refusal::ParamInvalid),
            (Json::Array(all), true) => all
                .iter()
                .map(|one| scalar::typed(self.kind, one))
                .collect::<Result<_, _>>()
                .map(Value::Many),
            (
                Json::Bool(_) | Json::Null | Json::Number(_) | Json::Object(_) | Json::String(_),
                _,
            ) => scalar::typed(self.kind, json).map(Value::One),
        }
    }

    /// Whether a token's value is `{"all": true}`, and the token may say so.
    pub fn says_all(&self, json: &Json, scope: &Scopes) -> bool {
        let Json::Object(members) = json else {
            return false;
        };
        let may = self.all.as_ref().is_some_and(|word| scope.contains(word));
        may && members.len() == 1 && members.get("all") == Some(&Json::Bool(true))
    }

    /// Reads one value that a viewer sent as text (query, form, path).
    ///
    /// # Errors
    /// `param_missing` for an empty value (whether that clears an enabled filter is for the policy to say); `param_invalid` for one of another type.
    pub fn text(&self, text: &str) -> Result<Scalar, Refusal> {
        scalar::read(self.kind, text)
    }
}

/// One typed scalar: its canonical text and how it stands in JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scalar {
    /// Canonical text: digits for numbers, `true`/`false`, the plain string else.
    pub text: Box<str>,
    /// The type it was checked against.
    pub kind: Type,
}

impl Scalar {
    /// How it stands in JSON. Integers beyond 64 bits have no exact [`Json`] of their own: use [`Self::json_text`] where the text is what counts.
    pub fn to_json(&self) -> Json {
        match self.kind {
            Type::Boolean | Type::Integer | Type::Number => serde_json::from_str(&self.text)
                .unwrap_or_else(|_| Json::String(self.text.to_string())),
            Type::Date | Type::String | Type::Uuid => Json::String(self.text.to_string()),
        }
    }

    /// Its exact JSON text.
    pub fn json_text(&self) -> Cow<'_, str> {
        match self.kind {
            Type::Boolean | Type::Integer | Type::Number => Cow::Borrowed(&self.text),
            Type::Date | Type::String | Type::Uuid => {
                Cow::Owned(Json::from(&*self.text).to_string())
            }
        }
    }
}

/// What a token grants of the parameters of a site, by their index.
#[derive(Clone, Copy, Debug)]
pub struct Granted<'a> {
    /// The typed values.
    pub values: &'a [Option<Value>],
    /// Locked parameters for which the token says "all values". They have no value.
    pub all: &'a [usize],
}

/// What a token grants of one parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grant<'a> {
    /// Every value: the token says so, and may.
    All,
    /// This value.
    Only(&'a Value),
}

impl<'a> Granted<'a> {
    /// What the token grants of a parameter; `None`: it says nothing of it.
    pub fn of(&self, index: usize) -> Option<Grant<'a>> {
        match self.values.get(index) {
            Some(Some(value)) => Some(Grant::Only(value)),
            Some(None) | None => self.all.contains(&index).then_some(Grant::All),
        }
    }
}

/// A typed value: one scalar, or a list with at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// Several; never empty.
    Many(Vec<Scalar>),
    /// One.
    One(Scalar),
}

impl Value {
    /// Whether this very scalar is the value, or one of its values.
    pub fn contains(&self, scalar: &Scalar) -> bool {
        self.scalars().contains(scalar)
    }

    /// How it stands in JSON: a scalar, or an array of scalars.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Many(all) => all.iter().map(Scalar::to_json).collect(),
            Self::One(one) => one.to_json(),
        }
    }

    /// The scalars, one or several.
    pub fn scalars(&self) -> &[Scalar] {
        match self {
            Self::Many(all) => all,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

/// Where a parameter's value goes in the upstream request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A cookie of this name.
    Cookie(Box<str>),
    /// A field of a urlencoded form body.
    Form(Box<str>),
    /// A header field.
    Header(http::HeaderName),
    /// A JSON body: where (RFC 6901 pointer; a final `/-` appends to an array), and what, as a template in which the string `"$value"` stands for the value.
    Json {
        /// The pointer.
        at: Box<str>,
        /// The template; `None` is the bare value.
        template: Option<Json>,
    },
    /// A capture of the route's pattern, replaced.
    Path(Box<str>),
    /// A query parameter.
    Query(Box<str>),
}

/// One parameter bound to one place on one route.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Index into the site's parameters.
    pub param: usize,
    /// Where it goes.
    pub place: Place,
}

/// The most values that one list may hold.
const MAX_LIST: usize = 1000;

#[cfg(test)]
mod tests;
