//! `embedgate check`: compiles the configuration; every fault at once.

use super::{CheckArgs, Failure};
use crate::config::Snapshot;

/// Prints a summary, or fails with every fault.
pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let snapshot = Snapshot::load(&args.config)?;
    super::print(&summary(&snapshot))
}

fn summary(snapshot: &Snapshot) -> String {
    let routes = snapshot
        .sites
        .iter()
        .map(|entry| entry.site.surface.routes().len())
        .sum();
    let mut text = format!(
        "ok: {}, {}, {}",
        counted(snapshot.sites.len(), "site"),
        counted(routes, "route"),
        counted(snapshot.issuers.len(), "issuer")
    );
    if !snapshot.dangers.is_empty() {
        let dangers = counted(snapshot.dangers.len(), "danger");
        text = format!("{text}; {dangers}: {}", snapshot.dangers.join(", "));
    }
    text
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
