//! Several embeds of one page: different dashboards and tenants, sites below one host, and secrets that change under them.

use std::fs;

use crate::support::{
    Answer, Gateway, Upstream,
    browser::{Browser, FRAME},
    eventually, gateway,
    gateway::{APP, SESSION},
    get, token,
};
use embedgate::{config::Snapshot, server::launch::launch};
use serde_json::json;

/// The value that the gateway wrote into the query of what reached the upstream last.
fn tenant(upstream: &Upstream) -> String {
    let target = upstream.last().target;
    let (_, query) = target.split_once('?').unwrap();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.starts_with("tenant")).unwrap();
    value.to_owned()
}

fn link(report: &str, tenant: u32) -> String {
    let claims = json!({
        "jti": format!("{report}-{tenant}"), "resource": { "report": report }, "params": { "tenant_id": tenant },
    });
    format!("/reports/{report}?embed_token={}", token(&claims))
}

/// Begins sessions as one host page does that loads all its frames at once: no request carries another's cookie.
fn at_once(gateway: &Gateway, links: &[String]) -> (Browser, Vec<String>) {
    let mut browser = Browser::default();
    let first = links.iter().map(|link| get(gateway.address, link, FRAME));
    let pages = first.map(|reply| {
        browser.keep(&reply);
        reply.header("location").unwrap().to_owned()
    });
    let pages = pages.collect();
    (browser, pages)
}

#[test]
fn frames_of_different_tenants_that_load_at_once_each_keep_their_own_rows() {
    let upstream = Upstream::start(|_| Answer::html("x"));
    let gateway = Gateway::generic(upstream.address, "");
    let links = [link("q3", 999), link("q3", 777), link("q3", 555)];
    let (mut browser, pages) = at_once(&gateway, &links);
    for _reload in 0..2 {
        for (page, id) in pages.iter().zip(["999", "777", "555"]) {
            let reply = browser.get(gateway.address, page, FRAME);
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(tenant(&upstream), id);
            assert_eq!(
                reply.header("referrer-policy"),
                Some("strict-origin-when-cross-origin")
            );
            assert!(!upstream.last().holds("embed_session"));
            let data = browser.fetch(gateway.address, "/api/default?a=1", page);
            assert_eq!(data.status, 200, "{data:?}");
            assert_eq!(tenant(&upstream), id);
            let seen = upstream.last();
            assert!(
                !seen.holds("embed_session") && !seen.holds("embedgate"),
                "{seen:?}"
            );
        }
    }
}

#[test]
fn frames_that_load_one_after_the_other_each_keep_their_own_rows() {
    let upstream = Upstream::start(|_| Answer::html("x"));
    let gateway = Gateway::generic(upstream.address, "");
    let mut browser = Browser::default();
    let mut pages = Vec::new();
    for id in [999, 777] {
        let first = browser.get(gateway.address, &link("q3", id), FRAME);
        pages.push(first.header("location").unwrap().to_owned());
    }
    assert!(browser.cookies.contains_key("__Host-embedgate"));
    for (page, id) in pages.iter().zip(["999", "777"]) {
        assert_eq!(browser.get(gateway.address, page, FRAME).status, 200);
        assert_eq!(tenant(&upstream), id);
    }
}

#[test]
fn where_no_address_tells_the_resource_does_and_then_the_latest() {
    let upstream = Upstream::start(|_| Answer::html("x"));
    let gateway = Gateway::generic(upstream.address, "");
    let (mut browser, _) = at_once(&gateway, &[link("q3", 999), link("q4", 777)]);
    for (report, id) in [("q3", "999"), ("q4", "777")] {
        let page = format!("/reports/{report}");
        assert_eq!(browser.get(gateway.address, &page, FRAME).status, 200);
        assert_eq!(tenant(&upstream), id);
    }
    let denied = browser.get(gateway.address, "/reports/q5", FRAME);
    assert_eq!(denied.code(), "resource_denied");
    let any = browser.fetch(gateway.address, "/api/default", "/");
    assert_eq!(any.status, 200);
}

#[test]
fn of_sessions_that_began_in_one_second_the_newer_cookie_is_meant() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    gateway::next_second();
    let cookies = [999, 777].map(|id| {
        let reply = get(gateway.address, &link("q3", id), FRAME);
        let named = |cookie: &&str| cookie.starts_with("__Host-embedgate-");
        let cookie = reply.all("set-cookie").into_iter().find(named).unwrap();
        let (pair, _) = cookie.split_once(';').unwrap();
        (pair.to_owned(), id.to_string())
    });
    // Browsers send the older one first. Nothing else tells: the page has replaced its address.
    for [(older, _), (newer, id)] in [[&cookies[0], &cookies[1]], [&cookies[1], &cookies[0]]] {
        let jar = format!("{older}; {newer}");
        let headers = [("Sec-Fetch-Site", "same-origin"), ("Cookie", &*jar)];
        let reply = get(gateway.address, "/api/default?a=1", &headers);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(tenant(&upstream), *id);
    }
}

#[test]
fn an_address_that_names_a_session_is_never_served_by_another() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let (mut browser, pages) = at_once(&gateway, &[link("q3", 999)]);
    let other = "/reports/q3?embed_session=0badcafe";
    let gone = browser.get(gateway.address, other, FRAME);
    assert_eq!(gone.code(), "session_invalid");
    let gone = browser.fetch(gateway.address, "/api/default", other);
    assert_eq!(gone.code(), "session_invalid");
    // Without a session it grants nothing; what is no tag of ours says nothing.
    assert_eq!(
        get(gateway.address, &pages[0], FRAME).code(),
        "token_missing"
    );
    for nothing in ["/reports/q3?embed_session=x", "/reports/q3?embed_session="] {
        assert_eq!(browser.get(gateway.address, nothing, FRAME).status, 200);
        assert!(!upstream.last().holds("embed_session"));
    }
    // A foreign page's address says nothing about ours.
    let headers = [
        ("Sec-Fetch-Dest", "iframe"),
        ("Referer", "https://app.example.com/?embed_session=0badcafe"),
    ];
    assert_eq!(
        browser.get(gateway.address, "/reports/q3", &headers).status,
        200
    );
}

