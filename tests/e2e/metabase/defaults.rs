//! What values mean: defaults, lists, numbers, the files that they are exported to (rows 21 to 23, 52, 76 to 80 of the contract's 5.1).

use embedgate::demo::accounts::ACCOUNTS;
use serde_json::{Value, json};

use super::{
    setup::Scene,
    wide::{MINE, changed, encoded, grant, named, own, own_and, refused, told, wide},
};
use crate::support::client::Reply;

/// Question 6: native, the tag `plan` has a default.
fn native(scene: &Scene, params: &Value, rest: &str) -> Reply {
    let token = grant("question", &json!(6), params);
    scene.get(&format!("/api/embed/card/{token}/query{rest}"))
}

/// Dashcard 102 of dashboard 42: native, the tag `min_seats` has the default 10.
fn on_dashboard(scene: &Scene, params: &Value, rest: &str) -> Reply {
    let token = grant("dashboard", &json!(42), params);
    scene.get(&format!(
        "/api/embed/dashboard/{token}/dashcard/102/card/202{rest}"
    ))
}

fn seats_from(least: u32) -> usize {
    ACCOUNTS
        .iter()
        .filter(|one| one.tenant == 999 && one.seats >= least)
        .count()
}

#[test]
fn row_21_defaults_of_a_question() {
    let scene = wide("");
    for format in ["", "/csv", "/json", "/xlsx", "/api"] {
        let count = |query: &str| named(&native(&scene, &own(), &format!("{format}{query}")));
        assert_eq!(count(""), 4, "{format}: left out, the default holds");
        assert_eq!(count("?plan="), 7, "{format}: cleared, there is no filter");
        assert_eq!(count(&encoded(&json!({ "plan": null }))), 7, "{format}");
        assert_eq!(count(&encoded(&json!({ "plan": [] }))), 7, "{format}");
        assert_eq!(count("?plan=Starter"), 2, "{format}");
        let preset = own_and(&json!({ "plan": ["Starter"] }));
        assert_eq!(named(&native(&scene, &preset, format)), 2, "{format}");
        // Metabase takes these for "no filter" (enabled) or refuses them (locked): we refuse.
        for empty in [json!(null), json!(""), json!([])] {
            let params = own_and(&json!({ "plan": empty }));
            refused(&native(&scene, &params, format), 403, "param_missing");
            let params = json!({ MINE: empty });
            refused(&native(&scene, &params, format), 403, "param_missing");
        }
        let message = "You're not allowed to specify a value for note.";
        let reply = native(&scene, &own(), &format!("{format}?note="));
        told(&reply, 403, "param_disabled", message);
        let preset = own_and(&json!({ "note": "x" }));
        refused(&native(&scene, &preset, format), 403, "param_disabled");
    }
}

#[test]
fn row_52_native_defaults_on_a_dashboard() {
    let scene = wide("");
    for format in ["", "/csv", "/json", "/xlsx", "/api"] {
        let count = |query: &str| named(&on_dashboard(&scene, &own(), &format!("{format}{query}")));
        assert_eq!(count(""), seats_from(10), "{format}");
        assert_eq!(count("?min_seats="), 7, "{format}");
        assert_eq!(count("?min_seats=42"), seats_from(42), "{format}");
        assert_eq!(count(&encoded(&json!({ "min_seats": 42 }))), seats_from(42));
        let preset = own_and(&json!({ "min_seats": 64 }));
        assert_eq!(
            named(&on_dashboard(&scene, &preset, format)),
            seats_from(64)
        );
        let empty = own_and(&json!({ "min_seats": null }));
        refused(&on_dashboard(&scene, &empty, format), 403, "param_missing");
    }
}

#[test]
fn row_22_exports_honour_the_filters_of_the_address() {
    let scene = wide("");
    for query in ["?region=Europe", &encoded(&json!({ "region": ["Europe"] }))] {
        let reply = native(&scene, &own(), &format!("/csv{query}&plan="));
        // Filters stand in one encoding or the other.
        if query.starts_with("?parameters") {
            refused(&reply, 400, "request_malformed");
            continue;
        }
        assert_eq!(reply.text().lines().count(), 1 + 3, "{query} {reply:?}");
    }
    let reply = native(
        &scene,
        &own(),
        &format!(
            "/csv{}",
            encoded(&json!({ "region": ["Europe"], "plan": null }))
        ),
    );
    assert_eq!(reply.text().lines().count(), 1 + 3);
}

