//! `embedgate demo`: everything in one process, and what to try.

use std::io::{self, Write};

use super::{DemoArgs, Failure, run::runtime as failure};
use crate::demo::{Addresses, Demo, DemoError};

/// Runs the demo until it is interrupted.
///
/// # Errors
/// A port is taken, or the gateway does not start.
pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failure(&error))?;
    runtime
        .block_on(serve(args.port))
        .map_err(|error| failure(&error))
}

async fn serve(port: Option<u16>) -> Result<(), DemoError> {
    let demo = Demo::start(port).await?;
    let mut out = io::stdout();
    drop(
        out.write_all(greeting(&demo.addresses()).as_bytes())
            .and_then(|()| out.flush()),
    );
    drop(super::run::interrupted().await);
    demo.stop().await;
    Ok(())
}

fn greeting(at: &Addresses) -> String {
    format!(
        "
  embedgate demo

  Open      {host}

  Try there
    · switch the tenant: the dashboard shows that tenant's accounts, and no others
    · \"Try to tamper\": change the filter, edit the token, reuse an old link, ask for the admin page, go too fast
    · \"On a foreign page\": the same dashboard, framed where nobody allowed it

  Look at
    gateway   {gateway}   what viewers reach
    metrics   {metrics}
    BI server {bi}/admin   what the gateway keeps to itself: no login, every tenant

  Ctrl-C stops it.

",
        host = at.host_url(),
        gateway = at.gateway_url(),
        metrics = at.metrics_url(),
        bi = at.bi_url(),
    )
}
