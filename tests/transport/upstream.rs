//! The way to the upstream: connections used again, failures told apart, bodies in every framing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};

use crate::support::{Peer, Setup, connect, ms, scripted, until, upstream_spec};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

const CHUNKS: &str = "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";

/// Answers everything, and counts connections.
async fn counting(
    answer: &'static str,
) -> (embedgate::server::spec::UpstreamSpec, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::default());
    let theirs = Arc::clone(&count);
    let spec = scripted(move |_, mut peer: Peer<TcpStream>| {
        theirs.fetch_add(1, Ordering::SeqCst);
        async move {
            while peer.head().await.is_some() {
                peer.send(answer).await;
            }
        }
    })
    .await;
    (spec, count)
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let (upstream, count) = counting(HELLO).await;
    let (running, seen) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    for _ in 0..10 {
        assert_eq!(client.get("/a").await.body, "hello");
    }
    drop(client);
    assert_eq!(connect(&running).await.get("/b").await.body, "hello");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(seen.bytes.load(Ordering::SeqCst), 55);
}

#[tokio::test]
async fn every_framing_reads_the_same() {
    for (answer, reused) in [
        (HELLO, true),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
            false,
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", false),
        // Bytes beyond the response could be taken for the next one.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n",
            false,
        ),
    ] {
        let (upstream, count) = counting(answer).await;
        let (running, _) = Setup::to(upstream).start();
        let mut client = connect(&running).await;
        for _ in 0..2 {
            client.send("GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await;
            let head = client.head().await.unwrap();
            let body = if head.contains("transfer-encoding") {
                client.exactly(CHUNKS.len()).await
            } else {
                client.exactly(5).await
            };
            assert_eq!(body.replace(CHUNKS, "hello"), "hello", "{answer}");
        }
        let wanted = if reused { 1 } else { 2 };
        assert_eq!(count.load(Ordering::SeqCst), wanted, "{answer}");
    }
}

#[tokio::test]
async fn a_response_until_close_is_whole() {
    let upstream = scripted(|_, mut peer| async move {
        peer.head().await.unwrap();
        peer.send("HTTP/1.1 200 OK\r\n\r\nhello").await;
    })
    .await;
    let (running, seen) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    assert!(client.rest().await.ends_with("\r\n\r\nhello"));
    assert_eq!(seen.complete.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn head_204_and_304_have_no_body() {
    for (request, answer, head) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            "content-length: 5",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", "http/1.1 204"),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n",
            "etag: \"x\"",
        ),
    ] {
        let (upstream, count) = counting(answer).await;
        let (running, _) = Setup::to(upstream).start();
        let mut client = connect(&running).await;
        for _ in 0..2 {
            client
                .send(format!("{request} / HTTP/1.1\r\nhost: a\r\n\r\n"))
                .await;
            let got = client.head().await.unwrap();
            assert!(got.contains(head), "{got}");
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        upstream_spec(listener.local_addr().unwrap())
    };
    let (running, _) = Setup::to(dead).start();
    assert_eq!(connect(&running).await.get("/").await.status, 503);
    for (answer, wanted) in [
        ("", 502),
        ("HTTP/1.1 200 O", 502),
        ("SSH-2.0-OpenSSH\r\n\r\n", 502),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
            502,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            502,
        ),
    ] {
        let upstream = scripted(move |_, mut peer: Peer<TcpStream>| async move {
            peer.head().await.unwrap();
            peer.send(answer).await;
        })
        .await;
        let (running, _) = Setup::to(upstream).start();
        assert_eq!(
            connect(&running).await.get("/").await.status,
            wanted,
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_silent_upstream_times_out_in_head_and_in_body() {
    let upstream = scripted(|_, mut peer| async move {
        let head = peer.head().await.unwrap();
        if head.contains("/body") {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
                .await;
        }
        peer.rest().await;
    })
    .await;
    let (running, seen) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    assert_eq!(client.get("/").await.status, 504);
    client.send("GET /body HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.head().await.unwrap();
    assert_eq!(
        client.rest().await,
        "he",
        "and no more: the connection ends"
    );
    until("dropped", || seen.dropped() == 2).await;
    assert_eq!(seen.complete.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_off_for_the_client_too() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let upstream = scripted(move |_, mut peer: Peer<TcpStream>| async move {
            peer.head().await.unwrap();
            peer.send(answer).await;
        })
        .await;
        let (running, seen) = Setup::to(upstream).start();
        let mut client = connect(&running).await;
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        // If the loss is known before the head is out, there is no answer at all.
        let _head = client.head().await;
        let rest = client.rest().await;
        assert!(!rest.contains("0\r\n\r\n"), "taken for whole: {rest:?}");
        until("dropped", || seen.dropped() == 1).await;
        assert_eq!(seen.complete.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_stale_connection_is_replaced_once() {
    // Every connection answers one request; its second one it reads and then dies on.
    let upstream = scripted(|_, mut peer| async move {
        peer.head().await.unwrap();
        peer.send(HELLO).await;
        peer.head().await;
    })
    .await;
    let (running, _) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.body, "hello");
    }
    // What may have been acted upon is not sent twice.
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 502);
}

#[tokio::test]
async fn a_closed_idle_connection_is_not_used() {
    let upstream = scripted(|_, mut peer| async move {
        let head = peer.head().await.unwrap();
        peer.exactly(crate::support::content_length(&head)).await;
        peer.send(HELLO).await;
    })
    .await;
    let (running, _) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    for _ in 0..3 {
        client
            .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx")
            .await;
        assert_eq!(client.answer().await.unwrap().body, "hello");
        tokio::time::sleep(ms(50)).await;
    }
}

#[tokio::test]
async fn an_early_answer_reaches_the_client() {
    let upstream = scripted(|_, mut peer| async move {
        peer.head().await.unwrap();
        peer.send("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
        peer.rest().await;
    })
    .await;
    let (running, _) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 60\r\n\r\nx")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 413);
}

#[tokio::test]
async fn a_slow_reader_slows_the_upstream_down() {
    let written = Arc::new(AtomicUsize::default());
    let theirs = Arc::clone(&written);
    let upstream = scripted(move |_, mut peer| {
        let written = Arc::clone(&theirs);
        async move {
            peer.head().await.unwrap();
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n")
                .await;
            for _ in 0..1024 {
                peer.send("x".repeat(65536)).await;
                written.fetch_add(65536, Ordering::SeqCst);
            }
        }
    })
    .await;
    let (running, seen) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.head().await.unwrap();
    tokio::time::sleep(ms(300)).await;
    let stuck = written.load(Ordering::SeqCst);
    assert!(stuck < 48 << 20, "{stuck} bytes went somewhere");
    assert_eq!(client.exactly(67_108_864).await.len(), 67_108_864);
    until("complete", || seen.complete.load(Ordering::SeqCst) == 1).await;
}
