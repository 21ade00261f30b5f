//! Sessions that the page carries itself (`mode = "script"`): how it gets one, what it may do by it, and who else cannot.

use std::net::SocketAddr;

use crate::support::{
    Answer, Gateway, Upstream,
    browser::FRAME,
    client::{self, Reply},
    gateway, get, token,
};
use serde_json::{Value, json};

const PAGE: &str = "/reports/q3";
const HTML: &str = "<!doctype html><html><head><title>q3</title></head><body>rows</body></html>";
const NAME: &str = "X-Embedgate-Session";

fn text(upstream: SocketAddr, keys: &str) -> String {
    gateway::generic(upstream, "").replace(
        "kind = \"generic\"",
        &format!("kind = \"generic\"\nsession_mode = \"script\"\n{keys}"),
    )
}

fn start(upstream: &Upstream, keys: &str) -> Gateway {
    started(&text(upstream.address, keys))
}

fn started(text: &str) -> Gateway {
    let gateway = Gateway::start(text);
    gateway::next_second();
    gateway
}

fn pages() -> Upstream {
    Upstream::start(|seen| match seen.target.split('?').next() {
        Some(path) if path.starts_with("/api/") => Answer::json("{}"),
        _ => Answer::html(HTML),
    })
}

fn link(token: &str) -> String {
    format!("{PAGE}?a=1&embed_token={token}")
}

fn good_link() -> String {
    link(&token(&json!({})))
}

/// What the script of a page is told.
fn told(page: &Reply) -> Value {
    let text = page.text();
    let (_, rest) = text
        .split_once("})({")
        .unwrap_or_else(|| panic!("no script: {page:?}"));
    let (told, _) = rest.split_once(");</script>").unwrap();
    serde_json::from_str(&format!("{{{told}")).unwrap()
}

fn session(page: &Reply) -> String {
    told(page)["session"].as_str().unwrap().to_owned()
}

/// A page's own `fetch`.
fn call(gateway: &Gateway, target: &str, session: &str, more: &[(&str, &str)]) -> Reply {
    let own = [
        (NAME, session),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    get(gateway.address, target, &[&own[..], more].concat())
}

const OWN_FORM: &[(&str, &str)] = &[
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Sec-Fetch-Dest", "iframe"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Origin", "http://bi.example.com"),
    ("Accept", "text/html"),
];

/// What the script does with a link.
fn open(gateway: &Gateway, target: &str, body: &str, headers: &[(&str, &str)]) -> Reply {
    client::post(gateway.address, target, headers, body.as_bytes())
}

/// Headers with one replaced.
fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let rest = OWN_FORM.iter().filter(|(other, _)| *other != name);
    rest.copied()
        .chain((!value.is_empty()).then_some((name, value)))
        .collect()
}

#[test]
fn a_page_is_given_its_session_and_goes_on_by_it_without_any_cookie() {
    let upstream = pages();
    let gateway = start(&upstream, "");
    let token = token(&json!({}));
    let page = get(gateway.address, &link(&token), FRAME);
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.all("set-cookie").is_empty() && page.header("location").is_none());
    assert_eq!(page.header("cache-control"), Some("private, no-store"));
    assert_eq!(
        page.header("x-embedgate-session"),
        None,
        "the markup brings it"
    );
    let text = page.text();
    assert!(
        text.starts_with("<!doctype html><html><head><script nonce=\""),
        "{text}"
    );
    assert!(
        text.ends_with("<title>q3</title></head><body>rows</body></html>"),
        "{text}"
    );
    let told = told(&page);
    assert_eq!(told["dropped"], json!(["embed_token", "embed_session"]));
    assert!(!text.contains(&token), "the token is in the address alone");
    let session = session(&page);
    assert_eq!(upstream.last().target, "/reports/q3?a=1&tenant=999");

    let data = call(&gateway, "/api/default?b=2", &session, &[]);
    assert_eq!(data.status, 200, "{data:?}");
    assert_eq!(upstream.last().target, "/api/default?b=2&tenant_id=999");
    assert!(
        !upstream
            .last()
            .headers
            .iter()
            .any(|(name, _)| name.contains("embedgate"))
    );
    assert!(
        upstream
            .seen()
            .iter()
            .all(|seen| !seen.holds(&session) && !seen.holds(&token))
    );
    for alone in [&[][..], &[("Cookie", "__Host-embedgate=x")]] {
        assert_eq!(
            get(gateway.address, "/api/default", alone).code(),
            "token_missing"
        );
    }
}

