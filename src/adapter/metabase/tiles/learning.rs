//! What a map is drawn from, learnt in two calls: its layout, then its result where nobody's rows are asked for. The rows are not looked at.

use std::time::Duration;

use http::StatusCode;

use super::{Drawing, Map, MapCard, NoMap, Origin};
use crate::{
    adapter::{
        exchange::{self, ExchangeError, Pending, Reply, Step, Want},
        metabase::{
            Metabase,
            filters::{
                Rules,
                objects::{self, Locks},
            },
            layout::{Layout, Place},
            learn::{self, NOTHING_TTL, What, call, done, expect, is_absent, json_wanted},
            spec::{Lens, Unmapped},
        },
    },
    gate::{
        param::{Granted, Scalar, Value},
        policy::Denial,
        query,
        request::UnixTime,
    },
};

/// What the exchange waits for.
#[derive(Debug)]
pub(in crate::adapter) enum Stage {
    /// The layout, as for any other request.
    Layout(MapCard),
    /// The result of the card.
    Result(Box<Draft>),
}

/// A map whose columns are not known yet.
#[derive(Debug)]
pub(in crate::adapter) struct Draft {
    layout: Layout,
    drawing: Drawing,
}

impl Metabase {
    /// Begins with the layout, in the way in which the other requests learn it.
    pub(in crate::adapter::metabase) fn begin_map(
        &self,
        card: &MapCard,
        now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        let want = match &card.origin {
            Origin::Public(uuid) => Want::MetabasePublic(uuid.clone()),
            Origin::Signed(item) if self.reads_by_key() => Want::MetabaseItem(*item),
            Origin::Signed(item) => Want::MetabaseValues(*item),
        };
        match self.begin(&want, now)? {
            Step::Call(call, _) => Ok(Step::Call(call, pending(Stage::Layout(card.clone())))),
            Step::Done(_) => Err(ExchangeError::STRAY),
        }
    }

    pub(in crate::adapter::metabase) fn resume_map(
        &self,
        stage: Stage,
        reply: Reply<'_>,
        now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        match stage {
            Stage::Layout(card) => self.drafted(&card, reply, now),
            Stage::Result(draft) => drawn(*draft, reply, self.spec().layout_ttl),
        }
    }

    /// From the layout to the question about the result; or to the end, where there is no map.
    fn drafted(
        &self,
        card: &MapCard,
        reply: Reply<'_>,
        now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        let ttl = self.spec().layout_ttl;
        if is_absent(reply) {
            return Ok(none(NoMap::Absent, NOTHING_TTL));
        }
        let body = expect(LAYOUT, reply)?;
        let unreadable = |why| learn::unfit(LAYOUT, &why);
        let modes = match &card.origin {
            Origin::Public(_) => learn::modes(&self.params),
            Origin::Signed(item) => self.spec().modes(item, &self.params),
        };
        let lens = Lens {
            params: &self.params,
            modes: &modes,
        };
        let layout = match &card.origin {
            Origin::Signed(_) if !self.reads_by_key() => Layout::read_open,
            Origin::Public(_) | Origin::Signed(_) => Layout::read,
        };
        let layout = layout(body, card.kind(), lens).map_err(unreadable)?;
        let unmapped = match &card.origin {
            // Of a public link nothing is served that is not filtered.
            Origin::Public(_) => Unmapped::Deny,
            Origin::Signed(_) => self.spec().unmapped,
        };
        if let Err(why) = served(&layout, card.place, unmapped) {
            return Ok(none(why, ttl));
        }
        let Some(drawing) = Drawing::of(body, card.place).map_err(unreadable)? else {
            return Ok(none(NoMap::Pointless, ttl));
        };
        let Ok(path) = self.question(card, &layout, lens, now) else {
            return Ok(none(NoMap::Unlearnt, ttl));
        };
        let draft = Box::new(Draft { layout, drawing });
        let stage = learn::Stage::Map(Stage::Result(draft));
        Ok(call(path, json_wanted(), stage))
    }

