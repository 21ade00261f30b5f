//! The bypass list, by its numbers, through the gateway: paths, headers, framings, and what answers tell. None works.

use serde_json::json;

use super::{
    public_links::Links,
    public_setup::{
        MAIN, Outcome, Viewer, board, dashcard, encoded, filters, id, question, table, ways,
    },
};
use crate::support::metabase::{Behaviour, fixtures};

fn raw(viewer: &Viewer<'_>, target: &str) -> Outcome {
    let head = format!("GET {target} HTTP/1.1\r\nHost: bi.example.com\r\nBEARER");
    viewer.raw(&(head + "Connection: close\r\n\r\n"))
}

#[test]
fn b27_paths_have_one_reading() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let ask = |target: &str| raw(&viewer, target);
    for target in [
        "//api/health",
        "/api/./health",
        "/x/%2e%2e/api/health",
        "/app/..;/api/health",
        "/app/../api/health",
        "/app/%2e%2e/api/health",
        "/app/.%2e/api/health",
        "/app/..%2fapi/health",
        "/app/%2e%2e%2fapi%2fhealth",
        "/app/..%5capi/health",
        "/app/..\\api/health",
        "/api%2Fhealth",
        "/api\\health",
        "/api/health;x=1",
        "/app/x;/..",
        "/app//api/health",
        "/app/%00",
        "/app/%c0%ae%c0%ae/api/health",
        "/app/%e0%80%af",
        "/app/%252e%252e/api/health",
        "/app/%ef%bc%8e%ef%bc%8e/api/health",
        "/app/%uff0e",
        "/api/health/",
        "/%61pi/health",
        "/API/health",
        "/api/health%3Fx",
        "/api/health%23",
        "/app/%",
        "/app/%zz",
        "/app/x%20HTTP/1.1",
        "/app/.",
        "/app/..",
    ] {
        let outcome = ask(target);
        outcome.clean();
        if outcome.reply.code().is_empty() {
            // Below `/app/` what is unambiguous may be asked for; it is no more than an asset that is not there.
            assert!(
                outcome.sent().path().starts_with("/app/") && outcome.reply.status == 404,
                "{target}"
            );
        }
    }
}

#[test]
fn b27_the_path_of_a_card_has_one_spelling() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let ask = |target: &str| raw(&viewer, target);
    for (from, to) in [
        ("/api/", "//api/"),
        ("/api/", "/./api/"),
        ("/api/", "/x/../api/"),
        ("/api/", "/x/%2e%2e/api/"),
        ("/card/", "/card//"),
        ("/card/", "/card%2F"),
        ("/card/", "/card\\"),
        ("/card/", "/card;x=1/"),
        ("/201", "/201/"),
        ("/201", "/201;x"),
        ("/201", "/201%00"),
        ("/201", "/201%3Fparameters=[]"),
        ("/201", "/201%3f"),
        ("/201", "/201/../208"),
        ("/201", "/201%2f.."),
        ("/201", "/201%c0%af"),
        ("/201", "/%ef%bc%92%ef%bc%90%ef%bc%91"),
        ("/101/", "/101%20/"),
    ] {
        let outcome = ask(&table().replacen(from, to, 1));
        assert!(
            matches!(outcome.reply.status, 400 | 404),
            "{to} {}",
            outcome.short()
        );
        assert!(outcome.clean().asked().is_empty(), "{to}");
    }
    // One more spelling of the same text is the same path, and goes on in ours.
    let outcome = ask(&table().replacen("/api/", "/%61pi/", 1));
    assert_eq!(outcome.harmless(7).sent().path(), table());
    // A fragment is for browsers.
    let outcome = ask(&format!("{}#?parameters=[]", table()));
    assert_eq!(outcome.harmless(7).sent().path(), table());
}

