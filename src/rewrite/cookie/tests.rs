use proptest::prelude::*;

use super::*;

fn frame(only: Option<&[&str]>, secure: bool) -> CookiePolicy {
    CookiePolicy::Frame {
        only: only.map(|names| names.iter().map(|name| (*name).into()).collect()),
        secure,
    }
}

fn sent(policy: &CookiePolicy, cookies: &[&str]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for cookie in cookies {
        headers.append(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
    }
    filter(&mut headers, policy);
    headers
        .get(header::COOKIE)
        .map(|value| value.to_str().unwrap().to_owned())
}

fn set(policy: &CookiePolicy, prefixes: &Prefixes, cookie: &str) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.append(
        header::SET_COOKIE,
        HeaderValue::from_bytes(cookie.as_bytes()).unwrap(),
    );
    fit(&mut headers, policy, prefixes);
    headers
        .get(header::SET_COOKIE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

#[test]
fn ours_never_reach_the_upstream() {
    let all = frame(None, true);
    assert_eq!(
        sent(
            &all,
            &["__Host-embedgate=x; sid=1", "a=b; __HOST-EMBEDGATE=y"]
        ),
        Some("sid=1; a=b".into())
    );
    assert_eq!(sent(&all, &["__Host-embedgate=x"]), None);
    assert_eq!(
        sent(&all, &["=__Host-embedgate=x; lonely; sid=1"]),
        Some("sid=1".into())
    );
    assert_eq!(
        sent(&frame(Some(&["sid"]), true), &["sid=1; SID=2; other=3"]),
        Some("sid=1".into())
    );
    assert_eq!(sent(&CookiePolicy::Strip, &["sid=1"]), None);
}

const FIT: &str = "; Secure; SameSite=None; Partitioned";

#[test]
fn a_cookie_is_made_fit_for_a_frame() {
    let prefixes = Prefixes {
        hosts: Vec::new(),
        public: "/bi".into(),
        upstream: "/superset".into(),
    };
    for (before, after) in [
        (
            "session=a; HttpOnly; Path=/; SameSite=Lax",
            format!("session=a; HttpOnly; Path=/bi{FIT}"),
        ),
        ("a=b", format!("a=b{FIT}")),
        (
            "a=b; domain=upstream.internal; path=/superset/x",
            format!("a=b; Path=/bi/x{FIT}"),
        ),
        ("a=b; Path=/superset", format!("a=b; Path=/bi{FIT}")),
        ("a=b; Path=/other", format!("a=b; Path=/bi{FIT}")),
        (
            "a=b; Path=/superset/x; Path=/superset/y",
            format!("a=b; Path=/bi/y{FIT}"),
        ),
        ("a=b; Path=odd", format!("a=b{FIT}")),
        (
            "a=b; secure; SECURE; samesite=none; partitioned; Max-Age=5; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Priority=High",
            format!("a=b; Max-Age=5; Expires=Wed, 21 Oct 2026 07:28:00 GMT{FIT}"),
        ),
        ("__Host-x=1; Path=/", format!("__Host-x=1; Path=/{FIT}")),
        ("a=; Max-Age=0", format!("a=; Max-Age=0{FIT}")),
        ("a=é", format!("a=é{FIT}")),
    ] {
        assert_eq!(
            set(&frame(None, true), &prefixes, before),
            Some(after),
            "{before}"
        );
    }
    assert_eq!(
        set(&frame(None, false), &prefixes, "a=b; Secure"),
        Some("a=b; SameSite=Lax".into())
    );
}

#[test]
fn a_hostile_cookie_is_dropped() {
    for cookie in [
        "__Host-embedgate=x; Path=/",
        "__host-Embedgate=x",
        " __Host-embedgate =x",
        "=__Host-embedgate=x",
        "lonely",
        "",
        "; Path=/",
        "a b=c",
        "a\t=b",
        "a=b\tc",
        "é=1",
    ] {
        assert_eq!(
            set(&frame(None, true), &Prefixes::default(), cookie),
            None,
            "{cookie}"
        );
    }
    assert_eq!(set(&CookiePolicy::Strip, &Prefixes::default(), "a=b"), None);
    assert_eq!(
        set(
            &frame(Some(&["sid"]), true),
            &Prefixes::default(),
            "other=1"
        ),
        None
    );
}

proptest! {
    #[test]
    fn each_attribute_stands_once(cookie in "[a-z]{1,3}=[a-z ;=]{0,8}(; ?(?i:(Secure|Partitioned|SameSite|Path=/[a-z]?|Domain=x|HttpOnly|Max-Age=1))){0,5}") {
        if let Some(fitted) = set(&frame(None, true), &Prefixes::default(), &cookie) {
            for attribute in ["Secure", "SameSite=None", "Partitioned"] {
                prop_assert_eq!(fitted.split("; ").filter(|part| *part == attribute).count(), 1, "{}", &fitted);
            }
            prop_assert!(!fitted.to_ascii_lowercase().contains("domain="));
            let again = set(&frame(None, true), &Prefixes::default(), &fitted);
            prop_assert_eq!(again, Some(fitted), "idempotent");
        }
    }
}
