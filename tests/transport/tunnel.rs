//! Upgraded connections: after the 101, bytes both ways, and an end at shutdown.

use crate::support::{Setup, connect, scripted, until};

const UPGRADE: &str =
    "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// Frames of a client.
const FIRST: &[u8] = b"\x81\x85\0\0\0\0first";
const REST: &[u8] = b"\x81\x84\0\0\0\0rest";

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_early_ones_too() {
    let upstream = scripted(|_, mut peer| async move {
        let head = peer.head().await.unwrap();
        assert!(head.contains("connection: upgrade\r\nupgrade: websocket"), "{head}");
        peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n\x01\x05early").await;
        let frames = peer.bytes(21).await;
        assert_eq!(frames, [FIRST, REST].concat());
        peer.send("\0\x09FIRSTREST").await;
        assert_eq!(peer.rest().await, "");
    })
    .await;
    let (running, _) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    client.send([UPGRADE.as_bytes(), FIRST].concat()).await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-accept: x"), "{head}");
    assert!(head.contains("upgrade: websocket"), "{head}");
    assert_eq!(client.exactly(7).await, "\x01\x05early");
    assert_eq!(running.metrics().tunnels(), 1);
    client.send(REST).await;
    assert_eq!(client.exactly(11).await, "\0\x09FIRSTREST");
    drop(client);
    until("gone", || running.metrics().connections() == 0).await;
    assert_eq!(running.metrics().tunnels(), 0);
}

#[tokio::test]
async fn a_tunnel_ends_at_shutdown() {
    let upstream = scripted(|_, mut peer| async move {
        peer.head().await.unwrap();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n")
            .await;
        peer.rest().await;
    })
    .await;
    let (running, _) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    client.send(UPGRADE).await;
    client.head().await.unwrap();
    until("tunnel", || running.metrics().tunnels() == 1).await;
    running.stop();
    // 1001, in a Close frame.
    assert!(client.rest().await.ends_with("\u{3}\u{fffd}shutdown"));
    drop(client);
    assert_eq!(running.done().await, 0);
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_an_ordinary_answer() {
    let upstream = scripted(|_, mut peer| async move {
        while peer.head().await.is_some() {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno")
                .await;
        }
    })
    .await;
    let (running, _) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    client.send(UPGRADE).await;
    assert_eq!(client.answer().await.unwrap().body, "no");
    assert_eq!(client.get("/again").await.body, "no");
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_a_failure() {
    let upstream = scripted(|_, mut peer| async move {
        peer.head().await.unwrap();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n")
            .await;
    })
    .await;
    let (running, _) = Setup::to(upstream).start();
    assert_eq!(connect(&running).await.get("/").await.status, 502);
}
