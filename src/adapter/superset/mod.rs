//! Apache Superset (and CalabiIQ, which is Superset under another name).

pub mod rules;
pub mod spec;
