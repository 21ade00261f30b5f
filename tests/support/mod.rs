//! What the end-to-end tests share: a gateway on a free port, an upstream that remembers, a client that sends exact bytes.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]
#![allow(unused_imports, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "test helpers may panic"
)]

pub mod client;
pub mod gateway;
pub mod upstream;

pub use client::{Reply, get, send};
pub use gateway::{Gateway, token};
pub use upstream::{Answer, Seen, Upstream};
