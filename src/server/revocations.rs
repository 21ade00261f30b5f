//! The revocations of a running gateway: the index that requests are checked against, and the log that brings it back after a restart.
//!
//! A revocation is in force when [`Ledger::revoke`] returns, and where there is a log it is on the disk by then, too. What cannot be written is in
//! force all the same, until the process ends, and the answer says so: when in doubt, access ends. Taking one back is the reverse: first on the
//! disk, then no longer in force. Whatever else learns of revocations (other gateways) calls the same functions.

mod log;
pub(super) mod steer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use self::log::Log;
use crate::{
    config::RevocationsSpec,
    gate::{
        request::UnixTime,
        revocation::{Entry, Revocation, RevocationId, Revocations, Unreadable},
    },
};

/// The revocations in force, and their log.
pub struct Ledger {
    index: Revocations,
    /// Whoever changes anything has this, so that index and log tell the same.
    log: Mutex<Option<Log>>,
    durable: bool,
    max: usize,
    changes: watch::Sender<u64>,
}

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A line that is none of ours: revocations may be missing, so nothing is served.
    #[error(
        "{}:{line}: not a line of the revocation log; restore the file, or take the line out if you know what it was",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: Unreadable,
    },
    /// The file cannot be opened, read or made whole.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another gateway writes it.
    #[error("{} belongs to another process that runs", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
}

/// Why a revocation was not made as asked.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// There are as many as there may be. It is not in force.
    #[error("there are {0} revocations, as many as `revocations.max` permits")]
    Full(usize),
    /// It is in force, but will not survive a restart.
    #[error("the log cannot be written")]
    Log(#[from] io::Error),
}

impl Ledger {
    /// Brings back what the log holds, or begins one; without a file, nothing is kept.
    ///
    /// A last line that was torn by a crash is cut off (it was never acknowledged); every other line that cannot be read is an error.
    ///
    /// # Errors
    /// The log cannot be used.
    pub fn open(spec: &RevocationsSpec, now: UnixTime) -> Result<Self, LedgerError> {
        let index = Revocations::new();
        let log = match &spec.file {
            None => None,
            Some(path) => Some(Log::open(path, &index, now)?),
        };
        if index.len() > spec.max {
            tracing::warn!(
                revocations = index.len(),
                max = spec.max,
                "more revocations are in force than may be made"
            );
        }
        Ok(Self {
            index,
            durable: log.is_some(),
            log: Mutex::new(log),
            max: spec.max,
            changes: watch::Sender::new(0),
        })
    }

    /// What requests are checked against.
    pub fn index(&self) -> &Revocations {
        &self.index
    }

    /// Whether revocations survive a restart.
    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// Counts changes: whoever serves for long (a tunnel) checks its grant again after each.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Puts a revocation in force, and on the disk. One whose id is known changes nothing. It waits for the disk.
    ///
    /// # Errors
    /// There are too many; or it could not be written, and is in force until the process ends.
    pub fn revoke(&self, revocation: Revocation, now: UnixTime) -> Result<(), Unwritten> {
        let mut log = self.turn();
        if self.index.get(revocation.id).is_some() {
            return Ok(());
        }
        if self.index.len() >= self.max {
            self.index.expire(now);
            if self.index.len() >= self.max {
                return Err(Unwritten::Full(self.max));
            }
        }
        let entry = [Entry::Made(revocation)];
        let written = log.as_mut().map_or(Ok(()), |log| log.append(&entry));
        let [entry] = entry;
        if let Entry::Made(revocation) = entry {
            self.index.add(revocation);
        }
        self.changed();
        Ok(written?)
    }

    /// Takes a revocation back; whether there was one. It waits for the disk.
    ///
    /// # Errors
    /// It could not be written, and so the revocation is in force as before.
    pub fn remove(&self, id: RevocationId) -> io::Result<bool> {
        let mut log = self.turn();
        if self.index.get(id).is_none() {
            return Ok(false);
        }
        if let Some(log) = log.as_mut() {
            log.append(&[Entry::Removed(id)])?;
        }
        self.index.remove(id);
        self.changed();
        Ok(true)
    }

    /// Puts in force what other gateways made, and takes back what they took back, in this order; how many were news. They are in force at once, and
    /// on the disk when this returns, with one write for all. As many as there are: a revocation that another gateway made is never left out.
    ///
    /// # Errors
    /// They could not be written, and are in force until the process ends.
    pub fn adopt(&self, entries: Vec<Entry>, now: UnixTime) -> io::Result<usize> {
        let mut log = self.turn();
        let mut news = Vec::new();
        for entry in entries {
            let new = match &entry {
                Entry::Made(revocation) if revocation.until <= now => false,
                Entry::Made(revocation) => self.index.add(revocation.clone()),
                Entry::Removed(id) => self.index.remove(*id).is_some(),
            };
            if new {
                news.push(entry);
            }
        }
        if news.is_empty() {
            return Ok(0);
        }
        self.changed();
        if let Some(log) = log.as_mut() {
            log.append(&news)?;
        }
        Ok(news.len())
    }

    /// Forgets what is over, and writes the log afresh once most of it is; to be called now and then. It waits for the disk.
    pub fn tidy(&self, now: UnixTime) {
        let mut log = self.turn();
        self.index.expire(now);
        if let Some(log) = log.as_mut() {
            log.tidy(&self.index);
        }
    }

    fn turn(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// What a log holds, read without touching it: for `embedgate explain`.
///
/// # Errors
/// The log cannot be read.
pub fn peek(path: &Path, now: UnixTime) -> Result<Revocations, LedgerError> {
    let index = Revocations::new();
    log::peek(path, &index, now)?;
    Ok(index)
}

#[cfg(test)]
mod tests;
