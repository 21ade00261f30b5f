//! What a copied link, token or cookie is good for elsewhere: single use, and what tokens and sessions are tied to.

use std::{
    net::SocketAddr,
    sync::{Arc, Barrier},
};

use crate::support::{
    Answer, Gateway, Upstream,
    browser::{Browser, FRAME},
    client::Reply,
    gateway, get, token,
};
use serde_json::{Value, json};

const PAGE: &str = "/reports/q3";
const FETCH: (&str, &str) = ("Sec-Fetch-Dest", "empty");

/// The usual site with these keys.
fn text(upstream: SocketAddr, keys: &str) -> String {
    gateway::generic(upstream, "")
        .replace("kind = \"generic\"", &format!("kind = \"generic\"\n{keys}"))
}

fn start(upstream: &Upstream, keys: &str) -> Gateway {
    started(&text(upstream.address, keys))
}

fn started(text: &str) -> Gateway {
    let gateway = Gateway::start(text);
    gateway::next_second();
    gateway
}

/// A token with a name of its own.
fn fresh(name: &str) -> String {
    token(&json!({ "jti": name }))
}

fn link(token: &str) -> String {
    format!("{PAGE}?embed_token={token}")
}

/// A request as a page's script makes it, with a token in the header.
fn call(gateway: &Gateway, browser: &mut Browser, token: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        FETCH,
        ("Sec-Fetch-Site", "same-origin"),
    ];
    browser.get(gateway.address, PAGE, &headers)
}

#[test]
fn a_token_opens_one_page_and_the_copied_link_is_dead() {
    let upstream = Upstream::start(|_| Answer::html("<p>q3</p>"));
    let gateway = start(&upstream, "single_use = true");
    let token = fresh("a");
    let mut browser = Browser::default();
    let page = browser.load(gateway.address, &link(&token));
    assert_eq!((page.status, page.text()), (200, "<p>q3</p>"));
    assert_eq!(browser.fetch(gateway.address, PAGE, PAGE).status, 200);
    let served = upstream.seen().len();

    for headers in [FRAME, &[("User-Agent", "curl")], &[]] {
        let copied = Browser::default().get(gateway.address, &link(&token), headers);
        assert_eq!(
            (copied.status, copied.code().as_str()),
            (401, "token_replayed"),
            "{headers:?}"
        );
        assert!(copied.all("set-cookie").is_empty());
    }
    let shown = [FRAME, &[("Accept", "text/html")]].concat();
    let copied = Browser::default().get(gateway.address, &link(&token), &shown);
    assert!(copied.text().contains("token_replayed"), "{copied:?}");
    assert_eq!(upstream.seen().len(), served);
}

#[test]
fn the_iframe_can_be_loaded_again_in_the_same_browser() {
    let upstream = Upstream::start(|_| Answer::html("x"));
    let gateway = start(&upstream, "single_use = true");
    let token = fresh("a");
    let mut browser = Browser::default();
    assert_eq!(browser.load(gateway.address, &link(&token)).status, 200);
    let before = browser.cookies.clone();
    // The same address again, as the host page has it in its markup.
    let again = browser.get(gateway.address, &link(&token), FRAME);
    assert_eq!(again.status, 303, "{again:?}");
    let location = again.header("location").unwrap().to_owned();
    assert!(!location.contains(&token));
    assert!(
        again.all("set-cookie").is_empty(),
        "the session goes on as it began: {again:?}"
    );
    assert_eq!(browser.get(gateway.address, &location, FRAME).status, 200);
    assert_eq!(browser.cookies, before);
}

#[test]
fn a_token_calls_nothing_without_the_session_that_it_opened() {
    let upstream = Upstream::plain();
    for keys in ["single_use = true", "bind = [\"session\"]"] {
        let gateway = start(&upstream, keys);
        let (mine, other) = (fresh("a"), token(&json!({ "jti": "b", "sub": "other" })));
        let (mut me, mut thief) = (Browser::default(), Browser::default());
        let early = call(&gateway, &mut me, &mine);
        assert_eq!(early.code(), "session_invalid", "{keys}: no page opened it");
        assert_eq!(me.load(gateway.address, &link(&mine)).status, 200);
        assert_eq!(thief.load(gateway.address, &link(&other)).status, 200);
        assert_eq!(call(&gateway, &mut me, &mine).status, 200, "{keys}");
        for browser in [&mut thief, &mut Browser::default()] {
            let stolen = call(&gateway, browser, &mine);
            assert_eq!(
                (stolen.status, stolen.code().as_str()),
                (401, "session_invalid"),
                "{keys}"
            );
        }
        // As curl would: no header says that it is no page load.
        let bearer = format!("Bearer {mine}");
        let curl = get(gateway.address, PAGE, &[("Authorization", &bearer)]);
        let code = if keys.starts_with("single") {
            "token_replayed"
        } else {
            ""
        };
        assert_eq!(curl.code(), code, "{keys}");
    }
}

