use http::{HeaderMap, Method, StatusCode};

use super::{testing::*, *};
use crate::gate::{host::Host, path::NormalPath, query::Query, resource::Resource};

fn claims(resources: &[&str], scope: &str) -> Claims {
    Claims {
        viewer: "viewer-1".into(),
        tenant: None,
        token_id: None,
        resources: resources
            .iter()
            .map(|text| Resource::parse(text).unwrap())
            .collect(),
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

fn request<'a>(
    host: &'a Host<'a>,
    path: &'a NormalPath<'a>,
    query: &'a Query<'a>,
    headers: &'a HeaderMap,
) -> RequestView<'a> {
    RequestView {
        method: &Method::GET,
        host,
        secure: true,
        path,
        query,
        headers,
        client: [127, 0, 0, 1].into(),
        now: UnixTime(1_000),
    }
}

fn plan_as(
    claims: Option<&Claims>,
    coverage: Option<&Coverage>,
    scene: &Scene,
) -> Result<SupersetPlan, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let (host, path) = (
        Host::parse("bi.example.com").unwrap(),
        NormalPath::parse("/x").unwrap(),
    );
    let query = Query::parse(scene.query).unwrap();
    let req = request(&host, &path, &query, &headers);
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
    let listed: Vec<_> = routes
        .iter()
        .map(|route| {
            (
                route.methods[0].as_str(),
                &*route.pattern,
                route.access,
                route.action,
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("GET", "/embedded/{uuid}", Access::Public, Action::Proxy),
            ("GET", "/static/*", Access::Public, Action::Proxy),
            ("GET", "/api/v1/me/roles/", Access::Viewer, Action::Proxy),
            (
                "GET",
                "/api/v1/dashboard/{id}",
                Access::Viewer,
                Action::Proxy
            ),
            (
                "GET",
                "/api/v1/dashboard/{id}/charts",
                Access::Viewer,
                Action::Proxy
            ),
            (
                "GET",
                "/api/v1/dashboard/{id}/datasets",
                Access::Viewer,
                Action::Proxy
            ),
            ("POST", "/api/v1/chart/data", Access::Viewer, Action::Proxy),
            ("POST", "/superset/log/", Access::Public, Action::NoContent),
            (
                "POST",
                "/api/v1/security/guest_token/",
                Access::Public,
                Action::Local(1)
            ),
            (
                "POST",
                "/api/v1/security/login",
                Access::Public,
                Action::Local(2)
            ),
            (
                "GET",
                "/api/v1/security/csrf_token/",
                Access::Public,
                Action::Local(3)
            ),
        ]
    );
    let bare = SupersetSpec {
        backend: None,
        ..spec()
    };
    assert_eq!(surface(&bare).len(), 8, "no service key, no endpoint");
    assert!(routes.iter().all(|route| route.query_allow.is_some()));
}

#[test]
fn a_pinned_request_carries_a_guest_token_and_the_constant_referer() {
    let coverage = Coverage::of_test(7, &[1]);
    let plan = plan_as(
        Some(&granted()),
        Some(&coverage),
        &scene(Kind::Dashboard, &[("id", "7")]),
    )
    .unwrap();
    let names: Vec<_> = plan.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["referer", "x-guesttoken"]);
    assert!(plan.headers[1].1.is_sensitive() && plan.body.is_none());
    assert!(plan_as(Some(&granted()), Some(&coverage), &scene(Kind::Me, &[])).is_ok());
}

#[test]
fn nothing_of_the_viewers_that_superset_would_believe_goes_on() {
    let coverage = Coverage::of_test(7, &[1]);
    let plan = plan_as(Some(&granted()), Some(&coverage), &scene(Kind::Me, &[])).unwrap();
    let mut headers = HeaderMap::new();
    for name in [
        "authorization",
        "cookie",
        "origin",
        "x-csrftoken",
        "x-guesttoken",
        "x-guesttoken",
        "referer",
        "content-length",
    ] {
        headers.append(name, HeaderValue::from_static("theirs"));
    }
    headers.append("accept-encoding", HeaderValue::from_static("zstd"));
    let mut outbound = Outbound::from(plan);
    assert!(matches!(outbound.body, Sending::Nothing));
    outbound.narrow(&mut headers);
    outbound.dress(&mut headers);
    assert!(
        headers.values().all(|value| value != "theirs"),
        "{headers:?}"
    );
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept-encoding", "referer", "x-guesttoken"]);
}

