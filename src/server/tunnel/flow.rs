//! One direction of a tunnel: read, checked to be frames, written on.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    rewrite::frames::{BadFrame, Frames, Sender},
    server::io::Io,
};

pub(super) struct Flow {
    /// What the receiver did not take yet, from `at` on. Nothing more is read meanwhile; with nothing in it, it has no memory.
    rest: Vec<u8>,
    at: usize,
    /// The frames as they came, and as they went.
    came: Frames,
    went: Frames,
    unflushed: bool,
    bytes: u64,
    reading: Half,
    writing: Half,
}

/// One end of a direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Half {
    /// It broke.
    Broken,
    /// It is over.
    Done,
    Open,
}

impl Flow {
    pub(super) fn of(sender: Sender) -> Self {
        Self {
            rest: Vec::new(),
            at: 0,
            came: Frames::of(sender),
            went: Frames::of(sender),
            unflushed: false,
            bytes: 0,
            reading: Half::Open,
            writing: Half::Open,
        }
    }

    /// Takes what was read before the tunnel began.
    pub(super) fn load(&mut self, early: &[u8]) -> Result<(), BadFrame> {
        self.came.feed(early)?;
        self.rest.extend_from_slice(early);
        Ok(())
    }

    /// Bytes that the receiver took.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the receiver has a Close frame.
    pub(super) fn is_closed(&self) -> bool {
        self.went.is_closed()
    }

    /// Whether nothing more will come.
    pub(super) fn is_ending(&self) -> bool {
        self.is_closed() || self.reading != Half::Open || self.writing != Half::Open
    }

    /// Whether a Close frame of ours may go to the receiver now.
    pub(super) fn is_between(&self) -> bool {
        self.writing == Half::Open && self.went.is_between()
    }

    /// Carries what there is; ready when the sender is done and the receiver knows.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Io,
        to: &mut Io,
    ) -> Poll<Result<(), BadFrame>> {
        loop {
            if self.writing != Half::Open {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_drain(cx, to, usize::MAX)).is_err() {
                continue;
            }
            if self.reading != Half::Open {
                let shut = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                self.writing = shut.map_or(Half::Broken, |()| Half::Done);
                continue;
            }
            let mut room = [MaybeUninit::uninit(); ROOM];
            let mut buffer = ReadBuf::uninit(&mut room);
            match Pin::new(&mut *from).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.reading = Half::Done,
                Poll::Ready(Ok(())) => {
                    self.came.feed(buffer.filled())?;
                    self.offer(cx, to, buffer.filled());
                }
                Poll::Ready(Err(_)) => self.reading = Half::Broken,
                Poll::Pending => {
                    self.rest = Vec::new();
                    let _flushed = ready!(self.poll_flush(cx, to));
                    return Poll::Pending;
                }
            }
        }
    }

    /// Goes on until the frame in progress is over. Bytes of the next one are not written any more.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Io,
        to: &mut Io,
    ) -> Poll<()> {
        loop {
            if self.writing != Half::Open || self.went.is_between() || self.is_closed() {
                return Poll::Ready(());
            }
            let waiting = self.rest.get(self.at..).unwrap_or_default();
            let most = self.went.rest(waiting).unwrap_or(0);
            if most > 0 {
                let _done = ready!(self.poll_drain(cx, to, most));
                continue;
            }
            if self.reading != Half::Open {
                return Poll::Ready(());
            }
            let mut room = [MaybeUninit::uninit(); ROOM];
            let mut buffer = ReadBuf::uninit(&mut room);
            match ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer)) {
                Ok(())
                    if !buffer.filled().is_empty() && self.came.feed(buffer.filled()).is_ok() =>
                {
                    self.rest.clear();
                    self.rest.extend_from_slice(buffer.filled());
                    self.at = 0;
                }
                Ok(()) | Err(_) => self.reading = Half::Broken,
            }
        }
    }

    /// Writes what waits, at most so much of it.
    fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Io,
        most: usize,
    ) -> Poll<io::Result<()>> {
        let end = self.at.saturating_add(most).min(self.rest.len());
        while let Some(waiting) = self.rest.get(self.at..end).filter(|rest| !rest.is_empty()) {
            let wrote = ready!(Pin::new(&mut *to).poll_write(cx, waiting));
            let taken = match wrote {
                Ok(n) if n > 0 => waiting.get(..n).unwrap_or_default(),
                Ok(_) | Err(_) => return Poll::Ready(Err(self.fail())),
            };
            // They were seen to be frames when they came.
            let _checked = self.went.feed(taken);
            let n = taken.len();
            self.sent(n);
            self.at = self.at.saturating_add(n);
        }
        if self.at == self.rest.len() {
            self.rest.clear();
            self.at = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what the receiver takes at once, and keeps the rest.
    fn offer(&mut self, cx: &mut Context<'_>, to: &mut Io, mut fresh: &[u8]) {
        while !fresh.is_empty() {
            match Pin::new(&mut *to).poll_write(cx, fresh) {
                Poll::Ready(Ok(n)) if n > 0 => {
                    let (taken, left) = fresh.split_at_checked(n).unwrap_or((fresh, &[]));
                    let _checked = self.went.feed(taken);
                    self.sent(taken.len());
                    fresh = left;
                }
                Poll::Ready(Ok(_) | Err(_)) => return drop(self.fail()),
                Poll::Pending => {
                    self.rest.extend_from_slice(fresh);
                    return;
                }
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Io) -> Poll<io::Result<()>> {
        if self.unflushed {
            let flushed = ready!(Pin::new(to).poll_flush(cx));
            self.unflushed = false;
            if flushed.is_err() {
                return Poll::Ready(Err(self.fail()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn sent(&mut self, n: usize) {
        self.unflushed = true;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
    }

    /// The receiver is gone.
    fn fail(&mut self) -> io::Error {
        self.writing = Half::Broken;
        self.rest = Vec::new();
        self.at = 0;
        io::ErrorKind::BrokenPipe.into()
    }
}

/// Bytes that are read at once, and the most that waits for a receiver (but for what came before the tunnel began).
const ROOM: usize = 16 * 1024;
