//! What leaves for the upstream and what comes back: bytes and header fields in, bytes and header fields out. No socket, file or clock.
//!
//! Towards the upstream, [`query`], [`form`], [`json`], [`path`] and [`header`] judge what the viewer sent under a parameter's name and put in the
//! typed values of the token, exactly once; [`body`] and [`decode`] say which bodies can be read with certainty. Towards the browser,
//! [`response::finish`] is the only way out: [`csp`], [`cookie`], [`location`].

#![deny(clippy::as_conversions, clippy::indexing_slicing)]

use smallvec::SmallVec;

use crate::gate::{
    param::{Lock, Mode, ParamSpec, Place, Value},
    policy::Denial,
    refusal::Refusal,
};

pub mod body;
pub mod cookie;
pub mod csp;
pub mod decode;
pub mod foreword;
pub mod form;
pub mod frames;
pub mod header;
pub mod insert;
pub mod json;
pub mod location;
pub mod multipart;
pub mod path;
pub mod query;
pub mod response;
pub mod sieve;

mod judge;

/// The parameters of a site, the values that the token brings, and where a route puts them.
#[derive(Clone, Copy, Debug)]
pub struct Bindings<'a> {
    /// The site's parameters.
    pub params: &'a [ParamSpec],
    /// The token's values, by the same index: every locked one, and presets of enabled ones.
    pub values: &'a [Option<Value>],
    /// The route's locks.
    pub locks: &'a [Lock],
}

/// One parameter at one place: a locked one with its value, an enabled one with its preset or none, a disabled one without.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The parameter.
    pub spec: &'a ParamSpec,
    /// The token's value.
    pub value: Option<&'a Value>,
    /// Where it goes.
    pub place: &'a Place,
}

impl<'a> Bindings<'a> {
    /// Nothing is declared and nothing locked: public routes.
    pub const NONE: Self = Self {
        params: &[],
        values: &[],
        locks: &[],
    };

    /// The token's value of a parameter; disabled parameters have none.
    pub fn value(self, param: usize) -> Option<&'a Value> {
        let spec = self.params.get(param)?;
        match spec.mode {
            Mode::Disabled => None,
            Mode::Enabled | Mode::Locked => self.values.get(param)?.as_ref(),
        }
    }

    /// Every lock with its parameter and value.
    ///
    /// # Errors
    /// `param_missing` where a locked parameter has no value: fail closed, a lock is never left out.
    pub fn bounds(self) -> Result<SmallVec<[Bound<'a>; 4]>, Denial> {
        self.locks.iter().map(|lock| self.bound(lock)).collect()
    }

    fn bound(self, lock: &'a Lock) -> Result<Bound<'a>, Denial> {
        let spec = self.params.get(lock.param).ok_or(Refusal::ParamMissing)?;
        let value = self.value(lock.param);
        if spec.mode == Mode::Locked && value.is_none() {
            return Err(judge::denied(Refusal::ParamMissing, spec));
        }
        Ok(Bound {
            spec,
            value,
            place: &lock.place,
        })
    }
}
