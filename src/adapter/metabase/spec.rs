//! What the configuration says about a Metabase site: plain data, checked while it was read.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    adapter::secret::SecretBytes,
    gate::param::{Mode, ParamSpec},
};

/// Everything of `[site.X.metabase]`, checked.
#[derive(Clone, Debug)]
pub struct MetabaseSpec {
    /// `embedding_secret`: Metabase's `MB_EMBEDDING_SECRET_KEY`, the 64 hexadecimal characters as they stand (the HMAC key is their ASCII bytes).
    /// `None`: no signed embeds on this site.
    pub embedding_secret: Option<SecretBytes>,
    /// `token_ttl`: how long a Metabase token lives that we mint for one request; no viewer ever sees one. At most [`Self::MAX_TOKEN_TTL`].
    pub token_ttl: Duration,
    /// `version`: Metabase's major version (`58` of `v0.58.28`). `None`: unknown, so what older ones leak is denied.
    pub version: Option<u32>,
    /// `downloads`: whether there are exports at all; each needs scope `download` besides.
    pub downloads: bool,
    /// `values`: whether lists of values (dropdowns of filters) are served for signed embeds.
    pub values: Values,
    /// `api_key`: with which the layouts of signed embeds are read and checked. `None`: they are not.
    pub api_key: Option<SecretBytes>,
    /// `unmapped`: what becomes of a card that a locked parameter does not reach, where `api_key` lets us know of it.
    pub unmapped: Unmapped,
    /// `guest_token_ttl`: how long a token lives that the guest endpoint hands out for a session.
    pub guest_token_ttl: Duration,
    /// `layout_ttl`: how long what was learnt about a dashboard is believed. Zero: it is asked for before every query.
    pub layout_ttl: Duration,
    /// `settings`: further public settings that the page may know, beside those that embedding needs.
    pub settings: Vec<Box<str>>,
    /// `geojson`: keys of custom maps that may be loaded.
    pub geojson: Vec<Box<str>>,
    /// `items`: dashboards and questions with rules of their own, signed ones.
    pub items: BTreeMap<Item, ItemRules>,
    /// `public`: the public links of this site. Every other one is 404.
    pub public: BTreeMap<Uuid, PublicLink>,
}

impl MetabaseSpec {
    /// Default of `token_ttl`.
    pub const TOKEN_TTL: Duration = Duration::from_mins(1);
    /// The longest `token_ttl`.
    pub const MAX_TOKEN_TTL: Duration = Duration::from_mins(2);
    /// Default of `guest_token_ttl`.
    pub const GUEST_TOKEN_TTL: Duration = Duration::from_mins(10);
    /// Default of `layout_ttl`.
    pub const LAYOUT_TTL: Duration = Duration::from_secs(30);
    /// The first version whose map tiles and whose labels of values are known to keep to locked parameters. (The tiles of 54 and older are known not to;
    /// in between nobody has looked.)
    pub const LOCKED_TILES: u32 = 58;

    /// Whether this Metabase is known to apply locked parameters to map tiles and to labels of values.
    pub fn locks_everywhere(&self) -> bool {
        self.version
            .is_some_and(|version| version >= Self::LOCKED_TILES)
    }

    /// Who decides each parameter on an item: the site's modes, with the item's own.
    pub fn modes(&self, item: &Item, params: &[ParamSpec]) -> Vec<Mode> {
        let own = self.items.get(item).map(|rules| &*rules.modes);
        let mode = |(index, spec): (usize, &ParamSpec)| {
            let own = own.unwrap_or_default().iter();
            own.rev()
                .find(|(param, _)| *param == index)
                .map_or(spec.mode, |(_, mode)| *mode)
        };
        params.iter().enumerate().map(mode).collect()
    }
}

/// What a link or a token is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A dashboard.
    Dashboard,
    /// A question: one card.
    Question,
}

impl Kind {
    /// As it stands in tokens and page URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Question => "question",
        }
    }

    /// As it stands in API paths.
    pub fn in_api(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Question => "card",
        }
    }
}

/// A dashboard or question.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Item {
    /// Which of the two.
    pub kind: Kind,
    /// Which one.
    pub id: ItemId,
}

/// What Metabase calls an item: tokens may use either.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ItemId {
    /// Its number, from 1.
    Number(u64),
    /// Its entity id: a random word (`NanoID`) of 21 letters, digits, `_` and `-`.
    Entity([u8; 21]),
}

