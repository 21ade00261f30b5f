//! The bypass list, by its numbers, through the gateway: floods, claims, edits, methods. None works.

use serde_json::json;

use super::{
    public_links::Links,
    public_setup::{
        MAIN, Viewer, board, dashcard, encoded, filters, id, named, question, table, ways,
    },
    setup::Scene,
};
use crate::support::{get, metabase::fixtures};

#[test]
fn b33_exports_need_a_scope_and_can_be_off_and_are_counted() {
    let all = |scene: &Scene, claims: &serde_json::Value, code: &str| {
        let viewer = Viewer::with(scene, 999, claims);
        for format in ["api", "csv", "json", "xlsx"] {
            viewer
                .post(&format!("{}/{format}", table()), &[], b"")
                .refused(code);
            viewer
                .get(&format!("{}/query/{format}", question(7)))
                .refused(code);
        }
        viewer
            .get(&format!(
                "/public/question/{}.csv",
                fixtures::question_link(7)
            ))
            .refused(code);
        viewer.get(&table()).harmless(7);
    };
    let scene = Links::usual().start();
    all(&scene, &json!({"scope": "view"}), "scope_denied");
    all(&scene, &json!({"scope": null}), "scope_denied");
    all(
        &scene,
        &json!({"scope": "view downloads Download"}),
        "scope_denied",
    );
    let scene = Links::usual().settings("downloads = false").start();
    all(&scene, &json!({}), "route_denied");
    let scene = Links::none()
        .dashboard(MAIN, "downloads = false")
        .question(7, "downloads = false")
        .start();
    all(&scene, &json!({}), "route_denied");

    let scene = Links::usual()
        .tables("[site.reports.limits]\nviewer = \"3/min\"\n")
        .start();
    let viewer = Viewer::mine(&scene);
    for _ in 0..3 {
        viewer
            .post(&format!("{}/csv", table()), &[], b"")
            .harmless(7);
    }
    let outcome = viewer.post(&format!("{}/csv", table()), &[], b"");
    assert_eq!(outcome.refused("rate_limited").reply.status, 429);
    assert!(outcome.reply.header("retry-after").is_some());
}

#[test]
fn b34_noise_is_dropped_and_floods_end_in_429() {
    let scene = Links::usual()
        .tables("[site.reports.limits]\nviewer = \"20/min\"\n")
        .start();
    let viewer = Viewer::mine(&scene);
    let mut served = 0;
    for round in 0..30 {
        let query = format!("?dashboard_load_id={round}&ignore_cache=true&_={round}");
        let outcome = viewer.get(&format!("{}{query}", table()));
        if outcome.reply.status == 429 {
            outcome.refused("rate_limited");
            continue;
        }
        served += 1;
        let sent = outcome.harmless(7).sent();
        assert!(
            !sent.holds("load_id") && !sent.holds("ignore_cache") && !sent.target.contains("_="),
            "{sent:?}"
        );
    }
    assert!((20..=21).contains(&served), "{served}");
}

#[test]
fn b35_a_lock_that_is_no_exact_match_closes_the_link() {
    let params = "tenant = { mode = \"locked\" }\n";
    let scene = Links::none()
        .params(params)
        .dashboard(46, "")
        .dashboard(10, "")
        .start();
    for tenant in ["ac", "acme"] {
        let viewer = Viewer::with(&scene, 999, &json!({"params": {"tenant": tenant}}));
        viewer.get(&board(46)).refused("resource_denied");
        viewer
            .get(&dashcard(46, 151, 44))
            .refused("resource_denied");
        viewer
            .post(&format!("{}/csv", dashcard(46, 151, 44)), &[], b"")
            .refused("resource_denied");
    }
    for (tenant, names) in [("ac", 0), ("acme", 7), ("Acme", 0), ("ac%", 0), ("*", 0)] {
        let viewer = Viewer::with(&scene, 999, &json!({"params": {"tenant": tenant}}));
        let outcome = viewer.get(&dashcard(10, 31, 44));
        assert_eq!(named(&outcome.text(), 999), names, "{tenant}");
        outcome.clean().locked(&json!([tenant]));
    }
}

