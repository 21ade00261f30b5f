//! What Metabase's own tests say of public links, by their row in the contract, through the gateway: it holds, for the viewer's rows.

use serde_json::{Value, json};

use super::{
    public_links::Links,
    public_setup::{MAIN, Outcome, Viewer, board, dashcard, encoded, filters, id, question, table},
};
use crate::support::metabase::{Behaviour, fixtures, store::Failed};

fn with(viewer: &Viewer<'_>, target: &str, parameters: &Value) -> Outcome {
    viewer.get(&format!(
        "{target}?parameters={}",
        encoded(&parameters.to_string())
    ))
}

fn query(id: u64) -> String {
    format!("{}/query", question(id))
}

fn slugs(layout: &Value) -> Vec<&str> {
    let all = layout["parameters"].as_array().unwrap();
    all.iter()
        .map(|one| one["slug"].as_str().unwrap())
        .collect()
}

/// Rows 92, 96–98, 111, 115–116: sharing is off, nothing is there, it is archived.
#[test]
fn row_092_096_111_115_what_is_not_there() {
    for behaviour in [Behaviour::default(), Behaviour::old()] {
        let missing = if behaviour.not_found_400 { 400 } else { 404 };
        let unknown = "c0000000-0000-4000-8000-000000009999";
        let links = Links::usual()
            .behaving(behaviour)
            .dashboard(48, "")
            .question(15, "");
        let scene = links
            .link(unknown, "question", "")
            .settings("layout_ttl = \"0s\"")
            .start();
        let claims = json!({"resources": [
            {"type": "dashboard", "id": fixtures::dashboard_link(48)}, {"type": "dashboard", "id": fixtures::dashboard_link(MAIN)},
            {"type": "question", "id": fixtures::question_link(15)}, {"type": "question", "id": fixtures::question_link(7)},
            {"type": "question", "id": unknown},
        ]});
        let viewer = Viewer::with(&scene, 999, &claims);
        for (layout, rows) in [
            (board(48), dashcard(48, 171, 201)),
            (question(15), query(15)),
            (
                format!("/api/public/card/{unknown}"),
                format!("/api/public/card/{unknown}/query"),
            ),
        ] {
            let outcome = viewer.get(&layout);
            assert_eq!(
                (outcome.reply.status, &*outcome.clean().text()),
                (missing, "An error occurred.")
            );
            viewer.get(&rows).refused("resource_denied");
        }
        viewer
            .get(&dashcard(MAIN, 101, 208))
            .refused("resource_denied");
        scene.metabase.edit(|store| store.sharing = false);
        for layout in [board(MAIN), question(7)] {
            let outcome = viewer.get(&layout);
            assert_eq!(
                (outcome.reply.status, &*outcome.clean().text()),
                (400, "An error occurred.")
            );
        }
        for rows in [table(), query(7)] {
            viewer.get(&rows).refused("resource_denied");
        }
    }
}

#[test]
fn row_092_101_fetch_a_card_without_any_permission_of_metabases() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let outcome = viewer.get(&question(7));
    let layout = outcome.clean().reply.json();
    assert_eq!(layout["name"], "Accounts, by clicks");
    assert_eq!(slugs(&layout), ["region", "plan", "account", "name"]);
    viewer.get(&query(7)).harmless(7);
}

#[test]
fn row_094_095_card_parameters_of_tags() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let layout = viewer.get(&question(6)).reply.json();
    assert_eq!(slugs(&layout), ["region", "plan"]);
    assert_eq!(layout["parameters"][1]["default"], "Business");
    let native = &layout["dataset_query"]["native"];
    assert_eq!(native["query"], "-");
    let tags: Vec<_> = native["template-tags"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(tags, ["region", "plan"]);
}

