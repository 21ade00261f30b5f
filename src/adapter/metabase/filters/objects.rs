//! Filters of public links and map tiles: a list of `{id,value}`. A client's `type`, `target`, `name` and `default` would win over what is stored, so none goes on;
//! the last of two alike wins, so ours stand last, and alone.

use std::borrow::Cow;

use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::{
    Extras, Filters, Ids,
    json::{self, Said},
    judge::{Fixed, Rules, unknown},
    keys::{self, Keys},
    malformed,
};
use crate::gate::{param::Grant, policy::Denial, query::Query, refusal::Refusal};

/// Where the locked values go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Locks {
    /// At the end of the list: public links.
    Appended,
    /// Into the minted token, so not into the list: map tiles of signed embeds. Also what a viewer may read again of what they asked.
    InToken,
}

/// Reads the query of a data request of a public link (P2, P4, P8, P10–P12, P14, P20 of the contract) or of a signed embed's map tile (E15, E16).
/// Keys that mean nothing here are dropped.
///
/// # Errors
/// As [`read`]; `request_malformed` also for `parameters` twice or in another spelling; `param_…` for a key that may be read as a parameter's name or id.
pub fn from_query(
    query: &Query<'_>,
    ids: &dyn Ids,
    rules: Rules<'_>,
    extras: Extras<'_>,
    locks: Locks,
) -> Result<Filters, Denial> {
    let mut keys = Keys::default();
    for pair in query.pairs() {
        let value = pair.value.as_deref().unwrap_or_default();
        if !keys.take(&pair.name, value, extras)? {
            harmless(&pair.name, ids, rules)?;
        }
    }
    let parameters = read(keys.parameters, ids, rules, locks)?;
    keys.with(parameters, extras)
}

/// Reads the text of `parameters` and writes the list that goes upstream: what the viewer sets of open parameters, in order of declaration, then what the
/// token fixes ([`Locks::Appended`]).
///
/// # Errors
/// `param_locked`, `param_disabled`, `param_invalid` for what the viewer may not say, ids that nothing has included; `request_malformed` for what is no list
/// of objects with one `id` each, and for an id that stands twice; `resource_denied` where the layout has no place for a value that must go into it; those of
/// [`Rules::fixed`].
pub fn read(
    parameters: Option<&str>,
    ids: &dyn Ids,
    rules: Rules<'_>,
    locks: Locks,
) -> Result<String, Denial> {
    let fixed = rules.fixed()?;
    let mut open: SmallVec<[(usize, String); 4]> = SmallVec::new();
    if let Some(text) = parameters {
        let items = json::strict(text).and_then(json::items);
        let items = items.ok_or_else(|| malformed("`parameters` is no JSON list"))?;
        let mut seen: SmallVec<[usize; 8]> = SmallVec::new();
        for raw in items {
            let element = Element::read(raw)?;
            let param = element.param(ids, rules)?;
            if seen.contains(&param) {
                return Err(malformed("a parameter stands twice"));
            }
            seen.push(param);
            if let Some(written) = element.judged(param, ids, rules)? {
                open.push((param, written));
            }
        }
    }
    open.sort_unstable_by_key(|(param, _)| *param);
    let mut out = String::from("[");
    for (_, written) in &open {
        separate(&mut out);
        out.push_str(written);
    }
    if locks == Locks::Appended {
        for fixed in &fixed {
            separate(&mut out);
            append(&mut out, ids, fixed)?;
        }
    }
    out.push(']');
    Ok(out)
}

/// Refuses a key that some reader may take for a filter; any other is dropped by its caller.
pub(super) fn harmless(name: &str, ids: &dyn Ids, rules: Rules<'_>) -> Result<(), Denial> {
    if keys::is_parameters(name) {
        return Err(malformed("another spelling of `parameters`"));
    }
    rules.alias(Some(ids), name).map_or(Ok(()), Err)
}

