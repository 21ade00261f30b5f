use http::{HeaderMap, Method, StatusCode};

use super::{testing::*, *};
use crate::gate::{host::Host, path::NormalPath, query::Query, resource::{Resource, Scopes}};

fn claims(resources: &[&str], scope: &str) -> Claims {
    Claims {
        viewer: "viewer-1".into(),
        tenant: None,
        token_id: None,
        resources: resources.iter().map(|text| Resource::parse(text).unwrap()).collect(),
        params: serde_json::Map::new(),
        scope: Scopes::parse(scope),
        origin: None,
        issued_at: None,
        not_before: None,
        expires: UnixTime(2_000),
    }
}

fn granted() -> Claims {
    claims(&[&format!("dashboard:{UUID}"), "report:x"], "view")
}

struct Scene {
    kind: Kind,
    captures: Vec<(&'static str, &'static str)>,
    query: &'static str,
    body: Option<&'static str>,
}

fn plan_as(claims: Option<&Claims>, coverage: Option<&Coverage>, scene: &Scene) -> Result<SupersetPlan, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let req = RequestView {
        method: &Method::GET,
        host: &Host::parse("bi.example.com").unwrap(),
        secure: true,
        path: &NormalPath::parse("/x").unwrap(),
        query: &Query::parse(scene.query).unwrap(),
        headers: &headers,
        client: [127, 0, 0, 1].into(),
        now: UnixTime(1_000),
    };
    let values = values();
    let ask = Ask {
        kind: scene.kind,
        claims,
        values: &values,
        req: &req,
        captures: &scene.captures,
        body: scene.body.map(str::as_bytes),
        coverage,
    };
    ask.plan(&superset()).map_err(|denial| denial.refusal)
}

fn scene(kind: Kind, captures: &[(&'static str, &'static str)]) -> Scene {
    Scene {
        kind,
        captures: captures.to_vec(),
        query: "",
        body: None,
    }
}

#[test]
fn the_surface_is_the_list_that_was_proven() {
    let routes = surface(&spec());
    let listed: Vec<_> = routes.iter().map(|route| (route.methods[0].as_str(), &*route.pattern, route.access, route.action)).collect();
    use {Access::{Public, Viewer}, Action::{Local, NoContent, Proxy}};
    assert_eq!(
        listed,
        [
            ("GET", "/embedded/{uuid}", Public, Proxy),
            ("GET", "/static/*", Public, Proxy),
            ("GET", "/api/v1/me/roles/", Viewer, Proxy),
            ("GET", "/api/v1/dashboard/{id}", Viewer, Proxy),
            ("GET", "/api/v1/dashboard/{id}/charts", Viewer, Proxy),
            ("GET", "/api/v1/dashboard/{id}/datasets", Viewer, Proxy),
            ("POST", "/api/v1/chart/data", Viewer, Proxy),
            ("POST", "/superset/log/", Public, NoContent),
            ("POST", "/api/v1/security/guest_token/", Public, Local(1)),
            ("POST", "/api/v1/security/login", Public, Local(2)),
            ("GET", "/api/v1/security/csrf_token/", Public, Local(3)),
        ]
    );
    let bare = SupersetSpec { backend: None, ..spec() };
    assert_eq!(surface(&bare).len(), 8, "no service key, no endpoint");
    assert!(routes.iter().all(|route| route.query_allow.is_some()));
}

#[test]
fn a_pinned_request_carries_a_guest_token_and_the_constant_referer() {
    let coverage = Coverage::of_test(7, &[1]);
    let plan = plan_as(Some(&granted()), Some(&coverage), &scene(Kind::Dashboard, &[("id", "7")])).unwrap();
    let names: Vec<_> = plan.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["referer", "x-guesttoken"]);
    assert!(plan.headers[1].1.is_sensitive() && plan.body.is_none());
    assert!(plan_as(Some(&granted()), Some(&coverage), &scene(Kind::Me, &[])).is_ok());
}

