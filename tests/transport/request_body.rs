//! Request bodies: bounded, timed, streamed.

use crate::support::{Setup, connect, ms, scripted};

#[tokio::test]
async fn a_body_within_its_bounds_is_collected() {
    let (running, _) = Setup::default().start();
    let mut client = connect(&running).await;
    for body in ["", "x", "hello"] {
        let n = body.len();
        client
            .send(format!(
                "POST /collect HTTP/1.1\r\nhost: a\r\ncontent-length: {n}\r\n\r\n{body}"
            ))
            .await;
        assert_eq!(client.answer().await.unwrap().body, body);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_at_its_declaration_or_on_the_way() {
    let (running, _) = Setup::default().start();
    for path in ["/collect", "/forwarded"] {
        let mut client = connect(&running).await;
        client
            .send(format!(
                "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 65\r\n\r\n"
            ))
            .await;
        let wanted = if path == "/collect" { 413 } else { 404 };
        assert_eq!(client.answer().await.unwrap().status, wanted, "{path}");
    }
    let mut client = connect(&running).await;
    let chunk = format!("28\r\n{}\r\n", "x".repeat(40));
    client
        .send(format!(
            "POST /collect HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}"
        ))
        .await;
    assert_eq!(client.answer().await.unwrap().status, 413);
}

#[tokio::test]
async fn a_body_that_pauses_too_long_is_408() {
    let (running, _) = Setup::default().start();
    let mut client = connect(&running).await;
    client
        .send("POST /collect HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhe")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 408);
}

#[tokio::test]
async fn a_streamed_body_that_grows_too_large_aborts_the_upstream_request() {
    let (told, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let upstream = scripted(move |_, mut peer| {
        let told = told.clone();
        async move {
            peer.head().await.unwrap();
            told.send(peer.rest().await).unwrap();
        }
    })
    .await;
    let (running, _) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    let chunk = format!("28\r\n{}\r\n", "x".repeat(40));
    client
        .send(format!(
            "POST /up HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"
        ))
        .await;
    tokio::time::sleep(ms(50)).await;
    client.send(format!("{chunk}0\r\n\r\n")).await;
    assert_eq!(client.answer().await.unwrap().status, 413);
    let seen = ended.recv().await.unwrap();
    assert!(
        !seen.contains("0\r\n\r\n"),
        "the upstream took {seen:?} for whole"
    );
}

#[tokio::test]
async fn a_client_that_vanishes_in_its_body_aborts_the_upstream_request() {
    let (told, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let upstream = scripted(move |_, mut peer| {
        let told = told.clone();
        async move {
            peer.head().await.unwrap();
            told.send(peer.rest().await).unwrap();
        }
    })
    .await;
    let (running, seen) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    client
        .send("POST /up HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello")
        .await;
    crate::support::until("called", || seen.calls() == 1).await;
    tokio::time::sleep(ms(50)).await;
    drop(client);
    assert_eq!(ended.recv().await.unwrap(), "hello");
    crate::support::until("dropped", || seen.dropped() == 1).await;
}

#[tokio::test]
async fn a_large_upload_streams_through() {
    let upstream = scripted(|_, mut peer| async move {
        let head = peer.head().await.unwrap();
        let n = crate::support::content_length(&head);
        let body = peer.exactly(n).await;
        let sum = body.bytes().filter(|b| *b == b'x').count().to_string();
        peer.send(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{sum}",
            sum.len()
        ))
        .await;
    })
    .await;
    let (running, _) = Setup {
        limit: 10 << 20,
        ..Setup::to(upstream)
    }
    .start();
    let mut client = connect(&running).await;
    let n = 3 << 20;
    client
        .send(format!(
            "POST /up HTTP/1.1\r\nhost: a\r\ncontent-length: {n}\r\n\r\n"
        ))
        .await;
    client.send("x".repeat(n)).await;
    assert_eq!(client.answer().await.unwrap().body, n.to_string());
}
