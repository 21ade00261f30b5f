//! Attacks on public links that are on nobody's list: mixtures of encodings, credentials, places and moments. None shows another tenant's row.

use std::io::{BufReader, Write};

use serde_json::json;

use super::{
    public_links::Links,
    public_setup::{
        MAIN, Viewer, board, dashcard, encoded, filters, id, named, question, table, ways,
    },
};
use crate::support::{
    client::{connect, post, read},
    get,
    metabase::Behaviour,
};

#[test]
fn a_batch_of_cards_is_not_a_way_in() {
    for behaviour in [
        Behaviour {
            batch: true,
            ..Behaviour::default()
        },
        Behaviour {
            batch: true,
            ..Behaviour::old()
        },
    ] {
        let scene = Links::usual().behaving(behaviour).start();
        let viewer = Viewer::mine(&scene);
        let cards = encoded(&json!([{"dashcard_id": 101, "card_id": 201}]).to_string());
        for query in ["", "&parameters=[]", "&parameters=%5B%5D"] {
            let target = format!("{}/card-query-batch?cards={cards}{query}", board(MAIN));
            viewer.get(&target).refused("route_denied");
            viewer.post(&target, &[], b"").refused("route_denied");
        }
    }
}

#[test]
fn the_fields_of_older_versions_are_not_there() {
    let scene = Links::usual().behaving(Behaviour::old()).start();
    let viewer = Viewer::mine(&scene);
    for target in [board(MAIN), question(7)] {
        for rest in [
            "field/61/values",
            "field/62/search/62",
            "field/60/remapping/62",
            "params",
            "execute",
            "related",
            "query_metadata",
        ] {
            viewer
                .get(&format!("{target}/{rest}"))
                .refused("route_denied");
        }
    }
}

#[test]
fn a_media_type_of_any_kind_is_no_way_around() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let other = json!([{"id": id(1), "value": [777]}]);
    let form = format!("parameters={}", encoded(&other.to_string()));
    let document = json!({"parameters": other}).to_string();
    for kind in [
        "APPLICATION/JSON",
        "application/json ; charset=UTF-8",
        "application/json;charset=utf-16le",
        "application/json;charset=utf-7",
        "application/json; charset=ibm037",
        "application/json;charset=\"utf-16\"",
        "application/json;;charset=utf-16",
        "application/jsonx",
        "application/vnd.api+json",
        "text/json",
        "application/transit+json",
        "application/edn",
        "application/x-www-form-urlencoded;",
        "application/x-www-form-urlencoded;charset=ibm037",
        "application/x-www-form-urlencoded, text/plain",
        "application/xml",
        "x",
        "*/*",
        "multipart/form-data",
        "multipart/mixed; boundary=b",
        "multipart/form-data; boundary=b; boundary=c",
        "application/octet-stream",
    ] {
        for body in [&form, &document] {
            for format in ["csv", "api"] {
                let outcome = viewer.post(
                    &format!("{}/{format}", table()),
                    &[("Content-Type", kind)],
                    body.as_bytes(),
                );
                if outcome.reply.code().is_empty() {
                    // Read as what it says, there is no filter in it.
                    outcome.harmless(7);
                } else {
                    outcome.refused_as(&["param_locked", "request_malformed", "body_unsupported"]);
                }
            }
        }
    }
}

#[test]
fn a_body_where_none_belongs_is_nothing() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let other = json!({"parameters": [{"id": id(1), "value": [777]}]}).to_string();
    for way in ways().iter().filter(|way| !way.posts) {
        let text = format!(
            "GET {} HTTP/1.1\r\nHost: bi.example.com\r\nBEARERContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{other}",
            way.path,
            other.len()
        );
        let outcome = viewer.raw(&text);
        if outcome.reply.code().is_empty() {
            outcome.harmless(way.names);
            assert!(outcome.sent().all("content-length").is_empty());
        } else {
            outcome.refused_as(&["body_too_large", "request_malformed"]);
        }
    }
}

