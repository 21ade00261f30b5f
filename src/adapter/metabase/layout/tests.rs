use serde_json::json;

use super::{
    testing::{
        card, dashboard, dashcard, field, mapping, native, parameter, params, read, tag, with,
    },
    *,
};
use crate::gate::param::Mode;

fn covered(dashcards: &[Json]) -> Vec<(u64, u64, bool)> {
    let layout = read(&dashboard(dashcards), Kind::Dashboard);
    assert_eq!(layout.fit(), Ok(()));
    layout
        .places()
        .iter()
        .map(|place| (place.dashcard.unwrap(), place.card, place.is_covered()))
        .collect()
}

fn error(json: &Json) -> String {
    with(json, &params(), Kind::Dashboard)
        .unwrap_err()
        .to_string()
}

#[test]
fn parameters_are_known_by_id_and_slug() {
    let mut json = dashboard(&[]);
    json["parameters"][1]["values_source_type"] = json!("static-list");
    json["parameters"][2]["values_source_type"] = json!("card");
    json["parameters"][3]["values_source_type"] = json!("something-new");
    let layout = read(&json, Kind::Dashboard);
    assert_eq!(layout.title(), "dashboard 10 “Accounts”");
    assert_eq!(layout.open("id-region"), Some(1));
    for closed in [
        "id-org",
        "id-secret",
        "id-other",
        "ID-REGION",
        "id-region ",
        "region",
        "",
    ] {
        assert_eq!(layout.open(closed), None, "{closed}");
    }
    assert_eq!(layout.role("id-org"), Some(Role::Locked(0)));
    assert_eq!(layout.role("id-secret"), Some(Role::Disabled(2)));
    assert_eq!(layout.role("id-other"), Some(Role::Hidden));
    assert_eq!(layout.role("id-nothing"), None);
    assert_eq!(layout.id_of(0), Some("id-org"));
    assert_eq!(layout.id_of(3), None);
    assert_eq!(&*layout.by_slug("region").unwrap().kind, "string/=");
    let sources: Vec<_> = layout
        .parameters()
        .iter()
        .map(|parameter| parameter.values)
        .collect();
    assert_eq!(
        sources,
        [Source::Field, Source::List, Source::Card, Source::Card]
    );
}

#[test]
fn a_card_is_covered_where_a_mapping_brings_the_lock_to_it() {
    let reached = |target| dashcard(31, card(44), &[mapping("org", 44, target)]);
    let table = [
        (field(61), true),
        (json!(["dimension", ["field", {"lib/uuid": "u"}, 61]]), true),
        (
            json!(["dimension", ["field", "ORG", {"base-type": "type/Text"}]]),
            true,
        ),
        (json!(["dimension", ["field-id", 61]]), true),
        (
            json!(["dimension", ["fk->", ["field-id", 1], ["field-id", 2]]]),
            true,
        ),
        (json!(["text-tag", "org"]), false),
        (json!(["dimension", ["field", null, null]]), false),
        (json!(["dimension", ["field"]]), false),
        (json!(["dimension", null]), false),
        (json!(["dimension"]), false),
        (json!(["variable", ["field", 61, null]]), false),
        (json!(["variable", "org"]), false),
        (json!(["something", ["field", 61, null]]), false),
        (json!([]), false),
        (json!(null), false),
        (json!("dimension"), false),
        (tag("org"), false), // the card has no template tags
    ];
    for (target, expected) in table {
        let text = target.to_string();
        assert_eq!(covered(&[reached(target)]), [(31, 44, expected)], "{text}");
    }
    // Another parameter's, another card's.
    assert_eq!(
        covered(&[dashcard(31, card(44), &[mapping("region", 44, field(61))])]),
        [(31, 44, false)]
    );
    assert_eq!(
        covered(&[dashcard(31, card(44), &[mapping("org", 45, field(61))])]),
        [(31, 44, false)]
    );
    // Twice, and only once well.
    let twice = [
        mapping("org", 44, field(61)),
        mapping("org", 44, json!(["text-tag", "x"])),
    ];
    assert_eq!(
        covered(&[dashcard(31, card(44), &twice)]),
        [(31, 44, false)]
    );
}

