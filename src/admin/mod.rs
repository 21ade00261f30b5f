//! The admin listener: metrics, health, the policy in force, reload, revocations. Loopback by default; writing needs a bearer token.

mod guard;
mod reply;
mod revocations;

use std::{
    convert::Infallible, error::Error, future::Future, net::SocketAddr, sync::Arc, time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

pub use guard::AdminToken;
use reply::{Problem, Reply};

use crate::observe::metrics::{self, Metrics};

/// What the admin listener shows and steers.
pub trait Control: Send + Sync + 'static {
    /// Whether requests can be served: configuration loaded, listeners up, not draining.
    ///
    /// # Errors
    /// The reasons why not, each a short phrase.
    fn ready(&self) -> Result<(), Vec<&'static str>>;

    /// What does not work although requests can be served, each a short phrase.
    fn degraded(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The policy in force, without secrets.
    fn sites(&self) -> serde_json::Value;

    /// Loads the configuration afresh; the old one stays in force on errors.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn reload(&self) -> impl Future<Output = Result<(), Vec<String>>> + Send;

    /// The revocations in force after one of them, oldest first, at most so many; `None` where `after` is not the id of one.
    fn revocations(&self, after: Option<&str>, most: usize) -> Option<serde_json::Value>;

    /// Makes the revocation that a request's body asks for; the answer shows it. It is on the disk by then, where there is a log.
    ///
    /// # Errors
    /// It is not made, or not as durable as it should be.
    fn revoke(
        &self,
        wanted: &[u8],
    ) -> impl Future<Output = Result<serde_json::Value, NotRevoked>> + Send;

    /// Takes a revocation back; whether there was one.
    ///
    /// # Errors
    /// Why it stays.
    fn unrevoke(&self, id: &str) -> impl Future<Output = Result<bool, String>> + Send;
}

/// Why a revocation was not made as asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NotRevoked {
    /// It cannot be understood, or would deny nobody.
    Bad(String),
    /// There are as many as there may be.
    Full(String),
    /// It is in force, but could not be written: a restart forgets it.
    Volatile(String),
}

/// What the admin listener works with.
pub struct AdminState<C> {
    /// The metrics to show.
    pub metrics: Arc<Metrics>,
    /// The token for writing; without one, writing is off.
    pub token: Option<AdminToken>,
    /// The address that the listener is bound to.
    pub address: SocketAddr,
    /// The gateway.
    pub control: C,
}

/// Connections at once.
const CONNECTIONS: usize = 64;
/// The longest wait for a request head, also between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest life of a connection: bounds clients that do not read.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);
/// How long replies may take to leave at shutdown.
const GRACE: Duration = Duration::from_secs(2);
/// The largest request head.
const HEAD_LIMIT: usize = 16 * 1024;

/// Serves until `shutdown` is done and the replies under way have left.
pub async fn serve<C: Control>(
    listener: TcpListener,
    state: Arc<AdminState<C>>,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopped) = watch::channel(());
    let mut tasks = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        if let Some((stream, slot)) = accepted {
            tasks.spawn(connection(
                stream,
                slot,
                Arc::clone(&state),
                stopped.clone(),
            ));
        }
    }
    drop((listener, stop));
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, rest).await.is_err() {
        tracing::warn!("admin connections were cut off");
    }
}

/// The next connection, once there is a slot for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept an admin connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn connection<C: Control>(
    stream: TcpStream,
    slot: OwnedSemaphorePermit,
    state: Arc<AdminState<C>>,
    mut stopped: watch::Receiver<()>,
) {
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(answer(&state, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stopped.changed() => None,
        () = tokio::time::sleep(CONNECTION_TIMEOUT) => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        if tokio::time::timeout(GRACE, connection).await.is_err() {
            tracing::debug!("an admin client did not take its reply");
        }
    }
    drop(slot);
}

async fn answer<C: Control>(state: &AdminState<C>, request: Request<Incoming>) -> Reply {
    let reply = respond(state, request).await;
    reply.unwrap_or_else(Problem::reply)
}

async fn respond<C, B>(state: &AdminState<C>, request: Request<B>) -> Result<Reply, Problem>
where
    C: Control,
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let (method, headers) = (&head.method, &head.headers);
    guard::host(state.address, headers)?;
    match head.uri.path() {
        "/livez" => {
            read(method).map(|()| reply::json(StatusCode::OK, &json!({ "status": "alive" })))
        }
        "/metrics" => read(method).and_then(|()| metrics_text(&state.metrics)),
        "/readyz" => read(method).map(|()| readiness(&state.control)),
        "/v1/reload" => {
            only(method, &[Method::POST])?;
            guard::writer(state.token.as_ref(), headers)?;
            reload(&state.control).await
        }
        "/v1/revocations" => {
            only(method, &[Method::GET, Method::POST])?;
            // Reading needs the token, too: it names viewers.
            guard::writer(state.token.as_ref(), headers)?;
            if *method == Method::GET {
                return revocations::list(&state.control, head.uri.query());
            }
            revocations::make(&state.control, body).await
        }
        "/v1/sites" => read(method).map(|()| reply::json(StatusCode::OK, &state.control.sites())),
        path => match path.strip_prefix("/v1/revocations/") {
            Some(id) => {
                only(method, &[Method::DELETE])?;
                guard::writer(state.token.as_ref(), headers)?;
                revocations::take_back(&state.control, id).await
            }
            None => Err(reply::nothing_here()),
        },
    }
}

fn read(method: &Method) -> Result<(), Problem> {
    only(method, &[Method::GET, Method::HEAD])
}

fn only(method: &Method, allowed: &[Method]) -> Result<(), Problem> {
    if allowed.contains(method) {
        return Ok(());
    }
    let allowed: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_denied",
        "This method is not available here.",
    );
    Err(problem.with(header::ALLOW, &allowed.join(", ")))
}

fn metrics_text(metrics: &Metrics) -> Result<Reply, Problem> {
    metrics
        .render()
        .map(|text| reply::text(metrics::CONTENT_TYPE, text))
        .map_err(|error| {
            tracing::error!(%error, "the metrics cannot be written");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "metrics_failed",
                "The metrics cannot be written.",
            )
        })
}

fn readiness(control: &impl Control) -> Reply {
    match control.ready() {
        // Still 200: taken out of rotation, a gateway that lacks what all of them lack would help nobody.
        Ok(()) => match control.degraded() {
            none if none.is_empty() => reply::json(StatusCode::OK, &json!({ "status": "ready" })),
            degraded => reply::json(
                StatusCode::OK,
                &json!({ "status": "ready", "degraded": degraded }),
            ),
        },
        Err(reasons) => reply::json(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "status": "not ready", "reasons": reasons }),
        ),
    }
}

async fn reload(control: &impl Control) -> Result<Reply, Problem> {
    match control.reload().await {
        Ok(()) => Ok(reply::json(
            StatusCode::OK,
            &json!({ "status": "reloaded" }),
        )),
        Err(errors) => {
            let message = "The configuration has errors; the one before stays in force.";
            Err(
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "config_invalid", message)
                    .errors(errors),
            )
        }
    }
}

#[cfg(test)]
mod tests;
