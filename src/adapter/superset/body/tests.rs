use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::adapter::superset::testing::spec;

fn pinned(scope: &str, media: Media, body: &[u8]) -> Result<Pinned, Denial> {
    let spec = spec();
    let coverage = Coverage::of_test(7, &[1, 3]);
    let scope = Scopes::parse(scope);
    let fence = Fence {
        dashboard: 7,
        coverage: &coverage,
        scope: &scope,
        spec: &spec,
    };
    fence.pass(media, body)
}

fn checked(scope: &str, media: Media, body: &[u8]) -> Result<Vec<u8>, Denial> {
    pinned(scope, media, body).map(|pinned| pinned.body)
}

fn pass(body: &Value) -> Result<Value, Refusal> {
    let sent = checked("view", Media::Json, body.to_string().as_bytes())
        .map_err(|denial| denial.refusal)?;
    Ok(serde_json::from_slice(&sent).unwrap())
}

/// What Superset's own page sends.
fn chart() -> Value {
    json!({
        "datasource": {"id": 1, "type": "table"}, "force": false,
        "queries": [{"filters": [{"col": "status", "op": "IN", "val": ["Active"]}], "extras": {"where": ""}, "columns": ["plan"],
            "metrics": [], "annotation_layers": [], "row_limit": 1000, "url_params": {"uiConfig": "0"}}],
        "form_data": {"slice_id": 1, "dashboardId": 7, "viz_type": "table", "url_params": {"uiConfig": "0"}},
        "result_format": "json", "result_type": "full",
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = chart();
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

fn plus(pointer: &str, name: &str, value: Value) -> Value {
    let mut body = chart();
    body.pointer_mut(pointer)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .insert(name.to_owned(), value);
    body
}

#[test]
fn what_the_page_sends_passes_unchanged() {
    assert_eq!(pass(&chart()), Ok(chart()));
    let filter = json!({
        "datasource": {"id": 3, "type": "table"}, "queries": [{"columns": ["status"], "row_limit": null, "result_type": null, "datasource": null}],
        "form_data": {"dashboardId": 7, "type": "NATIVE_FILTER", "native_filter_id": "NATIVE_FILTER-x"},
        "result_format": "json", "result_type": "full",
    });
    assert_eq!(pass(&filter), Ok(filter));
}

#[test]
fn numbers_keep_their_text() {
    let body = r#"{"datasource":{"id":"1","type":"table"},"queries":[{"filters":[{"val":12345678901234567890123.50}]}],"form_data":{"dashboardId":"7"}}"#;
    let sent = checked("view", Media::Json, body.as_bytes()).unwrap();
    let wanted = r#"{"datasource":{"id":1,"type":"table"},"queries":[{"filters":[{"val":12345678901234567890123.50}]}],"form_data":{"dashboardId":7}}"#;
    assert_eq!(String::from_utf8(sent).unwrap(), wanted);
}

#[test]
fn another_dashboard_dataset_or_result_is_refused() {
    for body in [
        with("/form_data/dashboardId", json!(8)),
        with("/form_data/dashboardId", json!("07")),
        with("/form_data/dashboardId", json!(null)),
        with("/form_data", json!({"slice_id": 1})),
        with("/datasource/id", json!(2)),
        with("/result_type", json!("samples")),
        with("/result_type", json!("query")),
        plus("/queries/0", "result_type", json!("drill_detail")),
        plus(
            "/queries/0",
            "datasource",
            json!({"id": 1, "type": "table"}),
        ),
        plus(
            "/queries/0",
            "annotation_layers",
            json!([{"annotationType": "EVENT", "sourceType": "NATIVE", "value": 1}]),
        ),
        plus(
            "/queries/0",
            "annotation_layers",
            json!([{"annotationType": "FORMULA", "sourceType": "table", "value": 4}]),
        ),
        plus(
            "/queries/0",
            "annotation_layers",
            json!([{"sourceType": "line"}]),
        ),
        plus("/queries/0", "annotation_layers", json!([{}])),
    ] {
        assert_eq!(pass(&body), Err(Refusal::ResourceDenied), "{body}");
    }
    let formula = plus(
        "/queries/0",
        "annotation_layers",
        json!([{"annotationType": "FORMULA", "sourceType": "", "value": "x"}]),
    );
    assert!(pass(&formula).is_ok());
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    let query = chart()["queries"][0].clone();
    for body in [
        with("/datasource", json!({"id": 1, "type": "query"})),
        with(
            "/datasource",
            json!({"id": "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11", "type": "table"}),
        ),
        with("/datasource", json!("1__table")),
        with("/queries", json!([])),
        with("/queries", json!([query, query, query, query])),
        with("/queries/0/row_limit", json!(1001)),
        with("/queries/0/row_limit", json!(-1)),
        with("/queries/0/row_limit", json!(1e9)),
        with("/queries/0", json!("x")),
        with("/result_format", json!("CSV")),
        with("/result_format", json!(["csv"])),
        json!({"queries": [{}], "form_data": {"dashboardId": 7}}),
        json!({"datasource": {"id": 1, "type": "table"}, "form_data": {"dashboardId": 7}}),
        json!({"datasource": {"id": 1, "type": "table"}, "queries": [{}]}),
    ] {
        assert_eq!(pass(&body), Err(Refusal::RequestMalformed), "{body}");
    }
    for text in [
        "",
        "[]",
        "{\"a\":1",
        "{\"queries\":[],\"queries\":[]}",
        "\u{feff}{}",
    ] {
        let refused = checked("view", Media::Json, text.as_bytes()).unwrap_err();
        assert_eq!(refused.refusal, Refusal::BodyUnsupported, "{text}");
    }
}

#[test]
fn what_the_page_does_not_send_stays_here() {
    let mut body = plus("/form_data/url_params", "tenant", json!("777"));
    body["queries"][0]["url_params"] = json!({"guest_token": "eyJ", "show_filters": "1"});
    body["templateParams"] = json!("{\"_filters\": []}");
    body["custom_cache_timeout"] = json!(-1);
    let sent = pass(&body).unwrap();
    assert_eq!(sent["form_data"]["url_params"], json!({"uiConfig": "0"}));
    assert_eq!(
        sent["queries"][0]["url_params"],
        json!({"show_filters": "1"})
    );
    assert_eq!(sent.get("templateParams"), None);
    assert_eq!(sent.get("custom_cache_timeout"), None);
}

#[test]
fn an_export_needs_its_scope() {
    for format in ["csv", "xlsx"] {
        let body = with("/result_format", json!(format)).to_string();
        let refused = checked("view", Media::Json, body.as_bytes()).unwrap_err();
        assert_eq!(refused.refusal, Refusal::ScopeDenied, "{format}");
        let granted = pinned("view download", Media::Json, body.as_bytes());
        assert!(granted.is_ok_and(|pinned| pinned.export), "{format}");
    }
    let shown = pinned("view download", Media::Json, chart().to_string().as_bytes());
    assert!(shown.is_ok_and(|pinned| !pinned.export));
}

#[test]
fn a_form_goes_on_without_the_tokens_in_it() {
    let body = with("/result_format", json!("csv"));
    let encoded = utf8_percent_encode(&body.to_string(), NON_ALPHANUMERIC).to_string();
    let form = format!("form_data={encoded}&csrf_token=abc&guest_token=eyJ.x.y&filename=a");
    let sent =
        String::from_utf8(checked("view download", Media::Form, form.as_bytes()).unwrap()).unwrap();
    assert!(!sent.contains("eyJ") && !sent.contains("abc"), "{sent}");
    let field = form_field(sent.as_bytes(), "form_data").unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&field).unwrap(), body);

    let twice = format!("form_data={encoded}&form_data={encoded}");
    assert_eq!(
        checked("view download", Media::Form, twice.as_bytes())
            .unwrap_err()
            .refusal,
        Refusal::BodyUnsupported
    );
    assert_eq!(
        checked("view", Media::Form, b"x=1").unwrap_err().refusal,
        Refusal::RequestMalformed
    );
}

#[test]
fn the_query_is_pinned_too() {
    let judge =
        |text: &str| pin_query(7, &Query::parse(text).unwrap()).map_err(|denial| denial.refusal);
    assert_eq!(
        judge("form_data=%7B%22slice_id%22%3A1%7D&dashboard_id=7&force=true"),
        Ok(())
    );
    assert_eq!(judge(""), Ok(()));
    for (query, refusal) in [
        ("dashboard_id=8", Refusal::ResourceDenied),
        ("dashboard_id=07", Refusal::ResourceDenied),
        ("dashboard_id=7&dashboard_id=7", Refusal::RequestMalformed),
        (
            "form_data=%7B%22url_params%22%3A%7B%22t%22%3A1%7D%7D",
            Refusal::RequestMalformed,
        ),
        (
            "form_data=%7B%22slice_id%22%3A%22x%22%7D",
            Refusal::RequestMalformed,
        ),
        ("form_data=x", Refusal::RequestMalformed),
        ("force=yes", Refusal::RequestMalformed),
    ] {
        assert_eq!(judge(query), Err(refusal), "{query}");
    }
}

#[test]
fn only_the_two_media_types_of_the_page_are_read() {
    let of = |kind: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        Media::of(&headers).map_err(|denial| denial.refusal)
    };
    assert_eq!(of("application/json"), Ok(Media::Json));
    assert_eq!(of("Application/JSON; charset=UTF-8"), Ok(Media::Json));
    assert_eq!(of("application/x-www-form-urlencoded"), Ok(Media::Form));
    for bad in [
        "text/plain",
        "application/vnd.x+json",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-7",
        "application/json, text/html",
    ] {
        assert_eq!(of(bad), Err(Refusal::BodyUnsupported), "{bad}");
    }
    let mut headers = HeaderMap::new();
    assert!(Media::of(&headers).is_err());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert!(Media::of(&headers).is_err());
}

