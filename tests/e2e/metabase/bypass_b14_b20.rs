//! The bypass list, by its numbers, through the gateway: export bodies, other addresses, lists of values. None works.

use std::io::Write as _;

use serde_json::json;

use super::{
    public_links::Links,
    public_setup::{MAIN, Outcome, Viewer, board, dashcard, encoded, filters, id, question, table},
};
use crate::support::metabase::fixtures;

const FORM: &str = "application/x-www-form-urlencoded";

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    packer.write_all(body).unwrap();
    packer.finish().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The four formats of an export, with this body.
fn exported(
    viewer: &Viewer<'_>,
    query: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> [Outcome; 4] {
    let post = |format| viewer.post(&format!("{}/{format}{query}", table()), headers, body);
    ["api", "json", "csv", "xlsx"].map(post)
}

/// Header fields, and a body.
type Case = (Vec<(&'static str, &'static str)>, Vec<u8>);

const FORMED: (&str, &str) = ("Content-Type", FORM);
const JSON: (&str, &str) = ("Content-Type", "application/json");
const PACKED: (&str, &str) = ("Content-Encoding", "gzip");

/// Bodies that set the lock, in forms.
fn forms(other: &str) -> Vec<Case> {
    let form = format!("parameters={}", encoded(other));
    let multipart = format!(
        "--b\r\nContent-Disposition: form-data; name=\"parameters\"\r\n\r\n{other}\r\n--b--\r\n"
    );
    let kind = |kind| vec![("Content-Type", kind)];
    vec![
        (vec![FORMED], form.clone().into()),
        (vec![FORMED], format!("parameters=[]&{form}").into()),
        (vec![FORMED], format!("{form}&parameters=[]").into()),
        (vec![FORMED], format!("a0420001=777&{form}").into()),
        (vec![FORMED], multipart.clone().into()),
        (vec![FORMED], utf16(&form)),
        (vec![FORMED], gzip(form.as_bytes())),
        (vec![JSON], form.clone().into()),
        (
            kind("application/x-www-form-urlencoded; charset=utf-16"),
            utf16(&form),
        ),
        (
            kind("application/x-www-form-urlencoded, application/json"),
            form.clone().into(),
        ),
        (kind("multipart/form-data; boundary=b"), multipart.into()),
        (kind("text/plain"), form.clone().into()),
        (vec![], form.clone().into()),
        (vec![FORMED, JSON], form.clone().into()),
        (vec![FORMED, PACKED], gzip(form.as_bytes())),
    ]
}

/// The same in JSON documents.
fn documents(other: &str) -> Vec<Case> {
    let document = format!("{{\"parameters\":{other}}}");
    let twice = |name| format!("{{\"parameters\":[],\"{name}\":{other}}}").into();
    let kind = |kind| vec![("Content-Type", kind)];
    vec![
        (vec![JSON], document.clone().into()),
        (
            vec![JSON],
            json!({ "parameters": other }).to_string().into(),
        ),
        (vec![JSON], format!("{document}{document}").into()),
        (vec![JSON], twice("parameters")),
        (vec![JSON], twice("\\u0070arameters")),
        (vec![JSON], format!("{{\"Parameters\":{other}}}").into()),
        (
            vec![JSON],
            json!({"organization_id": 777}).to_string().into(),
        ),
        (vec![JSON], utf16(&document)),
        (vec![JSON], b"null".to_vec()),
        (vec![JSON], b"[]".to_vec()),
        (vec![JSON], vec![]),
        (kind("application/json; charset=utf-16"), utf16(&document)),
        (
            kind("application/json;charset=utf-8;charset=utf-16"),
            utf16(&document),
        ),
        (vec![JSON, PACKED], gzip(document.as_bytes())),
        (vec![JSON, PACKED], b"\x1f\x8b".to_vec()),
        (
            vec![JSON, PACKED],
            [gzip(b"{}"), gzip(document.as_bytes())].concat(),
        ),
        (
            vec![JSON, ("Content-Encoding", "gzip, gzip")],
            gzip(&gzip(document.as_bytes())),
        ),
        (
            vec![JSON, ("Content-Encoding", "compress")],
            document.into(),
        ),
    ]
}

#[test]
fn b14_export_bodies_that_say_otherwise_are_refused() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let other = json!([{"id": id(1), "value": [777]}]).to_string();
    for (headers, body) in forms(&other).iter().chain(&documents(&other)) {
        for outcome in exported(&viewer, "", headers, body) {
            outcome.refused_as(&["param_locked", "request_malformed", "body_unsupported"]);
        }
    }
    let bomb = gzip(&vec![b' '; 1 << 20]);
    for outcome in exported(&viewer, "", &[JSON, PACKED], &bomb) {
        outcome.refused("body_too_large");
    }
}

