//! Rules of single dashboards and questions, kinds of resources, places of tokens, downloads, cards that no lock reaches, where the site stands.

use serde_json::{Value, json};

use super::{
    setup::{HOST, Scene},
    wide::{
        DOORS, MINE, TABLE, changed, grant, named, names_own_only, own, own_and, plain, refused,
        told, unheard, wide,
    },
};
use crate::support::{client::Reply, get, metabase::fixtures, token};

fn table(scene: &Scene, params: &Value, query: &str) -> Reply {
    let token = grant("dashboard", &json!(42), params);
    scene.get(&format!("/api/embed/dashboard/{token}/{TABLE}{query}"))
}

#[test]
fn an_item_may_be_stricter_than_its_site() {
    let scene = wide(
        "[site.reports.metabase.dashboards.42]\nparams = { region = \"locked\", plan = \"disabled\" }",
    );
    let europe = own_and(&json!({ "region": "Europe" }));
    let reply = table(&scene, &europe, "");
    assert_eq!((reply.status, named(&reply)), (202, 3), "{reply:?}");
    refused(&table(&scene, &own(), ""), 403, "param_missing");
    let message = "You can only specify a value for region in the token.";
    told(
        &table(&scene, &europe, "?region=Americas"),
        403,
        "param_locked",
        message,
    );
    told(
        &table(&scene, &europe, "?plan=Starter"),
        403,
        "param_disabled",
        "You're not allowed to specify a value for plan.",
    );
    let preset = own_and(&json!({ "region": "Europe", "plan": "Starter" }));
    refused(&table(&scene, &preset, ""), 403, "param_disabled");
    let token = grant("dashboard", &json!(42), &europe);
    let layout = scene.get(&format!("/api/embed/dashboard/{token}"));
    for hidden in ["a0420001", "a0420002", "a0420003", "\"plan\""] {
        assert!(!layout.text().contains(hidden), "{hidden}");
    }
    // Others follow the site.
    let reply = grant("question", &json!(7), &own());
    let reply = scene.get(&format!("/api/embed/card/{reply}/query?plan=Starter"));
    assert_eq!((reply.status, named(&reply)), (202, 2), "{reply:?}");
}

#[test]
fn a_locked_parameter_that_an_item_does_not_have() {
    let more = "[site.reports.metabase.dashboards.49]\ndanger_unlocked = [\"organization_id\"]";
    let scene = wide(more);
    let target = |params: &Value| {
        let token = grant("dashboard", &json!(49), params);
        format!("/api/embed/dashboard/{token}/dashcard/181/card/201")
    };
    let reply = scene.get(&target(&own()));
    assert_eq!(
        (reply.status, named(&reply)),
        (202, 16),
        "shown to everybody alike"
    );
    let claims = scene.metabase.last().claims().unwrap();
    assert_eq!(claims["params"], json!({}));
    refused(&scene.get(&target(&json!({}))), 403, "param_missing");
    let disabled = scene.get(&format!("{}?{MINE}=777", target(&own())));
    refused(&disabled, 403, "param_disabled");
    // Dashboard 42 is locked as ever.
    assert!(names_own_only(&table(&scene, &own(), "")));
    // Without the setting Metabase itself refuses.
    let scene = wide("");
    let reply = scene.get(&target(&own()));
    assert_eq!((reply.status, reply.text()), (400, "An error occurred."));
}

#[test]
fn an_entity_id_is_no_way_around_the_rules_of_a_number() {
    let scene = wide(
        "[site.reports.metabase.dashboards.42]\nparams = { region = \"locked\" }\n[site.reports.metabase.questions.C00000000000000000007]",
    );
    let ask = |kind: &str, entity: &str, path: &str| {
        let token = grant(kind, &json!(entity), &own());
        scene.get(&path.replace("{}", &token))
    };
    let before = scene.metabase.seen().len();
    for path in [
        "/api/embed/dashboard/{}",
        "/embed/dashboard/{}",
        "/api/embed/dashboard/{}/dashcard/101/card/201",
        "/api/embed/dashboard/{}/params/a0420002/values",
    ] {
        let reply = ask("dashboard", "D00000000000000000042", path);
        unheard(&scene, before, &reply, 403, "resource_denied");
    }
    let reply = ask(
        "question",
        "C00000000000000000007",
        "/api/embed/card/{}/query",
    );
    assert_eq!((reply.status, named(&reply)), (202, 7), "{reply:?}");
    // Nor a number around those of an entity id.
    let by_number = scene.get(&format!(
        "/api/embed/card/{}/query",
        plain("question", 7, &own())
    ));
    refused(&by_number, 403, "resource_denied");
}