#[test]
fn a_fresh_token_for_the_same_does_not_undo_what_an_earlier_one_opened() {
    let upstream = Upstream::plain();
    let gateway = start(&upstream, "single_use = true");
    let (first, second) = (fresh("a"), fresh("b"));
    let mut browser = Browser::default();
    assert_eq!(browser.load(gateway.address, &link(&first)).status, 200);
    assert_eq!(browser.load(gateway.address, &link(&second)).status, 200);
    for token in [&first, &second] {
        assert_eq!(call(&gateway, &mut browser, token).status, 200);
        assert_eq!(browser.load(gateway.address, &link(token)).status, 200);
        let copied = Browser::default().get(gateway.address, &link(token), FRAME);
        assert_eq!(copied.code(), "token_replayed");
    }
}

#[test]
fn of_two_page_loads_at_once_exactly_one_wins() {
    let upstream = Upstream::plain();
    let text = text(upstream.address, "single_use = true").replace("workers = 1", "workers = 4");
    let gateway = started(&text);
    for round in 0..20 {
        let link = link(&fresh(&format!("round-{round}")));
        let start = Arc::new(Barrier::new(8));
        let all: Vec<_> = (0..8)
            .map(|_| {
                let (link, start, address) = (link.clone(), Arc::clone(&start), gateway.address);
                std::thread::spawn(move || {
                    start.wait();
                    get(address, &link, FRAME).status
                })
            })
            .collect();
        let mut statuses: Vec<u16> = all.into_iter().map(|one| one.join().unwrap()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 401, 401, 401, 401, 401, 401, 401]);
    }
}

#[test]
fn a_token_from_the_future_is_not_used_again_after_a_restart() {
    let upstream = Upstream::plain();
    let text = text(upstream.address, "single_use = true");
    // Its issuer's clock is ahead, within the leeway.
    let link = link(&token(&json!({ "iat": gateway::now() + 3 })));
    let first = Gateway::start(&text);
    let opened = get(first.address, &link, FRAME);
    assert_eq!(opened.status, 303, "{opened:?}");
    first.stop();
    let second = Gateway::start(&text);
    let copied = get(second.address, &link, FRAME);
    assert_eq!(copied.code(), "token_replayed");
}

#[test]
fn link_checkers_and_prefetching_use_nothing_up() {
    let upstream = Upstream::start(|_| Answer::html("x"));
    let gateway = start(&upstream, "single_use = true");
    let link = link(&fresh("a"));
    let head = format!("HEAD {link} HTTP/1.1\r\nHost: bi.example.com\r\nConnection: close\r\n\r\n");
    let head = crate::support::send(gateway.address, head.as_bytes());
    assert_eq!((head.status, head.session()), (401, None));
    let ahead = [FRAME, &[("Sec-Purpose", "prefetch")]].concat();
    let ahead = get(gateway.address, &link, &ahead);
    assert_eq!((ahead.status, ahead.session()), (401, None));
    assert!(upstream.seen().is_empty());
    assert_eq!(Browser::default().load(gateway.address, &link).status, 200);
}

#[test]
fn what_cannot_be_told_from_a_used_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("audit.jsonl");
    let upstream = Upstream::plain();
    let text = text(upstream.address, "single_use = true").replace(
        "output = \"off\"",
        &format!("output = \"{}\"", trail.display()),
    );
    let gateway = started(&text);
    let now = gateway::now();
    let wrong = |changes: Value, code: &str| {
        let reply = get(gateway.address, &link(&token(&changes)), FRAME);
        assert_eq!(reply.code(), code, "{changes}");
        assert!(reply.all("set-cookie").is_empty(), "{changes}");
    };
    wrong(json!({ "jti": null }), "token_invalid");
    wrong(json!({ "iat": null }), "token_invalid");
    // Issued before the gateway started: nobody remembers whether it was used.
    wrong(json!({ "iat": now - 10 }), "token_replayed");
    gateway.stop();
    let lines = std::fs::read_to_string(&trail).unwrap();
    for (line, says) in lines.lines().zip(["no `jti`", "no `iat`"]) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["detail"].as_str().unwrap().contains(says), "{line}");
    }
}