#[test]
fn another_dashboard_is_refused() {
    let coverage = Coverage::of_test(7, &[1]);
    for id in ["8", "07", "7%20", "accounts", UUID, ""] {
        let refused = plan_as(Some(&granted()), Some(&coverage), &scene(Kind::Dashboard, &[("id", id)]));
        assert_eq!(refused.unwrap_err(), Refusal::ResourceDenied, "{id}");
    }
    let uncovered = Coverage::of_test(7, &[1, 2]);
    assert_eq!(plan_as(Some(&granted()), Some(&uncovered), &scene(Kind::Me, &[])).unwrap_err(), Refusal::ResourceDenied);
}

#[test]
fn a_token_grants_exactly_one_dashboard_by_uuid() {
    let other = "dashboard:5d2f6c1e-0d3b-4f6a-8a51-3c9e7b1f2d22";
    let own = format!("dashboard:{UUID}");
    let upper = format!("dashboard:{}", UUID.to_uppercase());
    let superset = superset();
    for resources in [&["report:x"][..], &[&own, other], &["dashboard:1"], &[other]] {
        let refused = superset.dashboard(&claims(resources, "view")).unwrap_err();
        assert_eq!(refused.refusal, Refusal::ResourceDenied, "{resources:?}");
    }
    assert_eq!(superset.dashboard(&claims(&[&upper], "view")).unwrap().as_str(), UUID);
}

#[test]
fn without_viewer_or_coverage_nothing_is_minted() {
    let coverage = Coverage::of_test(7, &[1]);
    assert_eq!(plan_as(None, Some(&coverage), &scene(Kind::Me, &[])).unwrap_err(), Refusal::TokenMissing);
    assert_eq!(plan_as(Some(&granted()), None, &scene(Kind::Me, &[])).unwrap_err(), Refusal::UpstreamFailed);
}

#[test]
fn only_the_sites_pages_are_served_and_without_a_token() {
    let plan = plan_as(None, None, &scene(Kind::Page, &[("uuid", UUID)])).unwrap();
    assert_eq!(plan.headers.len(), 1);
    for other in ["5d2f6c1e-0d3b-4f6a-8a51-3c9e7b1f2d22", "1", ""] {
        assert_eq!(plan_as(None, None, &scene(Kind::Page, &[("uuid", other)])).unwrap_err(), Refusal::RouteDenied, "{other}");
    }
}

#[test]
fn a_chart_request_is_held_against_body_and_query() {
    let coverage = Coverage::of_test(7, &[1]);
    let body = r#"{"datasource":{"id":1,"type":"table"},"queries":[{}],"form_data":{"dashboardId":7}}"#;
    let mut chart = Scene { body: Some(body), query: "dashboard_id=7", ..scene(Kind::ChartData, &[]) };
    let plan = plan_as(Some(&granted()), Some(&coverage), &chart).unwrap();
    assert_eq!(plan.body.as_deref(), Some(body.as_bytes()));
    chart.query = "dashboard_id=8";
    assert_eq!(plan_as(Some(&granted()), Some(&coverage), &chart).unwrap_err(), Refusal::ResourceDenied);
    chart = Scene { body: None, query: "", ..chart };
    assert_eq!(plan_as(Some(&granted()), Some(&coverage), &chart).unwrap_err(), Refusal::BodyUnsupported);
}

#[test]
fn no_service_key_no_local_answers() {
    let bare = Superset::new(SupersetSpec { backend: None, ..spec() });
    let req = RequestView {
        method: &Method::POST,
        host: &Host::parse("bi.example.com").unwrap(),
        secure: true,
        path: &NormalPath::parse("/x").unwrap(),
        query: &Query::default(),
        headers: &HeaderMap::new(),
        client: [127, 0, 0, 1].into(),
        now: UnixTime(0),
    };
    assert_eq!(bare.local(surface::LOCAL_GUEST_TOKEN, &req, b"{}", &[]).status, StatusCode::NOT_FOUND);
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?}", superset());
    assert!(!shown.contains("guest-secret") && !shown.contains(KEY), "{shown}");
}
