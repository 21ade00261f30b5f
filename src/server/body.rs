//! Bodies: what a client sends, bounded and timed; what it gets, counted until its last byte or its loss.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::{Sleep, sleep};

pub use super::follow::BodyObserver;
use super::sieved::{Sieved, inserted, sieved};
use super::tunnel::{Guard, Tunnel};
use super::upstream::Answer;
use super::watch::Busy;
use super::wire::head::Length;
use super::wire::{Wire, WireError};
use crate::rewrite::{foreword::Foreword, insert::Insert};

/// Why a client's body was not read to its end.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum BodyError {
    /// The client broke the framing or went away.
    #[error("body ended early")]
    Broken,
    /// The client paused for too long.
    #[error("body timed out")]
    Timeout,
    /// More bytes than the route allows.
    #[error("body too large")]
    TooLarge,
}

/// A request body on its way to the upstream.
#[derive(Debug)]
pub struct RequestBody(Source);

#[derive(Debug)]
enum Source {
    Empty,
    Full(Bytes),
    Stream(Limited),
}

#[derive(Debug)]
struct Limited {
    incoming: Incoming,
    left: u64,
    pause: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    touched: bool,
}

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self(Source::Empty)
    }

    /// A body that we hold whole, usually one that a rewrite has built.
    pub fn full(bytes: Bytes) -> Self {
        Self(Source::Full(bytes))
    }

    /// The client's body as it comes: at most `limit` bytes, never `pause` without one.
    ///
    /// # Errors
    ///
    /// The declared length is already too large.
    pub fn stream(incoming: Incoming, limit: u64, pause: Duration) -> Result<Self, BodyError> {
        if incoming.is_end_stream() {
            return Ok(Self::empty());
        }
        if incoming.size_hint().lower() > limit {
            return Err(BodyError::TooLarge);
        }
        Ok(Self(Source::Stream(Limited {
            incoming,
            left: limit,
            pause,
            timer: None,
            touched: false,
        })))
    }

    /// Reads the client's body whole, within the same bounds.
    ///
    /// # Errors
    ///
    /// It is too large, too slow or breaks off.
    pub async fn collect(
        incoming: Incoming,
        limit: u64,
        pause: Duration,
    ) -> Result<Bytes, BodyError> {
        let mut body = Self::stream(incoming, limit, pause)?;
        let Some(first) = body.data().await else {
            return Ok(Bytes::new());
        };
        let first = first?;
        let Some(second) = body.data().await else {
            return Ok(first);
        };
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&second?);
        while let Some(data) = body.data().await {
            whole.extend_from_slice(&data?);
        }
        Ok(whole.freeze())
    }

    async fn data(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_data(cx)).await
    }

    /// The same body again, where we hold it whole.
    pub(super) fn copy(&self) -> Option<Self> {
        match &self.0 {
            Source::Empty => Some(Self::empty()),
            Source::Full(bytes) => Some(Self::full(bytes.clone())),
            Source::Stream(_) => None,
        }
    }

    /// Lets a small body travel in one packet with its head.
    pub(super) fn append_if_small(&self, output: &mut BytesMut) -> bool {
        let Source::Full(bytes) = &self.0 else {
            return false;
        };
        let small = bytes.len() <= 16 * 1024;
        if small {
            output.extend_from_slice(bytes);
        }
        small
    }

    pub(super) fn length(&self) -> Length {
        match &self.0 {
            Source::Empty => Length::None,
            Source::Full(bytes) => Length::Exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Source::Stream(limited) => match limited.incoming.size_hint().exact() {
                Some(length) => Length::Exact(length),
                None => Length::Chunked,
            },
        }
    }

    /// Whether the body can still be sent from its beginning.
    pub(super) fn is_untouched(&self) -> bool {
        match &self.0 {
            Source::Empty | Source::Full(_) => true,
            Source::Stream(limited) => !limited.touched,
        }
    }

    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &mut self.0 {
            Source::Empty => Poll::Ready(None),
            Source::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Source::Empty;
                Poll::Ready(Some(Ok(bytes)))
            }
            Source::Stream(limited) => limited.poll_data(cx),
        }
    }
}

