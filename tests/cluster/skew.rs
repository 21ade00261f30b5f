//! Gateways whose clocks differ. Each is a process of its own under `libfaketime`; where that is missing, nothing is tested.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::{
    redis_server::{Redis, free_port},
    support::{
        Answer, Upstream,
        browser::Browser,
        eventually,
        gateway::{self, APP, SESSION},
        get, token,
    },
    world::{HERE, SECRET, text},
};

struct Skewed {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Skewed {
    /// A gateway whose clock is so many seconds ahead, or behind.
    fn start(library: &str, upstream: &Upstream, site: &str, cluster: &str, seconds: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [address, admin] =
            [free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let limits = "[site.reports.limits]\nviewer = \"30/h\"\n";
        let text = text(upstream.address, site, limits, cluster)
            .replacen("127.0.0.1:0", &address.to_string(), 1)
            .replacen("127.0.0.1:0", &admin.to_string(), 1);
        let file = folder.path().join("edge.toml");
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_embedgate"))
            .args(["run", "--config"])
            .arg(&file)
            .env("LD_PRELOAD", library)
            .env("FAKETIME", format!("{seconds:+}"))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .envs([("APP", APP), ("SESSION", SESSION), ("CLUSTER", SECRET)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || log.lines().for_each(drop));
        let skewed = Self {
            child,
            address,
            admin,
            _folder: folder,
        };
        eventually("it serves, with redis", || {
            std::net::TcpStream::connect(admin).is_ok()
                && get(admin, "/readyz", HERE).json().get("degraded").is_none()
        });
        skewed
    }

    fn offset(&self) -> i64 {
        let reply = get(self.admin, "/metrics", HERE);
        let line = reply
            .text()
            .lines()
            .find_map(|line| line.strip_prefix("embedgate_cluster_clock_offset_seconds "));
        line.unwrap().parse().unwrap()
    }
}

impl Drop for Skewed {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn library() -> Option<String> {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
    let found = folders
        .map(|folder| format!("/usr/lib/{folder}/faketime/libfaketime.so.1"))
        .into_iter()
        .find(|file| Path::new(file).exists());
    if found.is_none() {
        assert!(
            std::env::var_os("EMBEDGATE_NEED_REDIS").is_none(),
            "faketime is not installed"
        );
        eprintln!("skipped: faketime is not installed");
    }
    found
}

#[test]
fn clocks_that_differ_let_no_token_be_used_twice() {
    let (Some(library), Some(redis)) = (library(), Redis::start(&[])) else {
        return;
    };
    let upstream = Upstream::start(|_| Answer::html("<p>q3</p>"));
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let start =
        |seconds| Skewed::start(&library, &upstream, "single_use = true", &cluster, seconds);
    let gateways = [-240, 0, 240].map(start);
    for (gateway, seconds) in gateways.iter().zip([-240, 0, 240]) {
        let offset = gateway.offset();
        assert!((offset - seconds).abs() <= 1, "{offset}");
    }
    // A token that all three clocks accept; it says when it was issued by the slowest.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let link = |name: &str| {
        let token = token(&json!({
            "jti": name, "iat": gateway::now() - 241, "exp": gateway::now() + 300, "sub": "ada",
        }));
        format!("/reports/q3?embed_token={token}")
    };
    // Redis's memory must be older than the token.
    let began = (gateway::now() - 300).to_string();
    assert!(
        redis
            .command(&format!("SET {{embedgate}}:began {began}"))
            .starts_with("+OK")
    );
    for (round, first) in [0, 1, 2].into_iter().enumerate() {
        let link = link(&format!("t-{round}"));
        let load = |gateway: &Skewed| Browser::default().load(gateway.address, &link).status;
        assert_eq!(load(&gateways[first]), 200);
        for gateway in &gateways {
            assert_eq!(load(gateway), 401);
        }
    }
}

#[test]
fn clocks_that_differ_change_no_count() {
    let (Some(library), Some(redis)) = (library(), Redis::start(&[])) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let gateways =
        [-240, 0, 240].map(|seconds| Skewed::start(&library, &upstream, "", &cluster, seconds));
    let bearer = format!(
        "Bearer {}",
        token(&json!({ "iat": gateway::now() - 241, "exp": gateway::now() + 300 }))
    );
    let passed = (0..60).filter(|turn| {
        let headers = [("Authorization", bearer.as_str())];
        let reply = get(gateways[turn % 3].address, "/api/default", &headers);
        assert!(matches!(reply.status, 200 | 429), "{reply:?}");
        reply.status == 200
    });
    assert_eq!(passed.count(), 30, "by Redis's clock alone");
}
