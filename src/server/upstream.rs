//! The way to an upstream: where it is, connections to it, one request at a time over each.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use http_body::SizeHint;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, interval, timeout, timeout_at};
use tokio_rustls::{TlsConnector, TlsStream};

use super::body::{Body, BodyError, RequestBody};
use super::io::Io;
use super::pool::Pool;
use super::spec::UpstreamSpec;
use super::tls::TlsError;
use super::wire::head::{Framing, Incoming, Outgoing};
use super::wire::{Wire, WireError};
use crate::gate::limit::Admitted;

/// Why there is no response. The upstream's fault, except for [`UpstreamError::Body`].
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// The client's body could not be sent: the client's fault.
    #[error("request body")]
    Body(#[source] BodyError),
    /// The connection broke, or what came back is not HTTP.
    #[error("upstream failed")]
    Failed(#[source] WireError),
    /// No connection or no response in time.
    #[error("upstream timed out")]
    Timeout,
    /// Nobody answers there.
    #[error("upstream unavailable")]
    Unavailable(#[source] io::Error),
}

impl From<WireError> for UpstreamError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Body(error) => Self::Body(error),
            WireError::Timeout => Self::Timeout,
            WireError::Closed | WireError::Framing(_) | WireError::Io(_) => Self::Failed(error),
        }
    }
}

/// What permits a request to an upstream. There is no third way.
#[derive(Clone, Copy)]
pub enum Warrant<'a> {
    /// A viewer's request was admitted.
    Admitted(&'a Admitted),
    /// The gateway asks for itself, and only what an adapter's exchange says.
    House(&'a Housekeeping),
}

/// The gateway's own business, of which no client knows.
pub struct Housekeeping(());

impl Housekeeping {
    /// For the steward and `embedgate check`.
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// One upstream as configured; shared by all workers.
#[derive(Debug)]
pub struct Target {
    spec: UpstreamSpec,
    authority: Box<str>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    up: AtomicBool,
}

impl Target {
    /// Loads what the upstream's TLS needs.
    ///
    /// # Errors
    ///
    /// A file is missing or is not what it should be.
    pub fn new(spec: UpstreamSpec) -> Result<Self, TlsError> {
        let tls = (spec.scheme == http::uri::Scheme::HTTPS)
            .then(|| super::tls::client(&spec))
            .transpose()?;
        Ok(Self {
            authority: spec.authority.as_str().into(),
            spec,
            tls,
            up: AtomicBool::new(true),
        })
    }

    /// What was configured.
    pub fn spec(&self) -> &UpstreamSpec {
        &self.spec
    }

    /// Whether the last attempt to connect succeeded (true before the first).
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Tries to connect and closes again: for health checks.
    ///
    /// # Errors
    ///
    /// As a request's would.
    pub async fn probe(&self) -> Result<(), UpstreamError> {
        self.connect().await.map(drop)
    }

    async fn connect(&self) -> Result<Box<Wire>, UpstreamError> {
        let deadline = Instant::now() + self.spec.connect_timeout;
        let connected = match timeout_at(deadline, self.dial(deadline)).await {
            Ok(Ok(io)) => Ok(Box::new(Wire::new(io))),
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                Err(UpstreamError::Timeout)
            }
            Ok(Err(error)) => Err(UpstreamError::Unavailable(error)),
            Err(_) => Err(UpstreamError::Timeout),
        };
        self.up.store(connected.is_ok(), Ordering::Relaxed);
        connected
    }

    async fn dial(&self, deadline: Instant) -> io::Result<Io> {
        let tcp = dial_tcp(&self.spec.host, self.spec.port, deadline).await?;
        let Some((config, name)) = &self.tls else {
            return Ok(Io::Plain(tcp));
        };
        let tls = TlsConnector::from(Arc::clone(config))
            .connect(name.clone(), tcp)
            .await?;
        Ok(Io::Tls(Box::new(TlsStream::Client(tls))))
    }
}

/// Tries every address of a name, each for its share of the time that is left.
pub(super) async fn dial_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    addresses.truncate(ADDRESSES);
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    let mut untried = u32::try_from(addresses.len()).unwrap_or(1);
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout(left / untried.max(1), TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                tcp.set_nodelay(true)?;
                return Ok(tcp);
            }
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
        untried = untried.saturating_sub(1);
    }
    Err(failure)
}

/// All upstreams of one worker thread.
#[derive(Debug, Default)]
pub struct Upstreams(RefCell<Vec<Rc<Upstream>>>);

impl Upstreams {
    /// An empty set that sweeps itself as long as it lives. Must be called on a worker thread (in its service's factory).
    pub fn new() -> Rc<Self> {
        let this = Rc::new(Self::default());
        let weak = Rc::downgrade(&this);
        tokio::task::spawn_local(async move {
            let mut ticks = interval(SWEEP);
            loop {
                ticks.tick().await;
                let Some(this) = weak.upgrade() else { return };
                this.sweep();
            }
        });
        this
    }

    /// This worker's connections to a target.
    pub fn of(&self, target: &Arc<Target>) -> Rc<Upstream> {
        let mut all = self.0.borrow_mut();
        if let Some(known) = all.iter().find(|known| Arc::ptr_eq(&known.target, target)) {
            return Rc::clone(known);
        }
        let fresh = Rc::new(Upstream::new(Arc::clone(target)));
        all.push(Rc::clone(&fresh));
        fresh
    }

