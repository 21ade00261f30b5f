//! Which columns a map is drawn from: the settings of its card name them, the result of the card says how they are referenced.

use super::{
    NoMap,
    column::{Column, NoColumn},
};
use crate::adapter::metabase::layout::{
    LayoutError, dashcards,
    document::{Document, View},
};

/// A map of points, as its layout describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Drawing {
    latitude: Source,
    longitude: Source,
}

/// How a column is found in a result.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Source {
    /// By its name.
    Name(Box<str>),
    /// The first of this semantic type: nobody chose one (upstream behaviour).
    Type(&'static str),
}

impl Drawing {
    /// Reads the map of a dashboard's card (dashcard and card, the main one), or of a question; `None`: it is no map of points.
    ///
    /// # Errors
    /// Where the layout has no single reading.
    pub fn of(layout: &[u8], place: Option<(u64, u64)>) -> Result<Option<Self>, LayoutError> {
        let document = Document::read(layout)?;
        let root = document.root()?;
        let Some((dashcard, card)) = place else {
            return Ok(Self::drawn(root, None));
        };
        let found = dashcards(root)?.find(|one| {
            one.id == Some(dashcard) && matches!(one.main, Ok(Some(main)) if main == card)
        });
        Ok(found.and_then(|one| {
            let settings = one.view.get("visualization_settings");
            Self::drawn(one.view.get("card")?, settings)
        }))
    }

    /// Of a card, and the settings that a dashboard puts over its own.
    fn drawn(card: View<'_>, over: Option<View<'_>>) -> Option<Self> {
        let display = card.get("display")?;
        if !DISPLAYS.iter().any(|map| display.says(map)) {
            return None;
        }
        if over.is_some_and(|over| over.get("visualization").is_some()) {
            // The dashboard draws something else from the card's data.
            return None;
        }
        let own = card.get("visualization_settings");
        let setting = |name: &str| {
            let over = over.and_then(|over| over.get(name));
            over.or_else(|| own.and_then(|own| own.get(name)))
        };
        if setting("map.type").is_some_and(|kind| !TYPES.iter().any(|points| kind.says(points))) {
            return None;
        }
        let source = |name: &str, semantic| match setting(name) {
            Some(column) => Some(Source::Name(column.text()?.into())),
            None => Some(Source::Type(semantic)),
        };
        Some(Self {
            latitude: source("map.latitude_column", "type/Latitude")?,
            longitude: source("map.longitude_column", "type/Longitude")?,
        })
    }

    /// The columns of latitude and longitude in a result of the card.
    pub(super) fn columns(&self, result: &[u8]) -> Result<(Column, Column), NoMap> {
        let document = Document::read(result).map_err(|_| NoMap::Unlearnt)?;
        let root = document.root().map_err(|_| NoMap::Unlearnt)?;
        let list = root.get("data").and_then(|data| data.get("cols"));
        let list = list.ok_or(NoMap::Unlearnt)?;
        Ok((self.latitude.column(list)?, self.longitude.column(list)?))
    }
}

impl Source {
    fn column(&self, list: View<'_>) -> Result<Column, NoMap> {
        let fits = |column: &View<'_>| match self {
            Self::Name(name) => says(*column, "name", name),
            Self::Type(semantic) => says(*column, "semantic_type", semantic),
        };
        let mut fitting = list.elements().filter(fits);
        let found = fitting.next().ok_or(NoMap::Unlearnt)?;
        if matches!(self, Self::Name(_)) && fitting.next().is_some() {
            // Which of the two is drawn is not ours to guess.
            return Err(NoMap::Unlearnt);
        }
        let reference = found.get("field_ref").ok_or(NoMap::Unlearnt)?;
        Column::parse(reference.raw()).map_err(|why| match why {
            NoColumn::Joined => NoMap::Joined,
            NoColumn::Unreadable => NoMap::Unlearnt,
        })
    }
}

fn says(column: View<'_>, member: &str, text: &str) -> bool {
    column.get(member).is_some_and(|own| own.says(text))
}

/// How Metabase draws maps.
const DISPLAYS: [&str; 2] = ["map", "pin_map"];
/// Maps that are made of points; others are made of regions or of a grid.
const TYPES: [&str; 2] = ["heat", "pin"];
