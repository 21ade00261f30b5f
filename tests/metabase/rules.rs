//! The stand-in keeps Metabase's rules: messages, encodings, formats, headers, and the points where versions differ.

use super::{
    Standin, accounts, encoded, fixtures, get, good, json,
    metabase::{
        Behaviour, SECRET,
        store::{Clash, Failed},
        token::sign_with,
    },
    named, refused, token, with,
};

const MAIN: u64 = fixtures::MAIN;

fn embed(params: &super::Value, rest: &str) -> String {
    format!(
        "/api/embed/dashboard/{}{rest}",
        token("dashboard", MAIN, params)
    )
}

fn asked(kind: u64, params: &super::Value, rest: &str) -> String {
    format!("/api/embed/card/{}{rest}", token("question", kind, params))
}

const TABLE: &str = "/dashcard/101/card/201";

#[test]
fn values_are_refused_in_metabases_order_and_words() {
    let standin = Standin::start();
    let own = json!({"organization_id": [999]});
    let must = "You must specify a value for :organization_id in the JWT.";
    let only = "You can only specify a value for organization_id in the JWT.";
    let twice = "You can't specify a value for region if it's already set in the JWT.";
    let not = "You're not allowed to specify a value for internal.";
    for (params, query, text) in [
        (json!({}), "", must),
        (json!({"organization_id": null}), "", must),
        (json!({"organization_id": ""}), "", must),
        (json!({}), "?organization_id=999", must),
        (own.clone(), "?organization_id=999", only),
        (own.clone(), "?organization_id=", only),
        (
            json!({"organization_id": [999], "region": ["Europe"]}),
            "?region=Europe",
            twice,
        ),
        (
            json!({"organization_id": [999], "region": null}),
            "?region=",
            twice,
        ),
        (json!({"organization_id": [999], "internal": [1]}), "", not),
        (own.clone(), "?internal=", not),
        (own.clone(), "?unlisted=x", "Unknown parameter unlisted."),
        (
            own.clone(),
            "?ignore_cache=false",
            "Unknown parameter ignore_cache.",
        ),
        (
            own.clone(),
            "?parameters=x",
            "Unknown parameter parameters.",
        ),
        (
            own.clone(),
            "?parameters=%5B%5D",
            "Invalid parameter values",
        ),
        (
            own.clone(),
            "?parameters=%7B%22region%22%3A%7B%7D%7D",
            "Invalid parameter values",
        ),
    ] {
        for rest in [
            TABLE.to_owned(),
            format!("{TABLE}/csv"),
            format!("{TABLE}/json"),
        ] {
            refused(
                &standin,
                &embed(&params, &format!("{rest}{query}")),
                400,
                text,
            );
        }
    }
    standin.edit(|store| store.behaviour.colon_slugs = true);
    let text = "You can only specify a value for :organization_id in the JWT.";
    refused(
        &standin,
        &embed(&own, &format!("{TABLE}?organization_id=1")),
        400,
        text,
    );
}

#[test]
fn both_encodings_filter() {
    let standin = Standin::start();
    let own = json!({"organization_id": [999]});
    for (query, rows) in [
        ("", 7),
        ("?region=Europe", 3),
        ("?region=Europe&region=Americas", 6),
        ("?region=", 7),
        ("?min_seats=42", 3),
        ("?name=BAKERY", 1),
        ("?parameters=%7B%7D&organization_id=777", 7),
        (
            "?parameters=%7B%22region%22%3A%5B%22Europe%22%5D%7D&ignore_cache=false",
            3,
        ),
        ("?parameters=%7B%22region%22%3A%22Europe%22%7D", 3),
        ("?parameters=%7B%22region%22%3Anull%7D", 7),
    ] {
        assert_eq!(
            accounts(&standin, &embed(&own, &format!("{TABLE}{query}"))),
            rows,
            "{query}"
        );
    }
}

