//! Who may frame, fetch and write: tables in the browser's own words.

use super::*;
use crate::gate::{host::Host, path::NormalPath, query::Query, request::UnixTime};

const APP: &str = "https://app.example.com";
const ACME: &str = "https://portal.acme.example";
const OWN: &str = "https://bi.example.com";
const EVIL: &str = "https://evil.example";

type Headers<'a> = &'a [(&'static str, &'a str)];

fn policy(top_level: bool) -> FramePolicy {
    let entry = |text| Ancestor::parse(text).unwrap();
    let site = vec![entry(APP), entry("https://*.partner.example")];
    FramePolicy::new(site, vec![("acme".into(), vec![entry(ACME)])], top_level)
}

fn with_request<T>(
    method: &Method,
    headers: Headers<'_>,
    see: impl FnOnce(&RequestView<'_>) -> T,
) -> T {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let query = Query::default();
    see(&RequestView {
        method,
        host: &Host::parse("bi.example.com").unwrap(),
        secure: true,
        path: &NormalPath::parse("/").unwrap(),
        query: &query,
        headers: &map,
        client: [127, 0, 0, 1].into(),
        now: UnixTime(0),
    })
}

fn judge(headers: Headers<'_>) -> Result<Embedding, Refusal> {
    with_request(&Method::GET, headers, |req| {
        policy(false).judge(req, true, None, None, false)
    })
}

fn cors(origin: &'static str) -> HeaderValue {
    HeaderValue::from_static(origin)
}

#[test]
fn frames_stand_in_ancestors_only() {
    let denied = Some(Refusal::OriginDenied);
    let table: [(Headers<'_>, Option<Refusal>); 15] = [
        (
            &[
                ("sec-fetch-dest", "iframe"),
                ("referer", "https://app.example.com/page?x"),
            ],
            None,
        ),
        (
            &[
                ("sec-fetch-dest", "iframe"),
                ("referer", "https://a.b.partner.example/"),
            ],
            None,
        ),
        (
            &[
                ("sec-fetch-dest", "iframe"),
                ("referer", "https://bi.example.com/x"),
                ("sec-fetch-site", "same-origin"),
            ],
            None,
        ),
        (
            &[
                ("sec-fetch-dest", "iframe"),
                ("sec-fetch-site", "cross-site"),
            ],
            None,
        ),
        (&[("sec-fetch-dest", "iframe"), ("referer", EVIL)], denied),
        (&[("sec-fetch-dest", "frame"), ("referer", EVIL)], denied),
        (&[("sec-fetch-dest", "embed"), ("referer", EVIL)], denied),
        (&[("sec-fetch-dest", "object"), ("referer", EVIL)], denied),
        (
            &[("sec-fetch-dest", "fencedframe"), ("referer", EVIL)],
            denied,
        ),
        (
            &[
                ("sec-fetch-dest", "new-word"),
                ("sec-fetch-mode", "navigate"),
                ("referer", EVIL),
            ],
            denied,
        ),
        (
            &[
                ("sec-fetch-dest", "iframe"),
                ("referer", "https://app.example.com.evil.example/"),
            ],
            denied,
        ),
        (
            &[
                ("sec-fetch-dest", "iframe"),
                ("referer", "http://app.example.com/"),
            ],
            denied,
        ),
        (
            &[("sec-fetch-dest", "iframe"), ("referer", "about:blank")],
            denied,
        ),
        (&[("sec-fetch-dest", "iframe"), ("referer", "")], denied),
        (
            &[
                ("sec-fetch-dest", "iframe"),
                ("referer", APP),
                ("origin", "null"),
            ],
            denied,
        ),
    ];
    for (headers, refusal) in table {
        assert_eq!(judge(headers).err(), refusal, "{headers:?}");
    }
}

#[test]
fn a_page_of_its_own_wants_permission() {
    let document: Headers<'_> = &[("sec-fetch-dest", "document"), ("sec-fetch-site", "none")];
    let linked: Headers<'_> = &[
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "cross-site"),
        ("referer", EVIL),
    ];
    let posted: Headers<'_> = &[
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "cross-site"),
        ("origin", EVIL),
    ];
    let outcome = |headers, site, route| {
        with_request(&Method::GET, headers, |req| {
            policy(site).judge(req, true, None, None, route).err()
        })
    };
    assert_eq!(
        outcome(document, false, false),
        Some(Refusal::TopLevelDenied)
    );
    assert_eq!(outcome(document, true, false), None);
    assert_eq!(outcome(document, false, true), None);
    assert_eq!(outcome(linked, true, false), None);
    assert_eq!(outcome(linked, false, false), Some(Refusal::TopLevelDenied));
    assert_eq!(outcome(posted, true, false), Some(Refusal::OriginDenied));
}

