//! The stand-in of Metabase without a gateway: every attack of the bypass list that makes sense without one succeeds, and tokens give what they give
//! at Metabase. The tests of the gateway repeat these through it, where they must fail.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "metabase/answers.rs"]
mod answers;
#[path = "metabase/attacks.rs"]
mod attacks;
#[expect(dead_code, reason = "shared with the tests that have a gateway")]
#[path = "support/client.rs"]
mod client;
#[path = "support/metabase/mod.rs"]
mod metabase;
#[path = "metabase/rules.rs"]
mod rules;
#[path = "metabase/surroundings.rs"]
mod surroundings;
#[path = "metabase/vectors.rs"]
mod vectors;
#[path = "support/wire.rs"]
mod wire;

use client::{Reply, get, post};
use metabase::{SECRET, Standin, fixtures, token};
use serde_json::{Value, json};

/// A token for an item, with values.
fn token(kind: &str, id: u64, params: &Value) -> String {
    let claims = json!({"resource": {kind: id}, "params": params, "exp": 4_102_444_800_u64});
    token::sign(SECRET, &claims)
}

/// Percent-encodes all of a text.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// `?parameters=…`
fn with(parameters: &Value) -> String {
    format!("?parameters={}", encoded(&parameters.to_string()))
}

/// A GET that must go well.
fn good(standin: &Standin, target: &str) -> Reply {
    let reply = get(standin.address, target, &[]);
    assert!(matches!(reply.status, 200 | 202), "{target}: {reply:?}");
    reply
}

/// A GET that is refused with a text.
fn refused(standin: &Standin, target: &str, status: u16, text: &str) {
    let reply = get(standin.address, target, &[]);
    assert_eq!((reply.status, reply.text()), (status, text), "{target}");
    assert_eq!(reply.header("content-type"), Some("text/plain"));
}

/// How many accounts a text names.
fn named(text: &str) -> usize {
    let all = fixtures::everything();
    all.iter().filter(|name| text.contains(*name)).count()
}

/// How many accounts an answer names: 16 are all, 7 are organization 999's, 5 are 777's, 4 are 555's.
fn accounts(standin: &Standin, target: &str) -> usize {
    named(good(standin, target).text())
}

const MAIN: u64 = fixtures::MAIN;

/// A dashcard by the public link of its dashboard.
fn open(dashboard: u64, dashcard: u64, card: u64) -> String {
    let link = fixtures::dashboard_link(dashboard);
    format!("/api/public/dashboard/{link}/dashcard/{dashcard}/card/{card}")
}

/// The same in a signed embed whose token locks `organization_id` to 999.
fn signed(dashboard: u64, dashcard: u64, card: u64) -> String {
    let token = token("dashboard", dashboard, &json!({"organization_id": [999]}));
    format!("/api/embed/dashboard/{token}/dashcard/{dashcard}/card/{card}")
}

/// A question by its public link.
fn question(id: u64) -> String {
    format!("/api/public/card/{}", fixtures::question_link(id))
}

/// A parameter of [`MAIN`].
fn id(number: u64) -> String {
    fixtures::on_dashboard(MAIN, number)
}

/// The same by its public link.
fn table() -> String {
    open(MAIN, 101, 201)
}

/// [`MAIN`] in a signed embed.
fn embed(params: &Value, rest: &str) -> String {
    format!(
        "/api/embed/dashboard/{}{rest}",
        token("dashboard", MAIN, params)
    )
}

/// A question in a signed embed.
fn asked(id: u64, params: &Value, rest: &str) -> String {
    format!("/api/embed/card/{}{rest}", token("question", id, params))
}

/// The table of all accounts on it.
const TABLE: &str = "/dashcard/101/card/201";
