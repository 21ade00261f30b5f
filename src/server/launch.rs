//! Starts a gateway and ends it: data threads, one thread for everything else (admin, reload, housekeeping), and the order in which they go.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Running, StartError, Transport,
    app::{App, BuildError},
    clock::Clock,
    control::Steering,
    handler::Gateway,
    revocations::{Ledger, LedgerError},
    steward,
};
use crate::{
    admin::{AdminState, AdminToken},
    config::{self, AuditSpec, Snapshot},
    observe::{
        Observer,
        audit::{Audit, AuditOutput, AuditSettings},
        metrics::Metrics,
        request_id::{NoRandom, RequestIds},
    },
};

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The admin listener.
    #[error("cannot listen on {address} for admin")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The audit trail.
    #[error("cannot open the audit trail")]
    Audit(#[source] io::Error),
    /// The configuration cannot be put in force.
    #[error("configuration")]
    Build(#[from] BuildError),
    /// The metrics.
    #[error("metrics")]
    Metrics(#[from] prometheus::Error),
    /// No randomness.
    #[error("randomness")]
    Random(#[from] NoRandom),
    /// The revocations.
    #[error("cannot use the revocation log")]
    Revocations(#[from] LedgerError),
    /// The public side.
    #[error("cannot start")]
    Start(#[from] StartError),
    /// The thread for everything else.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// A gateway that serves.
pub struct Launched {
    app: Arc<App>,
    steering: Arc<Steering>,
    running: Running,
    admin: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    steward: JoinHandle<()>,
}

/// What a shutdown left behind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Farewell {
    /// Connections that outlived the grace period.
    pub cut: usize,
    /// Audit records that could not be written.
    pub lost: u64,
}

/// Starts a gateway. `file` is the configuration's file, where there is one to reload.
///
/// # Errors
/// Nothing runs if any part fails.
pub fn launch(snapshot: Snapshot, file: Option<&Path>) -> Result<Launched, LaunchError> {
    let clock = Clock::system();
    let ledger = Ledger::open(&snapshot.revocations, clock.now())?;
    let metrics = Arc::new(Metrics::new()?);
    let audit = Audit::open(&audit_settings(&snapshot.audit), metrics.audit())
        .map_err(LaunchError::Audit)?;
    let observer = Arc::new(Observer::new(Arc::clone(&metrics), audit, || {
        Clock::system().since_epoch()
    }));
    let admin = bind_admin(&snapshot)?;
    let token = snapshot
        .admin
        .as_ref()
        .and_then(|admin| admin.token.as_ref())
        .map(|secret| AdminToken::new(secret.expose()));
    let listen = snapshot.listen.clone();
    let ids = RequestIds::new()?;
    let app = Arc::new(App::new(snapshot, observer, ids, clock, ledger)?);
    let maker = Arc::clone(&app);
    let running = super::start(Transport::new(listen), move |_| {
        Gateway::new(Arc::clone(&maker))
    })?;
    let steering = Arc::new(Steering::new(
        Arc::clone(&app),
        file.map(Path::to_owned),
        running.tls().cloned(),
    ));
    steering.connect_metrics(&metrics, running.metrics());
    steering.tell_facts();
    let address = admin
        .as_ref()
        .map(TcpListener::local_addr)
        .transpose()
        .map_err(LaunchError::Thread)?;
    let (stop, stopped) = watch::channel(false);
    let steward = {
        let (steering, admin) = (Arc::clone(&steering), admin.zip(address));
        let state = admin.map(|(listener, address)| {
            let control = Arc::clone(&steering);
            (
                listener,
                Arc::new(AdminState {
                    metrics,
                    token,
                    address,
                    control,
                }),
            )
        });
        std::thread::Builder::new()
            .name("steward".into())
            .spawn(move || steward::tend(&steering, state, stopped))
    };
    let steward = steward.map_err(LaunchError::Thread)?;
    Ok(Launched {
        app,
        steering,
        running,
        admin: address,
        stop,
        steward,
    })
}

impl Launched {
    /// Where the public side listens.
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// Where the admin side listens.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What the workers share.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Loads the configuration's file again.
    ///
    /// # Errors
    /// Everything that is wrong with it; the old configuration stays in force.
    pub fn reload(&self) -> Result<(), Vec<String>> {
        self.steering.reload_now()
    }

    /// Ends: not ready any more, no new connections, requests in flight finish, then the audit trail is written out.
    pub fn shutdown(self) -> Farewell {
        self.app.drain();
        self.running.stop();
        let cut = self.running.wait();
        self.stop.send_replace(true);
        if self.steward.join().is_err() {
            tracing::error!("the steward thread panicked");
        }
        let lost = self.app.observer.audit().close(FLUSH);
        Farewell { cut, lost }
    }
}

/// The trail as configured.
fn audit_settings(spec: &AuditSpec) -> AuditSettings {
    AuditSettings {
        buffer: spec.buffer,
        output: match &spec.output {
            config::AuditOutput::File(path) => AuditOutput::File(path.clone()),
            config::AuditOutput::Off => AuditOutput::Off,
            config::AuditOutput::Stdout => AuditOutput::Stdout,
        },
        required: spec.required,
        values: spec.values,
    }
}

fn bind_admin(snapshot: &Snapshot) -> Result<Option<TcpListener>, LaunchError> {
    let Some(spec) = &snapshot.admin else {
        return Ok(None);
    };
    let bind = || {
        let listener = TcpListener::bind(spec.address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map(Some).map_err(|source| LaunchError::Admin {
        address: spec.address,
        source,
    })
}

/// How long the audit trail may take to be written out at the end.
const FLUSH: Duration = Duration::from_secs(5);