#[test]
fn a_template_tag_must_be_there() {
    let reached = |card: Json, target| dashcard(31, card, &[mapping("org", 44, target)]);
    let table = [
        (native(44, &["org"]), "org", true),
        (native(44, &["org"]), "gone", false),
        (native(44, &["org"]), "Org", false),
        (json!({"id": 44}), "org", true),
        (
            json!({"id": 44, "dataset_query": {"type": "native", "native": {"query": "-"}}}),
            "org",
            true,
        ),
        (
            json!({"id": 44, "dataset_query": {"type": "native", "native": {"query": "select 1"}}}),
            "org",
            false,
        ),
        (
            json!({"id": 44, "dataset_query": {"type": "native", "native": {"template-tags": {}}}}),
            "org",
            false,
        ),
        (
            json!({"id": 44, "dataset_query": {"stages": [{"lib/type": "mbql.stage/native", "native": "-", "template-tags": {"org": {}}}]}}),
            "org",
            true,
        ),
        (
            json!({"id": 44, "dataset_query": {"stages": [{"lib/type": "mbql.stage/mbql", "source-table": 1}]}}),
            "org",
            false,
        ),
    ];
    for (card, name, expected) in table {
        let text = card.to_string();
        assert_eq!(
            covered(&[reached(card.clone(), tag(name))]),
            [(31, 44, expected)],
            "{text}"
        );
        let by_field_filter = json!(["dimension", ["template-tag", name], {"stage-number": 0}]);
        assert_eq!(
            covered(&[reached(card, by_field_filter)]),
            [(31, 44, expected)],
            "{text}"
        );
    }
}

#[test]
fn a_field_is_nothing_to_a_card_of_sql() {
    let mapped = |card: Json| dashcard(31, card, &[mapping("org", 44, field(61))]);
    let table = [
        (card(44), true),
        (json!({"id": 44}), true),
        (native(44, &["org"]), false),
        (native(44, &[]), false),
        (
            json!({"id": 44, "dataset_query": {"type": "native"}}),
            false,
        ),
        (
            json!({"id": 44, "dataset_query": {"stages": [{"lib/type": "mbql.stage/mbql"}]}}),
            true,
        ),
        (
            json!({"id": 44, "dataset_query": {"stages": [{"lib/type": "mbql.stage/native", "native": "-"}]}}),
            false,
        ),
    ];
    for (card, expected) in table {
        let text = card.to_string();
        assert_eq!(covered(&[mapped(card)]), [(31, 44, expected)], "{text}");
    }
    // A question likewise.
    let mut question = native(5, &["org"]);
    question["parameters"][0]["target"] = field(61);
    assert!(read(&question, Kind::Question).fit().is_err());
}

#[test]
fn every_series_card_needs_its_own_mapping() {
    let mut both = dashcard(
        31,
        card(44),
        &[mapping("org", 44, field(1)), mapping("org", 45, field(2))],
    );
    both["series"] = json!([card(45)]);
    assert_eq!(covered(&[both.clone()]), [(31, 44, true), (31, 45, true)]);
    both["series"] = json!([card(46)]);
    assert_eq!(covered(&[both.clone()]), [(31, 44, true), (31, 46, false)]);
    // The same card twice: the worse counts.
    both["series"] = json!([native(44, &["x"])]);
    both["parameter_mappings"] = json!([mapping("org", 44, tag("y"))]);
    both["card"] = json!({"id": 44});
    assert_eq!(covered(&[both]), [(31, 44, false)]);
}

#[test]
fn what_has_no_data_and_what_is_unclear() {
    let text = json!({"id": 30, "card_id": null, "card": {"query_average_duration": null}, "parameter_mappings": [],
        "visualization_settings": {"virtual_card": {"display": "text"}, "text": "hello"}});
    let mut cases = vec![text];
    let own = || dashcard(31, card(44), &[mapping("org", 44, field(61))]);
    for (pointer, value) in [
        ("/action", json!({"id": 1})),
        ("/action_id", json!(1)),
        ("/card/display", json!("action")),
        (
            "/visualization_settings/virtual_card",
            json!({"display": "action"}),
        ),
        ("/card_id", json!(45)),
        ("/card_id", json!("44")),
        ("/card/id", json!(-44)),
        ("/id", json!(-31)),
        ("/id", json!("31")),
        ("/id", json!(31.0)),
        ("/id", json!(null)),
    ] {
        let mut json = own();
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[last] = value;
        cases.push(json);
    }
    for case in cases {
        assert_eq!(covered(std::slice::from_ref(&case)), [], "{case}");
    }
    assert_eq!(covered(&[json!(7), json!(null), own()]), [(31, 44, true)]);
}

