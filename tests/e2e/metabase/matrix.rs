//! Who may say what of a parameter: Metabase's matrix (rows 12 to 23, 40 to 51, 69 to 75 of the contract's 5.1), at every place where rows come out.
//!
//! Where Metabase answers 400 in plain words, we refuse with 403 and a code, in words like its own, and Metabase does not hear of it.

use serde_json::{Value, json};

use super::{
    setup::Scene,
    wide::{
        DOORS, Door, MINE, encoded, grant, named, names_own_only, own, own_and, refused, told,
        unheard, wide,
    },
};
use crate::support::metabase::{
    SECRET,
    fixtures::{on_dashboard, on_question},
    store::Query,
};

/// Both of Metabase's encodings of one filter.
fn both(slug: &str, value: &str) -> [String; 2] {
    [format!("?{slug}={value}"), encoded(&json!({ slug: value }))]
}

/// Each place, and what Metabase was asked there.
fn good(scene: &Scene, door: Door, params: &Value, query: &str, token: &Value, asked: &Value) {
    let reply = door.ask(scene, params, query);
    assert_eq!(reply.status, door.status, "{door:?} {query} {reply:?}");
    assert!(names_own_only(&reply), "{door:?} {query}");
    let seen = scene.metabase.last();
    let claims = seen.claims().unwrap();
    assert_eq!(claims["params"], *token, "{door:?} {query}");
    assert_eq!(claims["resource"], json!({ door.kind: door.id }));
    assert_eq!(seen.json("parameters"), *asked, "{door:?} {query}");
}

#[test]
fn rows_12_16_40_42_69_70_success_in_every_format_by_number_and_entity_id() {
    let scene = wide("");
    for door in DOORS {
        good(
            &scene,
            door,
            &own(),
            "",
            &json!({ MINE: [999] }),
            &json!({}),
        );
        let letter = if door.kind == "dashboard" { "D" } else { "C" };
        let entity = format!("{letter}{:0>20}", door.id);
        let token = grant(door.kind, &json!(entity), &own());
        let reply = scene.get(&door.target(&token, ""));
        assert_eq!(reply.status, door.status, "{door:?} {reply:?}");
        let claims = scene.metabase.last().claims().unwrap();
        assert_eq!(claims["resource"], json!({ door.kind: entity }));
    }
}

#[test]
fn rows_12_16_26_30_46_48_69_71_73_unpublished_off_archived_or_signed_by_another_key() {
    let scene = wide("");
    let claims = json!({
        "aud": "embedgate", "sub": "v", "exp": crate::support::gateway::now() + 60,
        "resource": { "dashboard": 42 }, "params": own(),
    });
    let forged = super::wide::signed_by("HS256", SECRET.as_bytes(), &claims);
    for door in DOORS {
        let before = scene.metabase.seen().len();
        let reply = scene.get(&door.target(&forged, ""));
        unheard(&scene, before, &reply, 401, "token_invalid");
    }
    // What Metabase alone knows, it says with its status; not in its words.
    let refuses = |status: u16| {
        for door in DOORS {
            let reply = door.ask(&scene, &own(), "");
            assert_eq!(reply.status, status, "{door:?} {reply:?}");
            assert_eq!(reply.text(), "An error occurred.", "{door:?}");
        }
    };
    scene.metabase.edit(|store| {
        store.dashboard(42).embedding.enabled = false;
        store.card(7).embedding.enabled = false;
        store.card(8).embedding.enabled = false;
    });
    refuses(400);
    scene.metabase.edit(|store| {
        store.dashboard(42).embedding.enabled = true;
        store.card(7).embedding.enabled = true;
        store.card(8).embedding.enabled = true;
        store.embedding = false;
    });
    refuses(400);
    scene.metabase.edit(|store| {
        store.embedding = true;
        store.dashboard(42).archived = true;
        store.card(7).archived = true;
        store.card(8).archived = true;
    });
    refuses(404);
    scene.metabase.edit(|store| {
        store.dashboard(42).archived = false;
        store.card(7).archived = false;
        store.card(8).archived = false;
        store.secret = Some("f".repeat(64));
    });
    refuses(400);
}

#[test]
fn rows_12_16_45_broken_sql_gives_the_generic_error_only() {
    let scene = wide("");
    scene.metabase.edit(|store| {
        store.card(7).query = Query::Broken;
        store.card(201).query = Query::Broken;
    });
    for door in DOORS.iter().filter(|door| {
        door.path.ends_with("card/201") || door.path.contains("card/201/") || door.id == 7
    }) {
        let reply = door.ask(&scene, &own(), "");
        assert_eq!(reply.status, 400, "{door:?} {reply:?}");
        let text = reply.text();
        let generic = text.contains("An error occurred");
        assert!(generic && !text.contains("SELECT"), "{door:?} {text}");
    }
}

