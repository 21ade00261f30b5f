//! Dashboards and questions as the API tells them.

use serde_json::{Map, Value as Json, json};

use super::{
    data::{self, COLUMNS},
    embed::native,
    resolve,
    store::{Card, Dashboard, Dashcard, Parameter, Query, Source, Store},
    values,
};

/// Who may see a parameter, by its slug.
pub(super) type Visible<'a> = &'a dyn Fn(&str) -> bool;

/// Everybody may.
pub(super) const ALL: Visible<'static> = &|_| true;

/// E1 and P1. With a token's values, they stand in the text cards.
pub(super) fn dashboard(
    store: &Store,
    dashboard: &Dashboard,
    visible: Visible<'_>,
    texts: Option<&Map<String, Json>>,
) -> Json {
    let seen = |id: &str| {
        let parameter = dashboard.by_id(id);
        parameter.is_some_and(|one| visible(&one.slug))
    };
    let shown: Vec<_> = dashboard
        .parameters
        .iter()
        .filter(|one| visible(&one.slug))
        .collect();
    let card = |one: &Dashcard| dashcard(store, dashboard, one, &seen, texts);
    let tab =
        |(id, name): &(u64, String)| json!({"id": id, "name": name, "dashboard_id": dashboard.id});
    let fields = |one: &&Parameter| {
        let columns = values::columns(store, dashboard, &one.id);
        (
            one.id.clone(),
            columns.into_iter().filter_map(field).collect(),
        )
    };
    let mut out = json!({
        "id": dashboard.id,
        "name": dashboard.name,
        "description": null,
        "parameters": shown.iter().map(|one| parameter(one)).collect::<Json>(),
        "auto_apply_filters": true,
        "width": "fixed",
        "tabs": dashboard.tabs.iter().map(tab).collect::<Json>(),
        "param_fields": shown.iter().map(fields).collect::<Map<String, Json>>(),
        "dashcards": dashboard.dashcards.iter().map(card).collect::<Json>(),
    });
    if store.behaviour.param_values {
        let list = |one: &&Parameter| {
            let list = values::of_dashboard(store, dashboard, &one.id, &Map::new(), None);
            (one.id.clone(), list.unwrap_or_default())
        };
        out["param_values"] = shown.iter().map(list).collect::<Map<String, Json>>().into();
    }
    out
}

fn dashcard(
    store: &Store,
    dashboard: &Dashboard,
    one: &Dashcard,
    seen: &dyn Fn(&str) -> bool,
    texts: Option<&Map<String, Json>>,
) -> Json {
    let mapping = |one: &&super::store::Mapping| json!({"parameter_id": one.parameter, "card_id": one.card, "target": one.target});
    let mappings = one.mappings.iter().filter(|one| seen(&one.parameter));
    let shown = |id: &u64| store.card_by_id(*id).map(|one| card(one, ALL));
    let mut settings = one.settings.clone();
    if let (Some(text), Some(values)) = (settings["text"].as_str(), texts) {
        settings["text"] = json!(substituted(dashboard, one, text, values));
    }
    let place = dashboard
        .dashcards
        .iter()
        .position(|other| other.id == one.id)
        .unwrap_or_default();
    let mut out = json!({
        "id": one.id,
        "card": one.card.as_ref().and_then(shown),
        "card_id": one.card,
        "dashboard_id": dashboard.id,
        "series": one.series.iter().filter_map(shown).collect::<Json>(),
        "col": (place % 2) * 12,
        "row": (place / 2) * 6,
        "size_x": 12,
        "size_y": 6,
        "dashboard_tab_id": one.tab,
        "parameter_mappings": mappings.map(|one| mapping(&one)).collect::<Json>(),
        "inline_parameters": one.inline.iter().filter(|id| seen(id)).collect::<Vec<_>>(),
        "visualization_settings": settings,
    });
    if let Some(action) = &one.action {
        out["action"] = action.clone();
        out["action_id"] = action["id"].clone();
    }
    out
}

/// Puts a token's values in the place of `{{tags}}`.
fn substituted(
    dashboard: &Dashboard,
    one: &Dashcard,
    text: &str,
    values: &Map<String, Json>,
) -> String {
    let mut out = text.to_owned();
    for mapping in &one.mappings {
        let tag = mapping.target.get(1).and_then(Json::as_str);
        let parameter = dashboard.by_id(&mapping.parameter);
        let value = parameter.and_then(|one| values.get(&one.slug));
        if let (Some(tag), Some(value)) = (tag, value) {
            let value: Vec<_> = data::values(value).iter().map(data::text).collect();
            out = out.replace(&format!("{{{{{tag}}}}}"), &value.join(", "));
        }
    }
    out
}

/// One of `parameters`.
fn parameter(one: &Parameter) -> Json {
    let mut out = json!({
        "id": one.id,
        "name": named(&one.slug),
        "slug": one.slug,
        "type": one.kind,
        "sectionId": one.kind.split('/').next(),
        "isMultiSelect": true,
        "required": false,
    });
    if let Some(default) = &one.default {
        out["default"] = default.clone();
    }
    if !one.filtering.is_empty() {
        out["filteringParameters"] = json!(one.filtering);
    }
    if let Some(options) = &one.options {
        out["options"] = options.clone();
    }
    if let Some(target) = &one.target {
        out["target"] = target.clone();
    }
    match &one.source {
        Source::Column => {}
        Source::Static(all) => {
            out["values_query_type"] = json!("list");
            out["values_source_type"] = json!("static-list");
            out["values_source_config"] = json!({"values": all});
        }
        Source::Card { id, column } => {
            let column = COLUMNS.get(*column).map(|one| one.name);
            out["values_query_type"] = json!("list");
            out["values_source_type"] = json!("card");
            out["values_source_config"] = json!({"card_id": id, "value_field": ["field", column, {"base-type": "type/Text"}]});
        }
    }
    out
}

