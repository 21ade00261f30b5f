//! What a dashboard or question is made of: its parameters, the cards that have data, and whether the locked parameters reach every one of them.
//!
//! Metabase filters a card by a parameter where the dashboard connects the two, and serves it whole where it does not. It says which in the layout, so
//! that can be read here and held against what the site locks.

use serde_json::Value as Json;

use super::spec::{Kind, Lens, Unmapped};

pub(in crate::adapter::metabase) mod document;
mod lint;
mod parameter;
mod place;
mod target;

use document::{Document, View};
pub(in crate::adapter::metabase) use parameter::read as parameters;
pub use parameter::{Parameter, Role, Source};
pub use place::Place;
pub(in crate::adapter::metabase) use place::{Dashcard, card_id, dashcards};
pub(in crate::adapter::metabase) use target::{Target, natives};

/// A dashboard or question, as it was when it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    kind: Kind,
    title: Box<str>,
    parameters: Box<[Parameter]>,
    places: Box<[Place]>,
    problems: Box<[Box<str>]>,
    judged: bool,
}

/// Why a layout cannot be used. The words are for the operator's log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LayoutError {
    /// Not JSON, or JSON that two readers may read differently.
    #[error("the layout is not JSON with a single reading")]
    NotJson,
    /// Something that is always there is missing, or something else.
    #[error("the layout has no {0}, or not as expected")]
    Shape(&'static str),
    /// More than any real layout has.
    #[error("the layout has more than {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are accepted.
        most: usize,
    },
    /// Something that names one thing names two.
    #[error("the layout has two of {what} {name}")]
    Twice {
        /// What kind of name.
        what: &'static str,
        /// The name, as JSON.
        name: Box<str>,
    },
    /// [`Layout::problems`] has something to say; this is the first of it.
    #[error("{0}")]
    Unfit(Box<str>),
}

impl Layout {
    /// Reads what Metabase answers for a public link, or for an API key, where nothing is hidden; and judges whether the locked parameters do what they
    /// must.
    ///
    /// # Errors
    /// Where it cannot be read in one way only. What can be read and is not fit to be served is among [`Self::problems`].
    pub fn read(json: &[u8], kind: Kind, lens: Lens<'_>) -> Result<Self, LayoutError> {
        let document = Document::read(json)?;
        let root = document.root()?;
        let (mut layout, connections) = Self::parts(root, kind, lens, true)?;
        layout.problems = lint::problems(&layout, lens, &connections, root);
        Ok(layout)
    }

