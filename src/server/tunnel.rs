//! After a 101: bytes both ways until both sides are done, or until somebody says that it is over.
//!
//! A tunnel has no task and no buffer of its own: the client's task reads into its stack and writes on; what the other side does not take at once is kept,
//! and nothing more is read before that is gone. A Close frame of ours goes between two frames; where there is no such place, the stream is cut.

mod flow;
mod guard;
mod lookout;
mod part;

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use self::flow::Flow;
pub(super) use self::{
    guard::{Asked, Guard},
    lookout::Lookout,
};
use super::{body::BodyObserver, io::Io, serve::Rest, shutdown::Lane, wire::Wire};
use crate::{
    gate::policy::Denial,
    rewrite::frames::{BadFrame, Sender},
};

/// An accepted upgrade: the upstream's half of it, who watches over it, and who follows it.
pub(super) struct Tunnel {
    wire: Box<Wire>,
    guard: Option<Box<Guard>>,
    observer: Option<Box<dyn BodyObserver>>,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").finish_non_exhaustive()
    }
}

impl Tunnel {
    pub(super) fn new(wire: Box<Wire>) -> Self {
        Self {
            wire,
            guard: None,
            observer: None,
        }
    }

    /// Whoever says when it must end.
    pub(super) fn guard(&mut self, guard: Guard) {
        self.guard = Some(Box::new(guard));
    }

    pub(super) fn observe(&mut self, observer: Option<Box<dyn BodyObserver>>) {
        self.observer = observer;
    }
}

/// How a tunnel ended.
#[derive(Debug)]
pub struct Ended {
    /// What it was refused to go on for.
    pub denial: Option<Denial>,
    /// Why, for the auditor.
    pub why: Cow<'static, str>,
    /// Whether it was the upstream's fault.
    pub broken: bool,
    /// Bytes that the client sent.
    pub received: u64,
}

/// Why nothing is carried any more.
#[derive(Debug)]
enum Stop {
    /// One side sent what is no frame.
    BadFrame(Sender, BadFrame),
    /// The upstream broke off.
    Broken,
    /// The gateway shuts down.
    Closing,
    /// The grant is over.
    Denied(Denial),
    /// Nothing came for too long.
    Idle,
    /// Both sides are done.
    Over,
    /// It has lived for as long as one may.
    Spent,
}

/// Carries bytes between a client and an upstream; what either had sent early goes first.
pub(super) async fn relay(client: Rest, tunnel: Tunnel, lane: Rc<Lane>) {
    let (mut relay, early) = Relay::new(client, tunnel);
    if let Some(observer) = &mut relay.observer {
        observer.switched();
    }
    let stop = if let Err(stop) = early {
        stop
    } else {
        let mut timer = pin!(sleep_until(relay.due()));
        poll_fn(|cx| relay.poll(cx, &lane, timer.as_mut())).await
    };
    relay.end(stop).await;
}

struct Relay {
    client: Io,
    upstream: Io,
    /// From the client to the upstream, and back.
    up: Flow,
    down: Flow,
    guard: Option<Box<Guard>>,
    observer: Option<Box<dyn BodyObserver>>,
    began: Instant,
    /// When a byte last came, from either side and from the client.
    moved: Instant,
    heard: Instant,
    /// When one side was done, for the other to be done soon.
    parting: Option<Instant>,
    /// Whether that was the upstream, without a word.
    broke: bool,
}

impl Relay {
    /// With what came early; that may be no frames already.
    fn new(client: Rest, tunnel: Tunnel) -> (Self, Result<(), Stop>) {
        let Tunnel {
            wire,
            guard,
            observer,
        } = tunnel;
        let (upstream, early) = wire.into_parts();
        let now = Instant::now();
        let mut relay = Self {
            client: client.io,
            upstream,
            up: Flow::of(Sender::Client),
            down: Flow::of(Sender::Server),
            guard,
            observer,
            began: now,
            moved: now,
            heard: now,
            parting: None,
            broke: false,
        };
        let up = relay.up.load(&client.prefix);
        let up = up.map_err(|bad| Stop::BadFrame(Sender::Client, bad));
        let down = relay.down.load(&early);
        let down = down.map_err(|bad| Stop::BadFrame(Sender::Server, bad));
        (relay, up.and(down))
    }

