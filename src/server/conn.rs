//! The life of one client connection: handshake, then parked and served in turns, perhaps a tunnel at its end.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsStream;

use super::counters::{Counted, Gauge, Handshake, TransportMetrics};
use super::io::Io;
use super::serve::{self, End, Rest};
use super::shutdown::{Lane, Slot};
use super::spec::ListenSpec;
use super::tls::Tls;
use super::watch::Patience;
use super::wire::Wire;
use super::{Service, park, tunnel};

/// What the handler may know about the connection that a request came over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnInfo {
    /// Who is connected to us: the client or a proxy in front of us.
    pub peer: SocketAddr,
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

/// A client that was accepted.
pub(super) struct Accepted {
    pub(super) tcp: TcpStream,
    pub(super) peer: SocketAddr,
    /// Its share of `max_connections`.
    pub(super) place: OwnedSemaphorePermit,
}

/// A connection for as long as it is open. Boxed, and the futures around it kept small: this is what an idle client costs.
struct Client<S> {
    shared: Rc<Shared<S>>,
    info: Rc<ConnInfo>,
    /// The stream while it is parked; hyper has it in between.
    rest: Option<Rest>,
    slot: Slot,
    _open: Counted,
    _place: OwnedSemaphorePermit,
}

/// Serves one connection to its end.
pub(super) fn run<S: Service>(
    shared: Rc<Shared<S>>,
    accepted: Accepted,
) -> impl Future<Output = ()> {
    let opening = Box::pin(open(shared, accepted));
    async move {
        if let Some(client) = opening.await {
            turns(client).await;
        }
    }
}

/// The handshake, if there is one; HTTP/2 is served here, to its end.
async fn open<S: Service>(shared: Rc<Shared<S>>, accepted: Accepted) -> Option<Box<Client<S>>> {
    let Accepted { tcp, peer, place } = accepted;
    let open = Counted::new(&shared.metrics, Gauge::Connections);
    let slot = poll_fn(|cx| Poll::Ready(shared.lane.enter(cx.waker().clone()))).await;
    let mut info = ConnInfo {
        peer,
        tls: shared.tls.is_some(),
        sni: None,
    };
    let io = match &shared.tls {
        None => Io::Plain(tcp),
        Some(tls) => {
            let tls = handshake(&shared, tls, tcp).await?;
            let session = tls.get_ref().1;
            info.sni = session.server_name().map(Into::into);
            let http2 = session.alpn_protocol() == Some(b"h2");
            let io = Io::Tls(Box::new(TlsStream::Server(tls)));
            if http2 {
                Box::pin(serve::http2(&shared, &Rc::new(info), io)).await;
                return None;
            }
            io
        }
    };
    Some(Box::new(Client {
        shared,
        info: Rc::new(info),
        rest: Some(Rest::new(io)),
        slot,
        _open: open,
        _place: place,
    }))
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
async fn turns<S: Service>(mut client: Box<Client<S>>) {
    while client.is_spoken_to().await {
        let Some(rest) = client.rest.take() else {
            return;
        };
        match Box::pin(serve::http1(&client.shared, &client.info, rest)).await {
            End::Closed => return,
            End::Idle(rest) => client.rest = Some(rest),
            End::Tunnel(rest, wire) => {
                return Box::pin(relay(&client.shared, rest, wire)).await;
            }
        }
    }
}

impl<S> Client<S> {
    /// Parked until the client speaks: true. False when its time is up or the worker shuts down.
    async fn is_spoken_to(&self) -> bool {
        let Some(rest) = &self.rest else { return false };
        let patience = self.shared.patience;
        let until = match (rest.head_since, rest.served) {
            (Some(since), _) => since + patience.head,
            (None, true) => Instant::now() + patience.keep_alive,
            // A client that connects has something to say: it gets the time for a head, not that of an idle connection.
            (None, false) => Instant::now() + patience.head,
        };
        let _parked = Counted::new(&self.shared.metrics, Gauge::Parked);
        park::wait(&rest.io, until, &self.slot).await
    }
}

async fn relay<S>(shared: &Shared<S>, client: Rest, upstream: Box<Wire>) {
    let _tunnel = Counted::new(&shared.metrics, Gauge::Tunnels);
    let relay = tunnel::relay(client.io, client.prefix, *upstream);
    until_closing(&shared.lane, relay).await;
}
