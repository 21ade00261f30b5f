//! Revocations of all gateways: told to the others as soon as they are made, learnt from them without any request waiting.
//!
//! Redis keeps every record until its time is over, also that one was taken back, and a stream of the latest changes, which a task of the steward
//! follows. Whoever was away reads all of it and adds what only it knows: nothing is missed, and a Redis that lost its memory gets it back.
//! Each gateway's own log stays what brings its revocations back after a restart.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{Cmd, RedisError, Value, aio::MultiplexedConnection};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::{
    Installation,
    dial::{self, DialError, Line},
};
use crate::{
    gate::{
        cluster::{Names, PURGE, RECORD},
        request::UnixTime,
        revocation::{Entry, RevocationId},
    },
    server::app::App,
};

/// Tells the other gateways. Shared by everybody who changes revocations.
#[derive(Default)]
pub struct Crier {
    /// Where there is a connection.
    commands: Mutex<Option<MultiplexedConnection>>,
    /// Somebody was not told: all is to be compared again.
    again: Notify,
}

/// Why the others were not told.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// Redis does not answer.
    #[error("redis does not answer, so the other gateways cannot be told")]
    Away,
    /// The record cannot be sealed.
    #[error("the random generator is not available")]
    Random,
    /// Redis refuses.
    #[error("redis: {0}")]
    Redis(#[from] RedisError),
}