impl Limited {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                return self.poll_pause(cx).map(|()| Some(Err(BodyError::Timeout)));
            };
            self.timer = None;
            let Some(frame) = frame else {
                return Poll::Ready(None);
            };
            self.touched = true;
            let Ok(frame) = frame else {
                return Poll::Ready(Some(Err(BodyError::Broken)));
            };
            // Trailers end here: no BI server reads them, and they would bypass every header rule.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let n = u64::try_from(data.len()).unwrap_or(u64::MAX);
            let Some(left) = self.left.checked_sub(n) else {
                return Poll::Ready(Some(Err(BodyError::TooLarge)));
            };
            self.left = left;
            return Poll::Ready(Some(Ok(data)));
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = self.pause;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(pause)));
        timer.as_mut().poll(cx)
    }
}

/// A response body.
pub struct Body {
    kind: Kind,
    observer: Option<Box<dyn BodyObserver>>,
    busy: Option<Busy>,
}

enum Kind {
    Empty,
    Full(Bytes),
    Sieved(Box<Sieved>),
    Tunnel(Box<Tunnel>),
    Upstream(Answer),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Empty => "empty",
            Kind::Full(_) => "full",
            Kind::Sieved(_) => "sieved",
            Kind::Tunnel(_) => "tunnel",
            Kind::Upstream(_) => "upstream",
        };
        f.debug_tuple("Body").field(&kind).finish()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::new(Kind::Empty)
    }

    /// A body that we hold whole.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Self::empty();
        }
        Self::new(Kind::Full(bytes))
    }

    pub(super) fn upstream(answer: Answer) -> Self {
        if answer.is_done() {
            return Self::empty();
        }
        Self::new(Kind::Upstream(answer))
    }

    pub(super) fn tunnel(wire: Box<Wire>) -> Self {
        Self::new(Kind::Tunnel(Box::new(Tunnel::new(wire))))
    }

    /// Sets whoever says when the tunnel must end, where this is one.
    pub(super) fn guard(&mut self, guard: Guard) {
        if let Kind::Tunnel(tunnel) = &mut self.kind {
            tunnel.guard(guard);
        }
    }

    /// The same body without the JSON members of these names, at any depth, and with others of our own at its beginning.
    #[must_use]
    pub(super) fn without(
        mut self,
        names: &'static [&'static str],
        foreword: Option<Foreword>,
    ) -> Self {
        self.kind = match self.kind {
            Kind::Upstream(answer) => Kind::Sieved(Box::new(Sieved::new(answer, names, foreword))),
            // What cannot be sieved whole is not sent at all.
            Kind::Full(bytes) => sieved(&bytes, names, foreword).map_or(Kind::Empty, Kind::Full),
            kind @ (Kind::Empty | Kind::Sieved(_) | Kind::Tunnel(_)) => kind,
        };
        self
    }

    /// The same page with something of ours in it.
    #[must_use]
    pub(super) fn inserted(mut self, insert: Insert) -> Self {
        self.kind = match self.kind {
            Kind::Upstream(answer) => Kind::Sieved(Box::new(Sieved::inserted(answer, insert))),
            Kind::Full(bytes) => Kind::Full(inserted(&bytes, insert)),
            kind @ (Kind::Empty | Kind::Sieved(_) | Kind::Tunnel(_)) => kind,
        };
        self
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            observer: None,
            busy: None,
        }
    }

    /// Lets an observer follow the body; it is dropped with it. One observer at a time: a later one replaces it.
    #[must_use]
    pub fn observed(mut self, mut observer: Box<dyn BodyObserver>) -> Self {
        if matches!(self.kind, Kind::Empty) {
            observer.complete();
        }
        self.observer = Some(observer);
        self
    }

    /// Keeps the connection's count of requests in progress until the body is gone.
    pub(super) fn hold(&mut self, mut busy: Busy) {
        busy.wait(matches!(self.kind, Kind::Sieved(_) | Kind::Upstream(_)));
        self.busy = Some(busy);
    }

    /// Whether this stands for an accepted upgrade: its 101 must reach the client with its `Connection` and `Upgrade`.
    pub fn is_tunnel(&self) -> bool {
        matches!(self.kind, Kind::Tunnel(_))
    }

    /// The tunnel, with whoever follows this body.
    pub(super) fn take_tunnel(&mut self) -> Option<Box<Tunnel>> {
        match std::mem::replace(&mut self.kind, Kind::Empty) {
            Kind::Tunnel(mut tunnel) => {
                tunnel.observe(self.observer.take());
                Some(tunnel)
            }
            kind @ (Kind::Empty | Kind::Full(_) | Kind::Sieved(_) | Kind::Upstream(_)) => {
                self.kind = kind;
                None
            }
        }
    }

    /// Reads a response body whole, at most `limit` bytes: for responses that must be rewritten.
    ///
    /// # Errors
    ///
    /// It is larger than that, or the upstream breaks off.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, CollectError> {
        if self.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(CollectError::TooLarge);
        }
        let mut whole = BytesMut::new();
        while let Some(data) = std::future::poll_fn(|cx| self.poll_kind(cx)).await {
            let data = data?;
            if whole.len().saturating_add(data.len()) > limit {
                return Err(CollectError::TooLarge);
            }
            if whole.is_empty() && self.is_end_stream() {
                return Ok(data);
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    fn poll_kind(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, WireError>>> {
        match &mut self.kind {
            Kind::Empty | Kind::Tunnel(_) => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.kind = Kind::Empty;
                Poll::Ready(Some(Ok(bytes)))
            }
            Kind::Sieved(sieved) => {
                let data = ready!(sieved.poll_data(cx));
                if data.is_none() {
                    self.kind = Kind::Empty;
                }
                Poll::Ready(data)
            }
            Kind::Upstream(answer) => {
                let data = ready!(answer.poll_data(cx));
                if answer.is_done() {
                    self.kind = Kind::Empty;
                }
                Poll::Ready(data)
            }
        }
    }

    fn observe(&mut self, data: Option<&Bytes>) {
        let Some(observer) = &mut self.observer else {
            return;
        };
        if let Some(data) = data {
            observer.bytes(u64::try_from(data.len()).unwrap_or(u64::MAX));
        }
        if matches!(self.kind, Kind::Empty) {
            observer.complete();
        }
    }
}

/// Why a response body could not be read whole.
#[derive(Debug, Error)]
pub enum CollectError {
    /// More bytes than we are willing to hold.
    #[error("response body too large to rewrite")]
    TooLarge,
    /// The upstream failed on the way.
    #[error("response body")]
    Wire(#[from] WireError),
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let this = self.get_mut();
        let polled = this.poll_kind(cx);
        if let Some(busy) = &mut this.busy {
            busy.wait(polled.is_pending());
        }
        Poll::Ready(match ready!(polled) {
            Some(Ok(data)) => {
                this.observe(Some(&data));
                Some(Ok(Frame::data(data)))
            }
            Some(Err(error)) => {
                // The observer is told, and learns of the end by its drop.
                this.kind = Kind::Empty;
                if let Some(mut observer) = this.observer.take() {
                    observer.broken();
                }
                Some(Err(error))
            }
            None => {
                this.observe(None);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Empty | Kind::Tunnel(_))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty | Kind::Tunnel(_) => SizeHint::with_exact(0),
            Kind::Full(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Kind::Sieved(_) => SizeHint::default(),
            Kind::Upstream(answer) => answer.size_hint(),
        }
    }
}
