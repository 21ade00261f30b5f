use std::borrow::Cow;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn places() -> Places {
    Places {
        query: vec!["embed_token".into(), "guest_token".into()],
        bearer: true,
        headers: vec![HeaderName::from_static("x-guesttoken")],
    }
}

fn pairs<'a>(query: &[(&'a str, &'a str)]) -> Vec<Pair<'a>> {
    query
        .iter()
        .map(|(name, value)| Pair {
            raw: "",
            name: Cow::Borrowed(*name),
            value: Some(Cow::Borrowed(*value)),
        })
        .collect()
}

fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value).unwrap(),
        );
    }
    map
}

/// `t:` token, `q:` token of the query, `-` nothing.
fn show(
    query: &[(&str, &str)],
    lines: &[(&str, &[u8])],
    form: Option<&str>,
) -> Result<String, Refusal> {
    let (pairs, headers) = (pairs(query), headers(lines));
    let found = token(
        &places(),
        &pairs,
        &headers,
        Beside {
            form,
            ..Beside::default()
        },
    )?;
    let Some(found) = found else {
        return Ok("-".to_owned());
    };
    let place = if found.in_query { "q" } else { "t" };
    Ok(format!("{place}:{}", found.token.expose()))
}

#[test]
fn finds_a_token_in_each_place() {
    type Case<'a> = (
        &'a [(&'a str, &'a str)],
        &'a [(&'a str, &'a [u8])],
        Option<&'a str>,
        &'a str,
    );
    let table: &[Case<'_>] = &[
        (&[], &[], None, "-"),
        (&[("embed_token", "a.b.c")], &[], None, "q:a.b.c"),
        (&[("x", "1"), ("guest_token", "a")], &[], None, "q:a"),
        (&[("EMBED_TOKEN", "a")], &[], None, "-"),
        (&[("embed_token", "")], &[], None, "-"),
        (
            &[("embed_token", ""), ("embed_token", "a")],
            &[],
            None,
            "q:a",
        ),
        (
            &[("embed_token", "a"), ("embed_token", "a")],
            &[("authorization", b"Bearer a")],
            Some("a"),
            "q:a",
        ),
        (&[], &[("authorization", b"Bearer a")], None, "t:a"),
        (&[], &[("authorization", b"bEARER   a ")], None, "t:a"),
        (&[], &[("authorization", b"Bearer")], None, "-"),
        (&[], &[("authorization", b"Bearer ")], None, "-"),
        (&[], &[("authorization", b"BearerX a")], None, "-"),
        (&[], &[("authorization", b"Basic dTpw")], None, "-"),
        (
            &[],
            &[
                ("authorization", b"Basic dTpw"),
                ("authorization", b"Bearer a"),
            ],
            None,
            "t:a",
        ),
        (&[], &[("x-guesttoken", b"a")], None, "t:a"),
        (&[], &[("x-guesttoken", b"")], None, "-"),
        (&[], &[("x-guest-token", b"a")], None, "-"),
        (&[], &[], Some("a"), "t:a"),
        (&[], &[], Some(""), "-"),
    ];
    for (query, lines, form, wanted) in table {
        assert_eq!(
            show(query, lines, *form).as_deref(),
            Ok(*wanted),
            "{query:?} {lines:?} {form:?}"
        );
    }
}

#[test]
fn two_different_tokens_are_a_conflict() {
    type Case<'a> = (
        &'a [(&'a str, &'a str)],
        &'a [(&'a str, &'a [u8])],
        Option<&'a str>,
    );
    let table: &[Case<'_>] = &[
        (&[("embed_token", "a"), ("embed_token", "b")], &[], None),
        (&[("embed_token", "a"), ("guest_token", "b")], &[], None),
        (
            &[("embed_token", "a")],
            &[("authorization", b"Bearer b")],
            None,
        ),
        (
            &[],
            &[
                ("authorization", b"Bearer a"),
                ("authorization", b"Bearer b"),
            ],
            None,
        ),
        (&[], &[("x-guesttoken", b"a"), ("x-guesttoken", b"b")], None),
        (&[], &[("x-guesttoken", b"a")], Some("A")),
    ];
    for (query, lines, form) in table {
        assert_eq!(
            show(query, lines, *form),
            Err(Refusal::CredentialConflict),
            "{query:?} {lines:?} {form:?}"
        );
    }
}

