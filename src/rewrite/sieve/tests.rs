use std::fmt::Write as _;

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::*;

const DROP: &[&str] = &["json_query", "native_form"];

fn sieve(chunks: &[&[u8]]) -> Result<String, SieveError> {
    let mut sieve = Sieve::new(DROP);
    let mut out = Vec::new();
    for chunk in chunks {
        sieve.push(chunk, &mut out)?;
    }
    sieve.finish()?;
    Ok(String::from_utf8(out).unwrap())
}

/// In one piece, in single bytes and in pieces of seven: it must not matter.
fn all_ways(text: &[u8]) -> Result<String, SieveError> {
    let whole = sieve(&[text]);
    for size in [1, 2, 7] {
        let chunks: Vec<&[u8]> = text.chunks(size).collect();
        assert_eq!(sieve(&chunks), whole, "pieces of {size}: {text:?}");
    }
    whole
}

#[test]
fn members_go_with_their_comma() {
    for (text, expected) in [
        (r#"{"json_query":1}"#, "{}"),
        (r#"{"a":1,"json_query":2}"#, r#"{"a":1}"#),
        (r#"{"json_query":2,"a":1}"#, r#"{"a":1}"#),
        (r#"{"a":1,"json_query":2,"b":3}"#, r#"{"a":1,"b":3}"#),
        (r#"{"json_query":1,"native_form":2}"#, "{}"),
        (r#"{"json_query":1,"json_query":2,"a":3}"#, r#"{"a":3}"#),
        (r#"{"a":1,"json_query":1,"native_form":2}"#, r#"{"a":1}"#),
        (
            r#"{"json_query":{"a":[{"b":"}],"}]},"c":[{"json_query":[]},4]}"#,
            r#"{"c":[{},4]}"#,
        ),
        (r#"{"json\u005fquery":1,"a":2}"#, r#"{"a":2}"#),
        (
            r#"{"\u006a\u0073\u006f\u006E\u005F\u0071\u0075\u0065\u0072\u0079":1}"#,
            "{}",
        ),
        (r#"[{"json_query":1},"json_query"]"#, r#"[{},"json_query"]"#),
        (r#"{"a":{"b":{"json_query":1}}}"#, r#"{"a":{"b":{}}}"#),
    ] {
        assert_eq!(all_ways(text.as_bytes()).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn white_space_goes_only_with_a_member() {
    for (text, expected) in [
        ("{ \"json_query\" : 1 , \"a\" : 2 }\n", "{  \"a\" : 2 }\n"),
        ("{ \"a\" : 2 , \"json_query\" : [ 1 ] } ", "{ \"a\" : 2 } "),
        (" {\"a\":1 ,\n\"b\":2}\r\n", " {\"a\":1 ,\n\"b\":2}\r\n"),
    ] {
        assert_eq!(all_ways(text.as_bytes()).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_stays_stays_byte_for_byte() {
    let long = format!(r#"{{"{}":1}}"#, "json_query".repeat(1000));
    let escaped = format!(r#"{{"json_query{}":1}}"#, r"\u0000".repeat(60));
    for text in [
        "",
        "  ",
        "null",
        "-0.5e+10",
        "12",
        "\"json_query\"",
        "[]",
        "[1,-2.50,3E7,true,false,null,\"\\ud83d\\ude00 \\u00e4 \\\" \\/ ä€😀\"]",
        r#"{"json_quer":1,"json_query_":2,"JSON_QUERY":3,"":4,"\"json_query":5,"json_query\u0000":6}"#,
        "{\"a\":1}\n{\"b\":2}\n[3]\n",
        "1 2 {}",
        r#"{"lone \ud800 surrogate":"\udc00"}"#,
        &long,
        &escaped,
    ] {
        assert_eq!(all_ways(text.as_bytes()).as_deref(), Ok(text), "{text}");
    }
}

#[test]
fn what_has_no_certain_reading_is_refused() {
    let cases: [&[u8]; 52] = [
        b"{",
        b"[1",
        b"\"a",
        b"tru",
        b"-",
        b"1.",
        b"1e",
        b"{\"a\"",
        b"{\"a\":",
        b"{\"a\":1",
        b"{\"a\":1,",
        b"{\"json_query\":1",
        b"]",
        b"}",
        b"[}",
        b"{]",
        b"[1}",
        b"{\"a\":1]",
        b"[1,]",
        b"[,1]",
        b"{,}",
        b"{\"a\":1,}",
        b"{\"json_query\":1,}",
        b"{\"a\":1,,\"json_query\":2}",
        b"{\"a\"1}",
        b"{\"a\":}",
        b"{a:1}",
        b"{'json_query':1}",
        b"{1:2}",
        b"{\"a\":1 \"b\":2}",
        b"{}{}",
        b"1,2",
        b"\"a\"\"b\"",
        b"nullnull",
        b"/* */ {}",
        b"// \n{}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"\"\n\"",
        b"\"\0\"",
        b"\"\\x41\"",
        b"\"\\u00g0\"",
        b"{\"json\xc1\x9fquery\":1}",
        b"\"\xed\xa0\x80\"",
        b"\"\xe2\x82\"",
        b"\"\xff\"",
        b"01",
        b"+1",
        b".5",
        b"1.e1",
        b"NaN",
        b"\x0b1",
    ];
    for text in cases {
        assert!(
            all_ways(text).is_err(),
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn nothing_of_a_dropped_value_is_written_before_an_error() {
    let mut sieve = Sieve::new(DROP);
    let mut out = Vec::new();
    let text = br#"{"a":1,"json_query":{"secret":"acme"},"b":2 oops"#;
    assert_eq!(sieve.push(text, &mut out), Err(SieveError::Malformed));
    assert_eq!(sieve.push(b"}", &mut out), Err(SieveError::Malformed));
    assert_eq!(sieve.finish(), Err(SieveError::Malformed));
    assert!(!String::from_utf8(out).unwrap().contains("acme"));
}

#[test]
fn depth_and_white_space_are_bounded() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(all_ways(deep(Sieve::DEPTH).as_bytes()).is_ok());
    assert_eq!(
        all_ways(deep(Sieve::DEPTH + 1).as_bytes()),
        Err(SieveError::Depth)
    );
    let wide = |gap: usize| format!("{{\"a\":1,{}\"b\":2}}", " ".repeat(gap));
    assert_eq!(all_ways(wide(Sieve::GAP).as_bytes()), Ok(wide(Sieve::GAP)));
    assert_eq!(
        all_ways(wide(Sieve::GAP + 1).as_bytes()),
        Err(SieveError::Gap)
    );
    let elsewhere = format!("[1,{}2]", " ".repeat(3 * Sieve::GAP));
    assert_eq!(all_ways(elsewhere.as_bytes()), Ok(elsewhere));
}

#[test]
fn a_long_value_is_not_kept_in_memory() {
    let mut sieve = Sieve::new(DROP);
    let mut out = Vec::new();
    let block = [b'x'; 4096];
    sieve.push(b"{\"json_query\":\"", &mut out).unwrap();
    for _ in 0..100 {
        sieve.push(&block, &mut out).unwrap();
    }
    sieve.push(b"\",\"", &mut out).unwrap();
    for _ in 0..100 {
        sieve.push(&block, &mut out).unwrap();
        assert!(sieve.held.capacity() + sieve.name.capacity() < 20_000);
    }
    sieve.push(b"\":1}", &mut out).unwrap();
    sieve.finish().unwrap();
    assert_eq!(out.len(), 1 + 2 + 100 * block.len() + 3);
}

/// A value as text, with names and white space in several spellings, and the same without the dropped members.
#[derive(Clone, Debug)]
enum Tree {
    Scalar(String),
    Array(Vec<Self>),
    Object(Vec<(Name, Self)>),
}

#[derive(Clone, Debug)]
struct Name {
    text: String,
    spelling: u8,
    blank: &'static str,
}

impl Name {
    fn write(&self, out: &mut String) {
        out.push_str(self.blank);
        out.push('"');
        for (index, unit) in self.text.chars().enumerate() {
            match self.spelling {
                1 => write!(out, "\\u{:04x}", u32::from(unit)).unwrap(),
                2 if index == 4 => write!(out, "\\u{:04X}", u32::from(unit)).unwrap(),
                _ => out.push(unit),
            }
        }
        out.push('"');
        out.push_str(self.blank);
    }
}

impl Tree {
    fn write(&self, out: &mut String) {
        match self {
            Self::Scalar(text) => out.push_str(text),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    out.push_str(if index > 0 { " , " } else { "" });
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    name.write(out);
                    out.push(':');
                    value.write(out);
                    out.push_str(name.blank);
                }
                out.push('}');
            }
        }
    }

    fn without(&self) -> Self {
        match self {
            Self::Scalar(text) => Self::Scalar(text.clone()),
            Self::Array(elements) => Self::Array(elements.iter().map(Self::without).collect()),
            Self::Object(members) => Self::Object(
                members
                    .iter()
                    .filter(|(name, _)| !DROP.contains(&&*name.text))
                    .map(|(name, value)| (name.clone(), value.without()))
                    .collect(),
            ),
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

fn name() -> impl Strategy<Value = Name> {
    let text = prop_oneof![
        Just("json_query".to_owned()),
        Just("native_form".to_owned()),
        "[a-c_]{0,3}",
        "json_query.?",
    ];
    let blank = prop_oneof![3 => Just(""), 1 => Just(" "), 1 => Just("\n\t")];
    (text, 0_u8..4, blank)
        .prop_filter("a name without escapes of its own", |(text, ..)| {
            text.chars()
                .all(|unit| !unit.is_control() && unit != '"' && unit != '\\' && unit <= '\u{ffff}')
        })
        .prop_map(|(text, spelling, blank)| Name {
            text,
            spelling,
            blank,
        })
}

fn tree() -> impl Strategy<Value = Tree> {
    let scalar = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f32>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:?}")),
        ".{0,12}".prop_map(|text| Value::String(text).to_string()),
        Just("null".to_owned()),
        Just("\"json_query\"".to_owned()),
        Just("\"\\\",\\\"json_query\\\":1\"".to_owned()),
    ];
    let leaf = scalar.prop_map(Tree::Scalar);
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::Array),
            prop::collection::vec((name(), inner), 0..6).prop_map(Tree::Object),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_left_is_the_value_without_these_members(tree in tree(), cuts in prop::collection::vec(0_usize..400, 0..8)) {
        let text = tree.text();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
        let out = sieve(&chunks).unwrap();
        prop_assert_eq!(&out, &sieve(&[text.as_bytes()]).unwrap());
        let expected = tree.without();
        prop_assert_eq!(
            serde_json::from_str::<Value>(&out).unwrap(),
            serde_json::from_str::<Value>(&expected.text()).unwrap()
        );
        prop_assert_eq!(sieve(&[out.as_bytes()]), Ok(out));
        let untouched = expected.text();
        prop_assert_eq!(sieve(&[untouched.as_bytes()]), Ok(untouched));
    }

    #[test]
    fn agrees_with_another_reader_about_what_is_json(text in "[\\[\\]{},:\"\\\\a0-2.eE+ -]{0,24}") {
        let json = serde_json::from_str::<Value>(&text).is_ok();
        let values: Result<Vec<IgnoredAny>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
        let ours = all_ways(text.as_bytes());
        prop_assert!(!json || ours.is_ok(), "{} is JSON", text);
        prop_assert!(ours.is_err() || values.is_ok(), "{} is not", text);
    }
}
