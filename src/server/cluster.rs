//! Several gateways, one installation: what they share through Redis, and what happens while Redis does not answer.
//!
//! Every worker has one connection of its own, opened and watched by a task, so that a request finds it open or goes on without. The
//! steward has two for revocations: one to write, one to be told. What is asked and answered is `gate::cluster`'s business.

mod dial;
mod health;
mod link;
mod revoked;

use std::sync::Arc;

use rustls::ClientConfig;

pub use health::Health;
pub(super) use link::{Heard, Link};
pub(super) use revoked::follow;
pub use revoked::{Crier, Untold};

use super::{
    clock::Clock,
    tls::{self, TlsError},
};
use crate::{
    config::{Snapshot, cluster::ClusterSpec},
    gate::{
        cluster::{SCRIPT, Script},
        limit::SharedLimits,
    },
};

/// What one generation of the configuration makes of `[cluster]`.
pub struct Installation {
    /// As configured.
    pub spec: Arc<ClusterSpec>,
    /// The quotas of all sites, as Redis counts them.
    pub limits: SharedLimits,
    tls: Option<Arc<ClientConfig>>,
    script: Script,
    clock: Clock,
}

impl Installation {
    /// Where there is a `[cluster]`.
    ///
    /// # Errors
    /// Its TLS files are unusable.
    pub fn build(snapshot: &Snapshot) -> Result<Option<Arc<Self>>, TlsError> {
        let Some(spec) = &snapshot.cluster else {
            return Ok(None);
        };
        let tls = spec.secure.then(|| tls::towards(&spec.tls).map(Arc::new));
        let sites = snapshot.sites.iter().map(|entry| &entry.site);
        let sites = sites.map(|site| (&*site.name, &site.limits));
        Ok(Some(Arc::new(Self {
            tls: tls.transpose()?,
            limits: SharedLimits::new(&spec.names, sites),
            script: Script::new(SCRIPT),
            clock: Clock::system(),
            spec: Arc::clone(spec),
        })))
    }
}
