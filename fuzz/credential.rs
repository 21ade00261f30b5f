//! Where a token is found it was sent, and nothing different stood in another place.
#![no_main]

use embedgate::gate::{
    credential::{Beside, Credential, Places, SESSION_COOKIE, extract},
    host::Host,
    path::NormalPath,
    query::Query,
    request::{RequestView, UnixTime},
    session::{Carrier, carrier::SESSION_HEADER},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Five fields, apart by line feeds: query, Authorization, X-GuestToken, Cookie, a page's session.
    let mut fields = data.split(|byte| *byte == b'\n');
    let mut field = || fields.next().unwrap_or_default();
    let query = String::from_utf8_lossy(field()).into_owned();
    let (Ok(host), Ok(path), Ok(query)) = (
        Host::parse("bi.example.com"),
        NormalPath::parse("/"),
        Query::parse(&query),
    ) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for name in [
        header::AUTHORIZATION,
        HeaderName::from_static("x-guesttoken"),
        header::COOKIE,
        SESSION_HEADER.clone(),
    ] {
        if let Ok(value) = HeaderValue::from_bytes(field()) {
            headers.append(name, value);
        }
    }
    let places = Places {
        query: vec!["embed_token".into()],
        bearer: true,
        headers: vec![HeaderName::from_static("x-guesttoken")],
    };
    let request = RequestView {
        method: &Method::GET,
        host: &host,
        secure: true,
        path: &path,
        query: &query,
        headers: &headers,
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        now: UnixTime(0),
    };
    let contains = |name: &HeaderName, part: &str| {
        headers
            .get(name)
            .is_some_and(|value| String::from_utf8_lossy(value.as_bytes()).contains(part))
    };
    let in_query: Vec<&str> = query
        .pairs()
        .iter()
        .filter(|pair| pair.name == "embed_token")
        .filter_map(|pair| pair.value.as_deref())
        .filter(|value| !value.is_empty())
        .collect();
    let by_script = Beside {
        carrier: Carrier::Script,
        ..Beside::default()
    };
    if let Ok(Some(Credential::Sessions(jar))) = extract(&places, &request, by_script) {
        let all: Vec<&str> = jar.values().collect();
        assert_eq!(all.len(), 1, "a page has one session");
        assert!(
            contains(&SESSION_HEADER, all[0]),
            "cookies are not looked at"
        );
    }
    match extract(&places, &request, Beside::default()) {
        Err(_) => {}
        Ok(None) => assert!(in_query.is_empty()),
        Ok(Some(Credential::Sessions(jar))) => {
            let value = jar.values().next().expect("a jar is not empty");
            assert!(
                in_query.is_empty()
                    && !value.is_empty()
                    && value.bytes().all(|byte| byte.is_ascii_graphic())
            );
            assert!(
                contains(&header::COOKIE, &format!("={value}"))
                    && contains(&header::COOKIE, SESSION_COOKIE)
            );
        }
        Ok(Some(Credential::Token(found))) => {
            let token = found.token.expose();
            assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(found.in_query, !in_query.is_empty());
            assert!(
                in_query.iter().all(|value| *value == token),
                "another token stood in the query"
            );
            let guest = headers
                .get("x-guesttoken")
                .map(|value| value.as_bytes().trim_ascii())
                .unwrap_or_default();
            assert!(
                guest.is_empty() || guest == token.as_bytes(),
                "another token stood in the header"
            );
            assert!(
                found.in_query
                    || contains(&header::AUTHORIZATION, token)
                    || guest == token.as_bytes()
            );
        }
    }
});
