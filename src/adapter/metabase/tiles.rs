//! Map tiles: pictures of a card's points, which Metabase draws from the two columns that a request names. A viewer who chose them could look at any column
//! through its picture, so they are pinned: upstream is asked with the card's own, learnt beforehand, and whoever names others is refused.

mod column;
mod drawing;
mod learning;

pub use column::{Column, NoColumn};
pub use drawing::Drawing;
pub(in crate::adapter) use learning::Stage;

use std::fmt;

use super::{
    filters::{
        Extras, Rules,
        objects::{self, Locks},
    },
    layout::Layout,
    learn::{Learnt, What},
    learnt, number_in,
    spec::{Item, Kind, Uuid, number},
};
use crate::{
    adapter::{Ask, Outbound, Replying},
    gate::{policy::Denial, refusal::Refusal, route::RouteMatch},
};

/// A card of which tiles are asked: names what is remembered of it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct MapCard {
    origin: Origin,
    /// Dashcard and card of a dashboard; `None` of a question.
    place: Option<(u64, u64)>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Origin {
    Public(Uuid),
    Signed(Item),
}

impl fmt::Display for MapCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Public(uuid) => write!(f, "public {} {uuid}", self.kind().as_str())?,
            Origin::Signed(item) => write!(f, "{item}")?,
        }
        match self.place {
            Some((dashcard, card)) => write!(f, ", card {card} (dashcard {dashcard})"),
            None => Ok(()),
        }
    }
}

/// A card that is a map of points, and the columns that they come from.
#[derive(Debug)]
pub(super) struct Map {
    layout: Layout,
    latitude: Column,
    longitude: Column,
}

/// Why there are no tiles of a card. The words are for the auditor.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoMap {
    /// There is no such dashboard, question or link.
    #[error("Metabase has nothing by this name")]
    Absent,
    /// It is drawn from columns of another table, which Metabase itself refuses.
    #[error("the coordinates of the map come through an implicit join")]
    Joined,
    /// It is a table, a chart, a map of regions.
    #[error("the card is no map of points")]
    Pointless,
    /// The whole is not fit to be served.
    #[error("{0}")]
    Unfit(Box<str>),
    /// Its query fails, or gives no such columns.
    #[error("the result of the card does not say which columns its map is drawn from")]
    Unlearnt,
    /// The layout does not serve it.
    #[error("a card that a locked parameter does not reach, or none of this dashboard's")]
    Unserved,
}

impl NoMap {
    fn denial(&self) -> Denial {
        let denial = Denial::because(Refusal::ResourceDenied, self.to_string());
        match self {
            Self::Joined => denial.telling(JOINED),
            Self::Absent | Self::Pointless | Self::Unfit(_) | Self::Unlearnt | Self::Unserved => {
                denial
            }
        }
    }
}

impl Learnt {
    /// The map of a card.
    ///
    /// # Errors
    /// `resource_denied` where there is none that may be served.
    fn map(&self) -> Result<&Map, Denial> {
        match &self.what {
            What::Map(found) => found.as_deref().map_err(NoMap::denial),
            What::Layout { .. } | What::Nothing | What::Settings { .. } => {
                Err(Refusal::UpstreamFailed.into())
            }
        }
    }
}

impl MapCard {
    /// The card of a signed embed's tile.
    ///
    /// # Errors
    /// `route_denied` where the path does not name a tile in the one spelling that it has.
    pub(super) fn signed(item: Item, matched: &RouteMatch<'_, '_>) -> Result<Self, Denial> {
        let place = place(matched, item.kind)?;
        let origin = Origin::Signed(item);
        Ok(Self { origin, place })
    }

    /// The card of a public link's tile.
    ///
    /// # Errors
    /// As [`Self::signed`].
    pub(super) fn public(
        uuid: Uuid,
        kind: Kind,
        matched: &RouteMatch<'_, '_>,
    ) -> Result<Self, Denial> {
        let place = place(matched, kind)?;
        let origin = Origin::Public(uuid);
        Ok(Self { origin, place })
    }

