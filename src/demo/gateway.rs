//! The gateway of the demo: the real one, from configuration text.

use std::{net::SocketAddr, path::Path};

use super::DemoError;
use crate::{
    config::Snapshot,
    server::launch::{Launched, launch},
};

/// A gateway that runs.
pub struct Gateway {
    /// Where viewers reach it.
    pub public: SocketAddr,
    /// Where `/metrics` is.
    pub admin: SocketAddr,
    launched: Launched,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Lets requests finish and flushes the audit trail.
    pub async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(move || self.launched.shutdown()).await;
        if stopped.is_err() {
            tracing::error!("the gateway did not stop in order");
        }
    }
}

/// Compiles the configuration and starts the gateway.
///
/// # Errors
/// The configuration has errors, or a port is taken.
pub fn start_gateway(text: &str) -> Result<Gateway, DemoError> {
    let failed = |error: &dyn std::error::Error| {
        let causes = std::iter::successors(error.source(), |error| error.source());
        DemoError::Gateway(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
    };
    let snapshot =
        Snapshot::parse(text, Path::new("/"), &|_| None).map_err(|error| failed(&error))?;
    let launched = launch(snapshot, None).map_err(|error| failed(&error))?;
    let admin = launched
        .admin()
        .ok_or_else(|| DemoError::Gateway("it has no admin listener".into()))?;
    Ok(Gateway {
        public: launched.address(),
        admin,
        launched,
    })
}
