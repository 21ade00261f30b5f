//! `embedgate run`.

use super::{Failure, RunArgs};

/// Runs it.
pub(super) fn run(_args: &RunArgs) -> Result<(), Failure> {
    Err(Failure::Runtime("`run` is not wired yet".into()))
}
