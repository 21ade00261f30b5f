//! `single_use`, `bind`, `bind_network`: what stops copies of links, tokens and cookies.

use super::context::At;
use crate::{
    config::raw,
    gate::{
        credential::Places,
        param::ParamSpec,
        policy::HINT,
        query::fold,
        sharing::{Masks, Sharing},
    },
};

/// What stops copies at a site.
pub(super) fn sharing(raw: &raw::Site, at: &At<'_>, sessions: bool) -> Sharing {
    let tied = |bind| raw.bind.contains(&bind);
    for (index, bind) in raw.bind.iter().enumerate() {
        if raw.bind.iter().take(index).any(|other| other == bind) {
            at.key("bind").index(index).report("is there already");
        }
    }
    if raw.single_use {
        needs_sessions(raw, &at.key("single_use"), sessions);
    }
    for (index, bind) in raw.bind.iter().enumerate() {
        let at = at.key("bind").index(index);
        match bind {
            raw::Bind::Network | raw::Bind::Session => needs_sessions(raw, &at, sessions),
            raw::Bind::Origin if raw.frame_ancestors.is_empty() && raw.tenants.is_empty() => at
                .report(
                    "\"origin\" needs `frame_ancestors`: no page could show that it stands in one, so none could be opened",
                ),
            raw::Bind::Origin => {}
        }
    }
    let network = raw.bind_network.as_ref();
    if network.is_some() && !tied(raw::Bind::Network) {
        at.key("bind_network")
            .report("goes with bind = [\"network\"]");
    }
    Sharing {
        single_use: raw.single_use,
        session: tied(raw::Bind::Session),
        origin: tied(raw::Bind::Origin),
        network: tied(raw::Bind::Network).then(|| masks(network, &at.key("bind_network"))),
    }
}

/// Why a site without sessions cannot tie tokens to them.
fn needs_sessions(raw: &raw::Site, at: &At<'_>, sessions: bool) {
    if raw.kind == Some(raw::Kind::Superset) {
        at.report(
            "cannot go with Superset: its page loads before it has a token, and sends a fresh one every few minutes, so no page load could open a session; \
             bind = [\"origin\"] can",
        );
    } else if !sessions {
        at.report(
            "needs sessions: after its page load a token counts only with the session that it opened; add a [session] table with a secret, and leave \
             `sessions` on",
        );
    }
}

fn masks(raw: Option<&raw::BindNetwork>, at: &At<'_>) -> Masks {
    let usual = raw::BindNetwork::default();
    let raw::BindNetwork { v4, v6 } = *raw.unwrap_or(&usual);
    if !(1..=32).contains(&v4) {
        at.key("v4").report("is a number of bits from 1 to 32");
    }
    if !(1..=128).contains(&v6) {
        at.key("v6").report("is a number of bits from 1 to 128");
    }
    Masks { v4, v6 }
}

/// The query parameters that never pass.
pub(super) fn dropped(
    places: &Places,
    params: &[ParamSpec],
    at: &At<'_>,
    sessions: bool,
) -> Vec<Box<str>> {
    let mut dropped = places.query.clone();
    if !sessions {
        return dropped;
    }
    let ours = fold(HINT);
    if let Some(param) = params.iter().find(|param| *param.folded == *ours) {
        at.key("params")
            .key(&param.name)
            .report("is embedgate's own: it names the session of a page");
    }
    if places.query.iter().any(|name| *fold(name) == *ours) {
        at.key("token_query").report(format!(
            "`{HINT}` is embedgate's own: it names the session of a page"
        ));
    }
    dropped.push(HINT.into());
    dropped
}
