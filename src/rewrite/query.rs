//! The upstream's query: judged and rebuilt in one pass. Locked values are in it exactly once, built here.

use smallvec::{SmallVec, smallvec};

use super::{Bindings, judge};
use crate::gate::{
    param::{Lock, Mode, ParamSpec, Place, Value},
    policy::Denial,
    query::{self, Pair, Query},
    refusal::Refusal,
};

/// What a route does with `name=value` pairs, worked out when the configuration is compiled: names folded and sorted.
///
/// A client's pair is compared by its folded name with every declared parameter and every target of a lock:
/// * locked: another value is `param_locked`, the same is dropped (a list must be sent whole or not at all);
/// * disabled: `param_disabled`;
/// * enabled: spelled exactly and of its type (or empty: cleared), else `param_invalid`; repeated only where it is a list. Passes in canonical form, under the lock's
///   name where the route has one. The viewer's value replaces the token's preset.
///
/// Folding takes `name[any]` for `name`, so a lock on `filter[tenant]` speaks for every `filter[…]`. Token names are dropped however they are spelled. Other pairs pass, where there is an allow-list only those that it names exactly.
#[derive(Clone, Debug)]
pub struct QueryPlan {
    names: Vec<(Box<str>, Role)>,
    targets: Vec<(usize, Box<str>)>,
    allow: Option<Vec<Box<str>>>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Role {
    Param(usize),
    Token,
}

/// Judges and rebuilds a query without a plan made before (tests, `explain`).
///
/// # Errors
/// As [`QueryPlan::rebuild`].
pub fn rebuild(
    query: &Query<'_>,
    bindings: Bindings<'_>,
    drop: &[Box<str>],
    allow: Option<&[Box<str>]>,
) -> Result<String, Denial> {
    QueryPlan::new(bindings.params, bindings.locks, drop, allow).rebuild(
        query,
        bindings.params,
        bindings.values,
    )
}

impl QueryPlan {
    /// The plan for the query of a route. `drop` names the places of tokens.
    pub fn new(
        params: &[ParamSpec],
        locks: &[Lock],
        drop: &[Box<str>],
        allow: Option<&[Box<str>]>,
    ) -> Self {
        let targets = locks.iter().filter_map(|lock| match &lock.place {
            Place::Query(name) => Some((lock.param, name.clone())),
            Place::Cookie(_)
            | Place::Form(_)
            | Place::Header(_)
            | Place::Json { .. }
            | Place::Path(_) => None,
        });
        Self::over(params, targets.collect(), drop, allow)
    }

    /// The plan for the urlencoded body of a route.
    pub fn form(params: &[ParamSpec], locks: &[Lock], drop: &[Box<str>]) -> Self {
        let targets = locks.iter().filter_map(|lock| match &lock.place {
            Place::Form(name) => Some((lock.param, name.clone())),
            Place::Cookie(_)
            | Place::Header(_)
            | Place::Json { .. }
            | Place::Path(_)
            | Place::Query(_) => None,
        });
        Self::over(params, targets.collect(), drop, None)
    }

    fn over(
        params: &[ParamSpec],
        targets: Vec<(usize, Box<str>)>,
        drop: &[Box<str>],
        allow: Option<&[Box<str>]>,
    ) -> Self {
        let declared = params
            .iter()
            .enumerate()
            .map(|(index, spec)| (query::fold(&spec.name).into(), Role::Param(index)));
        let aimed = targets
            .iter()
            .map(|(index, name)| (query::fold(name).into(), Role::Param(*index)));
        let tokens = drop
            .iter()
            .map(|name| (query::fold(name).into(), Role::Token));
        let mut names: Vec<(Box<str>, Role)> = declared.chain(aimed).chain(tokens).collect();
        names.sort();
        names.dedup();
        Self {
            names,
            targets,
            allow: allow.map(<[_]>::to_vec),
        }
    }

    /// The upstream's query for a client's.
    ///
    /// # Errors
    /// `param_locked`, `param_disabled`, `param_invalid`; `param_missing` where a locked parameter with a place in the query has no value.
    pub fn rebuild(
        &self,
        query: &Query<'_>,
        params: &[ParamSpec],
        values: &[Option<Value>],
    ) -> Result<String, Denial> {
        let length: usize = query
            .pairs()
            .iter()
            .map(|pair| pair.raw.len().saturating_add(1))
            .sum();
        let mut pass = Pass {
            plan: self,
            bindings: Bindings {
                params,
                values,
                locks: &[],
            },
            out: String::with_capacity(
                length.saturating_add(self.targets.len().saturating_mul(32)),
            ),
            sent: smallvec![0; params.len()],
        };
        for pair in query.pairs() {
            pass.take(pair)?;
        }
        pass.finish()
    }