#[test]
fn another_dashboard_is_refused() {
    let coverage = Coverage::of_test(7, &[1]);
    for id in ["8", "07", "7%20", "accounts", UUID, ""] {
        let refused = plan_as(
            Some(&granted()),
            Some(&coverage),
            &scene(Kind::Dashboard, &[("id", id)]),
        );
        assert_eq!(refused.unwrap_err(), Refusal::ResourceDenied, "{id}");
    }
    let uncovered = Coverage::of_test(7, &[1, 2]);
    assert_eq!(
        plan_as(Some(&granted()), Some(&uncovered), &scene(Kind::Me, &[])).unwrap_err(),
        Refusal::ResourceDenied
    );
}

#[test]
fn a_token_grants_exactly_one_dashboard_by_uuid() {
    let other = "dashboard:5d2f6c1e-0d3b-4f6a-8a51-3c9e7b1f2d22";
    let own = format!("dashboard:{UUID}");
    let upper = format!("dashboard:{}", UUID.to_uppercase());
    let superset = superset();
    for resources in [
        &["report:x"][..],
        &[&own, other],
        &["dashboard:1"],
        &[other],
    ] {
        let refused = superset.dashboard(&claims(resources, "view")).unwrap_err();
        assert_eq!(refused.refusal, Refusal::ResourceDenied, "{resources:?}");
    }
    assert_eq!(
        superset
            .dashboard(&claims(&[&upper], "view"))
            .unwrap()
            .as_str(),
        UUID
    );
}

#[test]
fn without_viewer_or_coverage_nothing_is_minted() {
    let coverage = Coverage::of_test(7, &[1]);
    assert_eq!(
        plan_as(None, Some(&coverage), &scene(Kind::Me, &[])).unwrap_err(),
        Refusal::TokenMissing
    );
    assert_eq!(
        plan_as(Some(&granted()), None, &scene(Kind::Me, &[])).unwrap_err(),
        Refusal::UpstreamFailed
    );
}

#[test]
fn only_the_sites_pages_are_served_and_without_a_token() {
    let plan = plan_as(None, None, &scene(Kind::Page, &[("uuid", UUID)])).unwrap();
    assert_eq!(plan.headers.len(), 1);
    for other in ["5d2f6c1e-0d3b-4f6a-8a51-3c9e7b1f2d22", "1", ""] {
        assert_eq!(
            plan_as(None, None, &scene(Kind::Page, &[("uuid", other)])).unwrap_err(),
            Refusal::RouteDenied,
            "{other}"
        );
    }
}

#[test]
fn a_chart_request_is_held_against_body_and_query() {
    let coverage = Coverage::of_test(7, &[1]);
    let body =
        r#"{"datasource":{"id":1,"type":"table"},"queries":[{}],"form_data":{"dashboardId":7}}"#;
    let mut chart = Scene {
        body: Some(body),
        query: "dashboard_id=7",
        ..scene(Kind::ChartData, &[])
    };
    let plan = plan_as(Some(&granted()), Some(&coverage), &chart).unwrap();
    assert_eq!(plan.body.as_deref(), Some(body.as_bytes()));
    chart.query = "dashboard_id=8";
    assert_eq!(
        plan_as(Some(&granted()), Some(&coverage), &chart).unwrap_err(),
        Refusal::ResourceDenied
    );
    chart = Scene {
        body: None,
        query: "",
        ..chart
    };
    assert_eq!(
        plan_as(Some(&granted()), Some(&coverage), &chart).unwrap_err(),
        Refusal::BodyUnsupported
    );
}

#[test]
fn no_service_key_no_local_answers() {
    let bare = Superset::new(SupersetSpec {
        backend: None,
        ..spec()
    });
    let (host, path) = (
        Host::parse("bi.example.com").unwrap(),
        NormalPath::parse("/x").unwrap(),
    );
    let (query, headers) = (Query::default(), HeaderMap::new());
    let req = request(&host, &path, &query, &headers);
    assert_eq!(
        bare.local(surface::LOCAL_GUEST_TOKEN, &req, b"{}", &[], None)
            .status,
        StatusCode::NOT_FOUND
    );
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?}", superset());
    assert!(
        !shown.contains("guest-secret") && !shown.contains(KEY),
        "{shown}"
    );
}
