//! The life of one client connection: handshake, then parked and served in turns, perhaps a tunnel at its end.
//!
//! An idle hyper connection holds some ten kilobytes (buffers, a slot for the request's future). After a tick without a
//! request it is dissolved, and *parked*: nothing is left but the socket, what had been read already, and an alarm. When the
//! client speaks again, a new hyper connection is fed with what the old one had read.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsStream;

use super::Service;
use super::counters::{Counted, Gauge, Handshake, TransportMetrics};
use super::io::Io;
use super::serve::{self, End, Rest};
use super::shutdown::{Lane, Slot};
use super::spec::ListenSpec;
use super::tls::Tls;
use super::tunnel::{self, Tunnel};
use super::watch::Patience;

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

/// A connection for as long as it is open: with tokio's share, this is what an idle client costs.
struct Client<S> {
    shared: Rc<Shared<S>>,
    info: Rc<ConnInfo>,
    /// The stream while it is parked; hyper has it in between.
    rest: Option<Rest>,
    /// When a parked client's time is up.
    until: Instant,
    slot: Slot,
    parked: Option<Counted>,
    _open: Counted,
    _place: OwnedSemaphorePermit,
}

/// What a connection does until it can be parked.
type Turn<S> = Pin<Box<dyn Future<Output = Next<S>>>>;

/// What becomes of a connection after a turn.
enum Next<S> {
    /// It ended.
    Gone,
    Parked(Box<Client<S>>),
    /// It is a tunnel from now on.
    Tunnel(Box<Client<S>>, Rest, Box<Tunnel>),
}

/// The task of one connection, from its handshake to its end. Written out, because an `async` block would keep room for
/// everything it ever holds, and ten thousand idle ones would pay for it.
pub(super) struct Run<S>(State<S>);

enum State<S> {
    Busy(Turn<S>),
    Parked(Option<Box<Client<S>>>),
    /// Apart from the turn that it began in, whose memory is that of a whole HTTP connection.
    Tunnel(Pin<Box<dyn Future<Output = ()>>>),
}

/// Serves one connection to its end.
pub(super) fn run<S: Service>(shared: Rc<Shared<S>>, accepted: Accepted) -> Run<S> {
    Run(State::Busy(Box::pin(open(shared, accepted))))
}

impl<S: Service> Future for Run<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut self.get_mut().0;
        loop {
            *state = match state {
                State::Busy(turn) => match ready!(turn.as_mut().poll(cx)) {
                    Next::Gone => return Poll::Ready(()),
                    Next::Parked(client) => State::Parked(Some(client)),
                    Next::Tunnel(client, rest, tunnel) => {
                        State::Tunnel(Box::pin(relay(client, rest, tunnel)))
                    }
                },
                State::Tunnel(relay) => return relay.as_mut().poll(cx),
                State::Parked(client) => {
                    let Some(parked) = client else {
                        return Poll::Ready(());
                    };
                    let rest = ready!(parked.poll_parked(cx));
                    let (Some(rest), Some(client)) = (rest, client.take()) else {
                        return Poll::Ready(());
                    };
                    State::Busy(Box::pin(turn(client, rest)))
                }
            };
        }
    }
}

/// The handshake, if there is one; HTTP/2 is served here, to its end.
async fn open<S: Service>(shared: Rc<Shared<S>>, accepted: Accepted) -> Next<S> {
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
            let Some(tls) = handshake(&shared, tls, tcp).await else {
                return Next::Gone;
            };
            let session = tls.get_ref().1;
            info.sni = session.server_name().map(Into::into);
            let http2 = session.alpn_protocol() == Some(b"h2");
            let io = Io::Tls(Box::new(TlsStream::Server(tls)));
            if http2 {
                Box::pin(serve::http2(&shared, &Rc::new(info), io)).await;
                return Next::Gone;
            }
            io
        }
    };
    // A client that connects has something to say: it gets the time for a head, not that of an idle connection.
    let until = Instant::now() + shared.patience.head;
    let mut client = Box::new(Client {
        shared,
        info: Rc::new(info),
        rest: None,
        until,
        slot,
        parked: None,
        _open: open,
        _place: place,
    });
    client.park(Rest::new(io), until);
    Next::Parked(client)
}

/// One turn of HTTP/1.1: until the connection is idle again, or ends.
async fn turn<S: Service>(mut client: Box<Client<S>>, rest: Rest) -> Next<S> {
    match serve::http1(&client.shared, &client.info, rest).await {
        End::Closed => Next::Gone,
        End::Idle(rest) => {
            let patience = client.shared.patience;
            let until = match rest.head_since {
                None => Instant::now() + patience.keep_alive,
                Some(since) => since + patience.head,
            };
            client.park(rest, until);
            Next::Parked(client)
        }
        End::Tunnel(rest, tunnel) => Next::Tunnel(client, rest, tunnel),
    }
}

impl<S> Client<S> {
    fn park(&mut self, rest: Rest, until: Instant) {
        self.rest = Some(rest);
        self.until = until;
        self.parked = Some(Counted::new(&self.shared.metrics, Gauge::Parked));
        self.slot.alarm(Some(until));
    }

    /// The stream, when the client speaks or hangs up; nothing when its time is up or the worker shuts down.
    fn poll_parked(&mut self, cx: &mut Context<'_>) -> Poll<Option<Rest>> {
        let spoken = match &mut self.rest {
            Some(rest) if !self.slot.lane().closing() => {
                rest.io.holds_plaintext() || rest.io.tcp().poll_read_ready(cx).is_ready()
            }
            Some(_) | None => return Poll::Ready(None),
        };
        if spoken {
            self.parked = None;
            self.slot.alarm(None);
            return Poll::Ready(self.rest.take());
        }
        if Instant::now() >= self.until {
            return Poll::Ready(None);
        }
        Poll::Pending
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

async fn relay<S>(client: Box<Client<S>>, rest: Rest, tunnel: Box<Tunnel>) {
    let _tunnel = Counted::new(&client.shared.metrics, Gauge::Tunnels);
    let lane = Rc::clone(&client.shared.lane);
    tunnel::relay(rest, *tunnel, lane).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::body::Body;
    use http::{Request, Response};
    use hyper::body::Incoming;

    struct Nobody;

    impl Service for Nobody {
        async fn call(&self, _: &ConnInfo, _: Request<Incoming>) -> Response<Body> {
            Response::new(Body::empty())
        }
    }

    fn size_of_output<A, B, F>(_: fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// With tokio's own share (some 400 bytes for the socket and the task) this is what ten thousand idle clients cost.
    #[test]
    fn an_idle_client_is_small() {
        let task = size_of_output(run::<Nobody>);
        let client = size_of::<Client<Nobody>>();
        assert!(task <= 32, "{task}");
        assert!(client <= 208, "{client}");
    }
}
