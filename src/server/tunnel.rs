//! After a 101: bytes both ways until one side is done.

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, copy_bidirectional};

use super::io::Io;
use super::wire::Wire;

/// Relays between a client and an upstream; what either had sent early goes first.
pub(super) async fn relay(mut client: Io, from_client: Bytes, wire: Wire) {
    let (mut upstream, from_upstream) = wire.into_parts();
    let early = async {
        upstream.write_all(&from_client).await?;
        client.write_all(&from_upstream).await?;
        client.flush().await?;
        upstream.flush().await
    };
    if early.await.is_err() {
        return;
    }
    // An error means that one of the two went away: there is nobody left to tell.
    let ended = copy_bidirectional(&mut client, &mut upstream).await;
    tracing::debug!(?ended, "tunnel ended");
}
