//! Locked public links are judged before anybody asks, at each layout, and again and again: what the lock does not reach is not served.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    public_links::Links,
    public_setup::{
        MAIN, Outcome, Viewer, board, dashcard, encoded, id, named, question, table, ways,
    },
    setup::Scene,
};
use crate::support::{
    eventually,
    metabase::{
        Behaviour, fixtures,
        store::{Dashcard, Parameter, Query, Store, field, variable_tag},
    },
};

#[test]
fn every_link_is_looked_at_before_anybody_asks() {
    // `start` waits for it.
    let scene = Links::usual()
        .dashboard(43, "values = \"constrained\"")
        .start();
    let probed = || {
        scene
            .metabase
            .seen()
            .iter()
            .any(|one| one.target.ends_with("=-2147483648"))
    };
    eventually("lists of values were tried", probed);
    for seen in scene.metabase.seen() {
        assert_eq!(seen.method, "GET");
        assert!(seen.body.is_empty());
        for (name, _) in &seen.headers {
            let known = ["host", "accept", "accept-encoding", "user-agent"];
            assert!(known.contains(&name.as_str()), "{name}");
        }
        assert_eq!(seen.all("accept-encoding"), ["identity"]);
    }
}

#[test]
fn unmapped_cards_are_dropped_and_refused() {
    let scene = Links::usual().dashboard(43, "").start();
    let viewer = Viewer::mine(&scene);
    let layout = viewer.get(&board(43)).reply.json();
    let cards = layout["dashcards"].as_array().unwrap();
    let ids: Vec<&Value> = cards.iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [121, 123]);
    assert_eq!(cards[1]["series"], json!([]));
    viewer
        .get(&dashcard(43, 122, 208))
        .refused("resource_denied");
    viewer
        .get(&dashcard(43, 123, 206))
        .refused("resource_denied");
    viewer.get(&dashcard(43, 123, 205)).harmless(0);
}

#[test]
fn actions_shared_tags_prefixes_and_missing_parameters() {
    let mut links = Links::none()
        .dashboard(44, "")
        .dashboard(45, "")
        .dashboard(49, "")
        .question(5, "")
        .dashboard(MAIN, "");
    links.params += "pick = { mode = \"enabled\", type = \"integer\" }\n";
    let scene = links.start();
    let viewer = Viewer::mine(&scene);
    viewer.get(&dashcard(44, 131, 201)).harmless(7);
    let layout = viewer.get(&board(44)).reply.json();
    assert_eq!(layout["dashcards"].as_array().unwrap().len(), 1);
    assert_eq!(layout["dashcards"][0]["id"], 131);
    for (layout, query) in [
        (board(45), dashcard(45, 141, 202)),
        (board(49), dashcard(49, 181, 201)),
        (question(5), format!("{}/query", question(5))),
    ] {
        viewer.get(&layout).refused("resource_denied");
        viewer.get(&query).refused("resource_denied");
        viewer
            .get(&query.replace("/public/", "/public/pivot/"))
            .refused("resource_denied");
        let (post, get) = (format!("{query}/csv"), format!("{query}/json"));
        let outcome = if query.contains("dashcard") {
            viewer.post(&post, &[], b"")
        } else {
            viewer.get(&get)
        };
        outcome.refused("resource_denied");
    }
    viewer.get(&table()).harmless(7);
}

#[test]
fn only_exact_types_are_locks() {
    let scene = Links::usual().settings("layout_ttl = \"0s\"").start();
    let viewer = Viewer::mine(&scene);
    for (kind, served) in [
        ("number/=", true),
        ("id", true),
        ("category", true),
        ("number/!=", false),
        ("number/>=", false),
        ("number/<=", false),
        ("number/between", false),
        ("string/=", false),
        ("string/contains", false),
        ("string/starts-with", false),
        ("date/all-options", false),
        ("temporal-unit", false),
        ("NUMBER/=", false),
        ("number/= ", false),
        ("", false),
        ("a-new-one", false),
    ] {
        scene.metabase.edit(|store| {
            kind.clone_into(&mut store.dashboard(MAIN).parameter("organization_id").kind);
        });
        let outcome = viewer.get(&table());
        if served {
            outcome.harmless(7);
        } else {
            outcome.refused("resource_denied");
            viewer.get(&board(MAIN)).refused("resource_denied");
            viewer
                .post(&format!("{}/csv", table()), &[], b"")
                .refused("resource_denied");
        }
    }
}

type Change = fn(&mut Store);

fn closed(outcome: &Outcome, what: &str) {
    assert_eq!(outcome.reply.code(), "resource_denied", "{what}");
    outcome.refused("resource_denied");
}