/// The id of a parameter that must be in the layout.
pub(super) fn id_of<'i>(ids: &'i dyn Ids, fixed: &Fixed<'_>) -> Result<&'i str, Denial> {
    ids.id(fixed.param).ok_or_else(|| {
        let why = format!("the layout has no parameter `{}`", fixed.spec.name);
        Denial::because(Refusal::ResourceDenied, why)
    })
}

fn append(out: &mut String, ids: &dyn Ids, fixed: &Fixed<'_>) -> Result<(), Denial> {
    begin(out, id_of(ids, fixed)?);
    let single = ids.kind(fixed.param) == Some(SINGLE_DATE);
    match fixed.grant {
        Grant::All => out.push_str("null"),
        Grant::Only(value) if !single => json::list(out, value.scalars()),
        Grant::Only(value) => {
            let [one] = value.scalars() else {
                let name = fixed.spec.name.to_string();
                return Err(Denial::because(Refusal::ParamInvalid, name));
            };
            json::scalar(out, one);
        }
    }
    out.push('}');
    Ok(())
}

fn begin(out: &mut String, id: &str) {
    out.push_str("{\"id\":");
    json::quote(out, id);
    out.push_str(",\"value\":");
}

fn separate(out: &mut String) {
    if out.len() > 1 {
        out.push(',');
    }
}

/// What we look at of one element.
struct Element<'a> {
    id: Cow<'a, str>,
    /// `None` where there is no `value`.
    said: Option<Said<'a>>,
    /// `{"case-sensitive":…}`, and nothing else in it.
    case_sensitive: Option<bool>,
}

impl<'a> Element<'a> {
    fn read(raw: &'a RawValue) -> Result<Self, Denial> {
        let members = json::members(raw).ok_or_else(|| malformed("a filter is no object"))?;
        let (mut id, mut said, mut case_sensitive) = (None, None, None);
        for (name, raw) in members {
            match &*name {
                "id" => id = json::string(raw),
                "value" => said = Some(Said::read(raw)),
                "options" => case_sensitive = option(raw),
                _ => {}
            }
        }
        Ok(Self {
            id: id.ok_or_else(|| malformed("a filter has no `id`"))?,
            said,
            case_sensitive,
        })
    }

    fn param(&self, ids: &dyn Ids, rules: Rules<'_>) -> Result<usize, Denial> {
        let param = rules
            .by_id(ids, &self.id)
            .ok_or_else(|| rules.stranger(Some(ids), &self.id))?;
        // The layout may hold an enabled parameter that no viewer may set.
        if rules.is_open(param) && ids.param(&self.id) != Some(param) {
            return Err(unknown(&self.id));
        }
        Ok(param)
    }

    /// What is written of it; `None` where the token says it, or where nothing is said.
    fn judged(
        &self,
        param: usize,
        ids: &dyn Ids,
        rules: Rules<'_>,
    ) -> Result<Option<String>, Denial> {
        let Some(said) = &self.said else {
            let open = rules.is_open(param);
            return open
                .then_some(None)
                .ok_or_else(|| rules.refuse(param, &self.id));
        };
        let Some(scalars) = rules.judge(param, &self.id, said)? else {
            return Ok(None);
        };
        let mut out = String::with_capacity(64);
        begin(&mut out, &self.id);
        out.push_str(&said.write(&scalars));
        let text = ids
            .kind(param)
            .is_some_and(|kind| kind.starts_with("string/"));
        if let Some(sensitive) = self.case_sensitive.filter(|_| text) {
            out.push_str(",\"options\":{\"case-sensitive\":");
            out.push_str(if sensitive { "true}" } else { "false}" });
        }
        out.push('}');
        Ok(Some(out))
    }
}

fn option(raw: &RawValue) -> Option<bool> {
    let members = json::members(raw)?;
    let [(name, value)] = members.as_slice() else {
        return None;
    };
    match value.get() {
        "true" if name == "case-sensitive" => Some(true),
        "false" if name == "case-sensitive" => Some(false),
        _ => None,
    }
}

/// The one exact type whose value Metabase wants bare.
const SINGLE_DATE: &str = "date/single";

#[cfg(test)]
mod tests;
