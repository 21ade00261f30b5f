//! The admin listener over real sockets: health, shutdown, slow clients, and a real Prometheus.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test helpers may panic, and say what they skip"
)]

#[path = "observe/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the audit trail")]
mod support;

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use embedgate::{
    admin::{AdminState, AdminToken, Control, NotRevoked, serve},
    cli::healthcheck,
    observe::audit::Audit,
};
use support::Bench;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

#[derive(Clone, Default)]
struct Gateway {
    draining: Arc<AtomicBool>,
    reloads: Arc<AtomicBool>,
}

impl Control for Gateway {
    fn ready(&self) -> Result<(), Vec<&'static str>> {
        if self.draining.load(Ordering::SeqCst) {
            Err(vec!["draining"])
        } else {
            Ok(())
        }
    }

    fn sites(&self) -> serde_json::Value {
        serde_json::json!({})
    }

    async fn reload(&self) -> Result<(), Vec<String>> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.reloads.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn revocations(&self, _after: Option<&str>, _most: usize) -> Option<serde_json::Value> {
        Some(serde_json::json!({}))
    }

    async fn revoke(&self, _wanted: &[u8]) -> Result<serde_json::Value, NotRevoked> {
        Ok(serde_json::json!({}))
    }

    async fn unrevoke(&self, _id: &str) -> Result<bool, String> {
        Ok(true)
    }
}

struct Running {
    address: SocketAddr,
    gateway: Gateway,
    bench: Bench,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

async fn start() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bench = Bench::new(|_| Audit::off());
    let gateway = Gateway::default();
    let state = AdminState {
        metrics: Arc::clone(bench.observer.metrics()),
        token: Some(AdminToken::new(b"secret")),
        address,
        control: gateway.clone(),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(serve(listener, Arc::new(state), async {
        let _ = stopped.await;
    }));
    Running {
        address,
        gateway,
        bench,
        stop,
        done,
    }
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

fn config(dir: &Path, address: SocketAddr) -> std::path::PathBuf {
    let path = dir.join("edge.toml");
    std::fs::write(&path, format!("[admin]\naddress = \"{address}\"\n[session]\nsecret = {{ env = \"NOT_SET_ANYWHERE\" }}\n")).unwrap();
    path
}

async fn healthy(path: &Path) -> bool {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || healthcheck::run(&path) == ExitCode::SUCCESS)
        .await
        .unwrap()
}

#[tokio::test]
async fn it_serves_until_told_to_stop_and_lets_replies_leave() {
    let Running {
        address,
        gateway,
        stop,
        done,
        ..
    } = start().await;
    let reply = ask(
        address,
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    // An idle connection, and one whose request is under way.
    let idle = TcpStream::connect(address).await.unwrap();
    let under_way = tokio::spawn(async move {
        ask(address, "POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nContent-Length: 0\r\n\r\n").await
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(4), done)
        .await
        .unwrap()
        .unwrap();
    assert!(under_way.await.unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(gateway.reloads.load(Ordering::SeqCst));
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_head_of_a_megabyte_is_refused() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let request = format!(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    drop(stream.write_all(request.as_bytes()).await);
    let mut reply = vec![0; 64];
    let read = stream.read(&mut reply).await.unwrap_or(0);
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert!(read == 0 || reply.starts_with("HTTP/1.1 431 "), "{reply}");
}

#[tokio::test]
async fn the_health_check_follows_readiness() {
    let dir = tempfile::tempdir().unwrap();
    let Running {
        address,
        gateway,
        stop,
        done,
        ..
    } = start().await;
    let path = config(dir.path(), address);
    assert!(healthy(&path).await);
    gateway.draining.store(true, Ordering::SeqCst);
    assert!(!healthy(&path).await);
    stop.send(()).unwrap();
    done.await.unwrap();
    assert!(!healthy(&path).await);
    assert_eq!(
        healthcheck::run(&dir.path().join("none.toml")),
        ExitCode::from(78)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_scrapes_it() {
    if Command::new("prometheus")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("prometheus is not installed: not checked");
        return;
    }
    let running = start().await;
    running.bench.serve(1);
    let url = format!("http://{}", running.address);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prometheus/check.sh");
    let output = tokio::task::spawn_blocking(move || {
        Command::new("sh").arg(script).arg(url).output().unwrap()
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}
