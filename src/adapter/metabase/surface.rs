//! The surface of Metabase's embeds and public links: what their pages ask for, and nothing else. All the rest, above all what takes instances over
//! (`/api/session/*`, `/api/setup/*`, `/auth/*`), is 404: nobody wrote it down here.

use std::sync::Arc;

use http::Method;

use super::spec::MetabaseSpec;
use crate::gate::{
    credential::Places,
    route::{Access, Action, PathCredential, Route},
};

/// What a route is for the adapter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Use {
    /// A page of a signed embed: HTML, and the token in its path.
    EmbedPage,
    /// `/embed/sdk/v1`: the page of the web component, which learns its token later.
    GuestPage,
    /// The layout of a dashboard or question (E1, E8).
    Layout,
    /// The result of one card (E2, E4, E9, E11).
    Query,
    /// The same as a file (E3, E10).
    Export,
    /// Several results at once (E18).
    Batch,
    /// The values of a filter (E5, E6, E12, E13), and the label of one value (E7, E14).
    Values,
    /// A piece of a map (E15, E16).
    Tile,
    /// A public link's page.
    PublicPage,
    /// Its layout (P1, P9).
    PublicLayout,
    /// The result of one card (P2, P4, P10, P12).
    PublicQuery,
    /// The same as a file (P3, P11).
    PublicExport,
    /// A piece of a map (P8, P14).
    PublicTile,
    /// The values of a filter (P5, P6).
    PublicValues,
    /// Public settings.
    Settings,
    /// A custom map.
    GeoJson,
    /// Scripts, styles, fonts.
    Static,
    /// Ours: a viewer token in, a session out.
    Session,
    /// Ours: what the web component calls its `guestEmbedProviderUri`.
    GuestToken,
}

/// [`Action::Local`] of [`Use::Session`].
pub const LOCAL_SESSION: u8 = 1;
/// [`Action::Local`] of [`Use::GuestToken`].
pub const LOCAL_GUEST_TOKEN: u8 = 2;
/// [`Action::Local`] of [`Use::Settings`].
pub const LOCAL_SETTINGS: u8 = 3;

/// The capture in which a token stands.
pub const TOKEN: &str = "token";
/// What makes a question's page URL a file: `/embed/question/<token>.csv`.
pub const FILES: &[&str] = &[".csv", ".json", ".xlsx"];

/// All patterns, each with what it is. `item` is `dashboard` or `card`/`question` where a pattern stands for both.
const SIGNED: &[(&str, Use)] = &[
    ("/embed/dashboard/{token}", Use::EmbedPage),
    (QUESTION_PAGE, Use::EmbedPage),
    ("/api/embed/dashboard/{token}", Use::Layout),
    (
        "/api/embed/dashboard/{token}/dashcard/{dashcard}/card/{card}",
        Use::Query,
    ),
    (
        "/api/embed/dashboard/{token}/dashcard/{dashcard}/card/{card}/{format}",
        Use::Export,
    ),
    (
        "/api/embed/pivot/dashboard/{token}/dashcard/{dashcard}/card/{card}",
        Use::Query,
    ),
    ("/api/embed/dashboard/{token}/card-query-batch", Use::Batch),
    (
        "/api/embed/dashboard/{token}/params/{param}/values",
        Use::Values,
    ),
    (
        "/api/embed/dashboard/{token}/params/{param}/search/{text}",
        Use::Values,
    ),
    (
        "/api/embed/dashboard/{token}/params/{param}/remapping",
        Use::Values,
    ),
    ("/api/embed/card/{token}", Use::Layout),
    ("/api/embed/card/{token}/query", Use::Query),
    ("/api/embed/card/{token}/query/{format}", Use::Export),
    ("/api/embed/pivot/card/{token}/query", Use::Query),
    ("/api/embed/card/{token}/params/{param}/values", Use::Values),
    (
        "/api/embed/card/{token}/params/{param}/search/{text}",
        Use::Values,
    ),
    (
        "/api/embed/card/{token}/params/{param}/remapping",
        Use::Values,
    ),
    ("/api/embed/tiles/card/{token}/{zoom}/{x}/{y}", Use::Tile),
    (
        "/api/embed/tiles/dashboard/{token}/dashcard/{dashcard}/card/{card}/{zoom}/{x}/{y}",
        Use::Tile,
    ),
];

const PUBLIC: &[(&str, Use)] = &[
    ("/public/dashboard/{uuid}", Use::PublicPage),
    (PUBLIC_QUESTION_PAGE, Use::PublicPage),
    ("/api/public/dashboard/{uuid}", Use::PublicLayout),
    (
        "/api/public/dashboard/{uuid}/dashcard/{dashcard}/card/{card}",
        Use::PublicQuery,
    ),
    (
        "/api/public/dashboard/{uuid}/dashcard/{dashcard}/card/{card}/{format}",
        Use::PublicExport,
    ),
    (
        "/api/public/pivot/dashboard/{uuid}/dashcard/{dashcard}/card/{card}",
        Use::PublicQuery,
    ),
    (
        "/api/public/dashboard/{uuid}/params/{param}/values",
        Use::PublicValues,
    ),
    (
        "/api/public/dashboard/{uuid}/params/{param}/search/{text}",
        Use::PublicValues,
    ),
    ("/api/public/card/{uuid}", Use::PublicLayout),
    ("/api/public/card/{uuid}/query", Use::PublicQuery),
    ("/api/public/card/{uuid}/query/{format}", Use::PublicExport),
    ("/api/public/pivot/card/{uuid}/query", Use::PublicQuery),
    (
        "/api/public/card/{uuid}/params/{param}/values",
        Use::PublicValues,
    ),
    (
        "/api/public/card/{uuid}/params/{param}/search/{text}",
        Use::PublicValues,
    ),
    (
        "/api/public/tiles/card/{uuid}/{zoom}/{x}/{y}",
        Use::PublicTile,
    ),
    (
        "/api/public/tiles/dashboard/{uuid}/dashcard/{dashcard}/card/{card}/{zoom}/{x}/{y}",
        Use::PublicTile,
    ),
];