    /// Forgets targets that no configuration names any more, and idle connections that are too old.
    fn sweep(&self) {
        let mut all = self.0.borrow_mut();
        all.retain(|upstream| {
            Rc::strong_count(upstream) > 1 || Arc::strong_count(&upstream.target) > 1
        });
        all.iter().for_each(|upstream| upstream.pool.sweep());
    }
}

/// One worker's connections to one target.
#[derive(Debug)]
pub struct Upstream {
    target: Arc<Target>,
    pool: Pool,
}

impl Upstream {
    fn new(target: Arc<Target>) -> Self {
        Self {
            pool: Pool::new(target.spec.idle_timeout),
            target,
        }
    }

    /// Sends a request and waits for the head of its response; the body streams behind it.
    ///
    /// Over a connection that was idle, a request is tried a second time on a fresh one if the first proved dead: always
    /// when nothing had been sent, else only where RFC 9110 section 9.2.2 allows it (safe methods) and no byte came back.
    ///
    /// # Errors
    ///
    /// There is no response.
    pub async fn send(
        self: &Rc<Self>,
        _proof: Warrant<'_>,
        outgoing: Outgoing<'_>,
        body: RequestBody,
    ) -> Result<Response<Body>, UpstreamError> {
        let Some(mut wire) = self.pool.take() else {
            let wire = Box::pin(self.target.connect()).await?;
            return self.send_over(wire, &outgoing, body).await;
        };
        let copy = body.copy();
        match self.exchange(&mut wire, &outgoing, body).await {
            Ok(head) => Ok(self.respond(wire, head, outgoing.upgrade.is_some())),
            Err(error) => match self.again(wire, &outgoing, copy, &error) {
                Some(body) => {
                    let wire = Box::pin(self.target.connect()).await?;
                    self.send_over(wire, &outgoing, body).await
                }
                None => Err(error.into()),
            },
        }
    }

    async fn send_over(
        self: &Rc<Self>,
        mut wire: Box<Wire>,
        outgoing: &Outgoing<'_>,
        body: RequestBody,
    ) -> Result<Response<Body>, UpstreamError> {
        let head = self.exchange(&mut wire, outgoing, body).await?;
        Ok(self.respond(wire, head, outgoing.upgrade.is_some()))
    }

    async fn exchange(
        &self,
        wire: &mut Wire,
        outgoing: &Outgoing<'_>,
        body: RequestBody,
    ) -> Result<Incoming, WireError> {
        let spec = &self.target.spec;
        let place = (&*self.target.authority, spec.prefix.as_str());
        wire.exchange(outgoing, place, body, spec.response_timeout)
            .await
    }

    /// The body to send once more, if that is safe.
    fn again(
        &self,
        mut wire: Box<Wire>,
        outgoing: &Outgoing<'_>,
        copy: Option<RequestBody>,
        error: &WireError,
    ) -> Option<RequestBody> {
        let dead = matches!(error, WireError::Closed | WireError::Io(_));
        let safe = matches!(
            *outgoing.method,
            Method::GET | Method::HEAD | Method::OPTIONS
        );
        if !dead || wire.answered || (wire.touched && !safe) {
            return None;
        }
        copy.or_else(|| wire.take_untouched_body())
    }

    /// `asked`: for an upgrade. A connection whose peer was asked to switch is never used again: it might have done so all the same.
    fn respond(
        self: &Rc<Self>,
        mut wire: Box<Wire>,
        head: Incoming,
        asked: bool,
    ) -> Response<Body> {
        let switched = head.is_switch();
        let Incoming {
            status,
            headers,
            mut framing,
            keep_alive,
        } = head;
        let keep_alive = keep_alive && !asked;
        let body = if switched {
            Body::tunnel(wire)
        } else if wire.is_over(&mut framing) {
            if keep_alive {
                self.pool.put(wire);
            }
            Body::empty()
        } else {
            Body::upstream(Answer {
                wire: Some(wire),
                framing,
                keep_alive,
                upstream: Rc::clone(self),
            })
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// A response body that is still on the wire. Dropped early, it takes the connection with it.
#[derive(Debug)]
pub(super) struct Answer {
    wire: Option<Box<Wire>>,
    framing: Framing,
    keep_alive: bool,
    upstream: Rc<Upstream>,
}

impl Answer {
    pub(super) fn is_done(&self) -> bool {
        self.wire.is_none()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Done => SizeHint::with_exact(0),
            Framing::Length(left) => SizeHint::with_exact(left),
            Framing::Chunked(_) | Framing::UntilClose => SizeHint::default(),
        }
    }

    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, WireError>>> {
        let Some(wire) = &mut self.wire else {
            return Poll::Ready(None);
        };
        let patience = self.upstream.target.spec.idle_timeout;
        let data = std::task::ready!(wire.poll_body(cx, &mut self.framing, patience));
        let failed = matches!(data, Some(Err(_)));
        if (failed || wire.is_over(&mut self.framing))
            && let Some(wire) = self.wire.take()
            && self.keep_alive
            && !failed
        {
            // Before the client has its bytes: the connection is free for the next request.
            self.upstream.pool.put(wire);
        }
        Poll::Ready(data)
    }
}

/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;
const SWEEP: Duration = Duration::from_secs(5);
