//! The bypass list, by its numbers, against the bare stand-in: other ways in, and what answers tell. Each works.

use super::{
    MAIN, Standin, accounts,
    client::send,
    fixtures, get, good, id, json,
    metabase::{Behaviour, LEAK},
    named, open, post, question, signed, table, token,
};

#[test]
fn b15_page_addresses_of_files_lead_to_the_inner_host() {
    let standin = Standin::start();
    let link = fixtures::question_link(7);
    for format in ["csv", "json", "xlsx"] {
        let reply = get(
            standin.address,
            &format!("/public/question/{link}.{format}?id=7"),
            &[],
        );
        assert_eq!(reply.status, 302);
        let inner = format!(
            "{}/api/public/card/{link}/query/{format}?id=7",
            fixtures::SITE_URL
        );
        assert_eq!(reply.header("location"), Some(&*inner));
    }
    let reply = get(standin.address, "/embed/question/token-string.csv", &[]);
    let inner = format!(
        "{}/api/embed/card/token-string/query/csv?",
        fixtures::SITE_URL
    );
    assert_eq!(reply.header("location"), Some(&*inner));
    let page = good(&standin, &format!("/public/question/{link}.CSV"));
    assert!(page.text().starts_with("<!DOCTYPE html>"));
}

#[test]
fn b16_every_other_link_is_open_too() {
    let standin = Standin::start();
    assert_eq!(accounts(&standin, &format!("{}/query", question(201))), 16);
    assert_eq!(accounts(&standin, &open(43, 122, 208)), 16);
}

#[test]
fn b17_a_link_has_more_than_one_spelling() {
    let standin = Standin::start();
    let link = fixtures::dashboard_link(MAIN);
    let target = table().replace(&link, &link.to_uppercase());
    assert_eq!(accounts(&standin, &target), 16);
}

#[test]
fn b18_values_of_a_question_know_no_lock() {
    let standin = Standin::start();
    let target = format!("{}/params/b0070001/values?b0070001=999", question(7));
    assert_eq!(
        good(&standin, &target).json()["values"],
        json!([[555], [777], [999]])
    );
    let names: Vec<String> = (1..=16)
        .map(|key| format!("{}/params/b0070004/remapping?value={key}", question(7)))
        .map(|target| good(&standin, &target).text().to_owned())
        .collect();
    assert_eq!(named(&names.concat()), 16);
}

#[test]
fn b19_values_of_the_locked_parameter() {
    let standin = Standin::start();
    let link = fixtures::dashboard_link(MAIN);
    let values = |rest: &str| {
        let target = format!("/api/public/dashboard/{link}/params/{}/{rest}", id(1));
        good(&standin, &target).json()["values"].clone()
    };
    assert_eq!(values("values"), json!([[555], [777], [999]]));
    assert_eq!(values("search/7"), json!([[777]]));
}

#[test]
fn b20_values_of_an_open_parameter_take_any_constraint() {
    let standin = Standin::start();
    let link = fixtures::dashboard_link(MAIN);
    let names = |query: &str| {
        let target = format!(
            "/api/public/dashboard/{link}/params/{}/values?{query}",
            id(9)
        );
        accounts(&standin, &target)
    };
    assert_eq!(names(""), 16);
    assert_eq!(names("a0420001=999"), 7);
    assert_eq!(names("a0420001=777"), 5);
    assert_eq!(names("a0420001=999&a0420001=777"), 12);
    assert_eq!(
        names("A0420001=999"),
        16,
        "what it does not know it ignores"
    );
    let target = format!(
        "/api/public/dashboard/{link}/params/{}/remapping?value=8&a0420001=999",
        id(5)
    );
    assert_eq!(
        good(&standin, &target).json(),
        json!([8, "Nordkap Shipping"])
    );
}

