//! Where the workspace leaks, and what its tokens have in them that a client cannot digest.

use serde_json::Value;

use super::{
    access, bearing,
    databricks::{
        Payload, Standin,
        store::{BENCHMARK, SALES},
        token::peek,
    },
    rows, scoped,
};

#[test]
fn payloads_have_what_atob_refuses_when_they_are_told_to() {
    let standin = Standin::with(|workspace| workspace.behaviour.loads_per_second = 1000);
    let payload = |viewer: &str, value: &str| {
        let token = scoped(&standin, SALES, viewer, value);
        assert!(peek(&token).is_some());
        token.split('.').nth(1).unwrap().to_owned()
    };
    for serial in 0..50 {
        let payload = payload(&format!("viewer-{serial}"), "999");
        assert!(!payload.contains(['-', '_']), "{payload}");
    }
    // An external value alone can bring them, whatever the workspace does.
    let odd = ["~", "a~", "ab~"].map(|value| payload("v", value));
    assert!(odd.iter().any(|one| one.contains(['-', '_'])), "{odd:?}");
    standin.edit(|workspace| workspace.behaviour.payload = Payload::UrlSafe);
    let forced = payload("v", "999");
    assert!(forced.contains('-') && forced.contains('_'), "{forced}");
}

#[test]
fn datasets_leak_where_their_sql_does() {
    let standin = Standin::start();
    let cases = [
        ("everybody", "999", 16),
        ("everybody", "", 16),
        ("commented", "999", 16),
        ("optional", "999", 7),
        ("optional", "", 16),
        ("several", "999", 7),
        ("several", "999,777", 12),
    ];
    for (dataset, value, count) in cases {
        let token = scoped(&standin, BENCHMARK, "v", value);
        assert_eq!(
            rows(&standin, &token, BENCHMARK, dataset),
            count,
            "{dataset} {value:?}"
        );
    }
    // A colon leaves it open where the value ends.
    let token = scoped(&standin, SALES, "777:v", "999");
    assert_eq!(rows(&standin, &token, SALES, "accounts"), 7);
    let token = scoped(&standin, SALES, "v", "999:777");
    assert_eq!(rows(&standin, &token, SALES, "accounts"), 7);
}

#[test]
fn the_draft_shows_which_datasets_use_the_value() {
    let standin = Standin::start();
    let all = access(&standin);
    let target = format!("/api/2.0/lakeview/dashboards/{BENCHMARK}");
    let draft = bearing(&standin, &target, &all).json();
    let text = draft["serialized_dashboard"].as_str().unwrap();
    let inside: Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        inside["datasets"][0]["queryLines"][0],
        "SELECT * FROM main.sales.accounts"
    );
    let published = bearing(&standin, &format!("{target}/published"), &all).json();
    assert_eq!(published["embed_credentials"], false);
    let leak = bearing(&standin, "/api/2.0/clusters/list", &all);
    assert!(
        leak.text().contains("STANDIN-LEAK"),
        "an all-apis token opens everything"
    );
    let viewer = scoped(&standin, BENCHMARK, "v", "1");
    assert_eq!(
        bearing(&standin, "/api/2.0/clusters/list", &viewer).status,
        403
    );
}
