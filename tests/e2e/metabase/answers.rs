//! What answers say, and to whom: framing, cookies, caches, CORS, names of the inside; failures in Metabase's ways; limits.

use serde_json::{Value, json};

use super::{
    setup::{HOST, Scene},
    wide::{
        DOORS, TABLE, changed, grant, method, named, names_own_only, own, refused, whole, wide,
    },
};
use crate::support::{
    client::Reply,
    get,
    metabase::{
        fixtures::{SITE_URL, VERSION},
        pages::SCRIPT,
        store::{Failed, Query},
    },
};

fn dashboard() -> String {
    grant("dashboard", &json!(42), &own())
}

fn table(scene: &Scene) -> Reply {
    scene.get(&format!("/api/embed/dashboard/{}/{TABLE}", dashboard()))
}

/// One of everything that is answered.
fn everything() -> Vec<String> {
    let (dashboard, question) = (dashboard(), grant("question", &json!(7), &own()));
    vec![
        format!("/embed/dashboard/{dashboard}"),
        format!("/embed/question/{question}"),
        "/embed/sdk/v1".into(),
        format!("/api/embed/dashboard/{dashboard}"),
        format!("/api/embed/dashboard/{dashboard}/{TABLE}"),
        format!("/api/embed/dashboard/{dashboard}/{TABLE}/csv"),
        format!("/api/embed/dashboard/{dashboard}/params/a0420002/values"),
        format!("/api/embed/card/{question}/query"),
        "/api/session/properties".into(),
        "/app/embed.js".into(),
        SCRIPT.into(),
        "/app/locales/en.json".into(),
        "/app/fonts/Lato/x.woff2".into(),
        "/favicon.ico".into(),
        "/app/nothing-here.js".into(),
    ]
}

