//! `embedgate explain`.

use super::{ExplainArgs, Failure};

/// Runs it.
pub(super) fn run(_args: &ExplainArgs) -> Result<(), Failure> {
    Err(Failure::Runtime("`explain` is not wired yet".into()))
}