#[test]
fn only_what_is_there_and_covered_is_served() {
    let open = [mapping("region", 45, field(62))];
    let layout = read(
        &dashboard(&[
            dashcard(31, card(44), &[mapping("org", 44, field(61))]),
            dashcard(32, card(45), &open),
        ]),
        Kind::Dashboard,
    );
    assert!(layout.serves(31, 44, Unmapped::Deny));
    assert!(!layout.serves(32, 45, Unmapped::Deny));
    assert!(layout.serves(32, 45, Unmapped::Report));
    for (dashcard, card) in [(31, 45), (32, 44), (33, 44), (0, 0), (44, 31)] {
        assert!(
            !layout.serves(dashcard, card, Unmapped::Report),
            "{dashcard} {card}"
        );
    }
    let said: Vec<_> = layout.unmapped().collect();
    assert_eq!(
        said,
        ["dashboard 10 “Accounts”: card 45 “Card 45” (dashcard 32) is not connected to `org`"]
    );
}

#[test]
fn a_reading_through_a_token_judges_nothing() {
    let params = params();
    let modes = [Mode::Locked, Mode::Enabled, Mode::Disabled];
    let lens = Lens {
        params: &params,
        modes: &modes,
    };
    let mut json = dashboard(&[dashcard(31, card(44), &[])]);
    json["parameters"] = json!([parameter("region", "string/contains")]);
    let layout = Layout::read_open(json.to_string().as_bytes(), Kind::Dashboard, lens).unwrap();
    assert!(!layout.is_judged() && layout.fit().is_ok());
    assert_eq!(layout.open("id-region"), Some(1));
    assert!(layout.serves(31, 44, Unmapped::Deny));
    assert!(!layout.serves(31, 45, Unmapped::Deny));
}

#[test]
fn what_can_be_read_twice_is_not_read() {
    let own = || dashcard(31, card(44), &[]);
    assert_eq!(
        error(&dashboard(&[own(), own()])),
        "the layout has two of the dashcard id 31"
    );
    let mut json = dashboard(&[]);
    json["parameters"][1]["id"] = json!("id-org");
    assert_eq!(
        error(&json),
        "the layout has two of the parameter id \"id-org\""
    );
    json["parameters"][1] = parameter("org", "string/=");
    json["parameters"][1]["id"] = json!("x");
    assert_eq!(
        error(&json),
        "the layout has two of the parameter slug \"org\""
    );
    for (pointer, value) in [
        ("/parameters/1/id", json!(7)),
        ("/parameters/1/id", json!("")),
        ("/parameters", json!({})),
        ("/dashcards", json!({})),
        ("/dashcards", json!(null)),
    ] {
        let mut json = dashboard(&[]);
        *json.pointer_mut(pointer).unwrap() = value;
        assert!(error(&json).contains("has no"), "{pointer}");
    }
    let many: Vec<_> = (1..=1001)
        .map(|slug| parameter(&slug.to_string(), "id"))
        .collect();
    let mut json = dashboard(&[]);
    json["parameters"] = json!(many);
    assert_eq!(error(&json), "the layout has more than 1000 parameters");
    assert_eq!(
        error(&dashboard(&vec![json!({}); 5001])),
        "the layout has more than 5000 dashcards"
    );
    let params = params();
    let lens = Lens {
        params: &params,
        modes: &[],
    };
    let twice = br#"{"parameters":[],"parameters":[],"dashcards":[]}"#;
    assert_eq!(
        Layout::read(twice, Kind::Dashboard, lens),
        Err(LayoutError::NotJson)
    );
    for other in ["[]", "7", "null", "\"x\""] {
        assert!(
            Layout::read(other.as_bytes(), Kind::Dashboard, lens).is_err(),
            "{other}"
        );
    }
}

#[test]
fn names_fit_one_line_of_a_log() {
    let mut json = dashboard(&[]);
    json["name"] = json!(format!("a\nb{}", "x".repeat(200)));
    let title = read(&json, Kind::Dashboard).title().to_owned();
    assert!(
        title.contains("a\u{fffd}bxxx") && title.ends_with("…”"),
        "{title}"
    );
    assert!(title.chars().count() < 110);
}

#[test]
fn a_parameter_speaks_for_the_tag_that_it_goes_into_whatever_they_are_called() {
    let tags = json!({"org": {"id": "tag-org", "name": "org", "type": "number"}});
    let question = |slug: &str, tag: &str| {
        json!({
            "id": 6, "name": "SQL",
            "parameters": [{"id": "p", "slug": slug, "type": "category", "target": ["variable", ["template-tag", tag]]}],
            "dataset_query": {"type": "native", "native": {"query": "-", "template-tags": tags}},
        })
    };
    let same = read(&question("org", "org"), Kind::Question);
    assert_eq!((same.fit(), same.parameters().len()), (Ok(()), 1));
    // Metabase knows no parameter by the tag's own id then: sending that would filter nothing.
    let other = read(&question("other", "org"), Kind::Question);
    assert_eq!(other.parameters().len(), 1);
    assert!(!other.problems().is_empty());
}
