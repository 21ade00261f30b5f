//! The hint: which of several sessions a page goes on by. It stands in the page's address, and so in the `Referer` of what the page asks for.
//!
//! It picks among the sessions that the browser sent and grants nothing. Who makes one up picks another of the sessions that are his anyway.

use super::super::{origin, request::RequestView, session::GrantTag};

/// The query parameter in which it stands. It never reaches an upstream.
pub const HINT: &str = "embed_session";

/// Where a hint was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hint {
    /// In the address of the request itself.
    Address,
    /// In the address of the page that asks.
    Referer,
}

/// The hint of a request to a site, by its prefix; what is none of our tags is none.
pub fn hint(prefix: &str, req: &RequestView<'_>) -> Option<(GrantTag, Hint)> {
    let mut own = req.query.pairs().iter().filter(|pair| pair.name == HINT);
    if let Some(tag) = own.find_map(|pair| GrantTag::parse(pair.value.as_deref()?)) {
        return Some((tag, Hint::Address));
    }
    let address = origin::own_referer(req, HINT)?.split('#').next()?;
    let (path, query) = address.split_once('?')?;
    // A page of another site of this host means a session of that site.
    let rest = path.strip_prefix(prefix)?;
    if !(rest.is_empty() || rest.starts_with('/')) {
        return None;
    }
    let mut values = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix(HINT)?.strip_prefix('='));
    let tag = values.find_map(GrantTag::parse)?;
    Some((tag, Hint::Referer))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, header::REFERER};
    use proptest::prelude::*;

    use super::*;
    use crate::gate::{host::Host, path::NormalPath, query::Query, request::UnixTime};

    fn read(prefix: &str, query: &str, referers: &[&str]) -> Option<(String, Hint)> {
        let mut headers = HeaderMap::new();
        for referer in referers {
            headers.append(REFERER, HeaderValue::from_str(referer).ok()?);
        }
        let query = Query::parse(query).ok()?;
        let req = RequestView {
            method: &Method::GET,
            host: &Host::parse("bi.example.com").unwrap(),
            secure: true,
            path: &NormalPath::parse("/").unwrap(),
            query: &query,
            headers: &headers,
            client: [127, 0, 0, 1].into(),
            now: UnixTime(0),
        };
        hint(prefix, &req).map(|(tag, hint)| (tag.to_string(), hint))
    }

    #[test]
    fn the_own_address_counts_then_the_own_pages() {
        let page = "https://bi.example.com/bi/x?a=1&embed_session=0badcafe";
        let found = |tag: &str, hint| Some((tag.to_owned(), hint));
        for (prefix, query, referers, wanted) in [
            (
                "",
                "embed_session=0badcafe",
                &[][..],
                found("0badcafe", Hint::Address),
            ),
            (
                "",
                "a=1&embed%5Fsession=0badcafe",
                &[],
                found("0badcafe", Hint::Address),
            ),
            (
                "",
                "embed_session=11111111",
                &[page],
                found("11111111", Hint::Address),
            ),
            (
                "",
                "embed_session=x",
                &[page],
                found("0badcafe", Hint::Referer),
            ),
            ("", "", &[page], found("0badcafe", Hint::Referer)),
            ("/bi", "", &[page], found("0badcafe", Hint::Referer)),
            ("/b", "", &[page], None),
            ("/other", "", &[page], None),
            ("", "", &[page, page], None),
            ("", "Embed_Session=0badcafe", &[], None),
            ("", "embed_session=0BADCAFE", &[], None),
            ("", "embed_session=0badcafe0", &[], None),
        ] {
            assert_eq!(
                read(prefix, query, referers),
                wanted,
                "{prefix} {query} {referers:?}"
            );
        }
    }

    #[test]
    fn no_other_address_counts() {
        for referer in [
            "https://evil.example/?embed_session=0badcafe",
            "http://bi.example.com/?embed_session=0badcafe",
            "https://bi.example.com:8443/?embed_session=0badcafe",
            "https://bi.example.com@evil.example/?embed_session=0badcafe",
            "https://bi.example.com?embed_session=0badcafe",
            "https://bi.example.com/embed_session=0badcafe",
            "https://bi.example.com/#?embed_session=0badcafe",
            "https://bi.example.com/?x_embed_session=0badcafe",
        ] {
            assert_eq!(read("", "", &[referer]), None, "{referer}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_stands_there(query in "[a-f0-9_=&?#/]{0,40}", referer in "https://bi\\.example\\.com/[a-f0-9_=&?#/embdsion]{0,60}") {
            if let Some((tag, place)) = read("", &query, &[&referer]) {
                let text = if place == Hint::Address { &query } else { &referer };
                let assigned = format!("embed_session={tag}");
                prop_assert!(text.contains(&assigned), "{} {}", text, tag);
            }
        }
    }
}
