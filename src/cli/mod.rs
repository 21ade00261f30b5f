//! To come.

pub mod healthcheck;
