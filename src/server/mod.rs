//! The shell that moves bytes: listeners, TLS, connections, bodies and the way to the upstream.
//!
//! One thread per worker, each with its own listener, its own connections and its own upstream pools: nothing on the path
//! of a request is shared between threads, so nothing is locked. A connection is one task from its handshake to its end.

mod admission;
pub mod app;
pub mod arrival;
pub mod body;
pub mod client_addr;
pub mod clock;
pub mod cluster;
pub mod conn;
pub mod control;
mod cors;
pub mod counters;
pub mod exchange;
mod expiry;
mod failure;
mod follow;
mod granted;
pub mod handler;
mod io;
pub mod keys;
pub mod launch;
mod listener;
pub mod plan;
mod pool;
mod refuse;
mod reply;
mod respond;
pub mod revocations;
mod scene;
mod serve;
mod session;
mod shutdown;
mod sieved;
pub mod spec;
mod steward;
pub mod survey;
pub mod tls;
pub mod tunnel;
pub mod upstream;
mod watch;
pub mod wire;
mod worker;

use std::future::Future;
use std::io as std_io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot, watch as tokio_watch};

use self::body::Body;
use self::conn::ConnInfo;
use self::counters::TransportMetrics;
use self::spec::ListenSpec;
use self::tls::{Tls, TlsError};
use self::worker::Worker;

/// What answers requests. One value per worker thread, so it need not be `Send`, and neither need its futures.
pub trait Service: 'static {
    /// Answers one request; dropped when the client hangs up.
    fn call(
        &self,
        conn: &ConnInfo,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>>;
}

/// A listener and its time scale.
#[derive(Debug, Clone)]
pub struct Transport {
    /// What was configured.
    pub listen: ListenSpec,
    /// How often a connection is looked at: idle for a whole tick, it is parked. Tests make it short.
    pub tick: Duration,
}

impl Transport {
    /// With the usual tick: short, because an idle connection is expensive until it is parked, and a parked one wakes cheaply.
    pub fn new(listen: ListenSpec) -> Self {
        Self {
            listen,
            tick: Duration::from_millis(100),
        }
    }
}

/// Why the transport does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std_io::Error,
    },
    /// A worker thread or its runtime cannot be made.
    #[error("cannot start a worker thread")]
    Thread(#[source] std_io::Error),
    /// The certificates are unusable.
    #[error("tls")]
    Tls(#[from] TlsError),
}

/// A transport that serves.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    metrics: Arc<TransportMetrics>,
    tls: Option<Arc<Tls>>,
    stop: tokio_watch::Sender<bool>,
    done: Vec<oneshot::Receiver<usize>>,
}

impl Running {
    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn metrics(&self) -> &Arc<TransportMetrics> {
        &self.metrics
    }

    /// Its certificates, if it speaks TLS.
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// Starts the shutdown: no new connections, idle ones closed, requests in progress get `shutdown_grace`.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// As [`Self::done`], for threads without a runtime.
    pub fn wait(self) -> usize {
        let left = self
            .done
            .into_iter()
            .map(|worker| worker.blocking_recv().unwrap_or_default());
        left.fold(0, usize::saturating_add)
    }

    /// Waits until all workers have ended; how many connections were cut off because they outlived the grace period.
    pub async fn done(self) -> usize {
        let mut left = 0usize;
        for worker in self.done {
            left = left.saturating_add(worker.await.unwrap_or_default());
        }
        left
    }
}

/// Binds every socket, then starts the workers; `make` builds the service of each, on its own thread and within its runtime.
///
/// # Errors
///
/// Nothing is served if any part fails.
pub fn start<S, F>(transport: Transport, make: F) -> Result<Running, StartError>
where
    S: Service,
    F: Fn(usize) -> S + Send + Sync + 'static,
{
    let Transport { listen, tick } = transport;
    let tls = match listen.tls.as_slice() {
        [] => None,
        files => Some(Arc::new(Tls::load(
            files,
            listen.http2,
            listen.tls_resumption,
        )?)),
    };
    let workers = match listen.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let bound = |source| StartError::Bind {
        address: listen.address,
        source,
    };
    let listeners = listener::bind(listen.address, workers).map_err(bound)?;
    let address = match listeners.first() {
        Some(first) => first.local_addr().map_err(bound)?,
        None => listen.address,
    };
    let places = Arc::new(Semaphore::new(
        listen.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let (stop, stopped) = tokio_watch::channel(false);
    let metrics = Arc::new(TransportMetrics::default());
    let (spec, make) = (Arc::new(listen), Arc::new(make));
    let mut done = Vec::with_capacity(listeners.len());
    for (index, listener) in listeners.into_iter().enumerate() {
        let worker = Worker {
            index,
            listener,
            spec: Arc::clone(&spec),
            tick,
            tls: tls.clone(),
            places: Arc::clone(&places),
            metrics: Arc::clone(&metrics),
            stopped: stopped.clone(),
        };
        done.push(
            worker
                .spawn(Arc::clone(&make))
                .map_err(StartError::Thread)?,
        );
    }
    Ok(Running {
        address,
        metrics,
        tls,
        stop,
        done,
    })
}