#[test]
fn rows_17_42_exports_have_no_row_limit_and_pages_do() {
    let scene = wide("");
    scene.metabase.edit(|store| store.behaviour.max_results = 2);
    for door in DOORS.iter().filter(|door| door.id != 8) {
        let reply = door.ask(&scene, &own(), "");
        let limited = door.path.ends_with("201") || door.path.ends_with("query");
        let table = !door.path.contains("206") && !door.path.contains("203");
        if table {
            assert_eq!(named(&reply), if limited { 2 } else { 7 }, "{door:?}");
        }
    }
}

#[test]
fn rows_18_49_72_locked_missing_in_the_token() {
    let scene = wide("");
    for door in DOORS {
        for (params, code) in [
            (json!({}), "param_missing"),
            (json!({ MINE: null }), "param_missing"),
            (json!({ MINE: "" }), "param_missing"),
            (json!({ MINE: [] }), "param_missing"),
            (json!({ MINE: [null] }), "param_missing"),
            (json!({ MINE: [[]] }), "param_missing"),
            (json!({ MINE: {} }), "param_invalid"),
            (json!({ MINE: { "all": false } }), "param_invalid"),
            (json!({ MINE: "acme" }), "param_invalid"),
            (json!({ MINE: [999, 777] }), "param_invalid"),
            (json!({ "Organization_Id": 999 }), "param_missing"),
        ] {
            let before = scene.metabase.seen().len();
            let reply = door.ask(&scene, &params, "");
            unheard(&scene, before, &reply, 403, code);
            // In the address it helps nobody.
            let reply = door.ask(&scene, &params, &format!("?{MINE}=999"));
            unheard(&scene, before, &reply, 403, code);
        }
    }
}

#[test]
fn rows_18_49_72_locked_in_the_token_and_in_the_address() {
    let scene = wide("");
    let message = "You can only specify a value for organization_id in the token.";
    for door in DOORS {
        for value in ["777", "", "0", "999%20", "all", "null", "999,777"] {
            for query in both(MINE, value) {
                let before = scene.metabase.seen().len();
                let reply = door.ask(&scene, &own(), &query);
                unheard(&scene, before, &reply, 403, "param_locked");
                assert_eq!(reply.json()["message"], message, "{door:?} {query}");
            }
        }
        for parameters in [
            json!({ MINE: null }),
            json!({ MINE: [] }),
            json!({ MINE: [999, 777] }),
            json!({ MINE: [[999]] }),
            json!({ MINE: { "all": true } }),
        ] {
            let reply = door.ask(&scene, &own(), &encoded(&parameters));
            told(&reply, 403, "param_locked", message);
        }
        // The same value says nothing new: dropped.
        for query in [
            format!("?{MINE}=999"),
            encoded(&json!({ MINE: 999 })),
            encoded(&json!({ MINE: [999] })),
            encoded(&json!({ MINE: ["999"] })),
        ] {
            let minted = json!({ MINE: [999] });
            good(&scene, door, &own(), &query, &minted, &json!({}));
        }
    }
}

#[test]
fn rows_18_49_72_the_locked_name_in_other_spellings() {
    let scene = wide("");
    for door in DOORS {
        for name in [
            "Organization_Id",
            "organization_id[]",
            "organization_id%5B0%5D",
            "+organization_id",
            "organization%5Fid%20",
            "%EF%BD%8Frganization_id",
        ] {
            let before = scene.metabase.seen().len();
            let reply = door.ask(&scene, &own(), &format!("?{name}=777"));
            unheard(&scene, before, &reply, 403, "param_locked");
        }
    }
}

#[test]
fn rows_19_50_74_disabled_in_the_token_or_in_the_address() {
    let scene = wide("");
    for door in DOORS {
        let before = scene.metabase.seen().len();
        let reply = door.ask(&scene, &own_and(&json!({ "internal": 1 })), "");
        unheard(&scene, before, &reply, 403, "param_disabled");
        for value in ["1", "", "null"] {
            for query in both("internal", value) {
                let reply = door.ask(&scene, &own(), &query);
                let message = "You're not allowed to specify a value for internal.";
                unheard(&scene, before, &reply, 403, "param_disabled");
                assert_eq!(reply.json()["message"], message, "{door:?} {query}");
            }
        }
    }
}

