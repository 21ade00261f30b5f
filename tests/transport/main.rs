//! The transport alone, over real sockets: no policy, a service made for the test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod http1;
mod request_body;
mod shutdown;
mod smuggling;
mod support;
mod tls;
mod tunnel;
mod upstream;