/// Why following ends, for now.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the revocation log: {0}")]
    Log(#[from] std::io::Error),
    #[error("no answer in time")]
    Late,
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Untold(#[from] Untold),
}

impl Crier {
    /// Tells the others what was made or taken back; `until` is when it would have ended.
    ///
    /// # Errors
    /// They do not know. What was made they learn once Redis answers.
    pub async fn cry(
        &self,
        installation: &Installation,
        entry: &Entry,
        until: UnixTime,
    ) -> Result<(), Untold> {
        let record = Record::seal(&installation.spec.names, entry, until)?;
        self.tell(installation, &[record]).await
    }

    async fn tell(&self, installation: &Installation, records: &[Record]) -> Result<(), Untold> {
        let Some(mut commands) = self.commands().clone() else {
            return Err(Untold::Away);
        };
        let command = add(&installation.spec.names, records);
        let told = timeout(PATIENCE, dial::ask::<Value>(&mut commands, &command)).await;
        let told = told.map_or(Err(Untold::Away), |told| Ok(told.map(drop)?));
        if told.is_err() {
            self.again.notify_one();
        }
        told
    }

    fn connected(&self, commands: Option<MultiplexedConnection>) {
        *self.commands() = commands;
    }

    fn commands(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record on its way to Redis.
struct Record {
    id: String,
    sealed: Vec<u8>,
    until: i64,
    /// What was taken back replaces what was made, never the other way round.
    replaces: bool,
}

impl Record {
    fn seal(names: &Names, entry: &Entry, until: UnixTime) -> Result<Self, Untold> {
        let (id, replaces) = match entry {
            Entry::Made(revocation) => (revocation.id, false),
            Entry::Removed(id) => (*id, true),
        };
        let id = id.to_string();
        let sealed = names.strongbox().seal(&id, entry.write().as_bytes());
        Ok(Self {
            sealed: sealed.ok_or(Untold::Random)?,
            until: until.0,
            id,
            replaces,
        })
    }
}

/// What a record says; `None`: none of ours wrote it.
fn open(names: &Names, id: &[u8], sealed: &[u8]) -> Option<Entry> {
    let id = std::str::from_utf8(id).ok()?;
    let line = names.strongbox().open(id, sealed)?;
    Entry::read(line.strip_suffix(b"\n")?).ok()
}

fn add(names: &Names, records: &[Record]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    let keys = [names.revoked(), names.due(), names.changes()];
    command.arg(RECORD).arg(keys.len()).arg(&keys).arg(KEPT);
    for record in records {
        command
            .arg(&record.id)
            .arg(&*record.sealed)
            .arg(record.until)
            .arg(u8::from(record.replaces));
    }
    command
}

/// Follows the other gateways' revocations for as long as it is polled.
pub(in crate::server) async fn follow(app: &Arc<App>) {
    let mut pause = SHORTEST_PAUSE;
    let mut counted = false;
    loop {
        let Some(installation) = app.current().installation.clone() else {
            if std::mem::take(&mut counted) {
                app.cluster.end();
            }
            sleep(HEARTBEAT).await;
            continue;
        };
        if !std::mem::replace(&mut counted, true) {
            app.cluster.begin();
        }
        let mut follower = Follower {
            app,
            installation: &installation,
            up: false,
        };
        if let Err(why) = follower.run().await {
            app.cluster.tell(&why.to_string());
            if !follower.up {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        if follower.up {
            pause = SHORTEST_PAUSE;
            app.cluster.lost();
        }
        app.crier.connected(None);
    }
}

struct Follower<'a> {
    app: &'a Arc<App>,
    installation: &'a Installation,
    up: bool,
}

impl Follower<'_> {
    /// Until the connection or the configuration is another.
    async fn run(&mut self) -> Result<(), Lost> {
        // One is blocked while it waits for changes.
        let mut writing = dial::open(self.installation).await?;
        let mut reading = dial::open(self.installation).await?;
        self.app.crier.connected(Some(writing.commands.clone()));
        loop {
            let mut last = self.compare(&mut writing).await?;
            if !std::mem::replace(&mut self.up, true) {
                self.app.cluster.back();
            }
            let compared = Instant::now();
            while compared.elapsed() < COMPARE {
                let again = self.app.crier.again.notified();
                tokio::select! {
                    changes = self.changes(&mut reading, &last) => {
                        if let Some(id) = changes? {
                            last = id;
                        }
                    }
                    () = again => break,
                }
                let wanted = self.app.current().installation.clone();
                let mine = self.installation.spec.fingerprint;
                if wanted.is_none_or(|wanted| wanted.spec.fingerprint != mine) {
                    return Ok(());
                }
            }
        }
    }

    /// Reads all that Redis has, adds what only this gateway has, and says from which change on to follow.
    async fn compare(&self, line: &mut Line) -> Result<String, Lost> {
        let names = &self.installation.spec.names;
        let mut purge = redis::cmd("EVAL");
        purge
            .arg(PURGE)
            .arg(2)
            .arg(names.revoked())
            .arg(names.due())
            .arg(BATCH * 10);
        let _purged: Value = ask(line, &purge).await?;
        // Before the reading: what changes meanwhile is read twice rather than never.
        let mut newest = redis::cmd("XREVRANGE");
        newest
            .arg(names.changes())
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1);
        let newest = items(ask(line, &newest).await?).into_iter().next();
        let last = newest.and_then(|entry| Change::read(entry).map(|change| change.place));
        let known = self.read_all(line).await?;
        self.add_missing(line, &known).await?;
        Ok(last.unwrap_or_else(|| "0-0".to_owned()))
    }

    /// The ids of everything that Redis has; all of it is in force here by then.
    async fn read_all(&self, line: &mut Line) -> Result<HashSet<RevocationId>, Lost> {
        let names = &self.installation.spec.names;
        let mut known = HashSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(names.revoked())
                .arg(cursor)
                .arg("COUNT")
                .arg(BATCH);
            let (next, page): (u64, Value) = ask(line, &scan).await?;
            let fields = items(page);
            let mut entries = Vec::new();
            for pair in fields.chunks_exact(2) {
                let [Value::BulkString(id), Value::BulkString(sealed)] = pair else {
                    continue;
                };
                if let Some(entry) = open(names, id, sealed) {
                    known.insert(id_of(&entry));
                    entries.push(entry);
                }
            }
            self.adopt(entries).await?;
            cursor = next;
            if cursor == 0 {
                return Ok(known);
            }
        }
    }

    async fn add_missing(
        &self,
        line: &mut Line,
        known: &HashSet<RevocationId>,
    ) -> Result<(), Lost> {
        let names = &self.installation.spec.names;
        let now = self.app.clock.now();
        let mut after = None;
        loop {
            let page = self.app.revocations.index().list(after, BATCH);
            let Some(end) = page.last() else {
                return Ok(());
            };
            after = Some(end.id);
            let missing = page
                .iter()
                .filter(|one| one.until > now && !known.contains(&one.id));
            let records: Result<Vec<Record>, Untold> = missing
                .map(|one| Record::seal(names, &Entry::Made((**one).clone()), one.until))
                .collect();
            let records = records?;
            if !records.is_empty() {
                let _new: Value = ask(line, &add(names, &records)).await?;
            }
        }
    }

    /// Waits for changes after one, a second at most; the place of the last.
    async fn changes(&self, line: &mut Line, last: &str) -> Result<Option<String>, Lost> {
        let names = &self.installation.spec.names;
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT")
            .arg(BATCH)
            .arg("BLOCK")
            .arg(HEARTBEAT.as_millis())
            .arg("STREAMS")
            .arg(names.changes())
            .arg(last);
        let stream = items(ask(line, &read).await?).into_iter().next();
        let Some(stream) = stream else {
            return Ok(None);
        };
        let changes: Vec<Change> = items(stream)
            .into_iter()
            .nth(1)
            .map_or_else(Vec::new, items)
            .into_iter()
            .filter_map(Change::read)
            .collect();
        let place = changes.last().map(|change| change.place.clone());
        let entries = changes
            .iter()
            .filter_map(|change| open(names, &change.id, &change.sealed));
        self.adopt(entries.collect()).await?;
        Ok(place)
    }

    async fn adopt(&self, entries: Vec<Entry>) -> Result<(), Lost> {
        if entries.is_empty() {
            return Ok(());
        }
        let (ledger, now) = (Arc::clone(&self.app.revocations), self.app.clock.now());
        let adopted = tokio::task::spawn_blocking(move || ledger.adopt(entries, now)).await;
        let adopted = adopted.map_err(std::io::Error::other)??;
        if adopted > 0 {
            tracing::info!(count = adopted, "revocations learnt from other gateways");
        }
        Ok(())
    }
}

/// One entry of the stream: its place, and the fields `id` and `record`.
struct Change {
    place: String,
    id: Vec<u8>,
    sealed: Vec<u8>,
}

impl Change {
    fn read(entry: Value) -> Option<Self> {
        let mut parts = items(entry).into_iter();
        let place = String::from_utf8(bytes(parts.next()?)?).ok()?;
        let mut fields = items(parts.next()?).into_iter().filter_map(bytes);
        let (mut id, mut sealed) = (None, None);
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            match &*name {
                b"id" => id = Some(value),
                b"record" => sealed = Some(value),
                _ => {}
            }
        }
        Some(Self {
            place,
            id: id?,
            sealed: sealed?,
        })
    }
}

async fn ask<T: redis::FromRedisValue>(line: &mut Line, command: &Cmd) -> Result<T, Lost> {
    let answered = timeout(PATIENCE, dial::ask(&mut line.commands, command)).await;
    Ok(answered.map_err(|_| Lost::Late)??)
}

/// The elements of an array; none where it is none.
fn items(value: Value) -> Vec<Value> {
    if let Value::Array(items) = value {
        return items;
    }
    Vec::new()
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    if let Value::BulkString(bytes) = value {
        return Some(bytes);
    }
    None
}

fn id_of(entry: &Entry) -> RevocationId {
    match entry {
        Entry::Made(revocation) => revocation.id,
        Entry::Removed(id) => *id,
    }
}

/// Changes that the stream keeps, about: for whoever reads more slowly than others write, until all is compared again.
const KEPT: usize = 10_000;
/// Records that are read or written at once.
const BATCH: usize = 200;
/// The longest wait for changes, after which the configuration is looked at.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long Redis may take, on top of nothing or of [`HEARTBEAT`].
const PATIENCE: Duration = Duration::from_secs(2);
/// How often all is compared although nothing is amiss.
const COMPARE: Duration = Duration::from_mins(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
