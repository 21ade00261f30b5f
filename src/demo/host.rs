//! The host page: an application on an origin of its own that embeds the dashboard.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::Value;

use super::{
    accounts::TENANTS,
    attempt::Attempt,
    backend::Backend,
    web::{self, Page},
};

/// Answers the host page's requests.
pub async fn answer(backend: Arc<Backend>, request: Request<Incoming>) -> Page {
    let query = request.uri().query();
    let tenant = web::parameter(query, "tenant")
        .and_then(|text| text.parse().ok())
        .filter(|id| is_tenant(*id))
        .unwrap_or(TENANTS[0].0);
    let attempt = web::parameter(query, "attempt").and_then(|id| Attempt::find(&id));
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => page(&backend),
        (&Method::GET, "/host.css") => web::text(web::CSS, include_str!("pages/host.css")),
        (&Method::GET, "/host.js") => web::text(web::SCRIPT, include_str!("pages/host.js")),
        (&Method::GET, "/setup.json") => web::json(&backend.setup()),
        (&Method::GET, "/embed.json") => found(backend.embed(tenant, attempt)),
        (&Method::GET, "/audit.json") => web::json(&backend.audit_tail()),
        (&Method::POST, "/attempt.json") => match attempt {
            Some(attempt) => found(backend.carry_out(attempt, tenant).await),
            None => web::status(StatusCode::NOT_FOUND),
        },
        _ => web::status(StatusCode::NOT_FOUND),
    }
}

fn is_tenant(id: u32) -> bool {
    TENANTS.iter().any(|(tenant, _)| *tenant == id)
}

fn found(value: Option<Value>) -> Page {
    value.map_or_else(
        || web::status(StatusCode::NOT_FOUND),
        |value| web::json(&value),
    )
}

fn page(backend: &Backend) -> Page {
    let at = backend.addresses();
    let mut page = web::text(web::HTML, include_str!("pages/host.html"));
    let policy = format!(
        "default-src 'self'; img-src data:; frame-src {} {}; base-uri 'none'; frame-ancestors 'none'",
        at.gateway_url(),
        at.foreign_url()
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        page.headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    page
}
