//! The demo: a gateway, a sample BI server, a host page and a foreign page in one process, each on an origin of its own.
//!
//! The gateway is the real one, started from configuration text ([`settings`]); everything else is as small as it can be. The host page signs viewer
//! tokens like any application would, and its "try to tamper" panel ([`attempt`]) sends what an attacker would send and shows the refusals.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::net::TcpListener;

pub mod accounts;
pub mod attempt;
pub mod backend;
pub mod bi;
pub mod foreign;
pub mod gateway;
pub mod host;
pub mod settings;
pub mod web;

use gateway::Gateway;

/// Why the demo cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A port is taken, or the scratch folder cannot be written.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("no randomness for the demo's secrets")]
    Randomness,
    /// The gateway did not start.
    #[error("the gateway did not start: {0}")]
    Gateway(String),
}

/// Where everything listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The host page: the application that embeds the dashboard.
    pub host: SocketAddr,
    /// The gateway's public side.
    pub gateway: SocketAddr,
    /// The gateway's admin listener.
    pub admin: SocketAddr,
    /// A page that nobody allowed to embed anything.
    pub foreign: SocketAddr,
    /// The sample BI server, which trusts whoever calls it.
    pub bi: SocketAddr,
}

impl Addresses {
    /// The address to open.
    pub fn host_url(&self) -> String {
        format!("http://localhost:{}", self.host.port())
    }

    /// The public address of the gateway. Same site as the host page, another origin.
    pub fn gateway_url(&self) -> String {
        format!("http://localhost:{}", self.gateway.port())
    }

    /// The foreign page: another *site*, since it goes by the address instead of the name.
    pub fn foreign_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.foreign.port())
    }

    /// The BI server without the gateway.
    pub fn bi_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.bi.port())
    }

    /// The metrics.
    pub fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.admin.port())
    }
}

/// A demo that runs; dropping it stops the pages and removes the scratch folder.
#[derive(Debug)]
pub struct Demo {
    addresses: Addresses,
    gateway: Option<Gateway>,
    _scratch: Scratch,
    pages: tokio::task::JoinSet<()>,
}

impl Demo {
    /// Starts everything on loopback; with a port, on that one and the four after it.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn start(port: Option<u16>) -> Result<Self, DemoError> {
        let host = listen(port, 0).await?;
        let foreign = listen(port, 3).await?;
        let bi = listen(port, 4).await?;
        let scratch = Scratch::make()?;
        let secrets = settings::Secrets::make(scratch.path())?;
        let ports = settings::Ports {
            host: host.1.port(),
            bi: bi.1.port(),
            gateway: offset(port, 1),
            admin: offset(port, 2),
        };
        let text = settings::configuration(&ports, scratch.path());
        let gateway = gateway::start_gateway(&text)?;
        let addresses = Addresses {
            host: host.1,
            gateway: gateway.public,
            admin: gateway.admin,
            foreign: foreign.1,
            bi: bi.1,
        };
        let backend = Arc::new(backend::Backend::new(
            addresses,
            &secrets,
            scratch.audit_trail(),
        ));

        let mut pages = tokio::task::JoinSet::new();
        pages.spawn(web::serve(bi.0, bi::answer));
        pages.spawn(web::serve(host.0, move |request| {
            host::answer(Arc::clone(&backend), request)
        }));
        pages.spawn(web::serve(foreign.0, move |request| {
            std::future::ready(foreign::answer(addresses, &request))
        }));
        Ok(Self {
            addresses,
            gateway: Some(gateway),
            _scratch: scratch,
            pages,
        })
    }

    /// Where everything listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Stops the pages, then lets the gateway finish what it is doing.
    pub async fn stop(mut self) {
        self.pages.shutdown().await;
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await;
        }
    }
}

async fn listen(port: Option<u16>, place: u16) -> Result<(TcpListener, SocketAddr), DemoError> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, offset(port, place)));
    let failed = |source| DemoError::Io {
        what: format!("cannot listen on {wanted}"),
        source,
    };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn offset(port: Option<u16>, place: u16) -> u16 {
    port.map_or(0, |first| first.saturating_add(place))
}

/// A folder of our own for the demo's secrets and audit trail, readable by nobody else, removed at the end.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, DemoError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!(
            "embedgate-demo-{}-{}",
            std::process::id(),
            settings::random_hex(4)?
        ));
        let failed = |source| DemoError::Io {
            what: format!("cannot make {}", path.display()),
            source,
        };
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn audit_trail(&self) -> PathBuf {
        self.0.join(settings::AUDIT_TRAIL)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
