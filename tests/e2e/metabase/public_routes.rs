//! More of what Metabase's own tests say, by their row in the contract: pivots, exports, and what stands around every answer.

use serde_json::json;

use super::{
    public_links::Links,
    public_setup::{MAIN, Viewer, board, dashcard, encoded, id, named, question, table},
};
use crate::support::{get, metabase::fixtures};

#[test]
fn row_131_132_133_pivots() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let pivot = |target: String| target.replace("/public/", "/public/pivot/");
    for target in [
        pivot(format!("{}/query", question(8))),
        pivot(dashcard(MAIN, 103, 203)),
    ] {
        let body = viewer.get(&target).harmless(0).reply.json();
        assert_eq!(body["data"]["cols"][2]["name"], "pivot-grouping");
        assert_eq!(
            body["data"]["rows"].as_array().unwrap().last().unwrap()[4],
            25_825
        );
    }
    viewer
        .get(&pivot(dashcard(MAIN, 103, 201)))
        .refused("resource_denied");
    viewer
        .get(&pivot(dashcard(43, 121, 201)))
        .refused("route_denied");
}

#[test]
fn row_134_exports_of_a_dashcard() {
    let scene = Links::usual().start();
    scene
        .metabase
        .edit(|store| (store.behaviour.max_results, store.behaviour.export_filler) = (2, 50_000));
    let viewer = Viewer::mine(&scene);
    let europe = format!(
        "parameters={}",
        encoded(&json!([{"id": id(2), "value": ["Europe"]}]).to_string())
    );
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for format in ["csv", "json", "xlsx"] {
        let outcome = viewer.post(&format!("{}/{format}", table()), &[form], europe.as_bytes());
        outcome.harmless(3);
        assert!(outcome.reply.body.len() > 50_000);
        assert!(
            outcome
                .reply
                .header("content-disposition")
                .unwrap()
                .contains("all_accounts")
        );
    }
    viewer
        .post(&format!("{}/csv", dashcard(MAIN, 101, 999)), &[form], b"")
        .refused("resource_denied");
}

#[test]
fn row_137_oembed_is_denied() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    viewer
        .get("/api/public/oembed?url=https%3A%2F%2Fbi.example.com&format=json")
        .refused("route_denied");
}

#[test]
fn row_140_141_142_144_pages_are_framed_by_the_application_and_keep_their_nonce() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let page = viewer.get(&format!(
        "/public/dashboard/{}",
        fixtures::dashboard_link(MAIN)
    ));
    assert_eq!(page.clean().reply.header("x-frame-options"), None);
    let policies = page.reply.all("content-security-policy");
    let ancestors: Vec<_> = policies
        .iter()
        .flat_map(|one| one.split("frame-ancestors").skip(1))
        .collect();
    assert_eq!(ancestors, [" https://app.example.com"]);
    let nonce = policies[0]
        .split("'nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    assert_eq!(nonce.len(), 10);
    assert!(
        page.text().contains(&format!("nonce=\"{nonce}\"")),
        "{}",
        page.text()
    );
    assert!(!policies[0].contains("unsafe-inline"));
}

#[test]
fn row_146_147_no_origin_is_trusted_for_being_local() {
    let scene = Links::usual().start();
    scene
        .metabase
        .edit(|store| store.sdk_origins.push("https://evil.example".into()));
    let viewer = Viewer::mine(&scene);
    for origin in [
        "http://localhost:3000",
        "http://127.0.0.1:9",
        "http://[::1]:9",
        "https://evil.example",
        "null",
    ] {
        for target in [
            table(),
            board(MAIN),
            "/api/session/properties".into(),
            "/app/embed.js".into(),
        ] {
            let outcome = viewer.get_with(&target, &[("Origin", origin)]);
            for name in [
                "access-control-allow-origin",
                "access-control-allow-methods",
                "access-control-allow-headers",
            ] {
                assert_eq!(
                    outcome.clean().reply.header(name),
                    None,
                    "{origin} {target}"
                );
            }
        }
        let sso = viewer.get_with("/auth/sso", &[("Origin", origin)]);
        assert_eq!(
            sso.refused("route_denied")
                .reply
                .header("access-control-allow-origin"),
            None
        );
    }
    let outcome = viewer.get_with(&table(), &[("Origin", "https://app.example.com")]);
    assert_eq!(
        outcome.reply.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
}

#[test]
fn row_148_assets_are_public_and_kept() {
    let scene = Links::usual().start();
    let script = scene.get(crate::support::metabase::pages::SCRIPT);
    assert_eq!(
        script.header("cache-control"),
        Some("public, max-age=31536000")
    );
    let plain = scene.get("/app/embed.js");
    let tag = plain.header("etag").unwrap();
    let again = get(
        scene.gateway.address,
        "/app/embed.js",
        &[("If-None-Match", tag)],
    );
    assert_eq!(again.status, 304);
    assert_eq!(scene.get("/app/none.js").status, 404);
    assert!(script.all("set-cookie").is_empty());
    assert_eq!(named(script.text(), 777), 0);
}
