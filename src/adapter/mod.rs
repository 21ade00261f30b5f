//! What embedgate knows about each kind of BI server.

pub mod exchange;
pub mod metabase;
pub mod secret;
pub mod superset;
