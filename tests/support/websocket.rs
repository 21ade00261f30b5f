//! `WebSockets` by hand, on blocking sockets: a client that sends exact bytes, and an upstream that does as the path says.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The key of every handshake here.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// One side of a WebSocket.
pub(crate) struct Socket<S = TcpStream> {
    pub(crate) stream: S,
    masks: bool,
    read: Vec<u8>,
}

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Status code and reason of a Close.
    pub(crate) fn close(&self) -> (u16, String) {
        assert_eq!(self.first, 0x88, "{self:?}");
        let code = u16::from_be_bytes([self.payload[0], self.payload[1]]);
        (code, String::from_utf8(self.payload[2..].to_vec()).unwrap())
    }
}

impl<S: Read + Write> Socket<S> {
    /// `masks`: a client's.
    pub(crate) fn new(stream: S, masks: bool) -> Self {
        Self {
            stream,
            masks,
            read: Vec::new(),
        }
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) {
        let bytes = self.framed(first, payload);
        self.send_bytes(&bytes);
    }

    /// A frame as this side writes it.
    pub(crate) fn framed(&self, first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = header(first, payload.len(), self.masks);
        if self.masks {
            let mask = [0x11, 0x22, 0x33, 0x44];
            bytes.extend(mask);
            let masked = payload.iter().zip(mask.iter().cycle());
            bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend_from_slice(payload);
        }
        bytes
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.send(0x81, text.as_bytes());
    }

    /// The next frame; nothing where the stream ends between two frames.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        if self.read.is_empty() && !self.fill() {
            return None;
        }
        let head = self.take(2);
        let masked = head[1] & 0x80 != 0;
        let length = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.take(2).try_into().unwrap())),
            127 => u64::from_be_bytes(self.take(8).try_into().unwrap()),
            short => short.into(),
        };
        let mask = if masked { self.take(4) } else { vec![0; 4] };
        let payload = self.take(length.try_into().unwrap());
        let payload = payload.iter().zip(mask.iter().cycle());
        Some(Frame {
            first: head[0],
            payload: payload.map(|(byte, mask)| byte ^ mask).collect(),
        })
    }

    pub(crate) fn expect_text(&mut self, text: &str) {
        let frame = self.frame().expect("a frame");
        assert_eq!(frame.first, 0x81);
        assert_eq!(String::from_utf8(frame.payload).unwrap(), text);
    }

    /// Everything until the stream ends, however it does.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.read)
    }

    /// A message head, its bytes gone from the stream.
    pub(crate) fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                return Some(String::from_utf8(self.take(end + 4)).unwrap());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        while self.read.len() < n {
            assert!(self.fill(), "ended after {} of {n} bytes", self.read.len());
        }
        let rest = self.read.split_off(n);
        std::mem::replace(&mut self.read, rest)
    }

    fn fill(&mut self) -> bool {
        let mut room = vec![0; 64 * 1024];
        match self.stream.read(&mut room) {
            Ok(n) => {
                self.read.extend_from_slice(&room[..n]);
                n > 0
            }
            Err(error) => {
                let late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!late, "nothing came in time");
                false
            }
        }
    }
}

fn header(first: u8, length: usize, masks: bool) -> Vec<u8> {
    let mask = if masks { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(mask | u8::try_from(length).unwrap()),
        126..=0xffff => {
            bytes.push(mask | 0x7e);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(mask | 0x7f);
            bytes.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes
}

/// The head of a good handshake, but for some fields (`""` takes one away).
pub(crate) fn handshake(target: &str, changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("Host", "bi.example.com"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    let mut text = format!("GET {target} HTTP/1.1\r\n");
    for (name, value) in fields {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text + "\r\n"
}

/// Opens a WebSocket; panics unless it is one.
pub(crate) fn open(address: SocketAddr, target: &str, fields: &[(&str, &str)]) -> Socket {
    let mut socket = Socket::new(super::client::connect(address), true);
    socket.send_bytes(handshake(target, fields).as_bytes());
    let head = socket.head().expect("an answer");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    socket
}

/// What `Sec-WebSocket-Accept` is for a key.
pub(crate) fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// An upstream of `WebSockets`; the last word of the path says what it does.
pub(crate) struct Peers {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

/// What the upstream saw.
#[derive(Default)]
struct Log {
    heads: Vec<String>,
    /// Close frames, and `None` for a stream that ended without.
    ends: Vec<Option<(u16, String)>>,
}

impl Peers {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let theirs = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&theirs);
                std::thread::spawn(move || serve(stream, &log));
            }
        });
        Self { address, log }
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.log.lock().unwrap().heads.clone()
    }

    /// How `WebSockets` ended.
    pub(crate) fn ends(&self) -> Vec<Option<(u16, String)>> {
        self.log.lock().unwrap().ends.clone()
    }
}