#[test]
fn b21_linked_and_listed_values_tell_of_others() {
    let standin = Standin::start();
    let values = |token: &str, number: u64| {
        let target = format!("/api/embed/dashboard/{token}/params/{}/values", id(number));
        good(&standin, &target).json()["values"].clone()
    };
    let own = token("dashboard", MAIN, &json!({"organization_id": [555]}));
    let all = token("dashboard", MAIN, &json!({"organization_id": []}));
    assert_eq!(named(&values(&own, 9).to_string()), 4);
    assert_eq!(
        named(&values(&all, 9).to_string()),
        16,
        "an empty list is all of them"
    );
    assert_eq!(
        values(&own, 7),
        json!([["acme"], ["acorp"], ["zenith"]]),
        "lists of questions"
    );
    assert!(
        values(&own, 6).to_string().contains("ask Cobalt"),
        "lists that somebody typed"
    );
}

#[test]
fn b22_tiles_show_any_column_of_any_row() {
    let standin = Standin::start();
    let fields = "latField=%5B%22field%22%2C62%2Cnull%5D&lonField=%5B%22field%22%2C61%2Cnull%5D";
    let tile = |start: &str, rest: &str| {
        let reply = good(&standin, &format!("{start}/{rest}"));
        assert!(reply.body.starts_with(b"\x89PNG"));
        named(&String::from_utf8_lossy(&reply.body))
    };
    let link = fixtures::dashboard_link(MAIN);
    let public = format!("/api/public/tiles/dashboard/{link}/dashcard/104/card/204");
    assert_eq!(tile(&public, &format!("1/0/0?{fields}")), 16);
    assert_eq!(
        tile(
            &question(9).replace("public", "public/tiles"),
            &format!("1/0/0?{fields}")
        ),
        16
    );
    // Signed: the rows are locked now, the columns are not; formerly neither.
    let token = token("dashboard", MAIN, &json!({"organization_id": [999]}));
    let signed = format!("/api/embed/tiles/dashboard/{token}/dashcard/104/card/204");
    assert_eq!(tile(&signed, &format!("1/0/0?{fields}")), 7);
    standin.edit(|store| store.behaviour = Behaviour::old());
    let old = "1/0/0/%5B%22field%22%2C62%2Cnull%5D/%5B%22field%22%2C61%2Cnull%5D";
    assert_eq!(tile(&signed, old), 16);
    assert_eq!(tile(&public, old), 16);
}

#[test]
fn b23_actions_read_and_write() {
    let standin = Standin::start();
    let link = fixtures::dashboard_link(44);
    let execute = format!("/api/public/dashboard/{link}/dashcard/132/execute");
    let reply = good(
        &standin,
        &(execute.clone() + "?parameters=%7B%22id%22%3A8%7D"),
    );
    assert!(reply.text().contains("Nordkap Shipping"));
    let action = format!("/api/public/action/{}", fixtures::ACTION_LINK);
    for target in [execute, format!("{action}/execute"), action] {
        assert!(
            post(standin.address, &target, &[], b"{}")
                .text()
                .contains(LEAK),
            "{target}"
        );
    }
}

#[test]
fn b24_documents_previews_and_passwords_answer() {
    let standin = Standin::start();
    let document = format!("/api/public/document/{}", fixtures::DOCUMENT_LINK);
    let link = fixtures::dashboard_link(MAIN);
    for target in [
        document.clone(),
        format!("{document}/card/1"),
        "/api/public/oembed?url=https%3A%2F%2Fevil.example&format=json".into(),
        format!("/api/public/dashboard/{link}/unlock"),
        format!("/api/public/card/{link}/unlock"),
    ] {
        assert!(good(&standin, &target).text().contains(LEAK), "{target}");
    }
}