#[test]
fn b14_exports_go_on_as_one_form() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let open = json!([{"id": id(2), "value": ["Europe"], "type": "string/!=", "target": 1}]);
    let form = format!("parameters={}&format_rows=true", encoded(&open.to_string()));
    let document =
        json!({"parameters": open, "format_rows": true, "ignore_cache": true}).to_string();
    let cases: Vec<Case> = vec![
        (vec![FORMED], form.clone().into()),
        (
            vec![(
                "Content-Type",
                "application/x-www-form-urlencoded;charset=UTF-8",
            )],
            form.clone().into(),
        ),
        (vec![JSON], document.clone().into()),
        (
            vec![("Content-Type", "application/json; charset=\"utf-8\"")],
            document.clone().into(),
        ),
        (vec![FORMED, PACKED], gzip(form.as_bytes())),
        (vec![JSON, PACKED], gzip(document.as_bytes())),
    ];
    for (headers, body) in &cases {
        for outcome in exported(&viewer, "?ignore_cache=1&x=2", headers, body) {
            outcome.harmless(3);
            let sent = outcome.sent();
            assert_eq!(filters(sent)[0], json!({"id": id(2), "value": ["Europe"]}));
            assert!(
                sent.all("content-encoding").is_empty() && sent.all("transfer-encoding").is_empty()
            );
            assert_eq!(sent.all("content-length"), [sent.body.len().to_string()]);
            assert!(sent.body.ends_with(b"&format_rows=true"));
        }
    }
    for outcome in exported(&viewer, "", &[], b"") {
        outcome.harmless(7);
    }
    // A form that is a document is a key without a value.
    for outcome in exported(&viewer, "", &[("Content-Type", FORM)], document.as_bytes()) {
        outcome.harmless(7);
    }
    // Filters in the query of an export, whatever they say: a reader may prefer either.
    let own = json!([{"id": id(1), "value": [999]}]).to_string();
    for query in [
        format!("?parameters={}", encoded(&own)),
        "?parameters=[]".to_owned(),
        "?parameters".to_owned(),
        "?parameters[]=1".to_owned(),
        format!("?{}=999", id(1)),
        format!("?{}=Europe", id(2)),
    ] {
        for outcome in exported(&viewer, &query, &[("Content-Type", FORM)], form.as_bytes()) {
            outcome.refused_as(&["request_malformed", "param_locked", "param_invalid"]);
        }
    }
    viewer
        .get(&format!("{}/csv", table()))
        .refused("method_denied");
    viewer.post(&table(), &[], b"").refused("method_denied");
    viewer
        .post(&format!("{}/query/csv", question(7)), &[], b"")
        .refused("method_denied");
    for format in ["CSV", "pdf", "png", "xls", "api%20", "csv.json"] {
        viewer
            .post(&format!("{}/{format}", table()), &[], b"")
            .refused("route_denied");
        viewer
            .get(&format!("{}/query/{format}", question(7)))
            .refused("route_denied");
    }
}