#[test]
fn b36_an_empty_claim_is_refused_and_never_means_all() {
    let scene = Links::usual().start();
    for (params, code) in [
        (json!({}), "param_missing"),
        (json!({"organization_id": null}), "param_missing"),
        (json!({"organization_id": ""}), "param_missing"),
        (json!({"organization_id": " "}), "param_missing"),
        (json!({"organization_id": []}), "param_missing"),
        (json!({"organization_id": [null]}), "param_missing"),
        (json!({"organization_id": [""]}), "param_missing"),
        (json!({"organization_id": [[]]}), "param_missing"),
        (json!({"organization_id": {}}), "param_invalid"),
        (json!({"organization_id": {"all": true}}), "param_invalid"),
        (json!({"organization_id": {"all": false}}), "param_invalid"),
        (json!({"ORGANIZATION_ID": 999}), "param_missing"),
        (json!({"organization_id": [999, 777]}), "param_invalid"),
    ] {
        let viewer = Viewer::with(&scene, 999, &json!({ "params": params }));
        for way in ways() {
            viewer.keyed(&way, "").refused(code);
        }
        viewer.get(&board(MAIN)).refused(code);
        viewer
            .get(&format!(
                "/public/dashboard/{}",
                fixtures::dashboard_link(MAIN)
            ))
            .refused(code);
    }
    let viewer = Viewer::with(&scene, 999, &json!({ "params": null }));
    viewer.get(&table()).refused("param_missing");
}

#[test]
fn b37_values_are_typed_and_exact() {
    let scene = Links::usual().start();
    for value in [
        json!("999"),
        json!(["999"]),
        json!(true),
        json!(999.5),
        json!(9.99e20),
        json!("9.99e2"),
    ] {
        let viewer = Viewer::with(&scene, 999, &json!({"params": {"organization_id": value}}));
        for way in ways() {
            viewer.keyed(&way, "").refused("param_invalid");
        }
    }
    for value in [json!(999), json!([999])] {
        let viewer = Viewer::with(&scene, 999, &json!({"params": {"organization_id": value}}));
        viewer.get(&table()).harmless(7);
    }
    // 2^53 + 1 is no other tenant's number.
    let viewer = Viewer::with(
        &scene,
        999,
        &json!({"params": {"organization_id": 9_007_199_254_740_993_u64}}),
    );
    let outcome = viewer.get(&table());
    assert!(
        outcome.clean().sent().target.contains("9007199254740993"),
        "{:?}",
        outcome.sent()
    );
    let near = json!([{"id": id(1), "value": 9_007_199_254_740_992_u64}]).to_string();
    viewer
        .get(&format!("{}?parameters={}", table(), encoded(&near)))
        .refused("param_locked");
    // Text stays text.
    let scene = Links::none()
        .params("tenant = { mode = \"locked\" }\n")
        .dashboard(10, "")
        .start();
    for value in [json!(5), json!(true), json!(["a", "b"])] {
        let viewer = Viewer::with(&scene, 999, &json!({"params": {"tenant": value}}));
        viewer.get(&dashcard(10, 31, 44)).refused("param_invalid");
    }
    let viewer = Viewer::with(&scene, 999, &json!({"params": {"tenant": "5"}}));
    viewer.get(&dashcard(10, 31, 44)).locked(&json!(["5"]));
    // A parameter of another type than the site declares is none that could be locked.
    let scene = Links::none()
        .params("organization_id = { mode = \"locked\" }\n")
        .dashboard(49, "")
        .dashboard(MAIN, "")
        .start();
    let viewer = Viewer::with(&scene, 999, &json!({"params": {"organization_id": "999"}}));
    viewer.get(&table()).refused("resource_denied");
}

/// (The other ways in which an edit shows: `lint.rs`.)
#[test]
fn b38_a_dashboard_that_was_edited_is_judged_anew() {
    let scene = Links::usual().settings("layout_ttl = \"0s\"").start();
    let viewer = Viewer::mine(&scene);
    viewer.get(&table()).harmless(7);
    scene
        .metabase
        .edit(|store| store.dashboard(MAIN).dashcard(101).mappings.remove(0));
    viewer.get(&table()).refused("resource_denied");
    assert!(
        !viewer
            .get(&board(MAIN))
            .clean()
            .text()
            .contains("\"id\":101,")
    );
    scene.metabase.edit(|store| {
        "a9999999".clone_into(&mut store.dashboard(MAIN).parameter("organization_id").id);
    });
    viewer
        .get(&dashcard(MAIN, 103, 203))
        .refused("resource_denied");
}

