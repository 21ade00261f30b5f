//! The stand-in answers as Metabase does: formats, lists of values, tiles, headers; and it can be edited.

use super::{
    MAIN, Standin, TABLE, Value, accounts, asked, embed, encoded, fixtures, get, good, json,
    metabase::{Behaviour, store::Clash},
    named, refused, token, with,
};

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
}

#[test]
fn what_values_of_signed_embeds_are_called() {
    let standin = Standin::start();
    let own = json!({"organization_id": [999]});
    let label = |params: &Value, key: u32| {
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

    standin.edit(|store| store.behaviour.remapping = false);
    let reply = get(
        standin.address,
        &embed(&own, "/params/a0420005/remapping?value=1"),
        &[],
    );
    assert_eq!(reply.status, 404);
}

#[test]
fn values_of_signed_questions() {
    let standin = Standin::start();
    let own = json!({"organization_id": [999]});
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
