//! What embedgate knows about each kind of BI server.

pub mod superset;
