//! The bypass list, by its numbers, against the bare stand-in: what can be done to values. Each works.

use super::{
    MAIN, Reply, Standin, accounts, encoded, get, good, id, json, named, open, post, question,
    signed, table, with,
};

#[test]
fn b01_whoever_omits_the_locked_parameter_sees_everything() {
    let standin = Standin::start();
    assert_eq!(accounts(&standin, &table()), 16);
    assert_eq!(
        accounts(&standin, &format!("{}?parameters=[]", table())),
        16
    );
    assert_eq!(accounts(&standin, &format!("{}/query", question(7))), 16);
}

#[test]
fn b02_the_locked_parameter_takes_any_value() {
    let standin = Standin::start();
    for (value, rows) in [
        (json!([777]), 5),
        (json!(777), 5),
        (json!([777, 555]), 9),
        (json!(null), 16),
        (json!([]), 16),
        (json!(""), 16),
        (json!([null]), 16),
    ] {
        let target = table() + &with(&json!([{"id": id(1), "value": value}]));
        assert_eq!(accounts(&standin, &target), rows, "{value}");
    }
}

#[test]
fn b03_the_last_of_two_counts() {
    let standin = Standin::start();
    let (own, other) = (
        json!({"id": id(1), "value": [999]}),
        json!({"id": id(1), "value": [777]}),
    );
    assert_eq!(
        accounts(&standin, &(table() + &with(&json!([own, other])))),
        5
    );
    assert_eq!(
        accounts(&standin, &(table() + &with(&json!([other, own, other])))),
        5
    );
    let (own, other) = (
        json!({"id": "b0070001", "value": [999]}),
        json!({"id": "b0070001", "value": [777]}),
    );
    let target = format!("{}/query{}", question(7), with(&json!([own, other])));
    assert_eq!(accounts(&standin, &target), 5);
}

#[test]
fn b04_repeated_and_bracketed_keys_hide_the_lock() {
    let standin = Standin::start();
    let own = encoded(&json!([{"id": id(1), "value": [999]}]).to_string());
    let other = encoded(&json!([{"id": id(1), "value": [777]}]).to_string());
    for (query, rows) in [
        (format!("parameters={own}&parameters={other}"), 5),
        (format!("parameters[]={own}"), 16),
        (format!("parameters%5B%5D={own}"), 16),
        (format!("Parameters={own}"), 16),
    ] {
        assert_eq!(
            accounts(&standin, &format!("{}?{query}", table())),
            rows,
            "{query}"
        );
    }
}

#[test]
fn b05_the_last_of_two_keys_of_an_object_counts() {
    let standin = Standin::start();
    let text = format!(
        r#"[{{"id":"{}","value":["Europe"],"id":"{}","value":[777]}}]"#,
        id(2),
        id(1)
    );
    assert_eq!(
        accounts(
            &standin,
            &format!("{}?parameters={}", table(), encoded(&text))
        ),
        5
    );
}

#[test]
fn b06_an_escaped_id_is_the_same_id() {
    let standin = Standin::start();
    let text = r#"[{"id":"\u00610420\u003001","value":[777]}]"#;
    assert_eq!(
        accounts(
            &standin,
            &format!("{}?parameters={}", table(), encoded(text))
        ),
        5
    );
    for near in ["a0420001 ", "A0420001"] {
        let target = table() + &with(&json!([{"id": near, "value": [777]}]));
        let reply = get(standin.address, &target, &[]);
        assert_eq!((reply.status, reply.text()), (400, "An error occurred."));
    }
}

#[test]
fn b07_an_allowed_name_aims_at_the_locked_tag() {
    let standin = Standin::start();
    let own = json!({"id": "b0060001", "value": [999]});
    let aimed = json!({
        "id": "b0060003", "name": "plan", "type": "category", "value": "777",
        "target": ["variable", ["template-tag", "organization_id"]],
    });
    let reply = good(
        &standin,
        &format!("{}/query{}", question(6), with(&json!([own, aimed]))),
    );
    assert_eq!(named(reply.text()), 2, "of 777, with the default plan");
    assert!(reply.text().contains("Pacific Lighterage"));
    // A name that no tag has is refused, unless the target names one.
    let unknown = json!([{"id": "x", "type": "category", "value": "777", "target": ["variable", ["template-tag", "x"]]}]);
    let reply = get(
        standin.address,
        &format!("{}/query{}", question(6), with(&unknown)),
        &[],
    );
    assert_eq!(reply.status, 400);
}

#[test]
fn b08_the_target_is_the_callers_on_questions() {
    let standin = Standin::start();
    let aimed = json!([{
        "id": "b0070002", "type": "number/=", "value": [777],
        "target": ["dimension", ["field", 61, null]],
    }]);
    assert_eq!(
        accounts(&standin, &format!("{}/query{}", question(7), with(&aimed))),
        5
    );
    // On dashboards the stored one wins: this asks for a region that is called 777.
    let aimed =
        json!([{"id": id(2), "value": ["777"], "target": ["dimension", ["field", 61, null]]}]);
    assert_eq!(accounts(&standin, &(table() + &with(&aimed))), 0);
}

#[test]
fn b09_type_and_options_are_the_callers() {
    let standin = Standin::start();
    let all_but = json!([{"id": "b0070001", "type": "number/!=", "value": [0]}]);
    assert_eq!(
        accounts(
            &standin,
            &format!("{}/query{}", question(7), with(&all_but))
        ),
        16
    );
    for (sensitive, rows) in [(false, 1), (true, 0)] {
        let options = json!({"case-sensitive": sensitive});
        let target =
            table() + &with(&json!([{"id": id(9), "value": ["bakery"], "options": options}]));
        assert_eq!(accounts(&standin, &target), rows);
    }
    // A type that is not allowed for the stored one is refused on dashboards.
    let target = table() + &with(&json!([{"id": id(2), "type": "string/!=", "value": ["x"]}]));
    assert_eq!(get(standin.address, &target, &[]).status, 400);
    // For native questions by the tag's widget.
    let target = format!(
        "{}/query{}",
        question(6),
        with(&json!([{"id": "b0060002", "type": "string/!=", "value": ["x"]}]))
    );
    assert_eq!(get(standin.address, &target, &[]).status, 400);
}