#[test]
fn the_session_stands_in_no_header_field_log_or_record() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("audit.jsonl");
    let upstream = pages();
    let text = text(upstream.address, "").replace(
        "output = \"off\"",
        &format!("output = \"{}\"\nvalues = true", trail.display()),
    );
    let gateway = Gateway::start(&text);
    let page = get(gateway.address, &good_link(), FRAME);
    let session = session(&page);
    assert!(
        page.headers
            .iter()
            .all(|(_, value)| !value.contains(&session))
    );
    assert_eq!(call(&gateway, "/api/default", &session, &[]).status, 200);
    let body = format!("embed_session={session}");
    assert_eq!(
        open(&gateway, "/reports/q3?embed_session=form", &body, OWN_FORM).status,
        200
    );
    gateway.stop();
    let lines = std::fs::read_to_string(&trail).unwrap();
    assert_eq!(lines.lines().count(), 3);
    assert!(!lines.contains(&session) && !lines.contains(session.get(..40).unwrap()));
}

#[test]
fn a_session_of_another_site_or_place_counts_for_nothing() {
    let upstream = pages();
    let twin = start(&upstream, "");
    let gateway = start(&upstream, "");
    let session = session(&get(twin.address, &good_link(), FRAME));
    // The same secret and site on another gateway: it is the site's name that binds.
    assert_eq!(call(&gateway, "/api/default", &session, &[]).status, 200);
    let other = Gateway::start(&text(upstream.address, "").replace("site.reports", "site.other"));
    assert_eq!(
        call(&other, "/api/default", &session, &[]).code(),
        "session_invalid"
    );
    let by_cookie = Gateway::generic(upstream.address, "");
    assert_eq!(
        call(&by_cookie, "/api/default", &session, &[]).code(),
        "token_missing"
    );
    let sent = format!("__Host-embedgate={session}");
    assert_eq!(
        get(gateway.address, "/api/default", &[("Cookie", &sent)]).code(),
        "token_missing"
    );
    for name in [
        "X_Embedgate_Session",
        "X-Embedgate_Session",
        "X-Embedgate-Session-2",
    ] {
        let reply = get(gateway.address, "/api/default", &[(name, &session)]);
        assert_eq!(reply.code(), "token_missing", "{name}");
    }
    let in_query = format!("/api/default?x-embedgate-session={session}&embed_session={session}");
    assert_eq!(get(gateway.address, &in_query, &[]).code(), "token_missing");
}

#[test]
fn two_sessions_are_refused_and_a_token_goes_before_one() {
    let upstream = pages();
    let gateway = start(&upstream, "");
    let mine = session(&get(gateway.address, &good_link(), FRAME));
    let other = token(&json!({ "sub": "other", "params": { "tenant_id": 777 } }));
    let theirs = session(&get(gateway.address, &link(&other), FRAME));
    let both = call(&gateway, "/api/default", &mine, &[(NAME, &theirs)]);
    assert_eq!(both.code(), "credential_conflict");
    let joined = call(&gateway, "/api/default", &format!("{mine}, {theirs}"), &[]);
    assert_eq!(joined.code(), "session_invalid");
    let body = format!("embed_session={mine}");
    let headers = [OWN_FORM, &[(NAME, &*theirs)]].concat();
    let refused = open(&gateway, "/reports/q3?embed_session=form", &body, &headers);
    assert!(
        refused.text().contains("credential_conflict"),
        "{refused:?}"
    );
    let cookie = format!("__Host-embedgate={theirs}");
    assert_eq!(
        call(&gateway, "/api/default", &mine, &[("Cookie", &cookie)]).status,
        200
    );
    assert!(
        upstream.last().target.ends_with("tenant_id=999"),
        "no cookie is looked at"
    );
    let bearer = format!("Bearer {other}");
    assert_eq!(
        call(
            &gateway,
            "/api/default",
            &mine,
            &[("Authorization", &bearer)]
        )
        .status,
        200
    );
    assert!(
        upstream.last().target.ends_with("tenant_id=777"),
        "the request follows its token"
    );
}