/// Edits after which the table, dashcard 101, must not be served; what else is, is told by the second.
const EDITS: [(&str, Change, bool); 10] = [
    (
        "its mapping is gone",
        |store| drop(store.dashboard(MAIN).dashcard(101).mappings.remove(0)),
        true,
    ),
    (
        "it is mapped twice, once to nothing",
        |store| {
            let mut second = store.dashboard(MAIN).dashcard(101).mappings[0].clone();
            second.target = json!(["text-tag", "organization_id"]);
            store.dashboard(MAIN).dashcard(101).mappings.push(second);
        },
        true,
    ),
    (
        "its mapping is for another card",
        |store| store.dashboard(MAIN).dashcard(101).mappings[0].card = Some(202),
        true,
    ),
    (
        "its mapping leads nowhere",
        |store| store.dashboard(MAIN).dashcard(101).mappings[0].target = json!(["dimension", []]),
        true,
    ),
    (
        "its mapping leads to a tag that it does not have",
        |store| {
            store.dashboard(MAIN).dashcard(101).mappings[0].target =
                variable_tag("organization_id");
        },
        true,
    ),
    (
        "its card is another one",
        |store| store.dashboard(MAIN).dashcard(101).card = Some(208),
        true,
    ),
    (
        "the parameter has another id",
        |store| "a9999999".clone_into(&mut store.dashboard(MAIN).parameter("organization_id").id),
        true,
    ),
    (
        "the parameter has another slug",
        |store| {
            "organisation_id"
                .clone_into(&mut store.dashboard(MAIN).parameter("organization_id").slug);
        },
        false,
    ),
    (
        "the parameter is no exact match",
        |store| {
            "number/>=".clone_into(&mut store.dashboard(MAIN).parameter("organization_id").kind);
        },
        false,
    ),
    (
        "an open parameter goes into the tag of the lock, elsewhere",
        |store| {
            let mapping = store.dashboard(MAIN).dashcard(102).mappings[1].clone();
            let target = variable_tag("organization_id");
            store.dashboard(MAIN).dashcard(102).mappings[1] =
                crate::support::metabase::store::Mapping { target, ..mapping };
        },
        false,
    ),
];

fn restore(scene: &Scene) {
    let whole = fixtures::store();
    scene
        .metabase
        .edit(|store| (store.dashboards, store.cards) = (whole.dashboards, whole.cards));
}

#[test]
fn an_edit_counts_at_once_where_nothing_is_remembered() {
    let scene = Links::usual().settings("layout_ttl = \"0s\"").start();
    let viewer = Viewer::mine(&scene);
    for (what, edit, layout_stays) in EDITS {
        viewer.get(&table()).harmless(7);
        scene.metabase.edit(edit);
        closed(&viewer.get(&table()), what);
        viewer
            .post(&format!("{}/xlsx", table()), &[], b"")
            .refused("resource_denied");
        let layout = viewer.get(&board(MAIN));
        layout.clean();
        if layout_stays {
            assert_eq!(layout.reply.status, 200);
            assert!(!layout.text().contains("\"id\":101,"), "{}", layout.text());
        } else {
            layout.refused("resource_denied");
        }
        restore(&scene);
    }
    viewer.get(&table()).harmless(7);
}

#[test]
fn an_edit_counts_from_the_next_layout_on() {
    let scene = Links::usual().settings("layout_ttl = \"10m\"").start();
    let viewer = Viewer::mine(&scene);
    for (what, edit, _) in EDITS {
        viewer.get(&board(MAIN));
        viewer.get(&table()).harmless(7);
        scene.metabase.edit(edit);
        // Whoever opens the page, all its viewers' queries are judged by what it showed.
        Viewer::of(&scene, 555).get(&board(MAIN)).clean();
        closed(&viewer.get(&table()), what);
        restore(&scene);
        closed(&viewer.get(&table()), what);
        viewer.get(&board(MAIN)).clean();
    }
    viewer.get(&table()).harmless(7);
}

#[test]
fn an_edit_counts_once_what_was_learnt_is_old() {
    let scene = Links::usual().settings("layout_ttl = \"1s\"").start();
    let viewer = Viewer::mine(&scene);
    viewer.get(&table()).harmless(7);
    for (what, edit, _) in &EDITS[..2] {
        scene.metabase.edit(edit);
        std::thread::sleep(Duration::from_millis(1050));
        closed(&viewer.get(&table()), what);
        restore(&scene);
        std::thread::sleep(Duration::from_millis(1050));
        viewer.get(&table()).harmless(7);
    }
}