#[test]
fn row_23_a_file_address_leads_to_the_export() {
    let scene = wide("");
    let token = grant("question", &json!(6), &own());
    for (format, kind) in [
        ("csv", "text/csv; charset=utf-8"),
        ("json", "application/json"),
        (
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
    ] {
        let page = scene.get(&format!("/embed/question/{token}.{format}?plan=Starter"));
        assert_eq!(page.status, 302, "{page:?}");
        let location = page.header("location").unwrap().to_owned();
        assert_eq!(
            location,
            format!("/api/embed/card/{token}/query/{format}?plan=Starter")
        );
        let file = scene.get(&location);
        assert_eq!((file.status, named(&file)), (200, 2), "{file:?}");
        assert_eq!(file.header("content-type"), Some(kind));
        let name = file.header("content-disposition").unwrap();
        assert!(name.starts_with("attachment"), "{name}");
    }
}

#[test]
fn row_76_a_lone_value_is_a_list_of_one() {
    let scene = wide("");
    let answers: Vec<Reply> = [
        "?region=Europe&plan=".to_owned(),
        encoded(&json!({ "region": "Europe", "plan": null })),
        encoded(&json!({ "region": ["Europe"], "plan": null })),
    ]
    .iter()
    .map(|query| native(&scene, &own(), query))
    .collect();
    for reply in &answers {
        assert_eq!(named(reply), 3);
        assert_eq!(reply.json()["data"], answers[0].json()["data"]);
    }
    // In the token as well, and Metabase gets a list either way.
    for value in [json!(999), json!([999])] {
        let reply = native(&scene, &json!({ MINE: value }), "?plan=");
        assert_eq!(named(&reply), 7);
        let claims = scene.metabase.last().claims().unwrap();
        assert_eq!(claims["params"][MINE], json!([999]));
    }
}

#[test]
fn row_77_single_values_for_operators_and_repeated_keys() {
    let scene = wide("");
    let card = |rest: &str| {
        let token = grant("question", &json!(7), &own());
        scene.get(&format!("/api/embed/card/{token}/query{rest}"))
    };
    assert_eq!(named(&card("?name=BAKERY")), 1);
    assert_eq!(named(&card("?region=Europe&region=Americas")), 6);
    let table = |rest: &str| {
        let token = grant("dashboard", &json!(42), &own());
        scene.get(&format!(
            "/api/embed/dashboard/{token}/dashcard/101/card/201{rest}"
        ))
    };
    assert_eq!(named(&table("?name=BAKERY")), 1);
    assert_eq!(named(&table("?min_seats=42")), seats_from(42));
    assert_eq!(named(&table("?region=Europe&region=Americas")), 6);
    assert_eq!(
        scene.metabase.last().json("parameters"),
        json!({ "region": ["Europe", "Americas"] })
    );
}

#[test]
fn row_78_a_number_in_the_token_is_a_number() {
    let scene = wide("");
    for (value, good) in [
        (json!(999), true),
        (json!([999]), true),
        (json!("999"), false),
        (json!(999.0), false),
        (json!(true), false),
        (json!(9.99e2), false),
    ] {
        let reply = native(&scene, &json!({ MINE: value }), "?plan=");
        if good {
            assert_eq!(named(&reply), 7, "{value}");
        } else {
            refused(&reply, 403, "param_invalid");
        }
    }
}

#[test]
fn row_79_big_integers_arrive_exactly() {
    let scene = changed("", |text| {
        text.replace(
            "min_seats = { mode = \"enabled\", type = \"integer\" }",
            "min_seats = { mode = \"enabled\", type = \"integer\", list = true }",
        )
    });
    scene.metabase.edit(|store| {
        store.dashboard(42).parameter("min_seats").kind = "number/between".into();
    });
    let token = grant("dashboard", &json!(42), &own());
    let table = format!("/api/embed/dashboard/{token}/dashcard/101/card/201");
    let big = "9223372036854775808";
    for query in [
        format!("?min_seats=42&min_seats={big}"),
        format!("?parameters=%7B%22min_seats%22%3A%5B42%2C{big}%5D%7D"),
        format!("?parameters=%7B%22min_seats%22%3A%5B%2242%22%2C{big}%5D%7D"),
        format!("?parameters=%7B%22min_seats%22%3A%5B42%2C%22{big}%22%5D%7D"),
    ] {
        let reply = scene.get(&format!("{table}{query}"));
        assert_eq!(
            (reply.status, named(&reply)),
            (202, seats_from(42)),
            "{query}"
        );
        let seen = scene.metabase.last();
        let (_, sent) = &seen.query()[0];
        assert_eq!(*sent, format!("{{\"min_seats\":[42,{big}]}}"), "{query}");
    }
}

#[test]
fn row_80_exports_are_formatted_on_demand() {
    let scene = wide("");
    for (query, cell) in [
        ("?format_rows=true&plan=", "\"3,150\""),
        ("?format_rows=false&plan=", ",3150"),
        ("?plan=", ",3150"),
    ] {
        let reply = native(&scene, &own(), &format!("/csv{query}"));
        assert!(reply.text().contains(cell), "{query} {}", reply.text());
    }
    for query in [
        "?format_rows=yes",
        "?format_rows=true&format_rows=false",
        "?format_rows=",
    ] {
        refused(
            &native(&scene, &own(), &format!("/csv{query}")),
            400,
            "request_malformed",
        );
    }
}
