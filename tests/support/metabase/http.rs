//! HTTP/1.1 on a thread of its own: what was asked, what is answered, and Metabase's headers on all of it.

use std::{
    convert::Infallible,
    io::Write as _,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
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

use super::{State, pages};

/// One request as the stand-in saw it.
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

    /// One value of the query, as JSON. Panics unless there is exactly one.
    pub(crate) fn json(&self, key: &str) -> Json {
        let query = self.query();
        let found: Vec<_> = query.iter().filter(|(name, _)| name == key).collect();
        assert_eq!(found.len(), 1, "{key} in {}", self.target);
        let text = found.first().map_or("", |(_, value)| value);
        serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
    }

    /// The claims of the token in the path.
    pub(crate) fn claims(&self) -> Option<Json> {
        let dotted = |part: &&str| part.starts_with("ey") && part.matches('.').count() == 2;
        super::token::peek(self.path().split('/').find(dotted)?)
    }

    /// Whether a text stands anywhere in the request.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.target.contains(text)
            || self.headers.iter().any(|(_, value)| value.contains(text))
            || String::from_utf8_lossy(&self.body).contains(text)
    }

    /// The path's segments as a lenient server reads them: decoded, `//`, `.`, `..`, `\`, `;…` and encoded slashes resolved.
    pub(super) fn segments(&self) -> Vec<String> {
        let mut out: Vec<String> = vec![];
        for raw in self.path().split('/') {
            let raw = raw.split(';').next().unwrap_or_default();
            let text = decoded(raw, false);
            let whole = out.last().is_some_and(|before| before == "search");
            let parts: Vec<&str> = if whole {
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

    /// Reads a cookie.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let all = self
            .all("cookie")
            .into_iter()
            .flat_map(|one| one.split(';'));
        all.filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

/// Reads a query string or a form.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(key, true), decoded(value, true))
    };
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(pair)
        .collect()
}

pub(super) fn decoded(text: &str, form: bool) -> String {
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
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Bytes of filler after the body.
    filler: u64,
    /// What the page's scripts carry.
    pub(super) nonce: Option<String>,
    /// May be kept for a year.
    pub(super) cacheable: bool,
}

impl Answer {
    pub(super) fn of(kind: &str, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            headers: vec![("Content-Type".into(), kind.into())],
            body,
            filler: 0,
            nonce: None,
            cacheable: false,
        }
    }

    pub(super) fn json(status: u16, body: &Json) -> Self {
        Self::of(
            "application/json;charset=utf-8",
            body.to_string().into_bytes(),
        )
        .status(status)
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self::of("text/plain", body.as_bytes().to_vec()).status(status)
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn followed_by(mut self, filler: u64) -> Self {
        self.filler = filler;
        self
    }

    fn compress(&mut self) {
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

/// A body, and filler after it: nothing of which is held.
struct Body {
    head: Option<Bytes>,
    filler: u64,
}

impl Body {
    const LINE: &'static [u8] = &[b'.'; 16 * 1024];
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
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
        self.head.is_none() && self.filler == 0
    }

    fn size_hint(&self) -> SizeHint {
        let head = self.head.as_ref().map_or(0, Bytes::len);
        if self.filler == 0 {
            SizeHint::with_exact(u64::try_from(head).unwrap_or_default())
        } else {
            SizeHint::default()
        }
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn serve(listener: std::net::TcpListener, state: &Arc<Mutex<State>>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(state);
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        tokio::spawn(async move {
            let _closed = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Body>, Infallible> {
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
    let mut answer = {
        let mut state = state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut answer = super::route::answer(&mut state.store, &seen);
        pages::dress(&state.store, &seen, &mut answer);
        let accepts = seen.all("accept-encoding").concat().contains("gzip");
        if state.store.behaviour.gzip && accepts && answer.filler == 0 && !answer.body.is_empty() {
            answer.compress();
        }
        state.note(seen);
        answer
    };
    if head {
        answer
            .headers
            .push(("Content-Length".into(), answer.body.len().to_string()));
        (answer.body, answer.filler) = (vec![], 0);
    }
    let bodiless = head || answer.status == 304;
    let mut response = Response::new(Body {
        head: (!bodiless && !answer.body.is_empty()).then(|| Bytes::from(answer.body)),
        filler: answer.filler,
    });
    *response.status_mut() = answer.status.try_into().unwrap_or_default();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse()) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}