    /// What a name means.
    fn roles(&self, folded: &str) -> &[(Box<str>, Role)] {
        let from = self.names.partition_point(|(name, _)| **name < *folded);
        let rest = self.names.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|(name, _)| **name == *folded))
            .unwrap_or_default()
    }

    fn targets_of(&self, param: usize) -> impl Iterator<Item = &str> {
        self.targets
            .iter()
            .filter(move |(index, _)| *index == param)
            .map(|(_, name)| &**name)
    }

    fn allows(&self, name: &str) -> bool {
        self.allow
            .as_ref()
            .is_none_or(|names| names.iter().any(|allowed| **allowed == *name))
    }
}

/// One query on its way.
struct Pass<'a> {
    plan: &'a QueryPlan,
    bindings: Bindings<'a>,
    out: String,
    sent: SmallVec<[usize; 8]>,
}

impl Pass<'_> {
    fn take(&mut self, pair: &Pair<'_>) -> Result<(), Denial> {
        let roles = self.plan.roles(&query::fold(&pair.name));
        if roles.is_empty() && self.plan.allows(&pair.name) {
            query::pass(&mut self.out, pair);
        }
        for (_, role) in roles {
            match role {
                Role::Param(param) => self.judge(*param, pair)?,
                Role::Token => return Ok(()),
            }
        }
        Ok(())
    }

    fn judge(&mut self, param: usize, pair: &Pair<'_>) -> Result<(), Denial> {
        let spec = self
            .bindings
            .params
            .get(param)
            .ok_or(Refusal::ParamMissing)?;
        let text = pair.value.as_deref().unwrap_or_default();
        let first = self
            .sent
            .get_mut(param)
            .is_some_and(|count| std::mem::replace(count, count.saturating_add(1)) == 0);
        match spec.mode {
            Mode::Disabled => Err(judge::denied(Refusal::ParamDisabled, spec)),
            Mode::Enabled if first || spec.list => self.set(param, spec, &pair.name, text),
            Mode::Enabled => Err(judge::denied(Refusal::ParamInvalid, spec)),
            Mode::Locked => match self.bindings.value(param) {
                Some(value) if judge::says_one_of(spec, value, text) => Ok(()),
                _ => Err(judge::denied(Refusal::ParamLocked, spec)),
            },
        }
    }

    fn set(
        &mut self,
        param: usize,
        spec: &ParamSpec,
        name: &str,
        text: &str,
    ) -> Result<(), Denial> {
        if *spec.name != *name && !self.plan.targets_of(param).any(|target| target == name) {
            return Err(judge::denied(Refusal::ParamInvalid, spec));
        }
        let text = judge::typed(spec, text)?;
        let mut placed = false;
        for target in self.plan.targets_of(param) {
            query::push(&mut self.out, target, &text);
            placed = true;
        }
        if !placed && self.plan.allows(name) {
            query::push(&mut self.out, name, &text);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<String, Denial> {
        for (param, spec) in self.bindings.params.iter().enumerate() {
            let sent = self.sent.get(param).copied().unwrap_or_default();
            if let (Mode::Locked, Some(Value::Many(all))) = (spec.mode, self.bindings.value(param))
                && sent > 0
                && sent != all.len()
            {
                return Err(judge::denied(Refusal::ParamLocked, spec));
            }
        }
        for (param, name) in &self.plan.targets {
            let spec = self
                .bindings
                .params
                .get(*param)
                .ok_or(Refusal::ParamMissing)?;
            match (spec.mode, self.bindings.value(*param)) {
                (Mode::Locked, None) => return Err(judge::denied(Refusal::ParamMissing, spec)),
                (Mode::Locked, Some(value)) => append(&mut self.out, name, value),
                (Mode::Enabled, Some(value)) if self.sent.get(*param) == Some(&0) => {
                    append(&mut self.out, name, value);
                }
                (Mode::Disabled | Mode::Enabled, _) => {}
            }
        }
        Ok(self.out)
    }
}

fn append(out: &mut String, name: &str, value: &Value) {
    for scalar in value.scalars() {
        query::push(out, name, &scalar.text);
    }
}

#[cfg(test)]
mod tests;
