//! What a hostile review found: each test failed once.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::setup::{HOST, Scene, dashboard, question, text};
use crate::support::{
    Answer, Upstream,
    client::Reply,
    eventually,
    gateway::{self, Gateway},
    get,
    metabase::{
        SECRET, fixtures,
        store::{field, variable_tag},
    },
};

const MINE: &str = "organization_id";

/// A gateway in front of an upstream that answers as a test says.
fn before(upstream: SocketAddr, more: &str) -> Gateway {
    Gateway::start_with(&text(upstream, more), &|name| {
        (name == "MB_SECRET").then(|| SECRET.to_owned())
    })
}

fn ask(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut all = vec![("Host", HOST)];
    all.extend_from_slice(headers);
    get(gateway.address, path, &all)
}

/// A viewer token that may download.
fn downloader() -> String {
    gateway::token(&json!({
        "resource": { "dashboard": 42 }, "params": { MINE: 999 }, "scope": "view download",
    }))
}

/// `Authorization` of a viewer of a public dashboard.
fn on_link(link: &str) -> String {
    let token =
        gateway::token(&json!({ "resource": { "dashboard": link }, "params": { MINE: 999 } }));
    format!("Bearer {token}")
}

fn listed(link: &str, values: &str) -> String {
    format!(
        "[site.reports.metabase.public.\"{link}\"]\nkind = \"dashboard\"\nvalues = \"{values}\"\n"
    )
}

#[test]
fn a_field_brings_no_lock_to_a_card_of_sql() {
    let link = fixtures::dashboard_link(fixtures::MAIN);
    let scene = Scene::with(&listed(&link, "deny"));
    let (mine, path) = (
        on_link(&link),
        format!("/api/public/dashboard/{link}/dashcard/102/card/202"),
    );
    // As it is where a question was rewritten in SQL: the dashboard still says the field, which Metabase then ignores.
    let connect = |target: Value| {
        scene.metabase.edit(|store| {
            let card = store.dashboard(fixtures::MAIN).dashcard(102);
            let lock = fixtures::on_dashboard(fixtures::MAIN, 1);
            let mut own = card.mappings.iter_mut();
            own.find(|one| one.parameter == lock).unwrap().target = target;
        });
    };
    connect(field(61));
    let layout = scene.get_with(
        &format!("/api/public/dashboard/{link}"),
        &[("Authorization", &mine)],
    );
    assert_eq!(layout.status, 200, "{layout:?}");
    assert!(!layout.text().contains("Accounts by SQL"));
    let rows = scene.get_with(&path, &[("Authorization", &mine)]);
    assert_eq!(rows.status, 403, "{}", rows.text());
    connect(variable_tag(MINE));
    let layout = format!("/api/public/dashboard/{link}");
    assert_eq!(
        scene.get_with(&layout, &[("Authorization", &mine)]).status,
        200
    );
    let rows = scene.get_with(&path, &[("Authorization", &mine)]);
    assert_eq!(rows.status, 202, "{rows:?}");
}

/// The token of Metabase's in the last request.
fn minted(upstream: &Upstream) -> String {
    let target = upstream.last().target;
    let mut parts = target.split('/').map(str::to_owned);
    parts.find(|part| part.starts_with("eyJ")).unwrap()
}

fn tells(reply: &Reply, text: &str) -> bool {
    let mut headers = reply.headers.iter();
    headers.any(|(_, value)| value.contains(text))
        || String::from_utf8_lossy(&reply.body).contains(text)
}

/// What Metabase's setting "redirect to HTTPS" does, and any proxy before it: the address goes back as it was asked for.
#[test]
fn a_redirect_tells_no_token_of_metabase() {
    let upstream = Upstream::start(|seen| {
        let there = format!("https://{HOST}{}", seen.target);
        Answer::of("text/plain", b"")
            .status(301)
            .with("location", &there)
            .with("content-location", &seen.target)
            .with("link", &format!("<{there}>; rel=\"canonical\""))
    });
    let gateway = before(upstream.address, "");
    let token = downloader();
    for below in [
        "",
        "/dashcard/101/card/201",
        "/dashcard/101/card/201/csv",
        "/dashcard/101/card/201/api",
    ] {
        let reply = ask(
            &gateway,
            &format!("/api/embed/dashboard/{token}{below}"),
            &[],
        );
        assert!(!tells(&reply, &minted(&upstream)), "{below}: {reply:?}");
        assert_eq!(reply.code(), "upstream_failed", "{below}: {reply:?}");
    }
    for page in [
        "/embed/sdk/v1".to_owned(),
        format!("/embed/dashboard/{token}"),
    ] {
        let reply = ask(&gateway, &page, &[]);
        assert_eq!(reply.code(), "upstream_failed", "{reply:?}");
    }
}

