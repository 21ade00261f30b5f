//! Tables and properties of origins and ancestors.

use proptest::prelude::*;

use super::*;

fn origin(text: &str) -> Origin {
    Origin::parse(text).expect(text)
}

fn ancestor(text: &str) -> Ancestor {
    Ancestor::parse(text).expect(text)
}

#[test]
fn an_origin_has_one_form() {
    let table = [
        ("https://a.example", "https://a.example"),
        ("HTTPS://A.Example", "https://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("https://a.example.", "https://a.example"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ];
    for (text, shown) in table {
        assert_eq!(origin(text).to_string(), shown, "{text}");
        assert_eq!(origin(shown), origin(text), "{text}");
    }
}

#[test]
fn refuses_what_is_no_origin() {
    for text in [
        "",
        "null",
        "*",
        "a.example",
        "//a.example",
        "https:a.example",
        "https:/a.example",
        "https://",
        "https://a.example/",
        "https://a.example/x",
        "https://a.example?",
        "https://a.example#",
        "https://u@a.example",
        "https://u:p@a.example",
        "https://a.example:",
        "https://a.example:0",
        "https://a.example:99999",
        "https://*.a.example",
        "https://a.example https://b.example",
        "https://a.example,https://b.example",
        " https://a.example",
        "https://a.example ",
        "ftp://a.example",
        "file://",
        "file:///etc",
        "data:text/html,x",
        "javascript://a.example",
        "chrome-extension://abc",
        "blob:https://a.example",
        "https://a.example\\@b.example",
        "https://a_b.example",
        "https://a.example%00",
        "https://ä.example",
        "https://https://a.example",
    ] {
        assert_eq!(Origin::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_url_shows_its_origin() {
    let table = [
        ("https://a.example/", Some("https://a.example")),
        (
            "https://a.example/x?https://b.example/",
            Some("https://a.example"),
        ),
        ("https://a.example?x", Some("https://a.example")),
        ("https://a.example#x", Some("https://a.example")),
        ("http://a.example:8080/x:y@z", Some("http://a.example:8080")),
        ("https://a.example", Some("https://a.example")),
        ("https://u@a.example/", None),
        ("https://a.example\\.b.example/", None),
        ("about:blank", None),
        ("android-app://com.example/", None),
        ("/relative", None),
        ("//a.example/", None),
        ("https:///x", None),
        ("", None),
    ];
    for (url, shown) in table {
        assert_eq!(Origin::of_url(url), shown.map(origin), "{url}");
    }
}

#[test]
fn an_ancestor_covers_what_it_says() {
    let table = [
        ("https://app.example.com", "https://app.example.com", true),
        (
            "https://app.example.com",
            "https://APP.example.com:443",
            true,
        ),
        ("https://app.example.com", "http://app.example.com", false),
        (
            "https://app.example.com",
            "https://app.example.com:8443",
            false,
        ),
        (
            "https://app.example.com",
            "https://x.app.example.com",
            false,
        ),
        (
            "https://app.example.com",
            "https://app.example.com.evil.example",
            false,
        ),
        (
            "https://app.example.com",
            "https://evilapp.example.com",
            false,
        ),
        (
            "https://*.partner.example",
            "https://a.partner.example",
            true,
        ),
        (
            "https://*.partner.example",
            "https://b.a.partner.example",
            true,
        ),
        (
            "https://*.partner.example",
            "https://partner.example",
            false,
        ),
        (
            "https://*.partner.example",
            "https://evilpartner.example",
            false,
        ),
        (
            "https://*.partner.example",
            "https://a.partner.example:444",
            false,
        ),
        (
            "https://*.partner.example",
            "http://a.partner.example",
            false,
        ),
        (
            "https://*.partner.example",
            "https://partner.example.evil.example",
            false,
        ),
        (
            "https://*.partner.example:444",
            "https://a.partner.example:444",
            true,
        ),
        ("http://localhost:5005", "http://localhost:5005", true),
        ("http://*.localhost:5005", "http://a.localhost:5005", true),
        ("http://[::1]:5005", "http://[0:0::1]:5005", true),
    ];
    for (entry, candidate, covered) in table {
        assert_eq!(
            ancestor(entry).covers(&origin(candidate)),
            covered,
            "{entry} {candidate}"
        );
    }
}

#[test]
fn refuses_ancestors_that_say_too_much_or_nothing() {
    for text in [
        "",
        "*",
        "'*'",
        "self",
        "'self'",
        "none",
        "'none'",
        "https:",
        "https://",
        "https://*",
        "https://*.",
        "https://*.com",
        "http://*:80",
        "https://a.*.example",
        "https://*a.example",
        "https://*.*.example",
        "https://*.10.0.0.1",
        "https://*.[::1]",
        "https://a.example/",
        "https://a.example/x",
        "https://a.example:*",
        "a.example",
        "*.a.example",
        "ftp://a.example",
        "wss://a.example",
        "data:",
        "blob:",
        "https://a.example https://b.example",
        "https://a.example;script-src",
        "https://a.example, https://b.example",
        "https://a.example\n",
        "https://u@a.example",
        "https://A_B.example",
    ] {
        let why = Ancestor::parse(text).expect_err(text);
        assert!(!why.is_empty());
    }
    assert!(
        Ancestor::parse("'self'")
            .unwrap_err()
            .contains("own origin")
    );
}

#[test]
fn the_directive_names_each_ancestor_once() {
    let list = |texts: &[&str]| Ancestors::new(texts.iter().map(|text| ancestor(text)).collect());
    let table: [(&[&str], &str); 3] = [
        (&[], "frame-ancestors 'none'"),
        (
            &["https://App.example.com:443"],
            "frame-ancestors https://app.example.com",
        ),
        (
            &[
                "https://a.example",
                "https://*.b.example:444",
                "https://a.example",
                "http://[::1]:81",
            ],
            "frame-ancestors https://a.example https://*.b.example:444 http://[::1]:81",
        ),
    ];
    for (entries, directive) in table {
        assert_eq!(list(entries).directive(), directive);
    }
    assert_eq!(
        ancestor("https://a.example").exact(),
        Some(origin("https://a.example"))
    );
    assert_eq!(ancestor("https://*.a.example").exact(), None);
}

proptest! {
    #[test]
    fn what_is_read_is_shown_and_read_again(text in "(https?|HTTP|ftp)://[a-zA-Z0-9.\\[\\]:@/-]{1,16}(:[0-9]{1,5})?") {
        if let Some(origin) = Origin::parse(&text) {
            prop_assert_eq!(Origin::parse(&origin.to_string()), Some(origin.clone()));
            let page = format!("{text}/x?y#z");
            prop_assert_eq!(Origin::of_url(&page), Some(origin.clone()));
            let entry = Ancestor::parse(&text).unwrap();
            prop_assert!(entry.covers(&origin));
            prop_assert_eq!(entry.to_string(), origin.to_string());
        }
    }

    #[test]
    fn a_directive_is_one_line_of_sources(text in "\\PC{0,12}|https://(\\*\\.)?[a-z.*;, ']{1,12}") {
        if let Ok(entry) = Ancestor::parse(&text) {
            let shown = Ancestors::new(vec![entry.clone()]).directive().to_str().unwrap().to_owned();
            prop_assert!(!shown.contains([';', ',', '\'']));
            prop_assert_eq!(shown.split(' ').count(), 2);
            prop_assert_eq!(Ancestor::parse(&entry.to_string()), Ok(entry));
        }
    }
}