#[test]
fn what_is_not_there_or_not_published() {
    let standin = Standin::start();
    let own = json!({"organization_id": [999]});
    let item = |id| format!("/api/embed/dashboard/{}", token("dashboard", id, &own));
    refused(&standin, &item(999), 404, "Not found.");
    refused(
        &standin,
        &item(47),
        400,
        "Embedding is not enabled for this object.",
    );
    refused(&standin, &item(48), 404, "The object has been archived.");
    refused(
        &standin,
        &embed(&own, "/dashcard/101/card/208"),
        404,
        "Not found.",
    );
    let text = "No matching parameter with slug \"ghost\". Found: (organization_id region)";
    let ghost = token(
        "dashboard",
        50,
        &json!({"organization_id": [999], "ghost": [1]}),
    );
    refused(
        &standin,
        &format!("/api/embed/dashboard/{ghost}/dashcard/191/card/201"),
        400,
        text,
    );
    let wrong = token("question", MAIN, &own);
    let text = "Token is missing value for keypath [:resource :dashboard]";
    refused(
        &standin,
        &format!("/api/embed/dashboard/{wrong}"),
        400,
        text,
    );
    let entity = json!({"resource": {"dashboard": "D00000000000000000042"}, "params": {}});
    let entity = sign_with(SECRET, &json!({"alg": "HS256"}), &entity);
    good(&standin, &format!("/api/embed/dashboard/{entity}"));

    let link = "/api/public/dashboard/d0000000-0000-4000-8000-000000000047";
    refused(&standin, link, 404, "Not found.");
    standin.edit(|store| store.behaviour.not_found_400 = true);
    refused(&standin, link, 400, "An error occurred.");
    refused(&standin, &item(999), 400, "Not found.");
    standin.edit(|store| (store.embedding, store.sharing) = (false, false));
    refused(&standin, &item(42), 400, "Embedding is not enabled.");
    refused(
        &standin,
        &format!("/api/public/dashboard/{}", fixtures::dashboard_link(42)),
        400,
        "An error occurred.",
    );
    standin.edit(|store| store.secret = None);
    refused(
        &standin,
        &item(42),
        400,
        "The embedding secret key has not been set.",
    );
}

