//! What pages in a browser need to be told, so that they work on.

use serde_json::{Value, json};

use super::setup::Scene;
use crate::support::{client::post, gateway, metabase::fixtures};

/// A refusal that the host page's script may not read is a network error to it, and says nothing to anybody.
#[test]
fn a_host_page_may_read_why_it_gets_no_token() {
    let scene = Scene::signed();
    for (origin, readable) in [
        ("https://app.example.com", true),
        ("https://evil.example", false),
    ] {
        let reply = post(
            scene.gateway.address,
            "/_embedgate/metabase/token?response=json",
            &[("Origin", origin), ("Content-Type", "application/json")],
            br#"{"entityType":"dashboard","entityId":42}"#,
        );
        assert_eq!(reply.status, 401, "{reply:?}");
        let allowed = reply.header("access-control-allow-origin");
        assert_eq!(allowed, readable.then_some(origin));
        let credentials = reply.header("access-control-allow-credentials");
        assert_eq!(credentials, readable.then_some("true"));
    }
}

/// Metabase's pages ask for an export with the `parameters` that the result says it was asked with.
#[test]
fn a_public_result_tells_what_its_viewer_asked_and_nothing_of_the_lock() {
    let link = fixtures::dashboard_link(42);
    let scene = Scene::with(&format!(
        "[site.reports.metabase.public.\"{link}\"]\nkind = \"dashboard\""
    ));
    let token = gateway::token(&json!({
        "resource": { "dashboard": link }, "params": { "organization_id": 999 }
    }));
    let region = fixtures::on_dashboard(42, 2);
    for (sent, told) in [
        (json!([]), json!([])),
        (
            json!([{"id": region, "type": "string/!=", "target": ["dimension", ["field", 69]], "value": ["Europe"]}]),
            json!([{"id": region, "value": ["Europe"]}]),
        ),
    ] {
        let bearer = format!("Bearer {token}");
        let sent = percent_encoding::utf8_percent_encode(
            &sent.to_string(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        let reply = scene.get_with(
            &format!("/api/public/dashboard/{link}/dashcard/101/card/201?parameters={sent}"),
            &[("Authorization", &bearer)],
        );
        assert_eq!(reply.status, 202, "{reply:?}");
        let result: Value = reply.json();
        assert_eq!(result["json_query"], json!({ "parameters": told }));
        assert!(
            result["data"]["rows"]
                .as_array()
                .is_some_and(|rows| !rows.is_empty())
        );
        assert!(!reply.text().contains(&fixtures::on_dashboard(42, 1)));
        assert_eq!(reply.text().matches("json_query").count(), 1);
    }
}
