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
pub(super) fn params(raw: &BTreeMap<String, raw::Param>, at: &At<'_>) -> Vec<ParamSpec> {
    let mut params: Vec<ParamSpec> = Vec::with_capacity(raw.len());
    for (name, raw) in raw {
        let at = at.key(name);
        let Some(param) = param(name, raw, &at) else {
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

fn param(name: &str, raw: &raw::Param, at: &At<'_>) -> Option<ParamSpec> {
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
        all: None,
    })
}

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
