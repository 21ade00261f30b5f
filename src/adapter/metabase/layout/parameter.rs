//! The parameters of a layout, and what each is to the site.

use super::{
    LayoutError, Target,
    document::{Shape, View},
    target, twice,
};
use crate::{
    adapter::metabase::spec::{Kind, Lens},
    gate::param::Mode,
};

/// One parameter of a dashboard or question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameter {
    /// Metabase's id of it: exact text.
    pub id: Box<str>,
    /// Its slug, which the site declares it by; empty if it has none.
    pub slug: Box<str>,
    /// Metabase's `type`: `string/=`, `number/=`, `category`, …
    pub kind: Box<str>,
    /// What it is to the site.
    pub role: Role,
    /// Where its list of values comes from.
    pub values: Source,
}

/// What a parameter is to the site.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Declared, by this index; nobody may send it here.
    Disabled(usize),
    /// Not declared; nobody may send it.
    Hidden,
    /// Declared, by this index; the token alone decides it.
    Locked(usize),
    /// Declared, by this index; viewers may set it, unless their token presets it.
    Open(usize),
}

impl Role {
    /// The index among the site's parameters.
    pub fn param(self) -> Option<usize> {
        match self {
            Self::Disabled(param) | Self::Locked(param) | Self::Open(param) => Some(param),
            Self::Hidden => None,
        }
    }

    fn of(slug: &str, lens: Lens<'_>) -> Self {
        match lens.find(slug) {
            Some((param, _, Mode::Disabled)) => Self::Disabled(param),
            Some((param, _, Mode::Enabled)) => Self::Open(param),
            Some((param, _, Mode::Locked)) => Self::Locked(param),
            None => Self::Hidden,
        }
    }
}

/// Where a parameter's list of values comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Another card's result, whatever the constraints.
    Card,
    /// The fields that it is connected to; constraints count.
    Field,
    /// A list that stands in the parameter, whatever the constraints.
    List,
}

/// All parameters of a layout. Those of a question include template tags that older questions do not repeat as parameters, as Metabase itself does it.
pub(in crate::adapter::metabase) fn read(
    root: View<'_>,
    kind: Kind,
    lens: Lens<'_>,
) -> Result<Vec<Parameter>, LayoutError> {
    let mut all = Vec::new();
    for view in listed(root)? {
        all.push(one(view, lens)?);
    }
    if kind == Kind::Question {
        let listed_here = all.len();
        let aimed: Vec<Target<'_>> = listed(root)?
            .map(|view| Target::of(view.get("target")))
            .collect();
        for tag in target::legacy_tags(root) {
            // A parameter speaks for its tag, whatever the two are called.
            let known =
                |parameter: &Parameter| *parameter.id == *tag.id || *parameter.slug == *tag.name;
            let spoken = aimed.contains(&Target::Tag(tag.name.clone()));
            if spoken || all.iter().take(listed_here).any(known) {
                continue;
            }
            all.push(Parameter {
                role: Role::of(&tag.name, lens),
                id: tag.id.into(),
                slug: tag.name.into(),
                kind: tag.kind.into(),
                values: Source::Field,
            });
            bounded(all.len())?;
        }
    }
    distinct("the parameter id", &all, |parameter| &parameter.id)?;
    distinct("the parameter slug", &all, |parameter| &parameter.slug)?;
    Ok(all)
}

/// The elements of `parameters`; absent, there are none.
///
/// # Errors
/// Where it is no array, or too long.
pub(super) fn listed(root: View<'_>) -> Result<impl Iterator<Item = View<'_>>, LayoutError> {
    let list = root.get("parameters");
    if list.is_some_and(|list| list.shape() != Shape::Array) {
        return Err(LayoutError::Shape("list of parameters"));
    }
    let elements = || list.into_iter().flat_map(View::elements);
    bounded(elements().count())?;
    Ok(elements())
}

fn one(view: View<'_>, lens: Lens<'_>) -> Result<Parameter, LayoutError> {
    let text = |name| view.get(name).and_then(View::text);
    let id = text("id").filter(|id| !id.is_empty());
    let slug = text("slug").unwrap_or_default();
    Ok(Parameter {
        id: id.ok_or(LayoutError::Shape("id of a parameter"))?.into(),
        role: Role::of(&slug, lens),
        slug: slug.into(),
        kind: text("type").unwrap_or_default().into(),
        values: source(view),
    })
}

/// A source of a kind that we do not know is taken for one that heeds no constraint.
fn source(view: View<'_>) -> Source {
    match view.get("values_source_type") {
        None => Source::Field,
        Some(kind) if kind.says("") => Source::Field,
        Some(kind) if kind.says("static-list") => Source::List,
        Some(_) => Source::Card,
    }
}

fn bounded(count: usize) -> Result<(), LayoutError> {
    if count > MAX_PARAMETERS {
        return Err(LayoutError::TooMany {
            what: "parameters",
            most: MAX_PARAMETERS,
        });
    }
    Ok(())
}

fn distinct(
    what: &'static str,
    all: &[Parameter],
    name: impl Fn(&Parameter) -> &str,
) -> Result<(), LayoutError> {
    let mut names: Vec<_> = all
        .iter()
        .map(name)
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    match names.windows(2).find(|two| matches!(two, [a, b] if a == b)) {
        Some(two) => Err(twice(what, two.first().copied().unwrap_or_default())),
        None => Ok(()),
    }
}

/// The most parameters that are read.
const MAX_PARAMETERS: usize = 1000;
