use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    gate::param::{Lock, ParamSpec, Scalar, Type, Value},
    rewrite::judge::tests::{int, integer, one, spec},
};

fn place(at: &str, template: Option<serde_json::Value>) -> Place {
    Place::Json {
        at: at.into(),
        template,
    }
}

fn with(
    spec: &ParamSpec,
    value: Option<Value>,
    place: Place,
    body: &str,
) -> Result<String, Denial> {
    let bindings = Bindings {
        params: std::slice::from_ref(spec),
        values: &[value],
        locks: &[Lock { param: 0, place }],
    };
    apply(body.as_bytes(), bindings).map(|body| String::from_utf8(body).unwrap())
}

/// `tenant_id` locked to 99.
fn locked(at: &str, template: Option<serde_json::Value>, body: &str) -> Result<String, Refusal> {
    with(
        &integer("tenant_id", Mode::Locked),
        Some(int("99")),
        place(at, template),
        body,
    )
    .map_err(|denial| denial.refusal)
}

fn filter() -> serde_json::Value {
    json!({"field": "tenant_id", "op": "=", "value": "$value"})
}

const FILTER: &str = r#"{"field":"tenant_id","op":"=","value":99}"#;

#[test]
fn a_member_is_set_where_it_belongs() {
    for (at, before, after) in [
        ("/a", "{}", r#"{"a":99}"#),
        ("/a", r#"{"b":1}"#, r#"{"b":1,"a":99}"#),
        ("/a", r#" { "b" : 1 } "#, r#" { "b" : 1,"a":99 } "#),
        ("/a", r#"{"a": 99 ,"b":1e400}"#, r#"{"a": 99 ,"b":1e400}"#),
        ("/a", r#"{"a":"99"}"#, r#"{"a":99}"#),
        ("/a", r#"{"a":[99]}"#, r#"{"a":99}"#),
        ("/a", r#"{"A":99,"b":1}"#, r#"{"b":1,"a":99}"#),
        (
            "/a",
            r#"{"b":1,"A":99,"Tenant_Id":99}"#,
            r#"{"b":1,"a":99}"#,
        ),
        ("/a", r#"{"tenant_id":99}"#, r#"{"a":99}"#),
        ("/a/b", "{}", r#"{"a":{"b":99}}"#),
        ("/a/b", r#"{"a":{"c":1}}"#, r#"{"a":{"c":1,"b":99}}"#),
        ("/a/b", r#"{"a":{},"tenant_id":99}"#, r#"{"a":{"b":99}}"#),
        ("/a~1b/c~0", "{}", r#"{"a/b":{"c~":99}}"#),
        ("/a/1/b", r#"{"a":[{},{}]}"#, r#"{"a":[{},{"b":99}]}"#),
    ] {
        assert_eq!(
            locked(at, None, before),
            Ok(after.to_owned()),
            "{at} in {before}"
        );
    }
}

#[test]
fn an_element_is_appended_once() {
    for (before, after) in [
        ("{}".to_owned(), format!(r#"{{"filters":[{FILTER}]}}"#)),
        (
            r#"{"filters":[]}"#.to_owned(),
            format!(r#"{{"filters":[{FILTER}]}}"#),
        ),
        (
            r#"{"filters":[{"field":"x"} ]}"#.to_owned(),
            format!(r#"{{"filters":[{{"field":"x"}},{FILTER} ]}}"#),
        ),
        (
            format!(r#"{{"filters":[{FILTER},{{"field":"x"}},{FILTER}]}}"#),
            format!(r#"{{"filters":[{{"field":"x"}},{FILTER}]}}"#),
        ),
        (
            r#"{"filters":[{"value":"99","field":"TENANT_ID","Op":"="}]}"#.to_owned(),
            format!(r#"{{"filters":[{FILTER}]}}"#),
        ),
        (
            format!("{{\"filters\":[{FILTER}, {FILTER}]}}"),
            format!(r#"{{"filters":[{FILTER}]}}"#),
        ),
    ] {
        assert_eq!(
            locked("/filters/-", Some(filter()), &before),
            Ok(after),
            "{before}"
        );
    }
}

#[test]
fn another_value_is_refused_wherever_it_might_be_read() {
    for body in [
        r#"{"tenant_id":777}"#,
        r#"{"tenant_id":null}"#,
        r#"{"tenant_id":[99,777]}"#,
        r#"{"tenant_id":{"$ne":1}}"#,
        r#"{"tenant_id":"99 or 1=1"}"#,
        r#"{"TENANT_ID":777}"#,
        r#"{"tenant\u005fid":777}"#,
        r#"{"tenant_id[]":777}"#,
        r#"{"tenant_id ":777}"#,
        r#"{"ｔｅｎａｎｔ＿ｉｄ":777}"#,
        r#"{"filters":[{"field":"tenant_id","op":"=","value":777}]}"#,
        r#"{"filters":[{"field":"tenant_id","value":777}]}"#,
        r#"{"filters":[{"field":"tenant_id"}]}"#,
        r#"{"filters":[{"field":"Tenant_ID","op":"=","value":777}]}"#,
        r#"{"filters":[{"field":"tenant\u005fid","op":"=","value":777}]}"#,
        r#"{"filters":[{"FIELD":"tenant_id","Op":"=","Value":777}]}"#,
        r#"{"filters":[{"field":"tenant_id","FIELD":"x","op":"=","value":777}]}"#,
        r#"{"filters":[{"field":"tenant_id","op":"=","value":99,"VALUE":777}]}"#,
        r#"{"FILTERS":[{"field":"x"}]}"#,
        r#"{"filters":[],"Filters":[]}"#,
    ] {
        assert_eq!(
            locked("/filters/-", Some(filter()), body),
            Err(Refusal::ParamLocked),
            "{body}"
        );
    }
    for body in [
        r#"{"ids":[777]}"#,
        r#"{"ids":[99,777]}"#,
        r#"{"ids":[null]}"#,
        r#"{"ids":[[99],{}]}"#,
    ] {
        assert_eq!(
            locked("/ids/-", None, body),
            Err(Refusal::ParamLocked),
            "{body}"
        );
    }
}

#[test]
fn what_is_about_something_else_passes() {
    for body in [
        r#"{"filters":[{"field":"region","op":"=","value":777}]}"#,
        r#"{"filters":[{"field":"tenant_id","op":">","value":0}]}"#,
        r#"{"filters":[1,"tenant_id",null]}"#,
        r#"{"columns":{"tenant_id":"Tenant"}}"#,
    ] {
        assert!(locked("/filters/-", Some(filter()), body).is_ok(), "{body}");
    }
}

#[test]
fn an_uncertain_body_is_refused() {
    for (at, body) in [
        ("/a", ""),
        ("/a", "[]"),
        ("/a", "7"),
        ("/a", "null"),
        ("/a", r#"{"a":1,"a":99}"#),
        ("/a", r#"{"b":{"c":1,"\u0063":2}}"#),
        ("/a", r#"{"a":99}x"#),
        ("/a", "\u{feff}{}"),
        ("/a/b", r#"{"a":null}"#),
        ("/a/b", r#"{"a":[]}"#),
        ("/a/b", r#"{"a":"x"}"#),
        ("/filters/-", r#"{"filters":{}}"#),
        ("/filters/-", r#"{"filters":null}"#),
        ("/filters/-", r#"{"filters":"x"}"#),
        ("/a/0/b", r#"{"a":[]}"#),
        ("/a/00/b", r#"{"a":[{}]}"#),
        ("/a/-/b", r#"{"a":[{}]}"#),
        ("", "{}"),
        ("a", "{}"),
    ] {
        assert_eq!(
            locked(at, None, body),
            Err(Refusal::BodyUnsupported),
            "{at} in {body}"
        );
    }
}

#[test]
fn numbers_and_text_survive() {
    let body = r#"{ "n":[9007199254740993, 1.0, 1e400, -0, 1E+2], "s":"\u00e9\/\ud83d\ude00", "é" : null }"#;
    let out = locked("/z", None, body).unwrap();
    assert_eq!(out, body.replace(" }", r#","z":99 }"#));
    let big = "123456789012345678901234567890";
    let out = with(
        &integer("t", Mode::Locked),
        Some(int(big)),
        place("/t", None),
        "{}",
    )
    .unwrap();
    assert_eq!(out, format!(r#"{{"t":{big}}}"#));
}

#[test]
fn values_are_typed_in_templates() {
    let list = ParamSpec {
        list: true,
        ..spec("plan", Mode::Locked)
    };
    let many = Value::Many(
        ["a\"\\\u{1}", "b"]
            .map(|text| Scalar {
                text: text.into(),
                kind: Type::String,
            })
            .into(),
    );
    let template = Some(json!({"in": ["plan", "$value"], "n": 1}));
    let out = with(
        &list,
        Some(many.clone()),
        place("/f/-", template.clone()),
        "{}",
    )
    .unwrap();
    assert_eq!(out, r#"{"f":[{"in":["plan",["a\"\\\u0001","b"]],"n":1}]}"#);
    assert_eq!(
        with(&list, Some(many), place("/f/-", template), &out).as_ref(),
        Ok(&out),
        "idempotent"
    );
    let flag = ParamSpec {
        kind: Type::Boolean,
        ..spec("f", Mode::Locked)
    };
    let yes = Value::One(Scalar {
        text: "true".into(),
        kind: Type::Boolean,
    });
    assert_eq!(
        with(&flag, Some(yes), place("/f", None), "{}").unwrap(),
        r#"{"f":true}"#
    );
    let array = Some(json!(["=", ["field", 7], "$value"]));
    assert_eq!(
        locked("/w/-", array.clone(), r#"{"w":[["=",["field",7],777]]}"#),
        Err(Refusal::ParamLocked)
    );
    assert_eq!(
        locked("/w/-", array, r#"{"w":[["=",["field",7],99]]}"#),
        Ok(r#"{"w":[["=",["field",7],99]]}"#.into())
    );
}

#[test]
fn enabled_and_disabled_parameters_are_judged_too() {
    let region = spec("region", Mode::Enabled);
    let over = |preset: Option<&str>, body: &str| {
        with(&region, preset.map(one), place("/r", None), body).map_err(|denial| denial.refusal)
    };
    assert_eq!(over(None, "{}"), Ok("{}".into()));
    assert_eq!(over(Some("west"), "{}"), Ok(r#"{"r":"west"}"#.into()));
    assert_eq!(
        over(Some("west"), r#"{"r":"east"}"#),
        Ok(r#"{"r":"east"}"#.into())
    );
    assert_eq!(
        over(Some("west"), r#"{"r":null}"#),
        Ok(r#"{"r":null}"#.into())
    );
    for body in [
        r#"{"R":"east"}"#,
        r#"{"r":{}}"#,
        r#"{"r":["a"]}"#,
        r#"{"r":"a","region":"b"}"#,
        r#"{"REGION":"a"}"#,
    ] {
        assert_eq!(over(None, body), Err(Refusal::ParamInvalid), "{body}");
    }
    let debug = spec("debug", Mode::Disabled);
    for body in [r#"{"debug":1}"#, r#"{"DEBUG":null}"#, r#"{"d":1}"#] {
        let denial = with(&debug, None, place("/d", None), body).unwrap_err();
        assert_eq!(
            (denial.refusal, denial.detail.as_deref()),
            (Refusal::ParamDisabled, Some("debug")),
            "{body}"
        );
    }
}

#[test]
fn locks_share_what_they_create() {
    let params = [
        integer("tenant_id", Mode::Locked),
        spec("plan", Mode::Locked),
    ];
    let lock = |param, at| Lock {
        param,
        place: place(at, None),
    };
    let values = [Some(int("99")), Some(one("pro"))];
    let over = |locks: &[Lock], body: &str| {
        apply(
            body.as_bytes(),
            Bindings {
                params: &params,
                values: &values,
                locks,
            },
        )
        .map(|body| String::from_utf8(body).unwrap())
    };
    let both = [
        lock(0, "/q/t"),
        lock(1, "/q/p"),
        lock(1, "/l/-"),
        lock(0, "/l/-"),
    ];
    let expected = r#"{"q":{"t":99,"p":"pro"},"l":["pro",99]}"#;
    assert_eq!(over(&both, "{}").unwrap(), expected);
    assert_eq!(
        over(&both[..1], r#"{"plan":"free"}"#).unwrap_err().refusal,
        Refusal::ParamLocked,
        "declared, though not bound here"
    );
    let missing = apply(
        b"{}",
        Bindings {
            params: &params,
            values: &[None, None],
            locks: &both,
        },
    );
    assert_eq!(missing.unwrap_err().refusal, Refusal::ParamMissing);
}

#[test]
fn a_hostile_size_costs_no_more_than_its_length() {
    let many = format!(r#"{{"filters":[{}]}}"#, vec![FILTER; 20_000].join(","));
    assert_eq!(
        locked("/filters/-", Some(filter()), &many),
        Ok(format!(r#"{{"filters":[{FILTER}]}}"#))
    );
    let wide: Vec<String> = (0..50_000).map(|n| format!(r#""k{n}":{n},"#)).collect();
    let wide = wide.concat();
    assert!(locked("/z", None, &format!("{{{wide}\"k1\":1}}")).is_err());
    assert!(locked("/z", None, &format!("{{{wide}\"y\":1}}")).is_ok());
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<i32>().prop_map(|number| json!(number)),
        "(tenant_id|99|=|\\PC{0,4})".prop_map(|text| json!(text)),
        Just(json!({"field": "tenant_id", "op": "=", "value": 99})),
        Just(json!({"field": "region", "op": "=", "value": 1})),
    ];
    let key = "(filters|tenant_id|field|op|value|[a-c])";
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            prop::collection::vec((key, inner), 0..5)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_comes_out_holds_the_lock_once(body in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&body).unwrap() } else { body.to_string() };
        for (at, template) in [("/filters/-", Some(filter())), ("/a/b", None), ("/tenant_id", None)] {
            let Ok(out) = locked(at, template.clone(), &text) else { continue };
            let read: serde_json::Value = serde_json::from_str(&out).unwrap();
            if at == "/filters/-" {
                let own = json!({"field": "tenant_id", "op": "=", "value": 99});
                let all = read["filters"].as_array().unwrap();
                prop_assert_eq!(all.iter().filter(|filter| **filter == own).count(), 1);
                prop_assert_eq!(all.last(), Some(&own));
            } else {
                prop_assert_eq!(read.pointer(at), Some(&json!(99)), "{} in {}", at, out);
            }
            prop_assert_eq!(locked(at, template, &out), Ok(out.clone()), "idempotent");
            let mut rest = body.clone();
            let mut new = read;
            for value in [&mut rest, &mut new] {
                if let Some(object) = value.as_object_mut() {
                    for key in ["filters", "a", "tenant_id"] {
                        object.shift_remove(key);
                    }
                }
            }
            prop_assert_eq!(rest, new, "unrelated members stay");
        }
    }

    #[test]
    fn what_we_read_serde_reads_too(text in "[\\[\\]{}\",:0-9a-c.eE+\\\\u -]{0,24}") {
        if check(text.as_bytes()).is_ok() {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{}", text);
        }
    }
}

#[test]
fn names_that_are_dear_to_compare_are_bounded() {
    let dear = |count: usize| {
        let names = (0..count).map(|at| format!("\"{}{at}\":1", "\u{fdfa}".repeat(100)));
        format!("{{{}}}", names.collect::<Vec<_>>().join(","))
    };
    assert!(locked("/a", None, &dear(50)).is_ok());
    for body in [
        dear(2000),
        format!("{{\"{}\":1}}", "\u{fdfa}".repeat(100_000)),
        format!("{{\"{}\":1}}", "%EF%B7%BA".repeat(10_000)),
    ] {
        assert_eq!(locked("/a", None, &body), Err(Refusal::BodyUnsupported));
        let inside = format!("{{\"filters\":[{body}]}}");
        assert_eq!(
            locked("/filters/-", Some(filter()), &inside),
            Err(Refusal::BodyUnsupported)
        );
    }
    let value = format!(
        r#"{{"filters":[{{"field":"{}"}}]}}"#,
        "\u{fdfa}".repeat(100_000)
    );
    assert_eq!(
        locked("/filters/-", Some(filter()), &value),
        Err(Refusal::BodyUnsupported)
    );
}
