//! What a viewer may say of one parameter, and the words in which it is refused.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{
    Ids,
    json::{Said, Token},
};
use crate::{
    adapter::metabase::spec::Lens,
    gate::{
        param::{Grant, Granted, Mode, ParamSpec, Scalar, Type},
        policy::Denial,
        query,
        refusal::Refusal,
    },
};

/// The parameters of an item, and what the viewer's token grants of them.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The parameters, as they are on the item.
    pub lens: Lens<'a>,
    /// The token's values.
    pub granted: Granted<'a>,
}

/// A parameter whose value the token says: a locked one, or an enabled one that it presets.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<'a> {
    /// Index into the site's parameters.
    pub param: usize,
    /// Its declaration.
    pub spec: &'a ParamSpec,
    /// The value, or all of them.
    pub grant: Grant<'a>,
}

/// The scalars of one parameter; none where the viewer clears it.
pub(super) type Scalars = SmallVec<[Scalar; 2]>;

enum Role<'a> {
    Disabled,
    Locked(Grant<'a>),
    Open,
    Preset(Grant<'a>),
}

impl<'a> Rules<'a> {
    /// What the token fixes on this item, in order of declaration. A locked parameter that this item does not have (disabled here, locked at the site) is
    /// left out.
    ///
    /// # Errors
    /// `param_missing` for a locked parameter without a value, whoever forgot it; `param_disabled` for a preset of one that is disabled here;
    /// `param_invalid` where "all values" is said of one that is not locked.
    pub fn fixed(self) -> Result<SmallVec<[Fixed<'a>; 4]>, Denial> {
        let mut fixed = SmallVec::new();
        for (param, spec) in self.lens.params.iter().enumerate() {
            let mode = self.lens.modes.get(param).copied();
            let refusal = match (mode, self.granted.of(param)) {
                (Some(Mode::Locked), Some(grant))
                | (Some(Mode::Enabled), Some(grant @ Grant::Only(_))) => {
                    fixed.push(Fixed { param, spec, grant });
                    continue;
                }
                (Some(Mode::Disabled | Mode::Enabled), None) => continue,
                (Some(Mode::Disabled), Some(_)) if spec.mode == Mode::Locked => continue,
                (Some(Mode::Disabled), Some(_)) => Refusal::ParamDisabled,
                (Some(Mode::Enabled), Some(Grant::All)) => Refusal::ParamInvalid,
                (Some(Mode::Locked), None) | (None, _) => Refusal::ParamMissing,
            };
            return Err(Denial::because(refusal, spec.name.to_string()));
        }
        Ok(fixed)
    }

    /// Judges what a viewer says of a parameter under a name (its slug or id): the values of an open one; `None` for a fixed one of which the viewer says
    /// what the token says.
    pub(super) fn judge(
        self,
        param: usize,
        name: &str,
        said: &Said<'_>,
    ) -> Result<Option<Scalars>, Denial> {
        let (spec, role) = self.role(param)?;
        match role {
            Role::Locked(Grant::Only(value)) | Role::Preset(Grant::Only(value))
                if is_same(spec, value.scalars(), said) =>
            {
                Ok(None)
            }
            Role::Disabled | Role::Locked(_) | Role::Preset(_) => Err(self.refuse(param, name)),
            Role::Open => open(spec, said).map(Some),
        }
    }

    /// Whether the viewer decides this parameter, and alone.
    pub(super) fn is_open(self, param: usize) -> bool {
        matches!(self.role(param), Ok((_, Role::Open)))
    }

    /// The denial for a parameter that may not be named here.
    pub(super) fn refuse(self, param: usize, name: &str) -> Denial {
        let (spec, role) = match self.role(param) {
            Ok(found) => found,
            Err(denial) => return denial,
        };
        let name = quoted(name);
        let (refusal, sentence) = match role {
            Role::Disabled => (
                Refusal::ParamDisabled,
                format!("You're not allowed to specify a value for {name}."),
            ),
            Role::Locked(_) => (
                Refusal::ParamLocked,
                format!("You can only specify a value for {name} in the token."),
            ),
            Role::Open => (Refusal::ParamInvalid, format!("Unknown parameter {name}.")),
            Role::Preset(_) => (
                Refusal::ParamLocked,
                format!("You can't specify a value for {name}, it is already set in the token."),
            ),
        };
        Denial::because(refusal, spec.name.to_string()).telling(sentence)
    }

    /// The denial for a name that would become a declared parameter's under some reading (by slug, or by id where there are ids); `None` for any other.
    pub(super) fn alias(self, ids: Option<&dyn Ids>, name: &str) -> Option<Denial> {
        let folded = query::fold(name);
        let mut specs = self.lens.params.iter().enumerate();
        let (param, _) = specs.find(|(param, spec)| {
            let id = ids.and_then(|ids| ids.id(*param));
            *spec.folded == *folded || id.is_some_and(|id| query::fold(id) == folded)
        })?;
        Some(self.refuse(param, name))
    }

    /// The denial for a name that no declared parameter has, exactly.
    pub(super) fn stranger(self, ids: Option<&dyn Ids>, name: &str) -> Denial {
        self.alias(ids, name).unwrap_or_else(|| unknown(name))
    }

    /// The parameter with this id, open or not.
    pub(super) fn by_id(self, ids: &dyn Ids, id: &str) -> Option<usize> {
        (0..self.lens.params.len()).find(|param| ids.id(*param) == Some(id))
    }

    fn role(self, param: usize) -> Result<(&'a ParamSpec, Role<'a>), Denial> {
        let (Some(spec), Some(mode)) = (
            self.lens.params.get(param),
            self.lens.modes.get(param).copied(),
        ) else {
            return Err(Refusal::ParamMissing.into());
        };
        let role = match (mode, self.granted.of(param)) {
            (Mode::Disabled, _) => Role::Disabled,
            (Mode::Enabled, None) => Role::Open,
            (Mode::Enabled, Some(grant)) => Role::Preset(grant),
            (Mode::Locked, Some(grant)) => Role::Locked(grant),
            (Mode::Locked, None) => {
                return Err(Denial::because(
                    Refusal::ParamMissing,
                    spec.name.to_string(),
                ));
            }
        };
        Ok((spec, role))
    }
}

/// The denial for a name that nothing here has.
pub(super) fn unknown(name: &str) -> Denial {
    let name = quoted(name);
    Denial::because(
        Refusal::ParamInvalid,
        format!("there is no parameter `{name}`"),
    )
    .telling(format!("Unknown parameter {name}."))
}

/// The values of an open parameter.
pub(super) fn open(spec: &ParamSpec, said: &Said<'_>) -> Result<Scalars, Denial> {
    let tokens = said.tokens();
    let invalid = |sentence: String| {
        Denial::because(Refusal::ParamInvalid, spec.name.to_string()).telling(sentence)
    };
    if tokens.len() > MAX_LIST || (tokens.len() > 1 && !spec.list) {
        return Err(invalid(format!(
            "You specified too many values for {}.",
            spec.name
        )));
    }
    tokens
        .iter()
        .map(|token| typed(spec, token))
        .collect::<Option<_>>()
        .ok_or_else(|| invalid(format!("The value for {} is not valid.", spec.name)))
}

/// A value of the parameter's type. Text is read as the type where the front end writes it so (`"5"` from a page's address); a number is never text.
fn typed(spec: &ParamSpec, token: &Token<'_>) -> Option<Scalar> {
    match (token, spec.kind) {
        (Token::Text(text), _) => spec.text(text).ok(),
        (Token::Bare(text), Type::Boolean | Type::Integer | Type::Number) => spec.text(text).ok(),
        (Token::Bare(_), Type::Date | Type::String | Type::Uuid) | (Token::Other, _) => None,
    }
}

/// Whether the viewer says these very values, all of them, in any order.
fn is_same(spec: &ParamSpec, values: &[Scalar], said: &Said<'_>) -> bool {
    let tokens = said.tokens();
    if tokens.len() != values.len() {
        return false;
    }
    let read: Option<Scalars> = tokens.iter().map(|token| typed(spec, token)).collect();
    let Some(read) = read else { return false };
    let (mut read, mut values) = (texts(&read), texts(values));
    read.sort_unstable();
    values.sort_unstable();
    read == values
}

fn texts(scalars: &[Scalar]) -> SmallVec<[&str; 4]> {
    scalars.iter().map(|scalar| &*scalar.text).collect()
}

/// A name of the client's, fit for a sentence: its visible characters, and not too many.
pub(super) fn quoted(name: &str) -> Cow<'_, str> {
    let visible = |c: char| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
    if name.len() <= MAX_QUOTED && name.chars().all(visible) {
        return Cow::Borrowed(name);
    }
    name.chars()
        .filter(|c| visible(*c))
        .take(MAX_QUOTED)
        .collect()
}

/// The most values of one list, as in tokens.
const MAX_LIST: usize = 1000;

/// Characters of a client's name that a sentence repeats.
const MAX_QUOTED: usize = 64;

#[cfg(test)]
mod tests;
