//! Lists of values, searches in them and labels of values (rows 57 to 68, 81, 83 to 85 of the contract's 5.1): of open parameters, of the viewer's rows.

use serde_json::{Value, json};

use super::{
    setup::Scene,
    wide::{MINE, changed, grant, own, own_and, plain, refused, told, wide},
};
use crate::support::{
    client::Reply,
    metabase::{
        fixtures::{on_dashboard, on_question},
        store::Mode,
    },
};

/// A parameter of dashboard 42 by its number.
fn of_dashboard(scene: &Scene, params: &Value, number: u64, rest: &str) -> Reply {
    let token = grant("dashboard", &json!(42), params);
    let id = on_dashboard(42, number);
    scene.get(&format!("/api/embed/dashboard/{token}/params/{id}/{rest}"))
}

/// A parameter of a question by its number.
fn of_question(scene: &Scene, question: u64, params: &Value, number: u64, rest: &str) -> Reply {
    let token = grant("question", &json!(question), params);
    let id = on_question(question, number);
    scene.get(&format!("/api/embed/card/{token}/params/{id}/{rest}"))
}

#[track_caller]
fn values(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["values"].clone()
}

#[test]
fn row_57_63_values_of_columns_and_typed_lists_by_number_and_entity_id() {
    let scene = wide("");
    let regions = json!([["Americas"], ["Asia-Pacific"], ["Europe"]]);
    let tiers = json!([
        ["Starter", "Small"],
        ["Business", "Medium"],
        ["Enterprise", "Large: ask Cobalt"]
    ]);
    for id in [json!(7), json!("C00000000000000000007")] {
        let token = grant("question", &id, &own());
        let path = format!("/api/embed/card/{token}/params/{}", on_question(7, 2));
        assert_eq!(values(&scene.get(&format!("{path}/values"))), regions);
        let found = scene.get(&format!("{path}/search/asia"));
        assert_eq!(values(&found), json!([["Asia-Pacific"]]));
    }
    assert_eq!(values(&of_dashboard(&scene, &own(), 2, "values")), regions);
    // What the author typed into a list, the author publishes.
    assert_eq!(values(&of_question(&scene, 14, &own(), 4, "values")), tiers);
    assert_eq!(values(&of_dashboard(&scene, &own(), 6, "values")), tiers);
    let found = of_dashboard(&scene, &own(), 6, "search/small");
    assert_eq!(values(&found), json!([["Starter", "Small"]]));
}

#[test]
fn row_57_64_lists_of_another_question_know_no_lock_and_are_refused() {
    let scene = wide("");
    for rest in ["values", "search/a", "remapping?value=acme"] {
        refused(
            &of_dashboard(&scene, &own(), 7, rest),
            403,
            "resource_denied",
        );
        refused(
            &of_question(&scene, 14, &own(), 5, rest),
            403,
            "resource_denied",
        );
    }
}

#[test]
fn row_57_a_list_that_does_not_keep_to_the_lock_is_refused() {
    // An older Metabase does not constrain the lists of questions.
    let scene = wide("");
    scene
        .metabase
        .edit(|store| store.behaviour.card_values_locked = false);
    for rest in ["values", "search/a", "remapping?value=1"] {
        refused(
            &of_question(&scene, 7, &own(), 2, rest),
            403,
            "resource_denied",
        );
        refused(
            &of_question(&scene, 7, &own(), 4, rest),
            403,
            "resource_denied",
        );
    }
    // The typed one says the same to everybody.
    let reply = of_question(&scene, 14, &own(), 4, "values");
    assert_eq!(values(&reply).as_array().unwrap().len(), 3);
}

#[test]
fn row_58_values_of_a_question_keep_to_the_locked_rows() {
    let scene = wide("");
    let cobalt = json!({ MINE: 555 });
    let keys = |params: &Value| {
        let reply = of_question(&scene, 7, params, 4, "values");
        values(&reply).as_array().unwrap().len()
    };
    assert_eq!((keys(&own()), keys(&cobalt)), (7, 4));
    let label = of_question(&scene, 7, &own(), 4, "remapping?value=8").json();
    assert_eq!(label, json!(["8"]), "somebody else's account has no name");
    let found = of_question(&scene, 7, &own(), 4, "search/nordkap");
    assert_eq!(values(&found), json!([]));
    // The locked one itself: under its id it is not known, under its name it is not to be searched.
    for rest in ["values", "search/9", "remapping?value=999"] {
        refused(
            &of_question(&scene, 7, &own(), 1, rest),
            403,
            "param_invalid",
        );
        let token = grant("question", &json!(7), &own());
        let reply = scene.get(&format!("/api/embed/card/{token}/params/{MINE}/{rest}"));
        refused(&reply, 403, "param_locked");
    }
    // A question takes no constraints of the viewer's either.
    let reply = of_question(
        &scene,
        7,
        &own(),
        4,
        &format!("values?{}=777", on_question(7, 1)),
    );
    refused(&reply, 403, "param_invalid");
}

