//! The thread that carries the trail from memory to its target.

use std::{
    io,
    sync::{Arc, LockResult, PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{Queue, Shared, lines_in, target::Target};

/// How long a record stays in memory at most, while the target takes writes.
const TICK: Duration = Duration::from_millis(50);
/// The longest pause between two attempts while it does not.
const SLOWEST: Duration = Duration::from_secs(1);
/// Buffers that a burst has blown up are given back down to this.
const KEEP: usize = 1 << 20;

/// Runs until the trail is closed.
pub(super) fn run(shared: &Arc<Shared>, target: Target) {
    // However this thread ends, nobody must believe that it still writes.
    let _ended = Ended(Arc::clone(shared));
    let mut writer = Writer {
        target,
        batch: Vec::new(),
        lines: 0,
        sent: 0,
        reopen: false,
        pause: TICK,
    };
    loop {
        let closing = writer.wait(shared);
        let result = writer.flush();
        writer.account(shared, result.as_ref().err());
        let finished = result.is_ok() && writer.nothing_left(shared);
        if closing && (finished || shared.past_deadline()) {
            return writer.give_up(shared);
        }
    }
}

struct Writer {
    target: Target,
    batch: Vec<u8>,
    /// Records in the batch.
    lines: u64,
    /// How much of the batch is written.
    sent: usize,
    /// The file is to be opened again.
    reopen: bool,
    /// Until the next attempt; longer after each that failed.
    pause: Duration,
}

impl Writer {
    /// Sleeps until there is something to do, then takes what has gathered. Whether the trail is being closed.
    fn wait(&mut self, shared: &Shared) -> bool {
        let troubled = self.pause > TICK;
        let queue = shared.lock();
        // A target that fails is not asked in a hot loop, whoever is in a hurry.
        let mut queue = if queue.closing && troubled {
            unpoison(shared.wake.wait_timeout(queue, TICK)).0
        } else {
            let idle = |queue: &mut Queue| {
                !(queue.closing || (!troubled && (queue.reopen || queue.hurry)))
            };
            unpoison(shared.wake.wait_timeout_while(queue, self.pause, idle)).0
        };
        self.reopen |= std::mem::take(&mut queue.reopen);
        if self.batch.is_empty() {
            std::mem::swap(&mut self.batch, &mut queue.bytes);
            queue.held = self.batch.len();
            self.lines = std::mem::take(&mut queue.fresh);
            queue.hurry = false;
        }
        queue.closing
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() && !self.reopen {
            return Ok(());
        }
        let refreshed = self.target.refresh(self.reopen)?;
        self.reopen = false;
        if refreshed {
            // The rest of a line that was cut off belongs to the old file; the new one gets the whole line.
            let done = self.batch.get(..self.sent).unwrap_or_default();
            self.sent = done
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
        }
        while let Some(rest) = self.batch.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.target.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Counts, forgets what is written, and says how the target is doing.
    fn account(&mut self, shared: &Shared, error: Option<&io::Error>) {
        if let Some(error) = error {
            shared.counters.failed.inc();
            if !shared.failing.swap(true, Ordering::Relaxed) {
                tracing::error!(output = ?self.target, %error, "the audit trail cannot be written");
            }
            self.pause = (self.pause * 2).min(SLOWEST);
            return;
        }
        if !self.batch.is_empty() {
            shared.wrote(self.lines);
            // Given back slowly, so that a steady stream finds its buffer warm.
            if self.batch.len() < self.batch.capacity() / 4 {
                let half = self.batch.capacity() / 2;
                self.batch.shrink_to(half.max(KEEP));
            }
            self.batch.clear();
            self.sent = 0;
        }
        self.pause = TICK;
        if shared.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(output = ?self.target, "the audit trail is written again");
        }
    }

    /// Of a batch that cannot be finished, the lines that are whole in the target count as written.
    fn give_up(&self, shared: &Shared) {
        shared.wrote(lines_in(self.batch.get(..self.sent).unwrap_or_default()));
    }

    fn nothing_left(&self, shared: &Shared) -> bool {
        self.batch.is_empty() && shared.lock().bytes.is_empty()
    }
}

struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn unpoison<T>(result: LockResult<T>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}