const SHARED: &[(&str, Use)] = &[
    ("/app/*", Use::Static),
    ("/favicon.ico", Use::Static),
    ("/api/session/properties", Use::Settings),
];

/// The page of a question; with one of [`FILES`] at its end, a download.
pub const QUESTION_PAGE: &str = "/embed/question/{token}";
/// The same for a public link.
pub const PUBLIC_QUESTION_PAGE: &str = "/public/question/{uuid}";
const GUEST_PAGE: &str = "/embed/sdk/v1";
const GEOJSON: &str = "/api/geojson/{key}";
/// Where a host page posts a fresh viewer token.
pub const SESSION_PATH: &str = "/_embedgate/session";
/// Where the web component asks for a token (`guestEmbedProviderUri`).
pub const GUEST_TOKEN_PATH: &str = "/_embedgate/metabase/token";

/// What a route of the surface is.
pub fn use_of(route: &Route) -> Option<Use> {
    let single = [
        (GUEST_PAGE, Use::GuestPage),
        (GEOJSON, Use::GeoJson),
        (SESSION_PATH, Use::Session),
        (GUEST_TOKEN_PATH, Use::GuestToken),
    ];
    let all = SIGNED.iter().chain(PUBLIC).chain(SHARED).chain(&single);
    all.copied()
        .find(|(pattern, _)| **pattern == *route.pattern)
        .map(|(_, found)| found)
}

/// All routes of a Metabase site.
pub fn surface(spec: &MetabaseSpec) -> Vec<Route> {
    let mut routes = Vec::new();
    for (pattern, used) in SHARED {
        routes.push(shared(pattern, *used));
    }
    if spec.embedding_secret.is_some() {
        routes.extend(SIGNED.iter().filter_map(|(pattern, used)| {
            let wanted = *used != Use::Tile || spec.locks_everywhere();
            wanted.then(|| signed(pattern, *used))
        }));
        routes.push(Route {
            access: Access::Public,
            ..route(GUEST_PAGE)
        });
        routes.push(local(GUEST_TOKEN_PATH, LOCAL_GUEST_TOKEN));
    }
    routes.push(Route {
        earns_session: true,
        ..local(SESSION_PATH, LOCAL_SESSION)
    });
    if !spec.public.is_empty() {
        for (pattern, used) in PUBLIC {
            if *used == Use::PublicTile && !spec.locks_everywhere() {
                continue;
            }
            if *used == Use::PublicExport {
                // Dashboards are exported by POST, questions by GET.
                let posted = pattern.contains("dashcard");
                routes.push(Route {
                    methods: vec![if posted { Method::POST } else { Method::GET }],
                    body_limit: if posted { EXPORT_LIMIT } else { 0 },
                    scope: DOWNLOAD.into(),
                    top_level: true,
                    ..route(pattern)
                });
                continue;
            }
            routes.push(route(pattern));
        }
    }
    if !spec.geojson.is_empty() {
        routes.push(Route {
            access: Access::Public,
            query_allow: Some(Vec::new()),
            ..route(GEOJSON)
        });
    }
    routes
}

/// Where viewer tokens may stand on a Metabase site, beside the path.
pub fn places() -> Places {
    Places {
        query: Vec::new(),
        bearer: true,
        headers: Vec::new(),
    }
}

fn shared(pattern: &str, used: Use) -> Route {
    let action = if used == Use::Settings {
        Action::Local(LOCAL_SETTINGS)
    } else {
        Action::Proxy
    };
    Route {
        access: Access::Public,
        action,
        no_store: false,
        query_allow: Some(Vec::new()),
        ..route(pattern)
    }
}

fn signed(pattern: &str, used: Use) -> Route {
    let export = used == Use::Export;
    Route {
        path_credential: Some(PathCredential {
            capture: TOKEN.into(),
            suffixes: if pattern == QUESTION_PAGE { FILES } else { &[] },
        }),
        // The web component's page has no token when it loads: what it asks for first begins its session.
        earns_session: used == Use::Layout,
        scope: if export { DOWNLOAD } else { VIEW }.into(),
        // A download opens in a new window.
        top_level: export,
        ..route(pattern)
    }
}

fn local(pattern: &str, number: u8) -> Route {
    Route {
        methods: vec![Method::POST],
        action: Action::Local(number),
        body_limit: LOCAL_LIMIT,
        from_ancestors: true,
        top_level: true,
        ..route(pattern)
    }
}

fn route(pattern: &str) -> Route {
    Route {
        name: Arc::from(pattern),
        pattern: pattern.into(),
        methods: vec![Method::GET],
        access: Access::Viewer,
        action: Action::Proxy,
        resource: None,
        scope: VIEW.into(),
        locks: Vec::new(),
        query_allow: None,
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

const VIEW: &str = "view";
const DOWNLOAD: &str = "download";
/// Largest export form: long lists of filter values stay far below it.
const EXPORT_LIMIT: u64 = 256 * 1024;
/// Largest body of a call to one of our own endpoints.
const LOCAL_LIMIT: u64 = 64 * 1024;