#[test]
fn row_59_a_locked_slug_that_is_not_there() {
    // Metabase's policy names a parameter that the dashboard does not have; the site does not.
    let scene = wide("");
    let ask = |scene: &Scene, params: &Value| {
        let token = grant("dashboard", &json!(50), params);
        scene.get(&format!(
            "/api/embed/dashboard/{token}/dashcard/191/card/201"
        ))
    };
    let reply = ask(&scene, &own());
    assert_eq!((reply.status, reply.text()), (400, "An error occurred."));
    let ghost = own_and(&json!({ "ghost": "x" }));
    refused(&ask(&scene, &ghost), 403, "param_invalid");
    // The site names it too: Metabase refuses, and its list of parameters stays with it.
    let scene = changed("", |text| {
        text.replacen(
            "internal = {",
            "ghost = { mode = \"locked\" }\ninternal = {",
            1,
        )
    });
    let reply = ask(&scene, &ghost);
    assert_eq!((reply.status, reply.text()), (400, "An error occurred."));
    refused(&ask(&scene, &own()), 403, "param_missing");
}

#[test]
fn row_60_all_values_are_said_in_so_many_words() {
    let scene = wide("");
    let all = json!({ MINE: { "all": true } });
    let regions = json!([["Americas"], ["Asia-Pacific"], ["Europe"]]);
    assert_eq!(values(&of_question(&scene, 6, &all, 2, "values")), regions);
    let claims = scene.metabase.last().claims().unwrap();
    assert_eq!(claims["params"], json!({ MINE: [] }));
    refused(
        &of_question(&scene, 6, &json!({ MINE: [] }), 2, "values"),
        403,
        "param_missing",
    );
    // Who has not the scope may not say it.
    let token = plain("question", 6, &all);
    let target = format!(
        "/api/embed/card/{token}/params/{}/values",
        on_question(6, 2)
    );
    refused(&scene.get(&target), 403, "param_invalid");
}

#[test]
fn row_61_values_of_what_is_not_published() {
    let scene = wide("");
    scene.metabase.edit(|store| store.embedding = false);
    refused(
        &of_dashboard(&scene, &own(), 2, "values"),
        403,
        "resource_denied",
    );
    refused(
        &of_question(&scene, 7, &own(), 2, "values"),
        403,
        "resource_denied",
    );
}

#[test]
fn row_62_68_parameters_that_are_not_enabled() {
    let scene = wide("");
    for rest in ["values", "search/a", "remapping?value=1"] {
        // Locked, disabled, not declared: their ids are not in what a viewer gets.
        for number in [1, 8, 10, 99] {
            let reply = of_dashboard(&scene, &own(), number, rest);
            refused(&reply, 403, "param_invalid");
        }
        for (slug, code) in [
            (MINE, "param_locked"),
            ("internal", "param_disabled"),
            ("unlisted", "param_invalid"),
            ("region", "param_invalid"),
        ] {
            let token = grant("dashboard", &json!(42), &own());
            let reply = scene.get(&format!(
                "/api/embed/dashboard/{token}/params/{slug}/{rest}"
            ));
            refused(&reply, 403, code);
        }
        // A preset one is the token's.
        let preset = own_and(&json!({ "region": "Europe" }));
        let reply = of_dashboard(&scene, &preset, 2, rest);
        let message = "Cannot search for values: \"a0420002\" is not an enabled parameter.";
        told(&reply, 403, "param_locked", message);
    }
    let internal = own_and(&json!({ "internal": 1 }));
    refused(
        &of_dashboard(&scene, &internal, 2, "values"),
        403,
        "param_disabled",
    );
    let query = format!("values?{}=1", on_dashboard(42, 8));
    refused(
        &of_dashboard(&scene, &own(), 2, &query),
        403,
        "param_invalid",
    );
    refused(
        &of_dashboard(&scene, &own(), 2, "values?internal=1"),
        403,
        "param_disabled",
    );
}

