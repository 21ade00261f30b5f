//! The gateway in front of a Metabase that leaks where Metabase leaks: every attack and every rule, over real sockets.

mod browser;
mod defaults;
mod items;
mod layouts;
mod matrix;
mod online;
mod setup;
mod signed;
mod surface;
mod tiles;
mod values;
mod vectors;
mod wide;
