//! The bypass list, by its numbers, through the gateway: what else there is to ask. None works.

use serde_json::{Value, json};

use super::{
    public_links::Links,
    public_setup::{MAIN, Viewer, board, encoded, id, question, ways},
};
use crate::support::{
    gateway,
    metabase::{Behaviour, fixtures},
};

#[test]
fn b21_linked_and_listed_values_tell_of_nobody_else() {
    let scene = Links::none()
        .dashboard(MAIN, "values = \"constrained\"")
        .start();
    for (tenant, plans) in [(999, 3), (777, 3), (555, 3)] {
        let viewer = Viewer::of(&scene, tenant);
        let values = |number| viewer.get(&format!("{}/params/{}/values", board(MAIN), id(number)));
        assert_eq!(
            values(3).reply.json()["values"].as_array().unwrap().len(),
            plans
        );
        let accounts = values(5);
        assert_eq!(accounts.clean().reply.status, 200);
        // A list of another question, and one that somebody typed, keep to nothing.
        for number in [6, 7] {
            values(number).refused("resource_denied");
        }
    }
    let layout = Viewer::mine(&scene).get(&board(MAIN)).reply.json();
    let linked = layout["parameters"].as_array().unwrap().iter();
    let linked: Vec<&Value> = linked
        .filter_map(|one| one.get("filteringParameters"))
        .collect();
    assert_eq!(
        linked,
        [&json!([id(2)])],
        "the locked one is not among them"
    );
}

#[test]
fn b22_map_tiles_show_no_other_column_and_nobody_elses_row() {
    for (behaviour, version) in [
        (Behaviour::default(), ""),
        (Behaviour::old(), ""),
        (Behaviour::default(), "version = 58"),
    ] {
        let scene = Links::usual().behaving(behaviour).settings(version).start();
        let viewer = Viewer::mine(&scene);
        let link = fixtures::dashboard_link(MAIN);
        let board = format!("/api/public/tiles/dashboard/{link}/dashcard/104/card/204/1/0/0");
        let map = question(9).replace("/public/", "/public/tiles/") + "/1/0/0";
        let column = |id: u32| encoded(&json!(["field", id, null]).to_string());
        for (target, lock) in [(board, id(1)), (map, fixtures::on_question(9, 1))] {
            let lock = |value: u32| encoded(&json!([{"id": lock, "value": [value]}]).to_string());
            for rest in [
                String::new(),
                format!("?latField={}&lonField={}", column(62), column(61)),
                format!("?latField={}&lonField={}", column(67), column(62)),
                format!(
                    "?latField={0}&latField={1}&lonField={1}",
                    column(67),
                    column(62)
                ),
                format!(
                    "?latField={}&lonField={}&parameters={}",
                    column(67),
                    column(68),
                    lock(777)
                ),
                format!(
                    "?latField={}&lonField={}&parameters={}",
                    column(62),
                    column(61),
                    lock(999)
                ),
                format!("/{}/{}", column(62), column(61)),
                format!("/{}/{}", column(67), column(68)),
            ] {
                let outcome = viewer.get(&format!("{target}{rest}"));
                assert!(
                    outcome.clean().reply.status >= 400,
                    "{rest} {}",
                    outcome.short()
                );
                assert!(
                    !outcome
                        .asked()
                        .iter()
                        .any(|one| one.target.contains("tiles")),
                    "{}",
                    outcome.short()
                );
                if version.is_empty() {
                    outcome.refused("route_denied");
                }
            }
        }
    }
}

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "PATCH", "PROPFIND"];

/// Every method on a path, none of which leads anywhere.
fn closed(viewer: &Viewer<'_>, target: &str) {
    for method in METHODS {
        let text = format!(
            "{method} {target} HTTP/1.1\r\nHost: bi.example.com\r\nBEARERContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
        let outcome = viewer.raw(&text);
        assert!(
            matches!(outcome.reply.status, 400 | 404 | 405),
            "{method} {target} {}",
            outcome.short()
        );
        assert!(outcome.clean().asked().is_empty(), "{method} {target}");
    }
    assert_eq!(viewer.get(target).reply.status, 404, "{target}");
}

#[test]
fn b23_actions_cannot_be_run() {
    let scene = Links::usual().dashboard(44, "").start();
    let viewer = Viewer::mine(&scene);
    let action = format!("/api/public/action/{}", fixtures::ACTION_LINK);
    for target in [
        action.clone(),
        format!("{action}/execute"),
        format!("{}/dashcard/132/execute", board(44)),
        format!(
            "{}/dashcard/132/execute?parameters=%7B%22id%22%3A8%7D",
            board(44)
        ),
        format!("{}/dashcard/101/execute", board(MAIN)),
        format!("/public/action/{}", fixtures::ACTION_LINK),
    ] {
        closed(&viewer, &target);
    }
    let layout = viewer.get(&board(44));
    for gone in ["132", "\"action", "Delete account"] {
        assert!(
            !layout.clean().text().contains(gone),
            "{gone}: {}",
            layout.text()
        );
    }
}

#[test]
fn b24_documents_previews_and_passwords_are_not_there() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let document = format!("/api/public/document/{}", fixtures::DOCUMENT_LINK);
    for target in [
        document.clone(),
        format!("{document}/card/1"),
        format!("{document}/card/1/csv"),
        format!("/public/document/{}", fixtures::DOCUMENT_LINK),
        "/api/public/oembed?url=https%3A%2F%2Fevil.example&format=json".into(),
        format!("{}/unlock", board(MAIN)),
        format!("{}/unlock", question(7)),
    ] {
        closed(&viewer, &target);
    }
}

