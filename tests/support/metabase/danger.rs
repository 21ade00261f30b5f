//! What should never be reachable from outside. Each of these leaks when asked, so that a test can tell who refused it.

use serde_json::json;

use super::{
    data,
    http::{Answer, Seen},
};

/// Stands in every answer that nobody should ever see.
pub(crate) const LEAK: &str = "STANDIN-LEAK";

/// Prefixes under `/api` that answer strangers.
const OPEN: [&str; 22] = [
    "action",
    "activity",
    "database",
    "dataset",
    "docs",
    "eid-translation",
    "email",
    "health",
    "notification",
    "notify",
    "permissions",
    "preview_embed",
    "product-feedback",
    "pulse",
    "session",
    "setting",
    "setup",
    "slack",
    "table",
    "testing",
    "user",
    "util",
];

/// Whether a path is one of them.
pub(super) fn is(path: &[&str]) -> bool {
    match path {
        ["api", "session", "properties"] => false,
        ["api", prefix, ..] => OPEN.contains(prefix),
        ["auth", ..] => true,
        _ => false,
    }
}

/// 200, and the mark.
pub(super) fn leak(seen: &Seen) -> Answer {
    let text = format!("{LEAK} {} {}", seen.method, seen.path());
    Answer::json(200, &json!({"leak": text, "success": true}))
}

/// P17: a row by its key, for whoever asks. P18: a change.
pub(super) fn row(seen: &Seen) -> Answer {
    let query = seen.query();
    let parameters = query.iter().find(|(key, _)| key == "parameters");
    let parameters = parameters.and_then(|(_, text)| serde_json::from_str(text).ok());
    let parameters: serde_json::Value = parameters.unwrap_or_default();
    let id = data::text(&parameters["id"]);
    let row = data::rows()
        .into_iter()
        .find(|row| row.first().map(data::text).as_ref() == Some(&id));
    let text = format!("{LEAK} {} {}", seen.method, seen.path());
    Answer::json(200, &json!({"leak": text, "row": row, "rows-updated": 1}))
}

/// P15: any address in a frame.
pub(super) fn oembed(seen: &Seen) -> Answer {
    let query = seen.query();
    let url = query.iter().find(|(key, _)| key == "url");
    let url = url.map_or("", |(_, url)| url);
    let html =
        format!("<iframe src=\"{url}\" width=\"800\" height=\"600\" frameborder=\"0\"></iframe>");
    Answer::json(
        200,
        &json!({"version": "1.0", "type": "rich", "html": html, "leak": LEAK}),
    )
}