#[test]
fn parameters_in_odd_encodings() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for way in ways() {
        let other = json!([{"id": way.lock, "value": [777]}]).to_string();
        for pairs in [
            // Encoded twice, once too little, in another charset, with a separator that some know.
            format!("parameters={}", encoded(&encoded(&other))),
            format!("parameters=[];parameters={}", encoded(&other)),
            format!("x=1;parameters={}", encoded(&other)),
            format!("parameters=%5B%5D%26parameters={}", encoded(&other)),
            format!("parameters=%5B%5D%00{}", encoded(&other)),
            format!("parameters=%5B%5D%0a{}", encoded(&other)),
            format!("parameters=%5B%5D%0d%0aX%3A%20{}", encoded(&other)),
            format!("parameters=%ff%fe{}", encoded(&other)),
            format!("parameters=%C0%A2{}", encoded(&other)),
            format!("parameters=%u005B{}", encoded(&other)),
            format!(
                "parameters={}&_method=GET&_charset_=utf-16",
                encoded(&other)
            ),
            format!("=parameters&parameters={}", encoded(&other)),
            format!("&&&parameters={}", encoded(&other)),
            format!("parameters==&parameters={}", encoded(&other)),
            format!(
                "json_query={}",
                encoded(&json!({"parameters": [{"id": way.lock, "value": [777]}]}).to_string())
            ),
            format!(
                "query=%7B%7D&dashboard_id=43&card_id=208&dashcard_id=122&parameters={}",
                encoded(&other)
            ),
        ] {
            let outcome = viewer.keyed(&way, &pairs);
            if outcome.reply.code().is_empty() {
                outcome.harmless(way.names);
            } else {
                outcome.refused_as(&[
                    "param_locked",
                    "request_malformed",
                    "body_unsupported",
                    "param_invalid",
                ]);
            }
        }
    }
}

#[test]
fn values_of_open_parameters_carry_nothing_along() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for value in [
        json!([["Europe"], 777]),
        json!({"value": ["Europe"], "id": id(1)}),
        json!([{"id": id(1), "value": [777]}]),
        json!([null]),
        json!([["field", 61, null]]),
        json!(["x\u{0}"]),
        json!(["x\ny"]),
        json!(["x".repeat(10_000)]),
        json!(vec!["x"; 2000]),
        json!(true),
        json!(5),
    ] {
        let sent = json!([{"id": id(2), "value": value}]).to_string();
        let outcome = viewer.get(&format!("{}?parameters={}", table(), encoded(&sent)));
        outcome.refused_as(&["param_invalid", "request_malformed"]);
    }
    // What is text stays text, in its own place.
    for text in [
        "\"}],[{\"id\":\"a0420001\",\"value\":[777]}]",
        "Europe' OR 1=1 --",
        "{{organization_id}}",
        "[[field]]",
        "&parameters=[]",
        "%5B%5D",
        "777",
        "a0420001",
    ] {
        let sent = json!([{"id": id(2), "value": [text]}]).to_string();
        let outcome = viewer.get(&format!("{}?parameters={}", table(), encoded(&sent)));
        outcome.harmless(0);
        assert_eq!(filters(outcome.sent())[0]["value"], json!([text]));
    }
    let long = json!([{"id": id(2), "value": vec!["Europe"; 1000]}]).to_string();
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let body = format!("parameters={}", encoded(&long));
    viewer
        .post(&format!("{}/csv", table()), &[form], body.as_bytes())
        .harmless(3);
}

