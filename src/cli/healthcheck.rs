//! `embedgate healthcheck`: asks the running gateway whether it is ready. Needs no secret of the configuration.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use serde::Deserialize;
use tokio::time::Instant;

/// The whole check may take so long.
const TIMEOUT: Duration = Duration::from_secs(2);
/// More of a reply than this is not looked at.
const REPLY_LIMIT: u64 = 8 * 1024;

/// Asks, prints one line, and answers with the exit code: 0 ready, 1 not, 78 the configuration names no admin address.
#[expect(clippy::print_stdout, reason = "the line is what the command is for")]
pub fn run(config: &Path) -> ExitCode {
    match check(config) {
        Ok(()) => {
            println!("ready");
            ExitCode::SUCCESS
        }
        Err(unhealthy) => {
            println!("{unhealthy}");
            unhealthy.exit_code()
        }
    }
}

/// Why the gateway is not known to be ready.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    #[error("no answer from {address}: {source}")]
    NoAnswer {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("no admin address: {0}")]
    NoAddress(String),
    #[error("not ready: {0}")]
    NotReady(String),
}

impl Unhealthy {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoAddress(_) => ExitCode::from(78),
            Self::NoAnswer { .. } | Self::NotReady(_) => ExitCode::FAILURE,
        }
    }
}

/// The little that is needed of the file; everything else may be wrong, or its secrets absent.
#[derive(Deserialize)]
struct Partial {
    admin: Option<Admin>,
}

#[derive(Deserialize)]
struct Admin {
    address: Option<String>,
}

fn check(config: &Path) -> Result<(), Unhealthy> {
    let text = fs::read_to_string(config)
        .map_err(|error| Unhealthy::NoAddress(format!("{}: {error}", config.display())))?;
    let address = address(&text)?;
    let reply = ask(address).map_err(|source| Unhealthy::NoAnswer { address, source })?;
    judge(&reply)
}

fn address(text: &str) -> Result<SocketAddr, Unhealthy> {
    let partial: Partial =
        toml::from_str(text).map_err(|error| Unhealthy::NoAddress(error.message().to_owned()))?;
    let written = partial
        .admin
        .and_then(|admin| admin.address)
        .ok_or_else(|| Unhealthy::NoAddress("[admin] address is not set".into()))?;
    let bound: SocketAddr = written
        .parse()
        .map_err(|_| Unhealthy::NoAddress(format!("`{written}` is not an address with a port")))?;
    let ip = match bound.ip() {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    Ok(SocketAddr::new(ip, bound.port()))
}

fn ask(address: SocketAddr) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut reply = Vec::new();
    let mut chunk = [0; 1024];
    let mut source = stream.take(REPLY_LIMIT);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        source.get_ref().set_read_timeout(Some(left))?;
        match source.read(&mut chunk) {
            Ok(0) => return Ok(reply),
            Ok(read) => reply.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn judge(reply: &[u8]) -> Result<(), Unhealthy> {
    let text = String::from_utf8_lossy(reply);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut status = head.lines().next().unwrap_or_default().splitn(3, ' ');
    match (status.next(), status.next()) {
        (Some("HTTP/1.1"), Some("200")) => Ok(()),
        (Some("HTTP/1.1"), Some(status)) => Err(Unhealthy::NotReady(
            reasons(body).unwrap_or_else(|| format!("status {status}")),
        )),
        _ => Err(Unhealthy::NotReady("the answer is not HTTP".into())),
    }
}

fn reasons(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Readiness {
        reasons: Vec<String>,
    }
    let readiness: Readiness = serde_json::from_str(body).ok()?;
    // One line, and no control characters for the terminal.
    Some(
        readiness
            .reasons
            .join(", ")
            .chars()
            .filter(|char| !char.is_control())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_address_is_all_that_is_read() {
        for (text, expected) in [
            (
                "[admin]\naddress = '127.0.0.1:9901'\nlater = 1\n[session]\nsecret = { env = 'NOT_SET' }",
                "127.0.0.1:9901",
            ),
            ("[admin]\naddress = '0.0.0.0:1'", "127.0.0.1:1"),
            ("[admin]\naddress = '[::]:1'", "[::1]:1"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "[admin]", "[admin]\naddress = 'localhost'", "[admin"] {
            assert!(
                matches!(address(text), Err(Unhealthy::NoAddress(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn only_200_is_ready() {
        assert!(judge(b"HTTP/1.1 200 OK\r\n\r\n{}").is_ok());
        for (reply, reason) in [
            (
                &b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"reasons\":[\"draining\"]}"[..],
                "not ready: draining",
            ),
            (
                b"HTTP/1.1 421 Misdirected Request\r\n\r\n",
                "not ready: status 421",
            ),
            (b"SSH-2.0-x\r\n", "not ready: the answer is not HTTP"),
            (b"", "not ready: the answer is not HTTP"),
        ] {
            assert_eq!(judge(reply).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn a_gateway_that_is_not_there_is_not_ready() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(ask(free).is_err());
    }
}