#[test]
fn b28_what_a_client_says_of_host_path_and_method_is_nothing() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let outcome = viewer.get_with(
        &table(),
        &[
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "evil"),
            ("X-Forwarded-Prefix", "/evil"),
            ("X-Forwarded-For", "6.6.6.6"),
            ("X-Original-URL", "/api/health?evil"),
            ("X-Rewrite-URL", "/api/health?evil"),
            ("X-HTTP-Method-Override", "evil"),
            ("X-Method-Override", "evil"),
            ("X_Forwarded_Host", "evil.example"),
            ("Forwarded", "host=evil.example"),
        ],
    );
    let sent = outcome.harmless(7).sent();
    assert!(!sent.holds("evil") && !sent.holds("6.6.6.6"), "{sent:?}");
    assert_eq!(sent.path(), table());

    let absolute = |url: &str, host: &str| {
        viewer.raw(&format!(
            "GET {url} HTTP/1.1\r\nHost: {host}\r\nBEARERConnection: close\r\n\r\n"
        ))
    };
    for (url, host) in [
        (format!("http://evil.example{}", table()), "bi.example.com"),
        (format!("http://bi.example.com{}", table()), "evil.example"),
        (table(), "evil.example"),
        (table(), "bi.example.com.evil.example"),
        (table(), "bi.example.com@evil.example"),
        (table(), "bi.example.com, evil.example"),
    ] {
        let outcome = absolute(&url, host);
        assert!(
            matches!(outcome.reply.status, 400 | 421),
            "{url} {host} {}",
            outcome.short()
        );
        assert!(outcome.clean().asked().is_empty());
    }
    let twice = format!(
        "GET {} HTTP/1.1\r\nHost: bi.example.com\r\nHost: evil.example\r\nBEARERConnection: close\r\n\r\n",
        table()
    );
    let outcome = viewer.raw(&twice);
    assert!(
        matches!(outcome.reply.status, 400 | 421) && outcome.asked().is_empty(),
        "{}",
        outcome.short()
    );
    // Where all of them say the same, the absolute form is one of two ways to say it.
    let outcome = absolute(
        &format!("http://bi.example.com{}", table()),
        "bi.example.com",
    );
    assert_eq!(outcome.harmless(7).sent().path(), table());
}

/// (HTTP/2 and further framings: `tests/transport`.)
#[test]
fn b29_a_request_ends_in_one_place() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let export = format!("{}/csv", table());
    let other = format!(
        "parameters={}",
        encoded(&json!([{"id": id(1), "value": [777]}]).to_string())
    );
    let smuggled = format!(
        "GET {} HTTP/1.1\r\nHost: bi.example.com\r\n\r\n",
        dashcard(43, 122, 208)
    );
    let begin = format!(
        "POST {export} HTTP/1.1\r\nHost: bi.example.com\r\nBEARERContent-Type: application/x-www-form-urlencoded\r\n"
    );
    let length = other.len();
    for (what, text) in [
        (
            "both",
            format!(
                "{begin}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{other}"
            ),
        ),
        (
            "chunked first",
            format!(
                "{begin}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n{smuggled}"
            ),
        ),
        (
            "two lengths",
            format!("{begin}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{other}"),
        ),
        (
            "a list of lengths",
            format!("{begin}Content-Length: 0, {length}\r\n\r\n{other}"),
        ),
        (
            "another coding",
            format!("{begin}Transfer-Encoding: xchunked\r\n\r\n{other}"),
        ),
        (
            "coding twice",
            format!(
                "{begin}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{other}"
            ),
        ),
        (
            "a folded line",
            format!("{begin}X: a\r\n Content-Length: {length}\r\n\r\n{other}"),
        ),
        (
            "a space before the colon",
            format!("{begin}Content-Length : {length}\r\n\r\n{other}"),
        ),
        (
            "a bare line feed",
            format!("{begin}X: a\nContent-Length: {length}\r\n\r\n{other}"),
        ),
    ] {
        let outcome = viewer.raw(&text);
        outcome.clean();
        for sent in outcome.asked() {
            assert_eq!(sent.path(), export, "{what}");
            assert_eq!(
                filters(sent),
                [json!({"id": id(1), "value": [999]})],
                "{what}"
            );
            assert!(sent.all("transfer-encoding").is_empty(), "{what}");
        }
    }
}

