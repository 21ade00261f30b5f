//! Drives an adapter's exchange with its upstream: shared by the requests that wait for it, remembered while it is valid.

use std::{
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use moka::sync::Cache;
use tokio::time::Instant;

use super::{
    body::RequestBody,
    clock::Clock,
    failure::Failure,
    upstream::{Upstream, UpstreamError},
    wire::head::Outgoing,
};
use crate::{
    adapter::{
        exchange::{Call, Credential, ExchangeError, Reply, Step},
        superset::{Coverage, DashboardId, Superset},
    },
    gate::limit::Admitted,
};

/// What was learned about dashboards: by generation, site and dashboard.
pub struct Coverages {
    known: Cache<Key, Arc<Place>>,
}

type Key = (u64, usize, Box<str>);

/// One dashboard: whoever holds the lock learns about it, the others wait.
#[derive(Default)]
struct Place {
    turn: tokio::sync::Mutex<()>,
    learned: Mutex<Option<(Instant, Arc<Coverage>)>>,
}

impl Default for Coverages {
    fn default() -> Self {
        Self {
            known: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_idle(IDLE)
                .build(),
        }
    }
}

impl Coverages {
    /// The coverage of a dashboard, from memory or from the upstream. Takes the request's admission: nobody asks the upstream without.
    ///
    /// # Errors
    /// The upstream cannot be reached, or says something else than expected. Failures are not remembered.
    pub(super) async fn of(
        &self,
        admitted: &Admitted,
        superset: &Superset,
        dashboard: &DashboardId,
        upstream: &Rc<Upstream>,
        generation: u64,
        clock: Clock,
    ) -> Result<Arc<Coverage>, Failure> {
        let key = (
            generation,
            admitted.permit().site().index,
            dashboard.as_str().into(),
        );
        let place = self.known.get_with(key, Arc::default);
        if let Some(coverage) = place.valid() {
            return Ok(coverage);
        }
        // Those who wait share the patience of the one who asks: were each to begin anew, a hanging upstream would hold them for hours.
        let turn = tokio::time::timeout(PATIENCE, place.turn.lock()).await;
        let _turn = turn.map_err(|_| UpstreamError::Timeout)?;
        if let Some(coverage) = place.valid() {
            return Ok(coverage);
        }
        let Credential::Superset(coverage) =
            learn(admitted, superset, dashboard, upstream, clock).await?;
        let until = Instant::now() + coverage.valid_for();
        *place.learned.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((until, Arc::clone(&coverage)));
        Ok(coverage)
    }
}

impl Place {
    fn valid(&self) -> Option<Arc<Coverage>> {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, coverage) = learned.as_ref()?;
        (*until > Instant::now()).then(|| Arc::clone(coverage))
    }
}

async fn learn(
    admitted: &Admitted,
    superset: &Superset,
    dashboard: &DashboardId,
    upstream: &Rc<Upstream>,
    clock: Clock,
) -> Result<Credential, Failure> {
    let mut step = superset.begin(dashboard);
    for _ in 0..CALLS {
        let (call, pending) = match step {
            Step::Done(credential) => return Ok(credential),
            Step::Call(call, pending) => (call, pending),
        };
        let (status, body) = ask(admitted, upstream, &call).await?;
        let reply = Reply {
            status,
            body: &body,
        };
        step = superset.resume(pending, reply, clock.now())?;
    }
    Err(ExchangeError::Unreadable {
        call: "the exchange",
        what: "an end",
    }
    .into())
}

async fn ask(
    admitted: &Admitted,
    upstream: &Rc<Upstream>,
    call: &Call,
) -> Result<(http::StatusCode, Bytes), Failure> {
    let mut headers: HeaderMap = call.headers.clone();
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    let outgoing = Outgoing {
        method: &call.method,
        target: &call.path,
        headers: &headers,
        upgrade: None,
    };
    let response = upstream
        .send(admitted, outgoing, RequestBody::empty())
        .await?;
    let status = response.status();
    let read = response.into_body().collect(call.reply_limit);
    let body = tokio::time::timeout(PATIENCE, read).await;
    match body {
        Ok(Ok(body)) => Ok((status, body)),
        Ok(Err(_)) | Err(_) => Err(ExchangeError::Unreadable {
            call: "the exchange",
            what: "a whole reply",
        }
        .into()),
    }
}

/// Dashboards remembered at once.
const CAPACITY: u64 = 10_000;
/// A dashboard that nobody asks for is forgotten.
const IDLE: Duration = Duration::from_hours(1);
/// More calls than any exchange makes.
const CALLS: usize = 8;
/// The longest wait for the body of a reply, and for another request's turn.
const PATIENCE: Duration = Duration::from_secs(30);
