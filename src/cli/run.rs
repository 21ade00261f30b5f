//! `embedgate run`: serve until a signal says otherwise, then let everything finish.

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, RunArgs};
use crate::{
    config::{
        LogSpec, Snapshot,
        raw::{LogFormat, LogLevel},
    },
    observe::logging,
    server::launch::{Launched, launch},
};

/// Serves.
///
/// # Errors
/// The configuration has faults, or the gateway cannot start.
pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let snapshot = Snapshot::load(&args.config)?;
    start_log(snapshot.log)?;
    let sites = snapshot.sites.len();
    let launched = launch(snapshot, Some(&args.config)).map_err(|error| runtime(&error))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), address = %launched.address(), admin = ?launched.admin(), sites, "embedgate serves");
    let heard = wait().map_err(|error| runtime(&error))?;
    tracing::info!(signal = heard, "shutting down: requests in flight finish");
    farewell(launched)
}

fn start_log(spec: LogSpec) -> Result<(), Failure> {
    let level = match spec.level {
        LogLevel::Debug => "debug",
        LogLevel::Error => "error",
        LogLevel::Info => "info",
        LogLevel::Trace => "trace",
        LogLevel::Warn => "warn",
    };
    let format = match spec.format {
        LogFormat::Json => logging::LogFormat::Json,
        LogFormat::Pretty => logging::LogFormat::Pretty,
    };
    let settings = logging::LogSettings {
        level: level.into(),
        format,
    };
    logging::start(&settings).map_err(|error| runtime(&error))
}

/// Ends in order, and says what was left behind.
fn farewell(launched: Launched) -> Result<(), Failure> {
    let farewell = launched.shutdown();
    if farewell.cut > 0 {
        tracing::warn!(
            connections = farewell.cut,
            "connections outlived the grace period"
        );
    }
    if farewell.lost > 0 {
        return Err(Failure::Runtime(format!(
            "{} audit records could not be written",
            farewell.lost
        )));
    }
    tracing::info!("embedgate ends");
    Ok(())
}

/// Waits for `SIGTERM` or `SIGINT`.
fn wait() -> std::io::Result<&'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(interrupted())
}

/// Waits for `SIGTERM` or `SIGINT`, and says which it was.
pub(super) async fn interrupted() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// An error with its causes, in one line.
pub(super) fn runtime(error: &dyn std::error::Error) -> Failure {
    let causes = std::iter::successors(error.source(), |error| error.source());
    Failure::Runtime(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
}
