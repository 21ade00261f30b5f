//! The text that a lock puts into a body, and whether something in the viewer's body says the same.

use serde_json::Value as Json;

use super::{
    edit::push_string,
    effort::Effort,
    strict,
    view::{Kind, View},
};
use crate::{
    gate::param::{ParamSpec, Scalar, Type, Value},
    rewrite::judge,
};

/// What stands for the value.
const VALUE: &str = "$value";

/// A parameter's value as a lock writes it: bare, or inside a template.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    pub(super) effort: &'a Effort,
    pub(super) spec: &'a ParamSpec,
    pub(super) value: Option<&'a Value>,
    pub(super) template: Option<&'a Json>,
}

impl Shape<'_> {
    /// The JSON text; none without a value.
    pub(super) fn text(self) -> Option<String> {
        let value = self.value?;
        let mut out = String::new();
        match self.template {
            None => push_value(&mut out, value),
            Some(template) => push(&mut out, template, value),
        }
        Some(out)
    }

    /// Whether a viewer's value is what this lock writes, or the bare value.
    pub(super) fn is_said_by(self, view: View<'_>) -> bool {
        self.bare(view)
            || self
                .template
                .is_some_and(|template| self.same(template, view))
    }

    /// Whether a viewer's value is of the parameter's type, bare or inside the template; `null` is "not set".
    pub(super) fn is_typed_in(self, view: View<'_>) -> bool {
        self.typed(view)
            || self
                .template
                .is_some_and(|template| self.agrees(template, view) && self.fits(template, view))
    }

    /// Whether an element is about the same thing as the template: at least one of the parts beside `$value` is the same (names and texts folded),
    /// and none that is there differs in every spelling. A template without such parts is about everything of its kind.
    pub(super) fn claims(self, view: View<'_>) -> bool {
        match self.template {
            None => true,
            Some(template) if !tells(template) => same_kind(template, view),
            Some(template) => {
                let mut matched = 0_usize;
                self.compare(template, view, &mut matched) && matched > 0
            }
        }
    }

    /// The bare value: a scalar, or an array of exactly the value's scalars.
    fn bare(self, view: View<'_>) -> bool {
        let Some(value) = self.value else {
            return false;
        };
        let says = |view: View<'_>| {
            view.scalar()
                .is_some_and(|text| judge::says_one_of(self.spec, value, &text))
        };
        match view.kind() {
            Kind::Array => {
                view.elements().count() == value.scalars().len() && view.elements().all(says)
            }
            Kind::Object => false,
            Kind::Scalar | Kind::String => value.scalars().len() == 1 && says(view),
        }
    }

    fn typed(self, view: View<'_>) -> bool {
        let fits = |view: View<'_>| {
            view.scalar()
                .is_some_and(|text| judge::typed(self.spec, &text).is_ok())
        };
        match view.kind() {
            Kind::Array => self.spec.list && view.elements().all(fits),
            Kind::Object => false,
            Kind::Scalar | Kind::String => view.is_null() || fits(view),
        }
    }

    fn agrees(self, template: &Json, view: View<'_>) -> bool {
        self.compare(template, view, &mut 0)
    }

    fn compare(self, template: &Json, view: View<'_>, matched: &mut usize) -> bool {
        if !holds(template) {
            let same = self.same(template, view);
            *matched = matched.saturating_add(usize::from(same));
            return same;
        }
        match template {
            Json::Array(parts) => {
                view.kind() == Kind::Array
                    && parts
                        .iter()
                        .zip(view.elements())
                        .all(|(part, view)| self.compare(part, view, matched))
            }
            Json::Object(parts) => {
                view.kind() == Kind::Object
                    && parts.iter().all(|(key, part)| {
                        let mut spellings = self.named(view, key).peekable();
                        spellings.peek().is_none()
                            || spellings.any(|view| self.compare(part, view, matched))
                    })
            }
            Json::Bool(_) | Json::Null | Json::Number(_) | Json::String(_) => true,
        }
    }

    /// Whether a viewer's value means what the template means with the value in it.
    fn same(self, template: &Json, view: View<'_>) -> bool {
        match template {
            Json::String(text) if text == VALUE => self.bare(view),
            Json::Array(parts) => {
                view.elements().count() == parts.len()
                    && view.kind() == Kind::Array
                    && parts
                        .iter()
                        .zip(view.elements())
                        .all(|(part, view)| self.same(part, view))
            }
            Json::Object(parts) => {
                view.kind() == Kind::Object
                    && parts.iter().all(|(key, part)| {
                        let mut all = self
                            .named(view, key)
                            .map(|view| self.same(part, view))
                            .peekable();
                        all.peek().is_some() && all.all(|same| same)
                    })
            }
            Json::Null => view.is_null(),
            Json::Bool(_) | Json::Number(_) => view
                .scalar()
                .is_some_and(|text| text == template.to_string()),
            Json::String(text) => view
                .scalar()
                .is_some_and(|said| self.effort.fold(&said) == self.effort.fold(text)),
        }
    }

    /// The members whose names fold alike.
    fn named<'v>(self, view: View<'v>, key: &str) -> impl Iterator<Item = View<'v>> {
        let (effort, folded) = (self.effort, self.effort.fold(key).into_owned());
        view.members()
            .filter(move |member| effort.fold(&member.key) == *folded)
            .map(|member| member.value)
    }

    /// Whether what stands in place of `$value` is of the parameter's type.
    fn fits(self, template: &Json, view: View<'_>) -> bool {
        match template {
            Json::String(text) if text == VALUE => self.typed(view),
            Json::Array(parts) => parts
                .iter()
                .zip(view.elements())
                .all(|(part, view)| self.fits(part, view)),
            Json::Object(parts) => parts
                .iter()
                .all(|(key, part)| self.named(view, key).all(|view| self.fits(part, view))),
            Json::Bool(_) | Json::Null | Json::Number(_) | Json::String(_) => true,
        }
    }
}

