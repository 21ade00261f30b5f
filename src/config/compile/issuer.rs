//! `[issuer.NAME]`: whoever signs viewer tokens, and the keys to check them with.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::context::{At, fingerprint};
use crate::{
    config::{
        raw,
        secret::{Secret, SecretSource},
        spec::{IssuerEntry, KeyInfo},
    },
    gate::{
        resource::Resource,
        token::{ClaimNames, Issuer, KeySet, key::KeyError},
    },
};

/// All issuers of the file; those with faults are there by name only, so that a site that names them is not blamed too.
pub(super) struct Issuers(BTreeMap<String, Option<IssuerEntry>>);

impl Issuers {
    /// Whether the file has one of this name, with or without faults.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// An issuer without faults.
    pub(super) fn find(&self, name: &str) -> Option<&IssuerEntry> {
        self.0.get(name)?.as_ref()
    }

    /// The names.
    pub(super) fn names(&self) -> String {
        self.0
            .keys()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// All of them, unless one has faults.
    pub(super) fn into_entries(self) -> Option<Vec<IssuerEntry>> {
        self.0.into_values().collect()
    }
}

/// All `[issuer.…]`.
pub(super) fn issuers(raw: &BTreeMap<String, raw::Issuer>, at: &At<'_>) -> Issuers {
    Issuers(
        raw.iter()
            .map(|(name, raw)| (name.clone(), issuer(name, raw, &at.key(name))))
            .collect(),
    )
}

fn issuer(name: &str, raw: &raw::Issuer, at: &At<'_>) -> Option<IssuerEntry> {
    super::site::check_name(name, at);
    let written = written_keys(raw, at);
    let keys = written.and_then(|written| keys(&written));
    let claims = claims(raw, at);
    let max_lifetime = at.key("max_lifetime").positive(raw.max_lifetime);
    if raw.leeway.0 > max_lifetime {
        at.key("leeway").report(
            "is longer than max_lifetime: expired tokens would live on for longer than good ones",
        );
    }
    for (key, text) in [("issuer", &raw.issuer), ("audience", &raw.audience)] {
        if text.as_ref().is_some_and(String::is_empty) {
            at.key(key)
                .report("is empty; leave it out where tokens have none");
        }
    }
    let (set, infos, material) = keys?;
    let rules = format!("{raw:?}");
    let mut parts: Vec<&[u8]> = vec![name.as_bytes(), rules.as_bytes()];
    parts.extend(material.iter().map(Secret::expose));
    let issuer = Issuer {
        name: name.into(),
        iss: raw.issuer.as_deref().map(Into::into),
        audience: raw.audience.as_deref().map(Into::into),
        max_lifetime,
        leeway: raw.leeway.0,
        keys: set.into(),
        claims,
        generation: fingerprint(&parts),
    };
    Some(IssuerEntry {
        issuer: Arc::new(issuer),
        keys: infos,
    })
}

/// A key as written, at the top of the table or in `keys`.
struct Written<'r, 'a> {
    at: At<'a>,
    kid: Option<&'r str>,
    algorithm: Option<&'r String>,
    secret: Option<&'r SecretSource>,
    public_key: Option<&'r Path>,
}

fn written_keys<'r, 'a>(raw: &'r raw::Issuer, at: &At<'a>) -> Option<Vec<Written<'r, 'a>>> {
    let alone = Written {
        at: at.clone(),
        kid: None,
        algorithm: raw.algorithm.as_ref(),
        secret: raw.secret.as_ref(),
        public_key: raw.public_key.as_deref(),
    };
    if raw.keys.is_empty() {
        return Some(vec![alone]);
    }
    if alone.algorithm.is_some() || alone.secret.is_some() || alone.public_key.is_some() {
        at.key("keys").report("stands beside `algorithm`, `secret` or `public_key`: move that key into the list, with a `kid`");
        return None;
    }
    let at = at.key("keys");
    let one = |(index, key): (usize, &'r raw::Key)| {
        let at = at.index(index);
        at.key("kid").require(
            key.kid.as_ref(),
            "what the token's header names this key by",
        );
        Written {
            at,
            kid: key.kid.as_deref(),
            algorithm: key.algorithm.as_ref(),
            secret: key.secret.as_ref(),
            public_key: key.public_key.as_deref(),
        }
    };
    Some(raw.keys.iter().enumerate().map(one).collect())
}

/// The keys, what is known about each, and their material.
fn keys(written: &[Written<'_, '_>]) -> Option<(KeySet, Vec<KeyInfo>, Vec<Secret>)> {
    let mut set = KeySet::new();
    let read: Vec<_> = written
        .iter()
        .map(|written| key(written, &mut set))
        .collect();
    let (infos, material) = read
        .into_iter()
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .unzip();
    Some((set, infos, material))
}

fn key(written: &Written<'_, '_>, set: &mut KeySet) -> Option<(KeyInfo, Secret)> {
    let place = written.at.key("algorithm");
    let name = place.require(
        written.algorithm,
        "the only algorithm accepted with this key, such as \"HS256\"",
    );
    let algorithm = name
        .and_then(|name| place.accept(name.parse().map_err(|_| KeyError::Algorithm(name.clone()))));
    let (material, place) = material(written, algorithm)?;
    if let Err(error) = set.add(written.kid, name?, material.expose()) {
        let place = match error {
            KeyError::Algorithm(_) => written.at.key("algorithm"),
            KeyError::Kid(_) => written.at.key("kid"),
            KeyError::Material { .. } | KeyError::Short { .. } => place,
        };
        place.report(error.to_string());
        return None;
    }
    let secret = written
        .secret
        .map(|_| Arc::new(Secret::new(material.expose().to_vec())));
    Some((
        KeyInfo {
            kid: written.kid.map(Into::into),
            algorithm: algorithm?,
            secret,
        },
        material,
    ))
}

/// The bytes of a key and the place to blame for them: a shared secret for HS algorithms, else a public key.
fn material<'a>(
    written: &Written<'_, 'a>,
    algorithm: Option<Algorithm>,
) -> Option<(Secret, At<'a>)> {
    let at = |key: &str| written.at.key(key);
    let shared = algorithm.map(|algorithm| algorithm.family() == AlgorithmFamily::Hmac);
    match (written.secret, written.public_key, shared) {
        (Some(_), Some(_), _) => {
            at("public_key").report("stands beside `secret`: a key is one or the other");
        }
        (None, None, Some(true)) => {
            at("secret").report("is required: the shared secret, such as { env = \"NAME\" }");
        }
        (None, None, Some(false)) => {
            at("public_key").report("is required: PEM file with the public key");
        }
        (None, None, None) => {}
        (Some(_), None, Some(false)) => at("secret")
            .report("a shared secret goes with HS algorithms only; this one needs `public_key`"),
        (None, Some(_), Some(true)) => {
            at("public_key").report("HS algorithms need `secret`, the shared one");
        }
        (Some(source), None, _) => return Some((at("secret").secret(source)?, at("secret"))),
        (None, Some(path), _) => {
            return Some((Secret::new(at("public_key").read(path)?), at("public_key")));
        }
    }
    None
}

fn claims(raw: &raw::Issuer, at: &At<'_>) -> ClaimNames {
    let danger = at.key("danger_resources");
    if !raw.danger_resources.is_empty() {
        danger.danger();
    }
    if raw
        .default_viewer
        .as_ref()
        .is_some_and(|name| !ClaimNames::is_viewer(name))
    {
        at.key("default_viewer")
            .report("is not a name, such as \"anonymous\": 1 to 256 characters, not blank");
    }
    let resource = |(index, text): (usize, &String)| {
        let read = Resource::parse(text)
            .ok_or_else(|| format!("`{text}` is not a resource, such as \"dashboard:42\""));
        danger.index(index).accept(read)
    };
    ClaimNames {
        tenant: raw.claims.tenant.as_deref().map(Into::into),
        params: raw
            .claims
            .params
            .iter()
            .map(|(param, claim)| (param.as_str().into(), claim.as_str().into()))
            .collect(),
        resources: raw
            .danger_resources
            .iter()
            .enumerate()
            .filter_map(resource)
            .collect(),
        viewer_default: raw.default_viewer.as_deref().map(Into::into),
    }
}
