//! One worker's connection to Redis. A request finds it open and asks, within its time limit; or it finds it closed, and nobody waits.
//!
//! The first answer that is late closes it for all, until Redis has proven that it answers again: a Redis that is paused costs a handful of requests
//! their time limit, and the ones after them nothing.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, aio::MultiplexedConnection};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::{
    Installation,
    dial::{self, Line},
    health::Outcome,
};
use crate::{
    gate::cluster::{Answer, Ask},
    server::app::App,
};

/// A worker's connection.
pub(in crate::server) struct Link {
    app: Arc<App>,
    open: RefCell<Option<Open>>,
    trouble: Notify,
    /// It is of no use any more, not only slow.
    broken: Cell<bool>,
    refused: RefCell<Refused>,
}

#[derive(Clone)]
struct Open {
    /// Tells one connection from the next.
    number: u64,
    commands: MultiplexedConnection,
}

/// Keys that Redis refused, until it would let them pass again: so long, nobody need ask.
#[derive(Default)]
struct Refused(HashMap<Box<str>, Instant>);

/// What came of an exchange.
pub(in crate::server) enum Heard {
    Answer(Answer),
    /// No answer, not in time, or none that could be read.
    Nothing,
}

impl Link {
    /// Makes one and has it tended for as long as the worker's runtime lives. Must be called on a worker thread.
    pub(in crate::server) fn new(app: &Arc<App>) -> Rc<Self> {
        let link = Rc::new(Self {
            app: Arc::clone(app),
            open: RefCell::default(),
            trouble: Notify::new(),
            broken: Cell::default(),
            refused: RefCell::default(),
        });
        tokio::task::spawn_local(tend(Rc::clone(&link)));
        link
    }

    /// One exchange.
    pub(in crate::server) async fn exchange(
        &self,
        installation: &Installation,
        ask: &Ask,
    ) -> Heard {
        let health = &self.app.cluster;
        let Some(Open {
            number,
            mut commands,
        }) = self.open.borrow().clone()
        else {
            health.exchanged(Outcome::Skipped, Duration::ZERO);
            return Heard::Nothing;
        };
        let began = Instant::now();
        let asking = run(&mut commands, installation, ask);
        let outcome = match timeout(installation.spec.timeout, asking).await {
            Ok(Ok(reply)) => match ask.read(&reply) {
                Some(answer) => {
                    health.exchanged(Outcome::Answered, began.elapsed());
                    health.skewed(answer.offset(self.app.clock.now()));
                    return Heard::Answer(answer);
                }
                None => Err("an answer that makes no sense".to_owned()),
            },
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Ok(()),
        };
        match outcome {
            Ok(()) => {
                health.exchanged(Outcome::Late, began.elapsed());
                self.close(number, false, "no answer in time");
            }
            Err(why) => {
                health.exchanged(Outcome::Failed, began.elapsed());
                self.close(number, true, &why);
            }
        }
        Heard::Nothing
    }

    /// For how long a key is refused still.
    pub(in crate::server) fn refused(&self, key: &str) -> Option<Duration> {
        let until = self.refused.borrow().0.get(key).copied()?;
        until.checked_duration_since(Instant::now())
    }

    /// Remembers that a key is refused for so long.
    pub(in crate::server) fn refuse(&self, key: &str, wait: Duration) {
        let now = Instant::now();
        let mut refused = self.refused.borrow_mut();
        if refused.0.len() >= REMEMBERED {
            refused.0.retain(|_, until| *until > now);
        }
        if refused.0.len() < REMEMBERED {
            refused.0.insert(key.into(), now + wait);
        }
    }

    /// What was sent over a connection before this one is no news.
    fn close(&self, number: u64, broken: bool, why: &str) {
        let mut open = self.open.borrow_mut();
        if open.take_if(|open| open.number == number).is_some() {
            self.broken.set(broken);
            self.app.cluster.tell(why);
            self.app.cluster.lost();
            self.trouble.notify_one();
        }
    }

    fn publish(&self, number: u64, line: &Line) {
        let open = Open {
            number,
            commands: line.commands.clone(),
        };
        if self.open.borrow_mut().replace(open).is_none() {
            self.app.cluster.back();
        }
    }

    fn unpublish(&self) {
        if self.open.borrow_mut().take().is_some() {
            self.app.cluster.lost();
        }
    }
}

/// Runs the script; a Redis that does not know it (any more) is told.
async fn run(
    commands: &mut MultiplexedConnection,
    installation: &Installation,
    ask: &Ask,
) -> Result<Vec<i64>, RedisError> {
    let script = &installation.script;
    match dial::ask(commands, &command("EVALSHA", &script.sha, ask)).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            dial::ask(commands, &command("EVAL", script.text, ask)).await
        }
        other => other,
    }
}

fn command(name: &str, script: &str, ask: &Ask) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(ask.keys().len());
    for key in ask.keys() {
        command.arg(key);
    }
    for number in ask.numbers() {
        command.arg(*number);
    }
    command
}

/// Opens the connection, watches it, opens it again.
async fn tend(link: Rc<Link>) {
    let app = &link.app;
    let mut pause = SHORTEST_PAUSE;
    let (mut counted, mut number) = (false, 0);
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
        match dial::open(&installation).await {
            Ok(mut line) => {
                pause = SHORTEST_PAUSE;
                number += 1;
                watch(&link, number, &mut line, &installation).await;
            }
            Err(error) => {
                app.cluster.tell(&error.to_string());
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Until the connection is of no use any more, or another one is wanted.
async fn watch(link: &Link, number: u64, line: &mut Line, installation: &Installation) {
    link.broken.set(false);
    link.app
        .cluster
        .skewed(link.app.clock.now().0.saturating_sub(line.greeting.now.0));
    link.publish(number, line);
    loop {
        tokio::select! {
            _ended = &mut line.driver.0 => break link.close(number, true, "the connection broke off"),
            () = link.trouble.notified() => {}
            () = sleep(HEARTBEAT) => {}
        }
        if link.broken.get() {
            break;
        }
        let wanted = link.app.current().installation.clone();
        if wanted.is_none_or(|wanted| wanted.spec.fingerprint != installation.spec.fingerprint) {
            break;
        }
        let ping = redis::cmd("PING");
        let pong = dial::ask::<redis::Value>(&mut line.commands, &ping);
        match timeout(PATIENCE, pong).await {
            Ok(Ok(_)) => link.publish(number, line),
            Ok(Err(_)) | Err(_) => break link.close(number, true, "no answer in time"),
        }
    }
    link.unpublish();
    tracing::debug!(node = %line.node, "a connection to redis ends");
}

/// How often a connection that nobody asks is tried, and the configuration looked at.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a connection may take to prove itself.
const PATIENCE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Keys that are refused, remembered by each worker.
const REMEMBERED: usize = 10_000;
