//! Parameters: the filters of a dashboard, locked, enabled or disabled; typed values.

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
    /// `name`, folded as [`fold`] does; two parameters of a site never share it.
    pub folded: Box<str>,
    /// Who decides.
    pub mode: Mode,
    /// The type of one value.
    pub kind: Type,
    /// Whether a list of values is accepted (one value is always accepted).
    pub list: bool,
}

/// One typed scalar: its canonical text and how it stands in JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scalar {
    /// Canonical text: digits for numbers, `true`/`false`, the plain string else.
    pub text: Box<str>,
    /// The type it was checked against.
    pub kind: Type,
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
        template: Option<serde_json::Value>,
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

impl ParamSpec {
    /// Types a value of a token.
    ///
    /// # Errors
    /// `param_missing` for `null`, `""` and `[]`; `param_invalid` for another type.
    pub fn value(&self, _json: &serde_json::Value) -> Result<Value, super::refusal::Refusal> {
        Err(super::refusal::Refusal::ParamInvalid)
    }
}
