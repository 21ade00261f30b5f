//! The keys of an issuer: one, several, a set in a file, or a place from which a set is fetched while the gateway runs.

mod source;
mod written;

use std::{path::Path, sync::Arc};

use super::context::At;
use crate::{
    config::{
        raw,
        secret::Secret,
        spec::{KeyInfo, KeySource},
    },
    gate::token::{
        KeySet, Keys,
        jwk::{Jwk, JwkError, JwkRules},
    },
};

/// The keys of an issuer, and what is known about them.
pub(super) struct Found {
    /// What tokens are checked with.
    pub(super) keys: Keys,
    /// What is known about each; nothing where they are fetched.
    pub(super) infos: Vec<KeyInfo>,
    /// All that they are made of.
    pub(super) material: Vec<Secret>,
    /// Where they are fetched from.
    pub(super) source: Option<Arc<KeySource>>,
    /// Keys of a file that are not used, and why.
    pub(super) unused: Vec<String>,
}

/// The keys of an issuer.
pub(super) fn keys(raw: &raw::Issuer, at: &At<'_>) -> Option<Found> {
    let jwks = raw.jwks.as_deref();
    match (jwks, raw.issuer_url.as_deref()) {
        (Some(_), Some(_)) => {
            at.key("issuer_url").report(ONE_SOURCE);
            None
        }
        (Some(text), None) if text.contains("://") => {
            alone(raw, at).then(|| source::by_url(text, raw, at))?
        }
        (Some(path), None) => {
            source::no_url(raw, at);
            alone(raw, at).then(|| from_file(Path::new(path), raw, at))?
        }
        (None, Some(url)) => alone(raw, at).then(|| source::by_discovery(url, raw, at))?,
        (None, None) => {
            source::no_url(raw, at);
            written::keys(raw, at)
        }
    }
}

/// Whether no key stands beside the set.
fn alone(raw: &raw::Issuer, at: &At<'_>) -> bool {
    let beside = [
        ("algorithm", raw.algorithm.is_some()),
        ("secret", raw.secret.is_some()),
        ("public_key", raw.public_key.is_some()),
        ("jwk", raw.jwk.is_some()),
        ("keys", !raw.keys.is_empty()),
    ];
    for (key, _) in beside.iter().filter(|(_, there)| *there) {
        at.key(key).report(if *key == "algorithm" {
            "is for a single key: here it is `algorithms`, a list"
        } else {
            ONE_SOURCE
        });
    }
    beside.iter().all(|(_, there)| !there)
}

/// `algorithms`.
fn rules(raw: &raw::Issuer, secrets: bool, at: &At<'_>) -> Option<JwkRules> {
    let at = at.key("algorithms");
    let mut good = true;
    for (index, name) in raw.algorithms.iter().enumerate() {
        let known = JwkRules::new(&[name], secrets);
        good &= at.index(index).accept(known).is_some();
    }
    good.then(|| JwkRules::new(&raw.algorithms, secrets).ok())?
}

/// `jwks = "file.json"`.
fn from_file(path: &Path, raw: &raw::Issuer, at: &At<'_>) -> Option<Found> {
    let rules = rules(raw, true, at);
    let at = at.key("jwks");
    let text = Secret::new(at.read(path)?);
    let blame = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    let read = rules?.read(text.expose());
    let (jwks, faults) = at.accept(read.map_err(|error| blame(&error)))?;
    let (mut unused, mut whole) = (Vec::new(), true);
    for fault in faults {
        match fault {
            JwkError::Refused(why) => {
                at.report(blame(&why));
                whole = false;
            }
            JwkError::Skipped(why) => unused.push(why),
        }
    }
    let (mut set, mut infos) = (KeySet::new(), Vec::with_capacity(jwks.len()));
    for Jwk { key, secret } in jwks {
        infos.push(KeyInfo {
            kid: key.kid().map(Into::into),
            algorithm: key.algorithm(),
            secret: secret.map(|secret| Arc::new(Secret::new(secret.to_vec()))),
        });
        whole &= at
            .accept(set.insert(key).map_err(|error| blame(&error)))
            .is_some();
    }
    if set.is_empty() && whole {
        let why = unused.first().map_or("", String::as_str);
        at.report(blame(
            &format!("holds no key that can be used {why}").trim(),
        ));
        return None;
    }
    whole.then(|| Found {
        keys: set.into(),
        infos,
        material: vec![text],
        source: None,
        unused,
    })
}

const ONE_SOURCE: &str = "an issuer has one source of keys: a key, `keys`, `jwks` or `issuer_url`; for two, make it two issuers";
