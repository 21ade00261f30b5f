//! JSON bodies: judged, and locked values put at their pointers. Everything else stays byte for byte, numbers and their text included.

use std::borrow::Cow;

use super::{Bindings, Bound, judge};
use crate::gate::{
    param::{Mode, Place},
    policy::Denial,
    refusal::Refusal,
};

mod edit;
mod effort;
mod strict;
mod template;
mod view;

use edit::Edits;
use effort::Effort;
use template::Shape;
use view::{Kind, Member, View};

/// Judges a JSON body and puts the route's values into it.
///
/// A lock's pointer (RFC 6901) names a member (`/a/b`, set; missing parents are created as objects) or, with a final `-`, a new last element
/// (`/filters/-`; a missing array is created). An array index must exist, and locks that element alone. What the viewer says about a parameter is looked for
/// * at the pointer, and at its siblings whose names fold to the pointer's last token or to the parameter's own name;
/// * in the array of a `-`: elements that agree with the template in what stands beside `$value`; without a template every element;
/// * at the top of the document: members whose names fold to any declared parameter's name.
///
/// There another value than the locked one is `param_locked`, the same is taken out and put in once; anything of a disabled parameter is
/// `param_disabled`; an enabled one must be spelled exactly and be of its type, and then the token's preset stays out.
///
/// # Errors
/// Those, `param_missing`, and `body_unsupported` where the text has no single reading (duplicate keys, trailing bytes, BOM, depth over 64, …), names beyond ASCII
/// would cost too much to compare, or
/// something else than an object or array stands on the way to a pointer.
pub fn apply(body: &[u8], bindings: Bindings<'_>) -> Result<Vec<u8>, Denial> {
    let text = strict::check(body)?;
    let bounds = bindings.bounds()?;
    let effort = Effort::new();
    let mut judge = Judge {
        effort: &effort,
        root: View::root(text),
        edits: Edits::new(text),
        puts: Vec::new(),
    };
    for bound in &bounds {
        if let Place::Json { at, template } = bound.place {
            judge.lock(bound, &pointer(at)?, template.as_ref())?;
        }
    }
    judge.top(bindings)?;
    effort.end()?;
    let Judge {
        mut edits, puts, ..
    } = judge;
    for (pointer, json) in puts {
        edits.place(&pointer, json)?;
    }
    Ok(edits.write()?)
}

/// Whether a body has one reading, and nothing else (tests, fuzzing, adapters that only look).
///
/// # Errors
/// `body_unsupported`.
pub fn check(body: &[u8]) -> Result<&str, Refusal> {
    strict::check(body)
}

struct Judge<'a> {
    effort: &'a Effort,
    root: View<'a>,
    edits: Edits<'a>,
    puts: Vec<(Vec<Cow<'a, str>>, String)>,
}

/// What the viewer said about an enabled parameter at a lock's place.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Said {
    Nothing,
    Something,
}

impl<'a> Judge<'a> {
    fn lock<'b: 'a>(
        &mut self,
        bound: &Bound<'b>,
        pointer: &[Cow<'b, str>],
        template: Option<&'b serde_json::Value>,
    ) -> Result<(), Denial> {
        let shape = Shape {
            effort: self.effort,
            spec: bound.spec,
            value: bound.value,
            template,
        };
        let said = self.at(shape, pointer)?;
        match (bound.spec.mode, shape.text()) {
            (Mode::Locked, Some(json)) => self.puts.push((pointer.to_vec(), json)),
            (Mode::Enabled, Some(json)) if said == Said::Nothing => {
                self.puts.push((pointer.to_vec(), json));
            }
            (Mode::Locked, None) => return Err(judge::denied(Refusal::ParamMissing, bound.spec)),
            (Mode::Disabled | Mode::Enabled, _) => {}
        }
        Ok(())
    }

    /// Walks to the parent of the place, refusing other spellings of the way, and judges what is there.
    fn at(&mut self, shape: Shape<'_>, pointer: &[Cow<'_, str>]) -> Result<Said, Denial> {
        let mut view = self.root;
        let mut rest = pointer;
        while let Some((token, further)) = rest.split_first() {
            rest = further;
            view = match view.kind() {
                Kind::Object if token == "-" => return Err(Refusal::BodyUnsupported.into()),
                Kind::Object if rest.is_empty() => return self.siblings(shape, view, token),
                Kind::Object => match on_the_way(shape, view, token)? {
                    Some(next) => next,
                    None => return Ok(Said::Nothing),
                },
                Kind::Array if token == "-" && rest.is_empty() => {
                    return self.elements(shape, view);
                }
                Kind::Array => match edit::element(view, token) {
                    Some(next) if rest.is_empty() => return self.one(shape, next),
                    Some(next) => next,
                    None => return Err(Refusal::BodyUnsupported.into()),
                },
                Kind::Scalar | Kind::String => return Err(Refusal::BodyUnsupported.into()),
            };
        }
        Err(Refusal::BodyUnsupported.into())
    }

