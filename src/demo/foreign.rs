//! A page on a foreign site that tries to embed the dashboard with a viewer's perfectly valid address.

use http::{Request, StatusCode};
use hyper::body::Incoming;

use super::{
    Addresses,
    web::{self, Page},
};

/// Answers the foreign site's requests.
pub fn answer(addresses: Addresses, request: &Request<Incoming>) -> Page {
    match request.uri().path() {
        "/" => page(addresses, request.uri().query()),
        "/page.css" => web::text(web::CSS, include_str!("pages/foreign.css")),
        _ => web::status(StatusCode::NOT_FOUND),
    }
}

fn page(addresses: Addresses, query: Option<&str>) -> Page {
    let token: String = web::parameter(query, "token").unwrap_or_default();
    let token: String = token
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .collect();
    let frame = format!(
        "{}/dashboard/overview?embed_token={token}",
        addresses.gateway_url()
    );
    let text = include_str!("pages/foreign.html")
        .replace("{{frame}}", &frame)
        .replace("{{host}}", &addresses.host_url());
    web::text(web::HTML, text)
}
