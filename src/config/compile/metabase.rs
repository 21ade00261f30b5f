//! `[site.NAME.metabase]`.

use std::{collections::BTreeMap, time::Duration};

use super::{Reported, context::At};
use crate::{
    adapter::{
        metabase::{
            Item, ItemId, Kind, MetabaseSpec, PublicLink, Unmapped, Uuid, Values, settings::never,
            spec::ItemRules,
        },
        secret::SecretBytes,
    },
    config::{raw, secret::SecretSource, units},
    gate::param::{Mode, ParamSpec},
};

/// What the adapter needs of the rest of the site.
pub(super) struct Around<'s> {
    /// Its parameters.
    pub(super) params: &'s [ParamSpec],
    /// How long its sessions live; `None`: it has none.
    pub(super) session: Option<Duration>,
}

/// `[site.NAME.metabase]`.
pub(super) fn spec(
    raw: Option<&raw::Metabase>,
    at: &At<'_>,
    around: &Around<'_>,
) -> Option<MetabaseSpec> {
    let raw = at.require(
        raw,
        "the table with what embedgate needs to sign for Metabase, or the public links to lock",
    )?;
    let secret = embedding_secret(raw, &at.key("embedding_secret"));
    signed_only(raw, at);
    let api_key = api_key(raw, at);
    let (dashboards, questions) = (at.key("dashboards"), at.key("questions"));
    let items = [
        items(&raw.dashboards, Kind::Dashboard, &dashboards, around),
        items(&raw.questions, Kind::Question, &questions, around),
    ];
    let public = public(&raw.public, &at.key("public"), around);
    let version = at.key("version");
    if raw.version.is_some_and(|major| !MAJORS.contains(&major)) {
        version.report("is not a major version, such as 58 for `v0.58.28`");
    }
    let ttl = |key, ttl, least, most| within(ttl, least, most, &at.key(key));
    let token_ttl = ttl(
        "token_ttl",
        raw.token_ttl,
        SECOND,
        MetabaseSpec::MAX_TOKEN_TTL,
    );
    let layout_ttl = ttl("layout_ttl", raw.layout_ttl, Duration::ZERO, LONGEST_LAYOUT);
    let guest_token_ttl = guest_token_ttl(raw, &at.key("guest_token_ttl"), around);
    let settings = names(&raw.settings, &at.key("settings"), setting);
    let geojson = names(&raw.geojson, &at.key("geojson"), map_key);
    Some(MetabaseSpec {
        embedding_secret: secret.ok()?,
        token_ttl,
        version: raw.version,
        downloads: raw.downloads,
        values: values_of(raw.values),
        api_key: api_key.ok()?,
        unmapped: unmapped_of(raw.unmapped),
        guest_token_ttl,
        layout_ttl,
        settings,
        geojson,
        items: items.into_iter().flatten().collect(),
        public,
    })
}

/// Metabase's key as it stands: the HMAC key is the 64 characters, not the 32 bytes that they spell.
fn embedding_secret(raw: &raw::Metabase, at: &At<'_>) -> Result<Option<SecretBytes>, Reported> {
    let Some(source) = &raw.embedding_secret else {
        if raw.public.is_empty() {
            at.report("is required: Metabase's MB_EMBEDDING_SECRET_KEY, such as { env = \"MB_EMBEDDING_SECRET_KEY\" }; or else a public link");
            return Err(Reported);
        }
        return Ok(None);
    };
    let secret = at.secret(source).ok_or(Reported)?;
    let bytes = secret.expose();
    let fault = if bytes.len() != SECRET_CHARS {
        format!("this one has {}", bytes.len())
    } else if !bytes.iter().all(u8::is_ascii_hexdigit) {
        "this one has other characters".to_owned()
    } else if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
        "this one is a single character repeated: let Metabase make one".to_owned()
    } else {
        return Ok(Some(SecretBytes::new(bytes)));
    };
    at.report(format!(
        "is not Metabase's embedding secret key: that is the 64 hexadecimal characters of its admin page (Embedding), as they stand there, \
         not decoded; {fault}"
    ));
    Err(Reported)
}

/// Keys that say something of signed embeds, where there are none: they would look like protection.
fn signed_only(raw: &raw::Metabase, at: &At<'_>) {
    if raw.embedding_secret.is_some() || raw.public.is_empty() {
        return;
    }
    for (key, there) in [
        ("api_key", raw.api_key.is_some()),
        ("dashboards", !raw.dashboards.is_empty()),
        ("guest_token_ttl", raw.guest_token_ttl.is_some()),
        ("questions", !raw.questions.is_empty()),
    ] {
        if there {
            at.key(key)
                .report("is about signed embeds: needs `embedding_secret`");
        }
    }
}