#[test]
fn a_card_that_was_added_is_judged_like_all_others() {
    let scene = Links::usual().settings("layout_ttl = \"0s\"").start();
    let viewer = Viewer::mine(&scene);
    let new = dashcard(MAIN, 110, 208);
    viewer.get(&new).refused("resource_denied");
    scene.metabase.edit(|store| {
        store
            .dashboard(MAIN)
            .dashcards
            .push(Dashcard::new(110, Some(208)));
    });
    viewer.get(&new).refused("resource_denied");
    let mapped = Dashcard::new(111, Some(208)).map(&id(1), None, field(61));
    scene
        .metabase
        .edit(|store| store.dashboard(MAIN).dashcards.push(mapped));
    viewer.get(&dashcard(MAIN, 111, 208)).harmless(7);
    viewer.get(&new).refused("resource_denied");
    scene
        .metabase
        .edit(|store| store.dashboard(MAIN).dashcard(101).series.push(208));
    viewer
        .get(&dashcard(MAIN, 101, 208))
        .refused("resource_denied");
    let layout = viewer.get(&board(MAIN));
    assert!(layout.text().contains("\"id\":111,") && !layout.text().contains("\"id\":110,"));
    // Two dashcards with one number: nobody knows which is meant.
    scene.metabase.edit(|store| {
        store
            .dashboard(MAIN)
            .dashcards
            .push(Dashcard::new(101, Some(208)));
    });
    viewer.get(&table()).refused("upstream_failed");
    viewer.get(&board(MAIN)).refused("upstream_failed");
}

#[test]
fn questions_are_judged_too() {
    let scene = Links::usual().settings("layout_ttl = \"0s\"").start();
    let viewer = Viewer::mine(&scene);
    let edits: [(u64, Change); 7] = [
        (6, |store| {
            let mut extra = Parameter::new("b0069999", "extra", "number/=")
                .target(variable_tag("organization_id"));
            extra.default = Some(json!([777]));
            store.card(6).parameters.push(extra);
        }),
        (7, |store| store.card(7).parameters[0].target = None),
        (7, |store| {
            "a_slug".clone_into(&mut store.card(7).parameters[0].slug);
        }),
        (7, |store| {
            "number/!=".clone_into(&mut store.card(7).parameters[0].kind);
        }),
        (7, |store| drop(store.card(7).parameters.remove(0))),
        (6, |store| {
            store.card(6).parameters[2].target = Some(variable_tag("organization_id"));
        }),
        (6, |store| {
            if let Query::Native(tags) = &mut store.card(6).query {
                tags.remove(0);
            }
        }),
    ];
    // Where a tag and a parameter that is not its own have one name, the layout has two readings.
    let closed = ["resource_denied", "upstream_failed"];
    for (number, edit) in edits {
        let query = format!("{}/query", question(number));
        let names = if number == 7 { 7 } else { 4 };
        viewer.get(&query).harmless(names);
        scene.metabase.edit(edit);
        viewer.get(&query).refused_as(&closed);
        viewer.get(&format!("{query}/csv")).refused_as(&closed);
        viewer.get(&question(number)).refused_as(&closed);
        restore(&scene);
    }
}

#[test]
fn what_is_gone_is_refused_and_what_is_broken_is_not_guessed() {
    for behaviour in [Behaviour::default(), Behaviour::old()] {
        let scene = Links::usual()
            .behaving(behaviour)
            .settings("layout_ttl = \"0s\"")
            .start();
        let viewer = Viewer::mine(&scene);
        scene.metabase.edit(|store| store.sharing = false);
        for way in ways() {
            viewer.keyed(&way, "").refused("resource_denied");
        }
        assert_eq!(
            viewer.get(&board(MAIN)).clean().text(),
            "An error occurred."
        );
    }
    let scene = Links::usual().settings("layout_ttl = \"0s\"").start();
    let viewer = Viewer::mine(&scene);
    scene.metabase.edit(|store| store.behaviour.busy = 1);
    viewer.get(&table()).refused("upstream_failed");
    viewer.get(&table()).harmless(7);
    // Numbers in the layout that no reader would read alike.
    scene
        .metabase
        .edit(|store| store.dashboard(MAIN).dashcard(101).settings = json!({"a": {"b": 1}}));
    viewer.get(&table()).harmless(7);
    assert_eq!(named(&viewer.get(&board(MAIN)).text(), 777), 0);
    let other = json!([{"id": id(1), "value": [777]}]).to_string();
    viewer
        .get(&format!("{}?parameters={}", table(), encoded(&other)))
        .refused("param_locked");
}
