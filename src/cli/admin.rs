//! Talks to the running gateway's admin listener: what `revoke` and its like do. Needs no secret of the configuration but the admin token.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Failure;
use crate::config::{ConfigErrors, raw, secret::SecretSource};

/// The admin listener of a running gateway, and what it wants to be shown.
pub(super) struct Admin {
    address: SocketAddr,
    token: Zeroizing<String>,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// The body; `null` where there is none.
    pub(super) body: Value,
}

/// The little that is needed of the file; everything else may be wrong, or its secrets absent.
#[derive(Deserialize)]
struct Partial {
    admin: Option<raw::Admin>,
}

impl Admin {
    /// As a configuration says.
    ///
    /// # Errors
    /// It cannot be read, or there is no admin listener, or writing is off.
    pub(super) fn find(config: &Path) -> Result<Self, Failure> {
        let wrong = |problem: String| ConfigErrors::of_file(config, problem);
        let text = fs::read_to_string(config)
            .map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let partial: Partial =
            toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        let admin = partial
            .admin
            .ok_or_else(|| wrong("there is no [admin], so nobody listens".into()))?;
        let address = reachable(&admin.address)
            .ok_or_else(|| wrong(format!("admin.address: `{}` is not IP:port", admin.address)))?;
        let source = admin
            .token
            .ok_or_else(|| wrong("admin.token is not set, so writing is off".into()))?;
        let token = token(&source, config.parent().unwrap_or_else(|| Path::new("")))
            .map_err(|problem| wrong(format!("admin.token: {problem}")))?;
        Ok(Self { address, token })
    }

    /// Sends one request and reads the answer.
    ///
    /// # Errors
    /// Nobody answers, or not as a gateway does.
    pub(super) fn ask(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Failure> {
        let address = self.address;
        let reply = self
            .exchange(method, target, body)
            .map_err(|error| Failure::Runtime(format!("no answer from {address}: {error}")))?;
        read(&reply).ok_or_else(|| {
            Failure::Runtime(format!("the answer from {address} is not a gateway's"))
        })
    }

    fn exchange(&self, method: &str, target: &str, body: Option<&Value>) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Zeroizing::new(format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            *self.token,
            body.len()
        ));
        stream.write_all(request.as_bytes())?;
        let mut reply = Vec::new();
        stream.take(REPLY_LIMIT).read_to_end(&mut reply)?;
        Ok(reply)
    }
}

impl Reply {
    /// The elements of a member; none where it is no list.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &Value> {
        let list = self.body.get(name).and_then(Value::as_array);
        list.into_iter().flatten()
    }

    /// What went wrong, in one line for a terminal.
    pub(super) fn problem(&self) -> String {
        let text = |value: &Value| value.as_str().map(plain);
        let message = self.body.get("message").and_then(text).unwrap_or_default();
        let errors: Vec<String> = self.list("errors").filter_map(text).collect();
        match (errors.as_slice(), message.is_empty()) {
            ([], true) => format!("status {}", self.status),
            ([], false) => message,
            (errors, _) => format!("{message} {}", errors.join("; ")),
        }
    }
}

/// Text from elsewhere, without what would steer a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).collect()
}

/// Where a listener is reached that is bound to an address.
fn reachable(bound: &str) -> Option<SocketAddr> {
    let bound: SocketAddr = bound.parse().ok()?;
    let ip = match bound.ip() {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    Some(SocketAddr::new(ip, bound.port()))
}

/// The token as a header field can carry it.
fn token(source: &SecretSource, base: &Path) -> Result<Zeroizing<String>, String> {
    let text = match source {
        SecretSource::Env(name) => {
            std::env::var(name).map_err(|_| format!("environment variable {name} is not set"))?
        }
        SecretSource::File(path) => fs::read_to_string(base.join(path))
            .map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let text = Zeroizing::new(text);
    let token = text.strip_suffix('\n').unwrap_or(&text);
    let token = token.strip_suffix('\r').unwrap_or(token);
    if token.is_empty() || !token.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("is empty, or holds what a header field cannot carry".into());
    }
    Ok(Zeroizing::new(token.to_owned()))
}

fn read(reply: &[u8]) -> Option<Reply> {
    let text = str::from_utf8(reply).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let body = match body {
        "" => Value::Null,
        body => serde_json::from_str(body).ok()?,
    };
    Some(Reply { status, body })
}

/// How long the gateway may take over one step.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const REPLY_LIMIT: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_admin_table_is_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "admin-token\r\n").unwrap();
        let file = folder.path().join("gateway.toml");
        let find = |text: &str| {
            fs::write(&file, text).unwrap();
            Admin::find(&file)
        };
        let good = "[admin]\ntoken = { file = 'token' }\n[session]\nsecret = { env = 'NOT_SET' }\n[later]\nx = 1";
        let admin = find(good).ok().unwrap();
        assert_eq!(admin.address.to_string(), "127.0.0.1:9901");
        assert_eq!(*admin.token, "admin-token");
        for (text, why) in [
            ("", "no [admin]"),
            ("[admin]", "admin.token is not set"),
            ("[admin]\ntoken = 'secret-in-the-file'", "never written"),
            ("[admin]\ntoken = { env = 'NOT_SET' }", "NOT_SET is not set"),
            ("[admin]\ntoken = { file = 'nothing' }", "nothing: "),
            (
                "[admin]\naddress = 'localhost'\ntoken = { file = 'token' }",
                "not IP:port",
            ),
        ] {
            let failure = find(text).err().unwrap();
            assert_eq!(failure.code(), 78, "{text}");
            assert!(failure.to_string().contains(why), "{text}: {failure}");
            assert!(!failure.to_string().contains("secret-in-the-file"));
        }
    }

    #[test]
    fn an_answer_is_a_status_and_json() {
        let reply = read(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 1\r\n\r\n{\"message\":\"No.\\u001b[2J\",\"errors\":[\"a\",\"b\"]}").unwrap();
        assert_eq!((reply.status, &*reply.problem()), (400, "No.[2J a; b"));
        assert_eq!(
            read(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap().problem(),
            "status 404"
        );
        for nonsense in [
            &b""[..],
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.1 \xc3\xa9\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nno json",
        ] {
            assert!(read(nonsense).is_none());
        }
    }

    #[test]
    fn an_unspecified_address_is_reached_on_loopback() {
        for (bound, reached) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1")] {
            assert_eq!(reachable(bound).unwrap().to_string(), reached);
        }
    }
}