#[test]
fn other_origins_can_neither_send_nor_write_by_it() {
    let upstream = pages();
    let gateway = start(&upstream, "");
    let session = session(&get(gateway.address, &good_link(), FRAME));
    let preflight = |names: &str| {
        let head = format!(
            "OPTIONS /api/default HTTP/1.1\r\nHost: bi.example.com\r\nOrigin: https://app.example.com\r\n\
             Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: {names}\r\nConnection: close\r\n\r\n"
        );
        let reply = client::send(gateway.address, head.as_bytes());
        reply
            .header("access-control-allow-headers")
            .map(str::to_owned)
    };
    assert_eq!(
        preflight("authorization,x-a").as_deref(),
        Some("authorization,x-a")
    );
    assert_eq!(
        preflight("authorization, X-Embedgate-Session,x-a").as_deref(),
        Some("authorization,x-a")
    );
    assert_eq!(preflight("x-embedgate-session").unwrap_or_default(), "");

    let ancestor = [
        ("Origin", "https://app.example.com"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Dest", "empty"),
        (NAME, &*session),
    ];
    assert_eq!(
        get(gateway.address, "/api/default", &ancestor).code(),
        "origin_denied"
    );
    for (headers, code) in [
        (&[][..], "csrf_denied"),
        (&[("Sec-Fetch-Site", "cross-site")], "origin_denied"),
        (&[("Sec-Fetch-Site", "none")], "csrf_denied"),
        (&[("Origin", "https://evil.example")], "origin_denied"),
        (&[("Sec-Fetch-Site", "same-origin")], ""),
        (&[("Origin", "http://bi.example.com")], ""),
    ] {
        let headers = [
            headers,
            &[(NAME, &*session), ("Content-Type", "application/json")],
        ]
        .concat();
        let reply = client::post(gateway.address, "/api/default", &headers, b"{}");
        assert_eq!(reply.code(), code, "{headers:?}");
    }
}

#[test]
fn a_link_of_the_page_opens_another_one_with_the_session_in_its_body() {
    let upstream = pages();
    let gateway = start(&upstream, "single_use = true\nbind = [\"origin\"]");
    let session = session(&get(gateway.address, &good_link(), FRAME));
    let body = format!("embed_session={session}");
    let page = open(
        &gateway,
        "/reports/q3?x=%20y&embed_session=form",
        &body,
        OWN_FORM,
    );
    assert_eq!(page.status, 200, "{page:?}");
    let seen = upstream.last();
    assert_eq!(seen.target, "/reports/q3?x=%20y&tenant=999");
    assert!(seen.body.is_empty() && !seen.holds(&session), "{seen:?}");
    for name in [
        "content-type",
        "content-length",
        "origin",
        "transfer-encoding",
    ] {
        assert!(seen.all(name).is_empty(), "{name}: {seen:?}");
    }
    let fresh = told(&page)["session"].as_str().unwrap().to_owned();
    assert_ne!(fresh, session);
    let shown = ("Referer", "http://bi.example.com/reports/q3");
    assert_eq!(call(&gateway, "/api/default", &fresh, &[shown]).status, 200);
    let denied = open(&gateway, "/reports/q4?embed_session=form", &body, OWN_FORM);
    assert_eq!(denied.status, 403);
    assert!(denied.text().contains("resource_denied"), "{denied:?}");
}

#[test]
fn nobody_else_opens_a_page_by_a_form() {
    let upstream = pages();
    let gateway = start(&upstream, "");
    let session = session(&get(gateway.address, &good_link(), FRAME));
    let body = format!("embed_session={session}");
    let target = "/reports/q3?embed_session=form";
    let served = upstream.seen().len();
    for (headers, code) in [
        (with("Sec-Fetch-Site", "cross-site"), "csrf_denied"),
        (with("Sec-Fetch-Site", "same-site"), "csrf_denied"),
        (with("Origin", "https://app.example.com"), "csrf_denied"),
        (with("Origin", "https://evil.example"), "csrf_denied"),
        (with("Sec-Fetch-Dest", "document"), "top_level_denied"),
    ] {
        let reply = open(&gateway, target, &body, &headers);
        assert!(reply.text().contains(code), "{headers:?} {reply:?}");
        assert!(!reply.text().contains(&session));
    }
    let quiet: &[(&str, &str)] = &[("Accept", "text/html")];
    assert_eq!(open(&gateway, target, &body, quiet).status, 403);
    for (body, code) in [
        ("", "token_missing"),
        ("embed_session=", "token_missing"),
        ("embed_token=x", "token_missing"),
        ("embed_session=AAAA", "session_invalid"),
        ("embed_session=a&embed_session=b", "credential_conflict"),
        ("embed_session=a&hops=x", "body_unsupported"),
        ("embed_session=\u{e9}", "body_unsupported"),
    ] {
        let reply = open(&gateway, target, body, OWN_FORM);
        assert!(reply.text().contains(code), "{body} {reply:?}");
    }
    let large = format!("embed_session={}", "a".repeat(9000));
    assert_eq!(open(&gateway, target, &large, OWN_FORM).status, 413);
    // Without the word in the query it is a form like any other, which this route does not take.
    let body = format!("embed_session={session}");
    assert_eq!(open(&gateway, PAGE, &body, OWN_FORM).status, 405);
    let by_cookie = Gateway::generic(upstream.address, "");
    assert_eq!(open(&by_cookie, target, &body, OWN_FORM).status, 405);
    assert_eq!(upstream.seen().len(), served);
}

#[test]
fn a_redirect_of_the_upstream_goes_on_with_the_session() {
    let upstream = Upstream::start(|seen| match seen.target.split('?').next() {
        Some("/reports/q3") => Answer::html("")
            .status(302)
            .with("location", "/reports/q4?next=1&tenant=1")
            .with("content-security-policy", "default-src *"),
        _ => Answer::html(HTML),
    });
    let gateway = start(&upstream, "");
    let token = token(&json!({ "resource": null, "resources": ["report:q3", "report:q4"] }));
    let page = get(gateway.address, &link(&token), FRAME);
    assert_eq!(
        (page.status, page.header("location")),
        (200, None),
        "{page:?}"
    );
    let csp = page.header("content-security-policy").unwrap();
    assert!(
        csp.starts_with("default-src 'none'; script-src 'nonce-")
            && csp.contains("form-action 'self'; frame-ancestors https://app.example.com"),
        "{csp}"
    );
    let told = told(&page);
    assert_eq!(
        (&told["next"], &told["hops"]),
        (&json!("/reports/q4?next=1&tenant=1"), &json!(1))
    );
    let body = |hops: u32| {
        format!(
            "embed_session={}&hops={hops}",
            told["session"].as_str().unwrap()
        )
    };
    assert_eq!(
        open(
            &gateway,
            "/reports/q4?embed_session=form",
            &body(1),
            OWN_FORM
        )
        .status,
        200
    );
    assert_eq!(
        open(
            &gateway,
            "/reports/q3?embed_session=form",
            &body(19),
            OWN_FORM
        )
        .status,
        200
    );
    assert_eq!(
        open(
            &gateway,
            "/reports/q3?embed_session=form",
            &body(20),
            OWN_FORM
        )
        .status,
        502
    );
}

#[test]
fn a_session_that_grows_old_is_renewed_in_a_field_that_nothing_keeps() {
    let upstream = Upstream::start(|seen| {
        let answer = if seen.target.starts_with("/api") {
            Answer::json("{}")
        } else {
            Answer::html(HTML)
        };
        answer
            .with("cache-control", "public, max-age=600")
            .with("x-embedgate-session", "the upstream's")
            .with("etag", "\"1\"")
    });
    // An earlier secret is what makes a session old without waiting.
    let text = text(upstream.address, "");
    let gateway = Gateway::start(&text);
    let session = session(&get(gateway.address, &good_link(), FRAME));
    let quiet = call(&gateway, "/api/default", &session, &[]);
    assert_eq!(
        quiet.header("x-embedgate-session"),
        None,
        "nor what the upstream says"
    );
    let rotated = text.replace(
        "secret = { env = \"SESSION\" }",
        "secrets = [{ env = \"NEW\" }, { env = \"SESSION\" }]",
    );
    let rotated = Gateway::start_with(&rotated, &|name| (name == "NEW").then(|| "n".repeat(32)));
    let renewed = call(&rotated, "/api/default", &session, &[]);
    let fresh = renewed.header("x-embedgate-session").unwrap().to_owned();
    assert_eq!(renewed.header("cache-control"), Some("private, no-store"));
    assert_eq!(renewed.header("access-control-expose-headers"), None);
    assert!(fresh != session && renewed.all("set-cookie").is_empty());
    assert_eq!(
        call(&rotated, "/api/default", &fresh, &[]).header("x-embedgate-session"),
        None
    );
    assert_eq!(
        call(&gateway, "/api/default", &fresh, &[]).code(),
        "session_invalid"
    );
}

#[test]
fn a_copied_link_is_dead_and_so_is_a_session_elsewhere() {
    let upstream = pages();
    let gateway = start(&upstream, "single_use = true\nbind = [\"network\"]");
    let text = text(upstream.address, "single_use = true\nbind = [\"network\"]")
        .replace("[listen]", "[listen]\ntrusted_proxies = [\"127.0.0.1\"]");
    let proxied = started(&text);
    let used = good_link();
    let session = session(&get(gateway.address, &used, FRAME));
    let again = get(
        gateway.address,
        &used,
        &[FRAME, &[("Accept", "text/html")]].concat(),
    );
    assert!(again.text().contains("token_replayed"), "{again:?}");
    assert!(!again.text().contains("X-Embedgate-Session"));
    assert_eq!(call(&gateway, "/api/default", &session, &[]).status, 200);
    let moved = call(
        &proxied,
        "/api/default",
        &session,
        &[("X-Forwarded-For", "203.0.113.7")],
    );
    assert_eq!(moved.code(), "session_invalid");
}

#[test]
fn only_pages_of_html_are_given_anything() {
    for (kind, given) in [
        ("text/html", true),
        ("TEXT/HTML;charset=utf-8", true),
        ("text/plain", false),
        ("application/json", false),
        ("application/xhtml+xml", false),
        ("image/svg+xml", false),
        ("text/html; charset=utf-16", false),
    ] {
        let upstream = Upstream::start(move |_| Answer::of(kind, b"<p>x"));
        let gateway = start(&upstream, "");
        let page = get(gateway.address, &good_link(), FRAME);
        assert_eq!(page.status, 200, "{kind}: {page:?}");
        assert_eq!(page.text().contains("<script"), given, "{kind}");
        assert_eq!(page.header("x-embedgate-session"), None, "{kind}");
        assert_eq!(
            page.header("cache-control"),
            Some("private, no-store"),
            "{kind}"
        );
    }
    let upstream = Upstream::start(|_| Answer::html("x").with("content-encoding", "gzip"));
    let gateway = start(&upstream, "");
    assert_eq!(
        get(gateway.address, &good_link(), FRAME).code(),
        "upstream_failed"
    );
    let seen = upstream.last();
    assert_eq!(seen.all("accept-encoding"), ["identity"]);
}

#[test]
fn a_page_is_asked_for_whole_and_keeps_nothing_that_names_its_bytes() {
    let upstream = Upstream::start(|_| {
        Answer::html(HTML)
            .with("etag", "\"1\"")
            .with("last-modified", "Mon, 02 Nov 2026 10:00:00 GMT")
            .with("accept-ranges", "bytes")
            .with("repr-digest", "sha-256=:AAAA:")
    });
    let gateway = start(&upstream, "");
    let headers = [
        FRAME,
        &[
            ("If-None-Match", "\"1\""),
            ("Range", "bytes=0-1"),
            ("Accept-Encoding", "gzip, br"),
        ],
    ]
    .concat();
    let page = get(gateway.address, &good_link(), &headers);
    assert_eq!(page.status, 200);
    for name in ["etag", "last-modified", "accept-ranges", "repr-digest"] {
        assert_eq!(page.header(name), None, "{name}");
    }
    let seen = upstream.last();
    assert!(seen.all("if-none-match").is_empty() && seen.all("range").is_empty());
}

#[test]
fn the_policy_of_the_page_lets_the_script_run_and_nothing_else() {
    for (sent, wanted) in [
        (
            &[][..],
            "frame-ancestors https://app.example.com https://*.partner.example",
        ),
        (
            &["script-src 'self' 'nonce-abc'; connect-src 'none'"],
            "script-src 'self' 'nonce-abc'; connect-src 'none'; frame-ancestors",
        ),
        (
            &["default-src 'none'"],
            "default-src 'none'; frame-ancestors https://app.example.com https://*.partner.example; script-src 'nonce-{}'",
        ),
        (
            &["script-src 'self' 'unsafe-inline'"],
            "script-src 'self' 'unsafe-inline'; frame-ancestors",
        ),
        (
            &["script-src 'self'; connect-src 'self'"],
            "script-src 'self' 'nonce-{}'; connect-src 'self'; frame-ancestors",
        ),
    ] {
        let upstream = Upstream::start(move |_| {
            let with =
                |answer: Answer, policy: &&str| answer.with("content-security-policy", policy);
            sent.iter().fold(Answer::html(HTML), with)
        });
        let gateway = start(&upstream, "");
        let page = get(gateway.address, &good_link(), FRAME);
        let text = page.text();
        let (_, rest) = text.split_once("<script nonce=\"").unwrap();
        let (nonce, _) = rest.split_once('"').unwrap();
        let csp = page.header("content-security-policy").unwrap();
        assert!(csp.starts_with(&wanted.replace("{}", nonce)), "{csp}");
        assert_eq!(nonce == "abc", wanted.contains("'nonce-abc'"), "{csp}");
        let again = get(gateway.address, &good_link(), FRAME);
        assert!(
            nonce == "abc" || !again.text().contains(nonce),
            "nonces are used once"
        );
    }
}

#[test]
fn the_script_is_first_wherever_the_page_is_cut() {
    let page = "\u{feff}<!-- a --><!doctype html>\n<html lang=en><!--><script>evil()</script>-->";
    let upstream = Upstream::start(move |_| Answer::html(page));
    let gateway = start(&upstream, "");
    let page = get(gateway.address, &good_link(), FRAME);
    let text = page.text();
    let ours = text.find("<script nonce").unwrap();
    assert!(ours < text.find("evil").unwrap());
    assert!(
        text.starts_with("\u{feff}<!-- a --><!doctype html>\n<html lang=en><!--><script nonce"),
        "{text}"
    );
}

#[test]
fn a_call_is_never_given_a_page_although_it_hides_what_it_is() {
    let upstream = pages();
    let gateway = start(&upstream, "");
    let session = session(&get(gateway.address, &good_link(), FRAME));
    // Over cleartext, browsers do not say what they fetch for.
    for headers in [&[][..], &[("Accept", "text/html")]] {
        let headers = [headers, &[(NAME, &*session)]].concat();
        let part = get(gateway.address, PAGE, &headers);
        assert_eq!((part.status, part.text()), (200, HTML), "{headers:?}");
    }
}
