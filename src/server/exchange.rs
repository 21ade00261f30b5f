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
    upstream::{Upstream, UpstreamError, Warrant},
    wire::head::Outgoing,
};
use crate::{
    adapter::{
        Adapter,
        exchange::{Call, ExchangeError, Known, Reply, Step, Want},
    },
    gate::site::Site,
};

/// What was learnt of upstreams: by generation, site and what was wanted.
pub struct Knowledge {
    known: Cache<Key, Arc<Place>>,
}

type Key = (u64, usize, Want);

/// One thing: whoever holds the lock learns about it, the others wait.
#[derive(Default)]
struct Place {
    turn: tokio::sync::Mutex<()>,
    learnt: Mutex<Option<Entry>>,
    told: Mutex<Vec<String>>,
}

/// What is remembered.
struct Entry {
    /// When its exchange began: it tells of nothing that happened since.
    began: Instant,
    /// Until when it is believed.
    until: Instant,
    known: Known,
}

/// Whom an exchange asks, and in whose name.
pub(super) struct Errand<'a> {
    /// What is known about the kind of upstream.
    pub(super) adapter: &'a Adapter,
    /// The way there.
    pub(super) upstream: &'a Rc<Upstream>,
    /// What permits it.
    pub(super) warrant: Warrant<'a>,
    /// The clock.
    pub(super) clock: Clock,
}

impl Default for Knowledge {
    fn default() -> Self {
        Self {
            known: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_idle(IDLE)
                .build(),
        }
    }
}

impl Knowledge {
    /// What is wanted, from memory or from the upstream.
    ///
    /// # Errors
    /// The upstream cannot be reached, or says something else than expected. Failures are not remembered.
    pub(super) async fn of(
        &self,
        site: &Site,
        generation: u64,
        want: &Want,
        errand: &Errand<'_>,
    ) -> Result<Known, Failure> {
        let place = self.place(site, generation, want);
        if let Some(known) = place.valid() {
            return Ok(known);
        }
        let asked = Instant::now();
        // Those who wait share the patience of the one who asks: were each to begin anew, a hanging upstream would hold them for hours.
        let turn = tokio::time::timeout(PATIENCE, place.turn.lock()).await;
        let _turn = turn.map_err(|_| UpstreamError::Timeout)?;
        if let Some(known) = place.valid().or_else(|| place.since(asked)) {
            return Ok(known);
        }
        let began = Instant::now();
        let known = learn(want, errand).await?;
        Ok(place.put(site, began, known))
    }

    /// Asks anew, whatever is remembered, and remembers that.
    ///
    /// # Errors
    /// As [`Self::of`]; what was remembered stays, for as long as it is valid.
    pub(super) async fn refresh(
        &self,
        site: &Site,
        generation: u64,
        want: &Want,
        errand: &Errand<'_>,
    ) -> Result<Known, Failure> {
        let began = Instant::now();
        let known = learn(want, errand).await?;
        Ok(self.place(site, generation, want).put(site, began, known))
    }

    /// Remembers what was learnt on the way of another request, which was sent at `began`.
    pub(super) fn remember(
        &self,
        site: &Site,
        generation: u64,
        want: &Want,
        (began, known): (Instant, Known),
    ) {
        self.place(site, generation, want).put(site, began, known);
    }

    fn place(&self, site: &Site, generation: u64, want: &Want) -> Arc<Place> {
        self.known
            .get_with((generation, site.index, want.clone()), Arc::default)
    }
}

impl Place {
    fn valid(&self) -> Option<Known> {
        self.since(Instant::now())
    }

    /// What is valid at a time, or was asked for after it.
    fn since(&self, time: Instant) -> Option<Known> {
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = learnt.as_ref()?;
        (entry.until > time || entry.began >= time).then(|| entry.known.clone())
    }

    /// Remembers what an exchange learnt that began at a time, unless one that began later is remembered already: what that one saw may be an edit which
    /// this one did not. Returns what is remembered.
    fn put(&self, site: &Site, began: Instant, known: Known) -> Known {
        {
            let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
            match &*learnt {
                Some(entry) if entry.began > began => return entry.known.clone(),
                Some(_) | None => {}
            }
            *learnt = Some(Entry {
                began,
                // It is as old as the question: the upstream may have changed before it had answered.
                until: began + known.valid_for(),
                known: known.clone(),
            });
        }
        self.tell(site, known.warnings());
        known
    }

    /// Tells the operator what is new, and that it is over.
    fn tell(&self, site: &Site, warnings: Vec<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings.iter().filter(|warning| !told.contains(warning)) {
            tracing::warn!(site = &*site.name, "{warning}");
        }
        if warnings.is_empty() && !told.is_empty() {
            tracing::info!(
                site = &*site.name,
                "every locked parameter reaches every card again"
            );
        }
        *told = warnings;
    }
}

/// Asks the upstream for what is wanted, step by step.
///
/// # Errors
/// The upstream cannot be reached, or says something else than expected.
pub(super) async fn learn(want: &Want, errand: &Errand<'_>) -> Result<Known, Failure> {
    let mut step = errand.adapter.begin(want, errand.clock.now())?;
    for _ in 0..CALLS {
        let (call, pending) = match step {
            Step::Done(known) => return Ok(known),
            Step::Call(call, pending) => (call, pending),
        };
        let (status, body) = ask(errand, &call).await?;
        let reply = Reply {
            status,
            body: &body,
        };
        step = errand.adapter.resume(pending, reply, errand.clock.now())?;
    }
    Err(ExchangeError::Unreadable {
        call: "the exchange",
        what: "an end",
    }
    .into())
}

async fn ask(errand: &Errand<'_>, call: &Call) -> Result<(http::StatusCode, Bytes), Failure> {
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
    let response = errand
        .upstream
        .send(errand.warrant, outgoing, RequestBody::empty())
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

/// Things remembered at once.
const CAPACITY: u64 = 10_000;
/// What nobody asks for is forgotten.
const IDLE: Duration = Duration::from_hours(1);
/// More calls than any exchange makes.
const CALLS: usize = 48;
/// The longest wait for the body of a reply, and for another request's turn.
const PATIENCE: Duration = Duration::from_secs(30);
