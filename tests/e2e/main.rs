//! The whole gateway over real sockets, with an upstream that remembers what it was sent.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod embed;
mod hostile;
mod keys;
mod lifecycle;
mod limits;
mod locks;
mod metabase;
#[path = "../support/keys.rs"]
mod pairs;
mod reload;
mod revocation;
mod revocation_crash;
mod script;
mod several;
mod sharing;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
mod websocket;
mod websocket_ends;
mod websocket_handshake;
