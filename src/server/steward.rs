//! The thread for everything that is not a request: the admin listener, reloads, housekeeping.

use std::{net::TcpListener, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{Instant, interval},
};

use super::{
    app::Generation,
    cluster,
    control::Steering,
    exchange::Errand,
    keys,
    upstream::{Housekeeping, Upstreams, Warrant},
};
use crate::{
    admin::{self, AdminState},
    config::FileStamp,
};

/// An admin listener and what it shows.
pub(super) type Admin = (TcpListener, Arc<AdminState<Arc<Steering>>>);

/// Tends a gateway until it is told to stop.
pub(super) fn tend(steering: &Arc<Steering>, admin: Option<Admin>, stopped: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default());
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
        look_after(steering, stopped.clone()),
        keys::tend(steering.app(), stopped.clone()),
        share(steering, stopped.clone()),
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
    // As they were before they were read: a change during a reading is seen as one.
    let mut seen = steering.files();
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = ticks.tick() => {}
        }
        steering.app().sweep();
        tidy(steering).await;
        let now: Vec<FileStamp> = seen.iter().map(FileStamp::again).collect();
        if now != seen {
            // Outcome and faults are logged and counted there. What is faulty is tried again once it changes.
            seen = match steering.reload_now() {
                Ok(()) => steering.files(),
                Err(_) => now,
            };
        }
        probe(steering).await;
    }
}

/// Learns what is to be known before anybody asks, for each configuration as soon as it is in force, and again every [`LOOK`].
async fn look_after(steering: &Steering, stopped: watch::Receiver<bool>) {
    let mut stop = std::pin::pin!(until(stopped));
    let mut ticks = interval(TICK);
    let upstreams = Upstreams::new();
    let mut last = None;
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = ticks.tick() => {}
        }
        let generation = steering.app().current();
        let current = generation.snapshot.generation;
        if last.is_some_and(|(seen, when): (u64, Instant)| seen == current && when.elapsed() < LOOK)
        {
            continue;
        }
        tokio::select! {
            () = &mut stop => return,
            () = look(steering, &generation, &upstreams) => {}
        }
        last = Some((current, Instant::now()));
    }
}

async fn look(steering: &Steering, generation: &Generation, upstreams: &Rc<Upstreams>) {
    let app = steering.app();
    let warrant = Housekeeping::new();
    for (site, here) in generation.sites() {
        for want in here.adapter.standing() {
            let upstream = upstreams.of(&here.target);
            let errand = Errand {
                adapter: &here.adapter,
                upstream: &upstream,
                warrant: Warrant::House(&warrant),
                clock: app.clock,
            };
            let number = generation.snapshot.generation;
            let learnt = app.knowledge.refresh(site, number, &want, &errand).await;
            if let Err(failure) = learnt {
                let detail = failure.denial().detail.unwrap_or_default();
                tracing::warn!(site = &*site.name, "{want} could not be read: {detail}");
            }
        }
    }
}

/// Follows what other gateways revoke.
async fn share(steering: &Steering, stopped: watch::Receiver<bool>) {
    tokio::select! {
        () = until(stopped) => {}
        () = cluster::follow(steering.app()) => {}
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

/// Revocations that are over are forgotten; that may wait for the disk, so it does not happen here.
async fn tidy(steering: &Steering) {
    let (ledger, now) = (
        Arc::clone(&steering.app().revocations),
        steering.app().clock.now(),
    );
    let tidied = tokio::task::spawn_blocking(move || ledger.tidy(now)).await;
    if let Err(error) = tidied {
        tracing::error!(%error, "revocations could not be tidied");
    }
}

/// An upstream that was down when last tried is tried again, so that the metric tells when it is back.
async fn probe(steering: &Steering) {
    let generation = steering.app().current();
    for (_, target) in generation.targets().filter(|(_, target)| !target.is_up()) {
        let _is_up_remembers = target.probe().await;
    }
}

/// How often what is to be known is looked at again.
const LOOK: Duration = Duration::from_mins(1);
/// How often the house is kept.
const TICK: Duration = Duration::from_secs(2);
