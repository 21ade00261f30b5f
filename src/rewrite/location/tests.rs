use proptest::prelude::*;

use super::*;

fn origins() -> Vec<Origin> {
    ["http://127.0.0.1:3000", "https://bi.example.com"]
        .iter()
        .map(|text| Origin::parse(text).unwrap())
        .collect()
}

fn prefixes() -> Prefixes {
    Prefixes {
        hosts: Vec::new(),
        public: "/bi".into(),
        upstream: "/superset".into(),
    }
}

fn mapped(text: &str, prefixes: &Prefixes) -> Option<String> {
    inside(text, &origins(), prefixes).map(Cow::into_owned)
}

#[test]
fn the_upstream_becomes_the_public_path() {
    for (before, after) in [
        ("/superset/welcome?a=/b#c", "/bi/welcome?a=/b#c"),
        ("/superset", "/bi"),
        ("/superset?x", "/bi?x"),
        ("http://127.0.0.1:3000/superset/x", "/bi/x"),
        ("HTTP://127.0.0.1:3000/superset/x", "/bi/x"),
        ("//127.0.0.1:3000/superset/x", "/bi/x"),
        (
            "https://BI.example.com/superset/x?next=http://evil.example",
            "/bi/x?next=http://evil.example",
        ),
        ("https://bi.example.com:443/superset/", "/bi/"),
        ("next/page", "next/page"),
        ("../x", "../x"),
        ("?q=1:2", "?q=1:2"),
        ("#f", "#f"),
        ("", ""),
        ("/superset/é x", "/bi/%C3%A9%20x"),
    ] {
        assert_eq!(
            mapped(before, &prefixes()),
            Some(after.to_owned()),
            "{before}"
        );
    }
    for (before, after) in [
        ("/x", "/x"),
        ("http://127.0.0.1:3000", "/"),
        ("http://127.0.0.1:3000?q", "/?q"),
        ("http://127.0.0.1:3000/x", "/x"),
    ] {
        assert_eq!(
            mapped(before, &Prefixes::default()),
            Some(after.to_owned()),
            "{before}"
        );
    }
}

#[test]
fn what_leads_elsewhere_is_foreign() {
    for text in [
        "https://evil.example/",
        "http://127.0.0.1:3001/superset/",
        "https://127.0.0.1:3000/superset/",
        "//evil.example/superset/x",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        " //evil.example",
        "http://bi.example.com@evil.example/superset/",
        "https://evil.example\\@bi.example.com/superset/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "http:evil.example",
        "http:/evil.example",
        "https:\\\\evil.example",
        "ftp://bi.example.com/superset/",
        "http://",
        "https:///evil.example",
        "http://127.0.0.1:3000//evil.example",
        "http://127.0.0.1:3000/",
        "/supersetx",
        "/login",
        "/",
        "https://bi.example.com./superset/x\u{0}",
    ] {
        assert_eq!(mapped(text, &prefixes()), None, "{text:?}");
    }
    for text in [
        "http://127.0.0.1:3000//evil.example",
        "//evil.example",
        "/superset//evil.example",
    ] {
        let upstream = Prefixes {
            hosts: Vec::new(),
            public: "".into(),
            upstream: "/superset".into(),
        };
        assert_eq!(mapped(text, &upstream), None, "{text:?}");
    }
}

#[test]
fn fields_are_mapped_or_removed() {
    let over = |name: &'static str, values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let target = keep_inside(&mut headers, &origins(), &prefixes());
        (
            target,
            headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned()),
        )
    };
    assert_eq!(
        over("location", &["/superset/x"]),
        (Target::Inside, Some("/bi/x".into()))
    );
    assert_eq!(
        over("location", &["//evil.example"]),
        (Target::Foreign, None)
    );
    assert_eq!(
        over("location", &["/superset/x", "/superset/x"]),
        (Target::Foreign, None)
    );
    assert_eq!(
        over("content-location", &["https://evil.example"]),
        (Target::Inside, None)
    );
    assert_eq!(
        over("content-location", &["/superset/x"]),
        (Target::Inside, Some("/bi/x".into()))
    );
    for (before, after) in [
        ("5", Some("5")),
        ("5; url=/superset/x", Some("5; url=/bi/x")),
        ("0;URL='/superset/x'", Some("0; url=/bi/x")),
        ("0.5, url = \"/superset/x\" ignored", Some("0; url=/bi/x")),
        ("0 /superset/x", Some("0; url=/bi/x")),
        ("0; url=https://evil.example", None),
        ("0;https://evil.example", None),
        ("0; url='javascript:alert(1)'", None),
        ("x", None),
    ] {
        let target = if after.is_some() {
            Target::Inside
        } else {
            Target::Foreign
        };
        assert_eq!(
            over("refresh", &[before]),
            (target, after.map(str::to_owned)),
            "{before}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn nothing_that_comes_out_has_an_authority(text in "(http:|https:|//|/|\\\\|127.0.0.1:3000|bi.example.com|evil.example|/superset|@|\\?|#|:|[a-z\t ]){0,6}") {
        for prefixes in [prefixes(), Prefixes::default(), Prefixes { hosts: Vec::new(), public: "".into(), upstream: "/superset".into() }] {
            if let Some(out) = mapped(&text, &prefixes) {
                prop_assert!(!out.starts_with("//") && !out.contains('\\'), "{}", out);
                let first = out.split(['/', '?', '#']).next().unwrap();
                prop_assert!(!first.contains(':'), "{}", out);
            }
        }
    }
}

#[test]
fn a_public_name_is_inside_on_any_port() {
    let prefixes = Prefixes {
        hosts: vec!["bi.example.com".into()],
        ..prefixes()
    };
    for (text, good) in [
        ("https://bi.example.com:8443/superset/x", true),
        ("http://BI.example.com/superset/x", true),
        ("//bi.example.com:1/superset/x", true),
        ("ftp://bi.example.com/superset/x", false),
        ("https://bi.example.com.evil.example/superset/x", false),
        ("https://bi.example.com@evil.example/superset/x", false),
        ("https://bi.example.com:8443x/superset/x", false),
    ] {
        let target = inside(text, &[], &prefixes);
        assert_eq!(target.is_some(), good, "{text} {target:?}");
        assert!(
            target.is_none_or(|path| path.starts_with('/') && !path.starts_with("//")),
            "{text}"
        );
    }
}
