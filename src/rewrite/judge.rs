//! Whether what a viewer sent under a parameter's name is what the token says.

use crate::gate::{
    param::{Mode, ParamSpec, Scalar, Value},
    policy::Denial,
    refusal::Refusal,
};

/// A denial that names the parameter to the auditor (never its value).
pub(super) fn denied(refusal: Refusal, spec: &ParamSpec) -> Denial {
    Denial::because(refusal, spec.name.to_string())
}

/// The denial for a parameter that stands where only an exact spelling may.
pub(super) fn alias(spec: &ParamSpec) -> Denial {
    match spec.mode {
        Mode::Disabled => denied(Refusal::ParamDisabled, spec),
        Mode::Enabled => denied(Refusal::ParamInvalid, spec),
        Mode::Locked => denied(Refusal::ParamLocked, spec),
    }
}

/// Reads a viewer's text for an enabled parameter, canonically. Empty text clears it: where nothing is locked, "no restriction" is the viewer's to say.
pub(super) fn typed(spec: &ParamSpec, text: &str) -> Result<Box<str>, Denial> {
    match spec.text(text) {
        Ok(scalar) => Ok(scalar.text),
        Err(_) if text.is_empty() => Ok(Box::default()),
        Err(_) => Err(denied(Refusal::ParamInvalid, spec)),
    }
}

/// Whether a text says this scalar: as it stands, or after reading it as the parameter's type.
pub(super) fn says(spec: &ParamSpec, scalar: &Scalar, text: &str) -> bool {
    *scalar.text == *text || spec.text(text).is_ok_and(|read| read.text == scalar.text)
}

/// Whether a text says one of a value's scalars.
pub(super) fn says_one_of(spec: &ParamSpec, value: &Value, text: &str) -> bool {
    value
        .scalars()
        .iter()
        .any(|scalar| says(spec, scalar, text))
}

/// The only scalar of a value that must be one thing (a path segment).
pub(super) fn single<'v>(spec: &ParamSpec, value: &'v Value) -> Result<&'v Scalar, Denial> {
    match value.scalars() {
        [one] => Ok(one),
        _ => Err(denied(Refusal::ParamInvalid, spec)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::gate::{param::Type, query};

    /// A parameter of text.
    pub(in crate::rewrite) fn spec(name: &str, mode: Mode) -> ParamSpec {
        ParamSpec {
            name: name.into(),
            folded: query::fold(name).into(),
            mode,
            kind: Type::String,
            list: false,
            all: None,
        }
    }

    /// A value of text.
    pub(in crate::rewrite) fn one(text: &str) -> Value {
        Value::One(Scalar {
            text: text.into(),
            kind: Type::String,
        })
    }

    /// An integer parameter.
    pub(in crate::rewrite) fn integer(name: &str, mode: Mode) -> ParamSpec {
        ParamSpec {
            kind: Type::Integer,
            ..spec(name, mode)
        }
    }

    /// A value of an integer.
    pub(in crate::rewrite) fn int(text: &str) -> Value {
        Value::One(Scalar {
            text: text.into(),
            kind: Type::Integer,
        })
    }

    #[test]
    fn the_same_value_may_be_written_in_two_ways() {
        let spec = integer("tenant_id", Mode::Locked);
        assert!(says_one_of(&spec, &int("99"), "99"));
        assert!(!says_one_of(&spec, &int("99"), "999"));
        assert!(!says_one_of(&spec, &int("99"), ""));
    }
}
