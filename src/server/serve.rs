//! One hyper connection, driven together with its slow clock: HTTP/1.1 until it is idle, HTTP/2 until it ends.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, Sleep, sleep};

use super::Service;
use super::body::Body;
use super::conn::{ConnInfo, Shared};
use super::io::{Io, Line};
use super::shutdown::Lane;
use super::spec::ListenSpec;
use super::tunnel::Tunnel;
use super::watch::{Busy, Meter, Patience, Verdict, Watch};

/// How a turn of an HTTP/1.1 connection ended.
pub(super) enum End {
    /// For good.
    Closed,
    /// With nothing to do: it can be parked.
    Idle(Rest),
    /// With an accepted upgrade.
    Tunnel(Rest, Box<Tunnel>),
}

/// What is left of a connection when hyper lets go of it.
pub(super) struct Rest {
    pub(super) io: Io,
    /// Read, but not yet part of a request.
    pub(super) prefix: Bytes,
    /// Since when the head in `prefix` has been incomplete.
    pub(super) head_since: Option<Instant>,
}

/// Runs what hyper spawns on the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// HTTP/1.1 as we speak it. No timer of hyper's: [`Watch`] bounds slow heads at no cost per request.
pub(super) fn http1_builder(spec: &ListenSpec) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_header_size(spec.head_limit)
        .max_buf_size(spec.head_limit.max(BUFFER));
    builder
}

/// HTTP/2 as we speak it.
pub(super) fn http2_builder(spec: &ListenSpec) -> http2::Builder<Local> {
    let mut builder = http2::Builder::new(Local);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(spec.head_limit).unwrap_or(u32::MAX))
        // Rapid reset (CVE-2023-44487): a client that takes back more than it lets us answer is sent away.
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .max_send_buf_size(BUFFER)
        .keep_alive_interval(spec.keep_alive)
        .keep_alive_timeout(spec.head_timeout);
    builder
}

/// Serves HTTP/1.1 until the connection ends or has been idle for a tick.
pub(super) async fn http1<S: Service>(
    shared: &Rc<Shared<S>>,
    info: &Rc<ConnInfo>,
    rest: Rest,
) -> End {
    let meter = Rc::new(Meter::default());
    let line = TokioIo::new(Line::new(rest.io, rest.prefix, Rc::clone(&meter)));
    let service = {
        let (shared, info, meter) = (Rc::clone(shared), Rc::clone(info), Rc::clone(&meter));
        service_fn(move |request| {
            let (shared, info) = (Rc::clone(&shared), Rc::clone(&info));
            answer(shared, info, Rc::clone(&meter), request)
        })
    };
    let mut conn = shared.http1.serve_connection(line, service);
    let watch = Watch::http1(rest.head_since);
    let mut driver = Driver::new(&shared.lane, shared.patience, watch);
    let mut tick = pin!(sleep(shared.patience.tick));
    let verdict = poll_fn(|cx| {
        if driver.must_close() {
            Pin::new(&mut conn).graceful_shutdown();
        }
        match Pin::new(&mut conn).poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => driver.poll_tick(cx, tick.as_mut(), &meter).map(Some),
        }
    })
    .await;
    match (verdict, meter.tunnel.take()) {
        (Some(Verdict::Idle), _) => dissolve(conn, driver.watch.head_since).await,
        (None, Some(tunnel)) => {
            let parts = conn.into_parts();
            End::Tunnel(Rest::of(parts.io, &parts.read_buf, None), tunnel)
        }
        (Some(Verdict::Cut | Verdict::Keep) | None, _) => End::Closed,
    }
}

/// Takes an idle connection apart. It is idle for hyper too, so this ends at once; were it not, it would end after its response.
async fn dissolve<S>(
    mut conn: http1::Connection<TokioIo<Line>, S>,
    head_since: Option<Instant>,
) -> End
where
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    Pin::new(&mut conn).graceful_shutdown();
    let mut ending = pin!(conn.without_shutdown());
    match poll_fn(|cx| Poll::Ready(ending.as_mut().poll(cx))).await {
        Poll::Ready(Ok(parts)) => End::Idle(Rest::of(parts.io, &parts.read_buf, head_since)),
        Poll::Ready(Err(_)) => End::Closed,
        Poll::Pending => {
            tracing::debug!("connection was not as idle as it seemed");
            let _ended = ending.await;
            End::Closed
        }
    }
}

impl Rest {
    /// A connection that has not been read from.
    pub(super) fn new(io: Io) -> Self {
        Self {
            io,
            prefix: Bytes::new(),
            head_since: None,
        }
    }

