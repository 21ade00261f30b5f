//! Lists of values of parameters, and what a value is called.

use serde_json::{Map, Value as Json, json};

use super::{
    data::{self, Filter, ID, NAME, Row},
    resolve::{self, Applied},
    store::{Card, Clash, Dashboard, Parameter, Query, Source, Store},
};

/// The columns that a dashboard's parameter is mapped to, where a target has one.
pub(super) fn columns(store: &Store, dashboard: &Dashboard, id: &str) -> Vec<usize> {
    let mut out = vec![];
    for mapping in dashboard.dashcards.iter().flat_map(|one| &one.mappings) {
        if mapping.parameter == id {
            let card = mapping.card.and_then(|card| store.card_by_id(card));
            out.extend(card.and_then(|card| column(card, &mapping.target)));
        }
    }
    out.dedup();
    out
}

/// The column of a target: a field's, or that of a field filter. A plain variable has none.
pub(super) fn column(card: &Card, target: &Json) -> Option<usize> {
    let parts = target.as_array()?;
    (parts.first()? == "dimension").then_some(())?;
    let Query::Native(tags) = &card.query else {
        return data::referred(parts.get(1)?);
    };
    let name = resolve::tag_of(target)?;
    let tag = tags.iter().find(|tag| tag.name == name)?;
    Some(tag.column)
}

/// Values of a dashboard's parameter under constraints by parameter id. A list that somebody typed, or of a question, takes none.
pub(super) fn of_dashboard(
    store: &Store,
    dashboard: &Dashboard,
    id: &str,
    constraints: &Map<String, Json>,
    search: Option<&str>,
) -> Option<Json> {
    let parameter = dashboard.by_id(id)?;
    let column = columns(store, dashboard, id).first().copied();
    let rows = constrained(dashboard, constraints, &|id| columns(store, dashboard, id));
    Some(list(store, parameter, column, &rows, search))
}

/// Values of a question's parameter.
pub(super) fn of_card(
    store: &Store,
    card: &Card,
    id: &str,
    constraints: &[Applied],
    search: Option<&str>,
) -> Option<Json> {
    let parameter = card.parameters.iter().find(|one| one.id == id)?;
    let column = parameter
        .target
        .as_ref()
        .and_then(|target| column(card, target));
    Some(list(
        store,
        parameter,
        column,
        &of_card_rows(card, constraints),
        search,
    ))
}

/// What a value is called, among the rows that the constraints leave: `[value, label]`, or `[value]`.
pub(super) fn label_on_dashboard(
    store: &Store,
    dashboard: &Dashboard,
    id: &str,
    constraints: &Map<String, Json>,
    value: &str,
) -> Json {
    let columns = |id: &str| columns(store, dashboard, id);
    let rows = constrained(dashboard, constraints, &columns);
    let keys = columns(id).first() == Some(&ID);
    label(
        dashboard.by_id(id).map(|one| &one.source),
        keys,
        &rows,
        value,
    )
}

/// The same for a question.
pub(super) fn label_on_card(card: &Card, id: &str, constraints: &[Applied], value: &str) -> Json {
    let parameter = card.parameters.iter().find(|one| one.id == id);
    let target = parameter.and_then(|one| one.target.as_ref());
    let keys = target.and_then(|target| column(card, target)) == Some(ID);
    let rows = of_card_rows(card, constraints);
    label(parameter.map(|one| &one.source), keys, &rows, value)
}

fn of_card_rows(card: &Card, constraints: &[Applied]) -> Vec<Row> {
    let mut plain = card.clone();
    if let Query::Native(tags) = &mut plain.query {
        for tag in tags {
            (tag.default, tag.required) = (None, false);
        }
    }
    super::query::rows(&plain, constraints, Clash::Last).unwrap_or_default()
}

fn constrained(
    dashboard: &Dashboard,
    constraints: &Map<String, Json>,
    columns: &dyn Fn(&str) -> Vec<usize>,
) -> Vec<Row> {
    let mut filters = vec![];
    for (id, value) in constraints {
        let Some(parameter) = dashboard.by_id(id) else {
            continue;
        };
        for column in columns(id) {
            let options = parameter.options.clone().unwrap_or_default();
            if let Ok(Some(filter)) = Filter::new(column, &parameter.kind, value, &options) {
                filters.push(filter);
            }
        }
    }
    let kept = |row: &Row| filters.iter().all(|filter| filter.keeps(row));
    data::rows().into_iter().filter(kept).collect()
}

fn list(
    store: &Store,
    parameter: &Parameter,
    column: Option<usize>,
    rows: &[Row],
    search: Option<&str>,
) -> Json {
    let distinct = |rows: &[Row], column: usize| {
        let mut all: Vec<Json> = rows
            .iter()
            .filter_map(|row| row.get(column).cloned())
            .collect();
        all.sort_by_key(data::text);
        all.dedup();
        all.into_iter().map(|one| json!([one])).collect::<Vec<_>>()
    };
    let mut all = match &parameter.source {
        Source::Static(all) => all.clone(),
        Source::Card { id, column } => {
            let card = store.card_by_id(*id);
            let rows = card.map(|card| of_card_rows(card, &[])).unwrap_or_default();
            distinct(&rows, *column)
        }
        Source::Column => match column {
            Some(ID) => rows
                .iter()
                .map(|row| json!([row.get(ID), row.get(NAME)]))
                .collect(),
            Some(column) => distinct(rows, column),
            None => vec![],
        },
    };
    if let Some(text) = search {
        let text = text.to_lowercase();
        all.retain(|one| one.to_string().to_lowercase().contains(&text));
    }
    json!({"values": all, "has_more_values": false})
}

fn label(source: Option<&Source>, keys: bool, rows: &[Row], value: &str) -> Json {
    let is = |one: Option<&Json>| one.is_some_and(|one| data::text(one) == value);
    if let Some(Source::Static(all)) = source {
        let found = all.iter().find(|entry| is(entry.get(0)));
        return found.cloned().unwrap_or_else(|| json!([value]));
    }
    let found = rows.iter().find(|row| is(row.get(ID))).filter(|_| keys);
    match found {
        Some(row) => json!([row.get(ID), row.get(NAME)]),
        None => json!([value]),
    }
}
