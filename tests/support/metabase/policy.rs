//! Which values count: the token's, the caller's, and who may decide what, in Metabase's order and with its messages.

use serde_json::{Map, Value as Json};

use super::store::{Behaviour, Embedding, Mode};

/// The caller's values by slug, from a query string in either encoding. A `parameters` that reads as JSON replaces everything else.
///
/// # Errors
/// `parameters` is JSON, but not a map of values.
pub(super) fn from_query(
    query: &[(String, String)],
    export: bool,
) -> Result<Map<String, Json>, String> {
    let mut plain = gather(query);
    if export {
        plain.remove("format_rows");
        plain.remove("pivot_results");
    }
    let json = plain.get("parameters").and_then(Json::as_str);
    match json.and_then(|text| serde_json::from_str(text).ok()) {
        None => Ok(plain),
        Some(Json::Object(map)) if map.values().all(is_value) => Ok(blank_to_null(map)),
        Some(_) => Err("Invalid parameter values".into()),
    }
}

/// The keys of a query string; a repeated one is a list, an empty value is `null`.
pub(super) fn gather(query: &[(String, String)]) -> Map<String, Json> {
    let mut map = Map::new();
    for (key, value) in query {
        let value = Json::String(value.clone());
        match map.get_mut(key) {
            None => drop(map.insert(key.clone(), value)),
            Some(Json::Array(all)) => all.push(value),
            Some(one) => *one = Json::Array(vec![one.take(), value]),
        }
    }
    blank_to_null(map)
}

fn blank_to_null(map: Map<String, Json>) -> Map<String, Json> {
    let null = |value: Json| if value == "" { Json::Null } else { value };
    map.into_iter()
        .map(|(key, value)| (key, null(value)))
        .collect()
}

fn is_value(value: &Json) -> bool {
    let scalar = |one: &Json| !one.is_array() && !one.is_object();
    value
        .as_array()
        .map_or_else(|| scalar(value), |all| all.iter().all(scalar))
}

/// Merges the token's and the caller's values, the token's winning; an empty list becomes no value.
///
/// # Errors
/// The first rule that is broken, as text.
pub(super) fn merge(
    policy: &Embedding,
    token: &Map<String, Json>,
    user: &Map<String, Json>,
    behaviour: &Behaviour,
) -> Result<Map<String, Json>, String> {
    let colon = if behaviour.colon_slugs { ":" } else { "" };
    for (slug, mode) in &policy.params {
        let (given, sent) = (token.get(slug), user.contains_key(slug));
        match mode {
            Mode::Disabled if given.is_some() || sent => {
                return Err(format!(
                    "You're not allowed to specify a value for {colon}{slug}."
                ));
            }
            Mode::Enabled if given.is_some() && sent => {
                return Err(format!(
                    "You can't specify a value for {colon}{slug} if it's already set in the JWT."
                ));
            }
            Mode::Locked if given.is_none_or(|value| value.is_null() || value == "") => {
                return Err(format!("You must specify a value for :{slug} in the JWT."));
            }
            Mode::Locked if sent => {
                return Err(format!(
                    "You can only specify a value for {colon}{slug} in the JWT."
                ));
            }
            Mode::Disabled | Mode::Enabled | Mode::Locked => {}
        }
    }
    let mut slugs = token.keys().chain(user.keys());
    if let Some(slug) = slugs.find(|slug| policy.mode(slug).is_none()) {
        return Err(format!("Unknown parameter {colon}{slug}."));
    }
    let mut merged = user.clone();
    merged.extend(token.clone());
    for value in merged.values_mut() {
        if value.as_array().is_some_and(Vec::is_empty) || value == "" {
            *value = Json::Null;
        }
    }
    Ok(merged)
}