#[test]
fn b25_signed_embeds_are_not_served_where_only_links_are() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let token = gateway::token(
        &json!({"resource": {"dashboard": MAIN}, "params": {"organization_id": 999}}),
    );
    let claims = json!({"resource": {"dashboard": MAIN}, "params": {"organization_id": [777]}, "exp": 4_102_444_800_u64});
    let theirs = crate::support::metabase::token::sign(fixtures::SECRET, &claims);
    for token in [&token, &theirs] {
        for start in ["/api/embed", "/api/preview_embed"] {
            for rest in [
                "",
                "/dashcard/101/card/201",
                "/dashcard/101/card/201/csv",
                "/params/a0420002/values",
            ] {
                closed(&viewer, &format!("{start}/dashboard/{token}{rest}"));
            }
        }
        closed(&viewer, &format!("/embed/dashboard/{token}"));
        closed(
            &viewer,
            &format!("/api/embed/pivot/dashboard/{token}/dashcard/101/card/201"),
        );
    }
    closed(&viewer, "/embed/sdk/v1");
    // Nor does a token of Metabase's own open a link.
    let mut viewer = viewer;
    viewer.token = theirs;
    for way in ways() {
        viewer.keyed(&way, "").refused("token_invalid");
    }
}

#[test]
fn b26_the_rest_of_the_server_is_not_there() {
    let scene = Links::usual()
        .settings("embedding_secret = { env = \"MB_SECRET\" }")
        .start();
    let viewer = Viewer::mine(&scene);
    for target in [
        "/",
        "/admin",
        "/admin/settings",
        "/auth/sso",
        "/auth/login",
        "/auth/sso/logout",
        "/dashboard/1",
        "/question/7",
        "/browse",
        "/collection/root",
        "/api",
        "/api/",
        "/api/session",
        "/api/session/",
        "/api/session/reset_password",
        "/api/session/forgot_password",
        "/api/session/password_reset_token_valid",
        "/api/session/google_auth",
        "/api/session/properties/x",
        "/api/setup",
        "/api/setup/validate",
        "/api/setup/admin_checklist",
        "/api/user",
        "/api/user/current",
        "/api/util/random_token",
        "/api/util/password_check",
        "/api/docs",
        "/api/docs/openapi.json",
        "/api/health",
        "/api/dataset",
        "/api/dataset/csv",
        "/api/database/1",
        "/api/table/5",
        "/api/card/7",
        "/api/card/7/query",
        "/api/dashboard/42",
        "/api/dashboard/42/params/a0420001/values",
        "/api/action",
        "/api/notify",
        "/api/notification",
        "/api/pulse",
        "/api/email",
        "/api/slack/bug-report",
        "/api/permissions/group",
        "/api/setting",
        "/api/setting/site-url",
        "/api/eid-translation/translate",
        "/api/testing/echo",
        "/api/product-feedback",
        "/api/activity/recents",
        "/api/geojson",
        "/api/geojson?url=file:///etc/passwd",
        "/api/geojson/offices",
        "/api/preview_embed/dashboard/x",
        "/api/ee/embedded-content-translation/dictionary/x",
        "/api/field/61/values",
        "/api/public",
        "/api/public/dashboard",
        "/api/public/card",
        "/api/embed",
        "/public",
        "/public/dashboard",
        "/embed",
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let text = format!(
                "{method} {target} HTTP/1.1\r\nHost: bi.example.com\r\nBEARERContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            );
            viewer.raw(&text).refused("route_denied");
        }
    }
    let properties = viewer.post("/api/session/properties", &[], b"{}");
    properties.refused("method_denied");
}
