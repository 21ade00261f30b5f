//! What a WebSocket carries, and what it costs: bytes as they are, both ways, in bounded memory.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::ServerName};

use crate::support::{
    Gateway, eventually, gateway,
    gateway::bearer,
    get,
    websocket::{Peers, Socket, open},
};
use serde_json::{Value, json};

/// The usual site, with `/ws/*` for `WebSockets`.
pub(crate) fn text(upstream: SocketAddr, more: &str) -> String {
    let routes = "[[site.reports.routes]]\npath = \"/ws/*\"\nmethods = [\"GET\", \"POST\"]\nwebsocket = true\ndanger_unread_messages = true\n";
    gateway::generic(upstream, more) + routes
}

pub(crate) fn start(more: &str) -> (Peers, Gateway) {
    let peers = Peers::start();
    let gateway = Gateway::start(&text(peers.address, more));
    (peers, gateway)
}

/// A WebSocket by a good token.
pub(crate) fn by_token(gateway: &Gateway, act: &str) -> Socket {
    let target = format!("/ws/{act}");
    open(gateway.address, &target, &[("Authorization", &bearer())])
}

pub(crate) fn metric(gateway: &Gateway, name: &str) -> i64 {
    let page = get(gateway.admin.unwrap(), "/metrics", &[("Host", "localhost")]);
    let line = format!("\nembedgate_{name} ");
    let found = page
        .text()
        .split(&line)
        .nth(1)
        .expect("the metric")
        .to_owned();
    found.lines().next().unwrap().parse().unwrap()
}

