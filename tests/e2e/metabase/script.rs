//! Metabase's pages with sessions that they carry themselves (`session_mode = "script"`).

use serde_json::{Value, json};

use super::{
    public::{opened, page},
    public_links::Links,
    public_setup::{MAIN, Viewer, named as of_tenant, table},
    renewal::{HOST_PAGE, asked},
    setup::Scene,
    wide::{changed, names_own_only, own},
};
use crate::support::{
    browser::FRAME,
    client::{Reply, get},
    gateway::next_second,
    metabase::LEAK,
    token,
};

const MODE: &str = "session_mode = \"script\"";

fn scene(keys: &str) -> Scene {
    let keys = format!("kind = \"metabase\"\n{MODE}\n{keys}");
    let scene = changed("", |text| text.replace("kind = \"metabase\"", &keys));
    next_second();
    scene
}

fn grant(name: &str) -> String {
    token(&json!({
        "jti": name, "resource": { "dashboard": 42 }, "params": own(), "scope": "view download",
    }))
}

/// What the script of a page is told, and the nonce that it bears.
fn told(page: &Reply) -> (Value, String) {
    assert_eq!(page.status, 200, "{page:?}");
    let text = page.text();
    let (before, rest) = text.split_once("\">(function (told)").unwrap();
    let (_, nonce) = before.rsplit_once("<script nonce=\"").unwrap();
    assert_eq!(before.matches("<script").count(), 1, "it comes first");
    let (_, rest) = rest.split_once("})({").unwrap();
    let (told, _) = rest.split_once(");</script>").unwrap();
    let told = serde_json::from_str(&format!("{{{told}")).unwrap();
    (told, nonce.to_owned())
}

fn session(page: &Reply) -> String {
    let (told, _) = told(page);
    told["session"].as_str().unwrap().to_owned()
}

fn fetch(scene: &Scene, target: &str, session: &str) -> Reply {
    let mut headers = vec![
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    if !session.is_empty() {
        headers.push(("X-Embedgate-Session", session));
    }
    get(scene.gateway.address, target, &headers)
}

#[test]
fn a_signed_page_goes_on_by_the_session_that_it_carries() {
    let scene = scene("single_use = true\nbind = [\"session\"]");
    let token = grant("a");
    let page = get(
        scene.gateway.address,
        &format!("/embed/dashboard/{token}"),
        FRAME,
    );
    let (told, nonce) = told(&page);
    let csp = page.header("content-security-policy").unwrap();
    assert!(
        csp.contains(&format!("script-src 'self' 'nonce-{nonce}' https://maps")),
        "the page's own nonce: {csp}"
    );
    assert_eq!(
        csp.matches("'nonce-").count(),
        2,
        "scripts and styles, as before"
    );
    assert!(page.text().contains("_metabaseBootstrap") && page.all("set-cookie").is_empty());
    let session = told["session"].as_str().unwrap();
    for target in asked(&token).iter().take(4) {
        let reply = fetch(&scene, target, session);
        assert!(matches!(reply.status, 200 | 202), "{target} {reply:?}");
        assert!(names_own_only(&reply) && reply.all("set-cookie").is_empty());
        let seen = scene.metabase.last();
        assert!(!seen.holds(&token) && !seen.holds(session), "{seen:?}");
        let copied = fetch(&scene, target, "");
        assert_eq!(copied.status, 401, "{target} {copied:?}");
    }
    let other = grant("b");
    let stranger = fetch(
        &scene,
        &format!("/api/embed/dashboard/{other}/params/a0420002/values"),
        "AAAA",
    );
    assert_eq!(stranger.code(), "session_invalid");
}

#[test]
fn a_public_link_opens_with_its_token_and_goes_on_without() {
    let scene = Links::usual().site(MODE).start();
    let viewer = Viewer::mine(&scene);
    let page = opened(&scene, &page(MAIN), &viewer.token);
    let session = session(&page);
    assert!(page.header("location").is_none() && !page.text().contains(&viewer.token));
    let rows = fetch(&scene, &table(), &session);
    assert_eq!(rows.status, 202, "{rows:?}");
    assert_eq!(
        (of_tenant(rows.text(), 999), of_tenant(rows.text(), 777)),
        (7, 0)
    );
    assert!(!rows.text().contains(LEAK));
    assert_eq!(fetch(&scene, &table(), "").code(), "token_missing");
}

#[test]
fn the_web_components_page_learns_its_session_from_its_first_call() {
    let scene = scene("single_use = true");
    let page = get(scene.gateway.address, "/embed/sdk/v1", FRAME);
    let (told, _) = told(&page);
    assert_eq!(told["session"], Value::Null);
    assert_eq!(page.header("x-embedgate-session"), None);
    let token = grant("a");
    let first = fetch(&scene, &format!("/api/embed/dashboard/{token}"), "");
    assert_eq!(first.status, 200, "{first:?}");
    let session = first.header("x-embedgate-session").unwrap().to_owned();
    assert_eq!(first.header("cache-control"), Some("private, no-store"));
    for target in asked(&token).iter().take(4) {
        assert!(fetch(&scene, target, &session).status < 300, "{target}");
        assert_eq!(fetch(&scene, target, "").status, 401, "{target}");
    }
    // The host page may ask for a session, too, but cannot read it: the field is for pages of the site alone.
    let bearer = format!("Bearer {}", grant("b"));
    let headers = [
        ("Authorization", &*bearer),
        ("Origin", HOST_PAGE),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
    ];
    let posted =
        crate::support::client::post(scene.gateway.address, "/_embedgate/session", &headers, b"");
    assert_eq!(posted.status, 204, "{posted:?}");
    let exposed = posted.header("access-control-expose-headers").unwrap();
    assert!(
        !exposed.to_ascii_lowercase().contains("embedgate"),
        "{exposed}"
    );
    let plain = changed("", |text| text);
    let page = get(plain.gateway.address, "/embed/sdk/v1", FRAME);
    assert!(
        !page.text().contains("(function (told)"),
        "only where a script carries sessions"
    );
}