#[test]
fn b30_nobody_acts_with_a_session_of_metabases() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let session = fixtures::ADMIN_SESSION;
    let cookie = format!(
        "a=b; metabase.SESSION={session}; metabase.EMBEDDED_SESSION={session}; metabase.DEVICE=x"
    );
    let link = fixtures::dashboard_link(MAIN);
    for target in [
        table(),
        board(MAIN),
        format!("/public/dashboard/{link}"),
        format!("{}/query/csv", question(7)),
    ] {
        let outcome = viewer.get_with(
            &target,
            &[
                ("Cookie", &cookie),
                ("X-Metabase-Session", session),
                ("X_Metabase_Session", session),
                ("X-API-Key", fixtures::API_KEY),
                ("X-Metabase-Anti-CSRF-Token", "x"),
                ("Proxy-Authorization", "Basic eDp5"),
            ],
        );
        assert!(
            matches!(outcome.reply.status, 200 | 202),
            "{target} {}",
            outcome.short()
        );
        assert_eq!(outcome.clean().reply.header("x-standin-acting"), None);
        let seen = scene.metabase.last();
        for name in [
            "cookie",
            "x-metabase-session",
            "x_metabase_session",
            "x-api-key",
            "authorization",
            "proxy-authorization",
        ] {
            assert!(seen.all(name).is_empty(), "{name} {seen:?}");
        }
        assert!(!seen.holds(session) && !seen.holds(fixtures::API_KEY));
    }
}

#[test]
fn b31_answers_tell_nothing_of_lock_or_server() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let mut all: Vec<_> = ways().iter().map(|way| viewer.keyed(way, "")).collect();
    // A question of SQL that its lock does not reach would be refused before: this one lacks a value that it requires.
    let broken = viewer.get(&format!("{}/query", question(11)));
    assert_eq!(
        broken.reply.json()["error_type"],
        "missing-required-parameter",
        "{}",
        broken.short()
    );
    let link = fixtures::dashboard_link(MAIN);
    all.extend([
        broken,
        viewer.get(&board(MAIN)),
        viewer.get(&format!("/public/dashboard/{link}")),
    ]);
    for outcome in &all {
        let reply = &outcome.clean().reply;
        for name in [
            "server",
            "x-metabase-version",
            "x-standin-acting",
            "x-powered-by",
            "x-frame-options",
        ] {
            assert_eq!(reply.header(name), None, "{name}");
        }
        assert!(
            reply
                .all("set-cookie")
                .iter()
                .all(|one| one.starts_with("__Host-embedgate=")),
            "{reply:?}"
        );
        let policy = reply.all("content-security-policy").join(", ");
        assert!(
            policy.contains("frame-ancestors https://app.example.com"),
            "{policy}"
        );
        assert!(
            !policy.contains("frame-ancestors *") && !policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        for text in [
            "a0420001",
            "organization_id",
            "setup-token",
            "inner.example",
            "native_form",
        ] {
            assert!(!outcome.text().contains(text), "{text}: {}", outcome.text());
        }
    }
}

#[test]
fn b32_nobody_keeps_an_answer_for_somebody_else() {
    for behaviour in [
        Behaviour::default(),
        Behaviour {
            gzip: true,
            ..Behaviour::default()
        },
    ] {
        let scene = Links::usual().behaving(behaviour).start();
        let viewer = Viewer::mine(&scene);
        let link = fixtures::dashboard_link(MAIN);
        let mut targets: Vec<_> = ways()
            .into_iter()
            .filter(|way| !way.posts)
            .map(|way| way.path)
            .collect();
        targets.extend([
            board(MAIN),
            question(7),
            format!("/public/dashboard/{link}"),
        ]);
        let conditions = [
            ("If-None-Match", "*"),
            ("If-Modified-Since", "Sun, 22 Nov 2099 00:00:00 GMT"),
            ("If-Match", "\"x\""),
            ("If-Unmodified-Since", "Sun, 22 Nov 2009 00:00:00 GMT"),
            ("If-Range", "\"x\""),
            ("Accept-Encoding", "gzip"),
        ];
        for target in &targets {
            let outcome = viewer.get_with(target, &conditions);
            assert!(
                matches!(outcome.reply.status, 200 | 202),
                "{target} {}",
                outcome.short()
            );
            assert_eq!(
                outcome.reply.header("cache-control"),
                Some("private, no-store"),
                "{target}"
            );
            assert_eq!(outcome.reply.header("etag"), None);
            let seen = scene.metabase.last();
            for (name, _) in &conditions[..5] {
                assert!(seen.all(&name.to_lowercase()).is_empty(), "{name}");
            }
        }
        let outcome = viewer.post(&format!("{}/csv", table()), &[], b"");
        assert_eq!(
            outcome.harmless(7).reply.header("cache-control"),
            Some("private, no-store")
        );
    }
}
