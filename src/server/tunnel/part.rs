//! The end of a tunnel that has not ended by itself: a Close frame to either side, where one fits, and a short wait for it to be read.

use std::{
    future::poll_fn,
    mem::MaybeUninit,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use super::{Relay, flow::Flow};
use crate::{
    rewrite::frames::{Sender, close},
    server::io::Io,
};

/// Closes both sides. `patient`: the client gets the frame in progress to its end first.
pub(super) async fn part(relay: &mut Relay, code: u16, reason: &str, patient: bool) {
    let Relay {
        client,
        upstream,
        up,
        down,
        ..
    } = relay;
    if patient {
        let frame = poll_fn(|cx| down.poll_frame(cx, upstream, client));
        let _over_or_not = timeout(FRAME, frame).await;
    }
    let both = async {
        tokio::join!(
            leave(client, down, Sender::Server, code, reason),
            // The viewer has gone away, is all that the upstream need know.
            leave(upstream, up, Sender::Client, 1001, reason),
        )
    };
    let _both_or_not = timeout(FAREWELL, both).await;
}

/// Says Close and waits until the other side closes, too: a socket that is closed with bytes unread would take the Close back. In the middle of a frame
/// nothing can be said: the stream just ends.
async fn leave(io: &mut Io, flow: &Flow, sender: Sender, code: u16, reason: &str) {
    if flow.is_between() && io.write_all(&close(sender, code, reason)).await.is_err() {
        return;
    }
    if io.shutdown().await.is_err() {
        return;
    }
    poll_fn(|cx| {
        loop {
            let mut room = [MaybeUninit::uninit(); ROOM];
            let mut buffer = ReadBuf::uninit(&mut room);
            match ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// How long the frame in progress may take to its end.
const FRAME: Duration = Duration::from_secs(5);
/// How long the two sides may take to close.
const FAREWELL: Duration = Duration::from_secs(2);
const ROOM: usize = 4 * 1024;
