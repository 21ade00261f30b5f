use proptest::prelude::*;

use super::*;

const OURS: &str = "frame-ancestors https://app.example.com";

fn over(fields: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    enforce(&mut headers, &HeaderValue::from_static(OURS));
    headers
}

fn all(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn ours_is_the_one_in_force() {
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["{}"]),
        (
            &["default-src 'self'; script-src 'nonce-abc' 'strict-dynamic'"],
            &["default-src 'self'; script-src 'nonce-abc' 'strict-dynamic'; {}"],
        ),
        (&["default-src 'self';"], &["default-src 'self'; {}"]),
        (&["default-src 'self' ; ;; "], &["default-src 'self'; {}"]),
        (&["frame-ancestors 'none'"], &["{}"]),
        (&["frame-ancestors"], &["{}"]),
        (
            &["img-src *; Frame-Ancestors *; frame-ancestors 'self'; font-src *"],
            &["img-src *; font-src *; {}"],
        ),
        (
            &["default-src a;\tframe-ancestors\thttps://evil.example;x-y"],
            &["default-src a; x-y; {}"],
        ),
        (
            &["frame-ancestors *, default-src 'self'"],
            &["default-src 'self'; {}"],
        ),
        (
            &["default-src a, img-src b; frame-ancestors c, , font-src d"],
            &["default-src a; {}, img-src b, font-src d"],
        ),
        (
            &["default-src a", "frame-ancestors b", "img-src c"],
            &["default-src a; {}", "img-src c"],
        ),
        (&["frame-ancestors a", "frame-ancestors b"], &["{}"]),
        (&["", "img-src c"], &["img-src c; {}"]),
        (
            &["frame-ancestorsx a; x-frame-ancestors b; report-uri /frame-ancestors"],
            &["frame-ancestorsx a; x-frame-ancestors b; report-uri /frame-ancestors; {}"],
        ),
    ];
    for (before, after) in table {
        let fields: Vec<_> = before
            .iter()
            .map(|value| ("content-security-policy", value.as_bytes()))
            .collect();
        let after: Vec<_> = after
            .iter()
            .map(|value| value.replace("{}", OURS))
            .collect();
        assert_eq!(all(&over(&fields), &ENFORCED), after, "{before:?}");
    }
}

#[test]
fn a_directive_that_is_not_ascii_goes_alone() {
    let headers = over(&[(
        "content-security-policy",
        b"default-src 'self'; frame-ancestors \xe9; img-src \xff; font-src a",
    )]);
    assert_eq!(
        all(&headers, &ENFORCED),
        [format!("default-src 'self'; font-src a; {OURS}")]
    );
}

#[test]
fn what_is_only_reported_stays_without_ours() {
    let headers = over(&[
        (
            "content-security-policy-report-only",
            b"default-src 'self'; frame-ancestors 'none'; report-to r",
        ),
        ("x-frame-options", b"DENY"),
        ("x-frame-options", b"SAMEORIGIN"),
    ]);
    assert_eq!(
        all(&headers, &REPORTED),
        ["default-src 'self'; report-to r"]
    );
    assert_eq!(all(&headers, &ENFORCED), [OURS]);
    assert!(!headers.contains_key("x-frame-options"));
    assert!(
        !over(&[(
            "content-security-policy-report-only",
            b"frame-ancestors 'none'"
        )])
        .contains_key(REPORTED)
    );
}

/// As a browser reads it: every policy's first directive of the name counts.
fn ancestors(headers: &HeaderMap) -> Vec<String> {
    let mut found = Vec::new();
    for policy in all(headers, &ENFORCED)
        .iter()
        .flat_map(|field| field.split(','))
    {
        let mut directives = policy
            .split(';')
            .map(|text| text.trim_matches([' ', '\t', '\n', '\r', '\x0c']));
        found.extend(
            directives
                .find(|text| {
                    text.split_ascii_whitespace()
                        .next()
                        .is_some_and(|name| name.eq_ignore_ascii_case("frame-ancestors"))
                })
                .map(str::to_owned),
        );
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn exactly_one_whatever_the_upstream_says(fields in prop::collection::vec("((?i:frame-ancestors)|default-src| |\t|;|,|'none'|\\*|nonce-[a-z]|[ -~]){0,12}", 0..4)) {
        let fields: Vec<_> = fields.iter().map(|value| ("content-security-policy", value.as_bytes())).collect();
        let once = over(&fields);
        prop_assert_eq!(ancestors(&once), [OURS]);
        let mut twice = once.clone();
        enforce(&mut twice, &HeaderValue::from_static(OURS));
        prop_assert_eq!(once, twice, "idempotent");
    }
}
