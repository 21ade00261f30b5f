//! What the transport counts: plain atomics, which the metrics page reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Counters of the public side, shared by all workers.
#[derive(Debug, Default)]
pub struct TransportMetrics {
    connections: AtomicI64,
    parked: AtomicI64,
    tunnels: AtomicI64,
    handshakes_ok: AtomicU64,
    handshakes_failed: AtomicU64,
    handshakes_timeout: AtomicU64,
    accept_errors: AtomicU64,
}

impl TransportMetrics {
    /// Client connections that are open now.
    pub fn connections(&self) -> i64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many of them are idle and parked.
    pub fn parked(&self) -> i64 {
        self.parked.load(Ordering::Relaxed)
    }

    /// How many of them are tunnels (`WebSocket`s).
    pub fn tunnels(&self) -> i64 {
        self.tunnels.load(Ordering::Relaxed)
    }

    /// TLS handshakes: completed, failed, timed out.
    pub fn handshakes(&self) -> [(&'static str, u64); 3] {
        [
            ("ok", self.handshakes_ok.load(Ordering::Relaxed)),
            ("failed", self.handshakes_failed.load(Ordering::Relaxed)),
            ("timeout", self.handshakes_timeout.load(Ordering::Relaxed)),
        ]
    }

    /// Failures to accept a connection (out of file descriptors, mostly).
    pub fn accept_errors(&self) -> u64 {
        self.accept_errors.load(Ordering::Relaxed)
    }

    pub(super) fn accept_error(&self) {
        self.accept_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn handshake(&self, outcome: Handshake) {
        let counter = match outcome {
            Handshake::Failed => &self.handshakes_failed,
            Handshake::Ok => &self.handshakes_ok,
            Handshake::Timeout => &self.handshakes_timeout,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// How a TLS handshake ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Handshake {
    Failed,
    Ok,
    Timeout,
}

/// Which gauge a [`Counted`] stands in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gauge {
    Connections,
    Parked,
    Tunnels,
}

/// One unit in a gauge, for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted {
    metrics: Arc<TransportMetrics>,
    gauge: Gauge,
}

impl Counted {
    pub(super) fn new(metrics: &Arc<TransportMetrics>, gauge: Gauge) -> Self {
        let counted = Self {
            metrics: Arc::clone(metrics),
            gauge,
        };
        counted.gauge().fetch_add(1, Ordering::Relaxed);
        counted
    }

    fn gauge(&self) -> &AtomicI64 {
        match self.gauge {
            Gauge::Connections => &self.metrics.connections,
            Gauge::Parked => &self.metrics.parked,
            Gauge::Tunnels => &self.metrics.tunnels,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge().fetch_sub(1, Ordering::Relaxed);
    }
}
