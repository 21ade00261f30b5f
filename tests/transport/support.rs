//! A gateway without policy, a raw client and a scripted upstream.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use embedgate::config::Snapshot;
use embedgate::gate::{
    host::Host,
    limit::{Admitted, Limits, Registry, SiteLimits},
    path::NormalPath,
    policy,
    query::Query,
    request::{RequestView, UnixTime},
};
use embedgate::server::body::{Body, BodyError, BodyObserver, RequestBody};
use embedgate::server::conn::ConnInfo;
use embedgate::server::spec::{ListenSpec, UpstreamSpec};
use embedgate::server::upstream::{Target, UpstreamError, Upstreams, Warrant};
use embedgate::server::wire::head::Outgoing;
use embedgate::server::{Running, Service, Transport, start};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Longer than anything should take, on a busy machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What the service saw, and what holds it back.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) calls: AtomicUsize,
    pub(crate) bytes: AtomicUsize,
    pub(crate) complete: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
    pub(crate) conns: Mutex<Vec<ConnInfo>>,
    /// `/slow` takes one permit before it answers.
    pub(crate) gate: Semaphore,
}

impl Seen {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicUsize::default(),
            bytes: AtomicUsize::default(),
            complete: AtomicUsize::default(),
            dropped: AtomicUsize::default(),
            conns: Mutex::default(),
            gate: Semaphore::new(0),
        })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }
}

struct Guard(Arc<Seen>);

impl BodyObserver for Guard {
    fn bytes(&mut self, n: u64) {
        let n = usize::try_from(n).unwrap();
        self.0.bytes.fetch_add(n, Ordering::SeqCst);
    }

    fn complete(&mut self) {
        self.0.complete.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Answers by path; what it does not know goes to the upstream.
struct Plain {
    seen: Arc<Seen>,
    target: Option<Arc<Target>>,
    upstreams: std::rc::Rc<Upstreams>,
    limit: u64,
    pause: Duration,
}

impl Service for Plain {
    async fn call(&self, conn: &ConnInfo, request: Request<Incoming>) -> Response<Body> {
        self.seen.calls.fetch_add(1, Ordering::SeqCst);
        self.seen.conns.lock().unwrap().push(conn.clone());
        let guard = Box::new(Guard(Arc::clone(&self.seen)));
        let (parts, body) = request.into_parts();
        match parts.uri.path() {
            "/ok" => Response::new(Body::full("ok").observed(guard)),
            "/slow" => {
                self.seen.gate.acquire().await.unwrap().forget();
                Response::new(Body::full("slow").observed(guard))
            }
            "/big" => Response::new(Body::full(vec![b'x'; 32 << 20]).observed(guard)),
            "/collect" => match RequestBody::collect(body, self.limit, self.pause).await {
                Ok(bytes) => Response::new(Body::full(bytes)),
                Err(error) => refuse(body_status(error), &error.to_string()),
            },
            _ => self.forward(&parts, body, guard).await,
        }
    }
}

impl Plain {
    async fn forward(
        &self,
        parts: &http::request::Parts,
        body: Incoming,
        guard: Box<Guard>,
    ) -> Response<Body> {
        let Some(target) = &self.target else {
            return refuse(404, "no upstream");
        };
        let body = match RequestBody::stream(body, self.limit, self.pause) {
            Ok(body) => body,
            Err(error) => return refuse(body_status(error), "body"),
        };
        let outgoing = Outgoing {
            method: &parts.method,
            target: parts.uri.path_and_query().unwrap().as_str(),
            headers: &parts.headers,
            upgrade: parts.headers.get("upgrade"),
        };
        match self
            .upstreams
            .of(target)
            .send(Warrant::Admitted(&admitted()), outgoing, body)
            .await
        {
            Ok(response) => response.map(|body| body.observed(guard)),
            Err(UpstreamError::Body(error)) => refuse(body_status(error), "body"),
            Err(error @ UpstreamError::Failed(_)) => refuse(502, &format!("{error:?}")),
            Err(error @ UpstreamError::Unavailable(_)) => refuse(503, &format!("{error:?}")),
            Err(UpstreamError::Timeout) => refuse(504, "timeout"),
        }
    }
}

fn body_status(error: BodyError) -> u16 {
    match error {
        BodyError::Broken => 400,
        BodyError::Timeout => 408,
        BodyError::TooLarge => 413,
    }
}

fn refuse(status: u16, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(text.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// A gateway on a free port, with short times.
pub(crate) struct Setup {
    pub(crate) listen: ListenSpec,
    pub(crate) tick: Duration,
    pub(crate) target: Option<Arc<Target>>,
    pub(crate) limit: u64,
    pub(crate) pause: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            listen: ListenSpec {
                workers: 1,
                ..ListenSpec::default()
            },
            tick: ms(20),
            target: None,
            limit: 64,
            pause: ms(300),
        }
    }
}

impl Setup {
    pub(crate) fn to(spec: UpstreamSpec) -> Self {
        Self {
            target: Some(Arc::new(Target::new(spec).unwrap())),
            ..Self::default()
        }
    }

    pub(crate) fn start(self) -> (Running, Arc<Seen>) {
        let seen = Seen::new();
        let mut transport = Transport::new(self.listen);
        transport.tick = self.tick;
        let (theirs, target) = (Arc::clone(&seen), self.target);
        let (limit, pause) = (self.limit, self.pause);
        let running = start(transport, move |_| Plain {
            seen: Arc::clone(&theirs),
            target: target.clone(),
            upstreams: Upstreams::new(),
            limit,
            pause,
        });
        (running.unwrap(), seen)
    }
}

/// An upstream on this address with test-sized patience.
pub(crate) fn upstream_spec(address: std::net::SocketAddr) -> UpstreamSpec {
    UpstreamSpec {
        scheme: http::uri::Scheme::HTTP,
        host: address.ip().to_string(),
        port: address.port(),
        authority: "bi.test:3000".parse().unwrap(),
        prefix: String::new(),
        tls: None,
        connect_timeout: ms(2000),
        response_timeout: ms(500),
        idle_timeout: ms(500),
    }
}

/// A byte stream with the little of HTTP that a test wants.
pub(crate) struct Peer<T> {
    pub(crate) io: T,
    read: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) async fn connect(running: &Running) -> Peer<TcpStream> {
    Peer::new(TcpStream::connect(running.address()).await.unwrap())
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    pub(crate) fn new(io: T) -> Self {
        Self {
            io,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    /// One message head, without its empty line; `None` at the end of the stream.
    pub(crate) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|w| w == b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                let head = std::mem::replace(&mut self.read, rest);
                return Some(
                    String::from_utf8(head)
                        .unwrap()
                        .trim_end()
                        .to_ascii_lowercase(),
                );
            }
            if !self.fill().await {
                assert!(self.read.is_empty(), "half a head: {:?}", self.read);
                return None;
            }
        }
    }

    /// One response with a body of known length.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let head = self.head().await?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = self.exactly(content_length(&head)).await;
        Some(Answer { status, head, body })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: a.test\r\n\r\n"))
            .await;
        self.answer().await.unwrap()
    }