proptest! {
    /// Whatever is sent, what goes on is pinned, and passes again as it is.
    #[test]
    fn what_passes_is_pinned_and_stays(
        dashboard in prop_oneof![Just(json!(7)), Just(json!("7")), Just(json!(8)), Just(json!([7])), Just(json!(7.0))],
        dataset in prop_oneof![Just(json!(1)), Just(json!("3")), Just(json!(2)), Just(json!({"id": 1}))],
        extra in "\\PC{0,12}",
        format in prop_oneof![Just("json"), Just("csv"), Just("x")],
    ) {
        let mut body = chart();
        body["form_data"]["dashboardId"] = dashboard;
        body["datasource"]["id"] = dataset;
        body["result_format"] = json!(format);
        body["form_data"][&extra] = json!(extra);
        body[&extra] = json!(extra);
        if let Ok(sent) = pass(&body) {
            prop_assert_eq!(&sent["form_data"]["dashboardId"], &json!(7));
            prop_assert!(sent["datasource"]["id"] == json!(1) || sent["datasource"]["id"] == json!(3));
            prop_assert_eq!(&sent["result_format"], &json!("json"));
            prop_assert_eq!(pass(&sent), Ok(sent));
        }
    }

    #[test]
    fn any_bytes_are_judged_without_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        for media in [Media::Json, Media::Form] {
            prop_assert!(checked("view", media, &body).is_err());
        }
    }
}
