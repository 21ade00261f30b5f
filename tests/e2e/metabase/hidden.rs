//! What is not there: everything but the embed (3.6 and B26 to B29, B40 of the contract), by every method, in every spelling, for everybody.

use std::io::Write as _;

use serde_json::json;

use super::{
    setup::{HOST, Scene},
    wide::{grant, method, own, wide},
};
use crate::support::{
    client::{connect, read},
    metabase::{LEAK, fixtures},
};

/// What the stand-in answers with a mark, as Metabase would with worse.
const FORBIDDEN: [&str; 58] = [
    "/",
    "/admin",
    "/admin/settings/setup",
    "/setup",
    "/auth/login",
    "/auth/sso",
    "/auth/forgot_password",
    "/auth/reset_password/1_x",
    "/dashboard/42",
    "/question/7",
    "/collection/root",
    "/browse",
    "/embed",
    "/embed/",
    "/embed/dashboard",
    "/embed/dashboard/",
    "/embed/apps/x",
    "/embed/sdk/v2",
    "/embed/sdk",
    "/public",
    "/public/dashboard/d0000000-0000-4000-8000-000000000042",
    "/public/question/c0000000-0000-4000-8000-000000000007",
    "/public/action/a0000000-0000-4000-8000-000000000001",
    "/public/document/e0000000-0000-4000-8000-000000000001",
    "/api",
    "/api/",
    "/api/session",
    "/api/session/reset_password",
    "/api/session/forgot_password",
    "/api/session/password_reset_token_valid",
    "/api/session/properties/x",
    "/api/setup",
    "/api/setup/validate",
    "/api/setup/user_defaults",
    "/api/user/current",
    "/api/user",
    "/api/setting",
    "/api/database",
    "/api/dataset",
    "/api/docs",
    "/api/health",
    "/api/util/random_token",
    "/api/notify/db/1",
    "/api/eid-translation/translate",
    "/api/pulse/unsubscribe",
    "/api/preview_embed/dashboard/x",
    "/api/preview_embed/card/x/query",
    "/api/dashboard/42",
    "/api/card/7",
    "/api/card/7/query",
    "/api/geojson",
    "/api/action/1",
    "/api/embed",
    "/api/embed/dashboard",
    "/api/public/oembed",
    "/api/public/action/a0000000-0000-4000-8000-000000000001/execute",
    "/api/public/dashboard/d0000000-0000-4000-8000-000000000042",
    "/api/public/card/c0000000-0000-4000-8000-000000000007/query",
];

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Other ways to write a path that some server takes for the same.
fn spellings(path: &str) -> Vec<String> {
    let bare = path.trim_start_matches('/');
    let mut all = vec![
        format!("//{bare}"),
        format!("/./{bare}"),
        format!("/%2e/{bare}"),
        format!("/app/../{bare}"),
        format!("/app/%2e%2e/{bare}"),
        format!("/app/..%2f{bare}"),
        format!("/app/..;/{bare}"),
        format!("/app/..%5c{bare}"),
        format!("/%2F{bare}"),
        format!("/app/%252e%252e/{bare}"),
        format!("/{bare};x=1"),
        format!("/{bare}%3Bx"),
        format!("/{bare}%00"),
        format!("/{bare}%3Fx=1"),
        format!("/{bare}%23"),
        format!("/{}", bare.to_uppercase()),
        format!("/{bare}%c0%af"),
    ];
    if !path.ends_with('/') {
        all.push(format!("{path}/"));
        all.push(format!("{path}//"));
        all.push(format!("{path}/."));
    }
    let mut letters = bare.chars();
    if let Some(letter) = letters.next().map(u32::from) {
        all.push(format!("/%{letter:02x}{}", letters.as_str()));
        all.push(format!("/%{letter:02X}{}", letters.as_str()));
    }
    if bare.contains('/') {
        all.push(format!("/{}", bare.replacen('/', "%2f", 1)));
        all.push(format!("/{}", bare.replacen('/', "//", 1)));
        all.push(format!("/{}", bare.replacen('/', "/./", 1)));
        all.push(format!("/{}", bare.replacen('/', "%5c", 1)));
    }
    all
}

