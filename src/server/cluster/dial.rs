//! Opens a connection to the Redis that takes writes: the one configured, the master that a Sentinel names, or the node of a Redis Cluster that has
//! our keys. It is greeted before anybody uses it.

use std::{io, time::Duration};

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, ParsingError, ProtocolVersion,
    RedisConnectionInfo, RedisError, ServerErrorKind, Value, aio::MultiplexedConnection,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, TlsStream};

use super::{
    super::{io::Io, tls, tls::TlsError, upstream::dial_tcp},
    Installation,
};
use crate::{
    config::{Secret, cluster::Node},
    gate::cluster::{GREET, Greeting},
};

/// A connection that was greeted, and the task that drives it. Dropped, it is closed.
pub(super) struct Line {
    pub(super) commands: MultiplexedConnection,
    pub(super) driver: Driver,
    pub(super) greeting: Greeting,
    pub(super) node: Node,
}

/// The task of a connection; it ends when the connection does.
pub(super) struct Driver(pub(super) JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// It would be in the open, and is not on this machine.
    #[error(
        "{0} is not loopback and `redis` is redis://: use rediss://, or set cluster.danger_cleartext"
    )]
    Cleartext(Node),
    /// The address leads nowhere.
    #[error("{0}: {1}")]
    Io(Node, #[source] io::Error),
    /// Another gateway of the installation has another secret.
    #[error(
        "{0}: the other gateways have another cluster.secret; give all of them the same, or this one another cluster.prefix"
    )]
    Kin(Node),
    /// It answers, and not as hoped.
    #[error("{0}: {1}")]
    Redis(Node, #[source] RedisError),
    /// It does not answer.
    #[error("{0}: no answer in time")]
    Late(Node),
    /// Nobody knows where the master is.
    #[error("{0}: the sentinel knows no master `{1}`")]
    Master(Node, Box<str>),
    /// Nodes lead to one another.
    #[error("{0}: led on too often")]
    Round(Node),
    /// TLS cannot be set up.
    #[error("{0}: {1}")]
    Tls(Node, #[source] TlsError),
}

/// Opens one, by the first of the nodes that leads to it.
///
/// # Errors
/// None does; why the last one did not.
pub(super) async fn open(installation: &Installation) -> Result<Line, DialError> {
    let mut failure = None;
    for node in &installation.spec.nodes {
        let opened = match &installation.spec.sentinel {
            None => greet(installation, node.clone()).await,
            Some(master) => match locate(installation, node, master).await {
                Ok(master) => greet(installation, master).await,
                Err(error) => Err(error),
            },
        };
        match opened {
            Ok(line) => return Ok(line),
            Err(error) => failure = Some(error),
        }
    }
    let nowhere = || Node {
        host: "".into(),
        port: 0,
    };
    Err(failure.unwrap_or_else(|| DialError::Late(nowhere())))
}

/// Asks a Sentinel where the master is.
async fn locate(
    installation: &Installation,
    sentinel: &Node,
    master: &str,
) -> Result<Node, DialError> {
    let password = installation.spec.sentinel_password.as_ref();
    let info = RedisConnectionInfo::default();
    let info = match password.and_then(text) {
        Some(password) => info.set_password(password),
        None => info,
    };
    within(sentinel, async {
        let (mut commands, _driver) = connect(installation, sentinel, info).await?;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("get-master-addr-by-name").arg(master);
        let found: Option<(String, u16)> = ask
            .query_async(&mut commands)
            .await
            .map_err(|error| DialError::Redis(sentinel.clone(), error))?;
        let (host, port) =
            found.ok_or_else(|| DialError::Master(sentinel.clone(), master.into()))?;
        Ok(Node {
            host: host.into(),
            port,
        })
    })
    .await
}

/// Connects and greets; follows a node of a Redis Cluster that says where our keys are.
async fn greet(installation: &Installation, first: Node) -> Result<Line, DialError> {
    let mut node = first;
    for _ in 0..HOPS {
        match within(&node, greet_one(installation, &node)).await {
            Err(DialError::Redis(_, error)) if is_moved(&error) => {
                let Some((host, port)) = error.redirect_node() else {
                    return Err(DialError::Redis(node, error));
                };
                // No host means: the one that was asked.
                let host = if host.is_empty() { &*node.host } else { host };
                node = Node {
                    host: host.trim_matches(['[', ']']).into(),
                    port,
                };
            }
            other => return other,
        }
    }
    Err(DialError::Round(node))
}

async fn greet_one(installation: &Installation, node: &Node) -> Result<Line, DialError> {
    let spec = &installation.spec;
    let mut info = RedisConnectionInfo::default().set_db(i64::from(spec.database));
    if let Some(username) = spec.username.as_ref().and_then(text) {
        info = info.set_username(username);
    }
    if let Some(password) = spec.password.as_ref().and_then(text) {
        info = info.set_password(password);
    }
    let (mut commands, driver) = connect(installation, node, info).await?;
    let failed = |error| DialError::Redis(node.clone(), error);
    let mut hello = redis::cmd("EVAL");
    hello
        .arg(GREET)
        .arg(2)
        .arg(spec.names.began())
        .arg(spec.names.check())
        .arg(spec.names.fingerprint())
        .arg(installation.clock.now().0);
    let reply: Vec<i64> = hello.query_async(&mut commands).await.map_err(failed)?;
    let greeting = Greeting::read(&reply).ok_or_else(|| failed(unexpected()))?;
    if !greeting.kin {
        return Err(DialError::Kin(node.clone()));
    }
    let mut load = redis::cmd("SCRIPT");
    load.arg("LOAD").arg(installation.script.text);
    let _sha: Value = load.query_async(&mut commands).await.map_err(failed)?;
    Ok(Line {
        commands,
        driver,
        greeting,
        node: node.clone(),
    })
}

async fn connect(
    installation: &Installation,
    node: &Node,
    info: RedisConnectionInfo,
) -> Result<(MultiplexedConnection, Driver), DialError> {
    let failed = |error| DialError::Io(node.clone(), error);
    if installation.tls.is_none() && !installation.spec.cleartext && !node.is_loopback() {
        return Err(DialError::Cleartext(node.clone()));
    }
    let deadline = Instant::now() + PATIENCE;
    let tcp = dial_tcp(&node.host, node.port, deadline)
        .await
        .map_err(failed)?;
    let stream = match &installation.tls {
        None => Io::Plain(tcp),
        Some(config) => {
            let name = installation.spec.tls.server_name.as_deref();
            let name = tls::server_name(name.unwrap_or(&node.host))
                .map_err(|error| DialError::Tls(node.clone(), error))?;
            let connector = TlsConnector::from(std::sync::Arc::clone(config));
            let stream = connector.connect(name, tcp).await.map_err(failed)?;
            Io::Tls(Box::new(TlsStream::Client(stream)))
        }
    };
    let info = info
        .set_protocol(ProtocolVersion::RESP2)
        .set_lib_name("embedgate", env!("CARGO_PKG_VERSION"));
    // Whoever asks has a time limit of their own.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    let made = MultiplexedConnection::new_with_config(&info, stream, config).await;
    let (commands, driver) = made.map_err(|error| DialError::Redis(node.clone(), error))?;
    Ok((commands, Driver(tokio::task::spawn_local(driver))))
}

async fn within<T>(
    node: &Node,
    work: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    match timeout_at(Instant::now() + PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(DialError::Late(node.clone())),
    }
}

fn is_moved(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask)
    )
}

/// Checked to be text when the file was compiled.
fn text(secret: &Secret) -> Option<&str> {
    std::str::from_utf8(secret.expose()).ok()
}

fn unexpected() -> RedisError {
    RedisError::from(ParsingError::from("not what the script returns"))
}

/// Sends one command and waits for its reply.
pub(super) async fn ask<T: FromRedisValue>(
    commands: &mut MultiplexedConnection,
    command: &Cmd,
) -> Result<T, RedisError> {
    command.query_async(commands).await
}

/// For connecting, TLS and the greeting.
const PATIENCE: Duration = Duration::from_secs(2);
/// Nodes that may lead on to another.
const HOPS: usize = 4;
