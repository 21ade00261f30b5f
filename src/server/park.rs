//! Idle connections, parked: nothing but the socket, its bytes read so far, and a timer.
//!
//! An idle hyper connection holds some ten kilobytes (buffers, a slot for the request's future). After a tick without a
//! request it is dissolved; what hyper had read already is kept and fed to its successor when the client speaks again.

use std::pin::pin;
use std::task::Poll;

use tokio::time::{Instant, sleep_until};

use super::io::Io;
use super::shutdown::Lane;

/// Waits until the client speaks (or hangs up): true. False when its time is up or the worker shuts down.
pub(super) async fn wait(io: &Io, until: Instant, lane: &Lane) -> bool {
    let mut timer = pin!(sleep_until(until));
    std::future::poll_fn(|cx| {
        if lane.closing() {
            return Poll::Ready(false);
        }
        if io.tcp().poll_read_ready(cx).is_ready() {
            return Poll::Ready(true);
        }
        timer.as_mut().poll(cx).map(|()| false)
    })
    .await
}
