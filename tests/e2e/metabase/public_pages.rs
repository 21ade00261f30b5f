//! Locked public links: what pages and layouts know, and who may frame them.

use serde_json::json;

use super::{
    public::{opened, page, session},
    public_links::Links,
    public_setup::{MAIN, Viewer, board, id, question, table},
};
use crate::support::gateway;

#[test]
fn layouts_know_nothing_of_what_is_locked() {
    for old in [false, true] {
        let scene = Links::usual().dashboard(43, "").start();
        scene
            .metabase
            .edit(|store| store.behaviour.param_values = old);
        let viewer = Viewer::mine(&scene);
        for target in [
            board(MAIN),
            board(43),
            question(6),
            question(7),
            question(8),
            question(14),
        ] {
            let outcome = viewer.get(&target);
            assert_eq!(outcome.clean().reply.status, 200, "{target}");
            let text = outcome.text();
            for gone in [
                "organization_id",
                "Organization Id",
                "a0420001",
                "a0430001",
                "b0060001",
                "b0070001",
                "b0080001",
                "a0420008",
                "a0420010",
                "internal",
                "unlisted",
                "note",
                "param_values",
                "public_uuid",
                "embedding_params",
                "click_behavior",
                "Cobalt",
                "c0000000",
                "d0000000",
            ] {
                assert!(!text.contains(gone), "{target} {gone}: {text}");
            }
        }
        let layout = viewer.get(&board(MAIN)).reply.json();
        let slugs: Vec<_> = layout["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["slug"].clone())
            .collect();
        assert_eq!(
            slugs,
            [
                "region",
                "plan",
                "min_seats",
                "account",
                "tier",
                "owner",
                "name"
            ]
        );
        let inline = &layout["dashcards"][6]["inline_parameters"];
        assert_eq!(*inline, json!([id(3)]));
        let text = &layout["dashcards"][5]["visualization_settings"]["text"];
        assert_eq!(*text, "Accounts of ");
    }
}

#[test]
fn a_page_is_framed_by_the_application_alone() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let cookie = session(&viewer);
    for (referer, code) in [
        ("https://app.example.com/x", ""),
        ("https://evil.example/", "origin_denied"),
    ] {
        let headers = [
            ("Cookie", &*cookie),
            ("Sec-Fetch-Dest", "iframe"),
            ("Referer", referer),
        ];
        assert_eq!(
            scene.get_with(&page(MAIN), &headers).code(),
            code,
            "{referer}"
        );
    }
    let narrowed = json!({"origin": "https://evil.example"});
    let viewer = Viewer::with(&scene, 999, &narrowed);
    assert_eq!(
        opened(&scene, &page(MAIN), &viewer.token).code(),
        "origin_denied"
    );
    let reply = scene.get_with(
        &table(),
        &[("Cookie", &cookie), ("Origin", "https://evil.example")],
    );
    assert!(
        matches!(&*reply.code(), "origin_denied" | "csrf_denied"),
        "{reply:?}"
    );
    let expired = json!({"iat": gateway::now() - 400, "exp": gateway::now() - 100});
    let viewer = Viewer::with(&scene, 999, &expired);
    assert_eq!(
        opened(&scene, &page(MAIN), &viewer.token).code(),
        "token_expired"
    );
}