#[test]
fn b39_range_head_and_options_are_judged_like_get() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for way in ways().iter().filter(|way| !way.posts) {
        let outcome = viewer.get_with(&way.path, &[("Range", "bytes=0-10"), ("If-Range", "\"x\"")]);
        outcome.harmless(way.names);
        assert!(outcome.sent().all("range").is_empty());
        let other = json!([{"id": way.lock, "value": [777]}]).to_string();
        for (query, status) in [
            ("", 202),
            (&*format!("?parameters={}", encoded(&other)), 403),
        ] {
            let head = |credential: &str| {
                viewer.raw(&format!(
                    "HEAD {}{query} HTTP/1.1\r\nHost: bi.example.com\r\n{credential}Connection: close\r\n\r\n",
                    way.path
                ))
            };
            let outcome = head("BEARER");
            assert!(
                outcome.reply.status == status || (status == 202 && outcome.reply.status == 200),
                "{}",
                outcome.short()
            );
            assert!(outcome.reply.body.is_empty());
            if status == 202 {
                outcome.locked(&json!([999]));
            } else {
                assert!(outcome.asked().is_empty());
            }
            let outcome = head("");
            assert_eq!((outcome.reply.status, outcome.asked().len()), (401, 0));
        }
    }
    for way in ways() {
        let outcome = viewer.raw(&format!(
            "OPTIONS {} HTTP/1.1\r\nHost: bi.example.com\r\nBEARERConnection: close\r\n\r\n",
            way.path
        ));
        outcome.refused("method_denied");
        for origin in [
            "https://evil.example",
            "http://localhost:3000",
            "null",
            "https://app.example.com",
        ] {
            let outcome = viewer.raw(&format!(
                "OPTIONS {} HTTP/1.1\r\nHost: bi.example.com\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: GET\r\nConnection: close\r\n\r\n",
                way.path
            ));
            assert!(outcome.clean().asked().is_empty());
            let told = outcome.reply.header("access-control-allow-origin");
            assert_eq!(
                told.is_some(),
                origin == "https://app.example.com" && !way.posts,
                "{origin}"
            );
        }
    }
    viewer.raw(&format!(
        "HEAD {}/csv HTTP/1.1\r\nHost: bi.example.com\r\nBEARERConnection: close\r\n\r\n",
        table()
    ));
    assert!(scene.metabase.seen().is_empty(), "an export is posted");
}

#[test]
fn b40_upgrades_and_strange_methods_are_refused() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let upgrade = format!(
        "GET {} HTTP/1.1\r\nHost: bi.example.com\r\nBEARERConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        table()
    );
    let outcome = viewer.raw(&upgrade);
    assert_ne!(outcome.clean().reply.status, 101);
    for sent in outcome.asked() {
        assert!(
            sent.all("upgrade").is_empty() && sent.all("sec-websocket-key").is_empty(),
            "{sent:?}"
        );
    }
    for method in [
        "TRACE", "CONNECT", "PUT", "DELETE", "PATCH", "get", "TRACK", "QUERY",
    ] {
        for target in [
            table(),
            board(MAIN),
            format!("{}/csv", table()),
            format!("{}/query", question(7)),
        ] {
            let text = format!(
                "{method} {target} HTTP/1.1\r\nHost: bi.example.com\r\nBEARERConnection: close\r\n\r\n"
            );
            let outcome = viewer.raw(&text);
            assert!(
                matches!(outcome.reply.status, 400 | 404 | 405 | 501),
                "{method} {}",
                outcome.short()
            );
            assert!(outcome.clean().asked().is_empty(), "{method}");
        }
    }
    let body = "parameters=%5B%5D";
    let expecting = format!(
        "POST {}/csv HTTP/1.1\r\nHost: bi.example.com\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        table(),
        body.len()
    );
    viewer.raw(&expecting).refused("token_missing");
    let strange = expecting
        .replace("100-continue", "200-ok")
        .replace("Expect", "BEARERExpect");
    let outcome = viewer.raw(&strange);
    for sent in outcome.clean().asked() {
        assert!(sent.all("expect").is_empty());
        assert_eq!(filters(sent), [json!({"id": id(1), "value": [999]})]);
    }
    assert_eq!(
        get(scene.gateway.address, &table(), &[]).code(),
        "token_missing"
    );
}
