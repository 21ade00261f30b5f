//! Whether a tunnel may go on: the same questions that its handshake was asked, whenever an answer may have changed.

use std::{rc::Rc, sync::Arc, task::Context, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use tokio::time::Instant;

use super::{
    Stop,
    lookout::{Lookout, Place},
};
use crate::{
    config::SiteEntry,
    gate::{
        host::Host,
        path::NormalPath,
        policy::{self, Denial, Permit, Via, Viewer},
        query::Query,
        refusal::Refusal,
        request::{RequestView, UnixTime},
        token,
    },
    server::{app::Generation, arrival, client_addr::Client},
};

/// The head of a handshake, as far as it was judged.
pub(in crate::server) struct Asked {
    host: Box<str>,
    path: Box<str>,
    headers: Box<[(HeaderName, HeaderValue)]>,
    client: Client,
}

impl Asked {
    /// Copies what is needed: the head itself lies in a buffer of kilobytes.
    pub(in crate::server) fn of(parts: &Parts, client: Client) -> Self {
        let copy = |(name, value): (&HeaderName, &HeaderValue)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            Some((name.clone(), value))
        };
        let judged = parts.headers.iter();
        let kept = judged
            .filter(|(name, _)| JUDGED.contains(name))
            .filter_map(copy);
        Self {
            // It was read before, else nobody would be here.
            host: arrival::authority(parts).unwrap_or_default().into(),
            path: parts.uri.path().into(),
            headers: kept.collect(),
            client,
        }
    }
}

/// Judges one tunnel.
pub(in crate::server) struct Guard {
    place: Place,
    /// The change that it was last judged after; none yet.
    round: Option<u64>,
    generation: Arc<Generation>,
    permit: Permit,
    asked: Asked,
    terms: Terms,
    /// When the clock on the wall is to be looked at.
    look: Instant,
}

/// How long it may live.
struct Terms {
    /// The end of the token or session.
    ends: UnixTime,
    /// Without a byte from either side.
    idle: Duration,
    /// At all.
    life: Option<Duration>,
    /// Without a byte from the client: the idle time of the session that it stands on.
    silence: Option<Duration>,
}

impl Guard {
    /// For a tunnel that was permitted by a generation of the configuration.
    pub(in crate::server) fn new(
        lookout: &Rc<Lookout>,
        generation: &Arc<Generation>,
        permit: Permit,
        asked: Asked,
    ) -> Self {
        Self {
            place: lookout.enter(),
            round: None,
            terms: Terms::of(generation, &permit),
            generation: Arc::clone(generation),
            permit,
            asked,
            look: Instant::now(),
        }
    }

    /// Why it must end, where something has changed or its time is over. Whoever polls is woken by the next change.
    pub(super) fn judge(&mut self, cx: &Context<'_>) -> Option<Denial> {
        let round = self.place.lookout().round();
        let now = Instant::now();
        if self.round == Some(round) && now < self.look {
            return None;
        }
        self.place.wake(cx.waker());
        self.round = Some(round);
        let denied = self.again().err();
        let left = self.terms.ends.0.saturating_sub(self.now().0);
        let left = Duration::from_secs(u64::try_from(left).unwrap_or(0));
        self.look = now + LOOK.min(left);
        denied
    }

    /// When [`Guard::judge`] or [`Guard::lapsed`] has something to say, at the earliest.
    pub(super) fn due(&self, began: Instant, moved: Instant, heard: Instant) -> Instant {
        let Terms {
            idle,
            life,
            silence,
            ..
        } = self.terms;
        let life = life.map(|life| began + life);
        let silence = silence.map(|silence| heard + silence);
        let due = self.look.min(moved + idle);
        [life, silence]
            .into_iter()
            .flatten()
            .fold(due, Instant::min)
    }

    /// Why it must end, for how long it has lived and been silent.
    pub(super) fn lapsed(
        &self,
        now: Instant,
        began: Instant,
        moved: Instant,
        heard: Instant,
    ) -> Option<Stop> {
        let terms = &self.terms;
        if terms.silence.is_some_and(|silence| now >= heard + silence) {
            return Some(Stop::Denied(Denial::because(
                Refusal::SessionExpired,
                "the client sent nothing for session.idle",
            )));
        }
        if terms.life.is_some_and(|life| now >= began + life) {
            return Some(Stop::Spent);
        }
        (now >= moved + terms.idle).then_some(Stop::Idle)
    }

    fn now(&self) -> UnixTime {
        self.place.lookout().app().clock.now()
    }