    pub(crate) async fn exactly(&mut self, n: usize) -> String {
        String::from_utf8(self.bytes(n).await).unwrap()
    }

    pub(crate) async fn bytes(&mut self, n: usize) -> Vec<u8> {
        while self.read.len() < n {
            assert!(self.fill().await, "ended after {:?}", self.read);
        }
        let rest = self.read.split_off(n);
        std::mem::replace(&mut self.read, rest)
    }

    /// Everything until the stream ends, and whether it ended cleanly.
    pub(crate) async fn rest(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// More bytes; false at the end, reset or not.
    async fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 16 * 1024];
        let n = timeout(DEADLINE, self.io.read(&mut buffer))
            .await
            .expect("deadline");
        let n = n.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..n]);
        n > 0
    }
}

pub(crate) fn content_length(head: &str) -> usize {
    let line = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    line.map_or(0, |n| n.parse().unwrap())
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is: impl Fn() -> bool) {
    let wait = async {
        while !is() {
            tokio::time::sleep(ms(5)).await;
        }
    };
    assert!(timeout(DEADLINE, wait).await.is_ok(), "never: {what}");
}

/// An upstream that plays `script(n, connection)` for its n-th connection.
pub(crate) async fn scripted<F, Fut>(script: F) -> UpstreamSpec
where
    F: Fn(usize, Peer<TcpStream>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec = upstream_spec(listener.local_addr().unwrap());
    tokio::spawn(async move {
        for n in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(script(n, Peer::new(tcp)));
        }
    });
    spec
}

/// The proof that the transport asks for: of a public route, which the gate admits to everybody.
fn admitted() -> Admitted {
    let text = r#"
[listen]
address = "127.0.0.1:0"
[site.open]
hosts = ["a.test"]
upstream = "http://127.0.0.1:1"
kind = "generic"
issuers = []
frame_ancestors = ["https://app.example"]
sessions = false
[[site.open.routes]]
path = "/*"
access = "public"
"#;
    let snapshot = Snapshot::parse(text, std::path::Path::new("/"), &|_| None).unwrap();
    let site = &snapshot.sites[0].site;
    let (path, query, host) = (
        NormalPath::parse("/x").unwrap(),
        Query::parse("").unwrap(),
        Host::parse("a.test").unwrap(),
    );
    let view = RequestView {
        method: &http::Method::GET,
        host: &host,
        secure: false,
        path: &path,
        query: &query,
        headers: &http::HeaderMap::new(),
        client: [127, 0, 0, 1].into(),
        now: UnixTime(0),
    };
    let matched = site.surface.find(view.method, "/x").unwrap();
    let permit = policy::decide(site, &matched, None, &view).unwrap();
    let limits = Limits::new(vec![
        Registry::with_real_clock().site("open", &SiteLimits::default()),
    ]);
    limits.charge(permit).unwrap()
}