#[test]
fn where_there_is_no_room_to_remember_a_token_it_is_not_used() {
    let upstream = Upstream::plain();
    let text = text(upstream.address, "single_use = true");
    let gateway = started(&format!("{text}\n[cache]\nused_tokens = 1\n"));
    let mut browser = Browser::default();
    assert_eq!(
        browser.load(gateway.address, &link(&fresh("a"))).status,
        200
    );
    let full = get(gateway.address, &link(&fresh("b")), FRAME);
    assert_eq!((full.status, full.code().as_str()), (503, "overloaded"));
    assert!(full.all("set-cookie").is_empty());
    assert_eq!(browser.fetch(gateway.address, PAGE, PAGE).status, 200);
}

#[test]
fn a_page_load_that_fails_after_its_token_was_used_has_its_session_all_the_same() {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let gateway = started(&text(nowhere, "single_use = true"));
    let bearer = format!("Bearer {}", fresh("a"));
    let headers = [FRAME, &[("Authorization", bearer.as_str())]].concat();
    let mut browser = Browser::default();
    let failed = browser.get(gateway.address, PAGE, &headers);
    assert_eq!(failed.code(), "upstream_unavailable", "{failed:?}");
    assert!(!browser.cookies.is_empty());
    let again = browser.get(gateway.address, PAGE, &headers);
    assert_eq!(again.code(), "upstream_unavailable");
    let copied = get(gateway.address, PAGE, &headers);
    assert_eq!(copied.code(), "token_replayed");
}

#[test]
fn a_refused_page_load_uses_nothing_up() {
    let upstream = Upstream::plain();
    let gateway = start(&upstream, "single_use = true");
    let link = link(&fresh("a"));
    let foreign = [
        ("Sec-Fetch-Dest", "iframe"),
        ("Referer", "https://evil.example/"),
    ];
    let refused = get(gateway.address, &link, &foreign);
    assert_eq!(refused.code(), "origin_denied");
    assert!(refused.all("set-cookie").is_empty());
    assert_eq!(get(gateway.address, &link, FRAME).status, 303);
}

#[test]
fn writes_with_a_token_and_its_session_come_from_the_sites_own_pages() {
    let upstream = Upstream::plain();
    let gateway = start(&upstream, "bind = [\"session\"]");
    let token = fresh("a");
    let mut browser = Browser::default();
    browser.load(gateway.address, &link(&token));
    let (bearer, cookies) = (format!("Bearer {token}"), browser.header());
    let post = |more: (&str, &str)| {
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Cookie", &cookies),
            more,
        ];
        crate::support::client::post(gateway.address, "/api/default", &headers, b"").code()
    };
    assert_eq!(post(("Sec-Fetch-Site", "same-origin")), "");
    assert_eq!(post(("X-Nothing", "x")), "csrf_denied");
}

