//! The keys of a query that are no filters.

use smallvec::SmallVec;

use super::{Extras, Filters, json, malformed};
use crate::{
    adapter::metabase::spec,
    gate::{policy::Denial, query},
};

/// `true`, `false`, or not said, in the order of [`CONTROLS`].
pub(super) type Controls = [Option<bool>; 3];

/// How an export is written.
pub(super) const CONTROLS: [&str; 3] = ["format_rows", "pivot_results", "csv_include_bom"];

/// Parameters that keys name: index, the name, and the values of the key, repeated or not.
pub(super) type Named<'q> = SmallVec<[(usize, &'q str, SmallVec<[&'q str; 4]>); 4]>;

/// What stood in a query or body beside filters, each once.
#[derive(Debug, Default)]
pub(super) struct Keys<'q> {
    pub(super) parameters: Option<&'q str>,
    controls: Controls,
    cards: Option<&'q str>,
    latitude: Option<&'q str>,
    longitude: Option<&'q str>,
}

impl<'q> Keys<'q> {
    /// Takes a key that is no filter, exactly spelled; `false` for every other.
    pub(super) fn take(
        &mut self,
        name: &str,
        value: &'q str,
        extras: Extras<'_>,
    ) -> Result<bool, Denial> {
        match name {
            "parameters" => once(&mut self.parameters, value)?,
            "cards" if extras.cards => once(&mut self.cards, value)?,
            "latField" if extras.tile => once(&mut self.latitude, value)?,
            "lonField" if extras.tile => once(&mut self.longitude, value)?,
            _ if is_noise(name) => {}
            _ => return self.control(name, value),
        }
        Ok(true)
    }

    /// Takes one of [`CONTROLS`].
    pub(super) fn control(&mut self, name: &str, value: &str) -> Result<bool, Denial> {
        let mut named = CONTROLS.iter().zip(&mut self.controls);
        let Some((_, slot)) = named.find(|(control, _)| **control == name) else {
            return Ok(false);
        };
        let value = match value {
            "true" => true,
            "false" => false,
            _ => {
                return Err(malformed(
                    "an option of the export is neither true nor false",
                ));
            }
        };
        once(slot, value)?;
        Ok(true)
    }

    /// The request, with its filters as they go upstream.
    pub(super) fn with(self, parameters: String, extras: Extras<'_>) -> Result<Filters, Denial> {
        let cards = match self.cards {
            Some(text) => batch(text).ok_or_else(|| malformed("`cards` is no list of cards"))?,
            None if extras.cards => return Err(malformed("`cards` is missing")),
            None => Vec::new(),
        };
        let fields = match (self.latitude, self.longitude) {
            (Some(latitude), Some(longitude)) => Some((latitude.into(), longitude.into())),
            (None, None) if !extras.tile => None,
            _ => return Err(malformed("`latField` or `lonField` is missing")),
        };
        Ok(Filters {
            parameters,
            controls: self.controls,
            cards,
            fields,
        })
    }
}

/// Keys that make work or noise upstream, and nothing that a viewer sees.
pub(super) fn is_noise(name: &str) -> bool {
    matches!(name, "dashboard_load_id" | "ignore_cache")
}

/// Whether a name is a token's place, under any reading.
pub(super) fn is_token(name: &str, drop: &[Box<str>]) -> bool {
    !drop.is_empty() && {
        let folded = query::fold(name);
        drop.iter().any(|place| query::fold(place) == folded)
    }
}

/// Whether some reader may take a name for `parameters`.
pub(super) fn is_parameters(name: &str) -> bool {
    query::fold(name) == "parameters"
}

/// Fills a slot that nothing has filled.
pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Denial> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed("a key stands twice")),
    }
}

/// `[{"dashcard_id":1,"card_id":2}]`, and nothing else in it. Each card once: every one of them is a query.
fn batch(text: &str) -> Option<Vec<(u64, u64)>> {
    let items = json::items(json::strict(text)?)?;
    if items.is_empty() || items.len() > MAX_CARDS {
        return None;
    }
    let one = |raw| {
        let members = json::members(raw)?;
        let number = |name: &str| {
            let (_, raw) = members.iter().find(|(key, _)| key == name)?;
            spec::number(raw.get())
        };
        let both = (number("dashcard_id")?, number("card_id")?);
        (members.len() == 2).then_some(both)
    };
    let cards: Vec<_> = items.into_iter().map(one).collect::<Option<_>>()?;
    let mut sorted = cards.clone();
    sorted.sort_unstable();
    let twice = sorted.windows(2).any(|two| matches!(two, [a, b] if a == b));
    (!twice).then_some(cards)
}

/// More cards than any dashboard shows.
const MAX_CARDS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_list_of_pairs_of_numbers() {
        assert_eq!(
            batch(r#"[ {"dashcard_id":1,"card_id":2} , {"card_id":4,"dashcard_id":3}]"#),
            Some(vec![(1, 2), (3, 4)])
        );
        for bad in [
            "",
            "[]",
            "{}",
            "[1]",
            r#"[{"dashcard_id":1}]"#,
            r#"[{"dashcard_id":1,"card_id":2,"x":3}]"#,
            r#"[{"dashcard_id":1,"card_id":2,"card_id":3}]"#,
            r#"[{"dashcard_id":"1","card_id":2}]"#,
            r#"[{"dashcard_id":1,"card_id":2},{"dashcard_id":3,"card_id":4},{"card_id":2,"dashcard_id":1}]"#,
            r#"[{"dashcard_id":1.0,"card_id":2}]"#,
            r#"[{"dashcard_id":1e2,"card_id":2}]"#,
            r#"[{"dashcard_id":0,"card_id":2}]"#,
            r#"[{"dashcard_id":-1,"card_id":2}]"#,
            r#"[{"dashcard_id":99999999999999999999,"card_id":2}]"#,
        ] {
            assert_eq!(batch(bad), None, "{bad}");
        }
        let many = |count: usize| {
            let all = (1..=count).map(|id| format!(r#"{{"dashcard_id":{id},"card_id":2}}"#));
            batch(&format!("[{}]", all.collect::<Vec<_>>().join(",")))
        };
        assert_eq!(many(MAX_CARDS).map(|cards| cards.len()), Some(MAX_CARDS));
        assert_eq!(many(MAX_CARDS + 1), None);
    }
}