#[test]
fn b10_null_lifts_a_default() {
    let standin = Standin::start();
    let query = format!("{}/query", question(6));
    assert_eq!(accounts(&standin, &query), 8, "the default plan");
    for value in [json!(null), json!([]), json!("")] {
        let lifted = with(&json!([{"id": "b0060003", "value": value, "default": "Starter"}]));
        assert_eq!(accounts(&standin, &format!("{query}{lifted}")), 16);
    }
    let seats = open(MAIN, 102, 202);
    assert_eq!(
        accounts(&standin, &seats),
        13,
        "the default number of seats"
    );
    let lifted = with(&json!([{"id": id(4), "value": null, "default": 10}]));
    assert_eq!(accounts(&standin, &(seats + &lifted)), 16);
}

#[test]
fn b11_an_open_parameter_reaches_the_locked_tag() {
    let standin = Standin::start();
    let target = signed(45, 141, 202);
    assert_eq!(
        accounts(&standin, &target),
        6,
        "999, with ten seats and more"
    );
    let reply = good(&standin, &(target + "?pick=777"));
    assert_eq!(named(reply.text()), 4);
    assert!(reply.text().contains("Nordkap Shipping"));
    let both = json!([{"id": "a0450003", "value": [777]}, {"id": "a0450001", "value": [999]}]);
    let reply = good(&standin, &(open(45, 141, 202) + &with(&both)));
    assert!(
        reply.text().contains("Nordkap Shipping"),
        "wherever the lock stands"
    );
}

#[test]
fn b12_a_card_without_mapping_shows_everything() {
    let standin = Standin::start();
    assert_eq!(accounts(&standin, &signed(43, 121, 201)), 7);
    assert_eq!(accounts(&standin, &signed(43, 122, 208)), 16);
    let series = good(&standin, &signed(43, 123, 206));
    let rows = series.json()["data"]["rows"].clone();
    assert_eq!(
        rows.as_array().unwrap().len(),
        3,
        "every organization: {rows}"
    );
    let locked = with(&json!([{"id": "a0430001", "value": [999]}]));
    assert_eq!(accounts(&standin, &(open(43, 122, 208) + &locked)), 16);
}

#[test]
fn b13_pivot_is_another_way_in() {
    let standin = Standin::start();
    let total = |reply: &Reply| {
        let rows = reply.json()["data"]["rows"].clone();
        rows.as_array().unwrap().last().unwrap()[4].clone()
    };
    let target = open(MAIN, 103, 203).replace("/public/", "/public/pivot/");
    assert_eq!(total(&good(&standin, &target)), 78_940);
    let other = with(&json!([{"id": id(1), "value": [777]}]));
    assert_eq!(total(&good(&standin, &(target + &other))), 38_010);
    let target = format!("{}/query", question(8)).replace("/public/", "/public/pivot/");
    assert_eq!(total(&good(&standin, &target)), 78_940);
}

#[test]
fn b14_export_bodies_of_every_kind() {
    let standin = Standin::start();
    let other = json!([{"id": id(1), "value": [777]}]).to_string();
    let own = with(&json!([{"id": id(1), "value": [999]}]));
    let form = "application/x-www-form-urlencoded";
    let utf16: Vec<u8> = format!("{{\"parameters\":{other}}}")
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let multipart = format!(
        "--b\r\nContent-Disposition: form-data; name=\"parameters\"\r\n\r\n{other}\r\n--b--\r\n"
    );
    let cases: [(&str, &str, Vec<u8>, usize); 9] = [
        (form, "", vec![], 16),
        (
            form,
            "",
            format!("parameters={}", encoded(&other)).into(),
            5,
        ),
        (
            form,
            &own,
            format!("parameters={}", encoded(&other)).into(),
            5,
        ),
        (
            form,
            &own,
            format!("parameters=[]&parameters={}", encoded(&other)).into(),
            5,
        ),
        (
            "application/json",
            "",
            format!("{{\"parameters\":{other}}}").into(),
            5,
        ),
        (
            "application/json",
            "",
            json!({"parameters": other}).to_string().into(),
            5,
        ),
        ("application/json; charset=utf-16", "", utf16, 5),
        ("multipart/form-data; boundary=b", "", multipart.into(), 16),
        ("text/plain", "", b"parameters=".to_vec(), 16),
    ];
    for (kind, query, body, rows) in cases {
        for format in ["api", "json", "csv", "xlsx"] {
            let target = format!("{}/{format}{query}", table());
            let reply = post(standin.address, &target, &[("Content-Type", kind)], &body);
            let text = String::from_utf8_lossy(&reply.body);
            assert!(matches!(reply.status, 200 | 202), "{reply:?}");
            assert_eq!(named(&text), rows, "{kind} {query} {format}");
        }
    }
    // A body in the place of another encoding is no body at all.
    let headers = [
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
    ];
    let reply = post(
        standin.address,
        &format!("{}/csv", table()),
        &headers,
        b"\x1f\x8b",
    );
    assert_eq!(named(reply.text()), 16);
    assert_eq!(
        get(standin.address, &format!("{}/csv", table()), &[]).status,
        404,
        "POST alone"
    );
}
