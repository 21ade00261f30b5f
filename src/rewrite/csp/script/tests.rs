use proptest::prelude::*;

use super::*;

const FRESH: &str = "RnJlc2g=";

fn over(policies: &[&str], reported: &[&str]) -> (HeaderMap, String) {
    let mut headers = HeaderMap::new();
    for (name, values) in [(&FIELDS[0], policies), (&FIELDS[1], reported)] {
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
    }
    let nonce = admit(&mut headers, FRESH);
    (headers, nonce.into())
}

fn all(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_lets_the_script_run_stays_as_it_is() {
    for (policies, nonce) in [
        (&[][..], FRESH),
        (&["frame-ancestors https://a.example"], FRESH),
        (&["img-src 'self'; connect-src 'none'"], FRESH),
        (&["script-src 'self' 'nonce-abc'"], "abc"),
        (&["script-src 'NONCE-aB+/-_9='"], "aB+/-_9="),
        (&["script-src 'nonce-abc' 'strict-dynamic' https:"], "abc"),
        (&["default-src 'none'; script-src 'nonce-abc'"], "abc"),
        (&["default-src 'nonce-abc'"], "abc"),
        (&["script-src 'self' 'unsafe-inline'"], FRESH),
        (&["default-src 'self' 'Unsafe-Inline'"], FRESH),
        (
            &["script-src 'none'; script-src-elem 'unsafe-inline'"],
            FRESH,
        ),
        (&["script-src 'unsafe-inline' 'nonce-'"], FRESH),
        (
            &["script-src 'nonce-a' 'nonce-b', script-src 'nonce-b'"],
            "b",
        ),
        (&["script-src 'nonce-a'", "script-src 'unsafe-inline'"], "a"),
        (&["script-src 'nonce-a'; script-src 'none'"], "a"),
    ] {
        let (headers, found) = over(policies, &[]);
        assert_eq!(found, nonce, "{policies:?}");
        assert_eq!(all(&headers, &FIELDS[0]), policies, "{policies:?}");
    }
}

#[test]
fn else_a_fresh_nonce_is_all_that_is_added() {
    for (before, after) in [
        ("script-src 'self'", "script-src 'self' 'nonce-{}'"),
        ("script-src 'none'", "script-src 'nonce-{}'"),
        ("script-src", "script-src 'nonce-{}'"),
        (
            "Script-Src\t'self';img-src *",
            "Script-Src 'self' 'nonce-{}'; img-src *",
        ),
        (
            "script-src 'unsafe-inline' 'sha256-YWJj' a.example",
            "script-src 'unsafe-inline' 'sha256-YWJj' a.example 'nonce-{}'",
        ),
        (
            "script-src 'strict-dynamic' 'unsafe-inline'",
            "script-src 'strict-dynamic' 'unsafe-inline' 'nonce-{}'",
        ),
        (
            "script-src 'unsafe-inline'; script-src-elem 'self'",
            "script-src 'unsafe-inline'; script-src-elem 'self' 'nonce-{}'",
        ),
        (
            "default-src 'none'; connect-src 'none'",
            "default-src 'none'; connect-src 'none'; script-src 'nonce-{}'",
        ),
        (
            "default-src 'self' cdn.example; frame-ancestors 'none'",
            "default-src 'self' cdn.example; frame-ancestors 'none'; script-src 'self' cdn.example 'nonce-{}'",
        ),
        ("script-src 'nonce-'", "script-src 'nonce-' 'nonce-{}'"),
        (
            "script-src 'nonce-a', script-src 'nonce-b'",
            "script-src 'nonce-a' 'nonce-{}', script-src 'nonce-b' 'nonce-{}'",
        ),
        (
            "script-src 'nonce-a', img-src *, default-src 'self'",
            "script-src 'nonce-a' 'nonce-{}', img-src *, default-src 'self'; script-src 'self' 'nonce-{}'",
        ),
    ] {
        let (headers, nonce) = over(&[before], &[]);
        assert_eq!(nonce, FRESH, "{before}");
        let after = after.replace("{}", FRESH);
        assert_eq!(all(&headers, &FIELDS[0]), [after], "{before}");
    }
}

#[test]
fn what_only_reports_would_report_it_too() {
    let (headers, nonce) = over(
        &["script-src 'nonce-a'"],
        &["script-src 'self'; report-to r"],
    );
    assert_eq!(nonce, FRESH);
    assert_eq!(
        all(&headers, &FIELDS[0]),
        [format!("script-src 'nonce-a' 'nonce-{FRESH}'")]
    );
    assert_eq!(
        all(&headers, &FIELDS[1]),
        [format!("script-src 'self' 'nonce-{FRESH}'; report-to r")]
    );
    let (headers, nonce) = over(&["script-src 'nonce-a'"], &["default-src 'nonce-a'"]);
    assert_eq!(nonce, "a");
    assert_eq!(all(&headers, &FIELDS[1]), ["default-src 'nonce-a'"]);
}

/// Whether an inline script with a nonce runs, as a browser would say; and whether one without does.
fn runs(headers: &HeaderMap, nonce: &str) -> bool {
    all(headers, &FIELDS[0])
        .iter()
        .flat_map(|field| field.split(','))
        .all(|policy| {
            let deciding = DECIDING.iter().find_map(|name| directive(policy, name));
            deciding.is_none_or(|list| {
                allows_inline(list.sources) || nonces(list.sources).any(|one| one == nonce)
            })
        })
}

/// A policy less our nonce, and less what goes with it.
fn without(headers: &HeaderMap) -> Vec<Vec<String>> {
    let words = |directive: &str| {
        let words = directive.split_ascii_whitespace();
        let kept =
            words.filter(|word| !word.contains(FRESH) && !word.eq_ignore_ascii_case("'none'"));
        kept.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
    };
    let policies = |field: String| {
        field
            .split(',')
            .map(|policy| {
                let mut kept: Vec<_> = policy.split(';').map(words).collect();
                kept.retain(|directive| !directive.is_empty());
                kept.join(";")
            })
            .collect::<Vec<_>>()
    };
    all(headers, &FIELDS[0]).into_iter().map(policies).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn ours_runs_and_nothing_else_that_did_not(
        fields in prop::collection::vec("(script-src|script-src-elem|Default-Src|connect-src|img-src| |;|,|'none'|'self'|'unsafe-inline'|'strict-dynamic'|'nonce-[a-c]'|'sha256-YQ=='){0,16}", 0..4),
    ) {
        let mut before = HeaderMap::new();
        for field in &fields {
            before.append(&FIELDS[0], HeaderValue::from_str(field).unwrap());
        }
        let mut after = before.clone();
        let nonce = admit(&mut after, FRESH);
        prop_assert!(runs(&after, &nonce), "{:?}", after);
        for other in ["", "a", "b", "c", "d"] {
            if other != &*nonce {
                prop_assert_eq!(runs(&before, other), runs(&after, other), "{} in {:?}", other, after);
            }
        }
        let mut again = after.clone();
        prop_assert_eq!(&*admit(&mut again, FRESH), &*nonce);
        prop_assert_eq!(&again, &after, "idempotent");
        if nonce.as_ref() == FRESH {
            // Whatever else stands in the policies is what stood there.
            for (old, new) in without(&before).iter().flatten().zip(without(&after).iter().flatten()) {
                prop_assert!(new.starts_with(old.as_str()), "{} {}", old, new);
            }
        } else {
            prop_assert_eq!(before, after);
        }
    }
}