#[test]
fn headers_do_not_smuggle_filters_or_paths() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let other = encoded(&json!([{"id": id(1), "value": [777]}]).to_string());
    for (name, value) in [
        ("X-Original-URL", dashcard(43, 122, 208)),
        ("X-Rewrite-URL", format!("{}?parameters={other}", table())),
        ("X-HTTP-Method-Override", "POST".into()),
        ("X-Forwarded-Uri", dashcard(43, 122, 208)),
        ("X-Metabase-Client", format!("x\t{other}")),
        ("Accept", format!("text/csv; parameters={other}")),
        ("Connection", "close, Authorization, Host".into()),
        ("Te", "trailers, chunked".into()),
        (
            "Cookie",
            format!("parameters={other}; organization_id=777; $Version=1"),
        ),
        (
            "Referer",
            format!("http://bi.example.com{}?parameters={other}", table()),
        ),
        ("User-Agent", "777".into()),
    ] {
        let outcome = viewer.get_with(&table(), &[(name, &value)]);
        if outcome.reply.status == 202 {
            outcome.harmless(7);
            assert_eq!(outcome.sent().path(), table());
            assert_eq!(outcome.sent().method, "GET");
        } else {
            assert!(
                outcome.clean().asked().is_empty(),
                "{name} {}",
                outcome.short()
            );
        }
    }
}

