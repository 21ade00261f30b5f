//! `lock`: where the values of locked parameters, and presets of enabled ones, go on a route.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{context::At, identity};
use crate::{
    config::raw,
    gate::{
        param::{Lock, Mode, ParamSpec, Place},
        query::fold,
    },
};

/// All locks of a viewer's route: those of the file, then for every other parameter the query parameter of its own name.
pub(super) fn locks(
    raw: &raw::Route,
    at: &At<'_>,
    params: &[ParamSpec],
    captures: &[&str],
) -> Vec<Lock> {
    let mut taken = Taken::default();
    let mut locks = Vec::new();
    for (index, written) in raw.lock.iter().enumerate() {
        let at = at.key("lock").index(index);
        let Some(lock) = lock(written, raw, &at, params, captures) else {
            continue;
        };
        taken.take(&lock, params, &at);
        locks.push(lock);
    }
    let unlocked = unlocked(raw, &at.key("danger_unlocked"), params);
    let explicit: Vec<usize> = locks.iter().map(|lock| lock.param).collect();
    for (param, spec) in params.iter().enumerate() {
        if spec.mode == Mode::Disabled || explicit.contains(&param) || unlocked.contains(&param) {
            continue;
        }
        let lock = Lock {
            param,
            place: Place::Query(spec.name.clone()),
        };
        taken.take(&lock, params, &at.key("lock"));
        locks.push(lock);
    }
    locks
}

/// `danger_unlocked`: indices of locked parameters that the route does without.
fn unlocked(raw: &raw::Route, at: &At<'_>, params: &[ParamSpec]) -> Vec<usize> {
    if !raw.danger_unlocked.is_empty() {
        at.danger();
    }
    let one = |(index, name): (usize, &String)| {
        let at = at.index(index);
        let param = find(name, &at, params)?;
        if params
            .get(param)
            .is_some_and(|spec| spec.mode != Mode::Locked)
        {
            at.report(format!("`{name}` is not locked"));
        }
        if raw
            .lock
            .iter()
            .any(|lock| lock.param.as_deref() == Some(name))
        {
            at.report(format!("`{name}` is locked on this route by `lock`"));
        }
        Some(param)
    };
    raw.danger_unlocked
        .iter()
        .enumerate()
        .filter_map(one)
        .collect()
}

fn find(name: &str, at: &At<'_>, params: &[ParamSpec]) -> Option<usize> {
    let index = params.iter().position(|param| &*param.name == name);
    if index.is_none() {
        at.report(format!("`{name}` is not one of the site's params"));
    }
    index
}

fn lock(
    raw: &raw::Lock,
    route: &raw::Route,
    at: &At<'_>,
    params: &[ParamSpec],
    captures: &[&str],
) -> Option<Lock> {
    let key = at.key("param");
    let name = key.require(raw.param.as_ref(), "name of a locked or enabled parameter");
    let param = name.and_then(|name| find(name, &key, params));
    if param
        .and_then(|param| params.get(param))
        .is_some_and(|spec| spec.mode == Mode::Disabled)
    {
        key.report("is disabled: it has no value");
    }
    let place = at.key("in").require(
        raw.place.as_ref(),
        "query, form, json, header, path or cookie",
    );
    let place = place.and_then(|place| place_of(*place, raw, route, at, captures));
    Some(Lock {
        param: param?,
        place: place?,
    })
}

fn place_of(
    place: raw::Place,
    raw: &raw::Lock,
    route: &raw::Route,
    at: &At<'_>,
    captures: &[&str],
) -> Option<Place> {
    if place == raw::Place::Json {
        return json(raw, route, at);
    }
    for (key, present) in [("at", raw.at.is_some()), ("value", raw.value.is_some())] {
        if present {
            at.key(key).report("goes with in = \"json\"");
        }
    }
    let key = at.key("name");
    let name: Box<str> = raw.name.as_ref().or(raw.param.as_ref())?.as_str().into();
    match place {
        raw::Place::Cookie => identity::check_cookie(&name, &key).then_some(Place::Cookie(name)),
        raw::Place::Form => has_body(route, &at.key("in")).then_some(Place::Form(name)),
        raw::Place::Header => {
            key.require(raw.name.as_ref(), "the header field")?;
            identity::header(&name, &key).map(Place::Header)
        }
        raw::Place::Path if captures.contains(&&*name) => Some(Place::Path(name)),
        raw::Place::Path => {
            key.report(format!("`{{{name}}}` does not stand in the route's path"));
            None
        }
        raw::Place::Json | raw::Place::Query => Some(Place::Query(name)),
    }
}

fn json(raw: &raw::Lock, route: &raw::Route, at: &At<'_>) -> Option<Place> {
    if raw.name.is_some() {
        at.key("name")
            .report("goes with every place but json, which takes `at`");
    }
    let body = has_body(route, &at.key("in"));
    let pointer = at.key("at").require(
        raw.at.as_ref(),
        "JSON pointer of the place, such as \"/tenant\" or \"/filters/-\"",
    )?;
    if !is_pointer(pointer) {
        at.key("at").report(format!("`{pointer}` is not a JSON pointer: it begins with `/`, and `~` is written `~0`, `/` in a name `~1`"));
        return None;
    }
    if raw
        .value
        .as_ref()
        .is_some_and(|template| !holds_value(template))
    {
        at.key("value")
            .report("\"$value\" stands nowhere in it: the parameter would have no effect");
    }
    body.then(|| Place::Json {
        at: pointer.as_str().into(),
        template: raw.value.clone(),
    })
}

fn has_body(route: &raw::Route, at: &At<'_>) -> bool {
    let body = route
        .methods
        .iter()
        .any(|method| matches!(method.as_str(), "DELETE" | "PATCH" | "POST" | "PUT"));
    if !body {
        at.report("none of the route's methods has a body; add methods = [\"POST\"]");
    }
    body
}

/// RFC 6901, without the empty pointer: a lock never replaces the whole body.
fn is_pointer(text: &str) -> bool {
    text.starts_with('/')
        && text
            .split('~')
            .skip(1)
            .all(|rest| rest.starts_with(['0', '1']))
}

fn holds_value(template: &Value) -> bool {
    match template {
        Value::Array(items) => items.iter().any(holds_value),
        Value::Object(members) => members.values().any(holds_value),
        Value::String(text) => text == "$value",
        Value::Bool(_) | Value::Null | Value::Number(_) => false,
    }
}

/// Places that have a lock already, as an upstream would tell them apart.
#[derive(Default)]
struct Taken(BTreeMap<(&'static str, String), usize>);

impl Taken {
    fn take(&mut self, lock: &Lock, params: &[ParamSpec], at: &At<'_>) {
        let place = match &lock.place {
            Place::Cookie(name) => ("cookie", name.to_string()),
            Place::Form(name) => ("form field", fold(name).into_owned()),
            Place::Header(name) => ("header field", name.as_str().replace('_', "-")),
            Place::Json { at, .. } if at.ends_with("/-") => return,
            Place::Json { at, .. } => ("JSON body at", at.to_string()),
            Place::Path(name) => ("path at", name.to_string()),
            Place::Query(name) => ("query parameter", fold(name).into_owned()),
        };
        let (what, name) = place.clone();
        if let Some(other) = self.0.insert(place, lock.param) {
            let named = |index: usize| params.get(index).map_or("", |param| &*param.name);
            at.report(format!(
                "`{}` and `{}` would both go to the {what} `{name}`",
                named(other),
                named(lock.param)
            ));
        }
    }
}
