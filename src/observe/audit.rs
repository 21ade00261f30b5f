//! The audit trail: one JSON line per decision, in a bounded buffer that one thread carries to its target.
//!
//! A request only copies its line into memory; it neither waits for the disk nor wakes a thread. Nothing is lost silently:
//! a record is written, or it is counted as dropped. With `required`, requests are refused before a record would be lost.

mod line;
mod target;
mod writer;

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub(in crate::observe) use line::Line;
pub use line::Outcome;
use target::Target;
use tokio::time::Instant;

use super::metrics::AuditCounters;

/// Where the trail goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuditOutput {
    /// A file, appended to; made readable for its owner alone. It may be renamed away at any time: the next batch goes to a new one.
    File(PathBuf),
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
}

/// How the trail is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditSettings {
    /// Bytes of records that may wait in memory.
    pub buffer: usize,
    /// Where it goes.
    pub output: AuditOutput,
    /// Refuse requests rather than lose a record.
    pub required: bool,
    /// Write the values of locked parameters too, not only their names.
    pub values: bool,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            buffer: 8 << 20,
            output: AuditOutput::Stdout,
            required: false,
            values: false,
        }
    }
}

/// The trail. Closed (and everything written) when dropped; better with [`Audit::close`], which says what was lost.
#[derive(Debug)]
pub struct Audit {
    shared: Option<Arc<Shared>>,
    values: bool,
}

impl Audit {
    /// Opens the target and starts the thread that writes to it.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no thread to be had.
    pub fn open(settings: &AuditSettings, counters: AuditCounters) -> io::Result<Self> {
        let target = match &settings.output {
            AuditOutput::File(path) => Target::file(path.clone())?,
            AuditOutput::Off => return Ok(Self::off()),
            AuditOutput::Stdout => Target::stdout()?,
        };
        Self::start(settings, counters, target)
    }

    /// To any writer (`output` is not looked at).
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn to_writer(
        writer: Box<dyn Write + Send>,
        settings: &AuditSettings,
        counters: AuditCounters,
    ) -> io::Result<Self> {
        Self::start(settings, counters, Target::Stream(writer))
    }

    /// No trail.
    pub fn off() -> Self {
        Self {
            shared: None,
            values: false,
        }
    }

    fn start(
        settings: &AuditSettings,
        counters: AuditCounters,
        target: Target,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(settings, counters));
        let thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer::run(&thread, target))?;
        Ok(Self {
            shared: Some(shared),
            values: settings.values,
        })
    }

    /// Whether a request may be served: false where a record is required and would not find its place.
    /// Asked before anything else of a request, so that what is let in can be recorded.
    pub fn ready(&self) -> bool {
        let Some(shared) = &self.shared else {
            return true;
        };
        !shared.required
            || !(shared.full.load(Ordering::Relaxed) || shared.failing.load(Ordering::Relaxed))
    }

    /// Opens the file again (after log rotation; it is noticed without, too).
    pub fn reopen(&self) {
        if let Some(shared) = &self.shared {
            shared.lock().reopen = true;
            shared.wake.notify_one();
        }
    }

    /// Writes what is left, for so long at most, and stops. Later records are dropped, and counted so.
    /// Returns how many records were lost since the trail was opened.
    pub fn close(&self, within: Duration) -> u64 {
        let Some(shared) = &self.shared else { return 0 };
        let mut queue = shared.lock();
        if !queue.closing {
            queue.closing = true;
            queue.deadline = Instant::now().checked_add(within);
            shared.wake.notify_one();
        }
        // A target that blocks keeps the thread from seeing the deadline.
        let longest = within.saturating_add(Duration::from_millis(200));
        let (queue, waited) = shared
            .done
            .wait_timeout_while(queue, longest, |queue| !queue.ended)
            .unwrap_or_else(PoisonError::into_inner);
        drop(queue);
        if waited.timed_out() {
            shared.end();
        }
        shared.counters.dropped.get()
    }

    pub(in crate::observe) fn is_off(&self) -> bool {
        self.shared.is_none()
    }

    pub(in crate::observe) fn values(&self) -> bool {
        self.values
    }

    /// Takes a record. `spare` ones may be dropped even where records are required: those of requests that were refused for want of room.
    pub(in crate::observe) fn push(&self, line: &[u8], spare: bool) {
        if let Some(shared) = &self.shared {
            shared.push(line, spare);
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.close(Duration::from_secs(1));
    }
}

/// What the requests and the writer share.
#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    done: Condvar,
    limit: usize,
    required: bool,
    full: AtomicBool,
    failing: AtomicBool,
    counters: AuditCounters,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Bytes that the writer has taken and not yet written.
    held: usize,
    /// Records in both.
    lines: u64,
    /// Records in `bytes`.
    fresh: u64,
    /// The writer was woken because the buffer fills up.
    hurry: bool,
    reopen: bool,
    closing: bool,
    deadline: Option<Instant>,
    ended: bool,
}

impl Queue {
    fn used(&self) -> usize {
        self.bytes.len() + self.held
    }
}

impl Shared {
    fn new(settings: &AuditSettings, counters: AuditCounters) -> Self {
        Self {
            queue: Mutex::default(),
            wake: Condvar::new(),
            done: Condvar::new(),
            limit: settings.buffer,
            required: settings.required,
            full: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            counters,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8], spare: bool) {
        let mut queue = self.lock();
        let used = queue.used().saturating_add(line.len());
        // What was let in while there was room is kept even past the limit, where records are required.
        let keep = used <= self.limit || (self.required && !spare);
        if queue.ended || !keep {
            drop(queue);
            self.full.store(true, Ordering::Relaxed);
            self.counters.dropped.inc();
            return;
        }
        queue.bytes.extend_from_slice(line);
        queue.lines += 1;
        queue.fresh += 1;
        let hurry = !queue.hurry && queue.bytes.len() > self.limit / 2;
        queue.hurry |= hurry;
        let full = self.is_full(used);
        drop(queue);
        if full {
            self.full.store(true, Ordering::Relaxed);
        }
        if hurry {
            self.wake.notify_one();
        }
    }

    /// Full enough to let nobody in: room is left for those who are in.
    fn is_full(&self, used: usize) -> bool {
        used > self.limit - self.limit / 8
    }

    /// The writer's batch is in the target, all of it or (at the end) some of it.
    fn wrote(&self, lines: u64) {
        self.counters.written.inc_by(lines);
        let mut queue = self.lock();
        queue.held = 0;
        queue.lines = queue.lines.saturating_sub(lines);
        let full = queue.ended || self.is_full(queue.used());
        self.full.store(full, Ordering::Relaxed);
    }

    fn past_deadline(&self) -> bool {
        self.lock()
            .deadline
            .is_none_or(|deadline| Instant::now() >= deadline)
    }

    /// Nobody writes any more: what is left is lost.
    fn end(&self) {
        let mut queue = self.lock();
        queue.ended = true;
        let lost = std::mem::take(&mut queue.lines);
        self.full.store(true, Ordering::Relaxed);
        drop(queue);
        self.counters.dropped.inc_by(lost);
        self.done.notify_all();
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}