#[test]
fn frames_are_ours_and_nonces_stay() {
    let scene = wide("");
    for target in everything() {
        let reply = scene.get(&target);
        assert_eq!(reply.header("x-frame-options"), None, "{target}");
        let csp = reply.header("content-security-policy").unwrap();
        assert_eq!(csp.matches("frame-ancestors").count(), 1, "{target} {csp}");
        assert!(
            csp.contains("frame-ancestors https://app.example.com"),
            "{csp}"
        );
        assert!(!csp.contains("frame-ancestors *"), "{target} {csp}");
        assert_eq!(reply.header("referrer-policy"), Some("strict-origin"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    for page in everything().iter().take(3) {
        let reply = scene.get(page);
        let csp = reply.header("content-security-policy").unwrap();
        let (_, rest) = csp.split_once("'nonce-").unwrap();
        let (nonce, _) = rest.split_once('\'').unwrap();
        assert_eq!(nonce.len(), 10, "{csp}");
        assert_eq!(
            reply.text().matches(&format!("nonce=\"{nonce}\"")).count(),
            4
        );
        assert!(csp.contains("'sha256-dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0='"));
    }
}

#[test]
fn cookies_of_metabase_pass_in_neither_direction() {
    let scene = wide("");
    let cookie = (
        "Cookie",
        "metabase.DEVICE=de71ce; metabase.TIMEOUT=alive; x=y",
    );
    for target in everything() {
        for headers in [&[][..], &[cookie]] {
            let reply = scene.get_with(&target, headers);
            for set in reply.all("set-cookie") {
                assert!(set.starts_with("__Host-embedgate"), "{target} {set}");
            }
            assert!(!whole(&reply).contains("DEVICE"), "{target}");
        }
    }
    for one in scene.metabase.seen() {
        assert!(one.all("cookie").is_empty(), "{}", one.target);
    }
}

#[test]
fn nothing_of_the_inside_is_told() {
    let scene = wide("");
    let inner = [
        "metabase.inner.example",
        SITE_URL,
        VERSION,
        "0ddba11",
        "setup-token",
        "5e70c0de",
        "51730000-",
        "inner.example",
        "Jetty",
        "oembed",
        &scene.metabase.address.to_string(),
    ];
    let refused = format!("/api/embed/dashboard/{}/dashcard/9/card/9", dashboard());
    for target in everything().into_iter().chain([refused]) {
        let reply = scene.get(&target);
        for name in reply.headers.iter().map(|(name, _)| name) {
            let told = name.starts_with("x-metabase") || name == "server" || name == "location";
            assert!(!told, "{target} {name}");
        }
        let said = whole(&reply);
        for text in inner {
            assert!(!said.contains(text), "{target} tells {text}: {said}");
        }
    }
    // The pages say where they are to the browser, and nothing about their token.
    let token = dashboard();
    let page = scene.get(&format!("/embed/dashboard/{token}?region=Europe"));
    assert!(page.text().contains("<base href=\"/\""), "{}", page.text());
    assert!(
        page.text()
            .contains("\"site-url\":\"http://bi.example.com\"")
    );
    for one in scene
        .metabase
        .seen()
        .iter()
        .filter(|one| one.path().starts_with("/embed/"))
    {
        assert!(
            !one.holds(&token) && one.claims().is_none(),
            "{}",
            one.target
        );
    }
}

#[test]
fn settings_are_filtered_and_asked_for_once() {
    let scene = wide("");
    let first = scene.get("/api/session/properties");
    assert_eq!(first.status, 200);
    assert_eq!(first.header("cache-control"), Some("private, max-age=60"));
    for _ in 0..20 {
        let again = scene.get("/api/session/properties?x=1");
        assert_eq!(again.text(), first.text());
    }
    assert_eq!(scene.metabase.seen().len(), 1);
    let settings = first.json();
    for (name, value) in [
        ("site-url", json!("http://bi.example.com")),
        ("site-locale", json!("en")),
        (
            "token-features",
            json!({"embedding": false, "whitelabel": false, "sso_jwt": false, "content_translation": false}),
        ),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    for gone in [
        "setup-token",
        "version",
        "version-info",
        "google-auth-client-id",
        "jwt-identity-provider-uri",
        "site-uuid",
        "instance-creation",
        "email-configured?",
        "has-user-setup",
        "embedding-app-origins-sdk",
        "password-complexity",
        "session-cookies",
        "site-name",
    ] {
        assert!(settings.get(gone).is_none(), "{gone}");
    }
    assert!(!first.text().contains("files.inner.example"));
    let head = method(&scene, "HEAD", "/api/session/properties", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    for other in ["POST", "PUT", "DELETE", "PATCH"] {
        let reply = method(&scene, other, "/api/session/properties", &[]);
        refused(&reply, 405, "method_denied");
    }
    assert_eq!(scene.metabase.seen().len(), 1);
}

#[test]
fn cross_origin_reading_is_for_frame_ancestors() {
    let scene = wide("");
    for target in everything() {
        let ours = scene.get_with(&target, &[("Origin", "https://app.example.com")]);
        assert!(ours.status < 500, "{target}");
        assert_eq!(
            ours.header("access-control-allow-origin"),
            Some("https://app.example.com"),
            "{target}"
        );
        assert_eq!(ours.header("access-control-allow-credentials"), None);
        for origin in [
            "http://localhost:3000",
            "http://127.0.0.1:9",
            "http://[::1]:8080",
            "https://evil.example",
            "null",
        ] {
            let reply = scene.get_with(&target, &[("Origin", origin)]);
            assert_eq!(
                reply.header("access-control-allow-origin"),
                None,
                "{target}"
            );
            let preflight = method(
                &scene,
                "OPTIONS",
                &target,
                &[("Origin", origin), ("Access-Control-Request-Method", "GET")],
            );
            for name in preflight.headers.iter().map(|(name, _)| name) {
                assert!(!name.starts_with("access-control-"), "{target} {name}");
            }
            if target.contains("eyJ") {
                refused(&reply, 403, "origin_denied");
            }
        }
        let preflight = method(
            &scene,
            "OPTIONS",
            &target,
            &[
                ("Origin", "https://app.example.com"),
                ("Access-Control-Request-Method", "GET"),
                ("Access-Control-Request-Headers", "x-metabase-client"),
            ],
        );
        assert_eq!(preflight.status, 204, "{target}");
        assert_eq!(
            preflight.header("access-control-allow-headers"),
            Some("x-metabase-client")
        );
        assert_eq!(preflight.header("access-control-allow-credentials"), None);
    }
    assert!(
        scene
            .metabase
            .seen()
            .iter()
            .all(|one| one.method != "OPTIONS")
    );
}

#[test]
fn static_files_are_everybodys_and_may_be_kept() {
    let scene = wide("");
    for target in [SCRIPT, "/app/fonts/Lato/x.woff2"] {
        let reply = scene.get(target);
        assert_eq!(reply.status, 200, "{target}");
        assert_eq!(
            reply.header("cache-control"),
            Some("public, max-age=31536000")
        );
    }
    let first = scene.get("/app/embed.js");
    let tag = first.header("etag").unwrap().to_owned();
    let again = scene.get_with("/app/embed.js", &[("If-None-Match", &tag)]);
    assert_eq!((again.status, again.body.len()), (304, 0), "{again:?}");
    let other = scene.get_with("/app/embed.js", &[("If-None-Match", "\"x\"")]);
    assert_eq!((other.status, &other.body), (200, &first.body));
    let foreign = scene.get_with(
        "/app/embed.js",
        &[
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Dest", "script"),
        ],
    );
    assert_eq!(foreign.status, 200, "the host page loads it");
    let part = scene.get_with("/app/embed.js", &[("Range", "bytes=0-9")]);
    assert!(matches!(part.status, 200 | 206));
    let head = method(&scene, "HEAD", SCRIPT, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(scene.get("/app/nothing-here.js").status, 404);
    // A query makes no second copy in any cache, and a token in it goes nowhere.
    scene.get(&format!("/app/embed.js?embed_token={}&v=1", dashboard()));
    assert_eq!(scene.metabase.last().target, "/app/embed.js");
    for wrong in ["POST", "PUT", "DELETE"] {
        refused(
            &method(&scene, wrong, "/app/embed.js", &[]),
            405,
            "method_denied",
        );
    }
}

#[test]
fn custom_maps_are_those_that_the_site_names() {
    let scene = wide("geojson = [\"offices\"]");
    assert_eq!(scene.get("/api/geojson/offices").status, 200);
    assert_eq!(
        scene
            .get("/api/geojson/offices?url=file:///etc/passwd")
            .status,
        200
    );
    assert_eq!(scene.metabase.last().target, "/api/geojson/offices");
    let before = scene.metabase.seen().len();
    for target in [
        "/api/geojson/us_states",
        "/api/geojson",
        "/api/geojson?url=file:///etc/passwd",
        "/api/geojson/",
    ] {
        refused(&scene.get(target), 404, "route_denied");
    }
    assert_eq!(scene.metabase.seen().len(), before);
    let without = wide("");
    refused(&without.get("/api/geojson/offices"), 404, "route_denied");
}

#[test]
fn results_do_not_tell_how_they_were_asked_for() {
    let scene = wide("");
    scene.metabase.edit(|store| store.behaviour.gzip = true);
    for door in DOORS.iter().filter(|door| door.status == 202) {
        let target = door.target(&grant(door.kind, &json!(door.id), &own()), "");
        let reply = scene.get_with(&target, &[("Accept-Encoding", "gzip, br")]);
        assert_eq!(reply.status, 202, "{door:?}");
        assert_eq!(reply.header("content-encoding"), None);
        let json = reply.json();
        assert!(json.get("json_query").is_none(), "{door:?}");
        assert_eq!(
            (&json["status"], json["data"]["rows"].is_array()),
            (&json!("completed"), true)
        );
        assert!(!reply.text().contains("a0420001"), "{door:?}");
        let caching = reply.header("cache-control").unwrap();
        assert!(caching.starts_with("private, no-"), "{caching}");
    }
    // A file is nobody's to read on the way: it may come compressed.
    let target = format!("/api/embed/dashboard/{}/{TABLE}/csv", dashboard());
    let reply = scene.get_with(&target, &[("Accept-Encoding", "gzip")]);
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    // Its error is ours to word, compressed or not.
    scene.metabase.edit(|store| store.embedding = false);
    for headers in [&[][..], &[("Accept-Encoding", "gzip")]] {
        let reply = scene.get_with(&target, headers);
        assert_eq!((reply.status, reply.text()), (400, "An error occurred."));
        assert_eq!(reply.header("content-encoding"), None);
    }
}

#[test]
fn rows_12_45_failed_queries_in_the_ways_of_all_versions() {
    let scene = wide("");
    scene
        .metabase
        .edit(|store| store.card(201).query = Query::Broken);
    for (way, status, late) in [
        (Failed::Status400, 400, Value::Null),
        (Failed::Status202, 202, Value::Null),
        (Failed::Late, 202, json!(400)),
    ] {
        scene.metabase.edit(|store| store.behaviour.failed = way);
        for format in ["", "/csv", "/json", "/xlsx", "/api"] {
            let target = format!("/api/embed/dashboard/{}/{TABLE}{format}", dashboard());
            let reply = scene.get(&target);
            assert_eq!(reply.status, status, "{way:?} {format}");
            if reply.status == 400 && !matches!(format, "" | "/api") {
                assert_eq!(reply.text(), "An error occurred.", "{format}");
                continue;
            }
            let json = reply.json();
            assert_eq!(
                json["_status"], late,
                "the front end takes it for the status"
            );
            assert_eq!(json["status"], "failed");
            assert_eq!(json["error"], "An error occurred while running the query.");
        }
    }
}

#[test]
fn head_options_and_ranges_are_as_get() {
    let scene = wide("");
    let stranger = everything()
        .into_iter()
        .filter(|target| target.contains("eyJ"));
    for target in stranger {
        let head = method(&scene, "HEAD", &target, &[]);
        assert_eq!(
            (head.status, head.body.len()),
            (scene.get(&target).status, 0),
            "{target}"
        );
        let forged = target.replace("eyJ", "eyK");
        let before = scene.metabase.seen().len();
        assert_eq!(method(&scene, "HEAD", &forged, &[]).status, 401, "{target}");
        let options = method(&scene, "OPTIONS", &target, &[]);
        refused(&options, 405, "method_denied");
        assert_eq!(options.header("allow"), Some("GET, HEAD"));
        assert_eq!(scene.metabase.seen().len(), before);
        let part = scene.get_with(&target, &[("Range", "bytes=0-9"), ("If-None-Match", "*")]);
        assert_eq!(part.status, scene.get(&target).status, "{target}");
        assert!(names_own_only(&part));
    }
    for one in scene.metabase.seen() {
        assert!(one.all("range").is_empty() && one.all("if-none-match").is_empty());
    }
}

#[test]
fn limits_answer_429_and_say_when() {
    let scene = changed("", |text| {
        text.replace(
            "[site.reports.params]",
            "[site.reports.limits]\nviewer = \"3/min\"\n[site.reports.params]",
        )
    });
    let replies: Vec<Reply> = (0..6).map(|_| table(&scene)).collect();
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [202, 202, 202, 429, 429, 429]);
    let last = replies.last().unwrap();
    refused(last, 429, "rate_limited");
    for name in ["retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(last.header(name).is_some(), "{name}");
    }
    assert_eq!(scene.metabase.seen().len(), 3);
    // Files and settings are nobody's in particular.
    assert_eq!(scene.get("/app/embed.js").status, 200);
}

#[test]
fn a_busy_metabase_is_a_503_without_its_words() {
    let scene = wide("");
    scene.metabase.edit(|store| store.behaviour.busy = 3);
    let token = dashboard();
    for rest in [String::new(), format!("/{TABLE}"), format!("/{TABLE}/csv")] {
        let reply = scene.get(&format!("/api/embed/dashboard/{token}{rest}"));
        assert_eq!(
            (reply.status, reply.text()),
            (503, "An error occurred."),
            "{rest}"
        );
        assert_eq!(reply.header("retry-after"), Some("1"), "{rest}");
    }
    assert_eq!((table(&scene).status, named(&table(&scene))), (202, 7));
    // What had to be asked first could not be: settings, and what a list of values hangs on.
    scene.metabase.edit(|store| store.behaviour.busy = 2);
    let settings = scene.get("/api/session/properties");
    assert!(matches!(settings.status, 502 | 503), "{settings:?}");
    let values = scene.get(&format!(
        "/api/embed/dashboard/{token}/params/a0420002/values"
    ));
    assert!(matches!(values.status, 502 | 503), "{values:?}");
    assert_eq!(scene.get("/api/session/properties").status, 200);
}

#[test]
fn foreign_frames_and_tabs_are_refused_before_metabase_hears() {
    let scene = changed("", |text| text.replace("top_level = \"allow\"", ""));
    let page = format!("/embed/dashboard/{}", dashboard());
    let load = |dest: &str, referer: &str| {
        let headers = [
            ("Accept", "text/html"),
            ("Sec-Fetch-Dest", dest),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Referer", referer),
        ];
        scene.get_with(&page, &headers)
    };
    let foreign = load("iframe", "https://evil.example/");
    assert_eq!(foreign.status, 403);
    assert!(foreign.text().contains("origin_denied"), "{foreign:?}");
    let tab = load("document", "https://app.example.com/");
    assert_eq!(tab.status, 403);
    assert!(tab.text().contains("top_level_denied"), "{tab:?}");
    assert!(scene.metabase.seen().is_empty());
    let framed = load("iframe", "https://app.example.com/");
    assert_eq!(framed.status, 200, "{framed:?}");
    // A download opens in a window of its own.
    let file = format!("/api/embed/dashboard/{}/{TABLE}/csv", dashboard());
    let headers = [
        ("Host", HOST),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    assert_eq!(get(scene.gateway.address, &file, &headers).status, 200);
}
