//! What a layout tells its viewer (rows 2, 3, 9, 24, 25, 31 to 39, 53 to 55 of the contract's 5.1), and what stands between a token and a layout (4 to 8, 26
//! to 30).

use serde_json::{Value, json};

use super::{
    setup::Scene,
    wide::{
        MINE, grant, named, names_own_only, own, own_and, plain, refused, signed_by, whole, wide,
    },
};
use crate::support::{
    client::Reply,
    gateway,
    metabase::fixtures::{on_dashboard, on_question},
    token,
};

fn dashboard(scene: &Scene, params: &Value) -> Reply {
    let token = grant("dashboard", &json!(42), params);
    scene.get(&format!("/api/embed/dashboard/{token}"))
}

fn question(scene: &Scene, id: u64, params: &Value) -> Reply {
    let token = grant("question", &json!(id), params);
    scene.get(&format!("/api/embed/card/{token}"))
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

fn slugs(layout: &Value) -> Vec<&str> {
    let all = layout["parameters"].as_array().unwrap();
    all.iter()
        .map(|one| one["slug"].as_str().unwrap())
        .collect()
}

fn ids(numbers: &[u64]) -> Vec<String> {
    numbers
        .iter()
        .map(|number| on_dashboard(42, *number))
        .collect()
}

#[test]
fn row_2_a_question_has_the_bare_minimum_of_members() {
    let scene = wide("");
    let reply = question(&scene, 7, &own());
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(
        keys(&reply.json()),
        [
            "dataset_query",
            "description",
            "display",
            "entity_id",
            "id",
            "name",
            "param_fields",
            "parameters",
            "visualization_settings",
        ]
    );
}

#[test]
fn row_3_25_queries_are_blank() {
    let scene = wide("");
    let query = question(&scene, 6, &own()).json()["dataset_query"].clone();
    assert_eq!(query["native"]["query"], "-");
    let query = question(&scene, 7, &own()).json()["dataset_query"].clone();
    assert_eq!(keys(&query["query"]), ["aggregation", "source-table"]);
    let layout = dashboard(&scene, &own()).json();
    for dashcard in layout["dashcards"].as_array().unwrap() {
        let query = &dashcard["card"]["dataset_query"];
        let text = query.to_string();
        assert!(
            !text.contains("SELECT") && !text.contains("filter"),
            "{text}"
        );
        if query["type"] == "native" {
            assert_eq!(query["native"]["query"], "-");
        }
    }
}

#[test]
fn row_4_27_an_expired_token() {
    let scene = wide("");
    let now = gateway::now();
    for (kind, id, api) in [("dashboard", 42, "dashboard"), ("question", 7, "card")] {
        let expired = token(&json!({
            "resource": { kind: id }, "params": own(), "iat": now - 300, "exp": now - 60,
        }));
        for target in [
            format!("/api/embed/{api}/{expired}"),
            format!("/embed/{kind}/{expired}"),
        ] {
            let reply = scene.get(&target);
            refused(&reply, 401, "token_expired");
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(challenge.contains("token_expired"), "{challenge}");
        }
    }
    assert!(scene.metabase.seen().is_empty());
}

#[test]
fn row_5_26_ids_that_are_none() {
    let scene = wide("");
    for (id, status, code) in [
        (json!(0), 403, "resource_denied"),
        (json!(-1), 403, "resource_denied"),
        (json!(8.0), 401, "token_invalid"),
        (json!("08"), 403, "resource_denied"),
        (json!("8 "), 403, "resource_denied"),
        (json!("../8"), 403, "resource_denied"),
        (json!("abc"), 403, "resource_denied"),
        (json!(true), 401, "token_invalid"),
        (json!(null), 401, "token_invalid"),
        (json!([8]), 401, "token_invalid"),
        (json!({ "id": 8 }), 401, "token_invalid"),
    ] {
        let reply = scene.get(&format!(
            "/api/embed/card/{}",
            grant("question", &id, &own())
        ));
        assert_eq!(
            (reply.status, &*reply.code()),
            (status, code),
            "{id} {reply:?}"
        );
        let reply = scene.get(&format!(
            "/api/embed/dashboard/{}",
            grant("dashboard", &id, &own())
        ));
        assert_eq!(
            (reply.status, &*reply.code()),
            (status, code),
            "{id} {reply:?}"
        );
    }
    assert!(scene.metabase.seen().is_empty());
}

#[test]
fn row_6_7_28_29_off_unpublished_archived_or_not_there_tell_nothing() {
    let scene = wide("");
    let seen = |scene: &Scene, status: u16| {
        for reply in [dashboard(scene, &own()), question(scene, 7, &own())] {
            assert_eq!((reply.status, reply.text()), (status, "An error occurred."));
            assert_eq!(
                reply.header("content-type"),
                Some("text/plain; charset=utf-8")
            );
        }
    };
    scene.metabase.edit(|store| {
        store.dashboard(42).embedding.enabled = false;
        store.card(7).embedding.enabled = false;
    });
    seen(&scene, 400);
    scene.metabase.edit(|store| store.embedding = false);
    seen(&scene, 400);
    scene.metabase.edit(|store| {
        store.embedding = true;
        store.dashboards.retain(|one| one.id != 42);
        store.cards.retain(|one| one.id != 7);
    });
    seen(&scene, 404);
    scene
        .metabase
        .edit(|store| store.behaviour.not_found_400 = true);
    seen(&scene, 400);
}

#[test]
fn row_8_30_another_key() {
    let scene = wide("");
    let claims = json!({
        "aud": "embedgate", "sub": "v", "exp": gateway::now() + 60, "resource": { "question": 7 }, "params": own(),
    });
    for (algorithm, key) in [
        ("HS256", gateway::SESSION),
        ("HS256", crate::support::metabase::SECRET),
        ("HS384", &gateway::APP.repeat(2)),
        ("HS512", &gateway::APP.repeat(2)),
    ] {
        let forged = signed_by(algorithm, key.as_bytes(), &claims);
        let reply = scene.get(&format!("/api/embed/card/{forged}"));
        refused(&reply, 401, "token_invalid");
    }
}

#[test]
fn row_9_only_enabled_parameters_that_the_token_does_not_set_come_back_of_a_question() {
    let scene = wide("");
    // `organization_id` is locked, `note` disabled.
    let layout = question(&scene, 6, &own()).json();
    assert_eq!(slugs(&layout), ["region", "plan"]);
    let preset = own_and(&json!({ "region": "Europe" }));
    let layout = question(&scene, 6, &preset).json();
    assert_eq!(slugs(&layout), ["plan"]);
    // Not even Metabase knows better: what its policy opens and the site does not declare stays hidden.
    scene.metabase.edit(|store| {
        use crate::support::metabase::store::{Mode, Parameter};
        let card = store.card(6);
        card.parameters
            .push(Parameter::new("b0069999", "stray", "category"));
        card.embedding.params.push(("stray".into(), Mode::Enabled));
        for (slug, mode) in &mut card.embedding.params {
            if slug == "note" {
                *mode = Mode::Enabled;
            }
        }
    });
    let reply = question(&scene, 6, &own());
    assert_eq!(slugs(&reply.json()), ["region", "plan"]);
    for hidden in ["stray", "note", "b0069999", &on_question(6, 1), MINE] {
        assert!(!reply.text().contains(hidden), "{hidden}");
    }
}

#[test]
fn row_24_a_dashboard_has_the_bare_minimum_of_members_by_number_and_entity_id() {
    let scene = wide("");
    let entity = grant("dashboard", &json!("D00000000000000000042"), &own());
    let by_entity = scene.get(&format!("/api/embed/dashboard/{entity}"));
    let reply = dashboard(&scene, &own());
    for reply in [&reply, &by_entity] {
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(
            keys(&reply.json()),
            [
                "auto_apply_filters",
                "dashcards",
                "description",
                "id",
                "name",
                "param_fields",
                "parameters",
                "tabs",
                "width",
            ]
        );
        assert_eq!(reply.json()["id"], 42);
    }
    assert_eq!(reply.text(), by_entity.text());
    let own_dashcards = reply.json()["dashcards"].as_array().unwrap().len();
    assert_eq!(own_dashcards, 8);
}

#[test]
fn row_31_35_36_53_only_enabled_parameters_come_back_of_a_dashboard() {
    let scene = wide("");
    let reply = dashboard(&scene, &own());
    let layout = reply.json();
    let open = [
        "region",
        "plan",
        "min_seats",
        "account",
        "tier",
        "owner",
        "name",
    ];
    assert_eq!(slugs(&layout), open);
    assert_eq!(keys(&layout["param_fields"]), ids(&[2, 3, 4, 5, 6, 7, 9]));
    for hidden in ids(&[1, 8, 10]) {
        assert!(!reply.text().contains(&hidden), "{hidden}");
    }
    let preset = own_and(&json!({ "region": ["Europe"], "name": "a" }));
    let reply = dashboard(&scene, &preset);
    assert_eq!(
        slugs(&reply.json()),
        &["plan", "min_seats", "account", "tier", "owner"]
    );
    for hidden in ids(&[1, 2, 8, 9, 10]) {
        assert!(!reply.text().contains(&hidden), "{hidden}");
    }
    // Metabase opens what the site does not.
    scene.metabase.edit(|store| {
        for (slug, mode) in &mut store.dashboard(42).embedding.params {
            if slug == "internal" {
                *mode = crate::support::metabase::store::Mode::Enabled;
            }
        }
    });
    assert_eq!(slugs(&dashboard(&scene, &own()).json()), open);
}

#[test]
fn row_32_the_own_values_stand_in_text_cards() {
    let scene = wide("");
    let text = |params: &Value| {
        let layout = dashboard(&scene, params).json();
        layout["dashcards"][5]["visualization_settings"]["text"].clone()
    };
    assert_eq!(text(&own()), "Accounts of 999");
    assert_eq!(text(&json!({ MINE: 777 })), "Accounts of 777");
}

#[test]
fn row_33_34_fields_are_told_without_what_they_hold() {
    let scene = wide("");
    for (layout, id) in [
        (dashboard(&scene, &own()).json(), on_dashboard(42, 2)),
        (question(&scene, 7, &own()).json(), on_question(7, 2)),
    ] {
        let field = &layout["param_fields"][&id][0];
        assert_eq!(field["name"], "REGION");
        assert_eq!(
            keys(field),
            [
                "base_type",
                "display_name",
                "has_field_values",
                "id",
                "name",
                "semantic_type",
                "table_id"
            ]
        );
    }
}

#[test]
fn row_37_template_tags_of_hidden_parameters_are_gone() {
    let scene = wide("");
    let tags = |params: &Value| {
        let layout = question(&scene, 6, params).json();
        let tags = &layout["dataset_query"]["native"]["template-tags"];
        keys(tags)
            .iter()
            .map(|one| (*one).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(tags(&own()), ["plan", "region"]);
    let layout = question(&scene, 6, &own()).json();
    assert_eq!(
        keys(&layout["param_fields"]),
        [on_question(6, 2), on_question(6, 3)]
    );
    let preset = own_and(&json!({ "region": "Europe", "plan": "Starter" }));
    let layout = question(&scene, 6, &preset);
    assert_eq!(layout.json()["param_fields"], json!({}));
    assert_eq!(tags(&preset), Vec::<String>::new());
    assert!(!layout.text().contains("Starter") && !layout.text().contains("Europe"));
}

#[test]
fn row_38_locked_parameters_take_values_fields_and_mappings_with_them() {
    let scene = wide("");
    scene.metabase.edit(|store| {
        store.behaviour.param_values = true;
        let dashcard = store.dashboard(42).dashcard(101);
        let target = dashcard.mappings[0].target.clone();
        dashcard
            .mappings
            .push(crate::support::metabase::store::Mapping {
                parameter: "ffffffff".into(),
                card: Some(201),
                target,
            });
    });
    let reply = dashboard(&scene, &own());
    let text = reply.text();
    for hidden in [
        "param_values",
        "ffffffff",
        &on_dashboard(42, 1),
        "\"organization_id\"",
    ] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert_eq!(named(&reply), 0);
    let layout = reply.json();
    for dashcard in layout["dashcards"].as_array().unwrap() {
        for mapping in dashcard["parameter_mappings"].as_array().unwrap() {
            let id = mapping["parameter_id"].as_str().unwrap();
            assert!(
                ids(&[2, 3, 4, 5, 6, 7, 9]).iter().any(|one| one == id),
                "{id}"
            );
        }
    }
    assert_eq!(
        layout["dashcards"][6]["inline_parameters"],
        json!(ids(&[3]))
    );
    // Links to other dashboards, and what they would carry along, are nobody's business.
    assert!(!text.contains("/public/dashboard/"), "{text}");
    let plan = &layout["parameters"][1];
    assert_eq!(plan["slug"], "plan");
    assert_eq!(plan["filteringParameters"], json!(ids(&[2])));
}

#[test]
fn row_39_an_enabled_parameter_keeps_the_field_that_it_shares_with_a_hidden_one() {
    let scene = wide("");
    // `plan` and `tier` are both about field 64.
    let preset = own_and(&json!({ "plan": "Starter" }));
    let layout = dashboard(&scene, &preset).json();
    assert!(layout["param_fields"].get(on_dashboard(42, 3)).is_none());
    assert_eq!(layout["param_fields"][on_dashboard(42, 6)][0]["id"], 64);
    let mappings = layout["dashcards"][0]["parameter_mappings"].to_string();
    assert!(mappings.contains(&on_dashboard(42, 6)) && mappings.contains("64"));
}

#[test]
fn row_54_a_card_of_a_series_is_served() {
    let scene = wide("");
    let token = plain("dashboard", 42, &own());
    let layout = dashboard(&scene, &own()).json();
    assert_eq!(layout["dashcards"][4]["series"][0]["id"], 206);
    for card in [205, 206] {
        let rows = scene.get(&format!(
            "/api/embed/dashboard/{token}/dashcard/105/card/{card}"
        ));
        assert_eq!(rows.status, 202, "{rows:?}");
    }
    let organizations = scene.get(&format!(
        "/api/embed/dashboard/{token}/dashcard/105/card/206"
    ));
    let rows = organizations.json()["data"]["rows"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0][0], 999);
    // A card of another dashcard, or of none.
    for (dashcard, card) in [(105, 201), (101, 206), (101, 208), (999, 201), (101, 7)] {
        let rows = scene.get(&format!(
            "/api/embed/dashboard/{token}/dashcard/{dashcard}/card/{card}"
        ));
        assert_eq!((rows.status, named(&rows)), (404, 0), "{dashcard}/{card}");
    }
}

#[test]
fn row_55_a_visualizer_keeps_its_settings_and_its_series() {
    let scene = wide("");
    let settings = json!({ "visualization": {
        "display": "line",
        "columnValuesMapping": { "COLUMN_1": [{ "sourceId": "card:206", "originalName": "count", "name": "COLUMN_1" }] },
        "settings": { "card.title": "Both" },
    } });
    let expected = settings.clone();
    scene
        .metabase
        .edit(|store| store.dashboard(42).dashcard(105).settings = settings);
    let layout = dashboard(&scene, &own()).json();
    assert_eq!(layout["dashcards"][4]["visualization_settings"], expected);
}

#[test]
fn a_layout_is_the_viewers_alone_and_holds_no_rows() {
    let scene = wide("");
    for reply in [dashboard(&scene, &own()), question(&scene, 6, &own())] {
        assert!(names_own_only(&reply) && named(&reply) == 0);
        let caching = reply.header("cache-control").unwrap();
        assert!(caching.starts_with("private"), "{caching}");
        for gone in ["etag", "last-modified", "accept-ranges"] {
            assert_eq!(reply.header(gone), None, "{gone}");
        }
        assert!(!whole(&reply).contains("metabase.inner"));
    }
}