    /// Asks for the result of a card where every locked parameter has nobody's value. Open ones have their defaults, if any: only the columns are of interest.
    fn question(
        &self,
        card: &MapCard,
        layout: &Layout,
        lens: Lens<'_>,
        now: UnixTime,
    ) -> Result<String, Denial> {
        let values = nobody(lens);
        let granted = Granted {
            values: &values,
            all: &[],
        };
        let (path, said) = match &card.origin {
            Origin::Public(uuid) => {
                let rules = Rules { lens, granted };
                let said = objects::read(None, layout, rules, Locks::Appended)?;
                let path = format!("/api/public/{}", result(card, uuid.as_str()));
                (path, said)
            }
            Origin::Signed(item) => {
                let token = self.mint()?.token(item, lens, granted, now)?;
                let path = format!("/api/embed/{}", result(card, &token));
                (path, "{}".to_owned())
            }
        };
        let mut query = String::new();
        query::push(&mut query, "parameters", &said);
        Ok(format!("{path}?{query}"))
    }
}

fn served(layout: &Layout, place: Option<(u64, u64)>, unmapped: Unmapped) -> Result<(), NoMap> {
    let fit = layout.fit();
    fit.map_err(|why| NoMap::Unfit(why.to_string().into()))?;
    let serves = if let Some((dashcard, card)) = place {
        layout.serves(dashcard, card, unmapped)
    } else {
        let mut places = layout.places().iter();
        unmapped == Unmapped::Report || places.all(Place::is_covered)
    };
    serves.then_some(()).ok_or(NoMap::Unserved)
}

/// From the result to the columns.
fn drawn(draft: Draft, reply: Reply<'_>, ttl: Duration) -> Result<Step, ExchangeError> {
    if reply.status.is_client_error() {
        // The query fails, or the card is gone since.
        return Ok(none(NoMap::Unlearnt, NOTHING_TTL.min(ttl)));
    }
    if !matches!(reply.status, StatusCode::OK | StatusCode::ACCEPTED) {
        return Err(ExchangeError::Status {
            call: RESULT,
            status: reply.status,
            hint: "does the card work in Metabase itself?",
        });
    }
    Ok(match draft.drawing.columns(reply.body) {
        Ok((latitude, longitude)) => {
            let layout = draft.layout;
            let map = Map {
                layout,
                latitude,
                longitude,
            };
            done(What::Map(Ok(Box::new(map))), ttl)
        }
        Err(why) => none(why, NOTHING_TTL.min(ttl)),
    })
}

/// The path of a card's result below the API that `named` belongs to.
fn result(card: &MapCard, named: &str) -> String {
    let kind = card.kind().in_api();
    match card.place {
        Some((dashcard, card)) => format!("{kind}/{named}/dashcard/{dashcard}/card/{card}"),
        None => format!("{kind}/{named}/query"),
    }
}

/// Nobody's value for each locked parameter. Of a boolean there is none: somebody's rows may come, and are not looked at.
pub(super) fn nobody(lens: Lens<'_>) -> Vec<Option<Value>> {
    let mut values = vec![None; lens.params.len()];
    for (param, spec) in lens.locked() {
        let text = learn::nobodys(spec.kind).map_or("false", |nobodys| nobodys.text);
        let scalar = Scalar {
            text: text.into(),
            kind: spec.kind,
        };
        if let Some(value) = values.get_mut(param) {
            *value = Some(Value::One(scalar));
        }
    }
    values
}

fn none(why: NoMap, valid_for: Duration) -> Step {
    done(What::Map(Err(why)), valid_for)
}

fn pending(stage: Stage) -> Pending {
    Pending(exchange::Stage::Metabase(learn::Stage::Map(stage)))
}

const LAYOUT: &str = "the layout of a map";
const RESULT: &str = "the result of a map";
