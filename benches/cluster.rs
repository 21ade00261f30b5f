//! What sharing costs a request: naming what it is charged to, reading the answer, and, where there is a `redis-server`, one exchange with it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a bench may panic"
)]

use std::{
    hint::black_box,
    net::{TcpListener, TcpStream},
    num::NonZeroU32,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use embedgate::gate::{
    cluster::{Ask, Names, SCRIPT, Script},
    limit::{Quota, SharedLimits, SiteLimits},
    request::UnixTime,
    single_use::Burning,
    token::{ClaimNames, Issuer, KeySet, NoCache, RawToken, Signed, Signer, signed},
};
use redis::aio::MultiplexedConnection;
use serde_json::json;

const NOW: UnixTime = UnixTime(1_764_000_000);
const SECRET: &[u8] = &[7; 32];

fn viewer() -> Arc<Signed> {
    let mut keys = KeySet::new();
    keys.add(None, "HS256", SECRET).unwrap();
    let issuers = [Arc::new(Issuer {
        name: Arc::from("app"),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: keys.into(),
        claims: ClaimNames::default(),
        generation: 1,
    })];
    let claims = json!({
        "sub": "viewer-7", "tenant": "acme", "jti": "t-1", "iat": NOW.0, "exp": NOW.0 + 300, "resource": "report:q3",
    });
    let text = Signer::new("HS256", SECRET, None)
        .unwrap()
        .sign(&claims)
        .unwrap();
    signed(RawToken::new(&text), &issuers, &NoCache).unwrap()
}

fn quota(count: u32) -> Option<Quota> {
    let count = NonZeroU32::new(count)?;
    let period = Duration::from_mins(1);
    Some(Quota { count, period })
}

fn limits(names: &Names) -> SharedLimits {
    let limits = SiteLimits {
        viewer: quota(4_000_000_000),
        tenant: quota(4_000_000_000),
        site: quota(4_000_000_000),
        ..SiteLimits::default()
    };
    SharedLimits::new(names, [("reports", &limits)].into_iter())
}

fn pure(c: &mut Criterion) {
    let names = Names::new("bench", SECRET).unwrap();
    let (limits, viewer) = (limits(&names), viewer());
    let token = Burning {
        issuer: "app",
        token_id: "t-1",
        issued: NOW,
        until: UnixTime(NOW.0 + 300),
    };
    c.bench_function("cluster/ask/three_limits", |b| {
        b.iter(|| {
            let mut ask = Ask::nothing();
            limits.due(0, black_box(&viewer)).put(&mut ask);
            ask
        });
    });
    c.bench_function("cluster/ask/three_limits_and_a_token", |b| {
        b.iter(|| {
            let mut ask = Ask::burn(&names, black_box(&token), true);
            limits.due(0, black_box(&viewer)).put(&mut ask);
            ask
        });
    });
    let due = limits.due(0, &viewer);
    let mut ask = Ask::nothing();
    due.put(&mut ask);
    c.bench_function("cluster/judge/three_limits", |b| {
        b.iter(|| {
            let answer = ask
                .read(black_box(&[NOW.0 * 1_000_000, 0, 5, 6, 7]))
                .unwrap();
            due.judge(answer.turns(), |_, _| {}).is_ok()
        });
    });
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn server() -> Option<(Server, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    let server = Server(child);
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((server, port));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

async fn exchange(mut redis: MultiplexedConnection, sha: &str, ask: &Ask) -> Vec<i64> {
    let mut command = redis::cmd("EVALSHA");
    command.arg(sha).arg(ask.keys().len()).arg(ask.keys());
    for number in ask.numbers() {
        command.arg(*number);
    }
    command.query_async(&mut redis).await.unwrap()
}

/// Loopback: a network's own time comes on top.
fn real(c: &mut Criterion) {
    let Some((_server, port)) = server() else {
        eprintln!("no redis-server: nothing to measure");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = redis::Client::open(("127.0.0.1", port)).unwrap();
    let script = Script::new(SCRIPT);
    let redis = runtime.block_on(async {
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(SCRIPT);
        let _sha: String = load.query_async(&mut redis).await.unwrap();
        redis
    });
    let names = Names::new("bench", SECRET).unwrap();
    let (limits, viewer) = (limits(&names), viewer());
    let mut ask = Ask::nothing();
    limits.due(0, &viewer).put(&mut ask);
    c.bench_function("cluster/exchange/one_at_a_time", |b| {
        b.iter(|| runtime.block_on(exchange(redis.clone(), &script.sha, &ask)));
    });
    c.bench_function("cluster/exchange/64_at_once", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let all = (0..64).map(|_| {
                    let (redis, sha, ask) = (redis.clone(), script.sha.clone(), ask.clone());
                    tokio::spawn(async move { exchange(redis, &sha, &ask).await })
                });
                for one in all.collect::<Vec<_>>() {
                    one.await.unwrap();
                }
            });
        });
    });
}

criterion_group!(benches, pure, real);
criterion_main!(benches);
