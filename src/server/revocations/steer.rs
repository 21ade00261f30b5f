//! What the admin listener may do to revocations: list them, make one, take one back.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Unwritten;
use crate::{
    admin::NotRevoked,
    gate::{
        request::UnixTime,
        revocation::{self, Entry, Revocation, RevocationId, Wanted},
    },
    server::{app::App, cluster::Untold},
};

/// A page of what is in force; `None`: `after` is no id.
pub(in crate::server) fn list(app: &App, after: Option<&str>, most: usize) -> Option<Value> {
    let after = match after {
        None => None,
        Some(text) => Some(RevocationId::parse(text)?),
    };
    let found = app.revocations.index().list(after, most);
    let now = app.clock.now();
    let in_force = found.iter().filter(|revocation| revocation.until > now);
    let shown: Vec<Value> = in_force
        .map(|revocation| Value::Object(revocation.to_json()))
        .collect();
    let mut page = json!({ "revocations": shown, "durable": app.revocations.is_durable() });
    let next = found.last().filter(|_| found.len() >= most);
    if let (Some(last), Some(members)) = (next, page.as_object_mut()) {
        members.insert("next".into(), last.id.to_string().into());
    }
    Some(page)
}

/// Makes one, as the body of a request says.
pub(in crate::server) async fn revoke(app: &App, wanted: &[u8]) -> Result<Value, NotRevoked> {
    let revocation = read(app, wanted).map_err(NotRevoked::Bad)?;
    let mut shown = revocation.to_json();
    let (id, kind) = (revocation.id, revocation.subject.kind());
    let (ledger, now) = (Arc::clone(&app.revocations), revocation.made);
    let told = Entry::Made(revocation.clone());
    let until = revocation.until;
    let made = tokio::task::spawn_blocking(move || ledger.revoke(revocation, now)).await;
    if matches!(made, Ok(Err(Unwritten::Full(_)))) {
        // Not in force, so nothing to tell.
    } else if let Some(shared) = share(app, &told, until).await {
        shown.insert("shared".into(), shared.is_ok().into());
    }
    match made {
        Ok(Ok(())) => {}
        Ok(Err(full @ Unwritten::Full(_))) => return Err(NotRevoked::Full(full.to_string())),
        Ok(Err(Unwritten::Log(error))) => {
            return Err(NotRevoked::Volatile(format!("{id}: {error}")));
        }
        Err(error) => return Err(NotRevoked::Volatile(error.to_string())),
    }
    // Who it is stands in the log of revocations, not in this one.
    tracing::info!(%id, kind, "revoked");
    shown.insert("durable".into(), app.revocations.is_durable().into());
    Ok(Value::Object(shown))
}

fn read(app: &App, wanted: &[u8]) -> Result<Revocation, String> {
    let wanted = Wanted::read(wanted).map_err(|why| why.to_string())?;
    let generation = app.current();
    let issuers = || {
        let entries = generation.snapshot.issuers.iter();
        entries.map(|entry| &*entry.issuer)
    };
    if let Some(named) = wanted.subject.facets().issuer
        && !issuers().any(|issuer| *issuer.name == *named)
    {
        let names: Vec<&str> = issuers().map(|issuer| &*issuer.name).collect();
        return Err(format!(
            "there is no issuer of this name, so nobody would be denied; there are: {}",
            names.join(", ")
        ));
    }
    let now = app.clock.now();
    let sealer = generation.snapshot.sessions.as_deref();
    let longest = revocation::longest_life(issuers(), sealer);
    let id = RevocationId::fresh(now).ok_or("the random generator is not available")?;
    wanted.made(id, now, longest).map_err(|why| why.to_string())
}

/// Takes one back; whether there was one.
pub(in crate::server) async fn unrevoke(app: &App, id: &str) -> Result<bool, String> {
    let Some(id) = RevocationId::parse(id) else {
        return Ok(false);
    };
    let Some(known) = app.revocations.index().get(id) else {
        return Ok(false);
    };
    // First the others: one that still has it would give it back.
    let until = known.until.min(app.clock.now().plus(LONGEST_MEMORY));
    if let Some(Err(untold)) = share(app, &Entry::Removed(id), until).await {
        return Err(untold.to_string());
    }
    let ledger = Arc::clone(&app.revocations);
    let removed = tokio::task::spawn_blocking(move || ledger.remove(id)).await;
    let removed = removed
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    // Or what we told the others has come back to us already.
    tracing::info!(%id, removed, "revocation taken back");
    Ok(true)
}

/// Tells the other gateways; `None`: there are none.
async fn share(app: &App, entry: &Entry, until: UnixTime) -> Option<Result<(), Untold>> {
    let installation = app.current().installation.clone()?;
    let told = app.crier.cry(&installation, entry, until).await;
    if let Err(why) = &told {
        tracing::warn!(%why, "the other gateways were not told");
    }
    Some(told)
}

/// Seconds for which it is remembered that a revocation was taken back: so long a gateway may be away and still learn of it.
const LONGEST_MEMORY: i64 = 90 * 86_400;