#[test]
fn b15_page_addresses_of_files_lead_to_our_own_export() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let link = fixtures::question_link(7);
    for format in ["csv", "json", "xlsx"] {
        let outcome = viewer.get(&format!("/public/question/{link}.{format}?id=7&a=%26b"));
        assert_eq!(outcome.clean().reply.status, 302, "{}", outcome.short());
        assert!(
            outcome.asked().is_empty(),
            "nobody follows it for the viewer"
        );
        let place = outcome.reply.header("location").unwrap().to_owned();
        assert_eq!(
            place,
            format!("/api/public/card/{link}/query/{format}?id=7&a=%26b")
        );
        viewer.get(&place).harmless(7);
        let other = json!([{"id": "b0070001", "value": [777]}]).to_string();
        let outcome = viewer.get(&format!(
            "/public/question/{link}.{format}?parameters={}",
            encoded(&other)
        ));
        viewer
            .get(outcome.reply.header("location").unwrap())
            .refused("param_locked");
    }
    for near in [
        "CSV", "csv.csv", "csv%20", "xls", "api", ".csv", "csv/", "csv%2f", "csv;x",
    ] {
        let outcome = viewer.get(&format!("/public/question/{link}.{near}"));
        outcome.refused_as(&["route_denied", "path_ambiguous"]);
    }
    let board = fixtures::dashboard_link(MAIN);
    viewer
        .get(&format!("/public/dashboard/{board}.csv"))
        .refused("route_denied");
    let looking = Viewer::with(&scene, 999, &json!({"scope": "view"}));
    looking
        .get(&format!("/public/question/{link}.csv"))
        .refused("scope_denied");
    let stranger = Viewer::with(
        &scene,
        999,
        &json!({"resources": [{"type": "question", "id": "x"}]}),
    );
    stranger
        .get(&format!("/public/question/{link}.csv"))
        .refused("resource_denied");
}

#[test]
fn b16_every_other_link_is_closed() {
    let scene = Links::none().dashboard(MAIN, "").question(7, "").start();
    let viewer = Viewer::mine(&scene);
    // Links that Metabase has, and this site does not: of a card that is on the dashboard, of other dashboards, of actions and documents.
    let card = format!("{}/query", question(201));
    for target in [
        &*card,
        &question(201),
        &question(6),
        &board(43),
        &dashcard(43, 122, 208),
        &dashcard(43, 121, 201),
        &format!("/public/dashboard/{}", fixtures::dashboard_link(43)),
        &format!("/public/question/{}", fixtures::question_link(201)),
        &format!("/public/question/{}.csv", fixtures::question_link(201)),
        &format!("/api/public/dashboard/{}", fixtures::ACTION_LINK),
        &format!("/api/public/dashboard/{}", fixtures::DOCUMENT_LINK),
        // One kind's link at another kind's place.
        &format!("/api/public/card/{}/query", fixtures::dashboard_link(MAIN)),
        &format!("/api/public/dashboard/{}", fixtures::question_link(7)),
        &format!("/public/dashboard/{}", fixtures::question_link(7)),
        &format!("/api/public/card/{}", fixtures::dashboard_link(MAIN)),
    ] {
        viewer.get(target).refused("route_denied");
        viewer
            .post(&format!("{target}/csv"), &[], b"")
            .refused_as(&["route_denied", "method_denied"]);
    }
    // A link of this site that the token does not grant; and one that it grants as something else.
    for resources in [
        json!([{"type": "question", "id": fixtures::question_link(7)}]),
        json!([{"type": "question", "id": fixtures::dashboard_link(MAIN)}]),
        json!([{"type": "dashboard", "id": "42"}]),
        json!([{"type": "dashboard", "id": fixtures::dashboard_link(MAIN).to_uppercase()}]),
    ] {
        let viewer = Viewer::with(&scene, 999, &json!({ "resources": resources }));
        for target in [
            table(),
            board(MAIN),
            format!("/public/dashboard/{}", fixtures::dashboard_link(MAIN)),
        ] {
            viewer.get(&target).refused("resource_denied");
        }
        viewer
            .post(&format!("{}/csv", table()), &[], b"")
            .refused("resource_denied");
    }
}

#[test]
fn b17_a_link_has_one_spelling() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let link = fixtures::dashboard_link(MAIN);
    for near in [
        link.to_uppercase(),
        link.replace('-', ""),
        format!("{{{link}}}"),
        format!("urn:uuid:{link}"),
        format!("{link}%20"),
        format!("%20{link}"),
        format!("{link}."),
        format!("0x{link}"),
        link.replacen('0', "\u{ff10}", 1)
            .replace('\u{ff10}', "%EF%BC%90"),
    ] {
        for target in [table(), board(MAIN), format!("/public/dashboard/{link}")] {
            let outcome = viewer.get(&target.replace(&link, &near));
            outcome.refused_as(&["route_denied", "path_ambiguous"]);
        }
        let target = format!("{}/csv", table().replace(&link, &near));
        viewer
            .post(&target, &[], b"")
            .refused_as(&["route_denied", "path_ambiguous"]);
    }
    // The same text in another spelling of the path is the same link.
    let escaped = table().replace(&link, &link.replacen('d', "%64", 1));
    viewer.get(&escaped).harmless(7);
}

