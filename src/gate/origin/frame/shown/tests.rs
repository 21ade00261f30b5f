//! Silence counts as foreign.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::gate::{
    host::Host, origin::Ancestor, path::NormalPath, query::Query, request::UnixTime,
};

fn judge(
    headers: &[(&'static str, &str)],
    narrowed: Option<&str>,
    ancestors: bool,
) -> Result<(), Refusal> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    let list = ["https://app.example.com", "https://*.partner.example"];
    let list = list.map(|text| Ancestor::parse(text).unwrap());
    let policy = FramePolicy::new(list.to_vec(), vec![], false);
    let narrowed = narrowed.map(|text| Origin::parse(text).unwrap());
    let query = Query::default();
    let req = RequestView {
        method: &Method::GET,
        host: &Host::parse("bi.example.com").unwrap(),
        secure: true,
        path: &NormalPath::parse("/").unwrap(),
        query: &query,
        headers: &map,
        client: [127, 0, 0, 1].into(),
        now: UnixTime(0),
    };
    policy.judge_shown(&req, None, narrowed.as_ref(), ancestors)
}

const FRAME: (&str, &str) = ("sec-fetch-dest", "iframe");
const FETCH: (&str, &str) = ("sec-fetch-dest", "empty");
const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");

#[test]
fn a_page_must_show_where_it_stands() {
    let html = ("accept", "text/html");
    for (headers, good) in [
        (&[FRAME, ("referer", "https://app.example.com/")][..], true),
        (&[FRAME, ("referer", "https://a.partner.example/x")], true),
        (&[FRAME, ("origin", "https://app.example.com")], true),
        (&[FRAME, SAME], true),
        (&[FRAME, ("referer", "https://bi.example.com/x")], true),
        (
            &[
                ("sec-fetch-dest", "document"),
                ("referer", "https://app.example.com/"),
            ],
            true,
        ),
        (&[html, ("referer", "https://app.example.com/")], true),
        (&[FRAME], false),
        (&[FRAME, CROSS], false),
        (
            &[("sec-fetch-dest", "document"), ("sec-fetch-site", "none")],
            false,
        ),
        (&[html], false),
        (&[], false),
        (&[FRAME, ("referer", "https://evil.example/")], false),
        (&[FRAME, ("origin", "null")], false),
        (
            &[
                FRAME,
                ("referer", "https://app.example.com/"),
                ("referer", "https://app.example.com/"),
            ],
            false,
        ),
    ] {
        assert_eq!(judge(headers, None, false).is_ok(), good, "{headers:?}");
    }
}

#[test]
fn a_narrowed_token_wants_its_own_frame() {
    let narrowed = Some("https://a.partner.example");
    for (referer, good) in [
        ("https://a.partner.example/", true),
        ("https://app.example.com/", false),
    ] {
        let headers = [FRAME, ("referer", referer)];
        assert_eq!(judge(&headers, narrowed, false).is_ok(), good, "{referer}");
    }
}

#[test]
fn everything_else_must_come_from_the_sites_own_pages() {
    for (headers, ancestors, good) in [
        (&[FETCH, SAME][..], false, true),
        (&[("origin", "https://bi.example.com")], false, true),
        (&[("referer", "https://bi.example.com/x")], false, true),
        (&[FETCH], false, false),
        (&[], true, false),
        (
            &[FETCH, CROSS, ("origin", "https://app.example.com")],
            false,
            false,
        ),
        (
            &[FETCH, CROSS, ("origin", "https://app.example.com")],
            true,
            true,
        ),
        (
            &[FETCH, CROSS, ("origin", "https://evil.example")],
            true,
            false,
        ),
        (
            &[FETCH, CROSS, ("referer", "https://bi.example.com/x")],
            false,
            false,
        ),
    ] {
        assert_eq!(
            judge(headers, None, ancestors).is_ok(),
            good,
            "{headers:?} {ancestors}"
        );
    }
}