    fn again(&mut self) -> Result<(), Denial> {
        let now = self.now();
        let live = self.place.lookout().app().current();
        if !Arc::ptr_eq(&live, &self.generation) {
            self.permit = self.permitted(&live, now)?;
            self.terms = Terms::of(&live, &self.permit);
            self.generation = live;
        }
        let viewer = viewer(&self.permit)?;
        let signed = &viewer.signed;
        if now >= self.terms.ends {
            return Err(match viewer.via {
                Via::Session { .. } => Refusal::SessionExpired.into(),
                Via::Token { .. } => Refusal::TokenExpired.into(),
            });
        }
        token::still(signed, &self.permit.site().issuers, now)?;
        match self
            .place
            .lookout()
            .app()
            .revocations
            .index()
            .find(signed, now)
        {
            None => Ok(()),
            Some(id) => Err(Denial::because(
                Refusal::TokenRevoked,
                format!("revocation {id}"),
            )),
        }
    }

    /// Asks another generation of the configuration whether it would have permitted the same.
    fn permitted(&self, live: &Generation, now: UnixTime) -> Result<Permit, Denial> {
        let Asked {
            host,
            path,
            headers,
            client,
        } = &self.asked;
        let (host, path) = (Host::parse(host)?, NormalPath::parse(path)?);
        let (site, path) = live.snapshot.gate.find(&host, &path)?;
        let headers: HeaderMap = headers.iter().cloned().collect();
        let view = RequestView {
            method: &Method::GET,
            host: &host,
            secure: client.secure,
            path: &path,
            query: &Query::parse("")?,
            headers: &headers,
            client: client.address,
            now,
        };
        let matched = site.surface.find(view.method, path.as_str())?;
        let viewer = viewer(&self.permit)?;
        let sealers = (&self.generation.snapshot.sessions, &live.snapshot.sessions);
        let sealed = viewer.signed.session_id().is_some();
        let opens = match sealers {
            (Some(before), Some(now)) => now.opens_all_of(before),
            (_, _) => false,
        };
        if sealed && !(site.sessions && opens) {
            return Err(Refusal::SessionInvalid.into());
        }
        let permit = policy::decide(site, &matched, Some(viewer.clone()), &view)?;
        if permit.opens_websocket() && self.is_same(live, &permit) {
            return Ok(permit);
        }
        Err(Denial::because(
            Refusal::RouteDenied,
            "the configuration of the site changed",
        ))
    }

    /// Whether the upstream would be asked the same.
    fn is_same(&self, live: &Generation, permit: &Permit) -> bool {
        let (before, after) = (&self.permit, permit);
        let entries = (entry(&self.generation, before), entry(live, after));
        let (Some(was), Some(is)) = entries else {
            return false;
        };
        was.site.name == is.site.name
            && was.upstream == is.upstream
            && was.identity == is.identity
            && before.values() == after.values()
            && before.route().asks_as(after.route())
    }
}

impl Terms {
    fn of(generation: &Generation, permit: &Permit) -> Self {
        let sealer = generation.snapshot.sessions.as_deref();
        let (ends, silence) = match viewer(permit) {
            Err(_) => (UnixTime(0), None),
            Ok(viewer) => match viewer.via {
                Via::Session { ends, .. } => {
                    // A reload may have made sessions shorter; it makes none longer that there is.
                    let began = viewer.signed.session_began();
                    let life = sealer.and_then(|sealer| Some(sealer.end(began?)));
                    let ends = life.map_or(ends, |life| life.min(ends));
                    (ends, sealer.and_then(|sealer| sealer.idle))
                }
                Via::Token { .. } => (viewer.signed.ends(), None),
            },
        };
        let tunnels = entry(generation, permit).map(|entry| entry.tunnels);
        Self {
            ends,
            idle: tunnels.map_or(Duration::ZERO, |tunnels| tunnels.idle),
            life: tunnels.and_then(|tunnels| tunnels.life),
            silence,
        }
    }
}

/// There is one: routes that become `WebSockets` are for viewers.
fn viewer(permit: &Permit) -> Result<&Viewer, Denial> {
    permit.viewer().ok_or_else(|| Refusal::TokenMissing.into())
}

fn entry<'g>(generation: &'g Generation, permit: &Permit) -> Option<&'g SiteEntry> {
    generation.snapshot.sites.get(permit.site().index)
}

/// What the gate looks at in a handshake.
const JUDGED: [HeaderName; 7] = [
    header::ACCEPT,
    header::ORIGIN,
    header::REFERER,
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-site"),
    header::UPGRADE,
];
/// The longest pause between two looks at the clock on the wall, which may jump, and at keys that are fetched.
const LOOK: Duration = Duration::from_secs(5);
