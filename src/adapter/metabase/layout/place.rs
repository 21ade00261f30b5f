//! Where data comes from: every card of every dashcard, series included, and which locked parameters do not reach it.

use std::{borrow::Cow, collections::HashMap, fmt};

use super::{
    LayoutError, Parameter, Role, Target,
    document::{Shape, View},
    name,
    target::{Tags, legacy_tags},
    twice,
};
use crate::adapter::metabase::spec::Lens;

/// Something that has data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Metabase's number of the dashcard; `None` of a question.
    pub dashcard: Option<u64>,
    /// Metabase's number of the card.
    pub card: u64,
    /// The card's name, fit for one line of a log.
    pub name: Box<str>,
    /// The slugs of the locked parameters that do not reach it.
    pub lacks: Box<[Box<str>]>,
}

impl Place {
    /// Whether every locked parameter reaches it, as far as was judged.
    pub fn is_covered(&self) -> bool {
        self.lacks.is_empty()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "card {} “{}”", self.card, self.name)?;
        match self.dashcard {
            Some(dashcard) => write!(f, " (dashcard {dashcard})"),
            None => Ok(()),
        }
    }
}

/// A parameter's connection with a template tag of a card.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Connection<'a> {
    /// Dashcard and card; two connections can meet only in the same.
    pub(super) place: (Option<u64>, u64),
    pub(super) target: Target<'a>,
    /// Index into the layout's own parameters.
    pub(super) parameter: usize,
}

type Places<'a> = (Vec<Place>, Vec<Connection<'a>>);
type ById<'a> = HashMap<&'a str, usize>;

/// A dashcard, as far as it decides what is served.
pub(in crate::adapter::metabase) struct Dashcard<'a> {
    pub(in crate::adapter::metabase) view: View<'a>,
    /// Its number; without one nothing of it is served.
    pub(in crate::adapter::metabase) id: Option<u64>,
    /// Whether it is a button that runs an action.
    pub(in crate::adapter::metabase) is_action: bool,
    /// The number of its main card; `None`: it has no data (texts, headings, links).
    ///
    /// # Errors
    /// Where it has data and no number that can be trusted.
    pub(in crate::adapter::metabase) main: Result<Option<u64>, Unclear>,
}

/// A card whose number is no number, or two.
#[derive(Clone, Copy, Debug)]
pub(in crate::adapter::metabase) struct Unclear;

impl<'a> Dashcard<'a> {
    pub(in crate::adapter::metabase) fn of(view: View<'a>) -> Self {
        let card = view.get("card");
        let settings = view.get("visualization_settings");
        let virtual_card = settings.and_then(|settings| settings.get("virtual_card"));
        let acts = |card: Option<View<'_>>| {
            card.and_then(|card| card.get("display"))
                .is_some_and(|display| display.says("action"))
        };
        Self {
            view,
            id: view.get("id").and_then(View::id),
            is_action: view.get("action").is_some()
                || view.get("action_id").is_some()
                || acts(card)
                || acts(virtual_card),
            main: main(view.get("card_id"), card.and_then(|card| card.get("id"))),
        }
    }

    /// The cards that are drawn into the main one.
    pub(in crate::adapter::metabase) fn series(&self) -> impl Iterator<Item = View<'a>> {
        self.view.get("series").into_iter().flat_map(View::elements)
    }

    /// All cards with data, by their number.
    fn cards(&self) -> impl Iterator<Item = (u64, Option<View<'a>>)> {
        let main = self.main.ok().flatten();
        let main = main.map(|id| (id, self.view.get("card")));
        let series = self
            .series()
            .filter_map(|card| Some((card_id(card)?, Some(card))));
        main.into_iter().chain(series)
    }
}

/// The number of a card.
pub(in crate::adapter::metabase) fn card_id(card: View<'_>) -> Option<u64> {
    card.get("id").and_then(View::id)
}

fn main(outer: Option<View<'_>>, inner: Option<View<'_>>) -> Result<Option<u64>, Unclear> {
    match (outer.map(View::id), inner.map(View::id)) {
        (None, None) => Ok(None),
        (Some(Some(id)), None) | (None, Some(Some(id))) => Ok(Some(id)),
        (Some(Some(a)), Some(Some(b))) if a == b => Ok(Some(a)),
        (Some(_), _) | (None, Some(None)) => Err(Unclear),
    }
}

/// The dashcards of a dashboard.
///
/// # Errors
/// Where the list is missing or too long.
pub(in crate::adapter::metabase) fn dashcards(
    root: View<'_>,
) -> Result<impl Iterator<Item = Dashcard<'_>>, LayoutError> {
    let list = root
        .get("dashcards")
        .filter(|list| list.shape() == Shape::Array)
        .ok_or(LayoutError::Shape("list of dashcards"))?;
    if list.elements().nth(MAX_DASHCARDS).is_some() {
        return Err(LayoutError::TooMany {
            what: "dashcards",
            most: MAX_DASHCARDS,
        });
    }
    Ok(list.elements().map(Dashcard::of))
}

