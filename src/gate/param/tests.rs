use proptest::prelude::*;
use serde_json::json;

use super::*;

const KINDS: [Type; 6] = [
    Type::Boolean,
    Type::Date,
    Type::Integer,
    Type::Number,
    Type::String,
    Type::Uuid,
];

fn spec(kind: Type, list: bool) -> ParamSpec {
    ParamSpec {
        name: "p".into(),
        folded: "p".into(),
        mode: Mode::Locked,
        kind,
        list,
        all: None,
    }
}

fn one(text: &str, kind: Type) -> Value {
    Value::One(Scalar {
        text: text.into(),
        kind,
    })
}

#[test]
fn reads_each_type_as_its_canonical_text() {
    let table = [
        (Type::Boolean, json!(true), "true"),
        (Type::Boolean, json!(false), "false"),
        (Type::Date, json!("2024-02-29"), "2024-02-29"),
        (Type::Integer, json!(99), "99"),
        (Type::Integer, json!(-1), "-1"),
        (Type::Integer, json!(u64::MAX), "18446744073709551615"),
        (Type::Number, json!(1.5), "1.5"),
        (Type::Number, json!(7), "7"),
        (Type::String, json!("us-west"), "us-west"),
        (Type::String, json!("99"), "99"),
        (Type::String, json!(" null "), " null "),
        (
            Type::Uuid,
            json!("6BA7B810-9DAD-11D1-80B4-00C04FD430C8"),
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        ),
    ];
    for (kind, value, text) in table {
        let found = spec(kind, false).value(&value);
        assert_eq!(found, Ok(one(text, kind)), "{kind:?} {value}");
        assert_eq!(
            spec(kind, false).text(text),
            Ok(Scalar {
                text: text.into(),
                kind
            }),
            "{kind:?} {text}"
        );
    }
}

#[test]
fn an_empty_value_is_a_missing_one() {
    for kind in KINDS {
        for value in [
            json!(null),
            json!(""),
            json!("  "),
            json!("\u{3000}"),
            json!([]),
            json!([null]),
            json!([""]),
            json!([[]]),
        ] {
            assert_eq!(
                spec(kind, true).value(&value),
                Err(Refusal::ParamMissing),
                "{kind:?} {value}"
            );
        }
        assert_eq!(spec(kind, true).text(""), Err(Refusal::ParamMissing));
    }
}

#[test]
fn refuses_another_type() {
    let table = [
        (
            Type::Boolean,
            vec![json!("true"), json!(1), json!({}), json!("yes")],
        ),
        (
            Type::Date,
            vec![
                json!("2026-02-30"),
                json!("2026-2-3"),
                json!("20260203"),
                json!("2026-02-03T00:00:00Z"),
                json!("+2026-02-03"),
                json!("2026-02-0١"),
                json!(20_260_203),
                json!("2025-02-29"),
            ],
        ),
        (
            Type::Integer,
            vec![
                json!("99"),
                json!(1.0),
                json!(1.5),
                json!(1e30),
                json!(true),
                json!({"a": 1}),
                json!("99 OR 1=1"),
            ],
        ),
        (
            Type::Number,
            vec![
                json!("1.5"),
                json!(9_007_199_254_740_993.0),
                json!(1e300),
                json!(false),
            ],
        ),
        (
            Type::String,
            vec![
                json!(99),
                json!(true),
                json!("a\u{0}"),
                json!("a\nb"),
                json!("\u{7f}"),
                json!("a\u{85}"),
                json!({}),
                json!("x".repeat(1025)),
            ],
        ),
        (
            Type::Uuid,
            vec![
                json!("6ba7b8109dad11d180b400c04fd430c8"),
                json!("{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"),
                json!("6ba7b810-9dad-11d1-80b4-00c04fd430cg"),
                json!(7),
            ],
        ),
    ];
    for (kind, values) in table {
        for value in values {
            assert_eq!(
                spec(kind, true).value(&value),
                Err(Refusal::ParamInvalid),
                "{kind:?} {value}"
            );
            assert_eq!(
                spec(kind, true).value(&json!([value])),
                Err(Refusal::ParamInvalid),
                "{kind:?} [{value}]"
            );
        }
    }
}

#[test]
fn refuses_text_that_is_not_canonical() {
    let long = "1".repeat(65);
    let table: [(Type, &[&str]); 6] = [
        (Type::Boolean, &["True", "1", "yes", " true"]),
        (Type::Date, &["2026-11-22 ", "26-11-22", "2026/11/22"]),
        (
            Type::Integer,
            &[
                "099", "+1", "-0", "00", "1_000", "1.0", "1e3", "٣", "0x1", " 1", "1 ", "-", "--1",
                &long,
            ],
        ),
        (
            Type::Number,
            &[
                "01", "+1", ".5", "1.", "NaN", "inf", "1e", "1e999", "0x1", " 1", "1,5", "\"1\"",
            ],
        ),
        (Type::String, &["a\r\nb", "\u{0}"]),
        (
            Type::Uuid,
            &["", "0", "6ba7b810-9dad-11d1-80b4_00c04fd430c8"],
        ),
    ];
    for (kind, texts) in table {
        for text in texts {
            let wanted = if text.is_empty() {
                Refusal::ParamMissing
            } else {
                Refusal::ParamInvalid
            };
            assert_eq!(spec(kind, false).text(text), Err(wanted), "{kind:?} {text}");
        }
    }
    assert!(spec(Type::Integer, false).text(&"9".repeat(64)).is_ok());
    assert!(spec(Type::Integer, false).text("0").is_ok());
}

