//! Which part of the stand-in answers.

use serde_json::json;

use super::{
    State, danger, embed,
    http::{Answer, Seen},
    layout, pages, public,
    store::Store,
    token,
};

/// Answers a request.
pub(super) fn answer(store: &mut Store, seen: &Seen) -> Answer {
    let segments = seen.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let reading = matches!(seen.method.as_str(), "GET" | "HEAD");
    if seen.method == "OPTIONS" && matches!(path.first(), Some(&("api" | "auth"))) {
        return Answer::text(200, "");
    }
    if store.behaviour.busy > 0 && path.first() == Some(&"api") {
        store.behaviour.busy -= 1;
        return Answer::text(503, "Service Unavailable").with("Retry-After", "1");
    }
    if danger::is(&path) {
        return danger::leak(seen);
    }
    match path.as_slice() {
        ["api", "public", rest @ ..] => public::answer(store, seen, rest),
        ["api", rest @ ..] if reading => api(store, seen, rest),
        ["api", ..] => embed::unknown(),
        path if reading => pages::answer(store, seen, path),
        _ => Answer::text(404, "Not found."),
    }
}

fn api(store: &Store, seen: &Seen, rest: &[&str]) -> Answer {
    match rest {
        ["embed", rest @ ..] => embed::answer(store, seen, rest),
        ["session", "properties"] => Answer::json(200, &pages::settings(store)),
        ["geojson"] => danger::leak(seen),
        ["geojson", key] => pages::geojson(key),
        ["ee", "embedded-content-translation", "dictionary", _] => Answer::text(
            402,
            "Content translation is a paid feature not currently available to your instance.",
        ),
        ["dashboard", id] => admin(store, seen, || {
            let id = token::Id::read(id)?;
            let mut all = store.dashboards.iter();
            let found = all.find(|one| id.is(one.id, &one.entity_id()))?;
            Some(layout::whole_dashboard(store, found))
        }),
        ["card", id] => admin(store, seen, || {
            let id = token::Id::read(id)?;
            let mut all = store.cards.iter();
            Some(layout::whole_card(
                all.find(|one| id.is(one.id, &one.entity_id()))?,
            ))
        }),
        ["dashboard" | "card", ..] => match State::acting(store, seen) {
            Some(_) => danger::leak(seen),
            None => Answer::text(401, "Unauthenticated"),
        },
        _ => embed::unknown(),
    }
}

/// What an administrator alone may read.
fn admin(store: &Store, seen: &Seen, body: impl FnOnce() -> Option<serde_json::Value>) -> Answer {
    match State::acting(store, seen) {
        None => Answer::text(401, "Unauthenticated"),
        Some(false) => Answer::text(403, "You don't have permissions to do that."),
        Some(true) => match body() {
            Some(body) => Answer::json(200, &body),
            None => Answer::json(404, &json!("Not found.")),
        },
    }
}