/// `lens`: what to judge by; `None`: nothing can be judged.
pub(super) fn of_dashboard<'a>(
    root: View<'a>,
    parameters: &[Parameter],
    lens: Option<Lens<'_>>,
) -> Result<Places<'a>, LayoutError> {
    let (mut places, mut connections) = (Vec::new(), Vec::new());
    let mut ids: Vec<u64> = Vec::new();
    let by_id = by_id(parameters);
    for dashcard in dashcards(root)? {
        let Some(id) = dashcard.id else { continue };
        ids.push(id);
        if dashcard.is_action || dashcard.main.is_err() {
            continue;
        }
        let first = connections.len();
        connections.extend(mappings(&dashcard, id, &by_id));
        let own = connections.get_mut(first..).unwrap_or_default();
        own.sort_unstable();
        for (card, view) in dashcard.cards() {
            let place = (Some(id), card);
            let from = own.partition_point(|connection| connection.place < place);
            let to = own.partition_point(|connection| connection.place <= place);
            let own = own.get(from..to).unwrap_or_default();
            let tags = Tags::of(view);
            places.push(Place {
                dashcard: Some(id),
                card,
                name: view.map(name).unwrap_or_default(),
                lacks: lacks(lens, parameters, own, &tags),
            });
        }
        if places.len() > MAX_PLACES {
            return Err(LayoutError::TooMany {
                what: "cards",
                most: MAX_PLACES,
            });
        }
    }
    ids.sort_unstable();
    if let Some([id, _]) = ids.windows(2).find(|two| matches!(two, [a, b] if a == b)) {
        return Err(twice("the dashcard id", *id));
    }
    // The same card may be drawn twice into one dashcard. What lacks more comes first, and stays.
    places.sort_by_key(|place| {
        (
            place.dashcard,
            place.card,
            std::cmp::Reverse(place.lacks.len()),
        )
    });
    places.dedup_by_key(|place| (place.dashcard, place.card));
    Ok((places, connections))
}

pub(super) fn of_question<'a>(
    root: View<'a>,
    parameters: &[Parameter],
    lens: Option<Lens<'_>>,
) -> Result<Places<'a>, LayoutError> {
    let card = card_id(root);
    let by_id = by_id(parameters);
    let place = (None, card.unwrap_or_default());
    let connection = |(id, target): (Cow<'_, str>, Target<'a>)| {
        let parameter = *by_id.get(&*id)?;
        Some(Connection {
            place,
            target,
            parameter,
        })
    };
    let listed = super::parameter::listed(root)?.filter_map(|view| {
        let id = view.get("id").and_then(View::text)?;
        Some((id, Target::of(view.get("target"))))
    });
    let mut connections: Vec<_> = listed.filter_map(connection).collect();
    let first = connections.len();
    for tag in legacy_tags(root) {
        let known = |own: &Connection<'_>| {
            parameters
                .get(own.parameter)
                .is_some_and(|parameter| *parameter.id == *tag.id)
        };
        if !connections.iter().take(first).any(known) {
            connections.extend(connection((tag.id, Target::Tag(tag.name))));
        }
    }
    connections.sort_unstable();
    let places = card.map(|card| Place {
        dashcard: None,
        card,
        name: name(root),
        lacks: lacks(lens, parameters, &connections, &Tags::of(Some(root))),
    });
    Ok((places.into_iter().collect(), connections))
}

fn by_id(parameters: &[Parameter]) -> ById<'_> {
    let ids = parameters.iter().map(|parameter| &*parameter.id);
    ids.zip(0..).collect()
}

/// The connections that a dashcard lists.
fn mappings<'a>(dashcard: &Dashcard<'a>, id: u64, by_id: &ById<'_>) -> Vec<Connection<'a>> {
    let list = dashcard.view.get("parameter_mappings");
    let mappings = list.into_iter().flat_map(View::elements);
    let connection = |mapping: View<'a>| {
        let parameter = mapping.get("parameter_id").and_then(View::text)?;
        let card = mapping.get("card_id").and_then(View::id)?;
        Some(Connection {
            place: (Some(id), card),
            target: Target::of(mapping.get("target")),
            parameter: *by_id.get(&*parameter)?,
        })
    };
    mappings.filter_map(connection).collect()
}

/// The locked parameters that no connection of a place brings to it. One that is connected twice must be connected well twice: which of the two Metabase
/// takes is not ours to guess.
fn lacks(
    lens: Option<Lens<'_>>,
    parameters: &[Parameter],
    own: &[Connection<'_>],
    tags: &Tags<'_>,
) -> Box<[Box<str>]> {
    let Some(lens) = lens else {
        return Box::default();
    };
    let reaches = |connection: &Connection<'_>| tags.take(&connection.target);
    let misses = |param: usize| {
        let mut its = own.iter().filter(|connection| {
            parameters
                .get(connection.parameter)
                .is_some_and(|own| own.role == Role::Locked(param))
        });
        !its.next()
            .is_some_and(|first| reaches(first) && its.all(reaches))
    };
    lens.locked()
        .filter(|(param, _)| misses(*param))
        .map(|(_, spec)| spec.name.clone())
        .collect()
}

/// The most dashcards that are read.
const MAX_DASHCARDS: usize = 5000;
/// The most cards with data, series included.
const MAX_PLACES: usize = 20_000;
