//! How much folding one body may cost.
//!
//! Normalising text beyond ASCII costs a thousand times what reading it does (`U+FDFA` alone becomes 18 characters), and a viewer chooses the names: without a
//! bound, one body of a megabyte would hold up everybody on its thread for seconds.

use std::{borrow::Cow, cell::Cell};

use crate::gate::{query, refusal::Refusal};

/// What is left of it for one body.
pub(super) struct Effort {
    left: Cell<usize>,
    spent: Cell<bool>,
}

impl Effort {
    pub(super) fn new() -> Self {
        Self {
            left: Cell::new(BYTES),
            spent: Cell::new(false),
        }
    }

    /// The name, folded. Once the effort is spent, nothing is read any more: [`Self::end`] says so.
    pub(super) fn fold<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if name.bytes().all(|byte| byte.is_ascii() && byte != b'%') {
            return query::fold(name);
        }
        let Some(left) = self.left.get().checked_sub(name.len()) else {
            self.spent.set(true);
            return Cow::Borrowed("");
        };
        self.left.set(left);
        query::fold(name)
    }

    /// To be asked before anything that was compared is believed.
    ///
    /// # Errors
    /// `body_unsupported` where the effort did not suffice.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        if self.spent.get() {
            Err(Refusal::BodyUnsupported)
        } else {
            Ok(())
        }
    }
}

/// Bytes of names with escapes or beyond ASCII that are folded for one body; no front end comes near.
const BYTES: usize = 64 * 1024;