/// Which spellings are of a path that is on the surface after all: `/app/…` is.
fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 421)
}

fn viewer() -> String {
    format!("Bearer {}", grant("dashboard", &json!(42), &own()))
}

#[test]
fn b26_by_every_method_for_everybody() {
    let scene = wide("");
    let bearer = viewer();
    for path in FORBIDDEN {
        for name in METHODS {
            for headers in [
                &[][..],
                &[("Authorization", &*bearer)],
                &[
                    ("X-API-Key", fixtures::API_KEY),
                    ("X-Metabase-Session", fixtures::ADMIN_SESSION),
                ],
            ] {
                let reply = method(&scene, name, path, headers);
                assert!(is_refusal(reply.status), "{name} {path} {reply:?}");
                let said = String::from_utf8_lossy(&reply.body);
                assert!(!said.contains(LEAK), "{name} {path}");
            }
        }
    }
    assert!(scene.metabase.seen().is_empty());
}

#[test]
fn b27_in_every_spelling() {
    let scene = wide("");
    let bearer = viewer();
    for path in FORBIDDEN {
        for spelling in spellings(path) {
            for name in ["GET", "POST", "DELETE"] {
                let reply = method(&scene, name, &spelling, &[("Authorization", &bearer)]);
                assert!(is_refusal(reply.status), "{name} {spelling} {reply:?}");
            }
        }
    }
    let seen = scene.metabase.seen();
    assert!(
        seen.is_empty(),
        "{:?}",
        seen.iter().map(|one| &one.target).collect::<Vec<_>>()
    );
}

#[test]
fn b27_what_is_there_has_one_spelling_upstream() {
    let scene = wide("");
    let token = grant("dashboard", &json!(42), &own());
    let path = format!("/api/embed/dashboard/{token}/dashcard/101/card/201");
    for spelling in [
        path.replace("/api", "/%61pi"),
        path.replace("/card/", "/c%61rd/"),
        path.replace("/201", "/%3201"),
    ] {
        let reply = scene.get(&spelling);
        assert!(matches!(reply.status, 202 | 404), "{spelling} {reply:?}");
        if reply.status == 202 {
            let seen = scene.metabase.last();
            assert!(
                seen.path().ends_with("/dashcard/101/card/201"),
                "{}",
                seen.path()
            );
            assert!(seen.path().starts_with("/api/embed/dashboard/ey"));
        }
    }
    let before = scene.metabase.seen().len();
    for spelling in [
        format!("/{path}"),
        format!("{path}/"),
        format!("{path};x"),
        path.replace("/dashcard", "//dashcard"),
        path.replace("/dashcard", "/./dashcard"),
        path.replace("/dashcard", "%2fdashcard"),
        path.replace("/dashcard", "/x/../dashcard"),
        path.replace("/api/embed", "/API/embed"),
        path.replace("/card/201", "/card/201%00"),
        path.replace("/card/201", "/card/201%2f..%2f208"),
        path.replace("/card/201", "/card/201%3Fparameters=%7B%7D"),
        path.replace("/card/201", "/card/%EF%BC%92%EF%BC%90%EF%BC%91"),
    ] {
        let reply = scene.get(&spelling);
        assert!(is_refusal(reply.status), "{spelling} {reply:?}");
    }
    assert_eq!(scene.metabase.seen().len(), before);
}

