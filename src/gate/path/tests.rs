//! Tables and properties of path reading.

use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;

fn normal(text: &str) -> Option<String> {
    NormalPath::parse(text)
        .ok()
        .map(|path| path.as_str().to_owned())
}

#[test]
fn borrows_what_is_canonical() {
    let table = [
        "/",
        "/a",
        "/a/",
        "/a/b.c/d..e/...",
        "/~u/a-b_c",
        "/x:y@z/!$&'()*,=",
        "/a%20b",
        "/caf%C3%A9",
        "/a%2Bb",
        "/.well-known/x",
        "/..a/b..",
    ];
    for text in table {
        let path = NormalPath::parse(text).expect(text);
        assert!(
            matches!(path.0, Cow::Borrowed(same) if same == text),
            "{text}"
        );
    }
}

#[test]
fn gives_one_spelling_to_every_character() {
    let table = [
        ("/%61dmin", "/admin"),
        ("/%7euser/%2D%2e%5f", "/~user/-._"),
        ("/a%2eb", "/a.b"),
        ("/%2e%2e%2e", "/..."),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/café", "/caf%C3%A9"),
        ("/a+b", "/a%2Bb"),
        ("/a%2bb", "/a%2Bb"),
        ("/a%40b%3Ac%21", "/a@b:c!"),
        ("/a%3fb%23", "/a%3Fb%23"),
        ("/{a}|\"b\"", "/%7Ba%7D%7C%22b%22"),
    ];
    for (text, canonical) in table {
        assert_eq!(normal(text).as_deref(), Some(canonical), "{text}");
    }
}

#[test]
fn refuses_what_has_two_readings() {
    for text in AMBIGUOUS {
        assert_eq!(
            NormalPath::parse(text),
            Err(Refusal::PathAmbiguous),
            "{text:?}"
        );
    }
}

#[test]
fn a_prefix_ends_at_a_segment() {
    let path = NormalPath::parse("/bianalyst/x").unwrap();
    let below = |prefix: &str| path.below(prefix).map(|rest| rest.as_str().to_owned());
    assert_eq!(below("/bianalyst").as_deref(), Some("/x"));
    assert_eq!(below("/bianalyst/x").as_deref(), Some("/"));
    assert_eq!(below("").as_deref(), Some("/bianalyst/x"));
    assert_eq!(below("/bi"), None);
    assert_eq!(below("/other"), None);
}

#[test]
fn a_segment_holds_text_and_no_structure() {
    let table = [
        ("42", "42"),
        ("a%20b", "a b"),
        ("caf%C3%A9", "café"),
        ("a%2Bb", "a+b"),
        ("%3F", "?"),
    ];
    for (raw, text) in table {
        assert_eq!(decode(raw).as_deref(), Ok(text), "{raw}");
        assert_eq!(segment(text).as_deref(), Some(raw), "{text}");
    }
    for raw in [
        "a%2Fb",
        "a/b",
        "%00",
        "%0A",
        "%25",
        "%3B",
        ";",
        "%",
        "%C3",
        "\\",
        "%EF%BC%8F",
    ] {
        assert_eq!(decode(raw), Err(Refusal::PathAmbiguous), "{raw}");
    }
    for text in [
        "", ".", "..", "a/b", "a\\b", "a%b", "a;b", "\0", "\n", "\u{ff0f}", "\u{85}",
    ] {
        assert_eq!(segment(text), None, "{text:?}");
    }
}

fn any_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9]{1,3}",
        2 => Just("/".to_owned()),
        1 => "\\.{1,3}",
        2 => "%[0-9a-fA-F]{2}",
        1 => "%[2-7][0-9a-fA-F]",
        1 => "[!-~]",
        1 => "\\PC",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn reading_is_idempotent(text in any_path()) {
        if let Some(once) = normal(&text) {
            let twice = NormalPath::parse(&once).unwrap();
            prop_assert_eq!(twice.as_str(), &once);
            prop_assert!(matches!(twice.0, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn a_decoded_path_has_no_structure_that_the_raw_one_lacked(text in any_path()) {
        if let Some(path) = normal(&text) {
            let decoded = percent_decode_str(&path).decode_utf8().unwrap();
            prop_assert_eq!(decoded.matches('/').count(), text.matches('/').count());
            prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."));
            prop_assert!(!decoded.contains("//"));
            prop_assert!(!decoded.contains(['\\', '%', ';']) && !decoded.chars().any(char::is_control));
            prop_assert_eq!(decoded, percent_decode_str(&text).decode_utf8().unwrap());
        }
    }

    #[test]
    fn one_text_has_one_spelling(text in any_path(), seed in any::<u64>()) {
        if let Some(path) = normal(&text) {
            let decoded = percent_decode_str(&path).decode_utf8().unwrap().into_owned();
            let spelled: String = decoded.bytes().enumerate().map(|(index, byte)| {
                let keep = byte == b'/' || (seed >> (index % 64) & 1 == 1 && class(byte) == Class::Plain);
                if keep { char::from(byte).to_string() } else { format!("%{byte:02x}") }
            }).collect();
            prop_assert_eq!(normal(&spelled), Some(path));
        }
    }

    #[test]
    fn segments_round_trip(text in "\\PC{0,12}") {
        if let Some(raw) = segment(&text) {
            prop_assert_eq!(decode(&raw).unwrap(), text.as_str());
            let path = format!("/{raw}");
            prop_assert_eq!(normal(&path), Some(path));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = NormalPath::parse(&text).is_ok();
        let _ = decode(&text).is_ok();
    }
}

const AMBIGUOUS: &[&str] = &[
    "",
    "*",
    "a",
    "a/b",
    "http://a/b",
    "?",
    "//",
    "//a",
    "/a//b",
    "/a//",
    "/.",
    "/..",
    "/./",
    "/../",
    "/a/.",
    "/a/..",
    "/a/./b",
    "/a/../b",
    "/%2e",
    "/%2E%2e",
    "/.%2e/a",
    "/%2e./a",
    "/a/%2e%2e",
    "/a/%2e%2e/b",
    "/a%2fb",
    "/a%2Fb",
    "/..%2fb",
    "/a\\b",
    "/a/..\\b",
    "/a%5cb",
    "/a%5C",
    "/a;b",
    "/a/..;/b",
    "/;",
    "/a%3bb",
    "/a%00",
    "/a\0",
    "/a%0a",
    "/a\n",
    "/a%0d%0aX",
    "/a%7f",
    "/a\u{7f}",
    "/a\t",
    "/a b",
    "/a?b",
    "/a#b",
    "/a%25",
    "/%252e%252e/",
    "/a%2541",
    "/%",
    "/%2",
    "/%zz",
    "/a%",
    "/a%4",
    "/%u002e",
    "/%c0%af",
    "/%c0%ae%c0%ae/",
    "/%e0%80%af",
    "/%f0%80%80%af",
    "/%ff",
    "/%c3",
    "/%c3/%a9",
    "/%ed%a0%80",
    "/%f4%90%80%80",
    "/%c2%80",
    "/a\u{85}b",
    "/\u{ff0f}",
    "/a\u{ff0f}b",
    "/%ef%bc%8f",
    "/\u{ff0e}\u{ff0e}/a",
    "/\u{2025}",
    "/.\u{ff0e}",
    "/\u{2024}",
    "/\u{ff3c}",
    "/\u{ff05}2f",
    "/\u{2100}",
    "/\u{ff1b}a",
    "/\u{37e}",
    "/a%20/..",
    "/x/%2e%2e%2fadmin",
];