/// Whether `$value` is in it.
fn holds(template: &Json) -> bool {
    match template {
        Json::Array(parts) => parts.iter().any(holds),
        Json::Object(parts) => parts.values().any(holds),
        Json::String(text) => text == VALUE,
        Json::Bool(_) | Json::Null | Json::Number(_) => false,
    }
}

/// Whether it has parts that say what it is about.
fn tells(template: &Json) -> bool {
    match template {
        Json::Array(parts) => parts.iter().any(tells),
        Json::Object(parts) => parts.values().any(tells),
        Json::String(text) => text != VALUE,
        Json::Bool(_) | Json::Null | Json::Number(_) => true,
    }
}

fn same_kind(template: &Json, view: View<'_>) -> bool {
    match template {
        Json::Array(_) => view.kind() == Kind::Array,
        Json::Object(_) => view.kind() == Kind::Object,
        Json::Bool(_) | Json::Null | Json::Number(_) | Json::String(_) => true,
    }
}

fn push(out: &mut String, template: &Json, value: &Value) {
    match template {
        Json::String(text) if text == VALUE => push_value(out, value),
        Json::Array(parts) => {
            out.push('[');
            for (index, part) in parts.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                push(out, part, value);
            }
            out.push(']');
        }
        Json::Object(parts) => {
            out.push('{');
            for (index, (key, part)) in parts.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                push_string(out, key);
                out.push(':');
                push(out, part, value);
            }
            out.push('}');
        }
        Json::Bool(_) | Json::Null | Json::Number(_) => out.push_str(&template.to_string()),
        Json::String(text) => push_string(out, text),
    }
}

fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Many(all) => {
            out.push('[');
            for (index, scalar) in all.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                push_scalar(out, scalar);
            }
            out.push(']');
        }
        Value::One(scalar) => push_scalar(out, scalar),
    }
}

fn push_scalar(out: &mut String, scalar: &Scalar) {
    match scalar.kind {
        Type::Boolean => out.push_str(if *scalar.text == *"true" {
            "true"
        } else {
            "false"
        }),
        Type::Integer | Type::Number if strict::is_number(&scalar.text) => {
            out.push_str(&scalar.text);
        }
        Type::Date | Type::Integer | Type::Number | Type::String | Type::Uuid => {
            push_string(out, &scalar.text);
        }
    }
}