/// `api_key`, and `unmapped` without it.
fn api_key(raw: &raw::Metabase, at: &At<'_>) -> Result<Option<SecretBytes>, Reported> {
    let Some(source) = &raw.api_key else {
        if raw.unmapped.is_some() {
            at.key("unmapped")
                .report("needs `api_key`: without one the layouts of signed embeds are not known");
        }
        return Ok(None);
    };
    let key = header_secret(source, &at.key("api_key"));
    Ok(Some(key.ok_or(Reported)?))
}

/// A secret that fits into a header field.
fn header_secret(source: &SecretSource, at: &At<'_>) -> Option<SecretBytes> {
    let secret = at.long_secret(source, "a Metabase API key", SHORTEST_KEY)?;
    if !secret.expose().iter().all(u8::is_ascii_graphic) {
        at.report("is not a Metabase API key: it has spaces or other characters that a header field cannot hold");
        return None;
    }
    Some(SecretBytes::new(secret.expose()))
}

fn guest_token_ttl(raw: &raw::Metabase, at: &At<'_>, around: &Around<'_>) -> Duration {
    let longest = around.session.unwrap_or(Duration::MAX);
    let Some(written) = raw.guest_token_ttl else {
        return MetabaseSpec::GUEST_TOKEN_TTL.min(longest);
    };
    if around.session.is_none() {
        at.report("needs sessions: the web component's tokens are handed out to a session; add a [session] table with a secret");
    } else if written.0 > longest {
        let longest = units::Duration(longest);
        at.report(format!(
            "`{written}` is longer than a session, which ends after {longest}"
        ));
    }
    within(written, SECOND, Duration::MAX, at)
}

/// A duration within bounds.
fn within(duration: units::Duration, least: Duration, most: Duration, at: &At<'_>) -> Duration {
    if duration.0 < least {
        at.report(format!("must be at least {}", units::Duration(least)));
    } else if duration.0 > most {
        at.report(format!("must be at most {}", units::Duration(most)));
    }
    duration.0
}

/// `dashboards` or `questions`.
fn items(
    raw: &BTreeMap<String, raw::Item>,
    kind: Kind,
    at: &At<'_>,
    around: &Around<'_>,
) -> BTreeMap<Item, ItemRules> {
    let one = |(name, raw): (&String, &raw::Item)| {
        let at = at.key(name);
        let rules = rules(raw, &at, around);
        let Some(id) = ItemId::parse(name) else {
            at.report(format!(
                "`{name}` is not a {}: its number, or its entity id of 21 letters, digits, `_` and `-`",
                kind.as_str()
            ));
            return None;
        };
        Some((Item { kind, id }, rules))
    };
    raw.iter().filter_map(one).collect()
}

fn rules(raw: &raw::Item, at: &At<'_>, around: &Around<'_>) -> ItemRules {
    let mut modes = Vec::new();
    for (name, mode) in &raw.params {
        let at = at.key("params").key(name);
        let Some((index, site)) = find(name, &at, around) else {
            continue;
        };
        match stricter(site, *mode) {
            Ok(mode) => modes.push((index, mode)),
            Err(problem) => at.report(problem),
        }
    }
    let at = at.key("danger_unlocked");
    if !raw.danger_unlocked.is_empty() {
        at.danger();
    }
    for (position, name) in raw.danger_unlocked.iter().enumerate() {
        let at = at.index(position);
        match find(name, &at, around) {
            None => {}
            Some((index, Mode::Locked)) => modes.push((index, Mode::Disabled)),
            Some((_, Mode::Disabled | Mode::Enabled)) => {
                at.report(format!("`{name}` is not locked"));
            }
        }
    }
    ItemRules { modes }
}

/// The mode of a parameter on an item, given the site's: what is enabled may be locked or disabled there, and nothing else.
fn stricter(site: Mode, wanted: raw::Mode) -> Result<Mode, &'static str> {
    match (site, wanted) {
        (Mode::Enabled, raw::Mode::Disabled) => Ok(Mode::Disabled),
        (Mode::Enabled, raw::Mode::Locked) => Ok(Mode::Locked),
        (Mode::Enabled, raw::Mode::Enabled)
        | (Mode::Locked, raw::Mode::Locked)
        | (Mode::Disabled, raw::Mode::Disabled) => Err("is that on the whole site already"),
        (Mode::Locked, raw::Mode::Disabled) => Err(
            "is locked on the site, so every token has a value for it; where an item does not have the parameter, name it in `danger_unlocked`",
        ),
        (Mode::Locked, raw::Mode::Enabled) => {
            Err("is locked on the site: an item can only be stricter")
        }
        (Mode::Disabled, raw::Mode::Enabled | raw::Mode::Locked) => {
            Err("is disabled on the site: an item can only be stricter")
        }
    }
}

