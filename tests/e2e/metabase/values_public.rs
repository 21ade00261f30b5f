//! Lists of values of locked public links: none, unless they were seen to keep to the lock, or the operator says that they are everybody's.

use serde_json::{Value, json};

use super::{
    public_links::Links,
    public_setup::{MAIN, Outcome, Viewer, board, dashcard, id, named, question},
    setup::Scene,
};
use crate::support::metabase::{
    Behaviour, Standin, fixtures,
    store::{Dashcard, Parameter, Query, Source, Store, Tag, filter_tag, variable_tag},
};

fn listed(viewer: &Viewer<'_>, number: u64, rest: &str) -> Outcome {
    viewer.get(&format!("{}/params/{}/{rest}", board(MAIN), id(number)))
}

/// The values of a list.
fn values(outcome: &Outcome) -> Vec<Value> {
    assert_eq!(outcome.clean().reply.status, 200, "{}", outcome.short());
    let list = outcome.reply.json()["values"].clone();
    list.as_array().unwrap().clone()
}

const ENDPOINTS: [&str; 4] = [
    "values",
    "search/a",
    "search/acorp",
    "values?a0420002=Europe",
];

#[test]
fn nothing_is_listed_unless_the_site_says_so() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for number in 1..=10 {
        for rest in ENDPOINTS {
            listed(&viewer, number, rest).refused("route_denied");
        }
        listed(&viewer, number, "remapping?value=8").refused("route_denied");
    }
    for number in 1..=5 {
        for rest in ENDPOINTS {
            let target = format!("{}/params/b007{number:04}/{rest}", question(7));
            viewer.get(&target).refused("route_denied");
        }
    }
}

#[test]
fn lists_from_fields_keep_to_the_lock_and_others_are_refused() {
    for behaviour in [Behaviour::default(), Behaviour::old()] {
        let scene = Links::none()
            .behaving(behaviour)
            .dashboard(MAIN, "values = \"constrained\"")
            .start();
        for (tenant, accounts) in [(999, 7), (777, 5), (555, 4)] {
            let viewer = Viewer::of(&scene, tenant);
            assert_eq!(
                named(&listed(&viewer, 9, "values").text(), tenant),
                accounts
            );
            assert_eq!(values(&listed(&viewer, 9, "values")).len(), accounts);
            assert_eq!(values(&listed(&viewer, 5, "values")).len(), accounts);
            values(&listed(&viewer, 2, "values"));
            values(&listed(&viewer, 3, "search/s"));
            for rest in ENDPOINTS {
                for number in [6, 7] {
                    listed(&viewer, number, rest).refused("resource_denied");
                }
                for (number, code) in [
                    (1, "param_locked"),
                    (8, "param_disabled"),
                    (10, "param_invalid"),
                    (11, "param_invalid"),
                ] {
                    listed(&viewer, number, rest).refused(code);
                }
            }
            for number in 1..=10 {
                listed(&viewer, number, "remapping?value=8").refused("route_denied");
                listed(
                    &viewer,
                    number,
                    &format!("remapping?value=8&a0420001={tenant}"),
                )
                .refused("route_denied");
            }
        }
    }
}

#[test]
fn what_the_operator_calls_safe_is_listed() {
    let scene = Links::none()
        .dashboard(MAIN, "safe_values = [\"tier\", \"region\"]")
        .question(14, "safe_values = [\"tier\"]")
        .question(7, "safe_values = [\"region\"]\nvalues = \"constrained\"")
        .start();
    let viewer = Viewer::mine(&scene);
    assert_eq!(values(&listed(&viewer, 6, "values")).len(), 3);
    assert_eq!(values(&listed(&viewer, 2, "values")).len(), 3);
    // Also of what is safe Metabase is asked with the lock.
    assert_eq!(
        listed(&viewer, 6, "values").sent().query(),
        [(id(1), "999".to_owned())]
    );
    for number in [3, 5, 7, 9] {
        listed(&viewer, number, "values").refused("resource_denied");
    }
    listed(&viewer, 1, "values").refused("param_locked");
    let of = |question_id: u64, number: u64| {
        let parameter = fixtures::on_question(question_id, number);
        viewer.get(&format!(
            "{}/params/{parameter}/values",
            question(question_id)
        ))
    };
    assert_eq!(values(&of(14, 4)).len(), 3);
    assert_eq!(values(&of(7, 2)).len(), 3);
    of(14, 5).refused("resource_denied");
    of(14, 2).refused("resource_denied");
    of(14, 1).refused("param_locked");
    for number in [3, 4, 5] {
        of(7, number).refused_as(&["resource_denied", "param_invalid"]);
    }
    // The layout shows where a list comes from for what is safe, and for nothing else.
    let layout = viewer.get(&board(MAIN)).reply.json();
    let sources: Vec<_> = layout["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["values_source_type"].is_string())
        .collect();
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0]["slug"], "tier");
}

type Change = fn(&mut Store);