#[test]
fn a_token_is_visible_ascii() {
    for bad in ["a b", "a\tb", "é", "a,b c"] {
        assert_eq!(
            show(&[("embed_token", bad)], &[], None),
            Err(Refusal::TokenInvalid),
            "{bad}"
        );
        assert_eq!(
            show(&[], &[("x-guesttoken", bad.as_bytes())], None),
            Err(Refusal::TokenInvalid),
            "{bad}"
        );
    }
    assert_eq!(
        show(&[], &[("authorization", b"Bearer a b")], None),
        Err(Refusal::TokenInvalid)
    );
}

#[test]
fn finds_the_session_among_other_cookies() {
    type Case<'a> = (&'a [&'a [u8]], Result<Option<&'a str>, Refusal>);
    let table: &[Case<'_>] = &[
        (&[], Ok(None)),
        (&[b"a=b"], Ok(None)),
        (&[b"__Host-embedgate=v"], Ok(Some("v"))),
        (&[b"a=\xc3\xa9; __Host-embedgate=v ;b=c"], Ok(Some("v"))),
        (&[b"a=b", b"__Host-embedgate=v"], Ok(Some("v"))),
        (&[b"__Host-embedgate=v;__Host-embedgate=v"], Ok(Some("v"))),
        (&[b"__Host-embedgate="], Ok(None)),
        (&[b"__Host-embedgate"], Ok(None)),
        (&[b"__Host-embedgateX=v"], Ok(None)),
        (&[b"__host-embedgate=v"], Ok(None)),
        (&[b"X__Host-embedgate=v"], Ok(None)),
        (&[b"a=__Host-embedgate=v"], Ok(None)),
        (
            &[b"__Host-embedgate=v; __Host-embedgate=w"],
            Err(Refusal::CredentialConflict),
        ),
        (
            &[b"__Host-embedgate=v", b"__Host-embedgate=w"],
            Err(Refusal::CredentialConflict),
        ),
        (&[b"__Host-embedgate=v w"], Err(Refusal::SessionInvalid)),
        (&[b"__Host-embedgate=\xff"], Err(Refusal::SessionInvalid)),
    ];
    for (lines, wanted) in table {
        let lines: Vec<(&str, &[u8])> = lines.iter().map(|line| ("cookie", *line)).collect();
        let headers = headers(&lines);
        let found = Jar::read(&headers).map(|jar| jar.values().next());
        assert_eq!(found, *wanted, "{lines:?}");
    }
}

proptest! {
    #[test]
    fn what_is_found_was_sent_alone(values in proptest::collection::vec("[!-~]{0,3}", 0..4), form in proptest::option::of("[!-~]{0,3}")) {
        let query: Vec<(&str, &str)> = values.iter().map(|value| ("embed_token", value.as_str())).collect();
        let pairs = pairs(&query);
        let mut sent: Vec<&str> = values.iter().map(String::as_str).chain(form.as_deref()).filter(|value| !value.is_empty()).collect();
        sent.sort_unstable();
        sent.dedup();
        let headers = HeaderMap::new();
        let found = token(&places(), &pairs, &headers, Beside { form: form.as_deref(), ..Beside::default() });
        match sent.as_slice() {
            [] => prop_assert!(matches!(found, Ok(None))),
            [one] => prop_assert!(matches!(found, Ok(Some(found)) if found.token.expose() == *one)),
            _ => prop_assert!(matches!(found, Err(Refusal::CredentialConflict))),
        }
    }
}