/// Jetty's own error pages repeat the address; Metabase's unhandled exceptions come with their stack.
#[test]
fn an_error_tells_nothing_from_inside() {
    let upstream = Upstream::start(|seen| {
        if seen.target.contains("/csv") {
            let page = format!(
                "<h2>HTTP ERROR 500</h2><tr><th>URI:</th><td>{}</td></tr>",
                seen.target
            );
            return Answer::html(&page).status(500);
        }
        let trace = json!({
            "status": "failed", "error": "An error occurred while running the query.", "error_type": "invalid-query",
            "via": [{"type": "java.lang.NullPointerException", "at": ["metabase.api.embed$fn", "embed.clj", 123]}],
            "trace": [["inner.example", seen.target]], "cause": "relation \"accounts\" does not exist", "message": "SELECT *",
        });
        Answer::json(&trace.to_string()).status(500)
    });
    let gateway = before(upstream.address, "");
    let token = downloader();
    let csv = ask(
        &gateway,
        &format!("/api/embed/dashboard/{token}/dashcard/101/card/201/csv"),
        &[],
    );
    assert_eq!(csv.status, 500);
    assert!(!tells(&csv, &minted(&upstream)), "{csv:?}");
    assert_eq!(csv.text(), "An error occurred.");
    for below in ["", "/api"] {
        let path = format!("/api/embed/dashboard/{token}/dashcard/101/card/201{below}");
        let reply = ask(&gateway, &path, &[]);
        let said = json!({
            "status": "failed", "error": "An error occurred while running the query.", "error_type": "invalid-query",
        });
        assert_eq!(reply.json(), said, "{below}");
    }
}

/// What Metabase found when it last looked through the whole table: the greatest revenue of all customers.
#[test]
fn results_tell_nothing_of_everybodys_rows() {
    let upstream = Upstream::start(|_| {
        let column = json!({"name": "REVENUE", "base_type": "type/Integer",
            "fingerprint": {"global": {"distinct-count": 12}, "type": {"type/Number": {"min": 1, "max": 987_654}}}});
        Answer::json(
            &json!({"data": {"rows": [[5]], "cols": [column]}, "status": "completed"}).to_string(),
        )
        .status(202)
    });
    let gateway = before(upstream.address, "");
    let token = dashboard(42, &json!({ MINE: 999 }));
    let reply = ask(
        &gateway,
        &format!("/api/embed/dashboard/{token}/dashcard/101/card/201"),
        &[],
    );
    let columns = json!([{"name": "REVENUE", "base_type": "type/Integer"}]);
    assert_eq!(reply.json()["data"]["cols"], columns);
}

#[test]
fn an_item_keeps_its_rules_under_its_other_name() {
    let rules = format!(
        "[site.reports.metabase.dashboards.{}]\nparams = {{ region = \"disabled\" }}\n",
        format_args!("D{:0>20}", 42)
    );
    let scene = Scene::with(&rules);
    let entity = format!("D{:0>20}", 42);
    let filtered = "/dashcard/101/card/201?region=Europe";
    let by_entity =
        gateway::token(&json!({ "resource": { "dashboard": entity }, "params": { MINE: 999 } }));
    let reply = scene.get(&format!("/api/embed/dashboard/{by_entity}{filtered}"));
    assert_eq!(reply.code(), "param_disabled", "{reply:?}");
    let by_number = dashboard(42, &json!({ MINE: 999 }));
    let reply = scene.get(&format!("/api/embed/dashboard/{by_number}{filtered}"));
    assert_eq!(reply.code(), "resource_denied", "{reply:?}");
    // Questions have no rules, so their names do not matter.
    let other = question(7, &json!({ MINE: 999 }));
    let reply = scene.get(&format!("/api/embed/card/{other}/query?region=Europe"));
    assert_eq!(reply.status, 202, "{reply:?}");
}

