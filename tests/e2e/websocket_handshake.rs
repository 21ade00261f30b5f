//! Who gets a WebSocket: handshakes to the letter, from the site's own pages, confirmed by an upstream that means it.

use crate::{
    support::{
        Gateway, client,
        client::Reply,
        gateway,
        gateway::bearer,
        get,
        websocket::{Peers, Socket, handshake, open},
    },
    websocket::{start, text},
};
use serde_json::json;

const OWN: &str = "http://bi.example.com";

/// The answer to a handshake that is refused.
fn refused(gateway: &Gateway, target: &str, fields: &[(&str, &str)]) -> Reply {
    let reply = ask(gateway, handshake(target, fields).as_bytes());
    assert_ne!(reply.status, 101, "{fields:?}");
    assert_eq!(reply.header("connection"), Some("close"), "{fields:?}");
    reply
}

fn ask(gateway: &Gateway, bytes: &[u8]) -> Reply {
    client::send(gateway.address, bytes)
}

/// A session cookie.
fn session(gateway: &Gateway) -> String {
    let token = gateway::token(&json!({}));
    let target = format!("/reports/q3?embed_token={token}");
    let page = get(gateway.address, &target, &[("Sec-Fetch-Dest", "iframe")]);
    page.session().unwrap()
}

#[test]
fn under_a_session_only_the_sites_own_pages_open_one() {
    let (peers, gateway) = start("");
    let cookie = session(&gateway);
    let before = peers.heads().len();
    let cookie = ("Cookie", cookie.as_str());
    for (origin, code) in [
        ("", "csrf_denied"),
        ("null", "origin_denied"),
        ("https://bi.example.com", "origin_denied"),
        ("http://bi.example.com:8080", "origin_denied"),
        ("https://evil.example", "origin_denied"),
        ("http://evil.bi.example.com", "origin_denied"),
        ("http://bi.example.com.evil.example", "origin_denied"),
        // Those may embed the site, and still not read what its viewers do.
        ("https://app.example.com", "csrf_denied"),
    ] {
        let reply = refused(&gateway, "/ws/echo", &[cookie, ("Origin", origin)]);
        assert_eq!((reply.status, &*reply.code()), (403, code), "{origin}");
    }
    // A page that claims to be fetched by the site itself still has no Origin of it.
    let claimed = [cookie, ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(
        refused(&gateway, "/ws/echo", &claimed).code(),
        "csrf_denied"
    );
    assert_eq!(peers.heads().len(), before);
    for fetch in ["", "same-origin", "same-site"] {
        let fields = [cookie, ("Origin", OWN), ("Sec-Fetch-Site", fetch)];
        let mut socket = open(gateway.address, "/ws/echo", &fields);
        socket.text("hello");
        socket.expect_text("hello");
    }
    let plain = get(gateway.address, "/ws/plain", &[cookie]);
    assert_eq!((plain.status, plain.text()), (200, "plain"));
}

#[test]
fn a_token_needs_no_page_of_the_site_but_none_of_a_stranger_either() {
    let (_peers, gateway) = start("");
    let bearer = bearer();
    let token = ("Authorization", bearer.as_str());
    for origin in ["", OWN, "https://app.example.com"] {
        drop(open(
            gateway.address,
            "/ws/echo",
            &[token, ("Origin", origin)],
        ));
    }
    let stranger = refused(
        &gateway,
        "/ws/echo",
        &[token, ("Origin", "https://evil.example")],
    );
    assert_eq!(stranger.code(), "origin_denied");
    assert_eq!(refused(&gateway, "/ws/echo", &[]).code(), "token_missing");
    let forged = refused(&gateway, "/ws/echo", &[("Authorization", "Bearer a.b.c")]);
    assert_eq!(forged.code(), "token_invalid");
}

#[test]
fn a_handshake_opens_no_session_and_is_no_page() {
    let (_peers, gateway) = start("");
    let token = gateway::token(&json!({}));
    let target = format!("/ws/echo?embed_token={token}");
    for fields in [
        &[][..],
        &[("Sec-Fetch-Dest", "iframe")],
        &[("Accept", "text/html")],
    ] {
        let mut socket = Socket::new(client::connect(gateway.address), true);
        socket.send_bytes(handshake(&target, fields).as_bytes());
        let head = socket.head().unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(!head.to_lowercase().contains("set-cookie"), "{head}");
    }
}

#[test]
fn what_asks_for_a_websocket_and_is_no_handshake_is_refused() {
    let (peers, gateway) = start("");
    let bearer = bearer();
    let token = ("Authorization", bearer.as_str());
    for change in [
        ("Upgrade", "websocket, h2c"),
        ("Upgrade", "websocket\r\nUpgrade: websocket"),
        ("Upgrade", "h2c\r\nUpgrade: websocket"),
        ("Connection", "keep-alive"),
        ("Connection", "close, Upgrade"),
        ("Connection", "Upgrade, Sec-WebSocket-Key"),
        ("Connection", "Upgrade, Cookie"),
        ("Connection", ""),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Version", ""),
        ("Sec-WebSocket-Key", ""),
        ("Sec-WebSocket-Key", "short"),
        (
            "Sec-WebSocket-Key",
            "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
    ] {
        let reply = refused(&gateway, "/ws/echo", &[token, change]);
        assert_eq!(
            (reply.status, &*reply.code()),
            (400, "request_malformed"),
            "{change:?}"
        );
    }
    for (from, to) in [(" HTTP/1.1\r\n", " HTTP/1.0\r\n"), ("GET ", "POST ")] {
        let head = handshake("/ws/echo", &[token]).replacen(from, to, 1);
        assert_eq!(
            ask(&gateway, head.as_bytes()).code(),
            "request_malformed",
            "{to}"
        );
    }
    assert_eq!(peers.heads().len(), 0);
}

#[test]
fn other_protocols_and_other_routes_are_ordinary_requests() {
    let (peers, gateway) = start("");
    let bearer = bearer();
    let token = ("Authorization", bearer.as_str());
    let settings = ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA");
    for upgrade in ["h2c", "TLS/1.0", "websockets"] {
        let fields = [token, ("Upgrade", upgrade), settings];
        let reply = ask(&gateway, handshake("/ws/plain", &fields).as_bytes());
        assert_eq!((reply.status, reply.text()), (200, "plain"), "{upgrade}");
    }
    // The upstream would switch, were it asked.
    let reply = refused(&gateway, "/static/plain", &[]);
    assert_eq!((reply.status, reply.text()), (200, "plain"));
    assert_eq!(peers.heads().len(), 4);
    for head in peers.heads() {
        assert!(
            !head.contains("upgrade") && !head.contains("http2-settings"),
            "{head}"
        );
    }
}

#[test]
fn an_answer_that_is_no_switch_is_an_ordinary_one_and_its_connection_is_left_alone() {
    let (peers, gateway) = start("");
    let bearer = bearer();
    let token = ("Authorization", bearer.as_str());
    let mut socket = Socket::new(client::connect(gateway.address), true);
    let mut bytes = handshake("/ws/no", &[token]).into_bytes();
    // The client does not wait for the answer: it sends a frame that looks like a request of its own.
    bytes.extend_from_slice(b"GET /ws/plain HTTP/1.1\r\nHost: bi.example.com\r\n");
    bytes.extend_from_slice(format!("Authorization: {bearer}\r\n\r\n").as_bytes());
    socket.send_bytes(&bytes);
    let all = String::from_utf8(socket.rest()).unwrap();
    assert!(
        all.starts_with("HTTP/1.1 403 Forbidden") && all.ends_with("\r\n\r\nno"),
        "{all}"
    );
    assert_eq!(all.matches("HTTP/1.1").count(), 1, "{all}");
    assert_eq!(peers.heads().len(), 1);
    let reply = get(gateway.address, "/ws/plain", &[token]);
    assert_eq!(reply.text(), "plain");
    assert!(peers.heads()[1].starts_with("GET /ws/plain"));
}

#[test]
fn an_upstream_that_does_not_confirm_the_handshake_has_failed() {
    let (peers, gateway) = start("");
    let bearer = bearer();
    let token = ("Authorization", bearer.as_str());
    for act in ["key", "twice", "h2c", "bare", "both", "length", "chunked"] {
        let reply = refused(&gateway, &format!("/ws/{act}"), &[token]);
        assert_eq!(
            (reply.status, &*reply.code()),
            (502, "upstream_failed"),
            "{act}"
        );
    }
    // Nobody asked.
    let reply = get(gateway.address, "/ws/echo", &[token]);
    assert_eq!((reply.status, &*reply.code()), (502, "upstream_failed"));
    assert_eq!(peers.heads().len(), 8);
}

#[test]
fn what_is_no_frame_ends_the_tunnel() {
    let (peers, gateway) = start("");
    let mut socket = crate::websocket::by_token(&gateway, "echo");
    socket.send_bytes(b"GET /ws/plain HTTP/1.1\r\n\r\n");
    assert_eq!(socket.frame().unwrap().close().0, 1002);
    drop(socket);
    crate::support::eventually("the upstream is told", || {
        peers.ends() == [Some((1001, "bad_frame".to_owned()))]
    });
    let mut socket = crate::websocket::by_token(&gateway, "junk");
    assert_eq!(socket.frame().unwrap().close().0, 1002);
}

#[test]
fn a_bound_origin_holds_for_websockets() {
    let peers = Peers::start();
    let text = text(peers.address, "").replace(
        "kind = \"generic\"",
        "kind = \"generic\"\nbind = [\"origin\"]",
    );
    let gateway = Gateway::start(&text);
    let bearer = bearer();
    let token = ("Authorization", bearer.as_str());
    assert_eq!(
        refused(&gateway, "/ws/echo", &[token]).code(),
        "origin_denied"
    );
    drop(open(gateway.address, "/ws/echo", &[token, ("Origin", OWN)]));
}
