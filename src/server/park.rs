//! Idle connections, parked: nothing but the socket, its bytes read so far, and an alarm.
//!
//! An idle hyper connection holds some ten kilobytes (buffers, a slot for the request's future). After a tick without a
//! request it is dissolved; what hyper had read already is kept and fed to its successor when the client speaks again.

use std::task::Poll;

use tokio::time::Instant;

use super::io::Io;
use super::shutdown::Slot;

/// Waits until the client speaks (or hangs up): true. False when its time is up or the worker shuts down.
pub(super) async fn wait(io: &Io, until: Instant, slot: &Slot) -> bool {
    slot.alarm(Some(until));
    let spoke = std::future::poll_fn(|cx| {
        if slot.lane().closing() {
            return Poll::Ready(false);
        }
        if io.tcp().poll_read_ready(cx).is_ready() {
            return Poll::Ready(true);
        }
        if Instant::now() >= until {
            return Poll::Ready(false);
        }
        Poll::Pending
    })
    .await;
    slot.alarm(None);
    spoke
}