#[test]
fn a_browser_that_says_little_is_not_held_to_be_top_level() {
    let html = ("accept", "text/html,application/xhtml+xml;q=0.9");
    assert!(judge(&[html]).is_ok());
    assert!(judge(&[]).is_ok());
    assert!(judge(&[html, ("referer", "https://app.example.com/")]).is_ok());
    assert_eq!(
        judge(&[html, ("referer", EVIL)]),
        Err(Refusal::OriginDenied)
    );
    let linked: Headers<'_> = &[html, ("referer", EVIL)];
    assert!(
        with_request(&Method::GET, linked, |req| policy(true)
            .judge(req, true, None, None, false))
        .is_ok()
    );
}

#[test]
fn cors_is_answered_to_ancestors() {
    let table: [(Headers<'_>, Result<Option<HeaderValue>, Refusal>); 12] = [
        (&[("origin", OWN)], Ok(None)),
        (&[("origin", "https://bi.example.com:443")], Ok(None)),
        (
            &[
                ("origin", APP),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-dest", "empty"),
            ],
            Ok(Some(cors(APP))),
        ),
        (
            &[("origin", "https://x.partner.example")],
            Ok(Some(cors("https://x.partner.example"))),
        ),
        (&[("origin", ACME)], Err(Refusal::OriginDenied)),
        (&[("origin", EVIL)], Err(Refusal::OriginDenied)),
        (&[("origin", "null")], Err(Refusal::OriginDenied)),
        (
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            Err(Refusal::OriginDenied),
        ),
        (
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            Ok(None),
        ),
        (
            &[("origin", "http://bi.example.com")],
            Err(Refusal::OriginDenied),
        ),
        (
            &[("origin", "https://bi.example.com:8443")],
            Err(Refusal::OriginDenied),
        ),
        (&[("origin", "")], Err(Refusal::OriginDenied)),
    ];
    for (headers, outcome) in table {
        assert_eq!(
            judge(headers).map(|embedding| embedding.cors),
            outcome,
            "{headers:?}"
        );
    }
}

#[test]
fn what_foreign_pages_load_is_refused() {
    let denied = Some(Refusal::OriginDenied);
    let table: [(Headers<'_>, Option<Refusal>); 7] = [
        (
            &[
                ("sec-fetch-dest", "script"),
                ("sec-fetch-site", "cross-site"),
                ("referer", EVIL),
            ],
            denied,
        ),
        (
            &[
                ("sec-fetch-dest", "image"),
                ("sec-fetch-site", "cross-site"),
            ],
            denied,
        ),
        (
            &[("sec-fetch-dest", "image"), ("sec-fetch-site", "same-site")],
            denied,
        ),
        (
            &[("sec-fetch-dest", "empty"), ("sec-fetch-site", "nonsense")],
            denied,
        ),
        (&[("referer", EVIL)], denied),
        (
            &[
                ("sec-fetch-dest", "image"),
                ("sec-fetch-site", "cross-site"),
                ("referer", APP),
            ],
            None,
        ),
        (
            &[
                ("sec-fetch-dest", "empty"),
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-mode", "same-origin"),
            ],
            None,
        ),
    ];
    for (headers, refusal) in table {
        assert_eq!(judge(headers).err(), refusal, "{headers:?}");
    }
}

#[test]
fn public_files_are_free_to_read_but_not_to_frame() {
    let outcome = |method: &Method, headers| {
        with_request(method, headers, |req| {
            policy(false)
                .judge(req, false, None, None, false)
                .map(|seen| seen.cors)
        })
    };
    let script: Headers<'_> = &[
        ("sec-fetch-dest", "script"),
        ("sec-fetch-site", "cross-site"),
        ("referer", EVIL),
    ];
    assert_eq!(outcome(&Method::GET, script), Ok(None));
    assert_eq!(outcome(&Method::GET, &[("origin", EVIL)]), Ok(None));
    assert_eq!(
        outcome(&Method::GET, &[("origin", ACME)]),
        Ok(Some(cors(ACME)))
    );
    assert_eq!(
        outcome(&Method::POST, &[("origin", EVIL)]),
        Err(Refusal::OriginDenied)
    );
    let frame: Headers<'_> = &[("sec-fetch-dest", "iframe"), ("referer", EVIL)];
    assert_eq!(outcome(&Method::GET, frame), Err(Refusal::OriginDenied));
}

#[test]
fn a_repeated_header_is_foreign() {
    for name in [
        "origin",
        "referer",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
    ] {
        let headers = [(name, OWN), (name, OWN)];
        assert_eq!(judge(&headers), Err(Refusal::OriginDenied), "{name}");
        let written = with_request(&Method::POST, &headers, |req| {
            policy(false).judge_write(req)
        });
        assert_eq!(written, Err(Refusal::CsrfDenied), "{name}");
    }
}

#[test]
fn the_list_depends_on_the_viewer() {
    let policy = policy(false);
    let directive = |viewer, tenant| policy.ancestors(viewer, tenant).directive().clone();
    let site = "frame-ancestors https://app.example.com https://*.partner.example";
    assert_eq!(directive(true, None), site);
    assert_eq!(directive(true, Some("other")), site);
    assert_eq!(
        directive(true, Some("acme")),
        "frame-ancestors https://portal.acme.example"
    );
    assert_eq!(directive(false, None), format!("{site} {ACME}").as_str());
}

#[test]
fn a_token_narrows_the_list_to_one_of_it() {
    let outcome = |headers, tenant, narrowed: &str| {
        let narrowed = Origin::parse(narrowed).unwrap();
        with_request(&Method::GET, headers, |req| {
            policy(false).judge(req, true, tenant, Some(&narrowed), false)
        })
    };
    let framed: Headers<'_> = &[
        ("sec-fetch-dest", "iframe"),
        ("referer", "https://app.example.com/"),
    ];
    assert_eq!(
        outcome(framed, None, APP).unwrap().directive,
        "frame-ancestors https://app.example.com"
    );
    let by_other = outcome(framed, None, "https://x.partner.example");
    assert_eq!(by_other, Err(Refusal::OriginDenied));
    assert_eq!(
        outcome(&[], None, EVIL),
        Err(Refusal::OriginDenied),
        "not an ancestor at all"
    );
    assert_eq!(
        outcome(&[], Some("acme"), APP),
        Err(Refusal::OriginDenied),
        "not this tenant's"
    );
    let cors = outcome(
        &[("origin", "https://y.partner.example")],
        None,
        "https://x.partner.example",
    );
    assert_eq!(cors, Err(Refusal::OriginDenied));
}

