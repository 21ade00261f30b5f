//! `[site.NAME.params]`: the filters.

use std::collections::BTreeMap;

use super::context::At;
use crate::{
    config::raw,
    gate::{
        param::{Mode, ParamSpec, Type},
        query::fold,
    },
};

/// All parameters of a site, in the order of their names.
pub(super) fn params(
    raw: &BTreeMap<String, raw::Param>,
    at: &At<'_>,
    kind: Option<raw::Kind>,
) -> Vec<ParamSpec> {
    let mut params: Vec<ParamSpec> = Vec::with_capacity(raw.len());
    for (name, raw) in raw {
        let at = at.key(name);
        let Some(param) = param(name, raw, &at, kind) else {
            continue;
        };
        match params.iter().find(|other| other.folded == param.folded) {
            Some(other) => at.report(format!(
                "reads like `{}`: an upstream may take one for the other",
                other.name
            )),
            None => params.push(param),
        }
    }
    params
}

fn param(name: &str, raw: &raw::Param, at: &At<'_>, kind: Option<raw::Kind>) -> Option<ParamSpec> {
    let folded = fold(name);
    if folded.is_empty() || name.chars().any(char::is_control) {
        at.report("is not a name");
        return None;
    }
    let mode = at
        .key("mode")
        .require(raw.mode.as_ref(), "\"locked\", \"enabled\" or \"disabled\"")?;
    Some(ParamSpec {
        name: name.into(),
        folded: folded.into(),
        mode: mode_of(*mode),
        kind: type_of(raw.kind),
        list: raw.list,
        all: all(raw, &at.key("all"), kind),
    })
}

/// The scope that may say "all values", where there is one.
fn all(raw: &raw::Param, at: &At<'_>, kind: Option<raw::Kind>) -> Option<Box<str>> {
    let scope = raw.all.as_deref()?;
    if kind.is_some_and(|kind| kind != raw::Kind::Metabase) {
        at.report("goes with kind = \"metabase\": elsewhere a locked parameter always has a value");
    }
    if raw.mode.is_some_and(|mode| mode != raw::Mode::Locked) {
        at.report("goes with mode = \"locked\": only a locked parameter must have a value");
    }
    let word = !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
    if !word {
        at.report(format!(
            "`{scope}` is not the name of a scope, such as \"staff\""
        ));
    } else if ORDINARY.contains(&scope) {
        at.report(format!(
            "`{scope}` is a scope of ordinary viewers: name one of its own, such as \"staff\""
        ));
    }
    Some(scope.into())
}

/// Scopes that mean something else.
const ORDINARY: [&str; 2] = ["download", "view"];

fn mode_of(mode: raw::Mode) -> Mode {
    match mode {
        raw::Mode::Disabled => Mode::Disabled,
        raw::Mode::Enabled => Mode::Enabled,
        raw::Mode::Locked => Mode::Locked,
    }
}

fn type_of(kind: raw::ParamType) -> Type {
    match kind {
        raw::ParamType::Boolean => Type::Boolean,
        raw::ParamType::Date => Type::Date,
        raw::ParamType::Integer => Type::Integer,
        raw::ParamType::Number => Type::Number,
        raw::ParamType::String => Type::String,
        raw::ParamType::Uuid => Type::Uuid,
    }
}
