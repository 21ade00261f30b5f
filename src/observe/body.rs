//! A response body that carries the record of its request to the last byte.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf as _;
use http_body::{Body, Frame, SizeHint};

use super::record::Record;

/// A body with its record: counts what is sent, tells a complete response from one whose client hung up or whose upstream broke off.
#[derive(Debug)]
pub struct Recorded<B> {
    body: B,
    record: Record,
    /// Bytes still to come, where the length is known: a server stops asking for more once it has them all.
    left: Option<u64>,
}

impl<B: Body + Unpin> Recorded<B> {
    /// The record ends with the body.
    pub fn new(body: B, mut record: Record) -> Self {
        let left = body.size_hint().exact();
        if left == Some(0) || body.is_end_stream() {
            record.finish();
        }
        Self { body, record, left }
    }

    /// For a response to `HEAD`, and others whose body is never sent: complete with its head.
    pub fn headless(body: B, mut record: Record) -> Self {
        record.finish();
        Self {
            body,
            record,
            left: None,
        }
    }
}

impl<B: Body + Unpin> Body for Recorded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| {
                    u64::try_from(data.remaining()).unwrap_or(u64::MAX)
                });
                this.record.add_bytes(bytes);
                this.left = this.left.map(|left| left.saturating_sub(bytes));
                if this.left == Some(0) || this.body.is_end_stream() {
                    this.record.finish();
                }
            }
            Some(Err(_)) => this.record.broken(),
            None => this.record.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
