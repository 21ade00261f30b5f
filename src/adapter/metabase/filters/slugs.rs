//! Filters of signed embeds: by slug, in either of Metabase's two encodings, written as the one that leaves no other reading.

use smallvec::SmallVec;

use super::{
    Extras, Filters,
    json::{self, Said},
    judge::{Rules, unknown},
    keys::{self, Keys, Named},
    malformed,
};
use crate::gate::{
    policy::Denial,
    query::{Pair, Query},
};

/// Reads the query of a data request (E2–E4, E9–E11, E18 of the contract): `parameters={slug: value}`, or plain keys where there is no `parameters`
/// (repeated: a list). Locked and preset parameters are not written: the minted token says them. What the viewer clears (`null`, empty) is written as
/// `null`, which Metabase takes for "no filter", where leaving it out would mean the default.
///
/// # Errors
/// `param_locked`, `param_disabled`, `param_invalid` for what the viewer may not say, with the words for it; `request_malformed` for what has two readings
/// (duplicates, both encodings at once, other spellings of `parameters`, JSON that is none); those of [`Rules::fixed`].
pub fn read(query: &Query<'_>, rules: Rules<'_>, extras: Extras<'_>) -> Result<Filters, Denial> {
    rules.fixed()?;
    let encoded = query.pairs().iter().any(|pair| pair.name == "parameters");
    let mut keys = Keys::default();
    let mut plain = Named::new();
    for pair in query.pairs() {
        let value = pair.value.as_deref().unwrap_or_default();
        if keys.take(&pair.name, value, extras)? {
            continue;
        }
        let Some(param) = named(pair, rules, extras, encoded)? else {
            continue;
        };
        match plain.iter_mut().find(|(known, _, _)| *known == param) {
            Some((_, _, values)) => values.push(value),
            None => plain.push((param, &pair.name, SmallVec::from_elem(value, 1))),
        }
    }
    let mut open = Open::default();
    for (param, name, values) in &plain {
        open.take(rules, *param, name, &Said::repeated(values))?;
    }
    if let Some(text) = keys.parameters {
        let members = json::strict(text).and_then(json::members);
        let members = members.ok_or_else(|| malformed("`parameters` is no JSON object"))?;
        for (slug, raw) in members {
            let (param, ..) = rules
                .lens
                .find(&slug)
                .ok_or_else(|| rules.stranger(None, &slug))?;
            open.take(rules, param, &slug, &Said::read(raw))?;
        }
    }
    keys.with(open.write(rules), extras)
}

/// The parameter that a plain key names; `None` for the place of a token.
fn named(
    pair: &Pair<'_>,
    rules: Rules<'_>,
    extras: Extras<'_>,
    encoded: bool,
) -> Result<Option<usize>, Denial> {
    if keys::is_parameters(&pair.name) {
        return Err(malformed("another spelling of `parameters`"));
    }
    match rules.lens.find(&pair.name) {
        Some((param, ..)) if !encoded => return Ok(Some(param)),
        Some(_) | None => {}
    }
    match rules.alias(None, &pair.name) {
        Some(_) if encoded => Err(malformed("filters in two encodings")),
        Some(denial) => Err(denial),
        None if keys::is_token(&pair.name, extras.drop) => Ok(None),
        None => Err(unknown(&pair.name)),
    }
}

/// What the viewer sets: parameters and the JSON of their values.
#[derive(Default)]
struct Open(SmallVec<[(usize, String); 4]>);

impl Open {
    fn take(
        &mut self,
        rules: Rules<'_>,
        param: usize,
        name: &str,
        said: &Said<'_>,
    ) -> Result<(), Denial> {
        if let Some(scalars) = rules.judge(param, name, said)? {
            self.0.push((param, said.write(&scalars)));
        }
        Ok(())
    }

    /// In order of declaration.
    fn write(mut self, rules: Rules<'_>) -> String {
        self.0.sort_unstable_by_key(|(param, _)| *param);
        let mut out = String::from("{");
        for (param, value) in &self.0 {
            let Some(spec) = rules.lens.params.get(*param) else {
                continue;
            };
            if out.len() > 1 {
                out.push(',');
            }
            json::quote(&mut out, &spec.name);
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        out
    }
}

#[cfg(test)]
mod tests;