    /// Ready when nothing is carried any more.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        lane: &Lane,
        mut timer: Pin<&mut Sleep>,
    ) -> Poll<Stop> {
        loop {
            if lane.closing() {
                return Poll::Ready(Stop::Closing);
            }
            if let Some(denial) = self.guard.as_mut().and_then(|guard| guard.judge(cx)) {
                return Poll::Ready(Stop::Denied(denial));
            }
            let before = (self.up.bytes(), self.down.bytes());
            let carried = self.carry(cx);
            self.note(before);
            if let Poll::Ready(stop) = carried {
                return Poll::Ready(stop);
            }
            // The timer only ever fires early, so that traffic costs none.
            let due = self.due();
            if timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
            if let Some(stop) = self.lapsed() {
                return Poll::Ready(stop);
            }
            let due = self.due().max(Instant::now() + SOON);
            timer.as_mut().reset(due);
        }
    }

    fn carry(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        let up = self.up.poll(cx, &mut self.client, &mut self.upstream);
        let down = self.down.poll(cx, &mut self.upstream, &mut self.client);
        for (flow, sender) in [(up, Sender::Client), (down, Sender::Server)] {
            if let Poll::Ready(Err(bad)) = flow {
                return Poll::Ready(Stop::BadFrame(sender, bad));
            }
        }
        if up.is_ready() && down.is_ready() {
            return Poll::Ready(self.over());
        }
        Poll::Pending
    }

    /// Notes what was carried.
    fn note(&mut self, before: (u64, u64)) {
        let (up, down) = (
            self.up.bytes().saturating_sub(before.0),
            self.down.bytes().saturating_sub(before.1),
        );
        if up > 0 || down > 0 {
            self.moved = Instant::now();
        }
        if up > 0 {
            self.heard = self.moved;
        }
        if let Some(observer) = self.observer.as_mut().filter(|_| down > 0) {
            observer.bytes(down);
        }
        if self.parting.is_none() && (self.up.is_ending() || self.down.is_ending()) {
            self.parting = Some(Instant::now());
            self.broke = !self.up.is_ending() && !self.down.is_closed();
        }
    }

    fn over(&self) -> Stop {
        if self.broke {
            return Stop::Broken;
        }
        Stop::Over
    }

    /// When something is to be looked at next.
    fn due(&self) -> Instant {
        let mut due = match self.parting {
            Some(since) => since + PARTING,
            None => Instant::now() + FAR,
        };
        if let Some(guard) = &self.guard {
            due = due.min(guard.due(self.began, self.moved, self.heard));
        }
        due
    }

    fn lapsed(&self) -> Option<Stop> {
        let now = Instant::now();
        if self.parting.is_some_and(|since| now >= since + PARTING) {
            return Some(self.over());
        }
        let guard = self.guard.as_ref()?;
        guard.lapsed(now, self.began, self.moved, self.heard)
    }

    /// Tells the observer, and whoever is still there.
    async fn end(&mut self, stop: Stop) {
        tracing::debug!(?stop, "tunnel ended");
        if let Some(mut observer) = self.observer.take() {
            observer.over(&stop.told(self.up.bytes()));
        }
        self.guard = None;
        if let Some((code, reason)) = stop.close() {
            // What was withdrawn is not shown to the end of a frame; everything else may be.
            let patient = matches!(stop, Stop::Closing | Stop::Idle | Stop::Spent);
            part::part(self, code, &reason, patient).await;
        }
    }
}

impl Stop {
    /// Status code and reason of the Close frames (RFC 6455 section 7.4.1), where anybody is left to be told.
    fn close(&self) -> Option<(u16, Cow<'static, str>)> {
        Some(match self {
            Self::Broken | Self::Over => return None,
            Self::BadFrame(_, _) => (1002, "bad_frame".into()),
            Self::Closing => (1001, "shutdown".into()),
            Self::Denied(denial) => (1008, denial.refusal.code().into()),
            Self::Idle => (1001, "idle".into()),
            Self::Spent => (1001, "life".into()),
        })
    }

    fn denial(&self) -> Option<&Denial> {
        if let Self::Denied(denial) = self {
            return Some(denial);
        }
        None
    }

    fn told(&self, received: u64) -> Ended {
        let why = match self {
            Self::BadFrame(Sender::Client, bad) => format!("the client sent {bad}").into(),
            Self::BadFrame(Sender::Server, bad) => format!("the upstream sent {bad}").into(),
            Self::Broken => "the upstream broke off".into(),
            Self::Closing => "the gateway shut down".into(),
            Self::Denied(denial) => denial
                .detail
                .clone()
                .unwrap_or_else(|| denial.refusal.code().into()),
            Self::Idle => "nothing came for websocket_idle".into(),
            Self::Over => "closed".into(),
            Self::Spent => "it lived for websocket_life".into(),
        };
        Ended {
            denial: self.denial().cloned(),
            why,
            broken: matches!(self, Self::Broken | Self::BadFrame(Sender::Server, _)),
            received,
        }
    }
}

/// How long one side may take to be done after the other.
const PARTING: Duration = Duration::from_secs(10);
/// Where a timer points that nothing has armed.
const FAR: Duration = Duration::from_hours(1);
/// The shortest pause between two looks.
const SOON: Duration = Duration::from_millis(1);
