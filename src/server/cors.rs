//! CORS (Fetch Standard): preflights are answered here, for frame ancestors alone, and never reach an upstream.

use http::{HeaderValue, Method, Response, StatusCode, header};

use super::body::Body;
use crate::gate::{
    origin::Origin, request::RequestView, session::carrier::SESSION_HEADER, site::Site,
};

/// The answer to a preflight; `None` for any other request.
///
/// A preflight carries no credential, so all tenants' lists count; the request itself is judged by the viewer's own. An origin that may not ask
/// gets the same empty answer without the permission.
pub(super) fn preflight(site: &Site, req: &RequestView<'_>) -> Option<Response<Body>> {
    let method = req.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    if *req.method != Method::OPTIONS || !req.headers.contains_key(header::ORIGIN) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::VARY,
        HeaderValue::from_static(
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        ),
    );
    let method_of = Method::from_bytes(method.as_bytes()).ok();
    let route = method_of.and_then(|method| site.surface.find(&method, req.path.as_str()).ok());
    let origin = asking(site, req).filter(|_| route.is_some());
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static("600"),
        );
        if route.is_some_and(|matched| matched.route.from_ancestors) {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        let names = req.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        if let Some(names) = names.and_then(sendable) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
    }
    Some(response)
}

/// The fields that another origin may send: all that it asks for, but for the one in which a page of the site itself sends its session.
fn sendable(names: &HeaderValue) -> Option<HeaderValue> {
    let all = names.to_str().ok()?;
    let ours = |name: &str| name.trim().eq_ignore_ascii_case(SESSION_HEADER.as_str());
    if !all.split(',').any(ours) {
        return Some(names.clone());
    }
    let rest: Vec<&str> = all.split(',').filter(|name| !ours(name)).collect();
    HeaderValue::from_str(&rest.join(",")).ok()
}

/// The origin that asks, where it is one of the site's frame ancestors.
pub(super) fn asking(site: &Site, req: &RequestView<'_>) -> Option<HeaderValue> {
    let mut origins = req.headers.get_all(header::ORIGIN).iter();
    let (Some(value), None) = (origins.next(), origins.next()) else {
        return None;
    };
    let origin = Origin::parse(value.to_str().ok()?)?;
    site.frame.anyone.covers(&origin).then(|| value.clone())
}