    /// Reads what Metabase answers for a token that holds the locked parameters: they are not in it, so nothing can be judged about them.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_open(json: &[u8], kind: Kind, lens: Lens<'_>) -> Result<Self, LayoutError> {
        let document = Document::read(json)?;
        let (layout, _) = Self::parts(document.root()?, kind, lens, false)?;
        Ok(layout)
    }

    fn parts<'a>(
        root: View<'a>,
        kind: Kind,
        lens: Lens<'_>,
        judged: bool,
    ) -> Result<(Self, Vec<place::Connection<'a>>), LayoutError> {
        let parameters = parameter::read(root, kind, lens)?;
        let (places, connections) = match kind {
            Kind::Dashboard => place::of_dashboard(root, &parameters, judged.then_some(lens))?,
            Kind::Question => place::of_question(root, &parameters, judged.then_some(lens))?,
        };
        let layout = Self {
            kind,
            title: title(root, kind),
            parameters: parameters.into(),
            places: places.into(),
            problems: Box::default(),
            judged,
        };
        Ok((layout, connections))
    }

    /// Whether this is a dashboard or a question.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Which one it is, for a log: `dashboard 10 “Accounts”`.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether coverage was judged: [`Self::read`] does, [`Self::read_open`] cannot.
    pub fn is_judged(&self) -> bool {
        self.judged
    }

    /// All parameters, in Metabase's order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// A parameter by Metabase's id, exactly as it is written.
    pub fn parameter(&self, id: &str) -> Option<&Parameter> {
        self.parameters
            .iter()
            .find(|parameter| *parameter.id == *id)
    }

    /// A parameter by its slug, exactly as it is written.
    pub fn by_slug(&self, slug: &str) -> Option<&Parameter> {
        self.parameters
            .iter()
            .find(|parameter| *parameter.slug == *slug)
    }

    /// The site's parameter behind an id, if viewers may set it here.
    pub fn open(&self, id: &str) -> Option<usize> {
        match self.role(id)? {
            Role::Open(param) => Some(param),
            Role::Disabled(_) | Role::Hidden | Role::Locked(_) => None,
        }
    }

    /// What an id stands for; `None`: nothing here has it.
    pub fn role(&self, id: &str) -> Option<Role> {
        self.parameter(id).map(|parameter| parameter.role)
    }

    /// The id of one of the site's parameters here.
    pub fn id_of(&self, param: usize) -> Option<&str> {
        self.parameters
            .iter()
            .find(|parameter| parameter.role.param() == Some(param))
            .map(|parameter| &*parameter.id)
    }

    /// Whether a card of a dashboard may be served: it is there, it has data, nothing is wrong with the whole ([`Self::problems`]), and every locked
    /// parameter reaches it, unless that is only to be reported.
    pub fn serves(&self, dashcard: u64, card: u64, unmapped: Unmapped) -> bool {
        let key = |place: &Place| (place.dashcard, place.card);
        let found = self
            .places
            .binary_search_by_key(&(Some(dashcard), card), key)
            .ok()
            .and_then(|index| self.places.get(index));
        let reached = |place: &Place| place.is_covered() || unmapped == Unmapped::Report;
        self.problems.is_empty() && found.is_some_and(reached)
    }

    /// Everything that has data, in the order of its numbers.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// What makes the whole unfit to be served, in sentences for the log.
    pub fn problems(&self) -> &[Box<str>] {
        &self.problems
    }

    /// # Errors
    /// [`LayoutError::Unfit`] where there are [`Self::problems`].
    pub fn fit(&self) -> Result<(), LayoutError> {
        match self.problems.first() {
            Some(first) => Err(LayoutError::Unfit(first.clone())),
            None => Ok(()),
        }
    }

    /// One sentence for every card and locked parameter that do not meet.
    pub fn unmapped(&self) -> impl Iterator<Item = String> {
        self.places.iter().flat_map(move |place| {
            place
                .lacks
                .iter()
                .map(move |slug| format!("{}: {place} is not connected to `{slug}`", self.title))
        })
    }
}

/// Kind, number and name of the whole.
fn title(root: View<'_>, kind: Kind) -> Box<str> {
    let mut title = kind.as_str().to_owned();
    if let Some(id) = root.get("id").and_then(View::id) {
        title.push(' ');
        title.push_str(&id.to_string());
    }
    let name = name(root);
    if !name.is_empty() {
        title.push_str(" “");
        title.push_str(&name);
        title.push('”');
    }
    title.into()
}

/// The name of a card or dashboard, fit for one line of a log.
fn name(of: View<'_>) -> Box<str> {
    let name = of.get("name").and_then(View::text).unwrap_or_default();
    line(&name)
}

/// Text from the upstream, fit for one line of a log.
fn line(text: &str) -> Box<str> {
    let mut short: String = text
        .chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .take(NAME_CHARS)
        .collect();
    if text.chars().nth(NAME_CHARS).is_some() {
        short.push('…');
    }
    short.into()
}

/// An error about a name that stands twice.
fn twice(what: &'static str, name: impl Into<Json>) -> LayoutError {
    LayoutError::Twice {
        what,
        name: line(&name.into().to_string()),
    }
}

/// How much of a name a log gets to see.
const NAME_CHARS: usize = 80;

#[cfg(test)]
pub(in crate::adapter::metabase) mod testing;
#[cfg(test)]
mod tests;
