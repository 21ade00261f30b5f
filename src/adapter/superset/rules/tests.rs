use proptest::prelude::*;

use super::*;

fn param(name: &str, kind: Type, list: bool) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        folded: name.into(),
        mode: Mode::Locked,
        kind,
        list,
        all: None,
    }
}

fn params() -> Vec<ParamSpec> {
    let viewer_set = ParamSpec {
        mode: Mode::Enabled,
        ..param("region", Type::String, false)
    };
    vec![
        param("tenant_id", Type::Integer, false),
        param("plan", Type::String, false),
        param("plans", Type::String, true),
        param("since", Type::Date, false),
        viewer_set,
    ]
}

fn scalar(kind: Type, text: &str) -> Scalar {
    Scalar {
        text: text.into(),
        kind,
    }
}

fn one(kind: Type, text: &str) -> Value {
    Value::One(scalar(kind, text))
}

fn many(kind: Type, texts: &[&str]) -> Value {
    Value::Many(texts.iter().map(|text| scalar(kind, text)).collect())
}

fn fill(clause: &str, values: &[Option<Value>]) -> Result<String, Refusal> {
    let rule = Rule::parse(clause, None, &params()).unwrap();
    rule.fill(values).map_err(|denial| denial.refusal)
}

/// How a SQL reader of any dialect may cut a text into tokens: string literals, and everything else.
/// `None` where a literal does not end, or holds what some dialect reads as an escape.
fn literals_of(clause: &str) -> Option<(Vec<String>, String)> {
    let mut literals = Vec::new();
    let mut outside = String::new();
    let mut rest = clause.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '\'' {
            outside.push(character);
            continue;
        }
        let mut literal = String::new();
        loop {
            match rest.next()? {
                '\'' if rest.peek() == Some(&'\'') => {
                    rest.next();
                    literal.push('\'');
                }
                '\'' => break,
                '\\' | '\0' => return None,
                other => literal.push(other),
            }
        }
        literals.push(literal);
        outside.push('?');
    }
    Some((literals, outside))
}

#[test]
fn values_become_literals() {
    let values = [
        Some(one(Type::Integer, "-999")),
        Some(one(Type::String, "O'Brien")),
        Some(many(Type::String, &["a", "b'c"])),
        Some(one(Type::Date, "2026-11-22")),
    ];
    for (clause, filled) in [
        ("tenant_id = {tenant_id}", "tenant_id = -999"),
        ("plan={plan}", "plan='O''Brien'"),
        ("plan IN ({plans})", "plan IN ('a', 'b''c')"),
        ("plan not in ( {plans} )", "plan not in ( 'a', 'b''c' )"),
        ("(a > {tenant_id} OR b = 'x{') AND d < DATE {since}", ""),
        (
            "(a > {tenant_id} OR b = 'x') AND d < DATE {since}",
            "(a > -999 OR b = 'x') AND d < DATE '2026-11-22'",
        ),
        ("1 = 1", "1 = 1"),
    ] {
        if filled.is_empty() {
            assert!(Rule::parse(clause, None, &params()).is_err(), "{clause}");
        } else {
            assert_eq!(fill(clause, &values).unwrap(), filled, "{clause}");
        }
    }
}

#[test]
fn other_types_become_literals() {
    for (kind, text, literal) in [
        (Type::Boolean, "true", "true"),
        (Type::Number, "-1.5e+3", "-1.5e+3"),
        (
            Type::Uuid,
            "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11",
            "'b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11'",
        ),
    ] {
        let rule = Rule::parse("x = {it}", None, &[param("it", kind, false)]).unwrap();
        assert_eq!(
            rule.fill(&[Some(one(kind, text))]).unwrap(),
            format!("x = {literal}")
        );
    }
}

#[test]
fn an_empty_list_lets_no_row_through() {
    let values = [
        Some(one(Type::Integer, "1")),
        Some(one(Type::String, "x")),
        Some(Value::Many(Vec::new())),
    ];
    assert_eq!(
        fill("plan IN ({plans}) OR 1 = 1", &values).unwrap(),
        NOTHING
    );
}

#[test]
fn a_missing_value_is_refused_not_left_out() {
    assert_eq!(
        fill("tenant_id = {tenant_id}", &[None]),
        Err(Refusal::ParamMissing)
    );
    assert_eq!(
        fill("tenant_id = {tenant_id}", &[]),
        Err(Refusal::ParamMissing)
    );
}

#[test]
fn values_that_are_no_literal_are_refused() {
    for (kind, text) in [
        (Type::Integer, "1) OR (1=1"),
        (Type::Integer, ""),
        (Type::Integer, "-"),
        (Type::Integer, "1e3"),
        (Type::Integer, "٣"),
        (Type::Number, "1."),
        (Type::Number, ".5"),
        (Type::Number, "1e"),
        (Type::Number, "0x10"),
        (Type::Boolean, "TRUE"),
        (Type::Date, "2026-1-1"),
        (Type::Date, "2026-11-22'"),
        (Type::Uuid, "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a1'"),
        (Type::String, ""),
        (Type::String, "x\\' OR 1=1"),
        (Type::String, "x\0"),
        (Type::String, "x\n"),
        (Type::String, "{{ 1 }}"),
        (Type::String, "{% raw %}"),
        (Type::String, "{# x"),
        (Type::String, "x\u{2BC} OR 1=1"),
        (Type::String, "x\u{FF07}"),
    ] {
        let rule = Rule::parse("x = {it}", None, &[param("it", kind, false)]).unwrap();
        let refused = rule.fill(&[Some(one(kind, text))]).unwrap_err();
        assert_eq!(refused.refusal, Refusal::ParamInvalid, "{kind:?} {text}");
        assert_eq!(refused.detail.as_deref(), Some("it"), "{text}");
    }
}