#[test]
fn row_65_constraints_of_the_token_and_of_the_viewer() {
    let scene = wide("");
    let plans = json!([["Business"], ["Starter"]]);
    let preset = own_and(&json!({ "region": "Europe" }));
    assert_eq!(values(&of_dashboard(&scene, &preset, 3, "values")), plans);
    let constrained = format!("values?{}=Europe", on_dashboard(42, 2));
    assert_eq!(
        values(&of_dashboard(&scene, &own(), 3, &constrained)),
        plans
    );
    let reply = of_dashboard(&scene, &preset, 3, &constrained);
    assert_eq!(reply.status, 403, "{reply:?}");
    // Repeated: any of them. Empty: no constraint.
    let two = format!("values?{0}=Europe&{0}=Americas", on_dashboard(42, 2));
    let every = json!([["Business"], ["Enterprise"], ["Starter"]]);
    assert_eq!(values(&of_dashboard(&scene, &own(), 3, &two)), every);
    let none = format!("values?{}=", on_dashboard(42, 2));
    assert_eq!(values(&of_dashboard(&scene, &own(), 3, &none)), every);
    for (query, code) in [
        ("a0420099=x", "param_invalid"),
        ("region=Europe", "param_invalid"),
        ("a0420004=1&a0420004=2", "request_malformed"),
        ("a0420004=ten", "param_invalid"),
        ("parameters=%7B%7D", "param_invalid"),
    ] {
        let reply = of_dashboard(&scene, &own(), 3, &format!("values?{query}"));
        assert_eq!(&*reply.code(), code, "{query} {reply:?}");
    }
}

#[test]
fn row_67_values_of_a_dashboard_keep_to_the_locked_rows() {
    let scene = wide("");
    let names = |reply: &Reply| values(reply).as_array().unwrap().len();
    assert_eq!(names(&of_dashboard(&scene, &own(), 9, "values")), 7);
    let found = of_dashboard(&scene, &own(), 9, "search/fish");
    assert_eq!(values(&found), json!([["Tidewater Fish Market"]]));
    assert_eq!(names(&of_dashboard(&scene, &own(), 9, "search/nordkap")), 0);
    for params in [json!({}), json!({ MINE: null }), json!({ MINE: "" })] {
        refused(
            &of_dashboard(&scene, &params, 9, "values"),
            403,
            "param_missing",
        );
    }
    let locked = on_dashboard(42, 1);
    for (query, code) in [
        (format!("values?{locked}=777"), "param_invalid"),
        (format!("values?{locked}=999"), "param_invalid"),
        (format!("values?{MINE}=777"), "param_locked"),
        (format!("search/a?{locked}=777"), "param_invalid"),
    ] {
        refused(&of_dashboard(&scene, &own(), 9, &query), 403, code);
    }
}

#[test]
fn row_81_values_that_are_linked_to_the_locked_filter() {
    let scene = wide("");
    let count = |params: &Value| {
        let reply = of_dashboard(&scene, params, 5, "values");
        let rows = {
            let token = grant("dashboard", &json!(42), params);
            scene.get(&format!(
                "/api/embed/dashboard/{token}/dashcard/101/card/201"
            ))
        };
        let rows = rows.json()["data"]["rows"].as_array().unwrap().len();
        (rows, values(&reply).as_array().unwrap().len())
    };
    assert_eq!(count(&own()), (7, 7));
    assert_eq!(count(&json!({ MINE: [777] })), (5, 5));
    assert_eq!(count(&json!({ MINE: { "all": true } })), (16, 16));
    for empty in [json!({}), json!({ MINE: null }), json!({ MINE: [] })] {
        refused(
            &of_dashboard(&scene, &empty, 5, "values"),
            403,
            "param_missing",
        );
    }
    // The list of plans is linked to region and organisation.
    let token = grant("dashboard", &json!(42), &json!({ MINE: 555 }));
    let path = format!(
        "/api/embed/dashboard/{token}/params/{}/values",
        on_dashboard(42, 3)
    );
    let cobalt = values(&scene.get(&path));
    let direct = embedgate::demo::accounts::ACCOUNTS
        .iter()
        .filter(|one| one.tenant == 555);
    let mut plans: Vec<_> = direct.map(|one| json!([one.plan])).collect();
    plans.sort_by_key(Value::to_string);
    plans.dedup();
    assert_eq!(cobalt, json!(plans));
}

