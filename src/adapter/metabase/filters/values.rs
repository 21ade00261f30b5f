//! Lists of values (what a filter's dropdown offers): constrained by what the token fixes and by open filters, keyed by parameter id.

use smallvec::SmallVec;

use super::{
    Ids,
    json::Said,
    judge::{Rules, Scalars, open, quoted, unknown},
    keys::{self, Named},
    malformed, objects,
};
use crate::gate::{
    param::{Grant, Mode},
    policy::Denial,
    query::{self, Query},
    refusal::Refusal,
};

/// The parameter whose values are asked for, by the id in the path: an open one, which the token does not preset.
///
/// # Errors
/// `param_locked`, `param_disabled`, `param_invalid` for an id that nothing here has, or that no viewer may set.
pub fn target(id: &str, ids: &dyn Ids, rules: Rules<'_>) -> Result<usize, Denial> {
    rules.fixed()?;
    let param = rules
        .by_id(ids, id)
        .ok_or_else(|| rules.stranger(Some(ids), id))?;
    if !rules.is_open(param) {
        let refusal = match rules.lens.modes.get(param) {
            Some(Mode::Disabled) => Refusal::ParamDisabled,
            Some(Mode::Enabled | Mode::Locked) | None => Refusal::ParamLocked,
        };
        let name = rules
            .lens
            .params
            .get(param)
            .map(|spec| spec.name.to_string());
        let id = quoted(id);
        return Err(
            Denial::because(refusal, name.unwrap_or_default()).telling(format!(
                "Cannot search for values: \"{id}\" is not an enabled parameter."
            )),
        );
    }
    if ids.param(id) != Some(param) {
        return Err(unknown(id));
    }
    Ok(param)
}

/// The query for the values of a signed embed (E5–E7): the viewer's constraints on open parameters; the minted token brings the rest. With `remapped`
/// the one `value` to be translated is asked for.
///
/// # Errors
/// `param_locked`, `param_disabled`, `param_invalid` for constraints that are not the viewer's to set; `request_malformed` for a parameter with two values
/// that takes one, and for `value` missing or twice; those of [`Rules::fixed`].
pub fn signed(
    query: &Query<'_>,
    ids: &dyn Ids,
    rules: Rules<'_>,
    drop: &[Box<str>],
    remapped: bool,
) -> Result<String, Denial> {
    rules.fixed()?;
    let mut out = String::new();
    if remapped {
        let mut value = None;
        for pair in query.pairs().iter().filter(|pair| pair.name == "value") {
            keys::once(&mut value, pair.value.as_deref().unwrap_or_default())?;
        }
        let value = value.ok_or_else(|| malformed("`value` is missing"))?;
        query::push(&mut out, "value", value);
    }
    constraints(&mut out, query, ids, rules, (drop, remapped))?;
    Ok(out)
}

/// The query for the values of a public dashboard (P5, P6): the viewer's constraints on open parameters, then what the token fixes, each value a pair.
///
/// # Errors
/// As [`signed`]; `resource_denied` where the layout has no id for what the token fixes.
pub fn public(
    query: &Query<'_>,
    ids: &dyn Ids,
    rules: Rules<'_>,
    drop: &[Box<str>],
) -> Result<String, Denial> {
    let mut out = String::new();
    constraints(&mut out, query, ids, rules, (drop, false))?;
    for fixed in &rules.fixed()? {
        let id = objects::id_of(ids, fixed)?;
        if let Grant::Only(value) = fixed.grant {
            for scalar in value.scalars() {
                query::push(&mut out, id, &scalar.text);
            }
        }
    }
    Ok(out)
}

/// Appends the viewer's constraints, in order of declaration. An empty one constrains nothing and is left out.
fn constraints(
    out: &mut String,
    query: &Query<'_>,
    ids: &dyn Ids,
    rules: Rules<'_>,
    (drop, remapped): (&[Box<str>], bool),
) -> Result<(), Denial> {
    let mut found = Named::new();
    for pair in query.pairs() {
        if keys::is_noise(&pair.name) || (remapped && pair.name == "value") {
            continue;
        }
        let Some(param) = rules.by_id(ids, &pair.name) else {
            if rules.alias(Some(ids), &pair.name).is_none() && keys::is_token(&pair.name, drop) {
                continue;
            }
            return Err(rules.stranger(Some(ids), &pair.name));
        };
        if !rules.is_open(param) {
            return Err(rules.refuse(param, &pair.name));
        }
        if ids.param(&pair.name) != Some(param) {
            return Err(unknown(&pair.name));
        }
        let value = pair.value.as_deref().unwrap_or_default();
        match found.iter_mut().find(|(known, _, _)| *known == param) {
            Some((_, _, values)) if values.contains(&value) => {}
            Some((_, _, values)) => values.push(value),
            None => found.push((param, &pair.name, SmallVec::from_elem(value, 1))),
        }
    }
    found.sort_unstable_by_key(|(param, _, _)| *param);
    for (param, id, values) in &found {
        let spec = rules.lens.params.get(*param).ok_or(Refusal::ParamMissing)?;
        if values.len() > 1 && !spec.list {
            return Err(malformed("a parameter stands twice"));
        }
        let scalars: Scalars = open(spec, &Said::repeated(values))?;
        for scalar in &scalars {
            query::push(out, id, &scalar.text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
