//! The life of one client connection: handshake, then parked and served in turns, perhaps a tunnel at its end.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsStream;

use super::counters::{Counted, Gauge, Handshake, TransportMetrics};
use super::io::Io;
use super::serve::{self, End};
use super::shutdown::Lane;
use super::spec::ListenSpec;
use super::tls::Tls;
use super::watch::Patience;
use super::{Service, park, tunnel};

/// What the handler may know about the connection that a request came over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnInfo {
    /// Who is connected to us: the client or a proxy in front of us.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether it is encrypted.
    pub tls: bool,
    /// The name that the client asked for in its handshake.
    pub sni: Option<Box<str>>,
}

/// What all connections of one worker share.
pub(super) struct Shared<S> {
    pub(super) service: Rc<S>,
    pub(super) lane: Rc<Lane>,
    pub(super) spec: Arc<ListenSpec>,
    pub(super) patience: Patience,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) metrics: Arc<TransportMetrics>,
    pub(super) http1: hyper::server::conn::http1::Builder,
    pub(super) http2: hyper::server::conn::http2::Builder<serve::Local>,
}

/// Serves one connection to its end.
pub(super) async fn run<S: Service>(
    shared: Rc<Shared<S>>,
    tcp: TcpStream,
    peer: SocketAddr,
    _place: OwnedSemaphorePermit,
) {
    let _open = Counted::new(&shared.metrics, Gauge::Connections);
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let _slot = shared.lane.enter(waker);
    let Ok(local) = tcp.local_addr() else { return };
    let mut info = ConnInfo {
        peer,
        local,
        tls: shared.tls.is_some(),
        sni: None,
    };
    let (io, http2) = match &shared.tls {
        None => (Io::Plain(tcp), false),
        Some(tls) => {
            let Some(tls) = Box::pin(handshake(&shared, tls, tcp)).await else {
                return;
            };
            let session = tls.get_ref().1;
            info.sni = session.server_name().map(Into::into);
            let http2 = session.alpn_protocol() == Some(b"h2");
            (Io::Tls(Box::new(TlsStream::Server(tls))), http2)
        }
    };
    let info = Rc::new(info);
    if http2 {
        Box::pin(serve::http2(&shared, &info, io)).await;
    } else {
        turns(&shared, &info, io).await;
    }
}

async fn handshake<S>(
    shared: &Shared<S>,
    tls: &Tls,
    tcp: TcpStream,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let accepting = until_closing(&shared.lane, tls.acceptor().accept(tcp));
    let (outcome, stream) = match timeout(shared.spec.handshake_timeout, accepting).await {
        Ok(Some(Ok(stream))) => (Handshake::Ok, Some(stream)),
        Ok(Some(Err(_))) => (Handshake::Failed, None),
        Ok(None) => return None,
        Err(_) => (Handshake::Timeout, None),
    };
    shared.metrics.handshake(outcome);
    stream
}

/// The future's output, or nothing if the worker shuts down first.
async fn until_closing<F: Future>(lane: &Lane, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if lane.closing() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// HTTP/1.1: parked until the client speaks, served until it is idle, and again.
async fn turns<S: Service>(shared: &Rc<Shared<S>>, info: &Rc<ConnInfo>, mut io: Io) {
    let mut prefix = Bytes::new();
    let mut head_since = None;
    // A client that connects has something to say: it gets the time for a head, not that of an idle connection.
    let mut until = Instant::now() + shared.patience.head;
    loop {
        let parked = Counted::new(&shared.metrics, Gauge::Parked);
        if !park::wait(&io, until, &shared.lane).await {
            return;
        }
        drop(parked);
        match Box::pin(serve::http1(shared, info, io, prefix, head_since)).await {
            End::Closed => return,
            End::Idle(line) => {
                (io, prefix) = (line.io, line.prefix);
                head_since =
                    (!prefix.is_empty()).then(|| line.head_since.unwrap_or_else(Instant::now));
                until = match head_since {
                    None => Instant::now() + shared.patience.keep_alive,
                    Some(since) => since + shared.patience.head,
                };
            }
            End::Tunnel(line, wire) => {
                let _tunnel = Counted::new(&shared.metrics, Gauge::Tunnels);
                let relay = tunnel::relay(line.io, line.prefix, *wire);
                Box::pin(until_closing(&shared.lane, relay)).await;
                return;
            }
        }
    }
}
