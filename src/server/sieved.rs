//! Response bodies that are changed while they stream through: JSON less some members, pages with an element of ours.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::upstream::Answer;
use super::wire::WireError;
use crate::rewrite::{
    foreword::Foreword,
    insert::Insert,
    sieve::{Sieve, SieveError},
};

/// An upstream's body, and what becomes of it.
pub(super) struct Sieved {
    answer: Answer,
    edit: Edit,
}

enum Edit {
    /// A page, into which something goes; whether it has ended.
    Insert(Insert, bool),
    /// JSON, less some members, with others at its beginning.
    Sieve(Sieve, Option<Foreword>),
}

impl Sieved {
    pub(super) fn new(
        answer: Answer,
        names: &'static [&'static str],
        foreword: Option<Foreword>,
    ) -> Self {
        Self {
            answer,
            edit: Edit::Sieve(Sieve::new(names), foreword),
        }
    }

    pub(super) fn inserted(answer: Answer, insert: Insert) -> Self {
        Self {
            answer,
            edit: Edit::Insert(insert, false),
        }
    }

    /// The next piece that stays. What is not JSON breaks off: its reader must not take it for complete.
    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, WireError>>> {
        loop {
            let data = ready!(self.answer.poll_data(cx)).transpose();
            let out = data.and_then(|data| self.edit.over(data.as_deref()).map_err(broken));
            match out {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(None) => return Poll::Ready(None),
                Ok(Some(out)) if out.is_empty() => {}
                Ok(Some(out)) => return Poll::Ready(Some(Ok(out.into()))),
            }
        }
    }
}

impl Edit {
    /// What goes on of the next part; of the end, what was held back, once.
    fn over(&mut self, part: Option<&[u8]>) -> Result<Option<Vec<u8>>, SieveError> {
        let mut out = Vec::new();
        match (self, part) {
            (Self::Insert(insert, _), Some(part)) => insert.push(part, &mut out),
            (Self::Insert(_, true), None) => return Ok(None),
            (Self::Insert(insert, ended), None) => {
                *ended = true;
                insert.finish(&mut out);
            }
            (Self::Sieve(sieve, _), None) => return sieve.finish().map(|()| None),
            (Self::Sieve(sieve, foreword), Some(part)) => {
                sieve.push(part, &mut out)?;
                if let Some(foreword) = foreword {
                    foreword.write(&mut out);
                }
            }
        }
        Ok(Some(out))
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

/// A whole page, with what goes into it.
pub(super) fn inserted(page: &[u8], mut insert: Insert) -> Bytes {
    let mut out = Vec::new();
    insert.push(page, &mut out);
    insert.finish(&mut out);
    out.into()
}
