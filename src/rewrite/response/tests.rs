use http::{Response, StatusCode};

use super::*;

fn parts(status: StatusCode, fields: &[(&str, &str)]) -> Parts {
    let mut parts = Response::new(()).into_parts().0;
    parts.status = status;
    for (name, value) in fields {
        parts.headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    parts
}

fn rules() -> ResponseRules {
    ResponseRules {
        origins: vec![Origin::parse("http://127.0.0.1:8088").unwrap()],
        prefixes: Prefixes::default(),
        cookies: CookiePolicy::Strip,
    }
}

fn embedding(cors: Option<&'static str>) -> Embedding {
    Embedding {
        directive: HeaderValue::from_static("frame-ancestors https://app.example.com"),
        cors: cors.map(HeaderValue::from_static),
        credentials: false,
        tells_address: false,
    }
}

fn finished(keep: Keep, cors: Option<&'static str>, fields: &[(&str, &str)]) -> HeaderMap {
    let mut parts = parts(StatusCode::OK, fields);
    finish(&mut parts, &rules(), &embedding(cors), keep).unwrap();
    parts.headers
}

#[test]
fn a_superset_page_is_made_fit_to_embed() {
    let headers = finished(
        Keep::NotUnlessSaid,
        None,
        &[
            ("Server", "gunicorn"),
            ("Connection", "keep-alive"),
            ("Content-Type", "text/html; charset=utf-8"),
            ("X-Frame-Options", "SAMEORIGIN"),
            (
                "Content-Security-Policy",
                "default-src 'self'; script-src 'self' 'nonce-AbC'",
            ),
            (
                "Access-Control-Allow-Origin",
                "https://tile.openstreetmap.org",
            ),
            ("Access-Control-Allow-Credentials", "true"),
            ("Referrer-Policy", "strict-origin-when-cross-origin"),
            ("X-Content-Type-Options", "nosniff"),
            ("Vary", "Accept-Encoding, Cookie"),
            ("Set-Cookie", "session=x; HttpOnly; Path=/; SameSite=Lax"),
            ("Alt-Svc", "h3=\":443\""),
            ("X-Powered-By", "flask"),
        ],
    );
    let expected = parts(
        StatusCode::OK,
        &[
            ("content-type", "text/html; charset=utf-8"),
            (
                "content-security-policy",
                "default-src 'self'; script-src 'self' 'nonce-AbC'; frame-ancestors https://app.example.com",
            ),
            ("referrer-policy", "strict-origin"),
            ("x-content-type-options", "nosniff"),
            ("vary", "Accept-Encoding, Cookie"),
            ("cache-control", "no-store"),
        ],
    );
    assert_eq!(headers, expected.headers);
}

#[test]
fn cors_answers_an_ancestor_only() {
    let headers = finished(
        Keep::AsSaid,
        Some("https://app.example.com"),
        &[("Access-Control-Allow-Origin", "*"), ("Vary", "Cookie")],
    );
    assert_eq!(
        headers["access-control-allow-origin"],
        "https://app.example.com"
    );
    assert_eq!(
        headers.get_all("vary").iter().collect::<Vec<_>>(),
        ["Cookie", "Origin"]
    );
    assert!(
        !finished(Keep::AsSaid, None, &[("Access-Control-Allow-Origin", "*")])
            .contains_key("access-control-allow-origin")
    );
}

#[test]
fn caches_keep_no_viewers_response() {
    for (keep, said, expected) in [
        (Keep::AsSaid, None, None),
        (
            Keep::AsSaid,
            Some("public, max-age=31536000"),
            Some("public, max-age=31536000"),
        ),
        (Keep::NotUnlessSaid, None, Some("no-store")),
        (Keep::NotUnlessSaid, Some("max-age=5"), Some("max-age=5")),
        (Keep::Nobody, None, Some("private, no-store")),
        (
            Keep::Nobody,
            Some("max-age=0, no-cache"),
            Some("private, no-store"),
        ),
        (Keep::Viewer, None, Some("private, no-store")),
        (Keep::Viewer, Some("No-Store"), Some("private, no-store")),
        (
            Keep::Viewer,
            Some("public, max-age=600, s-maxage=600"),
            Some("private, no-cache"),
        ),
        (
            Keep::Viewer,
            Some("private, max-age=600"),
            Some("private, no-cache"),
        ),
    ] {
        let fields: Vec<_> = said
            .iter()
            .map(|said| ("cache-control", *said))
            .chain([("surrogate-control", "max-age=9")])
            .collect();
        let headers = finished(keep, None, &fields);
        assert_eq!(
            headers
                .get("cache-control")
                .map(|value| value.to_str().unwrap()),
            expected,
            "{keep:?} {said:?}"
        );
        assert_eq!(
            headers.contains_key("surrogate-control"),
            !matches!(keep, Keep::Nobody | Keep::Viewer)
        );
    }
}

#[test]
fn a_redirect_elsewhere_fails() {
    let over = |status, location| {
        let mut parts = parts(status, &[("location", location)]);
        finish(&mut parts, &rules(), &embedding(None), Keep::AsSaid)
            .map(|()| parts.headers.get("location").cloned())
    };
    assert_eq!(
        over(StatusCode::FOUND, "http://127.0.0.1:8088/x"),
        Ok(Some(HeaderValue::from_static("/x")))
    );
    assert_eq!(
        over(StatusCode::FOUND, "https://login.example.com/"),
        Err(Refusal::UpstreamFailed)
    );
    assert_eq!(
        over(StatusCode::CREATED, "https://elsewhere.example/"),
        Ok(None)
    );
}

#[test]
fn our_own_responses_are_protected_too() {
    let mut headers = HeaderMap::new();
    protect(&mut headers, &embedding(None));
    assert_eq!(
        headers["content-security-policy"],
        "frame-ancestors https://app.example.com"
    );
    assert_eq!(headers["referrer-policy"], "strict-origin");
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    protect(&mut headers, &embedding(None));
    assert_eq!(headers["referrer-policy"], "no-referrer");
}
