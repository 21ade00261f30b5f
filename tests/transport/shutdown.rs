//! Shutdown: idle connections go at once, requests in progress finish, the rest is counted.

use embedgate::server::spec::ListenSpec;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::{Setup, connect, ms, until};

#[tokio::test]
async fn a_request_in_progress_finishes_and_says_close() {
    let (running, seen) = Setup::default().start();
    let mut busy = connect(&running).await;
    busy.send("GET /slow HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .await;
    until("called", || seen.calls() == 1).await;
    running.stop();
    let address = running.address();
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(crate::support::DEADLINE, refused)
        .await
        .unwrap();
    seen.gate.add_permits(1);
    let answer = busy.answer().await.unwrap();
    assert_eq!(answer.body, "slow");
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert_eq!(running.done().await, 0);
}

#[tokio::test]
async fn parked_and_idle_connections_go_at_once() {
    let (running, _) = Setup {
        tick: ms(100),
        ..Setup::default()
    }
    .start();
    let mut parked = connect(&running).await;
    parked.get("/ok").await;
    until("parked", || running.metrics().parked() == 1).await;
    let mut idle = connect(&running).await;
    idle.get("/ok").await;
    let mut silent = connect(&running).await;
    until("accepted", || running.metrics().connections() == 3).await;
    let start = Instant::now();
    running.stop();
    for client in [&mut parked, &mut idle, &mut silent] {
        assert_eq!(client.rest().await, "");
    }
    assert_eq!(running.done().await, 0);
    assert!(start.elapsed() < ms(5000));
}

#[tokio::test]
async fn what_outlives_the_grace_period_is_counted_and_dropped() {
    let (running, seen) = Setup {
        listen: ListenSpec {
            workers: 1,
            shutdown_grace: ms(100),
            ..ListenSpec::default()
        },
        ..Setup::default()
    }
    .start();
    let mut busy = connect(&running).await;
    busy.send("GET /slow HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .await;
    until("called", || seen.calls() == 1).await;
    running.stop();
    assert_eq!(running.done().await, 1);
    assert_eq!(seen.dropped(), 1);
    assert_eq!(busy.rest().await, "");
}
