//! HTTP/1.1 on a thread of its own, for stand-ins of BI servers: what was asked, what is answered, and how an answer may go wrong on its way.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    Request, Response,
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;

/// One request as a stand-in saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// All values of a header; its name in lower case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let wanted = self.headers.iter().filter(|(key, _)| key == name);
        wanted.map(|(_, value)| value.as_str()).collect()
    }

    /// The path as sent.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query, decoded.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        pairs(self.target.split_once('?').map_or("", |(_, query)| query))
    }

    /// Whether a text stands anywhere in the request.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.target.contains(text)
            || self.headers.iter().any(|(_, value)| value.contains(text))
            || String::from_utf8_lossy(&self.body).contains(text)
    }

    /// The path's segments as a lenient server reads them: decoded, `//`, `.`, `..`, `\`, `;…` and encoded slashes resolved. What follows `whole` stays
    /// in one piece.
    pub(crate) fn segments_but(&self, whole: &str) -> Vec<String> {
        let mut out: Vec<String> = vec![];
        for raw in self.path().split('/') {
            let raw = raw.split(';').next().unwrap_or_default();
            let text = decoded(raw, false);
            let parts: Vec<&str> = if out.last().is_some_and(|before| before == whole) {
                vec![&text]
            } else {
                text.split(['/', '\\']).collect()
            };
            for part in parts {
                match part {
                    "" | "." => {}
                    ".." => drop(out.pop()),
                    other => out.push(other.to_owned()),
                }
            }
        }
        out
    }
}

/// Reads a query string or a form.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(key, true), decoded(value, true))
    };
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(pair)
        .collect()
}

pub(crate) fn decoded(text: &str, form: bool) -> String {
    let text = if form {
        text.replace('+', " ")
    } else {
        text.to_owned()
    };
    percent_encoding::percent_decode_str(&text)
        .decode_utf8_lossy()
        .into_owned()
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Bytes of filler after the body.
    pub(crate) filler: u64,
    /// What the page's scripts carry.
    pub(crate) nonce: Option<String>,
    /// May be kept for a year.
    pub(crate) cacheable: bool,
    /// How long the caller waits for it.
    pub(crate) delay: Duration,
    /// On the way: nothing of it arrives, or half of its body.
    pub(crate) lost: Option<Lost>,
}

/// What becomes of a connection instead of its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lost {
    /// It closes without an answer.
    All,
    /// It closes after half of the body, whose length was told.
    Half,
}

/// Not every stand-in has connections that break.
const _: [Lost; 2] = [Lost::All, Lost::Half];

impl Answer {
    pub(crate) fn of(kind: &str, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            headers: vec![("Content-Type".into(), kind.into())],
            body,
            filler: 0,
            nonce: None,
            cacheable: false,
            delay: Duration::ZERO,
            lost: None,
        }
    }

    pub(crate) fn json(status: u16, body: &Json) -> Self {
        Self::of(
            "application/json;charset=utf-8",
            body.to_string().into_bytes(),
        )
        .status(status)
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::of("text/plain", body.as_bytes().to_vec()).status(status)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn followed_by(mut self, filler: u64) -> Self {
        self.filler = filler;
        self
    }

    pub(crate) fn compress(&mut self) {
        let mut packer = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        if packer.write_all(&self.body).is_ok()
            && let Ok(packed) = packer.finish()
        {
            self.body = packed;
            self.headers
                .push(("Content-Encoding".into(), "gzip".into()));
        }
    }
}

/// Ten letters and digits.
pub(crate) fn nonce() -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = [0_u8; 10];
    let _filled = aws_lc_rs::rand::fill(&mut random);
    let letter = |byte: &u8| {
        LETTERS
            .get(usize::from(*byte) % 62)
            .copied()
            .map(char::from)
    };
    random.iter().filter_map(letter).collect()
}

/// A body, filler after it, nothing of which is held, and perhaps a sudden end.
struct Body {
    head: Option<Bytes>,
    filler: u64,
    /// Until the connection breaks, so that what came before is on its way.
    breaks: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Body {
    const LINE: &'static [u8] = &[b'.'; 16 * 1024];
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        if let Some(breaks) = self.breaks.as_mut() {
            let broken = || Some(Err(io::ErrorKind::ConnectionReset.into()));
            return breaks.as_mut().poll(context).map(|()| broken());
        }
        let size = usize::try_from(self.filler).unwrap_or(usize::MAX);
        let Some(line) = Self::LINE.get(..size.min(Self::LINE.len())) else {
            return Poll::Ready(None);
        };
        if line.is_empty() {
            return Poll::Ready(None);
        }
        self.filler -= u64::try_from(line.len()).unwrap_or_default();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(line)))))
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_none() && self.filler == 0 && self.breaks.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let head = self.head.as_ref().map_or(0, Bytes::len);
        if self.filler == 0 && self.breaks.is_none() {
            SizeHint::with_exact(u64::try_from(head).unwrap_or_default())
        } else {
            SizeHint::default()
        }
    }
}

type Answering = dyn Fn(Seen) -> Answer + Send + Sync;

/// Answers on an address, from a thread of its own, until the process ends.
pub(crate) fn listen(
    address: SocketAddr,
    answering: impl Fn(Seen) -> Answer + Send + Sync + 'static,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let answering: Arc<Answering> = Arc::new(answering);
    std::thread::spawn(move || serve(listener, &answering));
    Ok(address)
}

#[tokio::main(flavor = "current_thread")]
async fn serve(listener: TcpListener, answering: &Arc<Answering>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        let answering = Arc::clone(answering);
        let service = service_fn(move |request| answer(request, Arc::clone(&answering)));
        tokio::spawn(async move {
            let _closed = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    answering: Arc<Answering>,
) -> Result<Response<Body>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|all| all.to_bytes().to_vec());
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter();
    let target = parts.uri.path_and_query().map_or("/", |one| one.as_str());
    let seen = Seen {
        method: parts.method.to_string(),
        target: target.to_owned(),
        headers: headers.map(|(k, v)| (k.to_string(), text(v))).collect(),
        body: body.unwrap_or_default(),
    };
    let head = seen.method == "HEAD";
    let mut answer = answering(seen);
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    if answer.lost == Some(Lost::All) {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    let half = answer.lost == Some(Lost::Half);
    if head || half {
        let length = answer.body.len();
        let told = ("Content-Length".into(), length.to_string());
        answer.headers.push(told);
        answer.body.truncate(if half { length / 2 } else { 0 });
        answer.filler = 0;
    }
    let bodiless = head || answer.status == 304;
    let pause = || Box::pin(tokio::time::sleep(Duration::from_millis(30)));
    let mut response = Response::new(Body {
        head: (!bodiless && !answer.body.is_empty()).then(|| Bytes::from(answer.body)),
        filler: answer.filler,
        breaks: (half && !bodiless).then(pause),
    });
    *response.status_mut() = answer.status.try_into().unwrap_or_default();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse()) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}