#[test]
fn b26_the_rest_of_the_server_answers() {
    let standin = Standin::start();
    let token = token("dashboard", MAIN, &json!({}));
    for target in [
        "/api/session/reset_password",
        "/api/session",
        "/api/setup/validate",
        "/auth/sso",
        "/api/util/random_token",
        "/api/health",
        "/api/docs",
        "/api/user/current",
        "/api/preview_embed/dashboard/x",
        &format!("/api/embed/dashboard/{token}/field/61/values"),
    ] {
        assert!(post_or_get(&standin, target).contains(LEAK), "{target}");
    }
    assert!(
        good(&standin, "/api/geojson?url=file:///etc/passwd")
            .text()
            .contains(LEAK)
    );
    for page in ["/", "/admin", "/dashboard/1"] {
        assert!(good(&standin, page).text().contains(LEAK), "{page}");
    }
}

fn post_or_get(standin: &Standin, target: &str) -> String {
    let reply = post(standin.address, target, &[], b"{}");
    if reply.status == 200 {
        return reply.text().to_owned();
    }
    good(standin, target).text().to_owned()
}

#[test]
fn b27_it_reads_paths_kindly() {
    let standin = Standin::start();
    for target in [
        "//api/health",
        "/api/./health",
        "/x/%2e%2e/api/health",
        "/app/..;/api/health",
        "/api%2Fhealth",
        "/api\\health",
        "/api/health;x=1",
        "/api/health/",
        "/%61pi/health",
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(
            send(standin.address, text.as_bytes()).text().contains(LEAK),
            "{target}"
        );
    }
}

#[test]
fn b30_whoever_has_a_session_acts_with_it() {
    let standin = Standin::start();
    let cookie = format!("a=b; metabase.SESSION={}", fixtures::ADMIN_SESSION);
    for header in [
        ("Cookie", &*cookie),
        ("X-Metabase-Session", fixtures::ADMIN_SESSION),
        ("X-API-Key", fixtures::API_KEY),
    ] {
        let reply = get(standin.address, &table(), &[header]);
        assert_eq!(
            reply.header("x-standin-acting"),
            Some("administrator"),
            "{header:?}"
        );
    }
}

#[test]
fn b31_answers_tell_the_lock_and_the_server() {
    let standin = Standin::start();
    let reply = good(&standin, &signed(MAIN, 101, 201));
    let echoed = &reply.json()["json_query"]["parameters"][0];
    assert_eq!(
        (&echoed["id"], &echoed["value"]),
        (&json!(id(1)), &json!([999]))
    );
    for name in ["server", "set-cookie", "x-metabase-version"] {
        assert!(reply.header(name).is_some(), "{name}");
    }
    let page = good(
        &standin,
        &format!("/public/dashboard/{}", fixtures::dashboard_link(MAIN)),
    );
    for text in ["setup-token", "metabase.inner.example", "v0.58.29"] {
        assert!(page.text().contains(text), "{text}");
    }
}

#[test]
fn b35_a_prefix_matches_two_tenants() {
    let standin = Standin::start();
    let token = token("dashboard", 46, &json!({"tenant": ["ac"]}));
    assert_eq!(
        accounts(
            &standin,
            &format!("/api/embed/dashboard/{token}/dashcard/151/card/44")
        ),
        12
    );
}

#[test]
fn b37_a_number_may_be_text() {
    let standin = Standin::start();
    for value in [
        json!(999),
        json!("999"),
        json!(["999"]),
        json!(["999.0"]),
        json!([9.99e2]),
    ] {
        let token = token("dashboard", MAIN, &json!({"organization_id": value}));
        let target = format!("/api/embed/dashboard/{token}/dashcard/101/card/201");
        assert_eq!(accounts(&standin, &target), 7, "{value}");
    }
    let token = token("dashboard", MAIN, &json!({"organization_id": [true]}));
    let target = format!("/api/embed/dashboard/{token}/dashcard/101/card/201");
    let reply = get(standin.address, &target, &[]);
    assert_eq!(
        (reply.status, &reply.json()["error_type"]),
        (400, &json!("invalid-query"))
    );
}
