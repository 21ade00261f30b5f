//! `/api/public`: P1 to P21. Nothing is locked here; all of it runs as an administrator.

use serde_json::{Map, Value as Json, json};

use super::{
    danger,
    embed::{find, unknown},
    http::{Answer, Seen, pairs},
    layout, policy,
    query::{self, Ask, Format},
    resolve::{self, Applied},
    store::{Card, Dashboard, Store},
    tiles, values,
};

type Reply = Result<Answer, Answer>;
type Entries = Vec<Map<String, Json>>;

/// One request.
struct Call<'a> {
    store: &'a Store,
    seen: &'a Seen,
    query: Vec<(String, String)>,
}

/// Answers a path under `/api/public`.
pub(super) fn answer(store: &Store, seen: &Seen, rest: &[&str]) -> Answer {
    let call = Call {
        store,
        seen,
        query: seen.query(),
    };
    let reply = call.route(rest).unwrap_or_else(|| Ok(unknown()));
    reply.unwrap_or_else(|refusal| refusal)
}

fn wrong() -> Answer {
    Answer::text(400, "An error occurred.")
}

impl Call<'_> {
    fn route(&self, rest: &[&str]) -> Option<Reply> {
        let leak = || Some(Ok(danger::leak(self.seen)));
        let behaviour = &self.store.behaviour;
        match (self.seen.method.as_str(), rest) {
            (_, ["action" | "document", ..] | ["dashboard" | "card", _, "unlock"]) => leak(),
            (_, ["dashboard", _, "dashcard", _, "execute"]) => Some(Ok(danger::row(self.seen))),
            ("GET" | "HEAD", ["oembed"]) => Some(Ok(danger::oembed(self.seen))),
            ("POST", ["dashboard", uuid, "dashcard", d, "card", c, format]) => {
                Some(self.export(uuid, d, c, Format::of(format)?))
            }
            ("GET" | "HEAD", ["pivot", "dashboard", uuid, "dashcard", d, "card", c]) => {
                Some(self.dashcard(uuid, d, c, true))
            }
            ("GET" | "HEAD", ["dashboard", uuid, "dashcard", d, "card", c]) => {
                Some(self.dashcard(uuid, d, c, false))
            }
            ("GET" | "HEAD", ["dashboard", uuid]) => Some(self.dashboard(uuid)),
            ("GET" | "HEAD", ["card", uuid]) => Some(self.card(uuid)),
            ("GET" | "HEAD", ["card", uuid, "query"]) => Some(self.question(uuid, Ask::PAGE)),
            ("GET" | "HEAD", ["card", uuid, "query", format]) => {
                let on = |(key, value): &(String, String)| key == "format_rows" && value == "true";
                let ask = Ask {
                    format: Format::of(format)?,
                    pivot: false,
                    formatted: self.query.iter().any(on),
                };
                Some(self.question(uuid, ask))
            }
            ("GET" | "HEAD", ["pivot", "card", uuid, "query"]) => {
                let ask = Ask {
                    pivot: true,
                    ..Ask::PAGE
                };
                Some(self.question(uuid, ask))
            }
            ("GET" | "HEAD", [kind, uuid, "params", id, "values"]) => {
                Some(self.values(kind, uuid, id, None))
            }
            ("GET" | "HEAD", [kind, uuid, "params", id, "search", text]) => {
                Some(self.values(kind, uuid, id, Some(text)))
            }
            ("GET" | "HEAD", [kind, uuid, "params", id, "remapping"]) if behaviour.remapping => {
                Some(self.remapping(kind, uuid, id))
            }
            ("GET" | "HEAD", ["tiles", kind, uuid, rest @ ..]) => Some(self.tile(kind, uuid, rest)),
            ("GET" | "HEAD", ["dashboard", uuid, "card-query-batch"]) if behaviour.batch => {
                Some(self.batch(uuid))
            }
            _ => None,
        }
    }

    fn missing(&self) -> Answer {
        if self.store.behaviour.not_found_400 {
            return wrong();
        }
        Answer::text(404, "Not found.")
    }

    fn shared(&self) -> Result<(), Answer> {
        self.store.sharing.then_some(()).ok_or_else(wrong)
    }

    /// Case does not count, as in some databases.
    fn dashboard_of(&self, uuid: &str) -> Result<&Dashboard, Answer> {
        self.shared()?;
        let is = |one: &&Dashboard| {
            let known = one.public_uuid.as_ref();
            !one.archived && known.is_some_and(|known| known.eq_ignore_ascii_case(uuid))
        };
        self.store
            .dashboards
            .iter()
            .find(is)
            .ok_or_else(|| self.missing())
    }

    fn card_of(&self, uuid: &str) -> Result<&Card, Answer> {
        self.shared()?;
        let is = |one: &&Card| {
            let known = one.public_uuid.as_ref();
            !one.archived && known.is_some_and(|known| known.eq_ignore_ascii_case(uuid))
        };
        self.store
            .cards
            .iter()
            .find(is)
            .ok_or_else(|| self.missing())
    }

    /// `parameters` of the query; of several, the last.
    fn entries(&self) -> Result<Entries, Answer> {
        tiles::parameters(&self.query).ok_or_else(wrong)
    }

    /// P1.
    fn dashboard(&self, uuid: &str) -> Reply {
        let dashboard = self.dashboard_of(uuid)?;
        let body = layout::dashboard(self.store, dashboard, layout::ALL, None);
        Ok(Answer::json(200, &body))
    }

    /// P9.
    fn card(&self, uuid: &str) -> Reply {
        Ok(Answer::json(
            200,
            &layout::card(self.card_of(uuid)?, layout::ALL),
        ))
    }

    fn on_dashboard(
        &self,
        uuid: &str,
        d: &str,
        c: &str,
        entries: &Entries,
    ) -> Result<(&Card, Vec<Applied>), Answer> {
        let dashboard = self.dashboard_of(uuid)?;
        let (dashcard, card) = find(self.store, dashboard, d, c).ok_or_else(|| self.missing())?;
        let applied = resolve::for_dashcard(dashboard, dashcard, card.id, entries);
        Ok((card, applied.map_err(|()| wrong())?))
    }

    /// P2, P4.
    fn dashcard(&self, uuid: &str, d: &str, c: &str, pivot: bool) -> Reply {
        let (card, applied) = self.on_dashboard(uuid, d, c, &self.entries()?)?;
        let ask = Ask { pivot, ..Ask::PAGE };
        Ok(query::answer(card, &applied, ask, &self.store.behaviour))
    }

    /// P3. A body that cannot be read is one without parameters; where the body has none, the query's count.
    fn export(&self, uuid: &str, d: &str, c: &str, format: Format) -> Reply {
        let body = self.body();
        let entries = match body.get("parameters") {
            None => self.entries()?,
            Some(Json::String(text)) => {
                let read = serde_json::from_str(text).map_err(|_| wrong())?;
                resolve::entries(Some(&read)).map_err(|()| wrong())?
            }
            Some(read) => resolve::entries(Some(read)).map_err(|()| wrong())?,
        };
        let (card, applied) = self.on_dashboard(uuid, d, c, &entries)?;
        let formatted = body.get("format_rows");
        let ask = Ask {
            format,
            pivot: false,
            formatted: formatted.is_some_and(|one| *one == true || *one == "true"),
        };
        Ok(query::answer(card, &applied, ask, &self.store.behaviour))
    }

    fn body(&self) -> Map<String, Json> {
        let kind = self.seen.all("content-type").concat().to_ascii_lowercase();
        let text = if kind.contains("charset=utf-16") {
            utf16(&self.seen.body)
        } else {
            String::from_utf8_lossy(&self.seen.body).into_owned()
        };
        if kind.starts_with("application/x-www-form-urlencoded") {
            let last = pairs(&text)
                .into_iter()
                .map(|(key, value)| (key, json!(value)));
            return last.collect();
        }
        if kind.starts_with("application/json") {
            return serde_json::from_str(&text).unwrap_or_default();
        }
        Map::new()
    }

    /// P10, P11, P12.
    fn question(&self, uuid: &str, ask: Ask) -> Reply {
        let card = self.card_of(uuid)?;
        let applied = resolve::for_card(card, &self.entries()?).map_err(|()| wrong())?;
        Ok(query::answer(card, &applied, ask, &self.store.behaviour))
    }

    /// P5, P6: constraints by parameter id, unknown ones ignored. P13: none at all.
    fn values(&self, kind: &str, uuid: &str, id: &str, search: Option<&str>) -> Reply {
        let list = match kind {
            "dashboard" => {
                let dashboard = self.dashboard_of(uuid)?;
                let constraints = policy::gather(&self.query);
                values::of_dashboard(self.store, dashboard, id, &constraints, search)
            }
            "card" => values::of_card(self.store, self.card_of(uuid)?, id, &[], search),
            _ => return Err(unknown()),
        };
        Ok(Answer::json(200, &list.ok_or_else(wrong)?))
    }

    /// P7, P13: no constraint is possible.
    fn remapping(&self, kind: &str, uuid: &str, id: &str) -> Reply {
        let value = self.query.iter().find(|(key, _)| key == "value");
        let value = value.map(|(_, value)| super::http::decoded(value, false));
        let value = value.ok_or_else(wrong)?;
        let found = match kind {
            "dashboard" => {
                let dashboard = self.dashboard_of(uuid)?;
                values::label_on_dashboard(self.store, dashboard, id, &Map::new(), &value)
            }
            "card" => values::label_on_card(self.card_of(uuid)?, id, &[], &value),
            _ => return Err(unknown()),
        };
        Ok(Answer::json(200, &found))
    }

    /// P8, P14, and their older forms.
    fn tile(&self, kind: &str, uuid: &str, rest: &[&str]) -> Reply {
        let behaviour = &self.store.behaviour;
        let (place, rest) = match (kind, rest) {
            ("dashboard", ["dashcard", d, "card", c, rest @ ..]) => (Some((*d, *c)), rest),
            ("card", rest) => (None, rest),
            _ => return Err(unknown()),
        };
        let fields =
            tiles::fields(rest, &self.query, behaviour.old_tiles).ok_or_else(unknown)??;
        let entries = self.entries()?;
        let (card, applied) = if let Some((d, c)) = place {
            self.on_dashboard(uuid, d, c, &entries)?
        } else {
            let card = self.card_of(uuid)?;
            (
                card,
                resolve::for_card(card, &entries).map_err(|()| wrong())?,
            )
        };
        Ok(tiles::answer(card, &applied, fields, behaviour.clash))
    }

    /// P20: several of P2, one line each.
    fn batch(&self, uuid: &str) -> Reply {
        let cards = policy::gather(&self.query).remove("cards");
        let cards = cards.as_ref().and_then(Json::as_str);
        let cards: Option<Vec<Json>> = cards.and_then(|text| serde_json::from_str(text).ok());
        let entries = self.entries()?;
        let mut lines = String::new();
        for one in cards.ok_or_else(wrong)? {
            let (d, c) = (one["dashcard_id"].to_string(), one["card_id"].to_string());
            let (card, applied) = self.on_dashboard(uuid, &d, &c, &entries)?;
            let result = query::answer(card, &applied, Ask::PAGE, &self.store.behaviour);
            let mut line: Json = serde_json::from_slice(&result.body).unwrap_or_default();
            line["dashcard_id"] = one["dashcard_id"].clone();
            line["card_id"] = one["card_id"].clone();
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        Ok(Answer::of("application/x-ndjson", lines.into_bytes()).status(202))
    }
}

/// Big-endian, unless a mark says otherwise.
fn utf16(bytes: &[u8]) -> String {
    let little = bytes.starts_with(&[0xff, 0xfe]);
    let unit = |pair: &[u8]| {
        let pair = <[u8; 2]>::try_from(pair).unwrap_or_default();
        if little {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        }
    };
    let units: Vec<_> = bytes.chunks_exact(2).map(unit).collect();
    String::from_utf16_lossy(&units)
        .trim_start_matches('\u{feff}')
        .to_owned()
}
