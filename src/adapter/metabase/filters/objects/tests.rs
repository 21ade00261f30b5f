use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::{
    adapter::metabase::filters::testing::{
        CATEGORY, DAY, Layout, ORG, PLAN, TENANT, World, layout, many, one, pair, world,
    },
    gate::param::{Mode, Type},
};

const NONE: Extras<'static> = Extras {
    drop: &[],
    cards: false,
    tile: false,
};
const OURS: &str = r#"{"id":"5aefc7","value":["acme"]},{"id":"bead02","value":["gold"]}]"#;

fn list(world: &World, layout: &Layout, text: &str) -> Result<String, Denial> {
    read(Some(text), layout, world.rules(), Locks::Appended)
}

fn refusal(text: &str) -> Refusal {
    list(&world(), &layout(), text).unwrap_err().refusal
}

fn query(text: &str, extras: Extras<'_>) -> Result<Filters, Denial> {
    let query = Query::parse(text).unwrap();
    from_query(&query, &layout(), world().rules(), extras, Locks::Appended)
}

/// B1, B7–B10, rows 102, 117, 123: what the viewer sets, by id and value alone; what the token fixes, last.
#[test]
fn ours_come_last_and_nothing_of_theirs_but_values() {
    for (sent, expected) in [
        ("[]", String::new()),
        (
            r#"[{"id":"c0ffee","value":"Giz"}]"#,
            r#"{"id":"c0ffee","value":"Giz"},"#.to_owned(),
        ),
        (
            r#"[{"id":"bead01","value":["5"]},{"value":["a","b"],"id":"c0ffee"}]"#,
            r#"{"id":"c0ffee","value":["a","b"]},{"id":"bead01","value":[5]},"#.to_owned(),
        ),
        (
            r#"[{"id":"c0ffee","value":null}]"#,
            r#"{"id":"c0ffee","value":null},"#.to_owned(),
        ),
        (
            r#"[{"id":"bead01","value":5,"type":"string/!=","target":["variable",["template-tag","tenant"]],"name":"tenant","slug":"tenant","default":["x"],"options":{"case-sensitive":true}}]"#,
            r#"{"id":"bead01","value":5},"#.to_owned(),
        ),
        (
            r#"[{"id":"c0ffee","value":"a","options":{"case-sensitive":false}}]"#,
            r#"{"id":"c0ffee","value":"a","options":{"case-sensitive":false}},"#.to_owned(),
        ),
        (
            r#"[{"id":"c0ffee","value":"a","options":{"case-sensitive":false,"x":1}}]"#,
            r#"{"id":"c0ffee","value":"a"},"#.to_owned(),
        ),
        (
            r#"[{"id":"c0ffee","value":"a","options":["case-sensitive"]}]"#,
            r#"{"id":"c0ffee","value":"a"},"#.to_owned(),
        ),
        (r#"[{"id":"c0ffee"}]"#, String::new()),
        (
            r#"[{"id":"5aefc7","value":"acme"},{"id":"bead02","value":["gold"]}]"#,
            String::new(),
        ),
        (r#"[{"id":"5\u0061efc7","value":["acme"]}]"#, String::new()),
    ] {
        let got = list(&world(), &layout(), sent);
        assert_eq!(got, Ok(format!("[{expected}{OURS}")), "{sent}");
    }
    let absent = read(None, &layout(), world().rules(), Locks::Appended);
    assert_eq!(absent, Ok(format!("[{OURS}")));
}

/// B2, B3, B6, row 121.
#[test]
fn what_is_not_the_viewers_is_refused() {
    for (sent, expected) in [
        (r#"[{"id":"5aefc7","value":"acorp"}]"#, Refusal::ParamLocked),
        (r#"[{"id":"5aefc7","value":null}]"#, Refusal::ParamLocked),
        (r#"[{"id":"5aefc7","value":[]}]"#, Refusal::ParamLocked),
        (r#"[{"id":"5aefc7","value":""}]"#, Refusal::ParamLocked),
        (r#"[{"id":"5aefc7","value":[null]}]"#, Refusal::ParamLocked),
        (r#"[{"id":"5aefc7"}]"#, Refusal::ParamLocked),
        (r#"[{"id":"5AEFC7","value":"acme"}]"#, Refusal::ParamLocked),
        (r#"[{"id":"5aefc7 ","value":"acme"}]"#, Refusal::ParamLocked),
        (r#"[{"id":"tenant","value":"acme"}]"#, Refusal::ParamLocked),
        (r#"[{"id":"bead02","value":"free"}]"#, Refusal::ParamLocked),
        (r#"[{"id":"bead03","value":"x"}]"#, Refusal::ParamDisabled),
        (r#"[{"id":"org","value":7}]"#, Refusal::ParamDisabled),
        (r#"[{"id":"nobody","value":"x"}]"#, Refusal::ParamInvalid),
        (r#"[{"id":"","value":"x"}]"#, Refusal::ParamInvalid),
        (
            r#"[{"id":"c0ffee","value":{"a":1}}]"#,
            Refusal::ParamInvalid,
        ),
        (
            r#"[{"id":"c0ffee","value":[["a"]]}]"#,
            Refusal::ParamInvalid,
        ),
        (
            r#"[{"id":"bead01","value":"5 OR 1=1"}]"#,
            Refusal::ParamInvalid,
        ),
        (
            r#"[{"id":"c0ffee","value":1},{"id":"c0ffee","value":2}]"#,
            Refusal::ParamInvalid,
        ),
        (
            r#"[{"id":"c0ffee","value":"a"},{"id":"c0ffee","value":"a"}]"#,
            Refusal::RequestMalformed,
        ),
        (
            r#"[{"id":"5aefc7","value":"acme"},{"id":"5aefc7","value":"acme"}]"#,
            Refusal::RequestMalformed,
        ),
        (
            r#"[{"id":"c0ffee","id":"5aefc7","value":"a"}]"#,
            Refusal::RequestMalformed,
        ),
        (r#"[{"value":"a"}]"#, Refusal::RequestMalformed),
        (r#"[{"id":1,"value":"a"}]"#, Refusal::RequestMalformed),
        (r#"[{"id":null,"value":"a"}]"#, Refusal::RequestMalformed),
        ("[null]", Refusal::RequestMalformed),
        (r#"[["id","c0ffee"]]"#, Refusal::RequestMalformed),
        (r#"{"id":"c0ffee","value":"a"}"#, Refusal::RequestMalformed),
        (r#"{"tenant":"acme"}"#, Refusal::RequestMalformed),
        ("", Refusal::RequestMalformed),
        ("null", Refusal::RequestMalformed),
        ("[] []", Refusal::RequestMalformed),
    ] {
        assert_eq!(refusal(sent), expected, "{sent}");
    }
    let unknown = list(&world(), &layout(), r#"[{"id":"nobody","value":"x"}]"#).unwrap_err();
    assert_eq!(unknown.told.as_deref(), Some("Unknown parameter nobody."));
    let closed = Layout {
        closed: vec![TENANT, CATEGORY],
        ..layout()
    };
    let denial = list(&world(), &closed, r#"[{"id":"c0ffee","value":"x"}]"#).unwrap_err();
    assert_eq!(denial.refusal, Refusal::ParamInvalid);
}

#[test]
fn values_have_the_shape_of_their_type() {
    let date = one("2026-11-22", Type::Date);
    let dated = world().mode(DAY, Mode::Locked).with(PLAN, None);
    let single = dated.clone().with(DAY, Some(date));
    assert_eq!(
        list(&single, &layout(), "[]").unwrap(),
        r#"[{"id":"5aefc7","value":["acme"]},{"id":"bead04","value":"2026-11-22"}]"#
    );
    let two = dated.with(DAY, Some(many(&["2026-11-22", "2026-11-23"], Type::Date)));
    let denial = list(&two, &layout(), "[]").unwrap_err();
    assert_eq!(denial.refusal, Refusal::ParamInvalid);
    let big = "123456789012345678901234567890";
    let numbers = world()
        .typed(TENANT, Type::Integer)
        .with(TENANT, Some(many(&["1", big], Type::Integer)))
        .with(PLAN, None);
    assert_eq!(
        list(&numbers, &layout(), "[]").unwrap(),
        format!(r#"[{{"id":"5aefc7","value":[1,{big}]}}]"#)
    );
}

/// B36: nothing is left out because somebody forgot it.
#[test]
fn a_lock_without_value_or_place_is_no_lock() {
    let denial = list(&world().with(TENANT, None), &layout(), "[]").unwrap_err();
    assert_eq!(denial.refusal, Refusal::ParamMissing);
    let mut moved = layout();
    moved.ids[TENANT] = None;
    let denial = list(&world(), &moved, "[]").unwrap_err();
    assert_eq!(denial.refusal, Refusal::ResourceDenied);
    let mut moved = layout();
    moved.ids[PLAN] = None;
    assert!(list(&world(), &moved, "[]").is_err(), "a preset too");
    // `org` is locked at the site, and the operator said that this item does without.
    assert!(list(&world(), &layout(), "[]").is_ok());
    assert!(list(&world().mode(ORG, Mode::Locked), &layout(), "[]").is_err());
}

#[test]
fn all_values_are_null_and_not_the_viewers_to_say() {
    let staff = world().with_all(TENANT).with(PLAN, None);
    assert_eq!(
        list(&staff, &layout(), "[]").unwrap(),
        r#"[{"id":"5aefc7","value":null}]"#
    );
    for sent in ["null", "[]", "\"acme\""] {
        let sent = format!(r#"[{{"id":"5aefc7","value":{sent}}}]"#);
        assert!(list(&staff, &layout(), &sent).is_err(), "{sent}");
    }
}

/// Map tiles of signed embeds: the minted token says what is locked.
#[test]
fn locks_may_stand_in_the_token() {
    let sent =
        r#"[{"id":"c0ffee","value":"a","target":["dimension"]},{"id":"5aefc7","value":"acme"}]"#;
    let written = read(Some(sent), &layout(), world().rules(), Locks::InToken);
    assert_eq!(written, Ok(r#"[{"id":"c0ffee","value":"a"}]"#.to_owned()));
}

/// B4, B34.
#[test]
fn keys_are_ours() {
    let ours = pair("parameters", &format!("[{OURS}"));
    for (text, rest) in [
        ("", ""),
        (
            "ignore_cache=true&dashboard_load_id=x&_=1&latField=x&cards=y",
            "",
        ),
        ("format_rows=false&parameters=%5B%5D", "&format_rows=false"),
    ] {
        let sent = query(text, NONE).unwrap().to_query();
        assert_eq!(sent, format!("{ours}{rest}"), "{text}");
    }
    for (text, expected) in [
        (
            "parameters=%5B%5D&parameters=%5B%5D",
            Refusal::RequestMalformed,
        ),
        ("parameters[]=%5B%5D", Refusal::RequestMalformed),
        ("parameters%5B%5D=%5B%5D", Refusal::RequestMalformed),
        ("Parameters=%5B%5D", Refusal::RequestMalformed),
        ("parameters=%7B%7D", Refusal::RequestMalformed),
        ("tenant=acme", Refusal::ParamLocked),
        ("tenant[]=acme", Refusal::ParamLocked),
        ("5aefc7=acme", Refusal::ParamLocked),
        ("secret=1", Refusal::ParamDisabled),
        ("category=a", Refusal::ParamInvalid),
        ("c0ffee=a", Refusal::ParamInvalid),
        ("format_rows=yes", Refusal::RequestMalformed),
    ] {
        assert_eq!(query(text, NONE).unwrap_err().refusal, expected, "{text}");
    }
}

/// B22 at this level: the fields come back to be compared, and go nowhere by themselves.
#[test]
fn the_fields_of_a_tile_are_the_callers() {
    let tile = Extras { tile: true, ..NONE };
    let text = "latField=%5B%22field%22%2C1%5D&lonField=b";
    let filters = query(text, tile).unwrap();
    assert_eq!(filters.fields(), Some((r#"["field",1]"#, "b")));
    assert!(!filters.to_query().contains("Field"));
    assert!(
        filters
            .to_tile("1", "2")
            .ends_with("&latField=1&lonField=2")
    );
    for text in ["", "latField=a", "latField=a&latField=a&lonField=b"] {
        assert!(query(text, tile).is_err(), "{text}");
    }
    assert_eq!(query("", NONE).unwrap().fields(), None);
}

fn client() -> impl Strategy<Value = String> {
    let ids = vec![
        "5aefc7",
        "c0ffee",
        "bead01",
        "bead02",
        "bead03",
        "bead04",
        "bead05",
        "5AEFC7",
        "tenant",
        "nobody",
        "5\\u0061efc7",
    ];
    let values = vec![
        "\"acme\"",
        "[\"acme\"]",
        "\"gold\"",
        "null",
        "[]",
        "\"\"",
        "[null]",
        "5",
        "\"5\"",
        "true",
        "[\"a\",\"b\"]",
        "\"2026-11-22\"",
        "{}",
        "[\"acme\",\"acorp\"]",
    ];
    let more = vec![
        "",
        ",\"type\":\"string/!=\"",
        ",\"target\":[\"variable\",[\"template-tag\",\"tenant\"]]",
        ",\"name\":\"tenant\"",
        ",\"id\":\"5aefc7\"",
        ",\"options\":{\"case-sensitive\":true}",
        ",\"default\":\"x\",\"slug\":\"tenant\"",
    ];
    let select = |from: Vec<&'static str>| prop::sample::select(from);
    let element = (select(ids), select(values), select(more))
        .prop_map(|(id, value, more)| format!("{{\"id\":\"{id}\",\"value\":{value}{more}}}"));
    prop_oneof![
        8 => prop::collection::vec(element, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
        1 => "\\PC{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn whatever_passes_ends_with_what_is_locked(text in client()) {
        let (world, layout) = (world(), layout());
        let Ok(written) = list(&world, &layout, &text) else { return Ok(()) };
        let elements: Vec<Json> = serde_json::from_str(&written).unwrap();
        let (theirs, ours) = elements.split_at(elements.len() - 2);
        prop_assert_eq!(Json::from(ours.to_vec()), serde_json::from_str::<Json>(&format!("[{OURS}")).unwrap());
        let mut seen = std::collections::HashSet::new();
        for element in theirs {
            let id = element["id"].as_str().unwrap();
            prop_assert!(["c0ffee", "bead01", "bead04", "bead05"].contains(&id), "{}", id);
            prop_assert!(seen.insert(id), "{} stands twice", id);
            for key in element.as_object().unwrap().keys() {
                prop_assert!(["id", "value", "options"].contains(&&**key), "{}", key);
            }
        }
        let again = list(&world, &layout, &written);
        prop_assert_eq!(again, Ok(written));
    }
}
