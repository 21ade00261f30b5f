use super::*;
use crate::adapter::metabase::filters::{
    json,
    testing::{ACTIVE, CATEGORY, DAY, ORG, PLAN, PRICE, SECRET, TENANT, layout, many, world},
};

fn judge(
    world: &crate::adapter::metabase::filters::testing::World,
    param: usize,
    text: &str,
) -> Result<Option<String>, Denial> {
    let said = Said::read(json::strict(text).unwrap());
    let scalars = world
        .rules()
        .judge(param, &world.params[param].name, &said)?;
    Ok(scalars.map(|scalars| said.write(&scalars)))
}

/// B37, row 78, row 79: values are typed by the declaration, whichever way they are written.
#[test]
fn open_values_are_typed() {
    let big = "123456789012345678901234567890";
    for (param, sent, written) in [
        (CATEGORY, "\"Gizmo\"", "\"Gizmo\""),
        (CATEGORY, "[\"Gizmo\"]", "[\"Gizmo\"]"),
        (
            CATEGORY,
            "[\"Gizmo\",\"G\\u0061dget\"]",
            "[\"Gizmo\",\"Gadget\"]",
        ),
        (PRICE, "5", "5"),
        (PRICE, "\"5\"", "5"),
        (PRICE, "[\"5\"]", "[5]"),
        (PRICE, big, big),
        (DAY, "\"2026-11-22\"", "\"2026-11-22\""),
        (ACTIVE, "true", "true"),
        (ACTIVE, "\"false\"", "false"),
        (CATEGORY, "null", "null"),
        (CATEGORY, "\"\"", "null"),
        (PRICE, "[]", "null"),
    ] {
        assert_eq!(
            judge(&world(), param, sent),
            Ok(Some(written.to_owned())),
            "{sent}"
        );
    }
    for (param, sent) in [
        (CATEGORY, "5"),
        (CATEGORY, "true"),
        (CATEGORY, "\" \""),
        (CATEGORY, "[null]"),
        (CATEGORY, "[\"\"]"),
        (CATEGORY, "[[\"a\"]]"),
        (CATEGORY, "{\"a\":1}"),
        (CATEGORY, "\"a\\u0000\""),
        (PRICE, "5.0"),
        (PRICE, "05e0"),
        (PRICE, "true"),
        (PRICE, "\"5 or 1=1\""),
        (PRICE, "[5,6]"),
        (DAY, "20261122"),
        (DAY, "\"2026-02-30\""),
        (ACTIVE, "1"),
    ] {
        if json::strict(sent).is_none() {
            continue;
        }
        let denial = judge(&world(), param, sent).unwrap_err();
        assert_eq!(denial.refusal, Refusal::ParamInvalid, "{sent}");
        assert!(denial.told.is_some(), "{sent}");
    }
    let long = format!("[{}]", vec!["\"a\""; MAX_LIST + 1].join(","));
    assert!(judge(&world(), CATEGORY, &long).is_err());
}

/// B2.
#[test]
fn a_locked_value_is_what_the_token_says() {
    for same in ["\"acme\"", "[\"acme\"]", "[\"\\u0061cme\"]"] {
        assert_eq!(judge(&world(), TENANT, same), Ok(None), "{same}");
    }
    for other in [
        "\"acorp\"",
        "\"ACME\"",
        "\"acme \"",
        "null",
        "\"\"",
        "[]",
        "[null]",
        "[\"\"]",
        "[\"acme\",\"acme\"]",
        "[\"acme\",\"acorp\"]",
        "[[\"acme\"]]",
        "{\"acme\":1}",
        "1",
        "true",
    ] {
        let denial = judge(&world(), TENANT, other).unwrap_err();
        assert_eq!(denial.refusal, Refusal::ParamLocked, "{other}");
        assert_eq!(denial.detail.as_deref(), Some("tenant"));
        assert_eq!(
            denial.told.as_deref(),
            Some("You can only specify a value for tenant in the token.")
        );
    }
}

