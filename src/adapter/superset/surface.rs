//! The surface of an embedded dashboard: what its page was seen to ask for, and nothing else.
//!
//! Superset has 402 routes. Some that a guest may call ignore row-level rules (`export_as_example` in 6.1.0), others show who administers it,
//! what SQL a dataset is made of, or other guests' filter states. None of them is on this list.

use std::sync::Arc;

use http::{HeaderName, Method};

use super::spec::SupersetSpec;
use crate::gate::{
    credential::Places,
    route::{Access, Action, Route},
};

/// The header in which the embedded page sends its token.
pub const GUEST_TOKEN: HeaderName = HeaderName::from_static("x-guesttoken");

/// The form field in which exports, and the query parameter in which CalabiIQ's page, carry it.
pub const GUEST_TOKEN_FIELD: &str = "guest_token";

/// [`Action::Local`]: the drop-in for Superset's guest-token endpoint, and the two calls that backends make before it.
pub const LOCAL_GUEST_TOKEN: u8 = 1;
/// [`Action::Local`]: `POST /api/v1/security/login`.
pub const LOCAL_LOGIN: u8 = 2;
/// [`Action::Local`]: `GET /api/v1/security/csrf_token/`.
pub const LOCAL_CSRF_TOKEN: u8 = 3;

/// Query parameters of the page that change how it looks, or set filters inside the lock. The page copies whatever else stands there into every query,
/// where a dataset's Jinja could read it, so nothing else passes.
pub(super) const PAGE_PARAMS: &[&str] = &[
    "expand_filters",
    "native_filters",
    "preselect_filters",
    "show_filters",
    "standalone",
    "theme",
    "uiConfig",
];

/// Which of Superset's routes a pattern is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// `POST /api/v1/chart/data`.
    ChartData,
    /// `GET /api/v1/dashboard/{id}` and what is below it.
    Dashboard,
    /// `GET /api/v1/me/roles/`.
    Me,
    /// `GET /embedded/{uuid}`.
    Page,
    /// Anything that needs no viewer and no pin.
    Static,
}

impl Kind {
    pub(super) fn of(route: &Route) -> Self {
        match &*route.pattern {
            CHART_DATA => Self::ChartData,
            DASHBOARD | CHARTS | DATASETS => Self::Dashboard,
            ME => Self::Me,
            PAGE => Self::Page,
            _ => Self::Static,
        }
    }
}

const CHART_DATA: &str = "/api/v1/chart/data";
const CHARTS: &str = "/api/v1/dashboard/{id}/charts";
const CSRF_TOKEN: &str = "/api/v1/security/csrf_token/";
const DASHBOARD: &str = "/api/v1/dashboard/{id}";
const DATASETS: &str = "/api/v1/dashboard/{id}/datasets";
const GUEST_TOKEN_PATH: &str = "/api/v1/security/guest_token/";
const LOG: &str = "/superset/log/";
const LOGIN: &str = "/api/v1/security/login";
const ME: &str = "/api/v1/me/roles/";
const PAGE: &str = "/embedded/{uuid}";
const STATIC: &str = "/static/*";

/// Largest chart request: dashboards with long filter lists stay far below it.
const CHART_LIMIT: u64 = 1024 * 1024;
/// Largest beacon, and largest call of a backend.
const SMALL_LIMIT: u64 = 256 * 1024;

/// All routes of a Superset site.
pub fn surface(spec: &SupersetSpec) -> Vec<Route> {
    let mut routes = vec![
        // Nobody has a token yet when the page loads; who may frame it is all that is asked. What it shows is empty until one arrives.
        Route {
            access: Access::Public,
            no_store: true,
            ..route(PAGE, Method::GET, PAGE_PARAMS)
        },
        Route {
            access: Access::Public,
            no_store: false,
            ..route(STATIC, Method::GET, &[])
        },
        route(ME, Method::GET, &[]),
        route(DASHBOARD, Method::GET, &["q"]),
        route(CHARTS, Method::GET, &[]),
        route(DATASETS, Method::GET, &[]),
        Route {
            form_credential: Some(GUEST_TOKEN_FIELD.into()),
            // An export is a form that opens in a new window.
            top_level: true,
            body_limit: CHART_LIMIT,
            ..route(
                CHART_DATA,
                Method::POST,
                &["dashboard_id", "force", "form_data"],
            )
        },
        // The page's own usage log: a guest may not write it (500), and the beacon goes on after a token has expired.
        Route {
            access: Access::Public,
            action: Action::NoContent,
            body_limit: SMALL_LIMIT,
            ..route(LOG, Method::POST, &[])
        },
    ];
    if spec.backend.is_some() {
        let local = |pattern, method, number| Route {
            access: Access::Public,
            action: Action::Local(number),
            body_limit: SMALL_LIMIT,
            top_level: true,
            ..route(pattern, method, &[])
        };
        routes.push(local(GUEST_TOKEN_PATH, Method::POST, LOCAL_GUEST_TOKEN));
        routes.push(local(LOGIN, Method::POST, LOCAL_LOGIN));
        routes.push(local(CSRF_TOKEN, Method::GET, LOCAL_CSRF_TOKEN));
    }
    routes
}

/// Where viewer tokens may stand on a Superset site.
pub fn places() -> Places {
    Places {
        query: vec![GUEST_TOKEN_FIELD.into()],
        bearer: true,
        headers: vec![GUEST_TOKEN],
    }
}

fn route(pattern: &str, method: Method, query: &[&str]) -> Route {
    Route {
        name: Arc::from(pattern),
        pattern: pattern.into(),
        methods: vec![method],
        access: Access::Viewer,
        action: Action::Proxy,
        resource: None,
        scope: "view".into(),
        locks: Vec::new(),
        query_allow: Some(query.iter().map(|&name| name.into()).collect()),
        form_credential: None,
        path_credential: None,
        earns_session: false,
        from_ancestors: false,
        top_level: false,
        body_limit: 0,
        no_store: true,
        unread_body: false,
        websocket: false,
    }
}