#[test]
fn row_099_100_execute_a_card_in_every_format() {
    let scene = Links::usual().start();
    scene.metabase.edit(|store| store.behaviour.max_results = 2);
    let viewer = Viewer::mine(&scene);
    viewer.get(&query(7)).harmless(2);
    for format in ["api", "csv", "json", "xlsx"] {
        let outcome = viewer.get(&format!(
            "{}/{format}?format_rows=true&pivot_results=false",
            query(7)
        ));
        outcome.harmless(7);
        let named = outcome
            .reply
            .header("content-disposition")
            .is_some_and(|one| one.contains("accounts"));
        assert_eq!(named, format != "api");
        let sent = outcome.sent().query();
        assert!(
            sent.contains(&("format_rows".into(), "true".into())),
            "{sent:?}"
        );
    }
    assert!(
        viewer
            .get(&format!("{}/csv?format_rows=true", query(7)))
            .text()
            .contains("\"3,150\"")
    );
    viewer
        .get(&format!("{}/csv?format_rows=yes", query(7)))
        .refused("request_malformed");
}

#[test]
fn row_102_parameters_as_json() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let typical = json!([{"id": "b0070002", "type": "string/=", "value": ["Europe"], "target": ["dimension", ["field", 63, null]], "slug": "region", "name": "Region"}]);
    let extra = json!([{"id": "b0070002", "value": ["Europe"], "filteringParameters": [], "hasVariableTemplateTagTarget": true, "x": {"y": [null]}}]);
    for parameters in [
        typical,
        extra,
        json!([{"id": "b0070002", "type": "string/=", "value": ["Europe"]}]),
        json!([{"id": "b0070002", "value": ["Europe"]}]),
        json!([{"id": "b0070002", "value": "Europe"}]),
    ] {
        with(&viewer, &query(7), &parameters).harmless(3);
    }
    with(
        &viewer,
        &query(7),
        &json!([{"id": "b0070002", "value": ["Europe", "Americas"]}]),
    )
    .harmless(6);
    with(&viewer, &query(7), &json!([{"id": "b0070002"}])).harmless(7);
    with(&viewer, &query(7), &json!({"region": "Europe"})).refused("request_malformed");
}

#[test]
fn row_103_104_category_and_defaults_of_a_text_tag() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let plan = |value: Value| json!([{"id": "b0060003", "type": "category", "value": value}]);
    with(&viewer, &query(6), &plan(json!("Starter"))).harmless(2);
    viewer.get(&query(6)).harmless(4);
    // Unfiltered by the plan: all that the viewer has, and no more.
    with(&viewer, &query(6), &plan(json!(null))).harmless(7);
}

#[test]
fn row_105_106_a_required_parameter() {
    for failed in [Failed::Status400, Failed::Status202, Failed::Late] {
        let scene = Links::usual().start();
        scene.metabase.edit(|store| store.behaviour.failed = failed);
        let viewer = Viewer::mine(&scene);
        let outcome = viewer.get(&query(11));
        outcome.clean().locked(&json!([999]));
        assert_eq!(
            outcome.reply.status,
            if failed == Failed::Status400 {
                400
            } else {
                202
            }
        );
        let body = outcome.reply.json();
        assert_eq!(body["error_type"], "missing-required-parameter");
        assert_eq!(
            body["_status"].as_u64(),
            (failed == Failed::Late).then_some(400)
        );
        with(
            &viewer,
            &query(11),
            &json!([{"id": "b0110002", "value": [3150]}]),
        )
        .harmless(1);
        with(
            &viewer,
            &query(11),
            &json!([{"id": "b0110002", "value": [20_400]}]),
        )
        .harmless(0);
    }
}

#[test]
fn row_107_108_138_files_honour_filters_and_their_addresses_are_ours() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let europe = json!([{"id": "b0070002", "value": ["Europe"]}]);
    with(&viewer, &format!("{}/csv", query(7)), &europe).harmless(3);
    let link = fixtures::question_link(7);
    for format in ["csv", "json", "xlsx"] {
        let outcome = with(
            &viewer,
            &format!("/public/question/{link}.{format}"),
            &europe,
        );
        assert_eq!(outcome.clean().reply.status, 302);
        let place = outcome.reply.header("location").unwrap();
        assert!(
            place.starts_with(&format!(
                "/api/public/card/{link}/query/{format}?parameters="
            )),
            "{place}"
        );
        viewer.get(place).harmless(3);
    }
}