/// Edits after which the list of `name` no longer keeps to the lock.
const EDITS: [(&str, Change); 5] = [
    ("the lock has no path to the field", only_a_tag),
    ("the list is a question's", |store| {
        store.dashboard(MAIN).parameter("name").source = Source::Card { id: 209, column: 2 };
    }),
    ("the list is typed", |store| {
        store.dashboard(MAIN).parameter("name").source = Source::Static(vec![json!(["Nordkap"])]);
    }),
    ("the lock is mapped to nothing", |store| {
        for dashcard in &mut store.dashboard(MAIN).dashcards {
            dashcard.mappings.retain(|one| one.parameter != id(1));
        }
    }),
    ("the lock has another slug", |store| {
        "tenant".clone_into(&mut store.dashboard(MAIN).parameter("organization_id").slug);
    }),
];

/// A lock that goes into the tag of a native question constrains no list of values.
fn only_a_tag(store: &mut Store) {
    let board = store.dashboard(MAIN);
    board.dashcards.retain(|one| one.id == 102);
    board.dashcard(102).mappings = vec![];
    let first = board.dashcards.remove(0);
    let tag = |name| variable_tag(name);
    let first = first.map(&id(1), None, tag("organization_id")).map(
        &id(9),
        None,
        json!(["dimension", ["template-tag", "region"]]),
    );
    board.dashcards.push(first);
}

fn restore(scene: &Scene) {
    let whole = fixtures::store();
    scene
        .metabase
        .edit(|store| (store.dashboards, store.cards) = (whole.dashboards, whole.cards));
}

#[test]
fn a_list_that_stops_keeping_to_the_lock_is_refused() {
    let scene = Links::none()
        .settings("layout_ttl = \"0s\"")
        .dashboard(MAIN, "values = \"constrained\"")
        .start();
    let viewer = Viewer::mine(&scene);
    for (what, edit) in EDITS {
        assert_eq!(values(&listed(&viewer, 9, "values")).len(), 7);
        scene.metabase.edit(edit);
        for rest in ENDPOINTS {
            let list = listed(&viewer, 9, rest);
            assert_eq!(list.reply.code(), "resource_denied", "{what}");
            list.refused("resource_denied");
        }
        restore(&scene);
    }
}

#[test]
fn a_layout_that_changed_takes_its_lists_along() {
    let scene = Links::none()
        .settings("layout_ttl = \"10m\"")
        .dashboard(MAIN, "values = \"constrained\"")
        .start();
    let viewer = Viewer::mine(&scene);
    assert_eq!(values(&listed(&viewer, 9, "values")).len(), 7);
    // As long as it stays the same, whoever opens the page changes nothing.
    viewer.get(&board(MAIN)).clean();
    assert_eq!(values(&listed(&viewer, 9, "values")).len(), 7);
    scene.metabase.edit(only_a_tag);
    viewer.get(&board(MAIN)).clean();
    for rest in ENDPOINTS {
        listed(&viewer, 9, rest).refused("resource_denied");
    }
}

/// A dashboard of one native card: `organization_id` is a field filter, which constrains lists, `category` a variable, which does not.
fn two_locks(store: &mut Store) {
    let category = "a0420011";
    let mut plan = Tag {
        name: "plan".into(),
        kind: "text".into(),
        column: 4,
        widget: "string/=".into(),
        default: None,
        required: false,
    };
    if let Query::Native(tags) = &mut store.card(202).query {
        (tags[0].kind, tags[0].widget) = ("dimension".into(), "number/=".into());
        std::mem::swap(&mut plan, &mut tags[2]);
    }
    let board = store.dashboard(MAIN);
    board
        .parameters
        .push(Parameter::new(category, "category", "string/="));
    board.dashcards = vec![
        Dashcard::new(102, Some(202))
            .map(&id(1), None, filter_tag("organization_id"))
            .map(&id(2), None, filter_tag("region"))
            .map(category, None, variable_tag("plan")),
    ];
}

#[test]
fn a_list_is_tried_against_every_locked_parameter() {
    let one = "organization_id = { mode = \"locked\", type = \"integer\" }\nregion = { mode = \"enabled\" }\n";
    let two = format!("{one}category = {{ mode = \"locked\" }}\n");
    for (params, claims, names, refused) in [
        (one, json!({"organization_id": 999}), 7, false),
        (
            &*two,
            json!({"organization_id": 999, "category": "Business"}),
            4,
            true,
        ),
    ] {
        let metabase = Standin::start();
        metabase.edit(two_locks);
        let links = Links::none()
            .params(params)
            .dashboard(MAIN, "values = \"constrained\"");
        let scene = links.start_on(metabase);
        let viewer = Viewer::with(&scene, 999, &json!({ "params": claims }));
        let rows = viewer.get(&dashcard(MAIN, 102, 202));
        assert_eq!(named(&rows.clean().text(), 999), names, "{}", rows.short());
        let list = listed(&viewer, 2, "values");
        if refused {
            list.refused("resource_denied");
        } else {
            assert_eq!(values(&list).len(), 3);
        }
    }
}