/// A list can be seen to keep to the lock; what a named value is called cannot.
#[test]
fn labels_begin_with_a_known_version() {
    let scene = Scene::signed();
    let unknown = text(scene.metabase.address, "").replace("version = 58", "");
    let unknown = unknown.replace(
        "internal =",
        "account = { mode = \"enabled\", type = \"integer\" }\ninternal =",
    );
    let known = unknown.replace(
        "[site.reports.metabase]",
        "[site.reports.metabase]\nversion = 58",
    );
    let start = |text: &str| {
        Gateway::start_with(text, &|name| {
            (name == "MB_SECRET").then(|| SECRET.to_owned())
        })
    };
    let (unknown, known) = (start(&unknown), start(&known));
    let token = question(7, &json!({ MINE: 999 }));
    let path = format!(
        "/api/embed/card/{token}/params/{}",
        fixtures::on_question(7, 4)
    );
    let (list, label) = (
        format!("{path}/values"),
        format!("{path}/remapping?value=1"),
    );
    for path in [&list, &label] {
        let reply = ask(&known, path, &[]);
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(ask(&unknown, &list, &[]).status, 200);
    let reply = ask(&unknown, &label, &[]);
    assert_eq!(reply.code(), "resource_denied", "{reply:?}");
}

#[test]
fn what_the_configuration_denies_asks_nobody() {
    let link = fixtures::dashboard_link(fixtures::MAIN);
    let more = format!(
        "values = \"deny\"\ndownloads = false\napi_key = {{ env = \"MB_KEY\" }}\n{}",
        listed(&link, "deny")
    );
    let scene = Scene::with(&more);
    let token = downloader();
    // The steward looks at links by itself.
    eventually("the link was looked at", || {
        !scene.metabase.seen().is_empty()
    });
    let mine = on_link(&link);
    let id = fixtures::on_dashboard(fixtures::MAIN, 2);
    scene.metabase.forget();
    for path in [
        format!("/api/embed/dashboard/{token}/params/{id}/values"),
        format!("/api/embed/dashboard/{token}/dashcard/101/card/201/csv"),
        format!("/api/public/dashboard/{link}/params/{id}/values"),
    ] {
        let headers = [("Authorization", &*mine)];
        let public = path.starts_with("/api/public");
        let reply = scene.get_with(&path, if public { &headers } else { &[] });
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
    }
    assert!(
        scene.metabase.seen().is_empty(),
        "{:?}",
        scene.metabase.seen()
    );
}

#[test]
fn settings_are_kept_by_no_shared_cache() {
    let scene = Scene::signed();
    // The port is the client's word, and stands in what is answered: under a key without it, everybody would get that.
    let odd = get(
        scene.gateway.address,
        "/api/session/properties",
        &[("Host", "bi.example.com:1337")],
    );
    assert_eq!(odd.json()["site-url"], "http://bi.example.com:1337");
    assert_eq!(odd.header("cache-control"), Some("private, max-age=60"));
    // However many there are, the usual one is answered.
    for port in 2000..2040 {
        let host = format!("{HOST}:{port}");
        let reply = get(
            scene.gateway.address,
            "/api/session/properties",
            &[("Host", &host)],
        );
        assert_eq!(reply.json()["site-url"], format!("http://{host}"));
    }
    let usual = scene.get("/api/session/properties");
    assert_eq!(usual.json()["site-url"], format!("http://{HOST}"));
}

#[test]
fn assets_are_asked_for_in_nobodys_name() {
    let scene = Scene::signed();
    let headers = [
        ("X-Metabase-Session", fixtures::ADMIN_SESSION),
        ("X-API-Key", fixtures::API_KEY),
        ("Cookie", "metabase.SESSION=stolen"),
        ("Authorization", "Bearer stolen"),
        ("Origin", "https://app.example.com"),
        ("If-None-Match", "\"x\""),
    ];
    let reply = scene.get_with("/app/embed.js", &headers);
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen = scene.metabase.last();
    for gone in [
        "x-metabase-session",
        "x-api-key",
        "cookie",
        "authorization",
        "origin",
    ] {
        assert!(seen.all(gone).is_empty(), "{gone}: {seen:?}");
    }
    assert_eq!(seen.all("if-none-match"), ["\"x\""]);
}

#[test]
fn pages_that_anybody_may_ask_for_are_limited_by_address() {
    let more = "geojson = [\"offices\"]\n[site.reports.limits]\naddress = \"3/min\"\n";
    for page in [
        "/embed/sdk/v1",
        "/api/geojson/offices",
        "/api/session/properties",
    ] {
        let scene = Scene::with(more);
        let replies: Vec<u16> = (0..4).map(|_| scene.get(page).status).collect();
        assert_eq!(replies, [200, 200, 200, 429], "{page}");
        assert_eq!(scene.get("/app/embed.js").status, 200, "files are free");
    }
}

/// A server whose answers may wait, each connection on a thread of its own.
fn slow(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                let (mut stream, mut target) = (stream, String::new());
                let mut line = String::new();
                while lines.read_line(&mut line).unwrap_or(0) > 0 {
                    if let Some(rest) = line.strip_prefix("GET ") {
                        rest.split(' ')
                            .next()
                            .unwrap_or_default()
                            .clone_into(&mut target);
                    }
                    if line == "\r\n" {
                        let body = answer(&target);
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
                        );
                        stream.write_all(head.as_bytes()).unwrap();
                        stream.write_all(body.as_bytes()).unwrap();
                    }
                    line.clear();
                }
            });
        }
    });
    address
}

