//! The bypass list, by its numbers, through the gateway: what can be done to values. None works.

use serde_json::{Value, json};

use super::{
    public_links::Links,
    public_setup::{MAIN, Viewer, board, dashcard, encoded, filters, id, question, table, ways},
};
use crate::support::metabase::{Behaviour, fixtures, store::Clash};

#[test]
fn b01_the_lock_holds_for_whoever_omits_it() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for way in ways() {
        viewer.keyed(&way, "").harmless(way.names);
        viewer.ask(&way, "[]").harmless(way.names);
        let open = json!([{"id": way.region, "value": ["Nowhere"]}]);
        viewer.ask(&way, &open.to_string()).harmless(0);
        viewer.ask(&way, "").refused("request_malformed");
    }
}

#[test]
fn b02_the_locked_parameter_takes_no_value_but_its_own() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for way in ways() {
        let with = |value: &Value| json!([{"id": way.lock, "value": value}]).to_string();
        for value in [
            json!(777),
            json!([777]),
            json!(["777"]),
            json!([999, 777]),
            json!([777, 999]),
            json!(null),
            json!([]),
            json!(""),
            json!([null]),
            json!([""]),
            json!([[]]),
            json!([[999]]),
            json!({}),
            json!({"value": 999}),
            json!(true),
            json!(-999),
            json!(999.5),
            json!("999 "),
            json!("0999"),
            json!("9.99e2"),
            json!("999 OR 1=1"),
        ] {
            viewer.ask(&way, &with(&value)).refused("param_locked");
        }
        viewer
            .ask(&way, &json!([{"id": way.lock}]).to_string())
            .refused("param_locked");
        for value in [json!(999), json!([999]), json!("999"), json!(["999"])] {
            viewer.ask(&way, &with(&value)).harmless(way.names);
        }
    }
}

#[test]
fn b03_two_of_one_id_are_refused() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for way in ways() {
        let own = json!({"id": way.lock, "value": [999]});
        let other = json!({"id": way.lock, "value": [777]});
        let open = json!({"id": way.region, "value": ["Europe"]});
        for both in [
            json!([own, other]),
            json!([other, own]),
            json!([other, own, other]),
            json!([own, open, other]),
            json!([own, own]),
            json!([open, open]),
        ] {
            let outcome = viewer.ask(&way, &both.to_string());
            outcome.refused_as(&["param_locked", "request_malformed"]);
        }
    }
}

#[test]
fn b04_there_is_one_key_for_filters() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for way in ways() {
        let own = encoded(&json!([{"id": way.lock, "value": [999]}]).to_string());
        let other = encoded(&json!([{"id": way.lock, "value": [777]}]).to_string());
        for pairs in [
            format!("parameters={own}&parameters={other}"),
            format!("parameters={other}&parameters={own}"),
            format!("parameters={own}&parameters={own}"),
            format!("parameters={own}&%70arameters={other}"),
            format!("parameters[]={own}"),
            format!("parameters%5B%5D={own}"),
            format!("parameters%5B0%5D={own}"),
            format!("parameters[0][id]={}&parameters[0][value]=777", way.lock),
            format!("Parameters={own}"),
            format!("PARAMETERS={own}"),
            format!("+parameters={own}"),
            format!("parameters%20={own}"),
            format!("%2570arameters={own}"),
            format!("parameters%E2%80%8B={own}"),
            format!("%EF%BD%90arameters={own}"),
            "parameters=%00".to_owned(),
            "parameters".to_owned(),
        ] {
            let outcome = viewer.keyed(&way, &pairs);
            outcome.refused_as(&["request_malformed", "body_unsupported"]);
        }
        for name in [&*way.lock, "organization_id"] {
            for spelled in [
                name.to_owned(),
                name.to_uppercase(),
                format!("{name}[]"),
                format!("{name}%20"),
                format!("{name}%00"),
            ] {
                let outcome = viewer.keyed(&way, &format!("{spelled}=777"));
                outcome.refused_as(&["param_locked", "request_malformed", "body_unsupported"]);
            }
        }
        // What no reader takes for a filter goes no further.
        viewer
            .keyed(&way, "parameter=1&x=777&params=1")
            .harmless(way.names);
    }
}

