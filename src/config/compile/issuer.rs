//! `[issuer.NAME]`: whoever signs viewer tokens, and the keys to check them with.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    context::{At, fingerprint},
    keys::{self, Found},
};
use crate::{
    config::{raw, secret::Secret, spec::IssuerEntry},
    gate::{
        resource::Resource,
        token::{ClaimNames, Issuer},
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
    let found = keys::keys(raw, at);
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
    let Found {
        keys,
        infos,
        material,
        source,
        unused,
    } = found?;
    let iss = raw.issuer_url.as_ref().or(raw.issuer.as_ref());
    let rules = format!("{raw:?}");
    let mut parts: Vec<&[u8]> = vec![name.as_bytes(), rules.as_bytes()];
    parts.extend(material.iter().map(Secret::expose));
    let issuer = Issuer {
        name: name.into(),
        iss: iss.map(|iss| iss.as_str().into()),
        audience: raw.audience.as_deref().map(Into::into),
        max_lifetime,
        leeway: raw.leeway.0,
        keys,
        claims,
        generation: fingerprint(&parts),
    };
    Some(IssuerEntry {
        issuer: Arc::new(issuer),
        keys: infos,
        source,
        unused,
    })
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