/// A layout of one card, connected to the lock or not.
fn layout(connected: bool) -> Value {
    let lock = json!({"parameter_id": "aaa", "card_id": 44, "target": field(61)});
    let open = json!({"parameter_id": "bbb", "card_id": 44, "target": field(63)});
    let mappings = if connected {
        json!([lock, open])
    } else {
        json!([open])
    };
    json!({
        "id": 42, "name": "Accounts", "param_fields": {},
        "parameters": [
            {"id": "aaa", "name": "Org", "slug": MINE, "type": "number/="},
            {"id": "bbb", "name": "Region", "slug": "region", "type": "string/="},
        ],
        "dashcards": [{"id": 31, "card_id": 44, "parameter_mappings": mappings, "series": [],
            "card": {"id": 44, "name": "All", "dataset_query": {"type": "query", "query": {"source-table": 5}}}}],
    })
}

/// An exchange takes its time: it may have read the dashboard before it was edited, and end after that was seen.
#[test]
fn what_was_read_earlier_never_replaces_what_was_read_later() {
    let edited = Arc::new(AtomicBool::new(false));
    let probes = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (is_edited, probed, opened) = (Arc::clone(&edited), Arc::clone(&probes), Arc::clone(&gate));
    let address = slow(move |target| {
        if target.contains("/params/") {
            if probed.fetch_add(1, Ordering::SeqCst) == 0 {
                let (open, changed) = &*opened;
                let _open = changed
                    .wait_while(open.lock().unwrap(), |open| !*open)
                    .unwrap();
            }
            return json!({"values": [], "has_more_values": false}).to_string();
        }
        if target.contains("/card/") {
            return json!({"data": {"rows": [["everybody"]], "cols": []}, "status": "completed"})
                .to_string();
        }
        layout(!is_edited.load(Ordering::SeqCst)).to_string()
    });
    let link = fixtures::dashboard_link(42);
    let gateway = before(address, &listed(&link, "constrained"));
    // The steward has read the layout, and waits for a list of values.
    eventually("a probe", || probes.load(Ordering::SeqCst) == 1);
    edited.store(true, Ordering::SeqCst);
    let mine = on_link(&link);
    let card = format!("/api/public/dashboard/{link}/dashcard/31/card/44");
    let first = ask(&gateway, &card, &[("Authorization", &mine)]);
    assert_eq!(first.status, 403, "{first:?}");
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    for _ in 0..20 {
        let later = ask(&gateway, &card, &[("Authorization", &mine)]);
        assert_eq!(later.status, 403, "{later:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
