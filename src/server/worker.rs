//! One data thread: a runtime, a listener, a service.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Semaphore, oneshot, watch};

use super::Service;
use super::conn::{self, Shared};
use super::counters::TransportMetrics;
use super::listener;
use super::serve;
use super::shutdown::Lane;
use super::spec::ListenSpec;
use super::tls::Tls;
use super::watch::Patience;

/// What a worker thread is given.
pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) listener: TcpListener,
    pub(super) spec: Arc<ListenSpec>,
    pub(super) tick: Duration,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) places: Arc<Semaphore>,
    pub(super) metrics: Arc<TransportMetrics>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Worker {
    /// Starts the thread; the receiver gets the number of connections that were cut off at its end.
    pub(super) fn spawn<S, F>(self, make: Arc<F>) -> io::Result<oneshot::Receiver<usize>>
    where
        S: Service,
        F: Fn(usize) -> S + Send + Sync + 'static,
    {
        let (ended, end) = oneshot::channel();
        let name = format!("worker-{}", self.index);
        // Built on its own thread, because it cannot be moved; checked here that it could be built at all.
        let (built, ready) = std::sync::mpsc::sync_channel(1);
        thread::Builder::new().name(name).spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(built.send(Err(error))),
            };
            if built.send(Ok(())).is_err() {
                return;
            }
            let left = runtime.block_on(self.run(make));
            // What is left behind goes with the runtime, before anybody is told that all is over.
            drop(runtime);
            let _told = ended.send(left);
        })?;
        ready.recv().map_err(io::Error::other)??;
        Ok(end)
    }

    async fn run<S, F>(self, make: Arc<F>) -> usize
    where
        S: Service,
        F: Fn(usize) -> S + Send + Sync + 'static,
    {
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "worker cannot use its socket");
                return 0;
            }
        };
        let lane = Rc::new(Lane::default());
        let grace = self.spec.shutdown_grace;
        let shared = Rc::new(Shared {
            service: Rc::new(make(self.index)),
            lane: Rc::clone(&lane),
            patience: Patience::new(&self.spec, self.tick),
            http1: serve::http1_builder(&self.spec),
            http2: serve::http2_builder(&self.spec),
            spec: self.spec,
            tls: self.tls,
            metrics: Arc::clone(&self.metrics),
        });
        let accepting = listener::accept(listener, self.places, self.metrics, |accepted| {
            tokio::task::spawn_local(conn::run(Rc::clone(&shared), accepted));
        });
        let mut stopped = self.stopped;
        tokio::select! {
            () = accepting => {}
            () = lane.ring(self.tick) => {}
            // An error means that whoever could stop us is gone: then we are to stop as well.
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
        lane.close(grace).await
    }
}
