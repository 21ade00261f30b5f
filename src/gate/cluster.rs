//! What the gateways of one installation share through Redis: the names of its keys, what one exchange asks and answers, how records are sealed.
//! Data in, data out: `server::cluster` owns the connections.
//!
//! All keys of an installation carry one hash tag, `{prefix}`, so that one script sees them all in a Redis Cluster, too.

mod ask;
mod names;
mod pace;
mod seal;

pub use ask::{Answer, Ask, GREET, Greeting, PURGE, RECORD, SCRIPT, Script};
pub use names::{Counter, Names};
pub use pace::{Pace, Turn};
pub use seal::Strongbox;
