//! What the end-to-end tests share: a gateway on a free port, an upstream that remembers, a client that sends exact bytes.

pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod databricks;
pub(crate) mod gateway;
pub(crate) mod metabase;
pub(crate) mod upstream;
pub(crate) mod websocket;
pub(crate) mod wire;

use std::time::{Duration, Instant};

pub(crate) use client::{get, send};
pub(crate) use gateway::{Gateway, token};
pub(crate) use upstream::{Answer, Upstream};

/// Waits until it is so; panics after ten seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the gateway under test lives in real time"
)]
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