    fn kind(&self) -> Kind {
        match self.place {
            Some(_) => Kind::Dashboard,
            None => Kind::Question,
        }
    }
}

/// Which tile of what: the path below `/tiles/`, as we write it, `named` in the place of token or link; with the query.
///
/// # Errors
/// `resource_denied` where the card is no map that may be served; `param_invalid` for other columns than its own; those of
/// [`objects::from_query`].
pub(super) fn target(
    ask: &Ask<'_, '_, '_>,
    (kind, named): (Kind, &str),
    rules: Rules<'_>,
    extras: Extras<'_>,
    locks: Locks,
) -> Result<String, Denial> {
    let place = place(ask.matched, kind)?;
    let (zoom, x, y) = spot(ask.matched)?;
    let map = learnt(ask)?.map()?;
    let extras = Extras {
        tile: true,
        ..extras
    };
    let filters = objects::from_query(ask.req.query, &map.layout, rules, extras, locks)?;
    let (latitude, longitude) = filters.fields().ok_or(Refusal::RequestMalformed)?;
    pinned(&map.latitude, latitude)?;
    pinned(&map.longitude, longitude)?;
    let query = filters.to_tile(map.latitude.as_str(), map.longitude.as_str());
    let kind = kind.in_api();
    Ok(match place {
        Some((dashcard, card)) => {
            format!("{kind}/{named}/dashcard/{dashcard}/card/{card}/{zoom}/{x}/{y}?{query}")
        }
        None => format!("{kind}/{named}/{zoom}/{x}/{y}?{query}"),
    })
}

/// The reply to a tile: a picture, or nothing of what came.
pub(super) fn picture(outbound: Outbound) -> Outbound {
    Outbound {
        reply: Replying::Only("image/png"),
        ..outbound
    }
}

/// Refuses columns that are not the map's own. The client's text goes nowhere.
fn pinned(own: &Column, sent: &str) -> Result<(), Denial> {
    let sentence = match Column::parse(sent) {
        Ok(sent) if sent.is_same(own) => return Ok(()),
        Err(NoColumn::Joined) => JOINED,
        Ok(_) | Err(NoColumn::Unreadable) => "This map is drawn from other columns.",
    };
    let why = "`latField` or `lonField` is not what the map is drawn from";
    Err(Denial::because(Refusal::ParamInvalid, why.to_owned()).telling(sentence))
}

/// Dashcard and card of a path that has them. What names no tile is no reason to ask the upstream anything.
fn place(matched: &RouteMatch<'_, '_>, kind: Kind) -> Result<Option<(u64, u64)>, Denial> {
    spot(matched)?;
    match kind {
        Kind::Dashboard => {
            let dashcard = number_in(matched, "dashcard")?;
            let card = number_in(matched, "card")?;
            Ok(Some((dashcard, card)))
        }
        Kind::Question => Ok(None),
    }
}

/// Zoom, column and row of a tile.
fn spot(matched: &RouteMatch<'_, '_>) -> Result<(u64, u64, u64), Denial> {
    let read = |name| matched.capture(name).and_then(coordinate);
    let found = read("zoom").zip(read("x")).zip(read("y"));
    let found = found.map(|((zoom, x), y)| (zoom, x, y));
    found
        .filter(|spot| exists(*spot))
        .ok_or_else(|| Refusal::RouteDenied.into())
}

/// Whether it is one of the `4^zoom` tiles that there are.
fn exists((zoom, x, y): (u64, u64, u64)) -> bool {
    zoom <= MAX_ZOOM && x >> zoom == 0 && y >> zoom == 0
}

/// A number from 0 in its one spelling.
fn coordinate(text: &str) -> Option<u64> {
    if text == "0" { Some(0) } else { number(text) }
}

/// Deeper than any tile server goes.
const MAX_ZOOM: u64 = 30;
/// Metabase's own words.
const JOINED: &str = "Fields referenced via implicit joins are not supported.";

#[cfg(test)]
mod tests;
