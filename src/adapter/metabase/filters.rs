//! The filters that a viewer sends: read once, judged by what the token says, written anew. None of the client's own text goes upstream.
//!
//! Metabase has many readings of one query (two encodings, the last of two duplicates, names before ids, a client's `target` before the stored one).
//! What leaves here has one, so none of them matters.

pub mod export;
pub mod objects;
pub mod slugs;
pub mod values;

mod judge;
mod keys;

pub(super) mod json;

#[cfg(test)]
pub(super) mod testing;

use std::fmt::Write;

pub use judge::{Fixed, Rules};

use crate::gate::{policy::Denial, query, refusal::Refusal};
use keys::{CONTROLS, Controls};

/// How a layout names the site's parameters: public links and lists of values know them by id.
pub trait Ids {
    /// The parameter, by its index in the site, that an id stands for; `None` where no viewer may set it.
    fn param(&self, id: &str) -> Option<usize>;

    /// The id of a parameter, of a locked one too; `None` where the layout has none.
    fn id(&self, param: usize) -> Option<&str>;

    /// Metabase's type of it, as stored: `string/=`, `date/single`.
    fn kind(&self, param: usize) -> Option<&str>;
}

/// What else may stand in a query, beside filters and what every query may hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// Places of tokens: dropped, however they are spelled.
    pub drop: &'a [Box<str>],
    /// `cards`, of a batch: asked for.
    pub cards: bool,
    /// `latField` and `lonField`, of a map tile: asked for.
    pub tile: bool,
}

/// The filters of one request, judged, in the one form that goes upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filters {
    parameters: String,
    controls: Controls,
    cards: Vec<(u64, u64)>,
    fields: Option<(Box<str>, Box<str>)>,
}

impl Filters {
    /// The filters as JSON: an object by slug for signed embeds, a list of `{id,value}` for public links and map tiles.
    pub fn to_json(&self) -> &str {
        &self.parameters
    }

    /// The cards of a batch, as (dashcard, card): to be looked up in the layout before anything is sent. Empty for every other request.
    pub fn cards(&self) -> &[(u64, u64)] {
        &self.cards
    }

    /// `latField` and `lonField` of a map tile, as the client sent them: to be compared with the card's own, never passed on unseen.
    pub fn fields(&self) -> Option<(&str, &str)> {
        let (latitude, longitude) = self.fields.as_ref()?;
        Some((latitude, longitude))
    }

    /// The query for upstream. `parameters` always stands in it: without, Metabase would take other keys for filters.
    pub fn to_query(&self) -> String {
        let mut query = self.to_form();
        if !self.cards.is_empty() {
            query::push(&mut query, "cards", &self.batch());
        }
        query
    }

    /// The query of a map tile, with the coordinates' fields that the card has.
    pub fn to_tile(&self, latitude: &str, longitude: &str) -> String {
        let mut query = self.to_form();
        query::push(&mut query, "latField", latitude);
        query::push(&mut query, "lonField", longitude);
        query
    }

    /// The urlencoded body of an export ([`export::MEDIA`]).
    pub fn to_form(&self) -> String {
        let mut form = String::with_capacity(self.parameters.len().saturating_mul(2));
        query::push(&mut form, "parameters", &self.parameters);
        for (name, value) in CONTROLS.iter().zip(&self.controls) {
            if let Some(value) = value {
                query::push(&mut form, name, if *value { "true" } else { "false" });
            }
        }
        form
    }

    fn batch(&self) -> String {
        let mut list = String::from("[");
        for (count, (dashcard, card)) in self.cards.iter().enumerate() {
            let comma = if count > 0 { "," } else { "" };
            // Writing to a string does not fail.
            let _ = write!(
                list,
                r#"{comma}{{"dashcard_id":{dashcard},"card_id":{card}}}"#
            );
        }
        list.push(']');
        list
    }
}

/// What cannot be read in one way, with a word about it for the auditor.
fn malformed(why: &'static str) -> Denial {
    Denial::because(Refusal::RequestMalformed, why)
}
