//! Response bodies of JSON that stream through, less some members, and with others in their stead.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::upstream::Answer;
use super::wire::WireError;
use crate::rewrite::{
    foreword::Foreword,
    sieve::{Sieve, SieveError},
};

/// An upstream's JSON body, less some members.
pub(super) struct Sieved {
    answer: Answer,
    sieve: Sieve,
    foreword: Option<Foreword>,
}

impl Sieved {
    pub(super) fn new(
        answer: Answer,
        names: &'static [&'static str],
        foreword: Option<Foreword>,
    ) -> Self {
        Self {
            answer,
            sieve: Sieve::new(names),
            foreword,
        }
    }

    /// The next piece that stays. What is not JSON breaks off: its reader must not take it for complete.
    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, WireError>>> {
        loop {
            let Some(data) = ready!(self.answer.poll_data(cx)) else {
                return Poll::Ready(self.sieve.finish().err().map(|error| Err(broken(error))));
            };
            let mut out = Vec::new();
            let sieved = data.and_then(|data| self.sieve.push(&data, &mut out).map_err(broken));
            if let Some(foreword) = &mut self.foreword {
                foreword.write(&mut out);
            }
            match sieved {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(()) if out.is_empty() => {}
                Ok(()) => return Poll::Ready(Some(Ok(out.into()))),
            }
        }
    }
}

fn broken(error: SieveError) -> WireError {
    WireError::Io(io::Error::new(io::ErrorKind::InvalidData, error))
}

/// A whole body, sieved; `None` for what is not JSON.
pub(super) fn sieved(
    body: &[u8],
    names: &'static [&'static str],
    foreword: Option<Foreword>,
) -> Option<Bytes> {
    let (mut sieve, mut out) = (Sieve::new(names), Vec::new());
    sieve.push(body, &mut out).ok()?;
    sieve.finish().ok()?;
    if let Some(mut foreword) = foreword {
        foreword.write(&mut out);
    }
    Some(out.into())
}
