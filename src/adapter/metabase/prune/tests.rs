use serde_json::{Value as Json, json};

use super::{
    super::layout::testing::{
        card, dashboard, dashcard, field, mapping, native, parameter, read, tag,
    },
    *,
};

mod random;

/// What a viewer who may set `region` gets.
fn pruned(json: &Json, kind: Kind) -> Json {
    through(json, kind, &[1], &[])
}

fn through(json: &Json, kind: Kind, open: &[usize], safe: &[usize]) -> Json {
    let layout = read(json, kind);
    let keep = Keep {
        layout: &layout,
        open,
        safe,
        unmapped: Unmapped::Deny,
    };
    let once = prune(json.to_string().as_bytes(), &keep).unwrap();
    let twice = prune(&once, &keep).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&once),
        String::from_utf8_lossy(&twice)
    );
    serde_json::from_slice(&once).unwrap()
}

/// A dashcard that the lock reaches, with one member set.
fn covered_with(pointer: &str, value: Json) -> Json {
    let mut json = dashcard(31, card(44), &[mapping("org", 44, field(61))]);
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap()[last] = value;
    json
}

/// The same, as a viewer gets it.
fn after(pointer: &str, value: Json) -> Option<Json> {
    let out = pruned(&dashboard(&[covered_with(pointer, value)]), Kind::Dashboard);
    out.pointer(&format!("/dashcards/0{pointer}")).cloned()
}

#[test]
fn hidden_parameters_leave_every_place() {
    let mut json = dashboard(&[dashcard(
        31,
        native(44, &["org", "region"]),
        &[
            mapping("org", 44, tag("org")),
            mapping("region", 44, tag("region")),
            mapping("other", 44, field(3)),
            mapping("unknown", 44, field(4)),
        ],
    )]);
    json["parameters"][1]["filteringParameters"] = json!(["id-org", "id-region", "id-unknown"]);
    json["param_values"] = json!({"id-org": [["acme"], ["globex"]], "id-region": [["west"]]});
    json["dashcards"][0]["inline_parameters"] = json!(["id-org", "id-region", "id-unknown"]);
    json["dashcards"][0]["card"]["param_fields"] = json!({"tag-org": [1], "tag-region": [2]});
    let out = pruned(&json, Kind::Dashboard);
    let mut region = parameter("region", "string/=");
    region["filteringParameters"] = json!(["id-region"]);
    assert_eq!(out["parameters"], json!([region]));
    assert_eq!(
        out["param_fields"],
        json!({"id-region": [{"id": 62, "name": "REGION"}]})
    );
    assert_eq!(out.get("param_values"), None);
    let dashcard = &out["dashcards"][0];
    assert_eq!(
        dashcard["parameter_mappings"],
        json!([mapping("region", 44, tag("region"))])
    );
    assert_eq!(dashcard["inline_parameters"], json!(["id-region"]));
    let mut card = native(44, &["region"]);
    card["param_fields"] = json!({"tag-region": [2]});
    assert_eq!(dashcard["card"], card);
    let text = out.to_string();
    for name in [
        "id-org",
        "org",
        "id-secret",
        "secret",
        "id-other",
        "other",
        "unknown",
        "acme",
    ] {
        assert!(!text.contains(name), "{name} in {text}");
    }
}

#[test]
fn a_preset_parameter_is_hidden_too() {
    let json = dashboard(&[]);
    let out = through(&json, Kind::Dashboard, &[], &[]);
    assert_eq!(out["parameters"], json!([]));
    assert_eq!(out["param_fields"], json!({}));
    // A locked or disabled one is never shown, whatever is asked for.
    let out = through(&json, Kind::Dashboard, &[0, 1, 2, 3], &[]);
    assert_eq!(out["parameters"], json!([parameter("region", "string/=")]));
}

#[test]
fn a_parameter_that_changed_since_is_hidden() {
    let layout = read(&dashboard(&[]), Kind::Dashboard);
    let mut json = dashboard(&[]);
    json["parameters"][1]["slug"] = json!("area");
    json["parameters"][3]["slug"] = json!("region");
    let keep = Keep {
        layout: &layout,
        open: &[1],
        safe: &[],
        unmapped: Unmapped::Deny,
    };
    let out = prune(json.to_string().as_bytes(), &keep).unwrap();
    assert!(
        String::from_utf8(out)
            .unwrap()
            .contains("\"parameters\":[]")
    );
}