#[test]
fn rows_20_51_75_enabled_in_the_token_or_in_the_address_but_not_in_both() {
    let scene = wide("");
    let preset = own_and(&json!({ "region": "Europe" }));
    let message = "You can't specify a value for region, it is already set in the token.";
    for door in DOORS {
        let minted = json!({ MINE: [999], "region": ["Europe"] });
        good(&scene, door, &preset, "", &minted, &json!({}));
        let mine = json!({ MINE: [999] });
        let asked = json!({ "region": "Europe" });
        good(&scene, door, &own(), "?region=Europe", &mine, &asked);
        good(&scene, door, &own(), &encoded(&asked), &mine, &asked);
        for value in ["Americas", "", "europe"] {
            for query in both("region", value) {
                let before = scene.metabase.seen().len();
                let reply = door.ask(&scene, &preset, &query);
                unheard(&scene, before, &reply, 403, "param_locked");
                assert_eq!(reply.json()["message"], message, "{door:?} {query}");
            }
        }
        // An empty preset is no way to say "nothing", nor "all".
        for empty in [json!(null), json!(""), json!([]), json!({ "all": true })] {
            let reply = door.ask(&scene, &own_and(&json!({ "region": empty })), "");
            assert_eq!(reply.status, 403, "{door:?} {reply:?}");
        }
    }
}

#[test]
fn rows_49_51_unknown_slugs_and_two_readings() {
    let scene = wide("");
    for door in DOORS {
        let before = scene.metabase.seen().len();
        let reply = door.ask(&scene, &own(), "?unlisted=x");
        told(&reply, 403, "param_invalid", "Unknown parameter unlisted.");
        let reply = door.ask(&scene, &own_and(&json!({ "unlisted": "x" })), "");
        refused(&reply, 403, "param_invalid");
        for (query, code) in [
            ("?parameters=%7B%7D&parameters=%7B%7D", "request_malformed"),
            ("?parameters[]=%7B%7D", "request_malformed"),
            ("?Parameters=%7B%7D", "request_malformed"),
            ("?parameters=", "request_malformed"),
            ("?parameters=%5B%5D", "request_malformed"),
            (
                "?parameters=%7B%22region%22%3A1%2C%22region%22%3A2%7D",
                "request_malformed",
            ),
            ("?parameters=%7B%7D&region=Europe", "request_malformed"),
            ("?parameters=%7B%22region%22%3A%7B%7D%7D", "param_invalid"),
            (
                "?parameters=%7B%22region%22%3A%5B%5B1%5D%5D%7D",
                "param_invalid",
            ),
            ("?min_seats=1&min_seats=2", "param_invalid"),
            ("?min_seats=ten", "param_invalid"),
        ] {
            let reply = door.ask(&scene, &own(), query);
            assert_eq!(&*reply.code(), code, "{door:?} {query} {reply:?}");
        }
        assert_eq!(scene.metabase.seen().len(), before);
    }
}

#[test]
fn row_49_ids_are_no_slugs_and_other_keys_do_not_go_on() {
    let scene = wide("");
    let door = DOORS[0];
    for id in [on_dashboard(42, 1), on_dashboard(42, 2), on_question(7, 1)] {
        let reply = door.ask(&scene, &own(), &format!("?{id}=777"));
        refused(&reply, 403, "param_invalid");
    }
    let query = "?ignore_cache=true&dashboard_load_id=1&region=Europe&format_rows=true";
    let reply = door.ask(&scene, &own(), query);
    assert_eq!(reply.status, 202, "{reply:?}");
    let seen = scene.metabase.last();
    let keys: Vec<_> = seen.query().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["parameters", "format_rows"]);
}

#[test]
fn rows_18_51_a_batch_keeps_to_the_same_rules() {
    let scene = wide("");
    scene.metabase.edit(|store| store.behaviour.batch = true);
    let token = grant("dashboard", &json!(42), &own());
    let cards = "cards=%5B%7B%22dashcard_id%22%3A101%2C%22card_id%22%3A201%7D%2C%7B%22dashcard_id%22%3A105%2C%22card_id%22%3A206%7D%5D";
    let path = format!("/api/embed/dashboard/{token}/card-query-batch");
    let reply = scene.get(&format!("{path}?{cards}&region=Europe"));
    assert_eq!((reply.status, named(&reply)), (202, 3), "{reply:?}");
    let lines: Vec<Value> = reply
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["dashcard_id"], &lines[1]["card_id"]),
        (&json!(101), &json!(206))
    );
    assert!(!reply.text().contains("json_query"));
    let before = scene.metabase.seen().len();
    for (query, status, code) in [
        (format!("{cards}&{MINE}=777"), 403, "param_locked"),
        (format!("{cards}&internal=1"), 403, "param_disabled"),
        (format!("{cards}&{cards}"), 400, "request_malformed"),
        ("cards=%5B%5D".into(), 400, "request_malformed"),
        (String::new(), 400, "request_malformed"),
    ] {
        let reply = scene.get(&format!("{path}?{query}"));
        unheard(&scene, before, &reply, status, code);
    }
}