#[test]
fn b26_below_a_good_token_there_is_nothing_else() {
    let scene = wide("");
    let dashboard = grant("dashboard", &json!(42), &own());
    let question = grant("question", &json!(7), &own());
    for target in [
        format!("/api/embed/dashboard/{dashboard}/x"),
        format!("/api/embed/dashboard/{dashboard}/"),
        format!("/api/embed/dashboard/{dashboard}/dashcard/101"),
        format!("/api/embed/dashboard/{dashboard}/dashcard/101/card/201/csv/x"),
        format!("/api/embed/dashboard/{dashboard}/dashcard/101/execute"),
        format!("/api/embed/dashboard/{dashboard}/field/61/values"),
        format!("/api/embed/dashboard/{dashboard}/params/a0420002"),
        format!("/api/embed/dashboard/{dashboard}/params/a0420002/search"),
        format!("/api/embed/dashboard/{dashboard}/params/a0420002/search/a/b"),
        format!("/api/embed/dashboard/{dashboard}/unlock"),
        format!("/api/embed/pivot/dashboard/{dashboard}"),
        format!("/api/embed/pivot/dashboard/{dashboard}/dashcard/103/card/203/csv"),
        format!("/api/embed/card/{question}/x"),
        format!("/api/embed/card/{question}/field/61/values"),
        format!("/api/embed/card/{question}/query/csv/x"),
        format!("/api/embed/pivot/card/{question}"),
        format!("/api/embed/pivot/card/{question}/query/csv"),
        format!("/api/embed/question/{question}"),
        format!("/api/preview_embed/dashboard/{dashboard}"),
        format!("/api/preview_embed/card/{question}/query"),
        format!("/api/public/dashboard/{dashboard}"),
        format!("/api/ee/embedded-content-translation/dictionary/{dashboard}"),
        format!("/embed/dashboard/{dashboard}/x"),
        format!("/embed/card/{question}"),
        format!("/embed/{dashboard}"),
    ] {
        for name in METHODS {
            let reply = method(&scene, name, &target, &[]);
            assert_eq!(reply.status, 404, "{name} {target} {reply:?}");
        }
    }
    for target in [
        format!("/api/embed/dashboard/{dashboard}"),
        format!("/api/embed/dashboard/{dashboard}/dashcard/101/card/201"),
        format!("/api/embed/card/{question}/query/csv"),
        format!("/embed/dashboard/{dashboard}"),
    ] {
        for name in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
            let reply = method(&scene, name, &target, &[]);
            assert_eq!(reply.status, 405, "{name} {target} {reply:?}");
        }
    }
    assert!(scene.metabase.seen().is_empty());
}

/// Sends bytes and reads what comes, if anything does.
fn raw(scene: &Scene, bytes: &str) -> u16 {
    let mut stream = connect(scene.gateway.address);
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut reader = std::io::BufReader::new(stream);
    read(&mut reader, false).map_or(0, |reply| reply.status)
}

#[test]
fn b28_b29_b40_other_targets_and_other_protocols() {
    let scene = wide("");
    let token = grant("dashboard", &json!(42), &own());
    let page = format!("/api/embed/dashboard/{token}");
    let asks = [
        format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n"),
        format!("TRACE {page} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("OPTIONS * HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("GET http://evil.example{page} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("GET {page} HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        format!("GET {page} HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n"),
        format!("GET {page} HTTP/1.1\r\n\r\n"),
        format!("GET /api\\health HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("GET /api/health\x00 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("GET api/health HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        format!("GET {page} HTTP/1.1\r\nHost: {HOST}\r\nX: a\r\n b\r\n\r\n"),
    ];
    for ask in asks {
        let status = raw(&scene, &ask);
        assert!(
            status == 0 || (400..500).contains(&status),
            "{status} {ask:?}"
        );
    }
    assert!(scene.metabase.seen().is_empty());
    // Two lengths: the coding counts, nothing after it on that connection does, and a body goes nowhere.
    let two = format!(
        "GET {page} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET {page} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    );
    let mut stream = connect(scene.gateway.address);
    stream.write_all(two.as_bytes()).unwrap();
    let mut reader = std::io::BufReader::new(stream);
    assert_eq!(
        read(&mut reader, false).map(|reply| reply.status),
        Some(200)
    );
    assert!(read(&mut reader, false).is_none());
    assert_eq!(scene.metabase.seen().len(), 1);
    // An upgrade is not taken up; what was asked for is answered plainly.
    let upgrade = format!(
        "GET {page} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    let status = raw(&scene, &upgrade);
    assert!(matches!(status, 200 | 400 | 403 | 426 | 501), "{status}");
    for one in scene.metabase.seen() {
        assert!(one.all("upgrade").is_empty());
    }
}