/// The settings of lists of values.
fn both_settings() -> [(&'static str, &'static [&'static str]); 2] {
    [
        ("", &["route_denied"]),
        (
            "values = \"constrained\"",
            &[
                "resource_denied",
                "route_denied",
                "param_locked",
                "param_invalid",
            ],
        ),
    ]
}

#[test]
fn b18_values_of_a_question_are_not_listed() {
    for (keys, codes) in both_settings() {
        let scene = Links::none().question(7, keys).start();
        let viewer = Viewer::mine(&scene);
        for number in 1..=5 {
            let of = format!("{}/params/b007{number:04}", question(7));
            for rest in ["values", "values?b0070001=999", "search/a", "search/7"] {
                viewer.get(&format!("{of}/{rest}")).refused_as(codes);
            }
        }
        for key in 1..=16 {
            let target = format!("{}/params/b0070004/remapping?value={key}", question(7));
            viewer.get(&target).refused("route_denied");
        }
    }
}

#[test]
fn b19_values_of_the_locked_parameter_are_not_listed() {
    for (keys, codes) in both_settings() {
        let scene = Links::none().dashboard(MAIN, keys).start();
        let viewer = Viewer::mine(&scene);
        for name in [
            &*id(1),
            "A0420001",
            "a0420001%20",
            "organization_id",
            "%610420001",
        ] {
            for rest in [
                "values",
                "search/7",
                "search/999",
                "values?a0420001=999",
                "remapping?value=777",
            ] {
                viewer
                    .get(&format!("{}/params/{name}/{rest}", board(MAIN)))
                    .refused_as(codes);
            }
        }
    }
}

#[test]
fn b20_values_keep_to_the_lock_whatever_is_asked() {
    let scene = Links::none()
        .dashboard(MAIN, "values = \"constrained\"")
        .start();
    let viewer = Viewer::mine(&scene);
    let names =
        |query: &str| viewer.get(&format!("{}/params/{}/values{query}", board(MAIN), id(9)));
    for query in ["", "?a0420002=", "?ignore_cache=1"] {
        let outcome = names(query);
        assert_eq!(
            outcome.clean().reply.json()["values"]
                .as_array()
                .unwrap()
                .len(),
            7,
            "{query}"
        );
        assert_eq!(outcome.sent().query(), [(id(1), "999".to_owned())]);
    }
    for (query, code) in [
        ("?a0420001=777", "param_locked"),
        ("?a0420001=", "param_locked"),
        ("?a0420001=999&a0420001=777", "param_locked"),
        ("?A0420001=777", "param_locked"),
        ("?a0420001[]=777", "param_locked"),
        ("?organization_id=777", "param_locked"),
        ("?a0420008=1", "param_disabled"),
        ("?a0420010=x", "param_invalid"),
        ("?x=1", "param_invalid"),
        ("?region=Europe", "param_invalid"),
        ("?parameters=[]", "param_invalid"),
    ] {
        names(query).refused(code);
    }
    let outcome = names("?a0420002=Europe");
    assert_eq!(
        outcome.clean().reply.json()["values"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let sent: Vec<(String, String)> = vec![(id(2), "Europe".into()), (id(1), "999".into())];
    assert_eq!(outcome.sent().query(), sent);
    let found = viewer.get(&format!("{}/params/{}/search/o", board(MAIN), id(9)));
    assert_eq!(found.clean().reply.status, 200);
    assert_eq!(found.sent().query(), [(id(1), "999".to_owned())]);
    for key in 1..=16 {
        let target = format!(
            "{}/params/{}/remapping?value={key}&a0420001=999",
            board(MAIN),
            id(5)
        );
        viewer.get(&target).refused("route_denied");
    }
}
