//! Revocations of a gateway in a process of its own: killed, restarted, steered from the command line.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::support::{
    Upstream, eventually,
    gateway::{self, APP, SESSION},
    get, token,
};
use serde_json::{Value, json};

const ADMIN: &str = "admin-token-0123456789";

/// A gateway in a process of its own, killed when dropped.
struct Process {
    folder: tempfile::TempDir,
    address: SocketAddr,
    admin: SocketAddr,
    child: Option<Child>,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn embedgate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_embedgate"));
    command.args(args);
    for (name, value) in [("APP", APP), ("SESSION", SESSION), ("ADMIN", ADMIN)] {
        command.env(name, value);
    }
    command
}

impl Process {
    fn start(upstream: SocketAddr) -> Self {
        let (address, admin) = (free(), free());
        let folder = tempfile::tempdir().unwrap();
        let text = gateway::generic(upstream, "")
            .replacen("127.0.0.1:0", &address.to_string(), 1)
            .replacen("127.0.0.1:0", &admin.to_string(), 1)
            .replace(
                "[admin]",
                "[revocations]\nfile = \"revocations.jsonl\"\n[admin]\ntoken = { env = \"ADMIN\" }",
            );
        fs::write(folder.path().join("gateway.toml"), text).unwrap();
        let mut process = Self {
            folder,
            address,
            admin,
            child: None,
        };
        process.run();
        process
    }

    fn config(&self) -> String {
        let path = self.folder.path().join("gateway.toml");
        path.to_str().unwrap().to_owned()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("revocations.jsonl")
    }

    fn run(&mut self) {
        let child = embedgate(&["run", "--config", &self.config()])
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        eventually("it serves", || {
            TcpStream::connect(self.admin).is_ok() && TcpStream::connect(self.address).is_ok()
        });
    }

    /// `kill -9`.
    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn command(&self, args: &[&str]) -> Output {
        let config = self.config();
        let mut all = vec![args[0], "--config", &config];
        all.extend_from_slice(&args[1..]);
        embedgate(&all).output().unwrap()
    }

    /// Posts; `None` where nobody answers.
    fn post(&self, path: &str, body: &str) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect(self.admin).ok()?;
        let length = body.len();
        write!(stream, "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").ok()?;
        let mut head = String::new();
        stream.read_to_string(&mut head).ok()?;
        let (head, body) = head.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).ok()?))
    }

    fn ask(&self, token: &str) -> String {
        let bearer = format!("Bearer {token}");
        let reply = get(self.address, "/reports/q3", &[("Authorization", &bearer)]);
        if reply.status == 200 {
            return "served".into();
        }
        reply.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_revocation_outlives_kill_9_and_a_torn_last_line_is_healed() {
    let upstream = Upstream::plain();
    let mut process = Process::start(upstream.address);
    let token = token(&json!({}));
    assert_eq!(process.ask(&token), "served");
    let body = json!({ "viewer": "viewer-7", "reason": "left" }).to_string();
    let (status, made) = process.post("/v1/revocations", &body).unwrap();
    assert_eq!((status, &made["durable"]), (201, &json!(true)));
    process.kill();
    let good = fs::read(process.log()).unwrap();
    append(&process.log(), "{\"id\":\"00");
    process.run();
    assert_eq!(
        fs::read(process.log()).unwrap(),
        good,
        "the torn line is gone"
    );
    assert_eq!(process.ask(&token), "token_revoked");
    let (status, _) = process.post("/v1/reload", "").unwrap();
    assert_eq!((status, process.ask(&token)), (200, "token_revoked".into()));
    // A second process may not have the log.
    let second = process.command(&["run"]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    process.kill();

    append(&process.log(), "nonsense\n{}\n");
    let (code, _, err) = said(&process.command(&["run"]));
    assert_eq!(code, 1);
    assert!(err.contains("revocations.jsonl:2: "), "{err}");
}

#[test]
fn whatever_was_acknowledged_before_a_crash_is_in_force_after_it() {
    let upstream = Upstream::plain();
    let mut process = Process::start(upstream.address);
    let (acknowledged, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (process, acknowledged, stop) = (&process, &acknowledged, &stop);
            scope.spawn(move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let body = json!({ "viewer": format!("{writer}-{number}"), "reason": "r" });
                    let Some((201, made)) = process.post("/v1/revocations", &body.to_string())
                    else {
                        return;
                    };
                    acknowledged.lock().unwrap().push(made["id"].clone());
                }
            });
        }
        eventually("some are made", || acknowledged.lock().unwrap().len() > 30);
        let id = process.child.as_ref().unwrap().id().to_string();
        let killed = Command::new("kill").args(["-9", &id]).status().unwrap();
        assert!(killed.success());
        stop.store(true, Ordering::Relaxed);
    });
    process.kill();
    process.run();
    let (code, out, _) = said(&process.command(&["revocations"]));
    assert_eq!(code, 0);
    for id in acknowledged.lock().unwrap().iter() {
        assert!(out.contains(id.as_str().unwrap()), "{id} is lost");
    }
}

