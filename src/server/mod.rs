//! The shell that moves bytes: listeners, TLS, connections, bodies and the way to the upstream.

pub mod spec;
