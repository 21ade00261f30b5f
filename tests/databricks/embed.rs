//! The embedded page and its calls.

use serde_json::json;

use super::{
    access, bearing,
    client::get,
    databricks::{
        BROKER, Fault, LEAK, SECRET, Standin, Step,
        store::{BENCHMARK, SALES, WORKSPACE},
    },
    error, info, query, rows, scoped, third, token,
};

#[test]
fn the_page_may_be_framed_by_approved_domains_alone() {
    let standin = Standin::start();
    let page = format!("/embed/dashboardsv3/{SALES}?o={WORKSPACE}");
    let reply = get(standin.address, &page, &[]);
    assert_eq!(reply.status, 200);
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
    standin.edit(|workspace| workspace.approved.push("https://app.example.com".into()));
    for path in [page.clone(), page.replace('?', "/pages/ef56ab78?")] {
        let reply = get(standin.address, &path, &[]);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.ends_with("frame-ancestors https://app.example.com"),
            "{policy}"
        );
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next();
        assert!(
            reply
                .text()
                .contains(&format!("nonce=\"{}\"", nonce.unwrap()))
        );
    }
    for wrong in ["", "?o=", "?o=1", "?o=1234567890123456&o=1"] {
        let path = page.split('?').next().unwrap();
        let reply = get(standin.address, &format!("{path}{wrong}"), &[]);
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, Some("/login")),
            "{wrong}"
        );
    }
}

#[test]
fn scripts_and_styles_are_where_the_page_says() {
    let standin = Standin::with(|workspace| workspace.behaviour.paths.assets = "/elsewhere".into());
    let page = format!("/embed/dashboardsv3/{SALES}?o={WORKSPACE}");
    let reply = get(standin.address, &page, &[]);
    let names: Vec<_> = reply
        .text()
        .split('"')
        .filter(|text| text.starts_with("/elsewhere/"))
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        let asset = get(standin.address, name, &[]);
        assert_eq!(asset.status, 200, "{name}");
        assert!(asset.header("cache-control").unwrap().contains("immutable"));
        standin.edit(|workspace| workspace.behaviour.gzip = true);
        let asset = get(standin.address, name, &[("Accept-Encoding", "gzip")]);
        assert_eq!(asset.header("content-encoding"), Some("gzip"));
    }
    assert_eq!(standin.count(Step::Asset), 6);
    assert!(get(standin.address, "/", &[]).text().contains(LEAK));
}

#[test]
fn calls_want_the_token_of_the_very_dashboard() {
    let standin = Standin::start();
    let sales = scoped(&standin, SALES, "v", "999");
    let layout = |id: &str, token: &str| {
        let prefix = standin.edit(|workspace| workspace.behaviour.paths.layout.clone());
        bearing(&standin, &format!("{prefix}/{id}"), token)
    };
    assert_eq!(layout(SALES, &sales).json()["pages"][1]["id"], "ef56ab78");
    assert_eq!(layout(BENCHMARK, &sales).status, 403);
    assert_eq!(query(&standin, &sales, BENCHMARK, "everybody").status, 403);
    assert_eq!(query(&standin, &sales, SALES, "everybody").status, 400);
    let all = access(&standin);
    let reply = query(&standin, &all, SALES, "accounts");
    assert_eq!(reply.status, 400);
    let missing =
        json!({"message": "BAD_REQUEST", "name": "Dashboard ID is missing in token claim."});
    assert_eq!(reply.json(), missing);
    standin.edit(|workspace| workspace.withdraw(SALES));
    assert_eq!(query(&standin, &sales, SALES, "accounts").status, 403);
}

#[test]
fn without_a_custom_claim_there_is_a_token_that_shows_nothing() {
    let standin = Standin::start();
    let mut given = info(&standin, SALES, "v", "999");
    given.as_object_mut().unwrap().shift_remove("custom_claim");
    let reply = token(&standin, &third(&given)).json();
    let token = reply["access_token"].as_str().unwrap();
    let reply = query(&standin, token, SALES, "accounts");
    assert_eq!(
        (reply.status, &reply.json()["name"]),
        (400, &json!("Dashboard ID is missing in token claim."))
    );
}

#[test]
fn fewer_scopes_and_second_locks_hold() {
    let standin = Standin::start();
    let given = info(&standin, SALES, "v", "999");
    let mint = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut info = given.clone();
        change(&mut info);
        let reply = token(&standin, &third(&info));
        assert_eq!(error(&reply), "");
        reply.json()["access_token"].as_str().unwrap().to_owned()
    };
    let less = mint(&|info| info["scope"] = json!("settings:read"));
    assert_eq!(query(&standin, &less, SALES, "accounts").status, 403);
    let lock = |table: &str| {
        mint(&|info| {
            let lock = json!({"type": "unity_catalog_privileges", "privileges": ["SELECT"], "object_type": "TABLE", "object_full_path": table});
            info["authorization_details"]
                .as_array_mut()
                .unwrap()
                .push(lock);
        })
    };
    assert_eq!(
        rows(&standin, &lock("main.sales.accounts"), SALES, "accounts"),
        7
    );
    assert_eq!(
        query(&standin, &lock("main.sales.other"), SALES, "accounts").status,
        403
    );
}

#[test]
fn pages_and_calls_can_go_wrong_too() {
    let standin = Standin::start();
    let token = scoped(&standin, SALES, "v", "999");
    standin.fault(Step::Data, Fault::Status(500), 1);
    assert_eq!(query(&standin, &token, SALES, "accounts").status, 500);
    standin.edit(|workspace| workspace.revoke_tokens(BROKER));
    assert_eq!(query(&standin, &token, SALES, "accounts").status, 401);
    let call = standin.last();
    assert_eq!(
        call.principal.as_deref(),
        Some(BROKER),
        "though it is refused"
    );
    assert!(!call.seen.holds(SECRET));
}
