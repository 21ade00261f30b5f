//! Whatever a token, a viewer or an upstream says: a string becomes one SQL literal or nothing; a chart request that passes is pinned, and passes again
//! unchanged; an exchange ends in few steps.
#![no_main]

use embedgate::{
    adapter::{
        exchange::{Known, Reply, Step},
        secret::SecretBytes,
        superset::{Coverage, DashboardId, Superset, SupersetSpec, rules::Rule},
    },
    gate::{
        param::{Mode, ParamSpec, Scalar, Type, Value},
        request::UnixTime,
        resource::Scopes,
    },
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use libfuzzer_sys::fuzz_target;

const UUID: &str = "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11";
const PAGE: &str = r#"<div data-bootstrap="{&#34;embedded&#34;:{&#34;dashboard_id&#34;:7}}">"#;
const METADATA: &str = r#"{"result":{"id":7,"json_metadata":""}}"#;
const DATASETS: &str = r#"{"result":[{"id":1}]}"#;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    match choice % 3 {
        0 => one_literal(data),
        1 => pinned(data),
        _ => ends(choice, data),
    }
});

fn one_literal(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let params = [param()];
    let _ = Rule::parse(text, None, &params);
    let rule = Rule::parse("plan = {plan}", None, &params).expect("a good clause");
    let value = Value::One(Scalar {
        text: text.into(),
        kind: Type::String,
    });
    let Ok(clause) = rule.fill(&[Some(value)]) else {
        return;
    };
    let inside = clause.strip_prefix("plan = '").expect("begins as told");
    let inside = inside.strip_suffix('\'').expect("ends as told");
    assert!(!inside.replace("''", "").contains(['\'', '\\', '\0']));
    assert_eq!(inside.replace("''", "'"), text);
}

fn pinned(data: &[u8]) {
    let superset = superset();
    let coverage = learn(
        &superset,
        [PAGE.as_bytes(), METADATA.as_bytes(), DATASETS.as_bytes()],
    );
    let coverage = coverage.expect("a good script");
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let scope = Scopes::parse("view");
    let Ok(pinned) = superset.pin(&coverage, &scope, &headers, data) else {
        return;
    };
    let sent = pinned.body;
    assert!(!pinned.export, "nobody was granted `download`");
    let read: serde_json::Value = serde_json::from_slice(&sent).expect("JSON goes on");
    assert_eq!(read["form_data"]["dashboardId"], 7);
    assert_eq!(read["datasource"]["id"], 1);
    let again = superset.pin(&coverage, &scope, &headers, &sent);
    assert_eq!(again.expect("passes again").body, sent);
}

fn ends(choice: u8, data: &[u8]) {
    let superset = superset();
    let _ = match choice / 3 % 3 {
        0 => learn(&superset, [data, METADATA.as_bytes(), DATASETS.as_bytes()]),
        1 => learn(&superset, [PAGE.as_bytes(), data, DATASETS.as_bytes()]),
        _ => learn(&superset, [PAGE.as_bytes(), METADATA.as_bytes(), data]),
    };
}

fn learn(superset: &Superset, replies: [&[u8]; 3]) -> Option<std::sync::Arc<Coverage>> {
    let mut step = superset.begin(&DashboardId::parse(UUID)?);
    for body in replies {
        let Step::Call(call, pending) = step else {
            break;
        };
        assert!(call.path.starts_with("/embedded/") || call.path.starts_with("/api/v1/dashboard/"));
        let reply = Reply {
            status: StatusCode::OK,
            body,
        };
        step = superset.resume(pending, reply, UnixTime(0)).ok()?;
    }
    match step {
        Step::Done(Known::Superset(coverage)) => Some(coverage),
        Step::Call(..) => panic!("three replies are enough"),
        Step::Done(Known::Metabase(_)) => panic!("learnt for another adapter"),
    }
}

fn param() -> ParamSpec {
    ParamSpec {
        name: "plan".into(),
        folded: "plan".into(),
        mode: Mode::Locked,
        kind: Type::String,
        list: false,
        all: None,
    }
}

fn superset() -> Superset {
    Superset::new(SupersetSpec {
        guest_secret: SecretBytes::new(b"secret"),
        guest_audience: "superset-embed".into(),
        guest_ttl: SupersetSpec::GUEST_TTL,
        rules: vec![Rule::parse("plan = {plan}", None, &[param()]).expect("a good clause")],
        dashboards: Vec::new(),
        referer: HeaderValue::from_static("https://gateway.example/"),
        backend: None,
        max_queries: SupersetSpec::MAX_QUERIES,
        max_rows: SupersetSpec::MAX_ROWS,
        coverage_ttl: SupersetSpec::COVERAGE_TTL,
        danger_uncovered_datasets: false,
    })
}