#[test]
fn writing_is_for_the_site_itself() {
    let table: [(Headers<'_>, bool); 13] = [
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "same-origin"), ("origin", OWN)], true),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            true,
        ),
        (&[("origin", OWN)], true),
        (&[], false),
        (&[("referer", OWN)], false),
        (&[("origin", "null")], false),
        (&[("origin", APP)], false),
        (&[("origin", "http://bi.example.com")], false),
        (&[("sec-fetch-site", "same-site"), ("origin", OWN)], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", EVIL)],
            false,
        ),
    ];
    for (headers, allowed) in table {
        let outcome = with_request(&Method::POST, headers, |req| policy(false).judge_write(req));
        assert_eq!(outcome.is_ok(), allowed, "{headers:?}");
    }
}

#[test]
fn a_handshake_under_a_session_has_the_sites_own_origin() {
    let table: [(Headers<'_>, bool); 9] = [
        (&[("origin", OWN)], true),
        (&[("origin", OWN), ("sec-fetch-site", "same-origin")], true),
        // Browsers do not agree on what a wss: address is to a https: page.
        (&[("origin", OWN), ("sec-fetch-site", "cross-site")], true),
        (&[], false),
        (&[("sec-fetch-site", "same-origin")], false),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            false,
        ),
        (&[("origin", APP)], false),
        (&[("origin", EVIL)], false),
        (&[("origin", OWN), ("origin", OWN)], false),
    ];
    for (headers, allowed) in table {
        let outcome = with_request(&Method::GET, headers, |req| {
            policy(false).judge_handshake(req)
        });
        let wanted = if allowed {
            Ok(())
        } else {
            Err(Refusal::CsrfDenied)
        };
        assert_eq!(outcome, wanted, "{headers:?}");
    }
}