#[test]
fn cards_without_the_lock_are_left_out() {
    let reached = [
        mapping("org", 44, field(1)),
        mapping("region", 45, field(2)),
        mapping("region", 44, field(2)),
    ];
    let mut series = dashcard(31, card(44), &reached);
    series["series"] = json!([card(45)]);
    let mut series_only = dashcard(32, card(45), &[mapping("org", 44, field(1))]);
    series_only["series"] = json!([card(44)]);
    let text = json!({"id": 33, "card_id": null, "card": {}, "parameter_mappings": [], "visualization_settings": {"text": "Hello"}});
    let json = dashboard(
        &[
            series,
            series_only,
            text.clone(),
            covered_with("/action", json!({"id": 9})),
            covered_with("/id", json!(-1)),
            dashcard(36, card(46), &[]),
            json!(null),
        ]
        .into_iter()
        .enumerate()
        .map(|(index, mut dashcard)| {
            if index == 3 {
                dashcard["id"] = json!(34);
            }
            dashcard
        })
        .collect::<Vec<_>>(),
    );
    let out = pruned(&json, Kind::Dashboard);
    let ids: Vec<_> = out["dashcards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dashcard| dashcard["id"].clone())
        .collect();
    assert_eq!(ids, [json!(31), json!(33)]);
    assert_eq!(out["dashcards"][0]["series"], json!([]));
    assert_eq!(
        out["dashcards"][0]["parameter_mappings"],
        json!([mapping("region", 44, field(2))])
    );
    assert_eq!(out["dashcards"][1], text);
    // Only reported: all that has data is there, buttons are not.
    let layout = read(&json, Kind::Dashboard);
    let keep = Keep {
        layout: &layout,
        open: &[1],
        safe: &[],
        unmapped: Unmapped::Report,
    };
    let out: Json =
        serde_json::from_slice(&prune(json.to_string().as_bytes(), &keep).unwrap()).unwrap();
    assert_eq!(out["dashcards"].as_array().unwrap().len(), 4);
}

#[test]
fn clicks_stay_on_the_dashboard() {
    let to = |id: &str| json!({"type": "crossfilter", "parameterMapping": {id: {"id": id, "source": {"type": "column", "id": "A", "name": "A"}, "target": {"type": "parameter", "id": id}}}});
    let mut by_parameter = to("id-region");
    by_parameter["parameterMapping"]["id-region"]["source"] =
        json!({"type": "parameter", "id": "id-org"});
    let mut elsewhere = to("id-region");
    elsewhere["parameterMapping"]["id-region"]["target"]["id"] = json!("id-other");
    let mut both = to("id-region");
    both["parameterMapping"]["id-org"] = to("id-org")["parameterMapping"]["id-org"].clone();
    let mut more = to("id-region");
    more["linkTemplate"] = json!("https://x.example/{{org}}");
    let table = [
        (to("id-region"), true),
        (json!({"type": "crossfilter", "parameterMapping": {}}), true),
        (json!({"type": "crossfilter"}), true),
        (to("id-org"), false),
        (to("id-unknown"), false),
        (by_parameter, false),
        (elsewhere, false),
        (both, false),
        (more, false),
        (
            json!({"type": "crossfilter", "parameterMapping": []}),
            false,
        ),
        (
            json!({"type": "link", "linkType": "dashboard", "targetId": 11, "parameterMapping": {}}),
            false,
        ),
        (
            json!({"type": "link", "linkType": "url", "linkTemplate": "/public/dashboard/b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11"}),
            false,
        ),
        (json!({"type": "actionMenu"}), false),
        (json!("link"), false),
        (json!(null), false),
    ];
    for (behavior, stays) in table {
        let settings = |behavior: &Json| {
            json!({"click_behavior": behavior, "column_settings": {"[\"name\",\"A\"]": {"click_behavior": behavior, "decimals": 1.50}},
            "visualization": {"settings": {"deep": [{"click_behavior": behavior}]}}})
        };
        let expected = if stays {
            settings(&behavior)
        } else {
            json!({"column_settings": {"[\"name\",\"A\"]": {"decimals": 1.50}}, "visualization": {"settings": {"deep": [{}]}}})
        };
        for pointer in ["/visualization_settings", "/card/visualization_settings"] {
            let out = after(pointer, settings(&behavior)).unwrap();
            assert_eq!(out, expected, "{pointer} {behavior}");
        }
    }
}

#[test]
fn sources_of_values_stay_where_they_are_safe() {
    let mut json = dashboard(&[]);
    for index in 0..4 {
        json["parameters"][index]["values_source_type"] = json!("static-list");
        json["parameters"][index]["values_source_config"] = json!({"values": ["acme", "globex"]});
    }
    let safe = through(&json, Kind::Dashboard, &[1], &[0, 1, 2]);
    assert_eq!(safe["parameters"], json!([json["parameters"][1]]));
    let out = through(&json, Kind::Dashboard, &[1], &[0]);
    assert_eq!(out["parameters"], json!([parameter("region", "string/=")]));
}

#[test]
fn private_members_go_at_every_level() {
    let private = [
        "public_uuid",
        "made_public_by_id",
        "collection",
        "collection_id",
        "collection_position",
        "creator",
        "creator_id",
        "embedding_params",
        "enable_embedding",
        "last-edit-info",
        "last_used_param_values",
        "param_values",
        "ordered_cards",
    ];
    let mut json = dashboard(&[covered_with("/series", json!([]))]);
    for name in private {
        json[name] = json!({"id-region": 1});
        json["dashcards"][0][name] = json!(1);
        json["dashcards"][0]["card"][name] = json!("x");
    }
    for name in ["legacy_query", "result_metadata", "parameter_mappings"] {
        json["dashcards"][0]["card"][name] = json!([1]);
    }
    let out = pruned(&json, Kind::Dashboard);
    let mut expected = pruned(
        &dashboard(&[covered_with("/series", json!([]))]),
        Kind::Dashboard,
    );
    assert_eq!(out, expected);
    // What is only named alike stays where it belongs.
    json["dashcards"][0]["visualization_settings"] =
        json!({"creator": 1, "graph.dimensions": ["collection"]});
    expected["dashcards"][0]["visualization_settings"] =
        json["dashcards"][0]["visualization_settings"].clone();
    assert_eq!(pruned(&json, Kind::Dashboard), expected);
}

#[test]
fn queries_are_blanked_as_far_as_the_upstream_left_them() {
    let uuid = json!({"lib/uuid": "u"});
    let table = [
        (
            json!({"type": "native", "database": 1, "native": {"query": "select 1", "collection": "c", "template-tags": {"org": {"default": "acme"}}}, "parameters": [1]}),
            json!({"type": "native", "database": 1, "native": {"query": "-", "template-tags": {}}}),
        ),
        (
            json!({"type": "query", "query": {"source-table": 2, "filter": ["=", ["field", 1, null], "acme"], "joins": [{}], "limit": 5,
                "aggregation": [["count"], ["sum", ["field", 3, null]], ["count-where", ["=", ["field", 1, null], "acme"]]], "breakout": [["field", 4, {"temporal-unit": "month"}]]}}),
            json!({"type": "query", "query": {"source-table": 2, "limit": 5, "aggregation": [["count"], ["sum", ["field", 3, null]], ["count"]],
                "breakout": [["field", 4, {"temporal-unit": "month"}]]}}),
        ),
        (
            json!({"lib/type": "mbql/query", "lib/metadata": {"x": 1}, "stages": [{"lib/type": "mbql.stage/native", "native": "select 1", "template-tags": {"org": 1}},
                {"lib/type": "mbql.stage/mbql", "source-table": 1, "filters": [[]], "aggregation": [["count", uuid], ["sum-where", uuid]]}]}),
            json!({"lib/type": "mbql/query", "stages": [{"lib/type": "mbql.stage/native", "native": "-", "template-tags": {}},
                {"lib/type": "mbql.stage/mbql", "source-table": 1, "aggregation": [["count", uuid], ["count"]]}]}),
        ),
    ];
    for (query, blanked) in table {
        let is_sql = query.to_string().contains("template-tags");
        let target = if is_sql { tag("org") } else { field(61) };
        let mut json = dashcard(31, card(44), &[mapping("org", 44, target)]);
        json["card"]["dataset_query"] = query.clone();
        let out = pruned(&dashboard(&[json]), Kind::Dashboard);
        let seen = out.pointer("/dashcards/0/card/dataset_query");
        assert_eq!(seen, Some(&blanked), "{query}");
    }
    assert_eq!(after("/card/dataset_query", json!("select 1")), None);
}

#[test]
fn columns_keep_their_names_and_lose_their_extremes() {
    let mut json = dashboard(&[]);
    json["param_fields"]["id-region"] =
        json!([{"id": 62, "name": "REGION", "fingerprint": {"global": {"distinct-count": 9}}}]);
    let out = pruned(&json, Kind::Dashboard);
    assert_eq!(
        out["param_fields"],
        json!({"id-region": [{"id": 62, "name": "REGION"}]})
    );
}

#[test]
fn texts_do_not_name_hidden_tags() {
    let mut text = json!({"id": 33, "card_id": null, "card": null, "visualization_settings": {"text": "For {{customer}}[[ in {{ region }}]] {{org}}"}});
    text["parameter_mappings"] = json!([
        {"parameter_id": "id-org", "card_id": null, "target": ["text-tag", "customer"]},
        {"parameter_id": "id-region", "card_id": null, "target": ["text-tag", "region"]}
    ]);
    let out = pruned(&dashboard(&[text]), Kind::Dashboard);
    assert_eq!(
        out["dashcards"][0]["visualization_settings"]["text"],
        "For [[ in {{ region }}]] "
    );
    assert_eq!(
        out["dashcards"][0]["parameter_mappings"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn ids_of_hidden_parameters_are_found_where_nobody_looks_for_them() {
    let mut json = dashboard(&[covered_with(
        "/new_member",
        json!({"a": ["id-org", "x", {"id-secret": 1, "b": "id-other"}]}),
    )]);
    json["id-org"] = json!(1);
    json["newer"] = json!("id-org");
    json["parameters"][1]["linked"] = json!(["id-org", "id-region"]);
    let out = pruned(&json, Kind::Dashboard);
    assert_eq!(out["dashcards"][0]["new_member"], json!({"a": ["x", {}]}));
    assert_eq!(out["parameters"][0]["linked"], json!(["id-region"]));
    assert_eq!((out.get("id-org"), out.get("newer")), (None, None));
}

#[test]
fn a_question_keeps_its_open_parameters() {
    let mut json = native(5, &["org", "region", "secret"]);
    json["parameters"][1]["default"] = json!(["west"]);
    json["param_fields"] = json!({"tag-org": [1], "tag-region": [{"id": 2}]});
    json["param_values"] = json!({"tag-region": [["west"]]});
    json["entity_id"] = json!("abc");
    let out = pruned(&json, Kind::Question);
    let mut expected = native(5, &["region"]);
    expected["parameters"][0]["default"] = json!(["west"]);
    expected["param_fields"] = json!({"tag-region": [{"id": 2}]});
    expected["entity_id"] = json!("abc");
    assert_eq!(out, expected);
    // Tags alone.
    let mut json = native(5, &["org", "region"]);
    json["parameters"] = json!([]);
    let out = pruned(&json, Kind::Question);
    let tags = &out["dataset_query"]["native"]["template-tags"];
    assert_eq!(
        tags.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["region"]
    );
}

#[test]
fn what_stays_keeps_its_text() {
    let text = r#" { "id":10, "name":"caf\u00e9", "big":12345678901234567890123, "float":1.50e+3,
        "parameters":[{"id":"a","slug":"org","type":"id"}, {"slug":"region","id":"b","min":-0.10}],
        "dashcards":[ {"id":31,"card_id":44,"parameter_mappings":[{"parameter_id":"a","card_id":44,"target":["dimension",["field",1,null]]}],"size":1.0,"x": [ 1 , 2 ]} ],
        "param_values":{} } "#;
    let json: Json = serde_json::from_str(text).unwrap();
    let layout = read(&json, Kind::Dashboard);
    let keep = Keep {
        layout: &layout,
        open: &[1],
        safe: &[],
        unmapped: Unmapped::Deny,
    };
    let out = prune(text.as_bytes(), &keep).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"id":10,"name":"caf\u00e9","big":12345678901234567890123,"float":1.50e+3,"parameters":[{"slug":"region","id":"b","min":-0.10}],"dashcards":[{"id":31,"card_id":44,"parameter_mappings":[],"size":1.0,"x":[ 1 , 2 ]}]}"#
    );
}

#[test]
fn nothing_is_pruned_that_is_unfit_or_ambiguous() {
    let mut json = dashboard(&[]);
    let fit = read(&json, Kind::Dashboard);
    json["parameters"][0]["type"] = json!("string/contains");
    let unfit = read(&json, Kind::Dashboard);
    let keep = |layout| Keep {
        layout,
        open: &[1],
        safe: &[],
        unmapped: Unmapped::Deny,
    };
    let text = json.to_string();
    assert!(matches!(
        prune(text.as_bytes(), &keep(&unfit)),
        Err(LayoutError::Unfit(_))
    ));
    assert!(prune(text.as_bytes(), &keep(&fit)).is_ok());
    for bad in [
        "[]",
        "null",
        "{}",
        "{\"dashcards\":{}}",
        "{\"dashcards\":[],\"dashcards\":[]}",
        "{\"dashcards\":[{\"id\":1,\"id\":2}]}",
        "{\"dashcards\":[],\"parameters\":[{\"id\":\"a\"},{\"id\":\"a\"}]}",
        "{\"dashcards\":[]} x",
        "",
    ] {
        assert!(prune(bad.as_bytes(), &keep(&fit)).is_err(), "{bad}");
    }
}
