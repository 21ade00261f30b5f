//! `[[site.NAME.routes]]`: the surface of a generic site.

use http::Method;

use super::{context::At, lock};
use crate::{
    config::raw,
    gate::{
        param::{Mode, ParamSpec},
        resource::{IdRule, ResourceRule},
        route::{Access, Action, Route, RouteError, RouteTable},
    },
};

/// All routes of a generic site.
pub(super) fn routes(raw: &raw::Site, at: &At<'_>, params: &[ParamSpec]) -> Option<RouteTable> {
    if raw.routes.is_empty() {
        at.report("is required: a generic site declares what it exposes, such as [[site.NAME.routes]] with path = \"/reports/{id}\"");
        return None;
    }
    let read = |(index, written): (usize, &raw::Route)| {
        Some((
            index,
            route(written, &at.index(index), params, raw.body_limit.0)?,
        ))
    };
    let routes: Vec<(usize, Route)> = raw.routes.iter().enumerate().filter_map(read).collect();
    table(routes, at)
}

fn route(raw: &raw::Route, at: &At<'_>, params: &[ParamSpec], body_limit: u64) -> Option<Route> {
    let pattern = at.key("path").require(
        raw.path.as_ref(),
        "pattern such as \"/reports/{id}\" or \"/static/*\"",
    );
    let captures: Vec<&str> = pattern.map(|pattern| captures(pattern)).unwrap_or_default();
    let methods = methods(&raw.methods, &at.key("methods"));
    let access = access(raw.access);
    let resource = match &raw.resource {
        None => Some(None),
        Some(text) => resource(text, &at.key("resource"), &captures).map(Some),
    };
    let locks = if access == Access::Viewer {
        lock::locks(raw, at, params, &captures)
    } else {
        needless(raw, at)
    };
    if raw.danger_unread_body {
        at.key("danger_unread_body").danger();
    }
    if access == Access::Viewer {
        websocket(raw, at, &methods, params);
    }
    let scope = raw.scope.as_deref().unwrap_or("view");
    if scope.is_empty() || scope.contains(char::is_whitespace) {
        at.key("scope").report("is one word, such as \"download\"");
    }
    let pattern = pattern?;
    Some(Route {
        name: pattern.as_str().into(),
        pattern: pattern.as_str().into(),
        methods,
        access,
        action: Action::Proxy,
        resource: resource?,
        scope: scope.into(),
        locks,
        query_allow: raw
            .query
            .as_ref()
            .map(|names| names.iter().map(|name| name.as_str().into()).collect()),
        form_credential: None,
        path_credential: None,
        earns_session: false,
        from_ancestors: false,
        top_level: raw.top_level == raw::TopLevel::Allow,
        body_limit: raw.body_limit.map_or(body_limit, |size| size.0),
        no_store: access == Access::Viewer,
        unread_body: raw.danger_unread_body,
        websocket: raw.websocket,
    })
}

/// A WebSocket begins with a GET, and what follows cannot be judged: who has something to enforce there says that the upstream does.
fn websocket(raw: &raw::Route, at: &At<'_>, methods: &[Method], params: &[ParamSpec]) {
    let enforced = params.iter().any(|spec| spec.mode != Mode::Enabled);
    if raw.danger_unread_messages {
        at.key("danger_unread_messages").danger();
    }
    if raw.websocket && !methods.is_empty() && !methods.contains(&Method::GET) {
        at.key("websocket").report(
            "goes with the method GET, which a WebSocket begins with, and the route does not allow it",
        );
    }
    match (raw.websocket, raw.danger_unread_messages) {
        (true, false) if enforced => at.key("websocket").report(
            "needs danger_unread_messages = true: locked and disabled parameters cannot be enforced on what a viewer sends through a WebSocket, so the \
             upstream must go by the identity header fields",
        ),
        (true, true) if !enforced => at
            .key("danger_unread_messages")
            .report("is not needed: the site has no locked or disabled parameters"),
        (false, true) => at
            .key("danger_unread_messages")
            .report("goes with websocket = true"),
        (_, _) => {}
    }
}

