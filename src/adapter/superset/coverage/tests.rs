use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::adapter::superset::{
    SupersetSpec,
    testing::{UUID, superset},
};

const PAGE_BODY: &str = r#"<html><div id="app" data-bootstrap="{&#34;config&#34;: {&#34;GUEST_TOKEN_HEADER_NAME&#34;: &#34;X-GuestToken&#34;}, &#34;common&#34;: {&#34;t&#34;: &#34;a &amp;amp; &lt;b&gt; &#39;&#34;}, &#34;embedded&#34;: {&#34;dashboard_id&#34;: 7}}"></div>"#;

fn ok(body: &str) -> Reply<'_> {
    Reply {
        status: StatusCode::OK,
        body: body.as_bytes(),
    }
}

fn call(step: Step) -> (Box<Call>, Pending) {
    match step {
        Step::Call(call, pending) => (call, pending),
        Step::Done(done) => panic!("done: {done:?}"),
    }
}

fn done(step: Step) -> Arc<Coverage> {
    match step {
        Step::Done(Known::Superset(coverage)) => coverage,
        Step::Done(other) => panic!("learnt {other:?}"),
        Step::Call(call, _) => panic!("calls {}", call.path),
    }
}

fn metadata(filters: &[u64]) -> String {
    let targets: Vec<_> = filters
        .iter()
        .map(|id| json!({"targets": [{"datasetId": id}, {"column": "x"}]}))
        .collect();
    let metadata = json!({"native_filter_configuration": targets, "chart_customization_config": [{"targets": [{"datasetId": 1}]}]});
    json!({"result": {"id": 7, "json_metadata": metadata.to_string()}}).to_string()
}

/// Runs the exchange against scripted replies.
fn learn(metadata: &str, datasets: &str) -> Result<Arc<Coverage>, ExchangeError> {
    let superset = superset();
    let now = UnixTime(1_000);
    let (_, page) = call(superset.begin(&DashboardId::parse(UUID).unwrap()));
    let (_, next) = call(superset.resume(page, ok(PAGE_BODY), now)?);
    let (_, last) = call(superset.resume(next, ok(metadata), now)?);
    Ok(done(superset.resume(last, ok(datasets), now)?))
}

#[test]
fn asks_for_the_page_the_metadata_and_the_datasets_and_no_rows() {
    let superset = superset();
    let now = UnixTime(1_000);
    let (first, pending) = call(superset.begin(&DashboardId::parse(UUID).unwrap()));
    assert_eq!(first.path, format!("/embedded/{UUID}"));
    assert_eq!(first.headers[header::REFERER], "https://gateway.example/");
    assert!(!first.headers.contains_key(GUEST_TOKEN));

    let (second, pending) = call(superset.resume(pending, ok(PAGE_BODY), now).unwrap());
    assert_eq!(second.path, "/api/v1/dashboard/7");
    let token = second.headers[GUEST_TOKEN].to_str().unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["rls_rules"], json!([{"clause": "1 = 0"}]));

    let (third, pending) = call(superset.resume(pending, ok(&metadata(&[1])), now).unwrap());
    assert_eq!(third.path, "/api/v1/dashboard/7/datasets");
    let coverage = done(
        superset
            .resume(pending, ok(r#"{"result": [{"id": 1, "sql": null}]}"#), now)
            .unwrap(),
    );
    assert_eq!(coverage.checked(false), Ok(7));
    assert!(coverage.holds(1) && !coverage.holds(2));
    assert_eq!(coverage.valid_for(), SupersetSpec::COVERAGE_TTL);
}

#[test]
fn a_dataset_without_a_rule_is_refused_by_number() {
    for (filters, charts) in [
        (&[1][..], "[{\"id\":1},{\"id\":5},{\"id\":2}]"),
        (&[5, 2][..], "[{\"id\":1}]"),
    ] {
        let coverage = learn(&metadata(filters), &format!("{{\"result\":{charts}}}")).unwrap();
        let denial = coverage.checked(false).unwrap_err();
        assert_eq!(denial.refusal, Refusal::ResourceDenied);
        assert_eq!(
            denial.detail.as_deref(),
            Some("no rule covers dataset 2, 5")
        );
        assert_eq!(coverage.checked(true), Ok(7), "danger_uncovered_datasets");
    }
}

#[test]
fn an_unknown_dashboard_is_remembered_shortly() {
    let superset = superset();
    let (_, pending) = call(superset.begin(&DashboardId::parse(UUID).unwrap()));
    let missing = Reply {
        status: StatusCode::NOT_FOUND,
        body: b"",
    };
    let coverage = done(superset.resume(pending, missing, UnixTime(0)).unwrap());
    assert_eq!(
        coverage.checked(true).unwrap_err().refusal,
        Refusal::ResourceDenied
    );
    assert_eq!(coverage.valid_for(), Duration::from_secs(10));
}

#[test]
fn a_refusal_of_superset_says_what_to_look_at() {
    let superset = superset();
    for (status, hint) in [(403, "`referer`"), (302, "`referer`"), (500, "")] {
        let (_, pending) = call(superset.begin(&DashboardId::parse(UUID).unwrap()));
        let reply = Reply {
            status: StatusCode::from_u16(status).unwrap(),
            body: b"",
        };
        let error = superset.resume(pending, reply, UnixTime(0)).unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
        assert_eq!(error.refusal(), Refusal::UpstreamFailed);
    }
    let (_, pending) = call(superset.begin(&DashboardId::parse(UUID).unwrap()));
    let (_, pending) = call(
        superset
            .resume(pending, ok(PAGE_BODY), UnixTime(0))
            .unwrap(),
    );
    let reply = Reply {
        status: StatusCode::UNAUTHORIZED,
        body: b"{}",
    };
    let error = superset.resume(pending, reply, UnixTime(0)).unwrap_err();
    assert!(error.to_string().contains("guest_secret"), "{error}");
}

#[test]
fn what_is_not_superset_is_not_believed() {
    let superset = superset();
    for page in [
        "",
        "<div data-bootstrap=\"",
        "<div data-bootstrap=\"{}\">",
        "<div data-bootstrap=\"{&#34;embedded&#34;:{&#34;dashboard_id&#34;:-1}}\">",
        "<div data-bootstrap=\"{&#34;embedded&#34;:{&#34;dashboard_id&#34;:&#34;../7&#34;}}\">",
        "<div data-bootstrap=\"{&#34;config&#34;:{&#34;GUEST_TOKEN_HEADER_NAME&#34;:&#34;X-Other&#34;},&#34;embedded&#34;:{&#34;dashboard_id&#34;:7}}\">",
    ] {
        let (_, pending) = call(superset.begin(&DashboardId::parse(UUID).unwrap()));
        assert!(
            superset.resume(pending, ok(page), UnixTime(0)).is_err(),
            "{page}"
        );
    }
    let good = metadata(&[]);
    let other = good.replace("\"id\":7", "\"id\":8");
    let broken = json!({"result": {"id": 7, "json_metadata": "{"}}).to_string();
    for bad in ["", "[]", "{\"result\":{}}", &other, &broken] {
        assert!(learn(bad, "{\"result\":[]}").is_err(), "{bad}");
    }
    for bad in [
        "",
        "{}",
        "{\"result\":[{}]}",
        "{\"result\":[{\"id\":\"1\"}]}",
    ] {
        assert!(learn(&good, bad).is_err(), "{bad}");
    }
    let empty = json!({"result": {"id": 7, "json_metadata": null}}).to_string();
    assert_eq!(
        learn(&empty, "{\"result\":[]}").unwrap().checked(false),
        Ok(7)
    );
}
