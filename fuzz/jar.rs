//! No cookies make the gateway set what it expires, keep more than there is room for, or find what was not sent; no address names what does not stand in it.
#![no_main]

use embedgate::gate::{
    host::Host,
    path::NormalPath,
    policy::{HINT, hint},
    query::Query,
    request::{RequestView, UnixTime},
    session::{GrantTag, Holding, Jar},
};
use http::{HeaderMap, HeaderValue, Method, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Three fields, apart by line feeds: query, Referer, Cookie; and all further ones Cookie.
    let mut fields = data.split(|byte| *byte == b'\n');
    let query = String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(fields.next().unwrap_or_default()) {
        headers.append(header::REFERER, value);
    }
    for field in fields {
        if let Ok(value) = HeaderValue::from_bytes(field) {
            headers.append(header::COOKIE, value);
        }
    }
    addressed(&query, &headers);
    let Ok(jar) = Jar::read(&headers) else {
        return;
    };
    let sent: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    for value in jar.values() {
        let was_sent = |line: &&[u8]| {
            line.windows(value.len())
                .any(|part| part == value.as_bytes())
        };
        assert!(!value.is_empty() && sent.iter().any(was_sent));
    }
    let tag = GrantTag::parse("0badcafe").expect("a tag");
    let holding = |value: &str| match value.len() % 4 {
        0 => Holding::Over,
        1 => Holding::Other,
        2 => Holding::Nothing,
        _ => Holding::Alive(tag, value.len().try_into().unwrap_or(0)),
    };
    for placing in [
        jar.begin(tag, 300, true, holding),
        jar.begin(tag, 300, false, holding),
        jar.renew(tag, 300, holding),
    ] {
        assert!(!placing.set.is_empty());
        assert!(placing.set.iter().all(|name| !placing.gone.contains(name)));
    }
});

fn addressed(query: &str, headers: &HeaderMap) {
    let (Ok(host), Ok(path), Ok(parsed)) = (
        Host::parse("bi.example.com"),
        NormalPath::parse("/"),
        Query::parse(query),
    ) else {
        return;
    };
    let request = RequestView {
        method: &Method::GET,
        host: &host,
        secure: true,
        path: &path,
        query: &parsed,
        headers,
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        now: UnixTime(0),
    };
    if let Some((tag, _)) = hint("", &request) {
        let tag = tag.to_string();
        let referer = headers.get(header::REFERER).map(HeaderValue::as_bytes);
        let referer = String::from_utf8_lossy(referer.unwrap_or_default()).into_owned();
        let mut pairs = parsed.pairs().iter();
        let asked = pairs.any(|pair| pair.name == HINT && pair.value.as_deref() == Some(&*tag));
        assert!(asked || referer.contains(&format!("{HINT}={tag}")));
    }
}
