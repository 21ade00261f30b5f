//! What it costs to read, judge and rewrite the layout of a Metabase dashboard: one of ten cards, and one of 2 MB.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use embedgate::{
    adapter::metabase::{
        Kind, Lens, Unmapped,
        layout::Layout,
        prune::{Keep, prune},
    },
    gate::{
        param::{Mode, ParamSpec, Type},
        query,
    },
};
use serde_json::{Value, json};

fn spec(name: &str, mode: Mode) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        folded: query::fold(name).into(),
        mode,
        kind: Type::Integer,
        list: true,
        all: None,
    }
}

/// A dashcard with its card, mapped to the locked parameter and to an open one, with settings for thirty columns.
fn dashcard(id: u64) -> Value {
    let card = id + 1000;
    let columns: serde_json::Map<String, Value> = (0..30)
        .map(|column| {
            let settings = json!({"column_title": format!("Column {column}"), "number_style": "currency", "decimals": 2, "scale": 0.01,
                "click_behavior": {"type": "link", "linkType": "url", "linkTemplate": "https://example.com/{{organization_id}}"}});
            (format!("[\"name\",\"COLUMN_{column}\"]"), settings)
        })
        .collect();
    json!({
        "id": id, "card_id": card, "dashboard_id": 10, "dashboard_tab_id": 1, "row": id, "col": 0, "size_x": 12, "size_y": 6,
        "card": {
            "id": card, "name": format!("Revenue {id}"), "description": "What came in, by month.", "display": "table", "entity_id": "abcdefghijklmnopqrstu",
            "visualization_settings": {"table.columns": (0..30).map(|column| json!({"name": format!("COLUMN_{column}"), "enabled": true})).collect::<Vec<_>>()},
            "parameters": [], "dataset_query": {"type": "native", "native": {"query": "-", "template-tags": {"organization_id": {"id": "t1", "name": "organization_id", "type": "number"},
                "region": {"id": "t2", "name": "region", "type": "number"}}}}
        },
        "series": [], "action": null, "inline_parameters": [],
        "parameter_mappings": [
            {"parameter_id": "5aefc725", "card_id": card, "target": ["variable", ["template-tag", "organization_id"]]},
            {"parameter_id": "b0c4d21e", "card_id": card, "target": ["variable", ["template-tag", "region"]]}
        ],
        "visualization_settings": {"column_settings": columns}
    })
}

fn dashboard(dashcards: u64) -> String {
    let dashcards: Vec<_> = (1..=dashcards).map(dashcard).collect();
    json!({
        "id": 10, "name": "Accounts", "description": null, "auto_apply_filters": true, "width": "fixed", "tabs": [{"id": 1, "name": "First"}],
        "parameters": [
            {"id": "5aefc725", "slug": "organization_id", "name": "Organization", "type": "number/=", "sectionId": "number"},
            {"id": "b0c4d21e", "slug": "region", "name": "Region", "type": "number/=", "sectionId": "number", "filteringParameters": ["5aefc725"]}
        ],
        "param_fields": {"5aefc725": [{"id": 61, "name": "ORGANIZATION_ID"}], "b0c4d21e": [{"id": 62, "name": "REGION"}]},
        "dashcards": dashcards
    })
    .to_string()
}

fn layouts(c: &mut Criterion) {
    let params = [
        spec("organization_id", Mode::Locked),
        spec("region", Mode::Enabled),
    ];
    let modes = [Mode::Locked, Mode::Enabled];
    let lens = Lens {
        params: &params,
        modes: &modes,
    };
    for (name, dashcards) in [("10 cards", 10), ("2 MB", 265)] {
        let text = dashboard(dashcards);
        let json = text.as_bytes();
        let layout = Layout::read(json, Kind::Dashboard, lens).unwrap();
        let keep = Keep {
            layout: &layout,
            open: &[1],
            safe: &[],
            unmapped: Unmapped::Deny,
        };
        let shown = String::from_utf8(prune(json, &keep).unwrap()).unwrap();
        assert!(shown.contains("Revenue 10") && !shown.contains("organization_id"));
        let mut group = c.benchmark_group(format!("metabase layout, {name}"));
        group.throughput(Throughput::Bytes(json.len().try_into().unwrap()));
        group.bench_function("read and judge", |b| {
            b.iter(|| Layout::read(black_box(json), Kind::Dashboard, lens));
        });
        group.bench_function("rewrite", |b| b.iter(|| prune(black_box(json), &keep)));
        group.finish();
    }
}

criterion_group!(benches, layouts);
criterion_main!(benches);
