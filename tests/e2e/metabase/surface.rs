//! What exists of a Metabase behind the gateway, and that nothing else does.

use super::setup::{HOST, Scene};
use crate::support::send;

/// What takes instances over, reads any row, writes, or tells about the inside; some of it is there without any credential.
const FORBIDDEN: [&str; 40] = [
    "/",
    "/admin",
    "/admin/settings",
    "/api/action",
    "/api/card/7",
    "/api/dashboard/42",
    "/api/database",
    "/api/dataset",
    "/api/docs",
    "/api/embed/card/x/field/63/values",
    "/api/embed/dashboard/x/field/63/values",
    "/api/geojson",
    "/api/geojson?url=file:///etc/passwd",
    "/api/geojson/unlisted",
    "/api/health",
    "/api/notify/db/1",
    "/api/preview_embed/dashboard/x",
    "/api/public/action/a0000000-0000-4000-8000-000000000001",
    "/api/public/card/c0000000-0000-4000-8000-000000000007",
    "/api/public/dashboard/d0000000-0000-4000-8000-000000000042",
    "/api/public/document/e0000000-0000-4000-8000-000000000001",
    "/api/public/oembed?url=https://bi.example.com/public/question/x",
    "/api/pulse",
    "/api/session",
    "/api/session/forgot_password",
    "/api/session/google_auth",
    "/api/session/password-check",
    "/api/session/properties/x",
    "/api/session/reset_password",
    "/api/setting",
    "/api/setup",
    "/api/setup/validate",
    "/api/testing/snapshot",
    "/api/user/current",
    "/api/util/bug_report_details",
    "/auth/login",
    "/auth/sso",
    "/dashboard/42",
    "/public/dashboard/d0000000-0000-4000-8000-000000000042",
    "/public/question/c0000000-0000-4000-8000-000000000007",
];

/// Other ways to write a path; none may lead anywhere.
fn spellings(path: &str) -> [String; 7] {
    let (head, tail) = path.split_at(path.len().min(4));
    [
        path.to_owned(),
        format!("/{path}"),
        format!("/.{path}"),
        format!("/app/..{path}"),
        path.replacen("/a", "/%61", 1),
        format!("{head}%2f{tail}"),
        path.to_uppercase(),
    ]
}

#[test]
fn only_the_surface_of_metabase_exists() {
    let scene = Scene::signed();
    for path in FORBIDDEN {
        for spelling in spellings(path) {
            for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
                let head = format!(
                    "{method} {spelling} HTTP/1.1\r\nHost: {HOST}\r\nCookie: metabase.SESSION=5e551000-0000-4000-8000-000000000001\r\n\
                     X-API-Key: mb_standin_administrator_0123456789\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                let reply = send(scene.gateway.address, head.as_bytes());
                assert!(
                    matches!(reply.status, 400 | 401 | 404 | 405),
                    "{method} {spelling}: {reply:?}"
                );
            }
        }
    }
    assert!(
        scene.metabase.seen().is_empty(),
        "{:?}",
        scene.metabase.seen()
    );
}
