//! What the transport is told: parsed and checked by the configuration, only read here.

pub use crate::config::spec::{ListenSpec, TlsFiles, UpstreamSpec, UpstreamTls};
