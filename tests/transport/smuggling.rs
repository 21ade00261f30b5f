//! Requests that two parsers could read in two ways: refused, or read once and written anew.

use crate::support::{Setup, connect, scripted};

/// What a client sends, the statuses it gets before the connection ends, and how many requests the service saw.
const TABLE: &[(&str, &str, &[u16], usize)] = &[
    (
        "both lengths: the coding rules, and nothing follows on that connection",
        "POST /collect HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /ok HTTP/1.1\r\nhost: a\r\n\r\n",
        &[200],
        1,
    ),
    (
        "both lengths, the other way round",
        "POST /collect HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /ok HTTP/1.1\r\nhost: a\r\n\r\n",
        &[200],
        1,
    ),
    (
        "two different lengths",
        "POST /collect HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        &[400],
        0,
    ),
    (
        "a list as a length",
        "POST /collect HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 6\r\n\r\nhello",
        &[400],
        0,
    ),
    (
        "a signed length",
        "POST /collect HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello",
        &[400],
        0,
    ),
    (
        "a coding that is not chunked",
        "POST /collect HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\nhello",
        &[400],
        0,
    ),
    (
        "chunked is not the last coding",
        "POST /collect HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        &[400],
        0,
    ),
    (
        "a coding in HTTP/1.0",
        "POST /collect HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
        0,
    ),
    (
        "a folded header line",
        "GET /ok HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n",
        &[400],
        0,
    ),
    (
        "a space before the colon",
        "GET /ok HTTP/1.1\r\nhost: a\r\ncontent-length : 5\r\n\r\nhello",
        &[400],
        0,
    ),
    (
        "a NUL in a value",
        "GET /ok HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        &[400],
        0,
    ),
    (
        "a bare CR in a value",
        "GET /ok HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n",
        &[400],
        0,
    ),
    (
        "a malformed chunk size",
        "POST /collect HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        &[400],
        1,
    ),
    (
        "a chunk longer than it says",
        "POST /collect HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
        &[400],
        1,
    ),
    (
        "a chunk extension is dropped",
        "POST /collect HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
        &[200],
        1,
    ),
    (
        "CONNECT is never a tunnel",
        "CONNECT /ok HTTP/1.1\r\nhost: a\r\n\r\nGET /ok HTTP/1.1\r\nhost: a\r\n\r\n",
        &[405],
        1,
    ),
    (
        "CONNECT in its own form is never a tunnel",
        "CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\nGET /ok HTTP/1.1\r\nhost: a\r\n\r\n",
        &[404],
        1,
    ),
    (
        "HTTP/2 without TLS is not spoken",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[],
        0,
    ),
    (
        "absolute form reaches the service like any other",
        "GET http://a.test/ok HTTP/1.1\r\nhost: b.test\r\nconnection: close\r\n\r\n",
        &[200],
        1,
    ),
];

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused_or_ends_the_connection() {
    for (what, sent, statuses, calls) in TABLE {
        let (running, seen) = Setup::default().start();
        let mut client = connect(&running).await;
        client.send(sent).await;
        let mut got = Vec::new();
        while let Some(answer) = client.answer().await {
            got.push(answer.status);
        }
        assert_eq!(got, *statuses, "{what}");
        assert_eq!(seen.calls(), *calls, "{what}");
    }
}

#[tokio::test]
async fn the_upstream_sees_one_request_in_our_framing() {
    let upstream = scripted(|_, mut peer| async move {
        let head = peer.head().await.unwrap();
        let body = peer.exactly("5\r\nhello\r\n0\r\n\r\n".len()).await;
        let text = format!("{head}\n\n{body}");
        peer.send(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        ))
        .await;
    })
    .await;
    let (running, _) = Setup::to(upstream).start();
    let mut client = connect(&running).await;
    client
        .send("POST /a?b=c HTTP/1.1\r\nhost: evil\r\ncontent-length: 4\r\nTransfer-Encoding: chunked\r\nconnection: x-y\r\nte: trailers\r\nexpect: 100-continue\r\n\r\n5;x=y\r\nhello\r\n0\r\ntrailer: z\r\n\r\nGET /admin HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(client.head().await.unwrap(), "http/1.1 100 continue");
    assert_eq!(
        client.answer().await.unwrap().body,
        "post /a?b=c http/1.1\r\nhost: bi.test:3000\r\ntransfer-encoding: chunked\n\n5\r\nhello\r\n0\r\n\r\n"
    );
    assert_eq!(client.rest().await, "");
}
