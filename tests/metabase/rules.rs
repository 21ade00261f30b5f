//! The stand-in keeps Metabase's rules: whose values count, what is refused and in which words.

use super::{
    MAIN, Standin, TABLE, accounts, asked, embed, fixtures, get, good, json,
    metabase::{SECRET, store::Failed, token::sign_with},
    named, refused, token,
};

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
