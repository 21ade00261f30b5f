//! The gateway in front of a Metabase that leaks where Metabase leaks: every attack and every rule, over real sockets.

mod browser;
mod online;
mod setup;
mod signed;
mod surface;
mod tiles;