#[test]
fn tenants_that_ask_at_once_get_their_own() {
    let scene = Links::usual().settings("layout_ttl = \"0s\"").start();
    std::thread::scope(|threads| {
        for tenant in [999, 777, 555] {
            let address = scene.gateway.address;
            let token = Viewer::of(&scene, tenant).token;
            threads.spawn(move || {
                let bearer = format!("Bearer {token}");
                let headers = [("Authorization", bearer.as_str())];
                for round in 0..20 {
                    for way in ways() {
                        let reply = if way.posts {
                            post(address, &way.path, &headers, b"")
                        } else {
                            get(address, &way.path, &headers)
                        };
                        assert!(matches!(reply.status, 200 | 202), "{round} {reply:?}");
                        let text = String::from_utf8_lossy(&reply.body);
                        for other in [999, 777, 555].into_iter().filter(|one| *one != tenant) {
                            assert_eq!(named(&text, other), 0, "{tenant} saw {other}");
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn one_connection_serves_each_viewer_their_own() {
    let scene = Links::usual().start();
    let mut stream = connect(scene.gateway.address);
    let mut sent = String::new();
    let export = format!("{}/csv", table());
    let asked = [999, 777, 0, 555, 999];
    for tenant in asked {
        let token = Viewer::of(&scene, tenant).token;
        let line = format!("Authorization: Bearer {token}\r\n");
        let line = if tenant == 0 { "" } else { &*line };
        // Bodies that look like requests, where one belongs and where none does.
        let inner = format!("GET {} HTTP/1.1\r\nHost: bi.example.com\r\n\r\n", table());
        let length = inner.len();
        sent += &[
            "POST ",
            &export,
            " HTTP/1.1\r\nHost: bi.example.com\r\n",
            line,
            "Content-Type: text/plain\r\nContent-Length: ",
            &length.to_string(),
            "\r\n\r\n",
            &inner,
            "GET ",
            &table(),
            " HTTP/1.1\r\nHost: bi.example.com\r\n",
            line,
            "\r\n",
        ]
        .concat();
    }
    stream.write_all(sent.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    for tenant in asked {
        let code = if tenant == 0 {
            "token_missing"
        } else {
            "body_unsupported"
        };
        let Some(refused) = read(&mut stream, false) else {
            return;
        };
        assert_eq!(refused.code(), code);
        let Some(rows) = read(&mut stream, false) else {
            return;
        };
        for one in [999, 777, 555] {
            let own = named(&String::from_utf8_lossy(&rows.body), one);
            assert_eq!(own > 0, one == tenant, "{tenant} {rows:?}");
        }
    }
}

#[test]
fn numbers_of_cards_have_one_spelling_in_every_place() {
    let scene = Links::usual().dashboard(43, "").start();
    let viewer = Viewer::mine(&scene);
    for (d, c) in [
        ("101", "201.0"),
        ("101", "0x c9"),
        ("１０１", "201"),
        ("101", "201,208"),
        ("101%2C122", "201"),
        ("101", "*"),
        ("101", "all"),
        ("101", "null"),
        ("101", "-201"),
        ("٠١", "201"),
    ] {
        let target = format!("{}/dashcard/{}/card/{}", board(43), encoded(d), encoded(c));
        for target in [target.clone(), target.replace("/public/", "/public/pivot/")] {
            viewer
                .get(&target)
                .refused_as(&["route_denied", "path_ambiguous"]);
        }
        viewer
            .post(&format!("{target}/csv"), &[], b"")
            .refused_as(&["route_denied", "path_ambiguous"]);
    }
}

#[test]
fn what_the_viewer_types_into_a_search_stays_a_search() {
    let scene = Links::none()
        .dashboard(MAIN, "values = \"constrained\"")
        .start();
    let viewer = Viewer::mine(&scene);
    for text in [
        "..",
        "%2e%2e",
        "%2e%2e%2fvalues",
        "a%2F..%2F..%2Fa0420001%2Fvalues",
        "a%3Fa0420001=777",
        "a%23",
        "a;b",
        "a%00",
        "%ff",
        "a%5cb",
        "a%25",
        "%EF%BC%8F",
    ] {
        let target = format!("{}/params/{}/search/{text}", board(MAIN), id(9));
        let outcome = viewer.get(&target);
        if outcome.reply.status == 200 {
            outcome.clean();
            assert_eq!(
                outcome.sent().query(),
                [(id(1), "999".to_owned())],
                "{text}"
            );
        } else {
            outcome.refused_as(&["path_ambiguous", "route_denied"]);
        }
    }
    for name in ["Nordkap", "Saimaa", "Helix"] {
        let outcome = viewer.get(&format!("{}/params/{}/search/{name}", board(MAIN), id(9)));
        assert_eq!(outcome.clean().reply.json()["values"], json!([]), "{name}");
    }
}

#[test]
fn errors_tell_no_more_than_answers() {
    for behaviour in [Behaviour::default(), Behaviour::old()] {
        let scene = Links::usual().behaving(behaviour).start();
        let viewer = Viewer::mine(&scene);
        for target in [
            format!("{}/query", question(12)),
            format!("{}/query/csv", question(12)),
            format!("{}/query/api", question(12)),
            format!("{}/query/json", question(11)),
        ] {
            let outcome = viewer.get(&target);
            outcome.clean();
            // Which is random, and may hold any digits.
            let id = outcome.reply.header("x-request-id").unwrap_or_default();
            let text = outcome.text().replace(id, "");
            for word in ["SELECT", "999", "b0120001", "b0110001", "organization_id"] {
                assert!(!text.contains(word), "{target} {word}: {text}");
            }
        }
    }
}

/// What stands in `tests/metabase` under a number stands here, too: whatever works without the gateway fails with it.
#[test]
fn every_attack_on_the_bare_stand_in_is_repeated_through_the_gateway() {
    let numbers = |files: &[&str]| -> Vec<u32> {
        let names = files.iter().flat_map(|text| text.split("\nfn b").skip(1));
        let mut all: Vec<u32> = names
            .filter_map(|rest| rest.get(..2)?.parse().ok())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let bare = numbers(&[
        include_str!("../../metabase/attacks.rs"),
        include_str!("../../metabase/surroundings.rs"),
    ]);
    let ours = numbers(&[
        include_str!("bypass_b01_b13.rs"),
        include_str!("bypass_b14_b20.rs"),
        include_str!("bypass_b21_b26.rs"),
        include_str!("bypass_b27_b32.rs"),
        include_str!("bypass_b33_b40.rs"),
    ]);
    assert!(bare.len() > 20, "{bare:?}");
    assert_eq!(ours, (1..=40).collect::<Vec<_>>());
}
