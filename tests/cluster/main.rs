//! Several gateways that share a real Redis. Each test starts servers of its own, on loopback, without a file on the disk, and ends them.
//!
//! Where there is no `redis-server`, these tests say so and do nothing; with `EMBEDGATE_NEED_REDIS` set (`tests/run cluster` sets it) they fail.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod agreement;
mod away;
mod limits;
mod places;
mod redis_server;
mod revoked;
mod single_use;
mod skew;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests")]
mod support;
mod world;
