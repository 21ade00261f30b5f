//! Metabase's public settings, less what an embedded page has no use for.
//!
//! Metabase tells everybody who asks (`GET /api/session/properties`, and in the shell of every page) which version it is, how people sign in to it, where
//! it stands, and in bad times its setup token. Only what rendering needs goes on, by name; what is not known is left out.

use serde_json::{Map, Value};
use thiserror::Error;

mod inner;
mod maps;
#[cfg(test)]
mod tests;

pub(super) use inner::Inner;

/// Between which names a page of Metabase stands: ours towards the browser, and those that stay inside.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The URL of our site: scheme, authority and path prefix, without a slash at the end.
    pub public_url: &'a str,
    /// The path of the page that the browser asked for, below that prefix; empty where it does not matter. Metabase's front end compares it with its own address to
    /// find the prefix, and Metabase would tell the path that it was asked for, the token minted for it included.
    pub page: &'a str,
    /// Further settings that may be known, by name; those of which [`never()`] speaks stay out all the same.
    pub extra: &'a [Box<str>],
    /// Keys of custom maps that may be loaded.
    pub geojson: &'a [Box<str>],
    /// What must not be seen: the upstream's origins, authorities or hosts, and tokens. Compared without regard to case.
    pub inner: &'a [&'a str],
}

impl<'a> Around<'a> {
    /// The path prefix of our site: empty, or `/segment…`.
    pub(super) fn prefix(&self) -> &'a str {
        let (_, rest) = self
            .public_url
            .split_once("://")
            .unwrap_or(("", self.public_url));
        let path = rest.find('/').and_then(|at| rest.get(at..));
        path.unwrap_or_default().trim_end_matches('/')
    }

    fn url(&self) -> &'a str {
        self.public_url.trim_end_matches('/')
    }
}

/// Why settings cannot be filtered.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SettingsError {
    /// They are not JSON.
    #[error("Metabase's settings are not JSON")]
    NotJson,
    /// They are no object.
    #[error("Metabase's settings are not a JSON object")]
    NotObject,
}

/// What embedded and public pages read. `hide-embed-branding?` and `token-features` say whether the "Powered by" banner is shown: they pass as Metabase
/// sends them, and nothing here adds to them.
const KEPT: &[&str] = &[
    "application-colors",
    "application-favicon-url",
    "application-font",
    "application-font-files",
    "application-logo-url",
    "application-name",
    "available-fonts",
    "available-locales",
    "custom-formatting",
    "custom-geojson",
    "custom-geojson-enabled",
    "enable-embedding",
    "enable-embedding-modular",
    "enable-embedding-sdk",
    "enable-embedding-simple",
    "enable-embedding-static",
    "enable-pivoted-exports",
    "enable-public-sharing",
    "hide-embed-branding?",
    "humanization-strategy",
    "loading-message",
    "map-tile-server-url",
    "no-data-illustration",
    "no-data-illustration-custom",
    "no-object-illustration",
    "no-object-illustration-custom",
    "report-timezone",
    "report-timezone-long",
    "report-timezone-short",
    "show-metabase-links",
    "site-locale",
    "start-of-week",
    "token-features",
];

/// Parts of names that nobody can let pass.
const NEVER: &[&str] = &[
    "admin",
    "analytics",
    "api-key",
    "credential",
    "email",
    "google",
    "gsheets",
    "instance-creation",
    "jwt",
    "ldap",
    "license",
    "oidc",
    "openai",
    "origin",
    "password",
    "saml",
    "scim",
    "secret",
    "setup-",
    "slack",
    "smtp",
    "snowplow",
    "sso",
    "token",
    "uuid",
    "version",
];

/// Whether a setting stays out even where the configuration names it: secrets, versions, how people sign in, identities of the instance.
pub fn never(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    name != "token-features" && NEVER.iter().any(|part| name.contains(part))
}

/// Filters the settings object. What is left has the members that pages need and `around.extra`, in their order, without any that speaks of
/// `around.inner` or of the host that Metabase believes to be at; `site-url` is ours.
///
/// # Errors
/// They are not a JSON object.
pub fn filter(json: &[u8], around: &Around<'_>) -> Result<Vec<u8>, SettingsError> {
    let settings = parse(json)?;
    let mut inner = Inner::new(around);
    learn(&settings, &mut inner);
    let sifted = Value::Object(sift(settings, around, &inner));
    serde_json::to_vec(&sifted).map_err(|_| SettingsError::NotJson)
}

/// Reads the settings.
pub(super) fn parse(json: &[u8]) -> Result<Map<String, Value>, SettingsError> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(settings)) => Ok(settings),
        Ok(_) => Err(SettingsError::NotObject),
        Err(_) => Err(SettingsError::NotJson),
    }
}

/// Where Metabase believes to be is a name inside as well, unless it is ours.
pub(super) fn learn(settings: &Map<String, Value>, inner: &mut Inner) {
    if let Some(Value::String(url)) = settings.get("site-url") {
        inner.add(url);
    }
}

/// Keeps what may be known.
pub(super) fn sift(
    settings: Map<String, Value>,
    around: &Around<'_>,
    inner: &Inner,
) -> Map<String, Value> {
    let site = match settings.get("site-url") {
        Some(Value::String(url)) => url.trim_end_matches('/').to_owned(),
        _ => String::new(),
    };
    let known = |name: &str| {
        let extra = around.extra.iter().any(|extra| **extra == *name);
        KEPT.contains(&name) || extra && !never(name)
    };
    let pass = |(name, value): (String, Value)| {
        let value = if name == "site-url" {
            Value::from(around.url())
        } else if name == "custom-geojson" {
            let Value::Object(maps) = value else {
                return None;
            };
            Value::Object(maps::sift(maps, around, &site, inner))
        } else if known(&name) && !inner.is_told_by(&value) {
            value
        } else {
            return None;
        };
        Some((name, value))
    };
    let mut sifted: Map<_, _> = settings.into_iter().filter_map(pass).collect();
    sifted
        .entry("site-url")
        .or_insert_with(|| Value::from(around.url()));
    sifted
}
