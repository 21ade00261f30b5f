//! One HTTP/1.1 connection to an upstream: a request out, a response in, driven by whoever waits for it.
//!
//! There is no task and no channel behind a connection: the request's own future (and later its response body) reads and
//! writes the socket. That costs a third of a general client and gives back-pressure for free. What is given up is
//! pipelining and HTTP/2 towards the upstream, which a BI server does not need.

pub mod chunked;
pub mod head;

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, StatusCode};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use self::chunked::Piece;
use self::head::{Framing, Incoming, Length, Outgoing};
use super::body::{BodyError, RequestBody};
use super::io::Io;

/// The upstream's bytes (or a request of ours) cannot be framed with certainty.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FramingError {
    /// A chunk is malformed.
    #[error("malformed chunked body")]
    Chunk,
    /// The length of the body can be read in two ways.
    #[error("conflicting message length")]
    Conflict,
    /// The head is not HTTP/1.
    #[error("malformed response head")]
    Head,
    /// The request target is not a plain path.
    #[error("request target is not a plain path")]
    Target,
    /// The head is too large.
    #[error("response head too large")]
    TooLarge,
    /// The connection was switched without having been asked to, or informed us without end.
    #[error("unexpected informational response")]
    Unexpected,
}

impl From<httparse::Error> for FramingError {
    fn from(error: httparse::Error) -> Self {
        if error == httparse::Error::TooManyHeaders {
            return Self::TooLarge;
        }
        Self::Head
    }
}

