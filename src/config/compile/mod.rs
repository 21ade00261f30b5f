//! From the file as written to a [`Snapshot`]: one small function per table, every fault reported, nothing guessed.
//!
//! A function returns `None` only after it has reported why, so that its caller may go on and find the other faults.

mod cluster;
mod context;
mod frame;
mod identity;
mod issuer;
mod keys;
mod listen;
mod lock;
mod metabase;
mod param;
mod route;
mod session;
mod sharing;
mod site;
mod superset;
mod tls;
mod upstream;

pub(super) use context::Context;

use std::sync::Arc;

use super::{raw, spec::Snapshot};

/// Something is wrong, and was reported: for optional tables, where `None` means that there is none.
struct Reported;

/// Compiles a file.
pub(super) fn snapshot(raw: &raw::Config, context: &Context<'_>) -> Option<Snapshot> {
    let root = context.root();
    let listen = listen::listen(raw.listen.as_ref(), &root.key("listen"));
    let admin = listen::admin(raw.admin.as_ref(), &root.key("admin"), raw.listen.as_ref());
    let audit = listen::audit(&raw.audit, &root.key("audit"));
    let revocations = listen::revocations(&raw.revocations, &root.key("revocations"));
    let cluster = cluster::cluster(raw.cluster.as_ref(), &root.key("cluster"));
    let sessions = session::sealer(raw.session.as_ref(), &root.key("session"));
    let issuers = issuer::issuers(&raw.issuer, &root.key("issuer"));
    let sites = site::sites(
        &raw.site,
        &root.key("site"),
        &site::Shared {
            issuers: &issuers,
            session: raw.session.as_ref().map(|session| session.lifetime.0),
            mode: raw.session.as_ref().map(|session| session.mode),
        },
    );
    let used_tokens = root.key("cache").key("used_tokens");
    if raw.cache.used_tokens == 0 {
        used_tokens.report(
            "must be at least 1: no token could be used where there is no room to remember it",
        );
    }
    let (gate, sites) = sites?;
    Some(Snapshot {
        gate,
        sites,
        issuers: issuers.into_entries()?,
        listen: listen?,
        admin: admin.ok()?,
        audit: audit?,
        log: listen::log(&raw.log),
        revocations: revocations?,
        cluster: cluster.ok()?.map(Arc::new),
        sessions: sessions.ok()?,
        cache_entries: raw.cache.verifications,
        single_use_entries: raw.cache.used_tokens,
        files: context.files(),
        dangers: context.dangers(),
        generation: context.generation(),
    })
}
