//! `custom-geojson`: the maps that a page may load, and from where.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{Around, Inner};

/// What an entry says; whatever else stands in it goes.
const MEMBERS: &[&str] = &["builtin", "name", "region_key", "region_name", "url"];

/// Where Metabase keeps the maps that it brings itself, below its own path.
const BUILT_IN: &str = "app/assets/geojson/";

/// RFC 3986, unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Keeps the configured maps and those that Metabase brings itself, each loaded from our site: a map from elsewhere is fetched by Metabase, under its key.
/// `site` is where Metabase believes to be.
pub(super) fn sift(
    maps: Map<String, Value>,
    around: &Around<'_>,
    site: &str,
    inner: &Inner,
) -> Map<String, Value> {
    let pass = |(key, value): (String, Value)| {
        let Value::Object(entry) = value else {
            return None;
        };
        let url = match entry.get("url") {
            Some(Value::String(url)) => below(url, site),
            _ => "",
        };
        let configured = around.geojson.iter().any(|own| **own == *key);
        let built_in = entry.get("builtin") == Some(&Value::Bool(true)) && is_built_in(url);
        let url = if built_in || configured && is_below_the_base(url) {
            url.to_owned()
        } else if configured {
            let segment = utf8_percent_encode(&key, SEGMENT);
            format!("{}/api/geojson/{segment}", around.prefix())
        } else {
            return None;
        };
        let members = entry.into_iter();
        let mut entry: Map<_, _> = members
            .filter(|(name, _)| MEMBERS.contains(&&**name))
            .collect();
        entry.insert("url".to_owned(), Value::String(url));
        let entry = Value::Object(entry);
        let told = inner.is_told_by(&entry) || inner.is_found_in(&key);
        (!told).then_some((key, entry))
    };
    maps.into_iter().filter_map(pass).collect()
}

/// A URL as it stands below Metabase's own base, where it does.
fn below<'a>(url: &'a str, site: &str) -> &'a str {
    let own = match site {
        "" => None,
        site => url.strip_prefix(site),
    };
    own.and_then(|path| path.strip_prefix('/')).unwrap_or(url)
}

fn is_built_in(url: &str) -> bool {
    url.starts_with(BUILT_IN) && is_below_the_base(url)
}

/// Whether a URL can only be read as a path below the page's base: no scheme, no authority, no way up.
fn is_below_the_base(url: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    !url.is_empty() && !url.starts_with('/') && !url.contains("..") && url.bytes().all(plain)
}