#[test]
fn layouts_hide_what_is_not_the_viewers() {
    let standin = Standin::start();
    // Nobody asks for the locked value here.
    let layout = good(&standin, &embed(&json!({"region": null}), "")).json();
    let slugs: Vec<_> = layout["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["slug"].clone())
        .collect();
    assert_eq!(
        slugs,
        ["plan", "min_seats", "account", "tier", "owner", "name"]
    );
    let text = layout["dashcards"].to_string() + &layout["param_fields"].to_string();
    assert!(!text.contains("\"parameter_id\":\"a0420001\"") && !text.contains("a0420002"));
    let layout = good(&standin, &embed(&json!({"organization_id": [999]}), "")).json();
    assert_eq!(
        layout["dashcards"][5]["visualization_settings"]["text"],
        "Accounts of 999"
    );
    assert_eq!(
        layout["dashcards"][1]["card"]["dataset_query"]["native"]["query"],
        "-"
    );
    let link = format!("/api/public/dashboard/{}", fixtures::dashboard_link(MAIN));
    assert_eq!(
        good(&standin, &link).json()["parameters"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
    standin.edit(|store| store.behaviour.param_values = true);
    assert_eq!(
        named(&good(&standin, &link).json()["param_values"].to_string()),
        16
    );
}

#[test]
fn questions_and_their_defaults() {
    let standin = Standin::start();
    let own = json!({"organization_id": [999]});
    assert_eq!(
        accounts(&standin, &asked(6, &own, "/query")),
        4,
        "the default plan"
    );
    assert_eq!(
        accounts(&standin, &asked(6, &own, "/query?plan=")),
        7,
        "null lifts it"
    );
    assert_eq!(
        accounts(&standin, &asked(6, &own, "/query?plan=Starter")),
        2
    );
    assert_eq!(
        accounts(
            &standin,
            &asked(6, &json!({"organization_id": []}), "/query?plan=")
        ),
        16
    );
    assert_eq!(
        accounts(&standin, &asked(7, &own, "/query?region=Europe")),
        3
    );
    let layout = good(&standin, &asked(6, &own, "")).json();
    assert_eq!(layout["parameters"].as_array().unwrap().len(), 2);
    let rows = good(
        &standin,
        &asked(8, &own, "/query").replace("/embed/", "/embed/pivot/"),
    )
    .json();
    assert_eq!(rows["data"]["cols"][2]["name"], "pivot-grouping");
}

#[test]
fn failures_are_told_in_the_way_of_the_version() {
    let standin = Standin::start();
    let own = json!({"organization_id": [999]});
    let status = || get(standin.address, &asked(11, &own, "/query"), &[]);
    let told = status();
    let text = "You'll need to pick a value for 'price' before this query can run.";
    assert_eq!((told.status, &told.json()["error"]), (400, &json!(text)));
    standin.edit(|store| store.behaviour.failed = Failed::Status202);
    assert_eq!(
        (status().status, &status().json()["status"]),
        (202, &json!("failed"))
    );
    standin.edit(|store| store.behaviour.failed = Failed::Late);
    assert_eq!(
        (status().status, &status().json()["_status"]),
        (202, &json!(400))
    );
    assert_eq!(accounts(&standin, &asked(11, &own, "/query?price=3150")), 1);
    let broken = get(standin.address, &asked(12, &own, "/query"), &[]).json();
    assert_eq!(
        broken["error"],
        "An error occurred while running the query."
    );
}

#[test]
fn exports_have_no_limit() {
    let standin = Standin::start();
    standin
        .edit(|store| (store.behaviour.max_results, store.behaviour.export_filler) = (2, 100_000));
    let own = json!({"organization_id": [999]});
    let reply = good(&standin, &embed(&own, TABLE)).json();
    assert_eq!(
        (
            reply["row_count"].as_u64(),
            &reply["data"]["rows_truncated"]
        ),
        (Some(2), &json!(2))
    );
    let reply = good(
        &standin,
        &embed(&own, &format!("{TABLE}/csv?format_rows=true")),
    );
    assert_eq!((named(reply.text()), reply.body.len() > 100_000), (7, true));
    assert!(reply.text().contains("\"3,150\"") && reply.text().starts_with("ID,"));
    assert!(
        reply
            .header("content-disposition")
            .unwrap()
            .contains("all_accounts.csv")
    );
    let reply = good(&standin, &embed(&own, &format!("{TABLE}/xlsx")));
    assert!(reply.body.starts_with(b"PK"));
}

#[test]
fn values_of_signed_embeds() {
    let standin = Standin::start();
    let own = json!({"organization_id": [999]});
    let names = "/params/a0420009";
    assert_eq!(
        accounts(&standin, &embed(&own, &format!("{names}/values"))),
        7
    );
    assert_eq!(
        accounts(
            &standin,
            &embed(&own, &format!("{names}/values?a0420002=Europe"))
        ),
        3
    );
    assert_eq!(
        accounts(&standin, &embed(&own, &format!("{names}/search/o"))),
        4
    );
    let locked = "You must specify a value for :organization_id in the JWT.";
    refused(
        &standin,
        &embed(&json!({}), &format!("{names}/values")),
        400,
        locked,
    );
    let text = "Cannot search for values: \"organization_id\" is not an enabled parameter.";
    refused(&standin, &embed(&own, "/params/a0420001/values"), 400, text);
    refused(
        &standin,
        &embed(&own, "/params/a0420001/search/9"),
        400,
        text,
    );
    let text = "You can only specify a value for organization_id in the JWT.";
    refused(
        &standin,
        &embed(&own, &format!("{names}/values?a0420001=777")),
        400,
        text,
    );
    let text = "Invalid query params: could not determine slug for parameter with ID \"x\"";
    refused(
        &standin,
        &embed(&own, &format!("{names}/values?x=777")),
        400,
        text,
    );

    let label = |params: &super::Value, key: u32| {
        good(
            &standin,
            &embed(params, &format!("/params/a0420005/remapping?value={key}")),
        )
        .json()
    };
    assert_eq!(label(&own, 1), json!([1, "Harbour Street Bakery"]));
    assert_eq!(label(&own, 8), json!(["8"]));
    assert_eq!(
        label(&json!({"organization_id": []}), 8),
        json!([8, "Nordkap Shipping"])
    );
    let text = "Cannot get remapped value for parameter: \"internal\" is not an enabled parameter.";
    refused(
        &standin,
        &embed(&own, "/params/a0420008/remapping?value=1"),
        400,
        text,
    );

    let card = "/params/b0070005/values";
    assert_eq!(accounts(&standin, &asked(7, &own, card)), 7);
    let unknown = json!({"organization_id": [999], "x": 1});
    refused(
        &standin,
        &asked(7, &unknown, card),
        400,
        "The parameter x does not exist on this card.",
    );
    standin.edit(|store| store.behaviour.card_values_locked = false);
    assert_eq!(accounts(&standin, &asked(7, &own, card)), 16);
    standin.edit(|store| store.behaviour.remapping = false);
    let reply = get(
        standin.address,
        &embed(&own, "/params/a0420005/remapping?value=1"),
        &[],
    );
    assert_eq!(reply.status, 404);
}

#[test]
fn tiles_and_batches_of_signed_embeds() {
    let standin = Standin::start();
    let own = json!({"organization_id": [999]});
    let tile = |rest: &str| {
        let target = embed(&own, rest).replace("/embed/", "/embed/tiles/");
        get(standin.address, &target, &[])
    };
    let fields = "latField=%5B%22field%22%2C62%2Cnull%5D&lonField=62";
    let place = "/dashcard/104/card/204/1/0/0";
    let region = encoded(&json!([{"id": "a0420002", "value": ["Europe"]}]).to_string());
    let reply = tile(&format!("{place}?{fields}&parameters={region}"));
    assert_eq!(named(&String::from_utf8_lossy(&reply.body)), 3);
    let locked = encoded(&json!([{"id": "a0420001", "value": [777]}]).to_string());
    assert_eq!(
        tile(&format!("{place}?{fields}&parameters={locked}")).status,
        400
    );
    let joined = "latField=%5B%22field%22%2C62%2C%7B%22source-field%22%3A1%7D%5D&lonField=62";
    assert_eq!(
        tile(&format!("{place}?{joined}")).text(),
        "Fields referenced via implicit joins are not supported."
    );
    assert_eq!(tile(&format!("{place}/a/b")).status, 404, "the older form");

    let cards = encoded(
        &json!([{"dashcard_id": 101, "card_id": 201}, {"dashcard_id": 105, "card_id": 206}])
            .to_string(),
    );
    let batch = embed(
        &own,
        &format!("/card-query-batch?cards={cards}&parameters=%7B%7D"),
    );
    assert_eq!(get(standin.address, &batch, &[]).status, 404);
    standin.edit(|store| store.behaviour.batch = true);
    assert_eq!(good(&standin, &batch).text().lines().count(), 2);
    assert_eq!(accounts(&standin, &batch), 7);
}

#[test]
fn headers_of_pages_assets_and_the_api() {
    let standin = Standin::start();
    let page = good(&standin, "/embed/dashboard/anything");
    let csp = page.header("content-security-policy").unwrap();
    assert!(csp.ends_with("frame-ancestors *;"), "{csp}");
    let nonce = csp
        .split("'nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    assert_eq!((nonce.len(), page.text().matches(nonce).count()), (10, 4));
    assert_eq!(page.header("x-frame-options"), None);
    assert!(
        page.text().contains("embed%2Fdashboard%2Fanything"),
        "the oEmbed link tells the token"
    );

    let api = get(
        standin.address,
        "/api/session/properties",
        &[("Origin", "http://localhost:9")],
    );
    assert_eq!(api.header("x-frame-options"), Some("DENY"));
    assert!(
        api.header("content-security-policy")
            .unwrap()
            .ends_with("frame-ancestors 'none';")
    );
    assert_eq!(
        api.header("access-control-allow-origin"),
        Some("http://localhost:9")
    );
    assert_eq!(api.header("vary"), Some("Origin"));
    standin.edit(|store| store.cors_localhost = false);
    standin.edit(|store| store.sdk_origins.push("https://app.example".into()));
    for (origin, told) in [
        ("http://[::1]:9", None),
        ("https://app.example", Some("https://app.example")),
    ] {
        let api = get(
            standin.address,
            "/api/session/properties",
            &[("Origin", origin)],
        );
        assert_eq!(api.header("access-control-allow-origin"), told);
        assert_eq!(api.header("access-control-allow-headers"), Some("*"));
    }

    let script = good(&standin, crate::metabase::pages::SCRIPT);
    assert_eq!(
        script.header("cache-control"),
        Some("public, max-age=31536000")
    );
    let plain = good(&standin, "/app/embed.js");
    let tag = plain.header("etag").unwrap();
    let again = get(standin.address, "/app/embed.js", &[("If-None-Match", tag)]);
    assert_eq!((again.status, tag.len()), (304, 66));
    assert_eq!(get(standin.address, "/app/none.js", &[]).status, 404);
    let known = get(
        standin.address,
        "/embed/sdk/v1",
        &[("Cookie", "metabase.DEVICE=x")],
    );
    assert_eq!(known.header("set-cookie"), None);
}

#[test]
fn administrators_read_whole_layouts() {
    let standin = Standin::start();
    let status =
        |target: &str, key: &str| get(standin.address, target, &[("X-API-Key", key)]).status;
    assert_eq!(status("/api/dashboard/42", ""), 401);
    assert_eq!(status("/api/dashboard/42", fixtures::WEAK_KEY), 403);
    assert_eq!(status("/api/dashboard/1", fixtures::API_KEY), 404);
    let whole = get(
        standin.address,
        "/api/dashboard/43",
        &[("X-API-Key", fixtures::API_KEY)],
    )
    .json();
    assert_eq!(
        whole["embedding_params"],
        json!({"organization_id": "locked", "region": "enabled"})
    );
    assert_eq!(whole["dashcards"][1]["parameter_mappings"], json!([]));
    let card = get(
        standin.address,
        "/api/card/6",
        &[("X-API-Key", fixtures::API_KEY)],
    )
    .json();
    let tags = &card["dataset_query"]["native"]["template-tags"];
    assert_eq!(tags["plan"]["default"], "Business");
}

#[test]
fn it_can_be_edited_and_remembers() {
    let standin = Standin::with(Behaviour {
        gzip: true,
        busy: 1,
        ..Behaviour::default()
    });
    let own = json!({"organization_id": [999]});
    let target = embed(
        &own,
        &format!("{TABLE}{}", with(&json!({"region": ["Europe"]}))),
    );
    assert_eq!(get(standin.address, &target, &[]).status, 503);
    let packed = get(standin.address, &target, &[("Accept-Encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let last = standin.last();
    assert_eq!(last.json("parameters"), json!({"region": ["Europe"]}));
    assert_eq!(last.claims().unwrap()["params"], own);
    assert!(last.holds("Europe") && !last.holds("Asia"));
    assert_eq!(
        (standin.seen().len(), &*last.method, last.all("host").len()),
        (2, "GET", 1)
    );
    standin.forget();
    standin.edit(|store| store.dashboard(MAIN).dashcard(101).mappings.remove(0));
    standin.edit(|store| "a9999999".clone_into(&mut store.dashboard(MAIN).parameter("region").id));
    assert_eq!(
        accounts(&standin, &target),
        16,
        "neither is mapped any more"
    );
    standin.edit(|store| store.card(201).archived = true);
    assert_eq!(get(standin.address, &target, &[]).status, 404);
    standin.edit(|store| store.behaviour.clash = Clash::First);
    let shared = token("dashboard", 45, &own);
    let target = format!("/api/embed/dashboard/{shared}/dashcard/141/card/202?pick=777");
    assert_eq!(accounts(&standin, &target), 6);
}