fn access(raw: raw::Access) -> Access {
    match raw {
        raw::Access::Deny => Access::Deny,
        raw::Access::Public => Access::Public,
        raw::Access::Viewer => Access::Viewer,
    }
}

/// What means nothing where there is no viewer, and would only look like protection.
fn needless<T>(raw: &raw::Route, at: &At<'_>) -> Vec<T> {
    let keys = [
        ("danger_unlocked", !raw.danger_unlocked.is_empty()),
        ("danger_unread_body", raw.danger_unread_body),
        ("danger_unread_messages", raw.danger_unread_messages),
        ("lock", !raw.lock.is_empty()),
        ("resource", raw.resource.is_some()),
        ("scope", raw.scope.is_some()),
        ("websocket", raw.websocket),
    ];
    for (key, _) in keys.iter().filter(|(_, present)| *present) {
        at.key(key)
            .report("goes with access = \"viewer\": on this route nobody's token is looked at");
    }
    Vec::new()
}

fn methods(raw: &[String], at: &At<'_>) -> Vec<Method> {
    let one = |(index, name): (usize, &String)| {
        let method = METHODS
            .iter()
            .find(|method| method.as_str() == name)
            .cloned();
        if method.is_none() {
            at.index(index).report(format!(
                "`{name}` is not one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
            ));
        }
        method
    };
    raw.iter().enumerate().filter_map(one).collect()
}

/// The names of a pattern's `{…}` segments.
fn captures(pattern: &str) -> Vec<&str> {
    pattern
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .collect()
}

fn resource(text: &str, at: &At<'_>, captures: &[&str]) -> Option<ResourceRule> {
    let Some((kind, id)) = text
        .split_once(':')
        .filter(|(kind, id)| !kind.is_empty() && !id.is_empty())
    else {
        at.report(format!(
            "`{text}` is not a resource, such as \"report:{{id}}\" or \"report:q3\""
        ));
        return None;
    };
    let id = match id.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) if captures.contains(&name) => IdRule::Capture(name.into()),
        Some(name) => {
            at.report(format!("`{{{name}}}` does not stand in the route's path"));
            return None;
        }
        None if text.contains(['{', '}']) => {
            at.report(format!(
                "`{text}`: a `{{name}}` stands for the whole identifier, as in \"report:{{id}}\""
            ));
            return None;
        }
        None => IdRule::Literal(id.into()),
    };
    Some(ResourceRule {
        kind: kind.into(),
        id,
    })
}

/// Builds the table; a route that does not fit is reported and left out, until the rest fits.
fn table(mut routes: Vec<(usize, Route)>, at: &At<'_>) -> Option<RouteTable> {
    let mut whole = true;
    loop {
        let error = match RouteTable::build(routes.iter().map(|(_, route)| route.clone()).collect())
        {
            Ok(table) => return whole.then_some(table),
            Err(error) => error,
        };
        whole = false;
        let last = |pattern: &str| {
            routes
                .iter()
                .rposition(|(_, route)| &*route.pattern == pattern)
        };
        let (pattern, problem) = match &error {
            RouteError::Conflict { pattern, other } => {
                let first = routes.iter().find(|(_, route)| route.pattern == *other);
                let line = first.map_or(0, |(index, _)| at.index(*index).key("path").line());
                (
                    pattern,
                    format!("`{pattern}` matches the same requests as `{other}` in line {line}"),
                )
            }
            RouteError::Pattern { pattern, .. } => (pattern, error.to_string()),
        };
        let Some(position) = last(pattern) else {
            at.report(problem);
            return None;
        };
        let (index, _) = routes.remove(position);
        at.index(index).key("path").report(problem);
    }
}

const METHODS: &[Method] = &[
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
];
