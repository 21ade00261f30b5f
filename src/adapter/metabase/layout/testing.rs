//! A site and layouts for tests: `org` (id `id-org`) is locked, `region` (`id-region`) is the viewer's, `secret` (`id-secret`) is disabled; `other`
//! (`id-other`) is not declared.

use serde_json::{Value as Json, json};

use super::{Layout, LayoutError};
use crate::{
    adapter::metabase::spec::{Kind, Lens},
    gate::{
        param::{Mode, ParamSpec, Type},
        query::fold,
    },
};

/// A declared parameter.
pub(in crate::adapter::metabase) fn spec(name: &str, mode: Mode, kind: Type) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        folded: fold(name).into(),
        mode,
        kind,
        list: false,
        all: None,
    }
}

/// The site's parameters: `org`, `region`, `secret`, by this index.
pub(in crate::adapter::metabase) fn params() -> Vec<ParamSpec> {
    vec![
        spec("org", Mode::Locked, Type::String),
        spec("region", Mode::Enabled, Type::String),
        spec("secret", Mode::Disabled, Type::String),
    ]
}

/// What a reading makes of a layout for a site of these parameters.
pub(in crate::adapter::metabase) fn with(
    json: &Json,
    params: &[ParamSpec],
    kind: Kind,
) -> Result<Layout, LayoutError> {
    let modes: Vec<_> = params.iter().map(|spec| spec.mode).collect();
    let lens = Lens {
        params,
        modes: &modes,
    };
    Layout::read(json.to_string().as_bytes(), kind, lens)
}

/// What a reading makes of a layout, for the site of [`params`].
pub(in crate::adapter::metabase) fn read(json: &Json, kind: Kind) -> Layout {
    with(json, &params(), kind).unwrap()
}

/// One of Metabase's parameters.
pub(in crate::adapter::metabase) fn parameter(slug: &str, kind: &str) -> Json {
    json!({"id": format!("id-{slug}"), "name": format!("The {slug}"), "slug": slug, "type": kind, "sectionId": "string"})
}

/// A connection of a parameter and a card.
pub(in crate::adapter::metabase) fn mapping(
    slug: &str,
    card: u64,
    target: impl Into<Json>,
) -> Json {
    let target = target.into();
    json!({"parameter_id": format!("id-{slug}"), "card_id": card, "target": target})
}

/// A target: a field.
pub(in crate::adapter::metabase) fn field(id: u64) -> Json {
    json!(["dimension", ["field", id, {"base-type": "type/Text"}], {"stage-number": 0}])
}

/// A target: a template tag, by a variable.
pub(in crate::adapter::metabase) fn tag(name: &str) -> Json {
    json!(["variable", ["template-tag", name]])
}

/// A card of a built query.
pub(in crate::adapter::metabase) fn card(id: u64) -> Json {
    json!({"id": id, "name": format!("Card {id}"), "display": "bar", "visualization_settings": {}, "parameters": [],
        "dataset_query": {"type": "query", "database": 1, "query": {"source-table": 2, "aggregation": [["count"]]}}})
}

/// A card of SQL with template tags.
pub(in crate::adapter::metabase) fn native(id: u64, tags: &[&str]) -> Json {
    let own = |tag: &&str| json!({"id": format!("tag-{tag}"), "slug": tag, "name": tag, "type": "string/=", "target": crate::adapter::metabase::layout::testing::tag(tag)});
    let template: serde_json::Map<_, _> = tags
        .iter()
        .map(|tag| ((*tag).to_owned(), json!({"id": format!("tag-{tag}"), "name": tag, "display-name": tag, "type": "text"})))
        .collect();
    json!({"id": id, "name": format!("Card {id}"), "display": "table", "visualization_settings": {},
        "parameters": tags.iter().map(own).collect::<Vec<_>>(),
        "dataset_query": {"type": "native", "database": 1, "native": {"query": "-", "template-tags": template}}})
}

/// A dashcard.
pub(in crate::adapter::metabase) fn dashcard(
    id: u64,
    card: impl Into<Json>,
    mappings: &[Json],
) -> Json {
    let card = card.into();
    json!({"id": id, "card_id": card["id"], "dashboard_id": 10, "card": card, "series": [], "row": 0, "col": 0, "size_x": 4, "size_y": 3,
        "parameter_mappings": mappings, "inline_parameters": [], "visualization_settings": {}, "action": null})
}

/// A dashboard with all four parameters.
pub(in crate::adapter::metabase) fn dashboard(dashcards: &[Json]) -> Json {
    let parameters: Vec<_> = ["org", "region", "secret", "other"]
        .iter()
        .map(|slug| parameter(slug, "string/="))
        .collect();
    json!({"id": 10, "name": "Accounts", "description": null, "parameters": parameters, "auto_apply_filters": true, "width": "full",
        "tabs": [{"id": 1, "name": "First"}], "param_fields": {"id-org": [{"id": 61}], "id-region": [{"id": 62, "name": "REGION"}]},
        "dashcards": dashcards})
}
