//! `frame_ancestors`, `top_level` and `[site.NAME.tenants]`: who may embed a site.

use std::collections::{BTreeMap, HashMap};

use super::context::At;
use crate::{
    config::raw,
    gate::origin::{Ancestor, Ancestors, FramePolicy},
};

/// The frame policy of a site.
pub(super) fn policy(raw: &raw::Site, at: &At<'_>) -> Option<FramePolicy> {
    let site = ancestors(&raw.frame_ancestors, &at.key("frame_ancestors"));
    let tenants = tenants(&raw.tenants, &at.key("tenants"));
    let top_level = raw.top_level == raw::TopLevel::Allow;
    if raw.frame_ancestors.is_empty() && raw.tenants.is_empty() && !top_level {
        at.key("frame_ancestors").report(
            "is required: nobody could see this site. Name the origins that may embed it, such as [\"https://app.example.com\"], or set \
             top_level = \"allow\" for pages that are opened directly",
        );
    }
    let (site, tenants) = (site?, tenants?);
    let mut anyone = site.clone();
    for list in tenants.values() {
        anyone.extend(list.clone());
    }
    Some(FramePolicy {
        site: Ancestors::new(distinct(site)),
        tenants: tenants
            .into_iter()
            .map(|(tenant, list)| (tenant, Ancestors::new(distinct(list))))
            .collect(),
        anyone: Ancestors::new(distinct(anyone)),
        top_level,
    })
}

/// Entries with their text, which tells doubles apart.
type Named = Vec<(String, Ancestor)>;

fn ancestors(texts: &[String], at: &At<'_>) -> Option<Named> {
    let entry = |(index, text): (usize, &String)| {
        let read = Ancestor::parse(text)
            .map_err(|why| format!("`{text}` cannot be a frame ancestor: {why}"));
        at.index(index)
            .accept(read)
            .map(|ancestor| (text.clone(), ancestor))
    };
    let all: Vec<_> = texts.iter().enumerate().map(entry).collect();
    all.into_iter().collect()
}

fn tenants(raw: &BTreeMap<String, raw::Tenant>, at: &At<'_>) -> Option<HashMap<Box<str>, Named>> {
    let all: Vec<_> = raw
        .iter()
        .map(|(name, raw)| Some((name.as_str().into(), tenant(raw, &at.key(name))?)))
        .collect();
    all.into_iter().collect()
}

fn tenant(raw: &raw::Tenant, at: &At<'_>) -> Option<Named> {
    let at = at.key("frame_ancestors");
    let list = at.require(
        raw.frame_ancestors.as_ref(),
        "origins that replace the site's for this tenant",
    )?;
    if list.is_empty() {
        at.report("is empty: nobody could see this tenant's pages; leave the tenant out for the site's own list");
    }
    ancestors(list, &at)
}

fn distinct(list: Named) -> Vec<Ancestor> {
    list.into_iter().map(|(_, ancestor)| ancestor).collect()
}