fn serve(stream: TcpStream, log: &Mutex<Log>) {
    stream.set_nodelay(true).unwrap();
    let mut socket = Socket::new(stream, false);
    while let Some(head) = socket.head() {
        let target = head.split(' ').nth(1).unwrap().to_owned();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let key = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-key: "));
        let accept = key.map(accept).unwrap_or_default();
        log.lock().unwrap().heads.push(head);
        let good = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
        );
        let act = path.rsplit('/').next().unwrap_or_default();
        let answer = match act {
            "no" => "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_owned(),
            "plain" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain".to_owned(),
            "key" => good.replace(&accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOO=") + "\r\n",
            "twice" => format!("{good}Sec-WebSocket-Accept: {accept}\r\n\r\n"),
            "h2c" => good.replace("Upgrade: websocket", "Upgrade: h2c") + "\r\n",
            "bare" => good.replace("Connection: Upgrade\r\n", "") + "\r\n",
            "both" => format!("{good}Upgrade: h2c\r\n\r\n"),
            "length" => format!("{good}Content-Length: 5\r\n\r\nhello"),
            "chunked" => format!("{good}Transfer-Encoding: chunked\r\n\r\n"),
            _ => good + "Sec-WebSocket-Protocol: v1\r\n\r\n",
        };
        socket.send_bytes(answer.as_bytes());
        if !answer.starts_with("HTTP/1.1 101") {
            continue;
        }
        let end = act_out(act, &mut socket);
        log.lock().unwrap().ends.push(end);
        return;
    }
}

/// How it ended.
fn act_out(act: &str, socket: &mut Socket) -> Option<(u16, String)> {
    match act {
        "early" => socket.text("early"),
        "half" => socket.send_bytes(&[0x82, 126, 0x10, 0, b'x', b'y']),
        "tail" => {
            // A frame that takes a second to its end, and another one.
            socket.send_bytes(&[0x82, 126, 0x10, 0, b'x']);
            std::thread::sleep(Duration::from_secs(1));
            let mut rest = vec![b'x'; 0x0fff];
            rest.extend(socket.framed(0x81, b"too much"));
            socket.send_bytes(&rest);
        }
        "flood" => {
            let frame = socket.framed(0x82, &vec![7; 60_000]);
            while socket.stream.write_all(&frame).is_ok() {}
            return None;
        }
        "junk" => socket.send_bytes(b"HTTP/1.1 200 OK\r\n\r\n"),
        "gone" => {
            let _gone = socket.stream.shutdown(Shutdown::Both);
            return None;
        }
        "drip" => {
            let mut stream = socket.stream.try_clone().unwrap();
            let ping = socket.framed(0x89, b"");
            std::thread::spawn(move || {
                while stream.write_all(&ping).is_ok() {
                    std::thread::sleep(Duration::from_millis(200));
                }
            });
        }
        _ => {}
    }
    while let Some(frame) = socket.frame() {
        match frame.first & 0x0f {
            0x8 => {
                let end = (frame.payload.len() > 1).then(|| frame.close());
                let _gone = socket
                    .stream
                    .write_all(&socket.framed(0x88, &frame.payload));
                let _gone = socket.stream.shutdown(Shutdown::Write);
                return end;
            }
            0x9 => socket.send(0x8a, &frame.payload),
            0xa => {}
            _ => {
                let bytes = socket.framed(frame.first, &frame.payload);
                if socket.stream.write_all(&bytes).is_err() {
                    return None;
                }
            }
        }
    }
    None
}