#[test]
fn b05_json_with_two_readings_is_refused() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for way in ways() {
        let (open, lock) = (&way.region, &way.lock);
        for text in [
            format!(r#"[{{"id":"{open}","value":["Europe"],"id":"{lock}","value":[777]}}]"#),
            format!(r#"[{{"id":"{open}","id":"{lock}","value":[777]}}]"#),
            format!(r#"[{{"id":"{open}","\u0069d":"{lock}","value":[777]}}]"#),
            format!(r#"[{{"id":"{lock}","value":[999],"value":[777]}}]"#),
            format!(r#"[{{"id":"{lock}","value":[999],"v\u0061lue":[777]}}]"#),
            format!(r#"[{{"id":"{open}","value":["x"],"options":{{"a":1,"a":2}}}}]"#),
            format!(r#"[{{"id":"{lock}","value":[777]}}"#),
            format!(r#"[{{"id":"{lock}","value":[777]}},]"#),
            format!(r#"[{{"id":"{lock}","value":[777]}}] []"#),
            format!(r#"[{{"id":'{lock}',"value":[777]}}]"#),
            format!(r#"[{{"id":"{lock}","value":[777]/**/}}]"#),
            format!(r#"{{"id":"{lock}","value":[777]}}"#),
            format!(r#"[[{{"id":"{lock}","value":[777]}}]]"#),
            format!("\u{feff}[{{\"id\":\"{lock}\",\"value\":[777]}}]"),
            r#"[{"value":[777]}]"#.to_owned(),
            r#"[{"id":null,"value":[777]}]"#.to_owned(),
            format!(r#"[{{"id":["{lock}"],"value":[777]}}]"#),
            "[null]".to_owned(),
            "[".repeat(5000),
            "null".to_owned(),
            "\"[]\"".to_owned(),
        ] {
            viewer.ask(&way, &text).refused("request_malformed");
        }
    }
}

/// As JSON escapes it that escapes everything.
fn escaped(text: &str) -> String {
    let each = text.chars().flat_map(|one| {
        let code = format!("\\u{:04x}", u32::from(one));
        code.chars().collect::<Vec<_>>()
    });
    each.collect()
}

#[test]
fn b06_ids_are_compared_after_decoding_and_exactly() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for way in ways() {
        let escaped = escaped(&way.lock);
        let text = format!(r#"[{{"id":"{escaped}","value":[777]}}]"#);
        viewer.ask(&way, &text).refused("param_locked");
        for near in [
            format!("{} ", way.lock),
            format!(" {}", way.lock),
            way.lock.to_uppercase(),
            format!("{}\u{200b}", way.lock),
            way.lock.replacen(['a', 'b'], "\u{ff41}", 1),
            format!("{}[]", way.lock),
            "organization_id".into(),
            "ORGANIZATION_ID".into(),
            "organization-id".into(),
            "0".into(),
            String::new(),
        ] {
            let text = json!([{"id": near, "value": [777]}]).to_string();
            let outcome = viewer.ask(&way, &text);
            outcome.refused_as(&["param_locked", "param_invalid", "request_malformed"]);
        }
        // An open parameter is known by its id alone, too.
        let escaped = format!(
            r#"[{{"id":"\u006{}","value":["Nowhere"]}}]"#,
            &way.region.replacen('a', "1", 1)
        );
        if way.region.starts_with('a') {
            viewer.ask(&way, &escaped).harmless(0);
        }
        for near in ["region".to_owned(), way.region.to_uppercase()] {
            let text = json!([{"id": near, "value": ["Europe"]}]).to_string();
            viewer.ask(&way, &text).refused("param_invalid");
        }
    }
}

/// Objects of a client's aimed elsewhere, and what is left of them.
fn stripped(viewer: &Viewer<'_>, target: &str, sent: &Value, left: &Value, names: usize) {
    let text = encoded(&json!([sent]).to_string());
    let outcome = viewer.get(&format!("{target}?parameters={text}"));
    outcome.harmless(names);
    assert_eq!(filters(outcome.sent())[0], *left, "{sent}");
}

#[test]
fn b07_a_name_aims_at_nothing() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let query = format!("{}/query", question(6));
    let tag = json!(["variable", ["template-tag", "organization_id"]]);
    for (sent, left, names) in [
        (
            json!({"id": "b0060003", "name": "plan", "type": "category", "value": "777", "target": tag}),
            json!({"id": "b0060003", "value": "777"}),
            0,
        ),
        (
            json!({"id": "b0060002", "name": "region", "type": "number/=", "value": ["Europe"], "target": tag}),
            json!({"id": "b0060002", "value": ["Europe"]}),
            2,
        ),
        (
            json!({"id": "b0060003", "name": "organization_id", "slug": "organization_id", "value": "Starter"}),
            json!({"id": "b0060003", "value": "Starter"}),
            2,
        ),
    ] {
        stripped(&viewer, &query, &sent, &left, names);
    }
    // Without an id of the question's own there is nothing to aim.
    let unknown =
        json!([{"id": "x", "type": "category", "value": "777", "target": tag}]).to_string();
    let target = format!("{query}?parameters={}", encoded(&unknown));
    viewer.get(&target).refused("param_invalid");
}

#[test]
fn b08_the_target_is_the_stored_one() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let field = json!(["dimension", ["field", 61, null]]);
    let sent = json!({"id": "b0070002", "type": "number/=", "value": ["777"], "target": field});
    let left = json!({"id": "b0070002", "value": ["777"]});
    stripped(&viewer, &format!("{}/query", question(7)), &sent, &left, 0);
    let sent = json!({"id": id(2), "value": ["777"], "target": field});
    stripped(
        &viewer,
        &table(),
        &sent,
        &json!({"id": id(2), "value": ["777"]}),
        0,
    );
    // The lock's own target is stored, too.
    let elsewhere = json!(["dimension", ["field", 65, null]]);
    let sent = json!([{"id": "b0070001", "value": [999], "target": elsewhere}]).to_string();
    let target = format!("{}/query?parameters={}", question(7), encoded(&sent));
    viewer.get(&target).harmless(7);
}

#[test]
fn b09_type_and_options_are_the_stored_ones() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    for kind in [
        "number/!=",
        "string/!=",
        "string/contains",
        "number/between",
        "id",
        "category",
    ] {
        let sent = json!({"id": "b0070002", "type": kind, "value": ["Europe"]});
        let left = json!({"id": "b0070002", "value": ["Europe"]});
        stripped(&viewer, &format!("{}/query", question(7)), &sent, &left, 3);
        let sent = json!([{"id": "b0070001", "type": kind, "value": [0]}]).to_string();
        let target = format!("{}/query?parameters={}", question(7), encoded(&sent));
        viewer.get(&target).refused("param_locked");
    }
    for (options, left, names) in [
        (
            json!({"case-sensitive": false}),
            json!({"case-sensitive": false}),
            1,
        ),
        (
            json!({"case-sensitive": true}),
            json!({"case-sensitive": true}),
            0,
        ),
        (json!({"case-sensitive": true, "x": 1}), Value::Null, 1),
        (json!({"case-sensitive": 1}), Value::Null, 1),
        (json!([true]), Value::Null, 1),
    ] {
        let sent = json!({"id": id(9), "value": ["bakery"], "options": options});
        let mut rest = json!({"id": id(9), "value": ["bakery"], "options": left});
        if left.is_null() {
            rest.as_object_mut().unwrap().remove("options");
        }
        stripped(&viewer, &table(), &sent, &rest, names);
    }
}

#[test]
fn b10_defaults_are_the_stored_ones() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    let query = format!("{}/query", question(6));
    for value in [json!(null), json!([]), json!("")] {
        let sent = json!({"id": "b0060003", "value": value, "default": "Starter"});
        // Lifting the default of an open parameter shows more of the viewer's own rows, and no others.
        stripped(
            &viewer,
            &query,
            &sent,
            &json!({"id": "b0060003", "value": null}),
            7,
        );
    }
    let lock = json!([{"id": "b0060001", "value": [999], "default": [777]}]).to_string();
    viewer
        .get(&format!("{query}?parameters={}", encoded(&lock)))
        .harmless(4);
    let sent = json!({"id": id(4), "value": null, "default": 10});
    let seats = dashcard(MAIN, 102, 202);
    stripped(
        &viewer,
        &seats,
        &sent,
        &json!({"id": id(4), "value": null}),
        7,
    );
}

#[test]
fn b11_an_open_parameter_in_the_locked_tag_closes_the_link() {
    let pick = "pick = { mode = \"enabled\", type = \"integer\" }\n";
    for clash in [Clash::First, Clash::Last] {
        let behaviour = || Behaviour {
            clash,
            ..Behaviour::default()
        };
        let mut links = Links::none().dashboard(45, "").behaving(behaviour());
        links.params += pick;
        let scene = links.start();
        let viewer = Viewer::mine(&scene);
        let both = json!([{"id": "a0450003", "value": [777]}, {"id": "a0450001", "value": [999]}]);
        let query = format!("?parameters={}", encoded(&both.to_string()));
        for rest in ["", &query, "?parameters=[]"] {
            viewer
                .get(&format!("{}{rest}", dashcard(45, 141, 202)))
                .refused("resource_denied");
        }
        viewer
            .post(&format!("{}/csv", dashcard(45, 141, 202)), &[], b"")
            .refused("resource_denied");
        viewer.get(&board(45)).refused("resource_denied");

        // A parameter that the site does not know is nobody's to send.
        let scene = Links::none()
            .dashboard(45, "")
            .behaving(behaviour())
            .start();
        let viewer = Viewer::mine(&scene);
        viewer.get(&dashcard(45, 141, 202)).harmless(6);
        viewer
            .get(&format!("{}{query}", dashcard(45, 141, 202)))
            .refused("param_invalid");
        assert!(!viewer.get(&board(45)).text().contains("pick"));
    }
}

#[test]
fn b12_a_card_without_mapping_is_not_served() {
    let scene = Links::usual().dashboard(43, "").start();
    let viewer = Viewer::mine(&scene);
    viewer.get(&dashcard(43, 121, 201)).harmless(7);
    viewer.get(&dashcard(43, 123, 205)).harmless(0);
    let main = [(101, 208), (101, 202), (109, 201), (101, 0)].map(|(d, c)| dashcard(MAIN, d, c));
    let others = [
        (122, 208),
        (123, 206),
        (121, 208),
        (122, 201),
        (101, 201),
        (121, 205),
    ];
    let others = others.map(|(d, c)| dashcard(43, d, c));
    for target in main.iter().chain(&others) {
        let codes = ["resource_denied", "route_denied"];
        viewer.get(target).refused_as(&codes);
        viewer
            .get(&target.replace("/public/", "/public/pivot/"))
            .refused_as(&codes);
        for format in ["api", "csv", "json", "xlsx"] {
            viewer
                .post(&format!("{target}/{format}"), &[], b"")
                .refused_as(&codes);
        }
    }
    let layout = viewer.get(&board(43));
    for gone in ["122", "208", "206", "Orphan", "Revenue by organization"] {
        assert!(!layout.text().contains(gone), "{gone}");
    }
    for spelled in [
        "0101",
        "+101",
        "101.0",
        "-101",
        "1e2",
        "%31%30%31x",
        "18446744073709551717",
    ] {
        let target = table().replace("/101/", &format!("/{spelled}/"));
        viewer.get(&target).refused("route_denied");
    }
}

#[test]
fn b13_pivot_is_no_other_way_in() {
    let scene = Links::usual().start();
    let target = dashcard(MAIN, 103, 203).replace("/public/", "/public/pivot/");
    let asked = format!("{}/query", question(8)).replace("/public/", "/public/pivot/");
    for (tenant, sum) in [(999, 25_825), (777, 38_010), (555, 15_105)] {
        let viewer = Viewer::of(&scene, tenant);
        for target in [&target, &asked] {
            let outcome = viewer.get(target);
            let rows = outcome.harmless(0).reply.json()["data"]["rows"].clone();
            assert_eq!(rows.as_array().unwrap().last().unwrap()[4], sum);
        }
        for number in [id(1), fixtures::on_question(8, 1)] {
            let other = json!([{"id": number, "value": [tenant + 1]}]).to_string();
            for target in [&target, &asked] {
                let outcome = viewer.get(&format!("{target}?parameters={}", encoded(&other)));
                outcome.refused_as(&["param_locked", "param_invalid"]);
            }
        }
    }
    let viewer = Viewer::mine(&scene);
    for near in ["/public/Pivot/", "/public/pivot/pivot/", "/pivot/public/"] {
        viewer
            .get(&dashcard(MAIN, 103, 203).replace("/public/", near))
            .refused("route_denied");
    }
}
