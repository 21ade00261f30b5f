//! `[site.NAME.metabase]`: what the Metabase adapter needs to know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::site::Mode;
use crate::{
    adapter::metabase::MetabaseSpec,
    config::{secret::SecretSource, units::Duration},
};

/// Metabase behind this site.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metabase {
    /// Metabase's `MB_EMBEDDING_SECRET_KEY`: 64 hexadecimal characters, used as they stand. Without it there are no signed embeds, only public links.
    pub embedding_secret: Option<SecretSource>,
    /// Life of the Metabase tokens that are minted for each request; they never leave the gateway.
    pub token_ttl: Duration,
    /// Metabase's major version: 58 of `v0.58.28`. Not given, what only newer ones keep to locked parameters is denied.
    pub version: Option<u32>,
    /// Whether signed embeds may be exported; the token needs scope `download` besides.
    pub downloads: bool,
    /// Whether signed embeds list the values of filters.
    pub values: Values,
    /// A Metabase API key that may read the embedded dashboards: with it their layouts are checked for cards that a locked parameter does not reach.
    pub api_key: Option<SecretSource>,
    /// What becomes of such a card; it is reported unless given.
    pub unmapped: Option<Unmapped>,
    /// Life of the tokens that the web component is handed for a session.
    pub guest_token_ttl: Option<Duration>,
    /// How long what was learnt about a dashboard's layout is believed.
    pub layout_ttl: Duration,
    /// Further public settings of Metabase's that its pages may know, beside those that embedding needs.
    pub settings: Vec<String>,
    /// Keys of custom maps that may be loaded.
    pub geojson: Vec<String>,
    /// Dashboards with rules of their own, by number or entity id.
    pub dashboards: BTreeMap<String, Item>,
    /// Questions with rules of their own, by number or entity id.
    pub questions: BTreeMap<String, Item>,
    /// Public links that may be used, by id; every other one is 404.
    pub public: BTreeMap<String, PublicLink>,
}

impl Default for Metabase {
    fn default() -> Self {
        Self {
            embedding_secret: None,
            token_ttl: Duration(MetabaseSpec::TOKEN_TTL),
            version: None,
            downloads: true,
            values: Values::Constrained,
            api_key: None,
            unmapped: None,
            guest_token_ttl: None,
            layout_ttl: Duration(MetabaseSpec::LAYOUT_TTL),
            settings: Vec::new(),
            geojson: Vec::new(),
            dashboards: BTreeMap::new(),
            questions: BTreeMap::new(),
            public: BTreeMap::new(),
        }
    }
}

/// A dashboard or question with rules of its own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Item {
    /// Parameters that are enabled on the site and stricter here: name = `"locked"` or `"disabled"`.
    pub params: BTreeMap<String, Mode>,
    /// Locked parameters that this item does not have: Metabase is asked without them.
    pub danger_unlocked: Vec<String>,
}

/// A public link that may be used.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["kind"]))]
pub struct PublicLink {
    /// What is behind it.
    pub kind: Option<ItemKind>,
    /// Whether it may be exported; the token needs scope `download` besides.
    pub downloads: bool,
    /// Whether it lists the values of filters.
    pub values: Values,
    /// Enabled parameters whose list of values shows nothing that a viewer may not know, so that it is served although Metabase does not constrain it.
    pub safe_values: Vec<String>,
}

impl Default for PublicLink {
    fn default() -> Self {
        Self {
            kind: None,
            downloads: true,
            values: Values::Deny,
            safe_values: Vec::new(),
        }
    }
}

/// What Metabase shows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A dashboard.
    Dashboard,
    /// A question: one card.
    Question,
}

/// Whether lists of values are served.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Values {
    /// With the locked values as constraints, where it is known that they hold.
    Constrained,
    /// Not at all.
    Deny,
}

/// What becomes of a card that a locked parameter does not reach.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmapped {
    /// It is refused, and left out of the layout.
    Deny,
    /// It is named in the log, and served.
    Report,
}
