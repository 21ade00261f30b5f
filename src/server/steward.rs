//! The thread for everything that is not a request: the admin listener, reloads, housekeeping.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::interval,
};

use super::control::Steering;
use crate::admin::{self, AdminState};

/// An admin listener and what it shows.
pub(super) type Admin = (TcpListener, Arc<AdminState<Arc<Steering>>>);

/// Tends a gateway until it is told to stop.
pub(super) fn tend(steering: &Arc<Steering>, admin: Option<Admin>, stopped: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(steering, admin, stopped)),
        Err(error) => tracing::error!(%error, "no runtime for the admin listener"),
    }
}

async fn run(steering: &Arc<Steering>, admin: Option<Admin>, stopped: watch::Receiver<bool>) {
    let serving = async {
        if let Some((listener, state)) = admin {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => admin::serve(listener, state, until(stopped.clone())).await,
                Err(error) => tracing::error!(%error, "the admin listener cannot be used"),
            }
        }
    };
    tokio::join!(
        serving,
        keep_house(steering, stopped.clone()),
        hang_ups(steering, stopped.clone())
    );
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _closed = stopped.wait_for(|stopped| *stopped).await;
}

/// Reloads when a file has changed, forgets what nobody asks for, asks whether the upstreams are there.
async fn keep_house(steering: &Steering, stopped: watch::Receiver<bool>) {
    let mut stop = std::pin::pin!(until(stopped));
    let mut ticks = interval(TICK);
    let mut seen = stamps(steering);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = ticks.tick() => {}
        }
        steering.app().sweep();
        let now = stamps(steering);
        if now != seen {
            // Outcome and faults are logged and counted there.
            let _result = steering.reload_now();
            seen = stamps(steering);
        }
        probe(steering).await;
    }
}

/// `SIGHUP` reloads.
async fn hang_ups(steering: &Steering, stopped: watch::Receiver<bool>) {
    let mut signals = match signal(SignalKind::hangup()) {
        Ok(signals) => signals,
        Err(error) => return tracing::warn!(%error, "SIGHUP will not reload"),
    };
    let mut stop = std::pin::pin!(until(stopped));
    loop {
        tokio::select! {
            () = &mut stop => return,
            heard = signals.recv() => if heard.is_none() { return },
        }
        let _result = steering.reload_now();
    }
}

/// What the files looked like: a change of any of them is a reason to load all of them.
fn stamps(steering: &Steering) -> BTreeMap<PathBuf, Option<(SystemTime, u64)>> {
    let stamp = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    steering
        .files()
        .into_iter()
        .map(|path| (path.clone(), stamp(&path)))
        .collect()
}

/// An upstream that was down when last tried is tried again, so that the metric tells when it is back.
async fn probe(steering: &Steering) {
    let generation = steering.app().current();
    for (_, target) in generation.targets().filter(|(_, target)| !target.is_up()) {
        let _is_up_remembers = target.probe().await;
    }
}

/// How often the house is kept.
const TICK: Duration = Duration::from_secs(2);