#[test]
fn the_command_line_revokes_lists_and_takes_back() {
    let upstream = Upstream::plain();
    let process = Process::start(upstream.address);
    let token = token(&json!({ "tenant": "acme" }));
    let revoke = [
        "revoke", "--viewer", "viewer-7", "--tenant", "acme", "--reason", "left us",
    ];
    let (code, out, err) = said(&process.command(&revoke));
    assert_eq!((code, &*err), (0, ""), "{out}");
    let columns: Vec<&str> = out.trim_end().split('\t').collect();
    assert_eq!(columns[2..], ["viewer=viewer-7 tenant=acme", "left us"]);
    assert_eq!(process.ask(&token), "token_revoked");
    assert_eq!(said(&process.command(&["revocations"])).1, out);

    let explain = [
        "explain",
        "--site",
        "reports",
        "--token",
        &token,
        "GET",
        "https://bi.example.com/reports/q3",
    ];
    let (code, story, _) = said(&process.command(&explain));
    assert_eq!(code, 0);
    assert!(story.contains("401 token_revoked"), "{story}");
    assert!(
        story.contains(&format!("revocation {}", columns[0])),
        "{story}"
    );

    assert_eq!(said(&process.command(&["unrevoke", columns[0]])).0, 0);
    assert_eq!(process.ask(&token), "served");
    let (code, _, err) = said(&process.command(&["unrevoke", columns[0]]));
    assert_eq!(code, 1);
    assert!(err.contains("no revocation"), "{err}");
    assert_eq!(
        said(&process.command(&["revocations"])),
        (0, String::new(), String::new())
    );
}

#[test]
fn the_command_line_says_what_is_wrong_by_its_exit_code() {
    let upstream = Upstream::plain();
    let mut process = Process::start(upstream.address);
    for (args, wanted, why) in [
        (&["revoke", "--reason", "r"][..], 64, "no subject"),
        (&["revoke", "--viewer", "v"], 64, "--reason"),
        (
            &["revoke", "--viewer", "v", "--jti", "j", "--reason", "r"],
            64,
            "more than one subject",
        ),
        (
            &["revoke", "--session", "s", "--reason", "r"],
            64,
            "32 hexadecimal",
        ),
        (
            &[
                "revoke", "--viewer", "v", "--reason", "r", "--until", "soon",
            ],
            64,
            "`until`",
        ),
        (&["unrevoke", "../sites"], 64, "not an id"),
        (
            &["revoke", "--viewer", "v", "--reason", "r", "--until", "7"],
            1,
            "over already",
        ),
        (
            &["revoke", "--issuer", "nobody", "--reason", "r"],
            1,
            "there are: app",
        ),
    ] {
        let (code, _, err) = said(&process.command(args));
        assert_eq!(code, wanted, "{args:?}: {err}");
        assert!(err.contains(why), "{args:?}: {err}");
    }
    process.kill();
    let (code, _, err) = said(&process.command(&["revocations"]));
    assert_eq!(code, 1);
    assert!(err.contains("no answer from 127.0.0.1"), "{err}");
    let text = fs::read_to_string(process.config()).unwrap();
    fs::write(
        process.config(),
        text.replace("token = { env = \"ADMIN\" }", ""),
    )
    .unwrap();
    let (code, _, err) = said(&process.command(&["revocations"]));
    assert_eq!(code, 78);
    assert!(err.contains("admin.token is not set"), "{err}");
}
