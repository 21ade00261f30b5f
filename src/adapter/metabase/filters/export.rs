//! Exports of public dashboards (P3): a form or a JSON document, written as the one form that goes upstream.

use serde_json::value::RawValue;

use super::{
    Extras, Filters, Ids, json,
    judge::Rules,
    keys::{self, CONTROLS, Keys},
    malformed,
    objects::{self, Locks},
};
use crate::{
    gate::{policy::Denial, query::Query, refusal::Refusal},
    rewrite::body::Media,
};

/// The media type of what [`Filters::to_form`] writes.
pub const MEDIA: &str = "application/x-www-form-urlencoded";

/// Reads an export's query and decoded body. The query goes nowhere, and no filter may stand in it: a reader may prefer either.
///
/// # Errors
/// `body_unsupported` for a body that is neither form nor JSON object; else as [`objects::read`].
pub fn read(
    query: &Query<'_>,
    (media, body): (&Media, &[u8]),
    ids: &dyn Ids,
    rules: Rules<'_>,
) -> Result<Filters, Denial> {
    for pair in query.pairs() {
        objects::harmless(&pair.name, ids, rules)?;
    }
    match media {
        Media::Form => form(body, ids, rules),
        Media::Json => document(body, ids, rules),
        Media::Multipart(_) | Media::Other if body.is_empty() => form(body, ids, rules),
        Media::Multipart(_) | Media::Other => Err(unreadable("neither a form nor JSON")),
    }
}

/// `parameters=[…]&format_rows=true`, each value JSON text.
fn form(body: &[u8], ids: &dyn Ids, rules: Rules<'_>) -> Result<Filters, Denial> {
    let text = std::str::from_utf8(body).map_err(|_| unreadable("not UTF-8"))?;
    if text.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
        return Err(unreadable("a form with bare bytes"));
    }
    let form = Query::parse(text).map_err(|_| unreadable("not a form"))?;
    objects::from_query(&form, ids, rules, Extras::default(), Locks::Appended)
}

/// `{"parameters":[…],"format_rows":true}`.
fn document(body: &[u8], ids: &dyn Ids, rules: Rules<'_>) -> Result<Filters, Denial> {
    let text = std::str::from_utf8(body).map_err(|_| unreadable("not UTF-8"))?;
    let members = json::strict(text).and_then(json::members);
    let members = members.filter(|members| members.len() <= MAX_MEMBERS);
    let members = members.ok_or_else(|| unreadable("not a JSON object with one reading"))?;
    let mut keys = Keys::default();
    for (name, raw) in &members {
        match &**name {
            "parameters" => keys.parameters = Some(list(raw)?),
            control if CONTROLS.contains(&control) => {
                keys.control(control, raw.get())?;
            }
            noise if keys::is_noise(noise) => {}
            other if other.len() > MAX_NAME => return Err(unreadable("a long name")),
            other => objects::harmless(other, ids, rules)?,
        }
    }
    let parameters = objects::read(keys.parameters, ids, rules, Locks::Appended)?;
    keys.with(parameters, Extras::default())
}

/// A list as such: text in which there is JSON again is for forms.
fn list(raw: &RawValue) -> Result<&str, Denial> {
    let text = raw.get();
    let is_list = text.starts_with('[');
    is_list
        .then_some(text)
        .ok_or_else(|| malformed("`parameters` is no JSON list"))
}

fn unreadable(why: &'static str) -> Denial {
    Denial::because(Refusal::BodyUnsupported, why)
}

/// More members than any front end sends; each unknown one is compared with every parameter.
const MAX_MEMBERS: usize = 64;

/// Bytes of an unknown member's name: folding costs.
const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests;
