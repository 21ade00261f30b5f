//! Signed embeds: the path is swapped, the rows are the viewer's.

use serde_json::json;

use super::setup::{Scene, dashboard, question};

const MINE: &str = "organization_id";

#[test]
fn every_call_carries_a_fresh_token_of_metabase_with_the_locked_values() {
    let scene = Scene::signed();
    let token = dashboard(42, &json!({ MINE: 999 }));
    let result = scene.get(&format!(
        "/api/embed/dashboard/{token}/dashcard/101/card/201?parameters=%7B%22region%22%3A%5B%22Europe%22%5D%7D"
    ));
    assert_eq!(result.status, 202, "{result:?}");
    let rows = result.json()["data"]["rows"].as_array().unwrap().clone();
    assert!(
        rows.iter().all(|row| row[1] == 999 && row[3] == "Europe"),
        "{rows:?}"
    );
    let seen = scene.metabase.last();
    let claims = seen.claims().unwrap();
    assert_eq!(claims["resource"], json!({ "dashboard": 42 }));
    assert_eq!(claims["params"], json!({ MINE: [999] }));
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((1..=120).contains(&life), "{life}");
    assert!(!seen.holds(&token));
    assert!(!result.text().contains("json_query"));
}

#[test]
fn a_question_is_answered_with_the_own_rows() {
    let scene = Scene::signed();
    let token = question(7, &json!({ MINE: 555 }));
    let result = scene.get_with(
        &format!("/api/embed/card/{token}/query?region=Europe"),
        &[("X-Metabase-Session", "stolen")],
    );
    assert_eq!(result.status, 202, "{result:?}");
    let cookies = result.all("set-cookie");
    assert!(cookies.iter().all(|cookie| !cookie.contains("metabase")));
    assert!(scene.metabase.last().all("x-metabase-session").is_empty());
}
