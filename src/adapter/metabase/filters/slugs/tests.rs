use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::{
    adapter::metabase::filters::testing::{PLAN, PRICE, TENANT, World, many, one, pair, world},
    gate::{param::Type, refusal::Refusal},
};

const NONE: Extras<'static> = Extras {
    drop: &[],
    cards: false,
    tile: false,
};

fn filters(world: &World, text: &str) -> Result<Filters, Denial> {
    read(&Query::parse(text).unwrap(), world.rules(), NONE)
}

fn json(text: &str) -> Result<String, Refusal> {
    filters(&world(), text)
        .map(|filters| filters.to_json().to_owned())
        .map_err(|denial| denial.refusal)
}

fn encoded(json: &str) -> String {
    pair("parameters", json)
}

/// B1, rows 20, 21, 76, 77: both encodings say the same.
#[test]
fn both_encodings_become_one() {
    for (plain, object, expected) in [
        ("", "{}", "{}"),
        (
            "category=Gizmo",
            r#"{"category":"Gizmo"}"#,
            r#"{"category":"Gizmo"}"#,
        ),
        (
            "category=Gizmo&price=5&category=Gadget",
            r#"{"price":5,"category":["Gizmo","Gadget"]}"#,
            r#"{"category":["Gizmo","Gadget"],"price":5}"#,
        ),
        ("category=", r#"{"category":null}"#, r#"{"category":null}"#),
        ("category", r#"{"category":""}"#, r#"{"category":null}"#),
        (
            "day=2026-11-22",
            r#"{"day":"2026-11-22"}"#,
            r#"{"day":"2026-11-22"}"#,
        ),
        (
            "category=Gizmo+%26+co",
            r#"{"category":"Gizmo & co"}"#,
            r#"{"category":"Gizmo & co"}"#,
        ),
        // What the token says may be said again, and is not sent twice.
        ("tenant=acme", r#"{"tenant":["acme"]}"#, "{}"),
        (
            "plan=gold&price=1",
            r#"{"plan":"gold","price":"1"}"#,
            r#"{"price":1}"#,
        ),
    ] {
        assert_eq!(json(plain), Ok(expected.to_owned()), "{plain}");
        assert_eq!(json(&encoded(object)), Ok(expected.to_owned()), "{object}");
    }
    let single = encoded(r#" { "price" : [ "5" ] } "#);
    assert_eq!(json(&single), Ok(r#"{"price":[5]}"#.to_owned()));
    // B6: a key is compared once it is decoded.
    let escaped = encoded(r#"{"\u0063ategory":"x"}"#);
    assert_eq!(json(&escaped), Ok(r#"{"category":"x"}"#.to_owned()));
}

/// What the viewer is told of a parameter.
fn told(refusal: Refusal, name: &str) -> String {
    if refusal == Refusal::ParamDisabled {
        format!("You're not allowed to specify a value for {name}.")
    } else if refusal == Refusal::ParamInvalid {
        format!("Unknown parameter {name}.")
    } else {
        format!("You can only specify a value for {name} in the token.")
    }
}

/// Rows 18–21, 49–52: locked, disabled and unknown parameters, in both encodings.
#[test]
fn what_the_viewer_may_not_say_is_refused() {
    let (locked, disabled) = (Refusal::ParamLocked, Refusal::ParamDisabled);
    let unknown = Refusal::ParamInvalid;
    for (plain, object, refusal, name) in [
        ("tenant=acorp", r#"{"tenant":"acorp"}"#, locked, "tenant"),
        ("tenant=", r#"{"tenant":null}"#, locked, "tenant"),
        ("tenant", r#"{"tenant":[]}"#, locked, "tenant"),
        (
            "tenant=a&tenant=acme",
            r#"{"tenant":["acme","a"]}"#,
            locked,
            "tenant",
        ),
        ("TENANT=acme", r#"{"TENANT":"acme"}"#, locked, "TENANT"),
        (
            "tenant[]=acme",
            r#"{"tenant[]":"acme"}"#,
            locked,
            "tenant[]",
        ),
        ("tenant+=acme", r#"{"tenant ":"acme"}"#, locked, "tenant "),
        ("secret=1", r#"{"secret":["1"]}"#, disabled, "secret"),
        ("secret=", r#"{"secret":null}"#, disabled, "secret"),
        ("org=7", r#"{"org":7}"#, disabled, "org"),
        ("venue=1", r#"{"venue":1}"#, unknown, "venue"),
        ("Category=a", r#"{"Category":"a"}"#, unknown, "Category"),
        ("cards=%5B%5D", r#"{"cards":[]}"#, unknown, "cards"),
        ("latField=1", r#"{"latField":1}"#, unknown, "latField"),
        (
            "Format_rows=true",
            r#"{"Format_rows":true}"#,
            unknown,
            "Format_rows",
        ),
    ] {
        for text in [plain, &encoded(object)] {
            let denial = filters(&world(), text).unwrap_err();
            assert_eq!(denial.refusal, refusal, "{text}");
            assert!(denial.detail.is_some(), "{text}");
            assert_eq!(
                denial.told.as_deref(),
                Some(&*told(refusal, name)),
                "{text}"
            );
        }
    }
}

/// Rows 20, 51, and values of another type.
#[test]
fn presets_and_bad_values_have_their_own_words() {
    let preset = "You can't specify a value for plan, it is already set in the token.";
    let (locked, invalid) = (Refusal::ParamLocked, Refusal::ParamInvalid);
    for (plain, object, refusal, sentence) in [
        ("plan=free", r#"{"plan":"free"}"#, locked, preset),
        ("plan=", r#"{"plan":null}"#, locked, preset),
        (
            "price=a",
            r#"{"price":"a"}"#,
            invalid,
            "The value for price is not valid.",
        ),
        (
            "price=1&price=2",
            r#"{"price":[1,2]}"#,
            invalid,
            "You specified too many values for price.",
        ),
    ] {
        for text in [plain, &encoded(object)] {
            let denial = filters(&world(), text).unwrap_err();
            assert_eq!(denial.refusal, refusal, "{text}");
            assert_eq!(denial.told.as_deref(), Some(sentence), "{text}");
        }
    }
}

/// B3–B5, and the readings that Metabase's own rule of precedence would allow.
#[test]
fn two_readings_are_none() {
    for text in [
        "parameters=%7B%7D&parameters=%7B%7D".to_owned(),
        "parameters=%7B%7D&category=a".to_owned(),
        "parameters=%7B%7D&tenant=acme".to_owned(),
        "category[]=a&parameters=%7B%7D".to_owned(),
        "parameters[]=%7B%7D".to_owned(),
        "parameters%5B%5D=%7B%7D".to_owned(),
        "PARAMETERS=%7B%7D".to_owned(),
        "parameters[a]=b".to_owned(),
        "%2570arameters=%7B%7D".to_owned(),
        "parameters".to_owned(),
        "parameters=".to_owned(),
        encoded("null"),
        encoded("[]"),
        encoded(r#"[{"id":"5aefc7","value":"x"}]"#),
        encoded("{} {}"),
        encoded("{"),
        encoded(r#"{"category":"a","category":"b"}"#),
        encoded(r#"{"tenant":"acme","t\u0065nant":"acorp"}"#),
        encoded("{category:1}"),
        encoded("\u{feff}{}"),
        encoded(&format!(
            r#"{{"category":{}{}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        )),
        "format_rows=true&format_rows=false".to_owned(),
        "format_rows=1".to_owned(),
        "format_rows".to_owned(),
        "pivot_results=TRUE".to_owned(),
    ] {
        let denial = filters(&world(), &text).unwrap_err();
        assert_eq!(denial.refusal, Refusal::RequestMalformed, "{text}");
    }
}

/// Rows 18, 49: before anything that the viewer says, the token must be whole.
#[test]
fn a_token_without_a_locked_value_gets_nothing() {
    let world = world().with(TENANT, None);
    for text in ["", "tenant=acme", "tenant="] {
        let denial = filters(&world, text).unwrap_err();
        assert_eq!(denial.refusal, Refusal::ParamMissing, "{text}");
    }
}

#[test]
fn upstream_gets_filters_and_options_and_nothing_else() {
    let query = |text: &str, extras| {
        let read = read(&Query::parse(text).unwrap(), world().rules(), extras);
        read.map(|filters| filters.to_query())
            .map_err(|denial| denial.refusal)
    };
    let drop = ["embed_token".into()];
    let places = Extras {
        drop: &drop,
        ..NONE
    };
    let noisy = "ignore_cache=true&embed_token=a.b.c&dashboard_load_id=1&pivot_results=false&format_rows=true&EMBED_TOKEN=x&csv_include_bom=true";
    assert_eq!(query("", NONE), Ok("parameters=%7B%7D".to_owned()));
    assert_eq!(
        query(noisy, places),
        Ok(
            "parameters=%7B%7D&format_rows=true&pivot_results=false&csv_include_bom=true"
                .to_owned()
        )
    );
    assert_eq!(query(noisy, NONE), Err(Refusal::ParamInvalid));
    assert_eq!(
        query("category=a%26b%3D%22", NONE),
        Ok("parameters=%7B%22category%22%3A%22a%26b%3D%5C%22%22%7D".to_owned())
    );
    let batch = Extras {
        cards: true,
        ..NONE
    };
    let cards = pair("cards", r#"[{"card_id":2,"dashcard_id":1}]"#);
    let read = read(&Query::parse(&cards).unwrap(), world().rules(), batch).unwrap();
    assert_eq!(read.cards(), [(1, 2)]);
    assert_eq!(
        read.to_query(),
        format!(
            "parameters=%7B%7D&{}",
            pair("cards", r#"[{"dashcard_id":1,"card_id":2}]"#)
        )
    );
    assert_eq!(query("", batch), Err(Refusal::RequestMalformed));
    assert_eq!(
        query(&format!("{cards}&{cards}"), batch),
        Err(Refusal::RequestMalformed)
    );
}

/// One of what clients send, well-formed and not.
fn client() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        6 => prop::sample::select(vec!["tenant", "category", "price", "plan", "secret", "day", "org", "active"]).prop_map(String::from),
        2 => prop::sample::select(vec!["TENANT", "tenant[]", "Category", "parameters", "parameters[]", "format_rows", "ignore_cache", "cards", "\\u0074enant"]).prop_map(String::from),
        1 => "\\PC{0,6}",
    ];
    let value = prop_oneof![
        6 => prop::sample::select(vec!["acme", "acorp", "gold", "5", "true", "2026-11-22", "", "null", "[]", "Gizmo", "{}"]).prop_map(String::from),
        1 => "\\PC{0,8}",
    ];
    let json = prop_oneof![
        6 => value.clone().prop_map(|text| serde_json::to_string(&text).unwrap()),
        3 => value.clone(),
        2 => prop::collection::vec(value.clone(), 0..3).prop_map(|all| serde_json::to_string(&all).unwrap()),
    ];
    let object = prop::collection::vec((name.clone(), json), 0..4).prop_map(|members| {
        let members: Vec<_> = members
            .iter()
            .map(|(name, json)| format!("\"{name}\":{json}"))
            .collect();
        encoded(&format!("{{{}}}", members.join(",")))
    });
    let plain = prop::collection::vec((name, value), 0..4).prop_map(|pairs| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| pair(name, value))
            .collect();
        pairs.join("&")
    });
    prop_oneof![
        4 => object.clone(),
        4 => plain.clone(),
        1 => (object, plain).prop_map(|(object, plain)| format!("{object}&{plain}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn whatever_passes_has_one_reading_and_only_open_filters(text in client(), all: bool) {
        let world = if all { world().with_all(TENANT) } else { world() };
        let Ok(filters) = filters(&world, &text) else { return Ok(()) };
        let sent = filters.to_query();
        let read = Query::parse(&sent).unwrap();
        let (first, rest) = read.pairs().split_first().unwrap();
        prop_assert_eq!(&*first.name, "parameters");
        for pair in rest {
            prop_assert_eq!(&*pair.name, "format_rows", "{}", sent);
        }
        let object: Json = serde_json::from_str(first.value.as_deref().unwrap()).unwrap();
        for slug in object.as_object().unwrap().keys() {
            prop_assert!(["category", "price", "day", "active"].contains(&&**slug), "{} of {}", slug, text);
        }
        let again = super::read(&read, world.rules(), NONE).unwrap();
        prop_assert_eq!(again, filters);
    }

    #[test]
    fn well_formed_filters_pass(categories in prop::collection::vec("[a-zA-Zäöü\"\\\\&=+% ]{0,8}x", 1..4), price: i64) {
        let object = serde_json::json!({"category": categories, "price": price});
        let filters = filters(&world(), &encoded(&object.to_string())).unwrap();
        let written: Json = serde_json::from_str(filters.to_json()).unwrap();
        prop_assert_eq!(written, object);
    }
}

#[test]
fn locked_numbers_and_lists_are_compared_as_values() {
    let numbers = world()
        .typed(TENANT, Type::Integer)
        .with(TENANT, Some(many(&["1", "2"], Type::Integer)));
    for same in [
        "tenant=2&tenant=1",
        "parameters=%7B%22tenant%22%3A%5B1%2C%222%22%5D%7D",
    ] {
        assert!(filters(&numbers, same).is_ok(), "{same}");
    }
    for other in ["tenant=1", "tenant=1&tenant=3", "tenant=1&tenant=02"] {
        assert!(filters(&numbers, other).is_err(), "{other}");
    }
    let preset = world()
        .with(PRICE, Some(one("5", Type::Integer)))
        .with(PLAN, None);
    assert_eq!(filters(&preset, "price=5").unwrap().to_json(), "{}");
    assert!(filters(&preset, "price=6").is_err());
    assert_eq!(
        filters(&preset, "plan=free").unwrap().to_json(),
        r#"{"plan":"free"}"#
    );
}