#[test]
fn a_token_is_about_one_thing_of_the_kind_that_the_path_says() {
    let scene = wide("");
    let two = token(&json!({
        "resource": null, "resources": ["dashboard:42", "dashboard:43"], "params": own(),
    }));
    let both = token(&json!({
        "resource": null, "resources": ["dashboard:42", "question:7"], "params": own(),
    }));
    let other = token(&json!({ "resource": { "report": "42" }, "params": own() }));
    let question = plain("question", 42, &own());
    let dashboard = plain("dashboard", 7, &own());
    for (token, target) in [
        (&two, "/api/embed/dashboard/{}"),
        (&two, "/embed/dashboard/{}"),
        (&two, "/api/embed/dashboard/{}/dashcard/101/card/201"),
        (&other, "/api/embed/dashboard/{}"),
        (&question, "/api/embed/dashboard/{}"),
        (&question, "/embed/dashboard/{}"),
        (&question, "/api/embed/dashboard/{}/dashcard/101/card/201"),
        (
            &question,
            "/api/embed/pivot/dashboard/{}/dashcard/103/card/203",
        ),
        (&dashboard, "/api/embed/card/{}"),
        (&dashboard, "/embed/question/{}"),
        (&dashboard, "/api/embed/card/{}/query"),
        (&dashboard, "/api/embed/card/{}/params/b0070002/values"),
    ] {
        let reply = scene.get(&target.replace("{}", token));
        unheard(&scene, 0, &reply, 403, "resource_denied");
    }
    // One of each kind is unambiguous.
    assert_eq!(
        scene.get(&format!("/api/embed/dashboard/{both}")).status,
        200
    );
    assert_eq!(
        scene.get(&format!("/api/embed/card/{both}/query")).status,
        202
    );
}

#[test]
fn two_tokens_in_one_request() {
    let scene = wide("");
    let first = plain("dashboard", 42, &own());
    let second = plain("dashboard", 42, &json!({ MINE: 777 }));
    let bearer = |token: &str| format!("Bearer {token}");
    for path in [
        "/embed/dashboard/{}",
        "/api/embed/dashboard/{}",
        "/api/embed/dashboard/{}/dashcard/101/card/201",
    ] {
        let target = path.replace("{}", &first);
        let beside = format!("{target}?embed_token={second}");
        unheard(&scene, 0, &scene.get(&beside), 400, "credential_conflict");
        let headers = [("Authorization", &*bearer(&second))];
        let reply = scene.get_with(&target, &headers);
        unheard(&scene, 0, &reply, 400, "credential_conflict");
    }
    // The same one twice is one, and its place in the query does not go on.
    let target = format!("/api/embed/dashboard/{first}/{TABLE}?embed_token={first}");
    let headers = [
        ("Authorization", &*bearer(&first)),
        ("Origin", "https://app.example.com"),
    ];
    let reply = scene.get_with(&target, &headers);
    assert_eq!((reply.status, named(&reply)), (202, 7), "{reply:?}");
    assert!(!scene.metabase.last().holds("embed_token"));
    // A token elsewhere does not open a path that says another.
    let headers = [("Authorization", &*bearer(&first))];
    let reply = scene.get_with("/api/embed/dashboard/e30.e30.e30", &headers);
    refused(&reply, 400, "credential_conflict");
}

#[test]
fn a_page_with_its_token_in_the_query_as_well_is_opened_again_without() {
    let scene = wide("");
    let token = plain("dashboard", 42, &own());
    let reply = scene.get(&format!(
        "/embed/dashboard/{token}?embed_token={token}&region=Europe"
    ));
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(
        reply.header("location"),
        Some(&*format!("/embed/dashboard/{token}?region=Europe"))
    );
    assert!(scene.metabase.seen().is_empty());
}

const LINTED: &str = "api_key = { env = \"MB_KEY\" }\nunmapped = ";

fn cards_of_43(scene: &Scene) -> Vec<(u64, u64, u16, usize)> {
    let token = grant("dashboard", &json!(43), &own());
    [(121, 201), (122, 208), (123, 205), (123, 206)]
        .map(|(dashcard, card)| {
            let path = format!("/api/embed/dashboard/{token}/dashcard/{dashcard}/card/{card}");
            let reply = scene.get(&path);
            (dashcard, card, reply.status, named(&reply))
        })
        .to_vec()
}

