//! Metabase's pages keep their token in the address: what a copy of it is good for, and several embeds in one host page.

use serde_json::{Value, json};

use super::{
    renewal::{HOST_PAGE, asked},
    setup::{Scene, dashboard},
    wide::{MINE, TABLE, changed, named, own},
};
use crate::support::{
    browser::{Browser, FRAME},
    client::{Reply, get, post},
    gateway::next_second,
    metabase::fixtures,
    token,
};

const FETCH: &[(&str, &str)] = &[
    ("Sec-Fetch-Dest", "empty"),
    ("Sec-Fetch-Site", "same-origin"),
];

fn scene(keys: &str) -> Scene {
    let scene = changed("", |text| {
        text.replace(
            "kind = \"metabase\"",
            &format!("kind = \"metabase\"\n{keys}"),
        )
    });
    next_second();
    scene
}

fn grant(name: &str, more: &Value) -> String {
    let mut claims = json!({
        "jti": name, "resource": { "dashboard": 42 }, "params": own(), "scope": "view download",
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    token(&claims)
}

fn posted(scene: &Scene, browser: &mut Browser, target: &str, bearer: &str, body: &str) -> Reply {
    let cookies = browser.header();
    let bearer = format!("Bearer {bearer}");
    let mut headers = vec![
        ("Origin", HOST_PAGE),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Content-Type", "application/json"),
    ];
    if bearer.len() > 10 {
        headers.push(("Authorization", &bearer));
    }
    if !cookies.is_empty() {
        headers.push(("Cookie", &cookies));
    }
    let reply = post(scene.gateway.address, target, &headers, body.as_bytes());
    browser.keep(&reply);
    reply
}

#[test]
fn a_copied_address_opens_neither_the_page_nor_the_api() {
    let scene = scene("single_use = true");
    let gateway = scene.gateway.address;
    let token = grant("a", &json!({}));
    let page = format!("/embed/dashboard/{token}");
    let mut browser = Browser::default();
    for _reload in 0..2 {
        let reply = browser.get(gateway, &page, FRAME);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("referrer-policy"), Some("strict-origin"));
        for target in asked(&token) {
            let reply = browser.get(gateway, &target, FETCH);
            assert!(matches!(reply.status, 200 | 202), "{target} {reply:?}");
        }
    }
    let served = scene.metabase.seen().len();
    for target in asked(&token) {
        let curl = get(gateway, &target, &[("User-Agent", "curl/8")]);
        assert_eq!(
            (curl.status, &*curl.code()),
            (401, "token_replayed"),
            "{target}"
        );
        let script = get(gateway, &target, FETCH);
        // What begins the session of a web component is a page load to us.
        let replayed = target == format!("/api/embed/dashboard/{token}");
        let code = if replayed {
            "token_replayed"
        } else {
            "session_invalid"
        };
        assert_eq!((script.status, &*script.code()), (401, code), "{target}");
    }
    assert_eq!(scene.metabase.seen().len(), served);
}

#[test]
fn a_session_for_a_posted_token_uses_it_up() {
    let scene = scene("single_use = true");
    let gateway = scene.gateway.address;
    let token = grant("a", &json!({}));
    let mut browser = Browser::default();
    let session = "/_embedgate/session";
    assert_eq!(
        posted(&scene, &mut browser, session, &token, "").status,
        204
    );
    let again = posted(&scene, &mut Browser::default(), session, &token, "");
    assert_eq!(again.code(), "token_replayed");
    let page = format!("/embed/dashboard/{token}");
    assert_eq!(browser.get(gateway, &page, FRAME).status, 200);
    assert_eq!(get(gateway, &page, FRAME).code(), "token_replayed");
    // The host page posts it once more: the session goes on as it began.
    let cookies = browser.cookies.clone();
    assert_eq!(
        posted(&scene, &mut browser, session, &token, "").status,
        204
    );
    assert_eq!(browser.cookies, cookies);
}

#[test]
fn a_ticket_is_worth_nothing_without_the_session_that_it_was_handed_to() {
    let body = r#"{"entityType":"dashboard","entityId":42}"#;
    for keys in [
        "single_use = true",
        "bind = [\"session\"]",
        "bind = [\"network\"]",
    ] {
        let scene = scene(keys);
        let gateway = scene.gateway.address;
        let mut browser = Browser::default();
        let token = grant("a", &json!({}));
        posted(&scene, &mut browser, "/_embedgate/session", &token, "");
        let given = posted(&scene, &mut browser, "/_embedgate/metabase/token", "", body);
        let ticket = given.json()["jwt"].as_str().unwrap().to_owned();
        for target in [
            format!("/api/embed/dashboard/{ticket}"),
            format!("/api/embed/dashboard/{ticket}/{TABLE}"),
        ] {
            let reply = browser.get(gateway, &target, FETCH);
            assert!(
                matches!(reply.status, 200 | 202),
                "{keys} {target} {reply:?}"
            );
            for headers in [FETCH, &[]] {
                let stolen = get(gateway, &target, headers);
                assert_eq!(stolen.code(), "session_invalid", "{keys} {target}");
            }
        }
    }
}

#[test]
fn two_web_components_of_one_host_page_each_get_their_own_ticket() {
    let scene = scene("");
    let mut browser = Browser::default();
    let mut replies = Vec::new();
    for (name, id) in [("a", 42), ("b", 43)] {
        let token = grant(name, &json!({ "resource": { "dashboard": id } }));
        // At once: neither request carries the other's cookie.
        let mut one = Browser::default();
        let reply = posted(&scene, &mut one, "/_embedgate/session", &token, "");
        assert_eq!(reply.status, 204);
        replies.push(reply);
    }
    for reply in &replies {
        browser.keep(reply);
    }
    for id in [42, 43] {
        let body = json!({ "entityType": "dashboard", "entityId": id }).to_string();
        let given = posted(
            &scene,
            &mut browser,
            "/_embedgate/metabase/token",
            "",
            &body,
        );
        assert_eq!(given.status, 200, "{id} {given:?}");
    }
    for body in ["", "{", r#"{"entityType":"dashboard","entityId":44}"#] {
        let given = posted(&scene, &mut browser, "/_embedgate/metabase/token", "", body);
        assert!(matches!(given.status, 400 | 403), "{body} {given:?}");
    }
}

#[test]
fn two_public_dashboards_of_one_host_page_keep_apart() {
    let more: String = [42, 45]
        .map(|id| {
            let link = fixtures::dashboard_link(id);
            format!("[site.reports.metabase.public.\"{link}\"]\nkind = \"dashboard\"\n")
        })
        .concat();
    let scene = Scene::with(&more);
    let gateway = scene.gateway.address;
    let mut browser = Browser::default();
    let links = [42, 45].map(fixtures::dashboard_link);
    let pages = links.clone().map(|link| {
        let claims =
            json!({ "jti": link, "resource": { "dashboard": link }, "params": { MINE: 999 } });
        let target = format!("/public/dashboard/{link}?embed_token={}", token(&claims));
        let reply = get(gateway, &target, FRAME);
        assert_eq!(reply.status, 303, "{reply:?}");
        browser.keep(&reply);
        reply.header("location").unwrap().to_owned()
    });
    for (link, page) in links.iter().zip(&pages) {
        assert_eq!(browser.get(gateway, page, FRAME).status, 200);
        // With the page's address, and without: the path names what it is about.
        for page in [page.as_str(), "/"] {
            let layout = browser.fetch(gateway, &format!("/api/public/dashboard/{link}"), page);
            assert_eq!(layout.status, 200, "{page} {layout:?}");
        }
    }
}

#[test]
fn signed_dashboards_of_two_tenants_in_one_host_page_outlive_their_tokens_apart() {
    let scene = scene("bind = [\"session\"]");
    let gateway = scene.gateway.address;
    let tokens = [999, 777].map(|id| dashboard(42, &json!({ MINE: id })));
    let mut browser = Browser::default();
    for token in &tokens {
        let reply = get(gateway, &format!("/embed/dashboard/{token}"), FRAME);
        browser.keep(&reply);
    }
    let rows = tokens.each_ref().map(|token| {
        let target = format!("/api/embed/dashboard/{token}/{TABLE}");
        let reply = browser.get(gateway, &target, FETCH);
        assert_eq!(reply.status, 202, "{reply:?}");
        named(&reply)
    });
    assert_ne!(rows[0], rows[1]);
}