impl ItemId {
    /// Reads either, in its one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(number) = number(text) {
            return Some(Self::Number(number));
        }
        let entity: [u8; 21] = text.as_bytes().try_into().ok()?;
        let known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        entity.iter().all(known).then_some(Self::Entity(entity))
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Entity(entity) => f.write_str(std::str::from_utf8(entity).unwrap_or_default()),
        }
    }
}

/// A positive number in its one spelling: decimal, without sign or leading zero, at most 2^53.
pub fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.starts_with('0') || text.len() > 16 {
        return None;
    }
    text.parse().ok().filter(|number| *number <= 1 << 53)
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
    }
}

/// An item's own rules.
#[derive(Clone, Debug, Default)]
pub struct ItemRules {
    /// Parameters (by index) whose mode differs here: stricter, or `Disabled` for a locked one that the item does not have (`danger_unlocked`).
    pub modes: Vec<(usize, Mode)>,
}

/// Whether lists of values are served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Values {
    /// With the locked values as constraints, where it is known that they hold.
    Constrained,
    /// Not at all.
    Deny,
}

/// What becomes of a card that a locked parameter does not reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unmapped {
    /// It is refused, and left out of the layout.
    Deny,
    /// It is named in the log, and served.
    Report,
}

/// One public link.
#[derive(Clone, Debug)]
pub struct PublicLink {
    /// What is behind it.
    pub kind: Kind,
    /// Whether it may be exported (scope `download` is asked for besides).
    pub downloads: bool,
    /// Whether lists of values are served.
    pub values: Values,
    /// Parameters (by index) whose list of values shows nothing that a viewer may not know: static lists, and lists that are not constrained.
    pub safe_values: Vec<usize>,
}

/// A public link's id, lower case, with dashes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Uuid(Box<str>);

impl Uuid {
    /// Reads `8-4-4-4-12` lower-case hexadecimal digits: the one spelling that we ask the upstream for.
    pub fn parse(text: &str) -> Option<Self> {
        let groups = text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        let digits = text
            .bytes()
            .all(|byte| matches!(byte, b'-' | b'0'..=b'9' | b'a'..=b'f'));
        (groups && digits).then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parameters of a site as they are on one item.
#[derive(Clone, Copy, Debug)]
pub struct Lens<'a> {
    /// The site's declarations; names are Metabase's slugs.
    pub params: &'a [ParamSpec],
    /// Who decides each of them here, by the same index ([`MetabaseSpec::modes`]).
    pub modes: &'a [Mode],
}

impl<'a> Lens<'a> {
    /// The parameter that a slug names, exactly.
    pub fn find(&self, slug: &str) -> Option<(usize, &'a ParamSpec, Mode)> {
        let index = self.params.iter().position(|spec| *spec.name == *slug)?;
        Some((index, self.params.get(index)?, *self.modes.get(index)?))
    }

    /// The locked ones.
    pub fn locked(&self) -> impl Iterator<Item = (usize, &'a ParamSpec)> {
        let modes = self.modes;
        self.params
            .iter()
            .enumerate()
            .filter(move |(index, _)| modes.get(*index) == Some(&Mode::Locked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_a_number_or_an_entity_id_in_one_spelling() {
        for (text, good) in [
            ("1", true),
            ("42", true),
            ("9007199254740992", true),
            ("9007199254740993", false),
            ("0", false),
            ("042", false),
            ("+1", false),
            ("-1", false),
            ("1.0", false),
            ("", false),
            ("J3kT_fN0-aBcDeFgHiJkL", true),
            ("J3kT_fN0-aBcDeFgHiJk", false),
            ("J3kT_fN0-aBcDeFgHiJ%L", false),
        ] {
            let id = ItemId::parse(text);
            assert_eq!(id.is_some(), good, "{text}");
            if let Some(id) = id {
                assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn a_public_link_has_one_spelling() {
        assert!(Uuid::parse("b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11").is_some());
        for bad in [
            "",
            "B7B1D3A0-7C55-4F0E-9A3C-0F5E9D2C1A11",
            "b7b1d3a07c554f0e9a3c0f5e9d2c1a11",
            "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a1g",
            "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a1%31",
        ] {
            assert_eq!(Uuid::parse(bad), None, "{bad}");
        }
    }
}
