//! `[session]`.

use std::sync::Arc;

use super::{Reported, context::At};
use crate::{
    config::{raw, secret::Secret},
    gate::session::Sealer,
};

/// `[session]`, where there is one.
pub(super) fn sealer(
    raw: Option<&raw::Session>,
    at: &At<'_>,
) -> Result<Option<Arc<Sealer>>, Reported> {
    let Some(raw) = raw else { return Ok(None) };
    let secrets = secrets(raw, at);
    let lifetime = at.key("lifetime").positive(raw.lifetime);
    let idle = at.key("idle").positive(raw.idle);
    let secrets = secrets.ok_or(Reported)?;
    let bytes: Vec<&[u8]> = secrets.iter().map(Secret::expose).collect();
    let sealer = at.accept(Sealer::new(&bytes, lifetime, Some(idle)));
    Ok(Some(Arc::new(sealer.ok_or(Reported)?)))
}

fn secrets(raw: &raw::Session, at: &At<'_>) -> Option<Vec<Secret>> {
    let one = |source, at: At<'_>| at.long_secret(source, "a session secret", SHORTEST);
    match (&raw.secret, raw.secrets.as_slice()) {
        (Some(source), []) => one(source, at.key("secret")).map(|secret| vec![secret]),
        (None, []) => {
            at.key("secret").report("is required: what seals the session cookie, such as { env = \"EMBEDGATE_SESSION_SECRET\" }");
            None
        }
        (None, sources) => {
            let at = at.key("secrets");
            let all: Vec<_> = sources
                .iter()
                .enumerate()
                .map(|(index, source)| one(source, at.index(index)))
                .collect();
            all.into_iter().collect()
        }
        (Some(_), _) => {
            at.key("secrets")
                .report("stands beside `secret`: move that one to the front of this list");
            None
        }
    }
}

/// What AES-256 needs.
const SHORTEST: usize = 32;