/// `Organization Id` of `organization_id`.
pub(super) fn named(slug: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|one| one.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    slug.split('_').map(word).collect::<Vec<_>>().join(" ")
}

fn field(column: usize) -> Option<Json> {
    let column = COLUMNS.get(column)?;
    let key = (column.name == "ID").then_some("type/PK");
    Some(json!({
        "id": column.id, "name": column.name, "display_name": column.label, "base_type": column.kind,
        "semantic_type": key, "table_id": 5, "has_field_values": "list",
    }))
}

/// E8 and P9, and a card on a dashboard: what it asks is blanked.
pub(super) fn card(card: &Card, visible: Visible<'_>) -> Json {
    let shown = || card.parameters.iter().filter(|one| visible(&one.slug));
    let tags: Map<String, Json> = tags(card)
        .filter(|(name, _)| visible(name))
        .map(|(name, mut tag)| {
            tag.as_object_mut().map(|tag| tag.remove("default"));
            (name, tag)
        })
        .collect();
    let query = if native(card) {
        json!({"database": 1, "type": "native", "native": {"query": "-", "template-tags": tags}})
    } else {
        json!({"database": 1, "type": "query", "query": {"source-table": 5, "aggregation": [["count"]]}})
    };
    let fields = |one: &Parameter| {
        let column = one
            .target
            .as_ref()
            .and_then(|target| values::column(card, target));
        (
            one.id.clone(),
            column.and_then(field).into_iter().collect::<Json>(),
        )
    };
    json!({
        "id": card.id,
        "name": card.name,
        "description": null,
        "display": card.display,
        "visualization_settings": card.settings,
        "parameters": shown().map(parameter).collect::<Json>(),
        "param_fields": shown().map(fields).collect::<Map<String, Json>>(),
        "entity_id": card.entity_id(),
        "dataset_query": query,
    })
}

fn tags(card: &Card) -> impl Iterator<Item = (String, Json)> {
    let tags = match &card.query {
        Query::Native(tags) => tags.as_slice(),
        Query::Mbql | Query::Broken => &[],
    };
    tags.iter().map(|tag| {
        // A question's parameter and its tag have one id; the tags of older questions have no parameter.
        let aims = |one: &&Parameter| {
            let target = one.target.as_ref().and_then(resolve::tag_of);
            target == Some(&*tag.name)
        };
        let known = card.parameters.iter().find(aims);
        let mut json = json!({
            "id": known.map_or_else(|| format!("{}-{}", card.id, tag.name), |one| one.id.clone()),
            "name": tag.name,
            "display-name": named(&tag.name),
            "type": tag.kind,
            "required": tag.required,
            "default": tag.default,
        });
        if tag.kind == "dimension" {
            let column = COLUMNS.get(tag.column).map(|one| one.id);
            json["dimension"] = json!(["field", column, null]);
            json["widget-type"] = json!(tag.widget);
        }
        (tag.name.clone(), json)
    })
}

/// `GET /api/card/:id`, for an administrator: nothing is blanked.
pub(super) fn whole_card(one: &Card) -> Json {
    let mut out = card(one, ALL);
    if native(one) {
        let clauses = tags(one).map(|(name, _)| format!("[[AND {name} = {{{{{name}}}}}]]"));
        let sql = format!(
            "SELECT * FROM accounts WHERE true {}",
            clauses.collect::<String>()
        );
        out["dataset_query"]["native"] =
            json!({"query": sql, "template-tags": tags(one).collect::<Map<String, Json>>()});
    } else {
        out["dataset_query"]["query"] = json!({"source-table": 5});
    }
    out["enable_embedding"] = json!(one.embedding.enabled);
    out["embedding_params"] = modes(&one.embedding);
    out["public_uuid"] = json!(one.public_uuid);
    out["archived"] = json!(one.archived);
    out["table_id"] = json!(5);
    out
}

/// `GET /api/dashboard/:id`, for an administrator.
pub(super) fn whole_dashboard(store: &Store, one: &Dashboard) -> Json {
    let mut out = dashboard(store, one, ALL, None);
    for dashcard in out["dashcards"].as_array_mut().into_iter().flatten() {
        let whole = |id: &Json| {
            id.as_u64()
                .and_then(|id| store.card_by_id(id))
                .map(whole_card)
        };
        dashcard["card"] = whole(&dashcard["card_id"]).into();
        for series in dashcard["series"].as_array_mut().into_iter().flatten() {
            *series = whole(&series["id"]).into();
        }
    }
    out["entity_id"] = json!(one.entity_id());
    out["enable_embedding"] = json!(one.embedding.enabled);
    out["embedding_params"] = modes(&one.embedding);
    out["public_uuid"] = json!(one.public_uuid);
    out["archived"] = json!(one.archived);
    out["can_write"] = json!(true);
    out
}

fn modes(embedding: &super::store::Embedding) -> Json {
    let pair = |(slug, mode): &(String, super::store::Mode)| (slug.clone(), json!(mode.as_str()));
    embedding
        .params
        .iter()
        .map(pair)
        .collect::<Map<String, Json>>()
        .into()
}