/// The lines of a trail.
pub(crate) fn trail(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn messages_of_every_size_and_kind_go_both_ways_unchanged() {
    let (peers, gateway) = start("");
    let mut socket = by_token(&gateway, "echo");
    socket.text("hello");
    socket.expect_text("hello");
    for length in [0, 125, 126, 65_535, 65_536, 10_000_000] {
        let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
        let mut writing = Socket::new(socket.stream.try_clone().unwrap(), true);
        let sent = payload.clone();
        let writer = std::thread::spawn(move || writing.send(0x82, &sent));
        let frame = socket.frame().unwrap();
        writer.join().unwrap();
        assert_eq!(frame.first, 0x82);
        assert!(frame.payload == payload, "{length}");
    }
    // In pieces, with a ping between them.
    for (first, text) in [
        (0x01, "one "),
        (0x89, "ping"),
        (0x00, "two "),
        (0x80, "three"),
    ] {
        socket.send(first, text.as_bytes());
    }
    let echoed: Vec<(u8, String)> = (0..4)
        .map(|_| socket.frame().unwrap())
        .map(|frame| (frame.first, String::from_utf8(frame.payload).unwrap()))
        .collect();
    let wanted = [
        (0x01, "one "),
        (0x8a, "ping"),
        (0x00, "two "),
        (0x80, "three"),
    ];
    assert_eq!(echoed, wanted.map(|(first, text)| (first, text.to_owned())));
    // An extension's bits are the extension's.
    socket.send(0xc1, b"compressed");
    assert_eq!(socket.frame().unwrap().first, 0xc1);
    socket.send(0x88, &[&3001_u16.to_be_bytes()[..], b"enough"].concat());
    assert_eq!(socket.frame().unwrap().close(), (3001, "enough".to_owned()));
    assert_eq!(socket.rest(), b"");
    assert_eq!(peers.ends(), [Some((3001, "enough".to_owned()))]);
}

#[test]
fn a_thousand_small_messages_come_back_in_order() {
    let (_peers, gateway) = start("");
    let mut socket = by_token(&gateway, "echo");
    for block in 0..100 {
        let texts: Vec<String> = (0..10)
            .map(|n| format!("message {}", block * 10 + n))
            .collect();
        for text in &texts {
            socket.text(text);
        }
        for text in &texts {
            socket.expect_text(text);
        }
    }
}

#[test]
fn what_comes_with_the_handshake_goes_into_the_tunnel_in_both_directions() {
    let (peers, gateway) = start("");
    let mut socket = Socket::new(crate::support::client::connect(gateway.address), true);
    let bearer = bearer();
    let mut bytes =
        crate::support::websocket::handshake("/ws/early", &[("Authorization", &bearer)])
            .into_bytes();
    // A whole request, as the payload of a frame that comes in the same packet.
    let smuggled = b"GET /reports/q3 HTTP/1.1\r\nHost: bi.example.com\r\n\r\n";
    bytes.extend(socket.framed(0x82, smuggled));
    socket.send_bytes(&bytes);
    assert!(socket.head().unwrap().starts_with("HTTP/1.1 101 "));
    socket.expect_text("early");
    assert_eq!(socket.frame().unwrap().payload, smuggled);
    assert_eq!(peers.heads().len(), 1);
}

#[test]
fn the_upstream_is_asked_with_the_locked_values_and_without_the_token() {
    let (peers, gateway) = start("");
    let token = gateway::token(&json!({}));
    let target = format!("/ws/echo?embed_token={token}&region=eu");
    let fields = [
        ("Sec-WebSocket-Protocol", "v1, v2"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("X-Forwarded-User", "admin"),
        ("Cookie", "a=b"),
    ];
    let mut socket = Socket::new(crate::support::client::connect(gateway.address), true);
    socket.send_bytes(crate::support::websocket::handshake(&target, &fields).as_bytes());
    let answer = socket.head().unwrap().to_lowercase();
    for line in [
        "http/1.1 101 switching protocols",
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-accept: s3ppLmbitxaq9kygzzhzrbk+xoo=",
        "sec-websocket-protocol: v1",
        "x-request-id: ",
    ] {
        assert!(answer.contains(&line.to_lowercase()), "{line}\n{answer}");
    }
    assert!(
        !answer.contains("set-cookie") && !answer.contains("content-length"),
        "{answer}"
    );
    let head = peers.heads().pop().unwrap();
    assert!(
        head.starts_with("GET /ws/echo?") && !head.contains(&token),
        "{head}"
    );
    for line in [
        "tenant_id=999",
        "region=eu",
        "connection: upgrade\r\n",
        "upgrade: websocket\r\n",
        "sec-websocket-protocol: v1, v2\r\n",
        "sec-websocket-extensions: permessage-deflate\r\n",
    ] {
        assert!(head.contains(line), "{line}\n{head}");
    }
    for gone in ["admin", "a=b", "embed_token"] {
        assert!(!head.contains(gone), "{gone}\n{head}");
    }
    let denied = open_refused(
        &gateway,
        &format!("/ws/echo?embed_token={token}&tenant_id=1"),
    );
    assert!(denied.contains("param_locked"), "{denied}");
}

/// What a handshake is answered, that is refused.
fn open_refused(gateway: &Gateway, target: &str) -> String {
    let mut socket = Socket::new(crate::support::client::connect(gateway.address), true);
    socket.send_bytes(crate::support::websocket::handshake(target, &[]).as_bytes());
    String::from_utf8(socket.rest()).unwrap()
}

#[test]
fn a_tunnel_is_one_record_and_one_request_and_none_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let peers = Peers::start();
    let text = text(peers.address, "").replace(
        "output = \"off\"",
        &format!("output = \"{}\"", path.display()),
    );
    let gateway = Gateway::start(&text);
    let mut socket = by_token(&gateway, "echo");
    socket.text("hello");
    socket.expect_text("hello");
    assert_eq!(metric(&gateway, "websockets"), 1);
    assert_eq!(metric(&gateway, "connections"), 1);
    assert_eq!(metric(&gateway, "requests_in_flight"), 0);
    std::thread::sleep(Duration::from_millis(300));
    socket.send(0x88, &1000_u16.to_be_bytes());
    assert_eq!(socket.frame().unwrap().close().0, 1000);
    drop(socket);
    eventually("the tunnel is gone", || metric(&gateway, "websockets") == 0);
    let page = get(gateway.admin.unwrap(), "/metrics", &[("Host", "localhost")]);
    let line = "embedgate_requests_total{site=\"reports\",route=\"/ws/*\",method=\"GET\",status=\"101\"} 1\n";
    assert!(page.text().contains(line), "{}", page.text());
    gateway.stop();
    let lines = trail(&path);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!(
        (&line["status"], &line["outcome"]),
        (&json!(101), &json!("allowed"))
    );
    assert_eq!(
        (&line["viewer"], &line["code"]),
        (&json!("viewer-7"), &Value::Null)
    );
    // The echo and the Close, with their headers.
    assert_eq!(line["bytes"], 7 + 4);
    assert_eq!(line["detail"], "closed; the client sent 19 bytes");
    assert!(line["duration_ms"].as_f64().unwrap() >= 300.0, "{line}");
}

#[test]
fn a_viewer_has_so_many_and_they_are_no_requests_under_way() {
    let (_peers, gateway) = start("[site.reports.limits]\nwebsockets = 2\nin_flight = 1\n");
    let first = by_token(&gateway, "echo");
    let _second = by_token(&gateway, "echo");
    let token = gateway::token(&json!({}));
    let target = format!("/ws/echo?embed_token={token}");
    let third = open_refused(&gateway, &target);
    assert!(third.starts_with("HTTP/1.1 429 "), "{third}");
    assert!(third.contains("in_flight_limited"), "{third}");
    let reply = get(
        gateway.address,
        "/ws/plain",
        &[("Authorization", &bearer())],
    );
    assert_eq!((reply.status, reply.text()), (200, "plain"));
    let other = gateway::token(&json!({ "sub": "other" }));
    let other = format!("/ws/echo?embed_token={other}");
    drop(open(gateway.address, &other, &[]));
    drop(first);
    eventually("the place is free", || metric(&gateway, "websockets") == 1);
    drop(open(gateway.address, &target, &[]));
}

#[test]
fn a_reader_that_stops_stops_the_upstream_and_costs_no_memory() {
    let (_peers, gateway) = start("");
    let before = resident();
    let sockets: Vec<Socket> = (0..16).map(|_| by_token(&gateway, "flood")).collect();
    // The upstreams write as fast as they can, for as long as they can.
    std::thread::sleep(Duration::from_secs(1));
    let grown = resident().saturating_sub(before) / sockets.len();
    assert!(grown < 512 * 1024, "{grown} bytes each");
    let [mut first, ..] = <[Socket; 16]>::try_from(sockets).ok().unwrap();
    for _ in 0..50 {
        assert_eq!(first.frame().unwrap().payload.len(), 60_000);
    }
}

/// Resident bytes of this process: gateway, upstream and client.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// A gateway that speaks TLS, and a client's configuration that trusts it.
fn encrypted(folder: &std::path::Path, upstream: SocketAddr) -> (Gateway, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["bi.example.com".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("edge.pem"), folder.join("edge.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = format!(
        "address = \"127.0.0.1:0\"\ntls = {{ certificate = \"{}\", key = \"{}\" }}\n",
        certificate.display(),
        key.display()
    );
    let text = text(upstream, "").replacen("address = \"127.0.0.1:0\"\n", &tls, 1);
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Gateway::start(&text), Arc::new(config))
}

#[test]
fn over_tls_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let peers = Peers::start();
    let (gateway, config) = encrypted(folder.path(), peers.address);
    let name = ServerName::try_from("bi.example.com").unwrap();
    let session = ClientConnection::new(config, name).unwrap();
    let tcp = crate::support::client::connect(gateway.address);
    let mut socket = Socket::new(StreamOwned::new(session, tcp), true);
    let bearer = bearer();
    let fields = [
        ("Authorization", &*bearer),
        ("Origin", "https://bi.example.com"),
    ];
    socket.send_bytes(crate::support::websocket::handshake("/ws/echo", &fields).as_bytes());
    assert!(socket.head().unwrap().starts_with("HTTP/1.1 101 "));
    for length in [5, 40_000, 3_000_000] {
        for piece in vec![9; length].chunks(100_000) {
            socket.send(0x82, piece);
            assert!(socket.frame().unwrap().payload == piece);
        }
    }
    gateway.stop();
    assert_eq!(
        socket.frame().unwrap().close(),
        (1001, "shutdown".to_owned())
    );
}

#[test]
fn a_client_that_just_leaves_takes_the_upstream_with_it() {
    let (peers, gateway) = start("");
    drop(by_token(&gateway, "echo"));
    eventually("the upstream knows", || peers.ends() == [None]);
    eventually("the tunnel is gone", || metric(&gateway, "websockets") == 0);
}

#[test]
fn an_upstream_that_just_leaves_takes_the_client_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let peers = Peers::start();
    let text = text(peers.address, "").replace(
        "output = \"off\"",
        &format!("output = \"{}\"", path.display()),
    );
    let gateway = Gateway::start(&text);
    let mut socket = by_token(&gateway, "gone");
    assert_eq!(socket.rest(), b"");
    drop(socket);
    eventually("the tunnel is gone", || metric(&gateway, "websockets") == 0);
    gateway.stop();
    let lines = trail(&path);
    assert_eq!(lines[0]["outcome"], "failed", "{lines:?}");
}
