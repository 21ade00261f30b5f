//! `/api/embed`: E1 to E18 and what else lives there.

use serde_json::{Map, Value as Json, json};

use super::{
    danger, data,
    http::{Answer, Seen},
    layout, now, policy,
    query::{self, Ask, Format},
    resolve::{self, Applied},
    store::{Card, Dashboard, Dashcard, Mode, Query, Store},
    tiles, token, values,
};

type Params = Map<String, Json>;
type Reply = Result<Answer, Answer>;

/// One request.
struct Call<'a> {
    store: &'a Store,
    seen: &'a Seen,
    query: Vec<(String, String)>,
}

/// Answers a path under `/api/embed`.
pub(super) fn answer(store: &Store, seen: &Seen, rest: &[&str]) -> Answer {
    let call = Call {
        store,
        seen,
        query: seen.query(),
    };
    let reply = call.route(rest).unwrap_or_else(|| Ok(unknown()));
    reply.unwrap_or_else(|refusal| refusal)
}

pub(super) fn unknown() -> Answer {
    Answer::text(404, "API endpoint does not exist.")
}

fn refused(text: &str) -> Answer {
    Answer::text(400, text)
}

impl Call<'_> {
    fn route(&self, rest: &[&str]) -> Option<Reply> {
        let behaviour = &self.store.behaviour;
        let (pivot, rest) = match rest {
            ["pivot", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        if let ["tiles", kind, token, rest @ ..] = rest {
            return token::shaped(token).then(|| self.tile(kind, token, rest));
        }
        let [kind @ ("dashboard" | "card"), token, rest @ ..] = rest else {
            return None;
        };
        if !token::shaped(token) {
            return None;
        }
        let dashboard = *kind == "dashboard";
        let ask = Ask { pivot, ..Ask::PAGE };
        match rest {
            ["field", ..] if behaviour.field_endpoints => Some(Ok(danger::leak(self.seen))),
            [] if dashboard && !pivot => Some(self.dashboard(token)),
            [] if !pivot => Some(self.card(token)),
            ["dashcard", d, "card", c] if dashboard => Some(self.dashcard(token, d, c, ask)),
            ["dashcard", d, "card", c, format] if dashboard && !pivot => {
                Some(self.dashcard(token, d, c, self.export(format)?))
            }
            ["card-query-batch"] if dashboard && behaviour.batch => Some(self.batch(token)),
            ["query"] if !dashboard => Some(self.question(token, ask)),
            ["query", format] if !dashboard && !pivot => {
                Some(self.question(token, self.export(format)?))
            }
            ["params", id, "values"] => Some(self.values(dashboard, token, id, None)),
            ["params", id, "search", text] => Some(self.values(dashboard, token, id, Some(text))),
            ["params", id, "remapping"] if behaviour.remapping => {
                Some(self.remapping(dashboard, token, id))
            }
            _ => None,
        }
    }

    fn export(&self, format: &str) -> Option<Ask> {
        let on = |(key, value): &(String, String)| key == "format_rows" && value == "true";
        Some(Ask {
            format: Format::of(format)?,
            pivot: false,
            formatted: self.query.iter().any(on),
        })
    }

    fn verified(&self, token: &str) -> Result<Params, Answer> {
        token::unsign(self.store.secret.as_deref(), token, now()).map_err(|text| refused(&text))
    }

    fn missing(&self) -> Answer {
        let status = if self.store.behaviour.not_found_400 {
            400
        } else {
            404
        };
        Answer::text(status, "Not found.")
    }

    fn allowed(&self, archived: bool, published: bool) -> Result<(), Answer> {
        if archived {
            let status = self.missing().status;
            return Err(Answer::text(status, "The object has been archived."));
        }
        if !published {
            return Err(refused("Embedding is not enabled for this object."));
        }
        Ok(())
    }

    /// What the token is about, and its values.
    fn granted(&self, token: &str, kind: &str) -> Result<(token::Id, Params), Answer> {
        let claims = self.verified(token)?;
        if !self.store.embedding {
            return Err(refused("Embedding is not enabled."));
        }
        let id = token::resource(&claims, kind).map_err(|text| refused(&text))?;
        let params = token::params(&claims).map_err(|text| refused(&text))?;
        Ok((id, params))
    }

    fn granted_dashboard(&self, token: &str) -> Result<(&Dashboard, Params), Answer> {
        let (id, params) = self.granted(token, "dashboard")?;
        let mut all = self.store.dashboards.iter();
        let found = all.find(|one| id.is(one.id, &one.entity_id()));
        let found = found.ok_or_else(|| self.missing())?;
        self.allowed(found.archived, found.embedding.enabled)?;
        Ok((found, params))
    }

    fn granted_card(&self, token: &str) -> Result<(&Card, Params), Answer> {
        let (id, params) = self.granted(token, "question")?;
        let mut all = self.store.cards.iter();
        let found = all.find(|one| id.is(one.id, &one.entity_id()));
        let found = found.ok_or_else(|| self.missing())?;
        self.allowed(found.archived, found.embedding.enabled)?;
        Ok((found, params))
    }

    /// E1. Nobody asks whether the locked values are there.
    fn dashboard(&self, token: &str) -> Reply {
        let (dashboard, params) = self.granted_dashboard(token)?;
        let visible = |slug: &str| {
            dashboard.embedding.mode(slug) == Some(Mode::Enabled) && !params.contains_key(slug)
        };
        let body = layout::dashboard(self.store, dashboard, &visible, Some(&params));
        Ok(Answer::json(200, &body))
    }

    /// E8.
    fn card(&self, token: &str) -> Reply {
        let (card, params) = self.granted_card(token)?;
        let visible = |slug: &str| {
            card.embedding.mode(slug) == Some(Mode::Enabled) && !params.contains_key(slug)
        };
        Ok(Answer::json(200, &layout::card(card, &visible)))
    }

    fn merged(&self, dashboard: &Dashboard, token: &Params, user: &Params) -> Maybe<Params> {
        let merged = policy::merge(&dashboard.embedding, token, user, &self.store.behaviour)
            .map_err(|text| refused(&text))?;
        let unknown = merged.keys().find(|slug| dashboard.by_slug(slug).is_none());
        if let Some(slug) = unknown {
            let found: Vec<_> = dashboard.parameters.iter().map(|one| &*one.slug).collect();
            return Err(refused(&format!(
                "No matching parameter with slug \"{slug}\". Found: ({})",
                found.join(" ")
            )));
        }
        Ok(merged)
    }

    /// E2, E3, E4.
    fn dashcard(&self, token: &str, d: &str, c: &str, ask: Ask) -> Reply {
        let (dashboard, params) = self.granted_dashboard(token)?;
        let user = policy::from_query(&self.query, ask.format != Format::Page);
        let user = user.map_err(|text| refused(&text))?;
        let merged = self.merged(dashboard, &params, &user)?;
        let (dashcard, card) = find(self.store, dashboard, d, c).ok_or_else(|| self.missing())?;
        let applied = on_dashboard(dashboard, dashcard, card, &merged)?;
        Ok(query::answer(card, &applied, ask, &self.store.behaviour))
    }

    /// E18: several of E2, one line each.
    fn batch(&self, token: &str) -> Reply {
        let (dashboard, params) = self.granted_dashboard(token)?;
        let user = policy::from_query(&self.query, false).map_err(|text| refused(&text))?;
        let merged = self.merged(dashboard, &params, &user)?;
        let cards = policy::gather(&self.query).remove("cards");
        let cards = cards.as_ref().and_then(Json::as_str);
        let cards: Option<Vec<Json>> = cards.and_then(|text| serde_json::from_str(text).ok());
        let mut lines = String::new();
        for one in cards.ok_or_else(|| refused("Invalid cards"))? {
            let (d, c) = (one["dashcard_id"].to_string(), one["card_id"].to_string());
            let (dashcard, card) =
                find(self.store, dashboard, &d, &c).ok_or_else(|| self.missing())?;
            let applied = on_dashboard(dashboard, dashcard, card, &merged)?;
            let result = query::answer(card, &applied, Ask::PAGE, &self.store.behaviour);
            let mut line: Json = serde_json::from_slice(&result.body).unwrap_or_default();
            line["dashcard_id"] = one["dashcard_id"].clone();
            line["card_id"] = one["card_id"].clone();
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        Ok(Answer::of("application/x-ndjson", lines.into_bytes()).status(202))
    }

    /// E9, E10, E11.
    fn question(&self, token: &str, ask: Ask) -> Reply {
        let (card, params) = self.granted_card(token)?;
        let user = policy::from_query(&self.query, ask.format != Format::Page);
        let user = user.map_err(|text| refused(&text))?;
        let merged = policy::merge(&card.embedding, &params, &user, &self.store.behaviour)
            .map_err(|text| refused(&text))?;
        let applied = on_card(card, &merged);
        Ok(query::answer(card, &applied, ask, &self.store.behaviour))
    }

    /// Values of parameters by id, as slugs.
    fn by_slug(&self, dashboard: &Dashboard) -> Maybe<Params> {
        let mut out = Params::new();
        for (id, value) in policy::gather(&self.query) {
            let known = dashboard.by_id(&id).ok_or_else(|| {
                refused(&format!(
                    "Invalid query params: could not determine slug for parameter with ID \"{id}\""
                ))
            })?;
            out.insert(known.slug.clone(), value);
        }
        Ok(out)
    }

    /// E5, E6, E12, E13.
    fn values(&self, dashboard: bool, token: &str, id: &str, search: Option<&str>) -> Reply {
        let list = if dashboard {
            let (dashboard, params) = self.granted_dashboard(token)?;
            let slug = dashboard.by_id(id).map_or(id, |one| &one.slug);
            if dashboard.embedding.mode(slug) != Some(Mode::Enabled) {
                return Err(not_searchable(slug));
            }
            let merged = self.merged(dashboard, &params, &self.by_slug(dashboard)?)?;
            values::of_dashboard(
                self.store,
                dashboard,
                id,
                &by_id(dashboard, &merged),
                search,
            )
        } else {
            let (card, params) = self.granted_card(token)?;
            let constraints = self.card_constraints(card, &params, id, not_searchable)?;
            values::of_card(self.store, card, id, &constraints, search)
        };
        Ok(Answer::json(
            200,
            &list.unwrap_or_else(|| json!({"values": [], "has_more_values": false})),
        ))
    }

    /// What constrains the values of a question's parameter: the token's, in newer versions.
    fn card_constraints(
        &self,
        card: &Card,
        params: &Params,
        id: &str,
        refuse: fn(&str) -> Answer,
    ) -> Maybe<Vec<Applied>> {
        let parameter = card.parameters.iter().find(|one| one.id == id);
        let slug = parameter.map_or(id, |one| &one.slug);
        if card.embedding.mode(slug) != Some(Mode::Enabled) {
            return Err(refuse(slug));
        }
        if !self.store.behaviour.card_values_locked {
            return Ok(vec![]);
        }
        let unknown = params
            .keys()
            .find(|slug| card.parameters.iter().all(|one| one.slug != **slug));
        if let Some(slug) = unknown {
            return Err(refused(&format!(
                "The parameter {slug} does not exist on this card."
            )));
        }
        let merged = policy::merge(
            &card.embedding,
            params,
            &Params::new(),
            &self.store.behaviour,
        );
        Ok(on_card(card, &merged.map_err(|text| refused(&text))?))
    }

    /// E7, E14. The value is decoded once more.
    fn remapping(&self, dashboard: bool, token: &str, id: &str) -> Reply {
        let mut query = self.query.clone();
        let value = query.iter().position(|(key, _)| key == "value");
        let value = value.map(|place| query.remove(place).1).unwrap_or_default();
        let value = super::http::decoded(&value, false);
        let call = Call {
            query,
            store: self.store,
            seen: self.seen,
        };
        let found = if dashboard {
            let (dashboard, params) = call.granted_dashboard(token)?;
            let slug = dashboard.by_id(id).map_or(id, |one| &one.slug);
            if dashboard.embedding.mode(slug) != Some(Mode::Enabled) {
                return Err(not_remappable(slug));
            }
            let merged = call.merged(dashboard, &params, &call.by_slug(dashboard)?)?;
            values::label_on_dashboard(
                self.store,
                dashboard,
                id,
                &by_id(dashboard, &merged),
                &value,
            )
        } else {
            let (card, params) = call.granted_card(token)?;
            let constraints = call.card_constraints(card, &params, id, not_remappable)?;
            values::label_on_card(card, id, &constraints, &value)
        };
        Ok(Answer::json(200, &found))
    }

    /// E15, E16, and their older forms.
    fn tile(&self, kind: &str, token: &str, rest: &[&str]) -> Reply {
        let old = self.store.behaviour.old_tiles;
        let (place, rest) = match (kind, rest) {
            ("dashboard", ["dashcard", d, "card", c, rest @ ..]) => (Some((*d, *c)), rest),
            ("card", rest) => (None, rest),
            _ => return Err(unknown()),
        };
        let fields = tiles::fields(rest, &self.query, old).ok_or_else(unknown)??;
        let sent = tiles::parameters(&self.query).ok_or_else(|| refused("Invalid parameters"))?;
        let (card, applied) = if let Some((d, c)) = place {
            let (dashboard, params) = if old {
                let (id, _) = self.granted(token, "dashboard")?;
                let mut all = self.store.dashboards.iter();
                let found = all.find(|one| id.is(one.id, &one.entity_id()));
                (found.ok_or_else(|| self.missing())?, Params::new())
            } else {
                self.granted_dashboard(token)?
            };
            let (dashcard, card) =
                find(self.store, dashboard, d, c).ok_or_else(|| self.missing())?;
            let applied = if old {
                resolve::for_dashcard(dashboard, dashcard, card.id, &sent)
                    .map_err(|()| refused("An error occurred."))?
            } else {
                let user = slugs(dashboard, &sent)?;
                let merged = self.merged(dashboard, &params, &user)?;
                on_dashboard(dashboard, dashcard, card, &merged)?
            };
            (card, applied)
        } else {
            let (card, params) = self.granted_card(token)?;
            let applied = if old {
                resolve::for_card(card, &sent).map_err(|()| refused("An error occurred."))?
            } else {
                let user = card_slugs(card, &sent);
                let merged = policy::merge(&card.embedding, &params, &user, &self.store.behaviour);
                on_card(card, &merged.map_err(|text| refused(&text))?)
            };
            (card, applied)
        };
        Ok(tiles::answer(
            card,
            &applied,
            fields,
            self.store.behaviour.clash,
        ))
    }
}

type Maybe<T> = Result<T, Answer>;

fn not_searchable(slug: &str) -> Answer {
    refused(&format!(
        "Cannot search for values: \"{slug}\" is not an enabled parameter."
    ))
}

fn not_remappable(slug: &str) -> Answer {
    refused(&format!(
        "Cannot get remapped value for parameter: \"{slug}\" is not an enabled parameter."
    ))
}

/// A card of a dashboard: the main one of a dashcard, or one of its series.
pub(super) fn find<'a>(
    store: &'a Store,
    dashboard: &'a Dashboard,
    dashcard: &str,
    card: &str,
) -> Option<(&'a Dashcard, &'a Card)> {
    let (d, c): (u64, u64) = (dashcard.parse().ok()?, card.parse().ok()?);
    let dashcard = dashboard.dashcards.iter().find(|one| one.id == d)?;
    let card = store.card_by_id(c).filter(|card| !card.archived)?;
    dashcard.holds(c).then_some((dashcard, card))
}

fn by_id(dashboard: &Dashboard, merged: &Params) -> Params {
    let pair = |(slug, value): (&String, &Json)| {
        Some((dashboard.by_slug(slug)?.id.clone(), value.clone()))
    };
    merged.iter().filter_map(pair).collect()
}

fn on_dashboard(
    dashboard: &Dashboard,
    dashcard: &Dashcard,
    card: &Card,
    merged: &Params,
) -> Maybe<Vec<Applied>> {
    let entry = |(id, value): (String, Json)| {
        Map::from_iter([("id".to_owned(), json!(id)), ("value".to_owned(), value)])
    };
    let entries: Vec<_> = by_id(dashboard, merged).into_iter().map(entry).collect();
    resolve::for_dashcard(dashboard, dashcard, card.id, &entries)
        .map_err(|()| refused("An error occurred."))
}

/// A question's parameters by slug; a slug that it does not have is passed over.
fn on_card(card: &Card, merged: &Params) -> Vec<Applied> {
    let applied = |parameter: &super::store::Parameter| {
        let value = merged.get(&parameter.slug)?;
        let mut object = Map::from_iter([
            ("id".to_owned(), json!(parameter.id)),
            ("slug".to_owned(), json!(parameter.slug)),
            ("type".to_owned(), json!(parameter.kind)),
            ("value".to_owned(), value.clone()),
        ]);
        object.extend(
            parameter
                .options
                .clone()
                .map(|one| ("options".to_owned(), one)),
        );
        object.extend(
            parameter
                .target
                .clone()
                .map(|one| ("target".to_owned(), one)),
        );
        Some(Applied { object })
    };
    card.parameters.iter().filter_map(applied).collect()
}

fn slugs(dashboard: &Dashboard, sent: &[Params]) -> Maybe<Params> {
    let mut out = Params::new();
    for one in sent {
        let id = one.get("id").map(data::text).unwrap_or_default();
        let known = dashboard.by_id(&id).ok_or_else(|| {
            refused(&format!(
                "Invalid query params: could not determine slug for parameter with ID \"{id}\""
            ))
        })?;
        out.insert(
            known.slug.clone(),
            one.get("value").cloned().unwrap_or_default(),
        );
    }
    Ok(out)
}

fn card_slugs(card: &Card, sent: &[Params]) -> Params {
    let pair = |one: &Params| {
        let id = one.get("id").map(data::text).unwrap_or_default();
        let known = card.parameters.iter().find(|known| known.id == id);
        let slug = known.map_or(id, |known| known.slug.clone());
        (slug, one.get("value").cloned().unwrap_or_default())
    };
    sent.iter().map(pair).collect()
}

/// Whether a question is native.
pub(super) fn native(card: &Card) -> bool {
    !matches!(card.query, Query::Mbql)
}