    fn of(io: TokioIo<Line>, read: &Bytes, head_since: Option<Instant>) -> Self {
        let unfinished = !read.is_empty();
        Self {
            io: io.into_inner().io,
            // A copy: hyper's buffer is kilobytes, also when nothing is in it.
            prefix: Bytes::copy_from_slice(read),
            head_since: unfinished.then(|| head_since.unwrap_or_else(Instant::now)),
        }
    }
}

/// Serves HTTP/2 until the connection ends.
pub(super) async fn http2<S: Service>(shared: &Rc<Shared<S>>, info: &Rc<ConnInfo>, io: Io) {
    let meter = Rc::new(Meter::default());
    let line = TokioIo::new(Line::new(io, Bytes::new(), Rc::clone(&meter)));
    let service = {
        let (shared, info, meter) = (Rc::clone(shared), Rc::clone(info), Rc::clone(&meter));
        service_fn(move |request| {
            let (shared, info) = (Rc::clone(&shared), Rc::clone(&info));
            answer(shared, info, Rc::clone(&meter), request)
        })
    };
    let mut conn = pin!(shared.http2.serve_connection(line, service));
    let mut driver = Driver::new(&shared.lane, shared.patience, Watch::http2());
    driver.lives_on_idle = true;
    let mut tick = pin!(sleep(shared.patience.tick));
    poll_fn(|cx| {
        if driver.must_close() {
            conn.as_mut().graceful_shutdown();
        }
        match conn.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => driver.poll_tick(cx, tick.as_mut(), &meter).map(drop),
        }
    })
    .await;
}

/// The slow clock of one connection, and what it has told hyper so far.
struct Driver<'a> {
    lane: &'a Lane,
    patience: Patience,
    watch: Watch,
    told: bool,
    tired: bool,
    /// HTTP/2 is not parked: idle, it is closed when `keep_alive` is over.
    lives_on_idle: bool,
    idle_since: Option<Instant>,
}

impl<'a> Driver<'a> {
    fn new(lane: &'a Lane, patience: Patience, watch: Watch) -> Self {
        Self {
            lane,
            patience,
            watch,
            told: false,
            tired: false,
            lives_on_idle: false,
            idle_since: None,
        }
    }

    /// True once: when the worker shuts down, or an idle connection has been kept for long enough.
    fn must_close(&mut self) -> bool {
        if self.told || !(self.tired || self.lane.closing()) {
            return false;
        }
        self.told = true;
        true
    }

    /// Ready when the connection has to be let go of.
    fn poll_tick(
        &mut self,
        cx: &mut Context<'_>,
        mut tick: Pin<&mut Sleep>,
        meter: &Meter,
    ) -> Poll<Verdict> {
        while tick.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            tick.as_mut().reset(now + self.patience.tick);
            match self.watch.tick(meter, &self.patience, now) {
                Verdict::Keep => self.idle_since = None,
                Verdict::Idle if self.lives_on_idle => {
                    let since = *self.idle_since.get_or_insert(now);
                    let idle = now.duration_since(since);
                    if idle >= self.patience.keep_alive && !self.tired {
                        self.tired = true;
                        cx.waker().wake_by_ref();
                    }
                    // Told to go, and still here: streams that the client never ends.
                    if idle >= self.patience.keep_alive + self.patience.body {
                        return Poll::Ready(Verdict::Cut);
                    }
                }
                verdict @ (Verdict::Cut | Verdict::Idle) => return Poll::Ready(verdict),
            }
        }
        Poll::Pending
    }
}

/// The service's answer, made fit for the connection.
async fn answer<S: Service>(
    shared: Rc<Shared<S>>,
    info: Rc<ConnInfo>,
    meter: Rc<Meter>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let busy = Busy::start(&meter);
    let connect = request.method() == Method::CONNECT;
    // RFC 9112 section 6.1: who sends both lengths may be smuggling. hyper keeps the coding and drops the length unseen,
    // so every connection that used the coding ends with its response; browsers do not use it over HTTP/1.1.
    let coded = request.headers().contains_key(TRANSFER_ENCODING);
    let mut response = shared.service.call(&info, request).await;
    if connect && response.status().is_success() {
        // hyper would take this for a tunnel.
        response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        match response.body_mut().take_tunnel() {
            Some(tunnel) => drop(meter.tunnel.replace(Some(tunnel))),
            None => *response.status_mut() = StatusCode::BAD_GATEWAY,
        }
    }
    // What follows a CONNECT was meant for the tunnel.
    if coded || connect {
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.body_mut().hold(busy);
    Ok(response)
}

/// Bytes that hyper may hold per connection and direction.
const BUFFER: usize = 64 * 1024;
const STREAMS: u32 = 100;
const RESETS: usize = 20;
const LOCAL_RESETS: usize = 128;
