//! `embedgate schema`: the JSON Schema of the configuration.

use super::Failure;

/// Prints it.
pub(super) fn run() -> Result<(), Failure> {
    super::print(&format!("{:#}", crate::config::schema()))
}