/// What ended an exchange early.
#[derive(Debug, Error)]
pub enum WireError {
    /// The client's body could not be read to its end.
    #[error("request body")]
    Body(#[source] BodyError),
    /// The upstream closed before the message was complete.
    #[error("upstream closed the connection")]
    Closed,
    /// The upstream does not speak HTTP/1.1 as it should.
    #[error("upstream response")]
    Framing(#[from] FramingError),
    /// The socket failed.
    #[error("upstream connection")]
    Io(#[from] io::Error),
    /// The upstream was silent for too long.
    #[error("upstream timed out")]
    Timeout,
}

/// A connection and what is in its buffers.
#[derive(Debug)]
pub(super) struct Wire {
    io: Io,
    input: BytesMut,
    output: BytesMut,
    upload: Upload,
    unflushed: bool,
    /// Set with the first byte that the socket took of the current request.
    pub(super) touched: bool,
    /// Set with the first byte of the current response.
    pub(super) answered: bool,
    /// Set when the request was not sent whole: nothing may follow it.
    broken: bool,
    /// Whether this connection served a request before the current one.
    pub(super) reused: bool,
    /// One timer for the life of the connection: it is armed again only when it fires too early.
    timer: Pin<Box<Sleep>>,
    deadline: Option<Instant>,
}

#[derive(Debug)]
enum Upload {
    Chunked(RequestBody),
    Done,
    Exact(RequestBody, u64),
}

impl Wire {
    pub(super) fn new(io: Io) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            output: BytesMut::new(),
            upload: Upload::Done,
            unflushed: false,
            touched: false,
            answered: false,
            broken: false,
            reused: false,
            timer: Box::pin(sleep_until(Instant::now() + UNARMED)),
            deadline: None,
        }
    }

    /// The stream and what was read beyond the head, for a tunnel.
    pub(super) fn into_parts(self) -> (Io, Bytes) {
        (self.io, self.input.freeze())
    }

    /// Whether an idle connection can carry a request: open, and silent.
    pub(super) fn is_fit(&mut self) -> bool {
        if !self.input.is_empty() {
            return false;
        }
        let cx = &mut Context::from_waker(Waker::noop());
        self.poll_fill(cx, 1).is_pending()
    }

    /// Sends a request and reads the response head; the rest of an early response's request goes on in the body's polls.
    pub(super) async fn exchange(
        &mut self,
        outgoing: &Outgoing<'_>,
        (authority, prefix): (&str, &str),
        body: RequestBody,
        patience: Duration,
    ) -> Result<Incoming, WireError> {
        (self.touched, self.answered) = (false, false);
        self.output.clear();
        let length = body.length();
        outgoing.write(authority, prefix, length, &mut self.output)?;
        self.upload = match length {
            _ if body.append_if_small(&mut self.output) => Upload::Done,
            Length::Chunked => Upload::Chunked(body),
            Length::Exact(n) => Upload::Exact(body, n),
            Length::None => Upload::Done,
        };
        self.deadline = None;
        let mut reading = Reading {
            method: outgoing.method,
            upgrade: outgoing.upgrade.is_some(),
            seen: 0,
            informational: 0,
        };
        std::future::poll_fn(|cx| self.poll_exchange(cx, &mut reading, patience)).await
    }

    /// Takes back the request body of a failed exchange, if nothing of it was read.
    pub(super) fn take_untouched_body(&mut self) -> Option<RequestBody> {
        match std::mem::replace(&mut self.upload, Upload::Done) {
            Upload::Chunked(body) | Upload::Exact(body, _) => body.is_untouched().then_some(body),
            Upload::Done => None,
        }
    }

    fn poll_exchange(
        &mut self,
        cx: &mut Context<'_>,
        reading: &mut Reading<'_>,
        patience: Duration,
    ) -> Poll<Result<Incoming, WireError>> {
        let sent = self.poll_upload(cx);
        if matches!(sent, Poll::Ready(Err(WireError::Body(_)))) {
            return sent.map(|sent| Err(sent.err().unwrap_or(WireError::Closed)));
        }
        // The response may come before the request is out, or although sending failed.
        match self.poll_head(cx, reading) {
            Poll::Ready(Err(WireError::Closed)) if matches!(sent, Poll::Ready(Err(_))) => {
                return sent.map(|sent| Err(sent.err().unwrap_or(WireError::Closed)));
            }
            Poll::Ready(done) => {
                self.deadline = None;
                self.broken = matches!(sent, Poll::Ready(Err(_)));
                if matches!(&done, Ok(head) if head.is_switch()) && !self.is_sent() {
                    // It switched before it had the whole request: what follows is anybody's guess.
                    return Poll::Ready(Err(FramingError::Unexpected.into()));
                }
                return Poll::Ready(done);
            }
            Poll::Pending => {}
        }
        match sent {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The clock runs once the upstream has the whole request; a slow upload has the client's own time limit.
            Poll::Ready(Ok(())) => self.poll_patience(cx, patience).map(Err),
            // Unless it is the upstream that does not take it.
            Poll::Pending if !self.output.is_empty() => self.poll_patience(cx, patience).map(Err),
            Poll::Pending => {
                self.deadline = None;
                Poll::Pending
            }
        }
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        reading: &mut Reading<'_>,
    ) -> Poll<Result<Incoming, WireError>> {
        loop {
            if !self.input.is_empty() {
                match head::read(&mut self.input, &mut reading.seen, reading.method)? {
                    Some(head) if reading.skips(head.status)? => continue,
                    Some(head) => return Poll::Ready(Ok(head)),
                    None => {}
                }
            }
            ready!(self.poll_fill(cx, SMALL))?;
            self.answered = true;
        }
    }

    /// Writes what is to be written and takes more from the client, until all is out.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        loop {
            ready!(self.poll_drain(cx))?;
            let frame = match &mut self.upload {
                Upload::Done => return Poll::Ready(Ok(())),
                Upload::Chunked(body) | Upload::Exact(body, _) => ready!(body.poll_data(cx)),
            };
            match frame {
                Some(Ok(data)) => self.put(&data)?,
                None => self.put_end()?,
                Some(Err(error)) => {
                    self.upload = Upload::Done;
                    return Poll::Ready(Err(WireError::Body(error)));
                }
            }
        }
    }

    fn put(&mut self, data: &Bytes) -> Result<(), WireError> {
        if data.is_empty() {
            return Ok(());
        }
        match &mut self.upload {
            Upload::Chunked(_) => {
                let size = format!("{:x}\r\n", data.len());
                self.output.extend_from_slice(size.as_bytes());
                self.output.extend_from_slice(data);
                self.output.extend_from_slice(b"\r\n");
            }
            Upload::Done => {}
            Upload::Exact(_, left) => {
                let n = u64::try_from(data.len()).unwrap_or(u64::MAX);
                *left = left
                    .checked_sub(n)
                    .ok_or(WireError::Body(BodyError::Broken))?;
                self.output.extend_from_slice(data);
            }
        }
        Ok(())
    }

    fn put_end(&mut self) -> Result<(), WireError> {
        match std::mem::replace(&mut self.upload, Upload::Done) {
            Upload::Chunked(_) => self.output.extend_from_slice(b"0\r\n\r\n"),
            Upload::Done | Upload::Exact(_, 0) => {}
            Upload::Exact(_, _) => return Err(WireError::Body(BodyError::Broken)),
        }
        Ok(())
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        while !self.output.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.output))?;
            if n == 0 {
                return Poll::Ready(Err(WireError::Closed));
            }
            self.touched = true;
            self.unflushed = true;
            // Progress: whoever is patient starts anew.
            self.deadline = None;
            self.output.advance(n);
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// The next bytes of the response body, or its end.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        framing: &mut Framing,
        patience: Duration,
    ) -> Poll<Option<Result<Bytes, WireError>>> {
        if !self.is_sent() && matches!(self.poll_upload(cx), Poll::Ready(Err(_))) {
            self.broken = true;
        }
        match self.poll_piece(cx, framing) {
            Poll::Pending => self
                .poll_patience(cx, patience)
                .map(|error| Some(Err(error))),
            done @ Poll::Ready(_) => {
                self.deadline = None;
                done
            }
        }
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        framing: &mut Framing,
    ) -> Poll<Option<Result<Bytes, WireError>>> {
        loop {
            let want = match framing {
                Framing::Chunked(chunked) => match chunked.decode(&mut self.input) {
                    Ok(Piece::Data(data)) => return Poll::Ready(Some(Ok(data))),
                    Ok(Piece::End) => {
                        *framing = Framing::Done;
                        return Poll::Ready(None);
                    }
                    Ok(Piece::More) => LARGE,
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                },
                Framing::Done => return Poll::Ready(None),
                Framing::Length(left) => match chunked::take(&mut self.input, *left) {
                    Some(data) => {
                        let n = u64::try_from(data.len()).unwrap_or(u64::MAX);
                        *left = left.saturating_sub(n);
                        if *left == 0 {
                            *framing = Framing::Done;
                        }
                        return Poll::Ready(Some(Ok(data)));
                    }
                    None => usize::try_from(*left).map_or(LARGE, |left| left.clamp(SMALL, LARGE)),
                },
                Framing::UntilClose => match chunked::take(&mut self.input, u64::MAX) {
                    Some(data) => return Poll::Ready(Some(Ok(data))),
                    None => LARGE,
                },
            };
            match ready!(self.poll_fill(cx, want)) {
                Ok(()) => {}
                Err(WireError::Closed) if matches!(framing, Framing::UntilClose) => {
                    *framing = Framing::Done;
                    return Poll::Ready(None);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Whether the request is out, or never will be.
    fn is_sent(&self) -> bool {
        self.broken || (matches!(self.upload, Upload::Done) && self.output.is_empty())
    }

    /// Whether a next request may follow: everything sent, nothing left over.
    pub(super) fn is_clean(&self) -> bool {
        self.is_sent() && !self.broken && self.input.is_empty()
    }

    /// Whether a response of this framing is over with what has been read.
    pub(super) fn is_over(&mut self, framing: &mut Framing) -> bool {
        match framing {
            Framing::Done => true,
            Framing::Chunked(chunked) => {
                let over = chunked.is_over(&mut self.input);
                if over {
                    *framing = Framing::Done;
                }
                over
            }
            Framing::Length(_) | Framing::UntilClose => false,
        }
    }

    /// Makes a clean connection ready for its next request.
    pub(super) fn rest(&mut self) {
        self.reused = true;
        self.deadline = None;
        if self.input.capacity() > KEPT {
            self.input = BytesMut::new();
        }
        if self.output.capacity() > KEPT {
            self.output = BytesMut::new();
        }
    }

    /// Reads once, with room for `want` bytes.
    fn poll_fill(&mut self, cx: &mut Context<'_>, want: usize) -> Poll<Result<(), WireError>> {
        self.input.reserve(want.max(MIN_READ));
        match ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx))? {
            0 => Poll::Ready(Err(WireError::Closed)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn arm(&mut self, patience: Duration) -> Instant {
        if let Some(deadline) = self.deadline {
            return deadline;
        }
        let deadline = Instant::now() + patience;
        self.deadline = Some(deadline);
        if self.timer.deadline() > deadline || self.timer.is_elapsed() {
            self.timer.as_mut().reset(deadline);
        }
        deadline
    }

    /// Ready when the peer has been silent for `patience` since the last progress.
    fn poll_patience(&mut self, cx: &mut Context<'_>, patience: Duration) -> Poll<WireError> {
        let deadline = self.arm(patience);
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(WireError::Timeout);
            }
            self.timer.as_mut().reset(deadline);
        }
    }
}

/// The state of waiting for a response head.
struct Reading<'a> {
    method: &'a Method,
    upgrade: bool,
    seen: usize,
    informational: u8,
}

impl Reading<'_> {
    /// Whether a head is an interim one. `Expect` was not passed on, so 100 is noise; 103 is not worth the trouble.
    fn skips(&mut self, status: StatusCode) -> Result<bool, FramingError> {
        if !status.is_informational() {
            return Ok(false);
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return self
                .upgrade
                .then_some(false)
                .ok_or(FramingError::Unexpected);
        }
        self.informational = self.informational.saturating_add(1);
        if self.informational > INFORMATIONAL {
            return Err(FramingError::Unexpected);
        }
        Ok(true)
    }
}

/// Where a timer points that nothing has armed yet; it only ever fires early.
const UNARMED: Duration = Duration::from_hours(1);
const SMALL: usize = 8 * 1024;
const LARGE: usize = 64 * 1024;
const MIN_READ: usize = 1024;
/// Buffers above this are not kept by an idle connection.
const KEPT: usize = 16 * 1024;
const INFORMATIONAL: u8 = 8;