#[test]
fn row_83_labels_on_a_dashboard() {
    let scene = wide("");
    let label = |params: &Value, rest: &str| {
        let reply = of_dashboard(&scene, params, 5, &format!("remapping?{rest}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    };
    assert_eq!(
        label(&own(), "value=1"),
        json!([1, "Harbour Street Bakery"])
    );
    assert_eq!(label(&own(), "value=8"), json!(["8"]), "another's");
    assert_eq!(
        label(&json!({ MINE: 777 }), "value=8"),
        json!([8, "Nordkap Shipping"])
    );
    let america = format!("value=1&{}=Americas", on_dashboard(42, 2));
    assert_eq!(label(&own(), &america), json!(["1"]), "filtered away");
    assert_eq!(
        label(&json!({ MINE: { "all": true } }), "value=8"),
        json!([8, "Nordkap Shipping"])
    );
    for empty in [json!({}), json!({ MINE: [] })] {
        let reply = of_dashboard(&scene, &empty, 5, "remapping?value=8");
        refused(&reply, 403, "param_missing");
    }
    for query in ["remapping", "remapping?value=1&value=8"] {
        refused(
            &of_dashboard(&scene, &own(), 5, query),
            400,
            "request_malformed",
        );
    }
    // Decoded once more by Metabase: still a value, and nothing else.
    assert_eq!(
        label(&own(), "value=%2538%26a0420001%3D777"),
        json!(["8&a0420001=777"])
    );
}

#[test]
fn row_84_labels_of_a_typed_list() {
    let scene = wide("");
    for (value, label) in [
        ("Starter", json!(["Starter", "Small"])),
        ("nothing", json!(["nothing"])),
    ] {
        let reply = of_dashboard(&scene, &own(), 6, &format!("remapping?value={value}"));
        assert_eq!(reply.json(), label);
        let reply = of_question(&scene, 14, &own(), 4, &format!("remapping?value={value}"));
        assert_eq!(reply.json(), label);
    }
}

#[test]
fn row_85_labels_on_a_question() {
    let scene = wide("");
    for (value, label) in [
        ("1", json!([1, "Harbour Street Bakery"])),
        ("8", json!(["8"])),
        ("99", json!(["99"])),
    ] {
        let reply = of_question(&scene, 7, &own(), 4, &format!("remapping?value={value}"));
        assert_eq!(reply.json(), label);
    }
    let reply = of_question(&scene, 7, &own(), 1, "remapping?value=999");
    refused(&reply, 403, "param_invalid");
    let reply = of_question(&scene, 6, &own(), 4, "remapping?value=x");
    refused(&reply, 403, "param_invalid");
}

#[test]
fn values_may_be_denied_altogether() {
    let scene = wide("values = \"deny\"");
    for rest in ["values", "search/a", "remapping?value=1"] {
        refused(&of_dashboard(&scene, &own(), 2, rest), 404, "route_denied");
        refused(
            &of_question(&scene, 7, &own(), 2, rest),
            404,
            "route_denied",
        );
    }
    let seen = scene.metabase.seen();
    assert!(seen.iter().all(|one| !one.path().contains("/params/")));
}

#[test]
fn values_by_field_id_are_never_served() {
    let scene = wide("");
    let token = grant("dashboard", &json!(42), &own());
    let card = grant("question", &json!(7), &own());
    for path in [
        "field/61/values",
        "field/61/search/62",
        "field/61/remapping/62?value=1",
    ] {
        refused(
            &scene.get(&format!("/api/embed/dashboard/{token}/{path}")),
            404,
            "route_denied",
        );
        refused(
            &scene.get(&format!("/api/embed/card/{card}/{path}")),
            404,
            "route_denied",
        );
    }
    assert!(scene.metabase.seen().is_empty());
}

#[test]
fn what_metabase_opens_and_the_site_does_not_lists_nothing() {
    let scene = wide("");
    scene.metabase.edit(|store| {
        let policy = &mut store.dashboard(42).embedding.params;
        policy.push(("unlisted".into(), Mode::Enabled));
    });
    let reply = of_dashboard(&scene, &own(), 10, "values");
    refused(&reply, 403, "param_invalid");
}
