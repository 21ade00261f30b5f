//! The gateway in front of a Metabase that leaks where Metabase leaks: every attack and every rule, over real sockets.

mod answers;
mod browser;
mod defaults;
mod dropin;
mod guest;
mod hidden;
mod items;
#[path = "../../support/keys.rs"]
mod keys;
mod layouts;
mod matrix;
mod memory;
mod online;
mod renewal;
mod review;
mod setup;
mod signed;
mod surface;
mod tiles;
mod values;
mod vectors;
mod wide;
