//! embedgate: a reverse proxy that makes embedded BI safe to expose.
//!
//! The path of a request, in the order of the modules below: [`cli`] starts a [`server`] from a [`config`] snapshot; the pure ring ([`gate`])
//! decides, [`adapter`] plans what the upstream is asked, [`rewrite`] changes bytes; [`observe`] records every outcome; [`admin`] shows it.

pub mod adapter;
pub mod admin;
pub mod cli;
pub mod config;
pub mod demo;
pub mod gate;
pub mod observe;
pub mod rewrite;
pub mod server;
