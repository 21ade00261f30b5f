//! Tables and properties of query reading and writing.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Vec<(String, Option<String>)> {
    let query = Query::parse(text).unwrap();
    let owned = |pair: &Pair<'_>| {
        let value = pair.value.as_deref().map(str::to_owned);
        (pair.name.clone().into_owned(), value)
    };
    query.pairs().iter().map(owned).collect()
}

fn pair(name: &str, value: Option<&str>) -> (String, Option<String>) {
    (name.to_owned(), value.map(str::to_owned))
}

#[test]
fn reads_pairs_in_order_with_duplicates() {
    assert_eq!(read(""), []);
    assert_eq!(read("&&"), []);
    assert_eq!(
        read("a=1&b=&&c&a=2&=x&d=e=f"),
        [
            pair("a", Some("1")),
            pair("b", Some("")),
            pair("c", None),
            pair("a", Some("2")),
            pair("", Some("x")),
            pair("d", Some("e=f"))
        ]
    );
}

#[test]
fn decodes_each_side_once() {
    let table = [
        ("a%5Fb=c%2Bd+e", pair("a_b", Some("c+d e"))),
        ("a%26b=c%3Dd", pair("a&b", Some("c=d"))),
        ("%61=%2561", pair("a", Some("%61"))),
        ("caf%C3%A9=é", pair("café", Some("é"))),
        ("a%3Db", pair("a=b", None)),
        ("a;b=1", pair("a;b", Some("1"))),
    ];
    for (text, expected) in table {
        assert_eq!(read(text), [expected], "{text}");
    }
}

#[test]
fn borrows_what_holds_no_escape() {
    let query = Query::parse("q=(columns:!(id,slug))&standalone=1").unwrap();
    for pair in query.pairs() {
        assert!(matches!(pair.name, Cow::Borrowed(_)));
        assert!(matches!(pair.value, Some(Cow::Borrowed(_))));
    }
}

#[test]
fn refuses_what_cannot_be_read() {
    let table = [
        "%",
        "a=%",
        "a=%4",
        "a=%zz",
        "a=%+1",
        "%u0041=1",
        "a=%00",
        "a%00=1",
        "a=%0d%0a",
        "a=%7f",
        "a=\0",
        "a=\n",
        "a=%ff",
        "a=%c0%af",
        "a=%ed%a0%80",
        "a=%c2%85",
        "a=\u{85}",
        "ok=1&a=%",
    ];
    for text in table {
        assert_eq!(
            Query::parse(text),
            Err(Refusal::RequestMalformed),
            "{text:?}"
        );
    }
}

#[test]
fn pairs_are_bounded() {
    let pairs = |count: usize| vec!["a=1"; count].join("&");
    assert_eq!(Query::parse(&pairs(512)).unwrap().pairs().len(), 512);
    assert_eq!(Query::parse(&pairs(513)), Err(Refusal::RequestMalformed));
}

#[test]
fn passes_what_every_reader_splits_alike() {
    let table = [
        ("q=(columns:!(id,slug,'a'))", "q=(columns:!(id,slug,'a'))"),
        ("filters[0]=a+b%20c", "filters[0]=a+b%20c"),
        ("url=https://a/b", "url=https://a/b"),
        ("flag", "flag"),
        ("a=", "a="),
        ("a=1;tenant_id=2", "a=1%3Btenant_id%3D2"),
        ("a;tenant_id=2", "a%3Btenant_id=2"),
        ("a=b==", "a=b%3D%3D"),
        ("a=x?tenant_id=2", "a=x%3Ftenant_id%3D2"),
        ("a={\"b\"}", "a=%7B%22b%22%7D"),
        ("a|b", "a%7Cb"),
        ("a=é", "a=%C3%A9"),
    ];
    for (text, expected) in table {
        let query = Query::parse(text).unwrap();
        let mut out = String::new();
        query.pairs().iter().for_each(|pair| pass(&mut out, pair));
        assert_eq!(out, expected, "{text}");
    }
}

#[test]
fn writes_what_any_reader_decodes() {
    let mut query = String::new();
    push(&mut query, "tenant_id", "7");
    push(&mut query, "a b&c=d", "é+;%#\n");
    assert_eq!(query, "tenant_id=7&a%20b%26c%3Dd=%C3%A9%2B%3B%25%23%0A");
}

proptest! {
    #[test]
    fn what_is_pushed_is_read_back(pairs in prop::collection::vec(("\\PC{0,8}", "\\PC{0,12}"), 0..8)) {
        let mut text = String::new();
        for (name, value) in &pairs {
            push(&mut text, name, value);
        }
        let expected: Vec<_> = pairs.into_iter().map(|(name, value)| (name, Some(value))).collect();
        prop_assert_eq!(read(&text), expected);
    }

    #[test]
    fn passing_keeps_the_meaning(text in "([a-z=&;%+(),:!\\[\\]{}é?]|%[2-7][0-9a-e]){0,24}") {
        if let Ok(query) = Query::parse(&text) {
            let mut out = String::new();
            query.pairs().iter().for_each(|pair| pass(&mut out, pair));
            let same: Vec<_> = query.pairs().iter().map(|pair| (&pair.name, &pair.value)).collect();
            let again = Query::parse(&out).unwrap();
            let after: Vec<_> = again.pairs().iter().map(|pair| (&pair.name, &pair.value)).collect();
            prop_assert_eq!(after, same);
            prop_assert!(!out.contains([';', '?', '#']) && out.is_ascii());
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = Query::parse(&text).is_ok();
    }
}

#[test]
fn names_that_are_dear_to_compare_are_bounded() {
    let name = "%EF%B7%BA".repeat(64);
    let dear = |pairs: usize| vec![format!("{name}=1"); pairs].join("&");
    assert!(Query::parse(&dear(80)).is_ok());
    assert_eq!(Query::parse(&dear(90)), Err(Refusal::RequestMalformed));
    let escaped = vec![format!("{}=1", "%25EF".repeat(60)); 100].join("&");
    assert_eq!(Query::parse(&escaped), Err(Refusal::RequestMalformed));
}