#[test]
fn a_list_of_one_value_is_that_value() {
    for (kind, value, text) in [
        (Type::Integer, json!([1]), "1"),
        (Type::String, json!(["acme"]), "acme"),
        (Type::Boolean, json!([false]), "false"),
    ] {
        let found = spec(kind, false).value(&value);
        assert_eq!(found, Ok(one(text, kind)), "{value}");
    }
    // Where a list is declared, it stays one: an upstream that reads an array gets an array.
    let found = spec(Type::Integer, true).value(&json!([1])).unwrap();
    assert_eq!(found.to_json(), json!([1]));
    for (value, refusal) in [
        (json!([1, 1]), Refusal::ParamInvalid),
        (json!([[1]]), Refusal::ParamInvalid),
        (json!(["1"]), Refusal::ParamInvalid),
        (json!([{"all": true}]), Refusal::ParamInvalid),
        (json!([null]), Refusal::ParamMissing),
        (json!([[]]), Refusal::ParamMissing),
        (json!([]), Refusal::ParamMissing),
    ] {
        let found = spec(Type::Integer, false).value(&value);
        assert_eq!(found, Err(refusal), "{value}");
    }
    assert_eq!(
        spec(Type::String, false).value(&json!([" "])),
        Err(Refusal::ParamMissing)
    );
}

#[test]
fn a_list_is_accepted_only_where_declared() {
    assert_eq!(
        spec(Type::Integer, false).value(&json!([1, 2])),
        Err(Refusal::ParamInvalid)
    );
    let found = spec(Type::Integer, true).value(&json!([1, 2])).unwrap();
    assert_eq!(
        found
            .scalars()
            .iter()
            .map(|scalar| &*scalar.text)
            .collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert!(found.contains(&spec(Type::Integer, true).text("2").unwrap()));
    assert!(!found.contains(&spec(Type::String, true).text("2").unwrap()));
    assert_eq!(
        spec(Type::Integer, true).value(&json!([1, "2"])),
        Err(Refusal::ParamInvalid)
    );
    assert_eq!(
        spec(Type::Integer, true).value(&json!([1, [2]])),
        Err(Refusal::ParamInvalid)
    );
    assert_eq!(
        spec(Type::Integer, true).value(&json!(vec![1; 1001])),
        Err(Refusal::ParamInvalid)
    );
    assert!(
        spec(Type::Integer, true)
            .value(&json!(vec![1; 1000]))
            .is_ok()
    );
}

#[test]
fn stands_in_json_as_it_came() {
    for (kind, value) in [
        (Type::Boolean, json!(true)),
        (Type::Integer, json!(u64::MAX)),
        (Type::Number, json!(0.1)),
        (Type::String, json!("a\"b")),
        (Type::Integer, json!([1, 2])),
        (Type::Date, json!("2026-11-22")),
    ] {
        let found = spec(kind, true).value(&value).unwrap();
        assert_eq!(found.to_json(), value);
    }
    let large = spec(Type::Integer, false)
        .text("123456789012345678901234567890")
        .unwrap();
    assert_eq!(large.json_text(), "123456789012345678901234567890");
    assert_eq!(
        spec(Type::String, false).text("a\"b").unwrap().json_text(),
        r#""a\"b""#
    );
}

proptest! {
    #[test]
    fn what_was_read_reads_again_alike(kind in prop::sample::select(&KINDS[..]), text in prop_oneof!["\\PC{0,12}", "-?[0-9]{1,20}", "[0-9.eE+-]{1,8}", "[0-9]{4}-[0-9]{2}-[0-9]{2}"]) {
        if let Ok(scalar) = spec(kind, false).text(&text) {
            prop_assert_eq!(spec(kind, false).text(&scalar.text), Ok(scalar.clone()));
            let read: Json = serde_json::from_str(&scalar.json_text()).unwrap();
            if let Ok(again) = spec(kind, false).value(&read) {
                // Through JSON a number may change its spelling (1e2, 100.0), never its value.
                let same = again.scalars()[0] == scalar || again.to_json().as_f64() == read.as_f64();
                prop_assert!(same, "{} {:?}", text, again);
            }
        }
    }

    #[test]
    fn integers_and_strings_go_round(number in any::<i64>(), text in "[^\\p{Cc}\\s]{1,40}") {
        let integer = spec(Type::Integer, false).value(&json!(number)).unwrap();
        prop_assert_eq!(integer.to_json(), json!(number));
        let string = spec(Type::String, false).value(&json!(text)).unwrap();
        prop_assert_eq!(string.to_json(), json!(text));
    }
}