#[test]
fn a_link_from_page_to_page_stays_with_its_session() {
    let upstream = Upstream::start(|_| Answer::html("x"));
    let gateway = Gateway::generic(upstream.address, "");
    let (mut browser, pages) = at_once(&gateway, &[link("q3", 999), link("q3", 777)]);
    for (page, id) in pages.iter().zip(["999", "777"]) {
        let referer = format!("http://bi.example.com{page}");
        let headers = [
            ("Sec-Fetch-Dest", "iframe"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Referer", referer.as_str()),
        ];
        let led = browser.get(gateway.address, "/reports/q3?b=2", &headers);
        assert_eq!(led.status, 303);
        let location = led.header("location").unwrap().to_owned();
        assert!(
            location.starts_with("/reports/q3?b=2&embed_session="),
            "{location}"
        );
        assert_eq!(
            browser.get(gateway.address, &location, &headers).status,
            200
        );
        assert_eq!(tenant(&upstream), id);
    }
}

#[test]
fn sites_below_one_host_leave_each_others_sessions_alone() {
    let upstream = Upstream::plain();
    let text = gateway::generic(upstream.address, "");
    let site = |name: &str| {
        let (_, rest) = text.split_once("[site.reports]").unwrap();
        let rest = rest.replace("site.reports", &format!("site.{name}"));
        format!("[site.{name}]\npath_prefix = \"/{name}\"{rest}")
    };
    let (head, _) = text.split_once("[site.reports]").unwrap();
    let gateway = Gateway::start(&format!("{head}{}{}", site("one"), site("two")));
    for together in [true, false] {
        let mut browser = Browser::default();
        for name in ["one", "two"] {
            let target = format!("/{name}{}", link("q3", 999));
            let reply = if together {
                get(gateway.address, &target, FRAME)
            } else {
                browser.get(gateway.address, &target, FRAME)
            };
            assert_eq!(reply.status, 303, "{reply:?}");
            browser.keep(&reply);
        }
        for name in ["one", "two"] {
            let page = format!("/{name}/reports/q3");
            assert_eq!(
                browser.get(gateway.address, &page, FRAME).status,
                200,
                "{name}"
            );
            let api = format!("/{name}/api/default");
            assert_eq!(
                browser.fetch(gateway.address, &api, &page).status,
                200,
                "{name}"
            );
        }
    }
}

#[test]
fn a_browser_is_not_filled_with_sessions() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let mut browser = Browser::default();
    for id in 0..40 {
        let page = browser.load(gateway.address, &link("q3", id));
        assert_eq!(page.status, 200, "{id}");
        assert_eq!(tenant(&upstream), id.to_string());
    }
    assert!(browser.cookies.len() <= 16, "{}", browser.cookies.len());
    // The same viewer again and again is one session.
    let mut browser = Browser::default();
    for turn in 0..10 {
        let claims = json!({ "jti": format!("turn-{turn}") });
        let target = format!("/reports/q3?embed_token={}", token(&claims));
        assert_eq!(browser.load(gateway.address, &target).status, 200);
    }
    assert!(browser.cookies.len() <= 2, "{:?}", browser.cookies.keys());
}

#[test]
fn secrets_change_under_sessions_and_lose_none_until_theirs_is_gone() {
    const NEXT: &str = "next-secret-0123456789abcdef0123456789";
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::plain();
    for (name, secret) in [("app", APP), ("old", SESSION), ("new", NEXT)] {
        fs::write(folder.path().join(name), secret).unwrap();
    }
    let file = folder.path().join("gateway.toml");
    let write = |secrets: &str| {
        let text = gateway::generic(upstream.address, "")
            .replace("{ env = \"APP\" }", "{ file = \"app\" }")
            .replace(
                "secret = { env = \"SESSION\" }",
                &format!("secrets = [{secrets}]"),
            );
        fs::write(&file, text).unwrap();
    };
    let (old, new) = ("{ file = \"old\" }", "{ file = \"new\" }");
    write(old);
    let launched = launch(Snapshot::load(&file).unwrap(), Some(&file)).unwrap();
    let address = launched.address();
    let (mut busy, mut idle) = (Browser::default(), Browser::default());
    for browser in [&mut busy, &mut idle] {
        assert_eq!(browser.load(address, &link("q3", 999)).status, 200);
    }

    write(&format!("{new}, {old}"));
    let before = busy.cookies.clone();
    eventually("the session is sealed with the new secret", || {
        let reply = busy.fetch(address, "/api/default", "/reports/q3");
        assert_eq!(reply.status, 200, "nobody is lost: {reply:?}");
        busy.cookies != before
    });
    assert_eq!(
        busy.cookies.len(),
        1,
        "a session sealed afresh needs one name"
    );

    write(new);
    eventually("the old secret opens nothing", || {
        let cookies = idle.header();
        let reply = get(address, "/reports/q3", &[FRAME[0], ("Cookie", &cookies)]);
        reply.code() == "session_invalid"
    });
    let reply = busy.fetch(address, "/api/default", "/reports/q3");
    assert_eq!(reply.status, 200, "{reply:?}");
    launched.shutdown();
}