#[test]
fn templates_that_could_go_wrong_do_not_start() {
    for (clause, wrong) in [
        ("", RuleError::Shape("a clause may not be empty")),
        ("tenant_id = {{ tenant_id }}", RuleError::Brace),
        ("tenant_id = {tenant_id", RuleError::Brace),
        ("tenant_id = }", RuleError::Brace),
        ("tenant_id = {}", RuleError::Brace),
        ("tenant_id = {% x %}", RuleError::Brace),
        ("tenant_id = {other}", RuleError::Unknown("other".into())),
        ("region = {region}", RuleError::NotLocked("region".into())),
        ("plan = '{plan}'", RuleError::Quoted("plan".into())),
        ("\"{plan}\" = 1", RuleError::Quoted("plan".into())),
        ("plan LIKE '%{plan}%'", RuleError::Quoted("plan".into())),
        ("t_{tenant_id} = 1", RuleError::Position("tenant_id".into())),
        ("x = 1{tenant_id}", RuleError::Position("tenant_id".into())),
        ("x = -{tenant_id}", RuleError::Position("tenant_id".into())),
        (
            "x = {tenant_id}{tenant_id}",
            RuleError::Position("tenant_id".into()),
        ),
        ("plan = N{plan}", RuleError::Position("plan".into())),
        ("plan = {plans}", RuleError::List("plans".into())),
        ("plan IN ({plans}, {plan})", RuleError::List("plans".into())),
        ("plan BEGIN ({plans})", RuleError::List("plans".into())),
    ] {
        assert_eq!(Rule::parse(clause, None, &params()), Err(wrong), "{clause}");
    }
    for clause in [
        "x = 'a",
        "x = (1",
        "x = 1) OR (1 = 1",
        "x = 1 -- y",
        "x = /* y */ 1",
        "x = 1; drop",
        "x = 'a\\'",
        "x = 1 # y",
        "x = $$a$$",
        "[x] = 1",
    ] {
        assert!(Rule::parse(clause, None, &params()).is_err(), "{clause}");
    }
    assert!(Rule::parse("x = 1", Some(0), &params()).is_err());
}

#[test]
fn a_rule_covers_its_dataset_or_all() {
    let all = Rule::parse("x = 1", None, &params()).unwrap();
    let seven = Rule::parse("x = 1", Some(7), &params()).unwrap();
    assert!(all.covers(1) && all.covers(7) && seven.covers(7) && !seven.covers(1));
}

proptest! {
    /// Whatever a token says, the clause holds that text as one literal, and nothing else of it.
    #[test]
    fn a_string_is_one_literal_or_refused(text in "\\PC{0,40}|[a-z'\"\\\\{}%#()=;\\-/* \\n]{0,24}") {
        if let Ok(clause) = fill("(plan = {plan})", &[None, Some(one(Type::String, &text))]) {
            let (literals, outside) = literals_of(&clause).expect("the literal ends");
            prop_assert_eq!(literals, vec![text]);
            prop_assert_eq!(outside, "(plan = ?)");
            let jinja = ["{{", "{%", "{#"].iter().any(|open| clause.contains(open));
            prop_assert!(!jinja);
        }
    }

    #[test]
    fn a_list_is_as_many_literals(texts in proptest::collection::vec("[a-z' ]{1,8}", 1..6)) {
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let clause = fill("plan IN ({plans})", &[None, None, Some(many(Type::String, &borrowed))]).unwrap();
        let (literals, outside) = literals_of(&clause).expect("the literals end");
        prop_assert_eq!(&literals, &texts);
        prop_assert_eq!(outside, format!("plan IN ({})", vec!["?"; texts.len()].join(", ")));
    }

    /// An integer never becomes anything but digits.
    #[test]
    fn an_integer_is_digits(text in "-?[0-9]{1,30}|\\PC{0,12}") {
        if let Ok(clause) = fill("tenant_id = {tenant_id}", &[Some(one(Type::Integer, &text))]) {
            let digits = clause.strip_prefix("tenant_id = ").unwrap();
            prop_assert!(digits.strip_prefix('-').unwrap_or(digits).bytes().all(|byte| byte.is_ascii_digit()));
        }
    }

    /// Reading a clause never panics, and what was read fills to itself where it holds no placeholder.
    #[test]
    fn clauses_read_without_panic(clause in "\\PC{0,60}") {
        if let Ok(rule) = Rule::parse(&clause, None, &params()) && !clause.contains('{') {
            prop_assert_eq!(rule.fill(&[]).unwrap(), clause);
        }
    }
}
