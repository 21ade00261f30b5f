//! A real `redis-server` (or Valkey's) on a free port of loopback.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::eventually;

/// A server that runs until it is dropped.
pub(crate) struct Redis {
    pub(crate) port: u16,
    program: String,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

/// The program, where there is one.
pub(crate) fn program(name: &str) -> Option<String> {
    let named = std::env::var("EMBEDGATE_REDIS_SERVER").ok();
    let named = named.filter(|_| name == "redis-server");
    let path = std::env::var("PATH").unwrap_or_default();
    let found = named.or_else(|| {
        path.split(':')
            .map(|folder| format!("{folder}/{name}"))
            .find(|file| Path::new(file).exists())
    });
    if found.is_none() {
        assert!(
            std::env::var_os("EMBEDGATE_NEED_REDIS").is_none(),
            "{name} is not installed"
        );
        eprintln!("skipped: {name} is not installed");
    }
    found
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Redis {
    /// With further arguments; `None` where it is not installed.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        let port = free_port();
        Self::start_at(
            port,
            "redis-server",
            &["--port", &port.to_string()],
            arguments,
        )
    }

    /// Another program, or with the ports in the arguments.
    pub(crate) fn start_at(
        port: u16,
        name: &str,
        first: &[&str],
        arguments: &[&str],
    ) -> Option<Self> {
        let program = program(name)?;
        let arguments = first.iter().chain(arguments);
        let mut redis = Self {
            port,
            program,
            arguments: arguments.map(ToString::to_string).collect(),
            folder: tempfile::tempdir().unwrap(),
            child: None,
        };
        redis.run();
        Some(redis)
    }

    /// Starts it (again), with nothing in its memory.
    pub(crate) fn run(&mut self) {
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .args(["--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(
                (!self
                    .arguments
                    .iter()
                    .any(|argument| argument == "--sentinel"))
                .then_some(["--save", "", "--appendonly", "no"])
                .into_iter()
                .flatten(),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        eventually("redis listens", || TcpStream::connect(address).is_ok());
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it: connections stay open, nothing is answered.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let done = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(done.success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a command without blanks in its words, and gives back what comes, as it stands on the wire.
    pub(crate) fn command(&self, command: &str) -> String {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        stream
            .write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
            .unwrap();
        let mut reply = Vec::new();
        let _closed = stream.read_to_end(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.resume();
        }
        self.kill();
    }
}
