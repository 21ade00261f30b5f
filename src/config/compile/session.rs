//! `[session]`.

use std::sync::Arc;

use super::{Reported, context::At};
use crate::{
    config::{raw, secret::Secret},
    gate::session::{Carrier, Sealer},
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

/// What carries a site's sessions.
pub(super) fn carrier(
    raw: &raw::Site,
    at: &At<'_>,
    sessions: bool,
    usual: Option<raw::SessionMode>,
) -> Carrier {
    let own = at.key("session_mode");
    if raw.session_mode.is_some() && !sessions {
        own.report(match raw.kind {
            Some(raw::Kind::Superset) => NOT_FOR_SUPERSET,
            _ => "goes with sessions: add a [session] table with a secret, and leave `sessions` on",
        });
        return Carrier::Cookie;
    }
    match raw.session_mode.or(usual).unwrap_or_default() {
        raw::SessionMode::Script if sessions && raw.kind == Some(raw::Kind::Superset) => {
            let at = if raw.session_mode.is_some() {
                own
            } else {
                at.key("sessions")
            };
            at.report(NOT_FOR_SUPERSET);
            Carrier::Cookie
        }
        raw::SessionMode::Cookie => Carrier::Cookie,
        raw::SessionMode::Script => Carrier::Script,
    }
}

/// Why a script need not carry anything there.
const NOT_FOR_SUPERSET: &str = "session mode \"script\" cannot go with Superset: its SDK sends a token of its own with every request, in a header, and keeps it \
    without any cookie; leave `sessions` off";

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