#[test]
fn row_109_results_hold_what_a_page_needs() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for outcome in [
        viewer.get(&query(7)),
        viewer.get(&table()),
        viewer.post(&format!("{}/api", table()), &[], b""),
    ] {
        let body = outcome.clean().reply.json();
        let keys = body.as_object().unwrap().keys().map(String::as_str);
        let keys: Vec<_> = keys.filter(|one| *one != "json_query").collect();
        assert_eq!(keys, ["data", "status", "row_count"]);
        for name in ["rows", "cols", "insights", "results_timezone"] {
            assert!(
                body["data"].as_object().unwrap().contains_key(name),
                "{name}"
            );
        }
    }
}

#[test]
fn row_112_tabs_stay_and_archived_cards_are_refused() {
    let scene = Links::usual().settings("layout_ttl = \"0s\"").start();
    let viewer = Viewer::mine(&scene);
    let layout = viewer.get(&board(MAIN)).reply.json();
    assert_eq!(layout["tabs"].as_array().unwrap().len(), 2);
    scene.metabase.edit(|store| store.card(203).archived = true);
    let outcome = viewer.get(&dashcard(MAIN, 103, 203));
    assert!(
        matches!(outcome.clean().reply.status, 403 | 404),
        "{}",
        outcome.short()
    );
    viewer.get(&table()).harmless(7);
}

#[test]
fn row_113_114_125_actions_are_denied() {
    let scene = Links::usual().dashboard(44, "").start();
    let viewer = Viewer::mine(&scene);
    let action = format!("/api/public/action/{}", fixtures::ACTION_LINK);
    for target in [
        &*action,
        &format!("{action}/execute"),
        &format!("{}/dashcard/132/execute", board(44)),
    ] {
        viewer.get(target).refused("route_denied");
        viewer
            .post(target, &[("Content-Type", "application/json")], b"{}")
            .refused("route_denied");
    }
    assert!(!viewer.get(&board(44)).text().contains("\"action"));
}

#[test]
fn row_117_121_a_dashcards_parameters() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    // The stored target replaces a bad one of the client's.
    let aimed =
        json!([{"id": id(2), "value": ["Europe"], "target": ["dimension", ["field", 61, null]]}]);
    with(&viewer, &table(), &aimed).harmless(3);
    with(&viewer, &table(), &json!([{"id": "x", "value": 1}])).refused("param_invalid");
    with(&viewer, &table(), &json!([{"id": id(10), "value": ["x"]}])).refused("param_invalid");
}

#[test]
fn row_118_defaults_of_a_dashcard() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let seats = dashcard(MAIN, 102, 202);
    viewer.get(&seats).harmless(6);
    with(&viewer, &seats, &json!([{"id": id(4), "value": null}])).harmless(7);
    with(&viewer, &seats, &json!([{"id": id(4), "value": [42]}])).harmless(3);
}

#[test]
fn row_122_additional_series() {
    let scene = Links::usual().start();
    let outcome = Viewer::mine(&scene).get(&dashcard(MAIN, 105, 206));
    let rows = outcome.harmless(0).reply.json()["data"]["rows"].clone();
    assert_eq!(rows, json!([[999, 7, 25_825]]));
}

#[test]
fn row_123_124_native_and_clicked_questions_take_the_same_filters() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let europe = json!([{"id": id(2), "value": ["Europe"], "default": ["Asia-Pacific"]}]);
    for (target, names) in [
        (table(), 3),
        (dashcard(MAIN, 102, 202), 2),
        (dashcard(MAIN, 107, 207), 3),
    ] {
        let outcome = with(&viewer, &target, &europe);
        outcome.harmless(names);
        assert_eq!(
            filters(outcome.sent())[0],
            json!({"id": id(2), "value": ["Europe"]})
        );
    }
    with(
        &viewer,
        &table(),
        &json!([{"id": id(9), "value": ["BAKERY"]}]),
    )
    .harmless(1);
}

/// (Row 126, values: `values_public.rs`.)
#[test]
fn row_129_130_remapping_is_denied() {
    let scene = Links::none()
        .dashboard(MAIN, "values = \"constrained\"")
        .question(7, "values = \"constrained\"")
        .start();
    let viewer = Viewer::mine(&scene);
    for target in [
        format!("{}/params/{}/remapping?value=1", board(MAIN), id(5)),
        format!("{}/params/b0070004/remapping?value=1", question(7)),
    ] {
        viewer.get(&target).refused("route_denied");
    }
}
