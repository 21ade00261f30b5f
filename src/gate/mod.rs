//! The pure ring that decides: plain data in, plain data out. No socket, file or clock.

#![deny(clippy::as_conversions, clippy::indexing_slicing)]

pub mod cluster;
pub mod credential;
pub mod host;
pub mod id;
pub mod limit;
pub mod origin;
pub mod param;
pub mod path;
pub mod policy;
pub mod query;
pub mod refusal;
pub mod request;
pub mod resource;
pub mod revocation;
pub mod route;
pub mod session;
pub mod sharing;
pub mod single_use;
pub mod site;
pub mod token;
pub mod websocket;
