//! Binding and accepting: one socket per worker on one port, a bound on connections, and no spinning on errors.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::conn::Accepted;
use super::counters::TransportMetrics;

/// Binds `workers` sockets to one address; with port 0 all of them get the same free port.
pub(super) fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    // Alone, a worker does not share its port: a second gateway started by mistake fails to bind instead of taking half the traffic.
    let shared = workers > 1;
    let first = bind_one(address, shared)?;
    let address = first.local_addr()?;
    let mut all = vec![first];
    while all.len() < workers {
        all.push(bind_one(address, shared)?);
    }
    Ok(all)
}

fn bind_one(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts for ever; each connection comes with its share of `max_connections`. Above that bound nothing is accepted:
/// clients wait in the kernel's queue until somebody leaves.
pub(super) async fn accept(
    listener: tokio::net::TcpListener,
    places: Arc<Semaphore>,
    metrics: Arc<TransportMetrics>,
    serve: impl Fn(Accepted),
) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((tcp, peer)) => {
                if tcp.set_nodelay(true).is_ok() {
                    serve(Accepted { tcp, peer, place });
                }
            }
            Err(error) => {
                metrics.accept_error();
                if !is_of_one_connection(&error) {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(BACK_OFF).await;
                }
            }
        }
    }
}

/// Whether the next `accept` may well succeed at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

const BACKLOG: i32 = 4096;
const BACK_OFF: Duration = Duration::from_millis(100);