fn find(name: &str, at: &At<'_>, around: &Around<'_>) -> Option<(usize, Mode)> {
    let mut all = around.params.iter().enumerate();
    let found = all.find(|(_, spec)| *spec.name == *name);
    if found.is_none() {
        at.report(format!("`{name}` is not one of the site's params"));
    }
    found.map(|(index, spec)| (index, spec.mode))
}

fn public(
    raw: &BTreeMap<String, raw::PublicLink>,
    at: &At<'_>,
    around: &Around<'_>,
) -> BTreeMap<Uuid, PublicLink> {
    if raw.is_empty() {
        return BTreeMap::new();
    }
    if around.session.is_none() {
        at.report("needs sessions: the page of a public link has no token of its own; add a [session] table with a secret, and leave `sessions` on");
    }
    if !around.params.iter().any(|spec| spec.mode == Mode::Locked) {
        at.report("needs a parameter with mode = \"locked\" in the site's params: without one a public link shows everybody everything");
    }
    let one = |(name, raw): (&String, &raw::PublicLink)| {
        let at = at.key(name);
        let uuid = Uuid::parse(name);
        if uuid.is_none() {
            at.report(format!("`{name}` is not the id of a public link: lower case, with dashes, as in b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11"));
        }
        let kind = at
            .key("kind")
            .require(raw.kind.as_ref(), "\"dashboard\" or \"question\"");
        let safe_values = safe_values(&raw.safe_values, &at.key("safe_values"), around);
        let link = PublicLink {
            kind: kind_of(*kind?),
            downloads: raw.downloads,
            values: values_of(raw.values),
            safe_values,
        };
        Some((uuid?, link))
    };
    raw.iter().filter_map(one).collect()
}

fn safe_values(raw: &[String], at: &At<'_>, around: &Around<'_>) -> Vec<usize> {
    let one = |(position, name): (usize, &String)| {
        let at = at.index(position);
        let (index, mode) = find(name, &at, around)?;
        if mode != Mode::Enabled {
            at.report(format!(
                "`{name}` is not enabled: its values are never listed"
            ));
        }
        Some(index)
    };
    raw.iter().enumerate().filter_map(one).collect()
}

/// Names that pass a check; each that does not is reported.
fn names(
    raw: &[String],
    at: &At<'_>,
    check: fn(&str) -> Result<(), &'static str>,
) -> Vec<Box<str>> {
    for (index, name) in raw.iter().enumerate() {
        if let Err(problem) = check(name) {
            at.index(index).report(format!("`{name}` {problem}"));
        }
    }
    raw.iter().map(|name| name.as_str().into()).collect()
}

fn setting(name: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'?')
    };
    if name.is_empty() || !name.bytes().all(plain) {
        return Err("is not a setting of Metabase's, such as \"custom-formatting\"");
    }
    let begins = NEVER.iter().any(|prefix| name.starts_with(prefix));
    if begins || never(name) {
        return Err(
            "never passes: it tells of Metabase itself, its addresses, version or sign-in, or lets somebody in",
        );
    }
    Ok(())
}

/// One path segment in its one spelling.
fn map_key(name: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || !name.bytes().all(plain) {
        return Err("is not the key of a custom map: letters, digits, `_` and `-`");
    }
    Ok(())
}

fn values_of(raw: raw::Values) -> Values {
    match raw {
        raw::Values::Constrained => Values::Constrained,
        raw::Values::Deny => Values::Deny,
    }
}

fn unmapped_of(raw: Option<raw::Unmapped>) -> Unmapped {
    match raw {
        Some(raw::Unmapped::Deny) => Unmapped::Deny,
        Some(raw::Unmapped::Report) | None => Unmapped::Report,
    }
}

fn kind_of(raw: raw::ItemKind) -> Kind {
    match raw {
        raw::ItemKind::Dashboard => Kind::Dashboard,
        raw::ItemKind::Question => Kind::Question,
    }
}

/// Beginnings of the names of settings that no page of an embed needs and that help an attacker, beside those that the adapter never passes.
const NEVER: &[&str] = &["cloud-gateway-ips", "engines", "site-url"];

/// Metabase's own rule for its embedding secret key.
const SECRET_CHARS: usize = 64;
const SHORTEST_KEY: usize = 16;
const SECOND: Duration = Duration::from_secs(1);
/// A dashboard that is edited is checked anew after this time at the latest.
const LONGEST_LAYOUT: Duration = Duration::from_mins(10);
const MAJORS: std::ops::RangeInclusive<u32> = 1..=999;
