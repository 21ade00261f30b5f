//! As little HTTP as the demo's pages need: serve a listener, answer with a page or JSON, send one request.

use std::{convert::Infallible, future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client, server, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// A complete response.
pub type Page = Response<Full<Bytes>>;

/// Serves every connection of a listener, until dropped.
pub async fn serve<Answer, Answering>(listener: TcpListener, answer: Answer)
where
    Answer: Fn(Request<Incoming>) -> Answering + Clone + Send + 'static,
    Answering: Future<Output = Page> + Send + 'static,
{
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let answer = answer.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answering = answer(request);
                async move { Ok::<_, Infallible>(answering.await) }
            });
            let connection = server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
        });
    }
}

/// Sends one request over a connection of its own; the whole answer, within bounds.
///
/// # Errors
/// Says in words what failed.
pub async fn send(
    to: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, String> {
    timeout(PATIENCE, exchange(to, request))
        .await
        .map_err(|_| "no answer in time".to_owned())?
}

async fn exchange(
    to: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, String> {
    let stream = TcpStream::connect(to)
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    driver.abort();
    Ok(Response::from_parts(head, body))
}

/// Reads a request body within bounds; what is too long or breaks off is empty.
pub async fn body(request: Request<Incoming>) -> Bytes {
    let collected = timeout(
        PATIENCE,
        Limited::new(request.into_body(), BODY_LIMIT).collect(),
    )
    .await;
    collected
        .ok()
        .and_then(Result::ok)
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default()
}

/// A page, a style sheet, a script.
pub fn text(kind: &'static str, text: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(text.into()));
    let headers = page.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    page
}

/// JSON.
pub fn json(value: &serde_json::Value) -> Page {
    text("application/json", value.to_string())
}

/// An answer without anything in it but its status.
pub fn status(status: StatusCode) -> Page {
    let mut page = text(PLAIN, status.canonical_reason().unwrap_or_default());
    *page.status_mut() = status;
    page
}

/// The decoded value of a query parameter; the last one wins, as in many a BI server.
pub fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .rfind(|(key, _)| decode(key) == name)
        .map(|(_, value)| decode(value))
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// `text/html`.
pub const HTML: &str = "text/html; charset=utf-8";
/// `text/css`.
pub const CSS: &str = "text/css; charset=utf-8";
/// `text/javascript`.
pub const SCRIPT: &str = "text/javascript; charset=utf-8";
/// `text/plain`.
pub const PLAIN: &str = "text/plain; charset=utf-8";
/// `text/csv`.
pub const CSV: &str = "text/csv; charset=utf-8";

const PATIENCE: Duration = Duration::from_secs(10);
const BODY_LIMIT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_last_value_of_a_parameter_as_careless_servers_do() {
        let query = Some("tenant%5Fid=1&x=y&tenant_id=a+b%26");
        assert_eq!(parameter(query, "tenant_id").as_deref(), Some("a b&"));
        assert_eq!(parameter(query, "region"), None);
        assert_eq!(parameter(None, "region"), None);
    }
}
