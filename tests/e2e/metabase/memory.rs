//! The gateway as a process of its own: exports of any length stream through, and its log holds no token.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::json;

use super::{
    setup::{HOST, text},
    wide::{TABLE, grant, own},
};
use crate::support::{
    eventually,
    gateway::{APP, SESSION},
    get,
    metabase::{SECRET, Standin},
};

/// A gateway that ends with the test.
struct Process {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Process {
    fn start(folder: &Path, upstream: SocketAddr, level: &str) -> Self {
        // Ours until the gateway takes it: nobody else binds a port that was just free.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        let config = folder.join("embedgate.toml");
        let text = text(upstream, "")
            .replacen(
                "address = \"127.0.0.1:0\"",
                &format!("address = \"{address}\"\nworkers = 1"),
                1,
            )
            .replace("[audit]", &format!("[log]\nlevel = \"{level}\"\n[audit]"));
        fs::write(&config, text).unwrap();
        let log = folder.join("log");
        drop(free);
        let child = Command::new(env!("CARGO_BIN_EXE_embedgate"))
            .args(["run", "--config"])
            .arg(&config)
            .env("APP", APP)
            .env("SESSION", SESSION)
            .env("MB_SECRET", SECRET)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let this = Self {
            child,
            address,
            log,
        };
        eventually("the gateway listens", || {
            TcpStream::connect(address).is_ok()
        });
        this
    }

    /// The most memory that it ever held, in bytes.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    /// How long a body is; none of it is kept.
    fn drain(&self, target: &str) -> u64 {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut reader = BufReader::with_capacity(1 << 20, stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 20"), "{head}");
        let (mut length, mut tail) = (0, Vec::new());
        let mut piece = vec![0; 1 << 20];
        loop {
            let count = reader.read(&mut piece).unwrap();
            if count == 0 {
                break;
            }
            length += u64::try_from(count).unwrap();
            tail.extend_from_slice(&piece[..count]);
            tail.drain(..tail.len().saturating_sub(64));
        }
        assert!(tail.ends_with(b"0\r\n\r\n"), "broken off: {tail:?}");
        length
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

const LENGTH: u64 = 200 * 1024 * 1024;
const GROWTH: u64 = 48 * 1024 * 1024;

#[test]
fn an_export_of_200_megabytes_streams_through() {
    let metabase = Standin::start();
    metabase.edit(|store| store.behaviour.export_filler = LENGTH);
    let folder = tempfile::tempdir().unwrap();
    let gateway = Process::start(folder.path(), metabase.address, "info");
    let token = grant("dashboard", &json!(42), &own());
    let small = gateway.drain(&format!("/api/embed/dashboard/{token}/{TABLE}"));
    assert!(small < 10_000);
    let before = gateway.peak();
    let length = gateway.drain(&format!("/api/embed/dashboard/{token}/{TABLE}/csv"));
    assert!(length > LENGTH, "{length}");
    let growth = gateway.peak() - before;
    assert!(growth < GROWTH, "{growth} bytes more");
}

/// Answers every request with a long result: rows, and the query that asked for them before and after.
fn long_results() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while head.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let _gone = write_long(&mut stream);
        }
    });
    address
}

fn write_long(stream: &mut TcpStream) -> std::io::Result<()> {
    let echo = r#""json_query":{"parameters":[{"value":[999]}]},"#;
    let row = r#"[1,999,"Harbour Street Bakery \"East\"","Europe",null,{"a":[true]}],"#;
    let rows = row.repeat(64 * 1024 / row.len());
    write!(
        stream,
        "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )?;
    let mut chunk = |text: &str| write!(stream, "{:x}\r\n{text}\r\n", text.len());
    chunk(&format!("{{{echo}\"data\":{{\"rows\":["))?;
    let mut sent = 0;
    while sent < LENGTH {
        chunk(&rows)?;
        sent += u64::try_from(rows.len()).unwrap_or(LENGTH);
    }
    chunk(&format!("[]]}},{echo}\"status\":\"completed\"}}"))?;
    chunk("")
}

#[test]
fn a_result_of_200_megabytes_is_sieved_on_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Process::start(folder.path(), long_results(), "info");
    let token = grant("dashboard", &json!(42), &own());
    let before = gateway.peak();
    let length = gateway.drain(&format!("/api/embed/dashboard/{token}/{TABLE}/api"));
    assert!(length > LENGTH, "{length}");
    let growth = gateway.peak() - before;
    assert!(growth < GROWTH, "{growth} bytes more");
}

#[test]
fn the_log_holds_no_token_whatever_its_level() {
    let metabase = Standin::start();
    let folder = tempfile::tempdir().unwrap();
    let gateway = Process::start(folder.path(), metabase.address, "trace");
    let token = grant("dashboard", &json!(42), &own());
    let ask = |target: &str| get(gateway.address, target, &[("Host", HOST)]);
    let mut cookie = String::new();
    for target in [
        format!("/embed/dashboard/{token}"),
        format!("/api/embed/dashboard/{token}"),
        format!("/api/embed/dashboard/{token}/{TABLE}?region=Europe"),
        format!("/api/embed/dashboard/{token}/{TABLE}?organization_id=123454321"),
        format!("/api/embed/dashboard/{token}/params/a0420002/values"),
        format!("/api/embed/dashboard/{token}x/{TABLE}"),
        format!("/api/embed/dashboard/{token}/nothing"),
    ] {
        cookie = ask(&target).session().unwrap_or(cookie);
    }
    metabase.edit(|store| store.embedding = false);
    ask(&format!("/api/embed/dashboard/{token}/{TABLE}"));
    let minted: Vec<String> = metabase
        .seen()
        .iter()
        .flat_map(|one| one.path().split('/').map(str::to_owned).collect::<Vec<_>>())
        .filter(|part| part.starts_with("eyJ"))
        .collect();
    assert!(minted.len() > 3 && !cookie.is_empty());
    let log = gateway.log.clone();
    drop(gateway);
    let text = fs::read_to_string(log).unwrap();
    assert!(text.contains("embedgate serves"), "{text}");
    let sealed = cookie.split_once('=').unwrap().1;
    for private in [&*token, SECRET, APP, SESSION, sealed, "123454321"] {
        assert!(!text.contains(private), "{private}\n{text}");
    }
    for token in minted {
        assert!(!text.contains(&token), "{text}");
    }
}