    /// The members that are the target, fold to it, or fold to the parameter's own name.
    fn siblings(
        &mut self,
        shape: Shape<'_>,
        parent: View<'a>,
        token: &str,
    ) -> Result<Said, Denial> {
        let target = self.effort.fold(token);
        let mut said = Said::Nothing;
        for member in parent.members() {
            let name = self.effort.fold(&member.key);
            if name == target || name == *shape.spec.folded {
                if said == Said::Something && shape.spec.mode == Mode::Enabled {
                    return Err(judge::denied(Refusal::ParamInvalid, shape.spec));
                }
                self.member(shape, parent, &member, Some(token))?;
                said = Said::Something;
            }
        }
        Ok(said)
    }

    /// Judges one member; a locked one goes, unless it is the `target` (whose value will be replaced where it stands).
    fn member(
        &mut self,
        shape: Shape<'_>,
        parent: View<'a>,
        member: &Member<'a>,
        target: Option<&str>,
    ) -> Result<(), Denial> {
        let spec = shape.spec;
        let on_target = target.is_some_and(|target| member.key == target);
        match spec.mode {
            Mode::Disabled => Err(judge::denied(Refusal::ParamDisabled, spec)),
            Mode::Enabled if !on_target && *member.key != *spec.name => Err(judge::alias(spec)),
            Mode::Enabled if shape.is_typed_in(member.value) => Ok(()),
            Mode::Enabled => Err(judge::denied(Refusal::ParamInvalid, spec)),
            Mode::Locked if !shape.is_said_by(member.value) => {
                Err(judge::denied(Refusal::ParamLocked, spec))
            }
            Mode::Locked => {
                if !on_target {
                    self.edits.remove(parent, member.start);
                }
                Ok(())
            }
        }
    }

    /// The elements that are about the parameter.
    fn elements(&mut self, shape: Shape<'_>, array: View<'a>) -> Result<Said, Denial> {
        let mut said = Said::Nothing;
        for element in array.elements().filter(|element| shape.claims(*element)) {
            said = Said::Something;
            self.one(shape, element)?;
            if shape.spec.mode == Mode::Locked {
                self.edits.remove(array, element.start);
            }
        }
        Ok(said)
    }

    fn one(&mut self, shape: Shape<'_>, view: View<'_>) -> Result<Said, Denial> {
        match shape.spec.mode {
            Mode::Disabled => Err(judge::denied(Refusal::ParamDisabled, shape.spec)),
            Mode::Enabled if shape.is_typed_in(view) => Ok(Said::Something),
            Mode::Enabled => Err(judge::denied(Refusal::ParamInvalid, shape.spec)),
            Mode::Locked if shape.is_said_by(view) => Ok(Said::Something),
            Mode::Locked => Err(judge::denied(Refusal::ParamLocked, shape.spec)),
        }
    }

    /// Top-level members that fold to a declared parameter's name; what a lock of that parameter walks through was judged there.
    fn top(&mut self, bindings: Bindings<'_>) -> Result<(), Denial> {
        for member in self.root.members() {
            let name = self.effort.fold(&member.key);
            let declared = bindings
                .params
                .iter()
                .enumerate()
                .find(|(_, spec)| *spec.folded == *name);
            let Some((param, spec)) = declared else {
                continue;
            };
            if walked(bindings, param, &member.key)? {
                continue;
            }
            let shape = Shape {
                effort: self.effort,
                spec,
                value: bindings.value(param),
                template: None,
            };
            self.member(shape, self.root, &member, None)?;
        }
        Ok(())
    }
}

/// The member to descend into; any other spelling of it next to it could be what the upstream reads.
fn on_the_way<'a>(
    shape: Shape<'_>,
    view: View<'a>,
    token: &str,
) -> Result<Option<View<'a>>, Denial> {
    let folded = shape.effort.fold(token);
    let mut found = None;
    for member in view.members() {
        if shape.effort.fold(&member.key) != folded {
            continue;
        }
        if member.key != *token {
            return Err(judge::alias(shape.spec));
        }
        found = Some(member.value);
    }
    Ok(found)
}

/// Whether a JSON lock of the parameter begins at this top-level member.
fn walked(bindings: Bindings<'_>, param: usize, key: &str) -> Result<bool, Refusal> {
    for lock in bindings.locks.iter().filter(|lock| lock.param == param) {
        if let Place::Json { at, .. } = &lock.place
            && pointer(at)?.first().is_some_and(|token| *token == *key)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The tokens of a pointer: at least one, all but the first character of each `/…` (RFC 6901 section 3).
fn pointer(at: &str) -> Result<Vec<Cow<'_, str>>, Refusal> {
    let tokens = at.strip_prefix('/').ok_or(Refusal::BodyUnsupported)?;
    Ok(tokens
        .split('/')
        .map(|token| {
            if token.contains('~') {
                Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(token)
            }
        })
        .collect())
}

#[cfg(test)]
mod tests;