#[test]
fn cards_that_no_lock_reaches_are_kept_back_where_the_site_says_so() {
    let scene = wide(&format!("{LINTED}\"deny\""));
    assert_eq!(
        cards_of_43(&scene),
        [
            (121, 201, 202, 7),
            (122, 208, 403, 0),
            (123, 205, 202, 0),
            (123, 206, 403, 0)
        ]
    );
    let token = grant("dashboard", &json!(43), &own());
    for format in ["csv", "json", "xlsx", "api"] {
        for (dashcard, card) in [(122, 208), (123, 206), (121, 208), (121, 205)] {
            let path =
                format!("/api/embed/dashboard/{token}/dashcard/{dashcard}/card/{card}/{format}");
            refused(&scene.get(&path), 403, "resource_denied");
        }
    }
    let pivot = format!("/api/embed/pivot/dashboard/{token}/dashcard/123/card/206");
    refused(&scene.get(&pivot), 403, "resource_denied");
    scene.metabase.edit(|store| store.behaviour.batch = true);
    let batch = |dashcard: u64, card: u64| {
        let cards = format!(
            "%5B%7B%22dashcard_id%22%3A121%2C%22card_id%22%3A201%7D%2C%7B%22dashcard_id%22%3A{dashcard}%2C%22card_id%22%3A{card}%7D%5D"
        );
        scene.get(&format!(
            "/api/embed/dashboard/{token}/card-query-batch?cards={cards}"
        ))
    };
    refused(&batch(123, 206), 403, "resource_denied");
    assert_eq!(batch(123, 205).status, 202);
    let layout = scene.get(&format!("/api/embed/dashboard/{token}")).json();
    let left: Vec<_> = layout["dashcards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(left, [121, 123]);
    assert_eq!(layout["dashcards"][1]["series"], json!([]));
    // The key reads layouts, and is on no other request.
    for one in scene.metabase.seen() {
        let by_key = one.all("x-api-key") == [fixtures::API_KEY];
        assert_eq!(by_key, one.path() == "/api/dashboard/43", "{}", one.target);
    }
}

#[test]
fn cards_that_no_lock_reaches_are_served_where_they_are_only_reported() {
    for more in [format!("{LINTED}\"report\""), String::new()] {
        let scene = wide(&more);
        assert_eq!(
            cards_of_43(&scene),
            [
                (121, 201, 202, 7),
                (122, 208, 202, 16),
                (123, 205, 202, 0),
                (123, 206, 202, 0)
            ],
            "{more}"
        );
        let token = grant("dashboard", &json!(43), &own());
        let layout = scene.get(&format!("/api/embed/dashboard/{token}")).json();
        assert_eq!(layout["dashcards"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn a_dashboard_whose_lock_does_not_hold_is_refused_whole() {
    // 45: an open parameter goes into the template tag of the locked one.
    let scene = changed(&format!("{LINTED}\"deny\""), |text| {
        let pick = "pick = { mode = \"enabled\", type = \"integer\" }\ninternal = {";
        text.replacen("internal = {", pick, 1)
    });
    let token = grant("dashboard", &json!(45), &own());
    for path in ["", "/dashcard/141/card/202", "/dashcard/141/card/202/csv"] {
        let reply = scene.get(&format!("/api/embed/dashboard/{token}{path}"));
        refused(&reply, 403, "resource_denied");
    }
    // An edit takes effect when what was learnt is no longer believed.
    let scene = wide(&format!("layout_ttl = \"0s\"\n{LINTED}\"deny\""));
    assert_eq!(table(&scene, &own(), "").status, 202);
    scene.metabase.edit(|store| {
        store.dashboard(42).dashcard(101).mappings.remove(0);
    });
    let before = scene.metabase.seen().len();
    refused(&table(&scene, &own(), ""), 403, "resource_denied");
    let seen = scene.metabase.seen();
    assert!(
        seen.iter()
            .skip(before)
            .all(|one| one.path() == "/api/dashboard/42")
    );
}

#[test]
fn downloads_need_their_scope_and_may_be_off() {
    let scene = wide("");
    let off = wide("downloads = false");
    let exports = DOORS.iter().filter(|door| {
        ["csv", "json", "xlsx", "api"]
            .iter()
            .any(|format| door.path.ends_with(format))
    });
    let mut count = 0;
    for door in exports {
        count += 1;
        let target = door.target(&plain(door.kind, door.id, &own()), "");
        unheard(&scene, 0, &scene.get(&target), 403, "scope_denied");
        let reply = door.ask(&off, &own(), "");
        unheard(&off, 0, &reply, 404, "route_denied");
    }
    assert_eq!(count, 8);
    for format in ["csv", "json", "xlsx"] {
        let viewing = plain("question", 7, &own());
        let page = format!("/embed/question/{viewing}.{format}");
        unheard(&scene, 0, &scene.get(&page), 403, "scope_denied");
        let loading = grant("question", &json!(7), &own());
        let page = format!("/embed/question/{loading}.{format}");
        assert_eq!(scene.get(&page).status, 302);
        unheard(&off, 0, &off.get(&page), 404, "route_denied");
    }
    // The pages themselves are there.
    let viewing = plain("question", 7, &own());
    assert_eq!(off.get(&format!("/embed/question/{viewing}")).status, 200);
    assert_eq!(
        off.get(&format!("/api/embed/card/{viewing}/query")).status,
        202
    );
}

#[test]
fn formats_and_file_pages_have_one_spelling() {
    let scene = wide("");
    let question = grant("question", &json!(7), &own());
    let dashboard = grant("dashboard", &json!(42), &own());
    for (target, status, code) in [
        (
            format!("/embed/question/{question}.CSV"),
            401,
            "token_invalid",
        ),
        (
            format!("/embed/question/{question}.Json"),
            401,
            "token_invalid",
        ),
        (
            format!("/embed/question/{question}.html"),
            401,
            "token_invalid",
        ),
        (
            format!("/embed/question/{question}.csv.csv"),
            401,
            "token_invalid",
        ),
        (
            format!("/embed/question/{question}.csv/"),
            404,
            "route_denied",
        ),
        (
            format!("/embed/dashboard/{dashboard}.csv"),
            401,
            "token_invalid",
        ),
        (
            format!("/api/embed/card/{question}/query/CSV"),
            404,
            "route_denied",
        ),
        (
            format!("/api/embed/card/{question}/query/pdf"),
            404,
            "route_denied",
        ),
        (
            format!("/api/embed/card/{question}.csv"),
            401,
            "token_invalid",
        ),
        (
            format!("/api/embed/dashboard/{dashboard}/dashcard/0101/card/201"),
            404,
            "route_denied",
        ),
        (
            format!("/api/embed/dashboard/{dashboard}/dashcard/+101/card/201"),
            404,
            "route_denied",
        ),
        (
            format!("/api/embed/dashboard/{dashboard}/dashcard/101/card/201.0"),
            404,
            "route_denied",
        ),
        (
            format!("/api/embed/dashboard/{dashboard}/dashcard/101/card/-1/csv"),
            404,
            "route_denied",
        ),
    ] {
        unheard(&scene, 0, &scene.get(&target), status, code);
    }
}

#[test]
fn file_pages_lead_to_the_public_address_below_its_prefix() {
    let scene = changed("", |text| {
        text.replace(
            "kind = \"metabase\"",
            "kind = \"metabase\"\npath_prefix = \"/bi\"",
        )
    });
    scene.metabase.edit(|store| {
        store.site_url = "http://metabase.inner.example:3000/bi".into();
    });
    let token = grant("question", &json!(7), &own());
    for (query, rest) in [
        ("", String::new()),
        ("?region=Europe", "?region=Europe".into()),
        (
            &*format!("?embed_token={token}&region=Europe"),
            "?region=Europe".into(),
        ),
    ] {
        let page = format!("/bi/embed/question/{token}.csv{query}");
        let headers = [("Host", HOST), ("Origin", "https://app.example.com")];
        let reply = get(scene.gateway.address, &page, &headers);
        assert_eq!(reply.status, 302, "{reply:?}");
        let location = reply.header("location").unwrap();
        assert_eq!(
            location,
            format!("/bi/api/embed/card/{token}/query/csv{rest}")
        );
        let file = scene.get(location);
        assert_eq!(file.status, 200);
        assert!(names_own_only(&file));
    }
    let page = scene.get(&format!("/bi/embed/question/{token}"));
    assert!(
        page.text().contains("<base href=\"/bi/\""),
        "{}",
        page.text()
    );
    for target in [
        format!("/embed/question/{token}"),
        format!("/api/embed/card/{token}"),
    ] {
        let reply = scene.get(&target);
        assert!(matches!(reply.status, 404 | 421), "{reply:?}");
    }
}

#[test]
fn row_86_88_tiles_of_an_unknown_version_are_nowhere() {
    let scene = changed("", |text| text.replace("version = 58", ""));
    let old = changed("", |text| text.replace("version = 58", "version = 54"));
    for scene in [&scene, &old] {
        scene
            .metabase
            .edit(|store| store.behaviour.old_tiles = true);
        let dashboard = grant("dashboard", &json!(42), &own());
        let question = grant("question", &json!(9), &own());
        let fields = "%5B%22field%22%2C67%2Cnull%5D";
        for target in [
            format!("/api/embed/tiles/card/{question}/1/0/0?latField={fields}&lonField={fields}"),
            format!("/api/embed/tiles/card/{question}/1/0/0/{fields}/{fields}"),
            format!("/api/embed/tiles/dashboard/{dashboard}/dashcard/104/card/204/1/0/0"),
            format!(
                "/api/embed/tiles/dashboard/{dashboard}/dashcard/104/card/204/1/0/0/{fields}/{fields}"
            ),
        ] {
            unheard(scene, 0, &scene.get(&target), 404, "route_denied");
        }
    }
}