#[test]
fn a_bound_frame_must_show_where_it_stands() {
    let upstream = Upstream::start(|_| Answer::html("x"));
    let gateway = start(&upstream, "bind = [\"origin\"]\ntop_level = \"allow\"");
    let mut browser = Browser::default();
    let page = browser.load(gateway.address, &link(&fresh("a")));
    assert_eq!(page.status, 200);
    let (html, iframe) = (("Accept", "text/html"), ("Sec-Fetch-Dest", "iframe"));
    let app = ("Referer", "https://app.example.com/");
    let own = ("Referer", "http://bi.example.com/reports/q3");
    for (headers, code) in [
        (&[iframe, app][..], ""),
        (&[iframe, own], ""),
        (&[iframe, ("Sec-Fetch-Site", "same-origin")], ""),
        (&[FETCH, ("Sec-Fetch-Site", "same-origin")], ""),
        (&[FETCH, ("Origin", "http://bi.example.com")], ""),
        (&[iframe], "origin_denied"),
        (
            &[("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Site", "none")],
            "origin_denied",
        ),
        (&[html], "refused"),
        (&[], "origin_denied"),
        (&[FETCH], "origin_denied"),
        (
            &[FETCH, ("Origin", "https://app.example.com")],
            "origin_denied",
        ),
    ] {
        for by_token in [false, true] {
            let bearer = format!("Bearer {}", fresh("b"));
            let cookies = browser.header();
            let credential = if by_token {
                ("Authorization", bearer.as_str())
            } else {
                ("Cookie", cookies.as_str())
            };
            let headers = [headers, &[credential]].concat();
            let reply = get(gateway.address, PAGE, &headers);
            match code {
                "refused" => assert_eq!(reply.status, 403, "{headers:?}"),
                code => assert_eq!(reply.code(), code, "{headers:?}"),
            }
        }
    }
    let narrowed = token(&json!({ "origin": "https://a.partner.example" }));
    for (referer, code) in [
        (Some("https://a.partner.example/"), ""),
        (Some("https://app.example.com/"), "origin_denied"),
        (None, "origin_denied"),
    ] {
        let mut headers = vec![iframe];
        headers.extend(referer.map(|referer| ("Referer", referer)));
        let reply = get(gateway.address, &link(&narrowed), &headers);
        assert_eq!(reply.code(), code, "{referer:?}");
    }
}

#[test]
fn a_session_stays_in_the_network_that_it_began_in() {
    let upstream = Upstream::plain();
    let keys = "bind = [\"network\"]\nbind_network = { v4 = 16 }";
    let text = text(upstream.address, keys).replace(
        "workers = 1",
        "workers = 1\ntrusted_proxies = [\"127.0.0.1\"]",
    );
    let gateway = started(&text);
    let token = fresh("a");
    let bearer = format!("Bearer {token}");
    let mut browser = Browser::default();
    let at = |address: &'static str| [FRAME, &[("X-Forwarded-For", address)]].concat();
    let first = browser.get(gateway.address, &link(&token), &at("203.0.113.7"));
    assert_eq!(first.status, 303);
    for (address, code) in [
        ("203.0.113.7", ""),
        ("203.0.99.1", ""),
        ("203.1.113.7", "session_invalid"),
        ("2001:db8::1", "session_invalid"),
    ] {
        let reply = browser.get(gateway.address, PAGE, &at(address));
        assert_eq!(reply.code(), code, "{address}");
        let call = [
            ("Authorization", bearer.as_str()),
            FETCH,
            ("X-Forwarded-For", address),
        ];
        let reply = browser.get(gateway.address, PAGE, &call);
        assert_eq!(reply.code(), code, "{address} with the token");
    }
    let alone = [
        ("Authorization", bearer.as_str()),
        FETCH,
        ("X-Forwarded-For", "203.0.113.7"),
    ];
    let reply = get(gateway.address, PAGE, &alone);
    assert_eq!(reply.code(), "session_invalid");
}

#[test]
fn a_session_from_before_networks_counted_holds_in_none() {
    let upstream = Upstream::plain();
    let (open, bound) = (
        start(&upstream, ""),
        start(&upstream, "bind = [\"network\"]"),
    );
    let mut browser = Browser::default();
    assert_eq!(browser.load(open.address, &link(&fresh("a"))).status, 200);
    let reply = browser.fetch(bound.address, PAGE, PAGE);
    assert_eq!(reply.code(), "session_invalid");
}

#[test]
fn a_grant_too_large_for_a_cookie_goes_by_its_token_or_not_at_all() {
    let upstream = Upstream::plain();
    let mut granted: Vec<String> = (0..200)
        .map(|at| format!("report:number-{at:05}"))
        .collect();
    granted.push("report:q3".into());
    let large = |name: &str| token(&json!({ "jti": name, "resource": null, "resources": granted }));
    let open = start(&upstream, "");
    let bearer = format!("Bearer {}", large("a"));
    let headers = [FRAME, &[("Authorization", bearer.as_str())]].concat();
    let reply = get(open.address, PAGE, &headers);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.all("set-cookie").is_empty());
    for keys in [
        "single_use = true",
        "bind = [\"session\"]",
        "bind = [\"network\"]",
    ] {
        let gateway = start(&upstream, keys);
        let reply = get(gateway.address, PAGE, &headers);
        assert_eq!(reply.code(), "token_invalid", "{keys}");
    }
}
