//! The stand-in of a Databricks workspace without a gateway: the three steps by hand, everything that it refuses, and where it leaks.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "shared with the tests that have a gateway")]
#[path = "support/client.rs"]
mod client;
#[path = "support/databricks/mod.rs"]
mod databricks;
#[path = "databricks/embed.rs"]
mod embed;
#[path = "databricks/faults.rs"]
mod faults;
#[path = "databricks/leaks.rs"]
mod leaks;
#[path = "databricks/steps.rs"]
mod steps;
#[path = "support/wire.rs"]
mod wire;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use client::{Reply, get, post};
use databricks::{BROKER, SECRET, Standin, store::SALES};
use percent_encoding::AsciiSet;
use serde_json::{Value, json};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// `Basic …`
fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

const PLAIN: &AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*')
    .remove(b' ');

/// Encodes a form as a browser does.
fn form(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, PLAIN)
            .to_string()
            .replace(' ', "+")
    };
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encode(name), encode(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// A request at the token endpoint, with the broker's credentials.
fn token(standin: &Standin, body: &str) -> Reply {
    let credentials = basic(BROKER, SECRET);
    let headers = [FORM, ("Authorization", credentials.as_str())];
    post(standin.address, "/oidc/v1/token", &headers, body.as_bytes())
}

const ALL_APIS: &str = "grant_type=client_credentials&scope=all-apis";

/// Step 1.
fn access(standin: &Standin) -> String {
    let reply = token(standin, ALL_APIS);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// A GET with a token.
fn bearing(standin: &Standin, target: &str, token: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    get(standin.address, target, &[("Authorization", &bearer)])
}

/// The address of step 2.
fn tokeninfo(dashboard: &str, viewer: &str, value: &str) -> String {
    let query = form(&[("external_viewer_id", viewer), ("external_value", value)]);
    format!("/api/2.0/lakeview/dashboards/{dashboard}/published/tokeninfo?{query}")
}

/// Step 2.
fn info(standin: &Standin, dashboard: &str, viewer: &str, value: &str) -> Value {
    let target = tokeninfo(dashboard, viewer, value);
    let reply = bearing(standin, &target, &access(standin));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// The form of step 3, for what step 2 gave.
fn third(info: &Value) -> String {
    let details = info["authorization_details"].to_string();
    let mut pairs = vec![
        ("grant_type".to_owned(), "client_credentials".to_owned()),
        ("authorization_details".to_owned(), details),
    ];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
    for (name, value) in info.as_object().unwrap() {
        if name != "authorization_details" {
            pairs.push((name.clone(), text(value)));
        }
    }
    let pairs = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str()));
    form(&pairs.collect::<Vec<_>>())
}

/// All three steps: a viewer's token.
fn scoped(standin: &Standin, dashboard: &str, viewer: &str, value: &str) -> String {
    let body = third(&info(standin, dashboard, viewer, value));
    let reply = token(standin, &body);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// Runs a dataset with a token.
fn query(standin: &Standin, token: &str, dashboard: &str, dataset: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", &*bearer),
    ];
    let path = standin.edit(|workspace| workspace.behaviour.paths.query.clone());
    let body = json!({"dashboardId": dashboard, "dataset": dataset});
    post(
        standin.address,
        &path,
        &headers,
        body.to_string().as_bytes(),
    )
}

/// How many rows a dataset shows.
fn rows(standin: &Standin, token: &str, dashboard: &str, dataset: &str) -> usize {
    let reply = query(standin, token, dashboard, dataset);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["rows"].as_array().unwrap().len()
}

/// The token endpoint's error code; empty where there is none.
fn error(reply: &Reply) -> String {
    reply.json()["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn the_three_steps_show_a_viewer_its_rows() {
    let standin = Standin::start();
    for (tenant, count) in [("999", 7), ("777", 5), ("555", 4), ("1", 0), ("", 0)] {
        let token = scoped(&standin, SALES, "viewer-1", tenant);
        assert_eq!(rows(&standin, &token, SALES, "accounts"), count, "{tenant}");
    }
}