#[test]
fn a_locked_list_is_said_whole_or_not_at_all() {
    let world = world().with(TENANT, Some(many(&["a", "b"], Type::String)));
    for same in ["[\"a\",\"b\"]", "[\"b\",\"a\"]"] {
        assert_eq!(judge(&world, TENANT, same), Ok(None), "{same}");
    }
    for other in ["\"a\"", "[\"a\"]", "[\"a\",\"a\"]", "[\"a\",\"b\",\"c\"]"] {
        assert!(judge(&world, TENANT, other).is_err(), "{other}");
    }
}

/// Who may see all may not say so in the query: the token says it.
#[test]
fn all_values_are_not_the_viewers_to_say() {
    let world = world().with_all(TENANT);
    for sent in ["null", "[]", "\"\"", "\"acme\"", "{\"all\":true}"] {
        let denial = judge(&world, TENANT, sent).unwrap_err();
        assert_eq!(denial.refusal, Refusal::ParamLocked, "{sent}");
    }
}

#[test]
fn each_refusal_has_its_words() {
    let world = world();
    let rules = world.rules();
    for (param, refusal, sentence) in [
        (
            TENANT,
            Refusal::ParamLocked,
            "You can only specify a value for x in the token.",
        ),
        (
            PLAN,
            Refusal::ParamLocked,
            "You can't specify a value for x, it is already set in the token.",
        ),
        (
            SECRET,
            Refusal::ParamDisabled,
            "You're not allowed to specify a value for x.",
        ),
        (
            ORG,
            Refusal::ParamDisabled,
            "You're not allowed to specify a value for x.",
        ),
        (CATEGORY, Refusal::ParamInvalid, "Unknown parameter x."),
    ] {
        let denial = rules.refuse(param, "x");
        assert_eq!(denial.refusal, refusal);
        assert_eq!(denial.told.as_deref(), Some(sentence));
        assert_eq!(denial.detail.as_deref(), Some(&*world.params[param].name));
    }
    assert_eq!(judge(&world, PLAN, "\"gold\""), Ok(None));
    assert!(judge(&world, PLAN, "\"free\"").is_err());
    assert!(judge(&world, PLAN, "null").is_err());
    assert!(judge(&world, SECRET, "null").is_err());
}

/// B6.
#[test]
fn aliases_are_refused_by_what_they_may_become() {
    let world = world();
    let (rules, layout) = (world.rules(), layout());
    for (name, refusal) in [
        ("TENANT", Refusal::ParamLocked),
        ("tenant ", Refusal::ParamLocked),
        ("tenant[]", Refusal::ParamLocked),
        ("%74enant", Refusal::ParamLocked),
        ("5AEFC7", Refusal::ParamLocked),
        ("5aefc7[]", Refusal::ParamLocked),
        ("Plan", Refusal::ParamLocked),
        ("Secret", Refusal::ParamDisabled),
        ("Category", Refusal::ParamInvalid),
        ("tenants", Refusal::ParamInvalid),
        ("", Refusal::ParamInvalid),
    ] {
        let denial = rules.stranger(Some(&layout), name);
        assert_eq!(denial.refusal, refusal, "{name}");
    }
    assert_eq!(
        rules.stranger(None, "5aefc7").refusal,
        Refusal::ParamInvalid
    );
}

#[test]
fn a_clients_name_is_repeated_with_care() {
    assert_eq!(quoted("venue_id"), "venue_id");
    assert_eq!(quoted("größe 2"), "größe 2");
    assert_eq!(quoted("a\u{202e}b\n\u{200b}c\u{1b}[2J"), "abc[2J");
    assert_eq!(quoted(&"ä".repeat(500)).chars().count(), MAX_QUOTED);
    let denial = unknown("x\ny");
    assert_eq!(denial.told.as_deref(), Some("Unknown parameter xy."));
    assert_eq!(denial.detail.as_deref(), Some("there is no parameter `xy`"));
}
