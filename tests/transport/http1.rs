//! HTTP/1.1 from a client: keep-alive, parking, time limits, bounds.

use std::sync::atomic::Ordering;

use embedgate::server::spec::ListenSpec;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::support::{Setup, connect, ms, until};

const OK: &str = "GET /ok HTTP/1.1\r\nhost: a.test\r\n\r\n";

#[tokio::test]
async fn answers_pipelined_requests_in_order_and_each_once() {
    let (running, seen) = Setup::default().start();
    let mut client = connect(&running).await;
    client.send(OK.repeat(20)).await;
    for _ in 0..20 {
        assert_eq!(client.answer().await.unwrap().body, "ok");
    }
    assert_eq!(seen.calls(), 20);
    assert_eq!(seen.complete.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn an_idle_connection_is_parked_and_wakes_for_the_next_request() {
    let (running, seen) = Setup::default().start();
    let mut client = connect(&running).await;
    for calls in 1..5 {
        assert_eq!(client.get("/ok").await.body, "ok");
        until("parked", || running.metrics().parked() == 1).await;
        assert_eq!(seen.calls(), calls);
    }
    assert_eq!(running.metrics().connections(), 1);
}

#[tokio::test]
async fn half_a_request_survives_parking_and_is_answered_once() {
    let (running, seen) = Setup::default().start();
    for cut in 1..OK.len() {
        let mut client = connect(&running).await;
        let before = seen.calls();
        let (first, second) = OK.split_at(cut);
        // The first request and a piece of the second in one segment: hyper holds the piece when it is dissolved.
        client.send(format!("{OK}{first}")).await;
        assert_eq!(client.answer().await.unwrap().body, "ok");
        if cut % 8 == 1 {
            until("parked", || running.metrics().parked() == 1).await;
        }
        client.send(format!("{second}{OK}")).await;
        assert_eq!(client.answer().await.unwrap().body, "ok");
        assert_eq!(client.answer().await.unwrap().body, "ok");
        assert_eq!(seen.calls(), before + 3, "cut at {cut}");
        drop(client);
        until("gone", || running.metrics().connections() == 0).await;
    }
}

#[tokio::test]
async fn a_request_split_around_a_nap_is_whole() {
    let (running, _) = Setup::default().start();
    let mut client = connect(&running).await;
    client.get("/ok").await;
    until("parked", || running.metrics().parked() == 1).await;
    client.send("GET /ok HT").await;
    until("awake", || running.metrics().parked() == 0).await;
    client.send("TP/1.1\r\nhost: a.test\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().body, "ok");
}

fn impatient() -> Setup {
    Setup {
        listen: ListenSpec {
            workers: 1,
            head_timeout: ms(200),
            body_timeout: ms(200),
            keep_alive: ms(400),
            ..ListenSpec::default()
        },
        ..Setup::default()
    }
}

#[tokio::test]
async fn a_connection_that_never_speaks_is_closed() {
    let (running, seen) = impatient().start();
    let mut client = connect(&running).await;
    assert_eq!(client.rest().await, "");
    assert_eq!(seen.calls(), 0);
}

#[tokio::test]
async fn a_slow_head_is_cut() {
    let (running, seen) = impatient().start();
    for first in ["G", "GET /ok HTTP/1.1\r\nhost: a.test\r\n"] {
        let mut client = connect(&running).await;
        client.send(first).await;
        assert_eq!(client.rest().await, "");
    }
    assert_eq!(seen.calls(), 0);
}

#[tokio::test]
async fn a_dripping_head_is_cut_also_after_a_good_request() {
    let (running, seen) = impatient().start();
    for warm in [false, true] {
        let mut client = connect(&running).await;
        if warm {
            client.get("/ok").await;
        }
        let start = Instant::now();
        client.send("GET /ok HTTP/1.1\r\nx: ").await;
        while client.io.write_all(b"y").await.is_ok() {
            tokio::time::sleep(ms(10)).await;
            assert!(start.elapsed() < ms(10_000), "still open");
        }
    }
    assert_eq!(seen.calls(), 1);
}

#[tokio::test]
async fn a_parked_connection_is_closed_when_its_time_is_up() {
    let (running, _) = impatient().start();
    let mut client = connect(&running).await;
    client.get("/ok").await;
    let start = Instant::now();
    assert_eq!(client.rest().await, "");
    assert!(
        start.elapsed() > ms(350),
        "closed after {:?}",
        start.elapsed()
    );
    until("gone", || running.metrics().connections() == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_its_body_dropped_once() {
    let (running, seen) = impatient().start();
    let mut client = connect(&running).await;
    client
        .send("GET /big HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .await;
    until("called", || seen.calls() == 1).await;
    until("cut", || running.metrics().connections() == 0).await;
    assert_eq!(
        (seen.dropped(), seen.complete.load(Ordering::SeqCst)),
        (1, 1)
    );
}

#[tokio::test]
async fn a_client_that_hangs_up_drops_the_request_once() {
    let (running, seen) = Setup::default().start();
    let mut client = connect(&running).await;
    client
        .send("GET /slow HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .await;
    until("called", || seen.calls() == 1).await;
    drop(client);
    until("dropped", || seen.dropped() == 1).await;
    until("gone", || running.metrics().connections() == 0).await;
    assert_eq!(seen.dropped(), 1);
    assert_eq!(seen.complete.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_slow_answer_is_not_mistaken_for_idleness() {
    let (running, seen) = impatient().start();
    let mut client = connect(&running).await;
    client
        .send("GET /slow HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .await;
    until("called", || seen.calls() == 1).await;
    tokio::time::sleep(ms(600)).await;
    seen.gate.add_permits(1);
    assert_eq!(client.answer().await.unwrap().body, "slow");
}

#[tokio::test]
async fn above_the_bound_clients_wait_for_a_place() {
    let (running, _) = Setup {
        listen: ListenSpec {
            workers: 1,
            max_connections: 2,
            ..ListenSpec::default()
        },
        ..Setup::default()
    }
    .start();
    let (mut first, mut second, mut third) = (
        connect(&running).await,
        connect(&running).await,
        connect(&running).await,
    );
    first.get("/ok").await;
    second.get("/ok").await;
    third.send(OK).await;
    tokio::time::sleep(ms(100)).await;
    assert_eq!(running.metrics().connections(), 2);
    drop(first);
    assert_eq!(third.answer().await.unwrap().body, "ok");
}

#[tokio::test]
async fn a_head_above_the_bound_is_431() {
    let (running, seen) = Setup::default().start();
    for head in [
        format!("GET /ok HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(40 * 1024)),
        format!("GET /ok HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101)),
    ] {
        let mut client = connect(&running).await;
        // The gateway may close while we still write.
        let _sent = client.io.write_all(head.as_bytes()).await;
        assert_eq!(client.answer().await.unwrap().status, 431);
    }
    assert_eq!(seen.calls(), 0);
}

#[tokio::test]
async fn http_1_0_is_closed_after_its_answer() {
    let (running, _) = Setup::default().start();
    let mut client = connect(&running).await;
    client.send("GET /ok HTTP/1.0\r\n\r\n").await;
    assert!(client.rest().await.ends_with("\r\n\r\nok"));
}

#[tokio::test]
async fn workers_share_one_port() {
    let (running, seen) = Setup {
        listen: ListenSpec {
            workers: 3,
            ..ListenSpec::default()
        },
        ..Setup::default()
    }
    .start();
    for _ in 0..32 {
        assert_eq!(connect(&running).await.get("/ok").await.body, "ok");
    }
    assert_eq!(seen.calls(), 32);
    running.stop();
    assert_eq!(running.done().await, 0);
}
