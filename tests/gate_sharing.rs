//! Single use as the gate decides it, without a socket: what is to be burnt, and what becomes of the answer.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::path::Path;

use embedgate::{
    config::Snapshot,
    gate::{
        credential::Beside,
        host::Host,
        limit::{Limits, Registry},
        path::NormalPath,
        policy::{self, Checks, Denial, Permit, Via},
        query::Query,
        refusal::Refusal,
        request::{RequestView, UnixTime},
        revocation::Revocations,
        session::{Holding, Jar, Opening},
        single_use::{Burn, Burnt, SingleUse as _},
        token::{NoCache, Signer},
    },
};
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime(1_764_000_000);
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn snapshot(keys: &str) -> Snapshot {
    let text = format!(
        r#"
[listen]
address = "127.0.0.1:0"
[session]
secret = {{ env = "SECRET" }}
[issuer.app]
algorithm = "HS256"
secret = {{ env = "SECRET" }}
[site.reports]
hosts = ["bi.example.com"]
upstream = "http://127.0.0.1:1"
kind = "generic"
issuers = ["app"]
frame_ancestors = ["https://app.example.com"]
{keys}
[[site.reports.routes]]
path = "/reports/{{id}}"
resource = "report:{{id}}"
"#
    );
    let env = |_: &str| Some(SECRET.to_owned());
    Snapshot::parse(&text, Path::new("/"), &env).unwrap_or_else(|errors| panic!("{errors}"))
}

fn token(changes: &Value) -> String {
    let mut claims = json!({
        "sub": "v", "jti": "a", "iat": NOW.0, "exp": NOW.0 + 300, "resource": "report:q3",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let signer = Signer::new("HS256", SECRET.as_bytes(), None).unwrap();
    signer.sign(&claims).unwrap()
}

/// The decision on a request for the page, with what else it needs.
fn decide<T>(
    snapshot: &Snapshot,
    token: &str,
    cookie: Option<&str>,
    opens: bool,
    then: impl FnOnce(Permit, &RequestView<'_>) -> T,
) -> Result<T, Denial> {
    decide_as(snapshot, token, cookie, (Method::GET, &[]), opens, then)
}

/// The same with another method, or further header fields.
fn decide_as<T>(
    snapshot: &Snapshot,
    token: &str,
    cookie: Option<&str>,
    (method, more): (Method, &[(&'static str, &'static str)]),
    opens: bool,
    then: impl FnOnce(Permit, &RequestView<'_>) -> T,
) -> Result<T, Denial> {
    let mut headers = HeaderMap::new();
    for (name, value) in more {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let bearer = format!("Bearer {token}");
    headers.insert(
        header::AUTHORIZATION,
        HeaderValue::try_from(bearer).unwrap(),
    );
    if let Some(cookie) = cookie {
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
    }
    let query = Query::default();
    let path = NormalPath::parse("/reports/q3").unwrap();
    let req = RequestView {
        method: &method,
        host: &Host::parse("bi.example.com").unwrap(),
        secure: true,
        path: &path,
        query: &query,
        headers: &headers,
        client: [203, 0, 113, 7].into(),
        now: NOW,
    };
    let site = &snapshot.sites[0].site;
    let matched = site.surface.find(req.method, "/reports/q3").unwrap();
    let beside = Beside {
        opens,
        ..Beside::default()
    };
    let checks = Checks {
        cache: &NoCache,
        revocations: &Revocations::default(),
        sealer: snapshot.sessions.as_deref(),
    };
    let viewer = policy::recognise(site, matched.route, &req, beside, &checks)?;
    let permit = policy::decide(site, &matched, viewer, &req)?;
    Ok(then(permit, &req))
}

fn limits(snapshot: &Snapshot) -> Limits {
    let site = &snapshot.sites[0].site;
    let registry = Registry::with_real_clock();
    Limits::new(vec![registry.site(&site.name, &site.limits)])
}

/// The session that a token opens.
fn session(snapshot: &Snapshot, token: &str, began: UnixTime) -> String {
    let sealed = decide(snapshot, token, None, true, |permit, _| {
        let signed = &permit.viewer().unwrap().signed;
        let sealer = snapshot.sessions.as_deref().unwrap();
        let opening = Opening {
            began,
            network: None,
        };
        sealer.seal("reports", signed, opening, began).unwrap()
    });
    sealed.unwrap()
}

#[test]
fn whoever_forgets_to_burn_the_token_is_let_nowhere() {
    let snapshot = snapshot("single_use = true");
    let charged = decide(&snapshot, &token(&json!({})), None, true, |permit, _| {
        assert!(permit.burning().is_some());
        limits(&snapshot).charge(permit).map(drop)
    });
    assert_eq!(charged.unwrap().unwrap_err().refusal, Refusal::Overloaded);
}

#[test]
fn the_answer_decides() {
    let snapshot = snapshot("single_use = true");
    for (burn, refusal) in [
        (Burn::First, None),
        (Burn::Again, Some(Refusal::TokenReplayed)),
        (Burn::Full, Some(Refusal::Overloaded)),
    ] {
        let settled = decide(&snapshot, &token(&json!({})), None, true, |permit, req| {
            policy::settle(permit, burn, req)
        });
        let settled = settled.unwrap();
        assert_eq!(settled.as_ref().err().map(|denial| denial.refusal), refusal);
        if let Ok(permit) = settled {
            assert!(permit.burning().is_none());
            assert!(limits(&snapshot).charge(permit).is_ok());
        }
    }
}

#[test]
fn what_is_burnt_is_what_was_presented() {
    let snapshot = snapshot("single_use = true");
    let burnt = Burnt::new(10, NOW.plus(-1));
    for (changes, burn) in [
        (json!({}), Burn::First),
        (json!({}), Burn::Again),
        // Another token under the same name is the same to us: its issuer said so.
        (json!({ "sub": "other" }), Burn::Again),
        (json!({ "jti": "b" }), Burn::First),
        (json!({ "jti": "c", "iat": NOW.0 - 1 }), Burn::Again),
    ] {
        let answer = decide(&snapshot, &token(&changes), None, true, |permit, _| {
            burnt.burn(&permit.burning().unwrap(), NOW)
        });
        assert_eq!(answer.unwrap(), burn, "{changes}");
    }
}

#[test]
fn its_own_session_spares_a_token_and_another_stands_in_for_a_burnt_one() {
    let snapshot = snapshot("single_use = true");
    let (first, second) = (token(&json!({})), token(&json!({ "jti": "b" })));
    let stranger = token(&json!({ "jti": "c", "sub": "other" }));
    let cookie = |token: &str| {
        let value = session(&snapshot, token, NOW);
        format!("__Host-embedgate={value}")
    };
    let by_session = |permit: &Permit| {
        let via = permit.viewer().unwrap().via;
        matches!(via, Via::Session { .. })
    };
    decide(
        &snapshot,
        &first,
        Some(&cookie(&first)),
        true,
        |permit, _| {
            assert!(permit.burning().is_none() && by_session(&permit));
        },
    )
    .unwrap();
    // A fresh token is burnt although a session would do: its copy must not live on.
    decide(
        &snapshot,
        &second,
        Some(&cookie(&first)),
        true,
        |permit, req| {
            assert!(permit.burning().is_some() && !by_session(&permit));
            let permit = policy::settle(permit, Burn::Again, req).unwrap();
            assert!(permit.burning().is_none() && by_session(&permit));
        },
    )
    .unwrap();
    decide(
        &snapshot,
        &second,
        Some(&cookie(&stranger)),
        true,
        |permit, req| {
            let replayed = policy::settle(permit, Burn::Again, req).unwrap_err();
            assert_eq!(replayed.refusal, Refusal::TokenReplayed);
        },
    )
    .unwrap();
    for (cookie, refusal) in [
        (Some(cookie(&first)), None),
        (Some(cookie(&stranger)), Some(Refusal::SessionInvalid)),
        (None, Some(Refusal::SessionInvalid)),
    ] {
        let called = decide(&snapshot, &second, cookie.as_deref(), false, drop_permit);
        assert_eq!(called.err().map(|denial| denial.refusal), refusal);
    }
}

#[test]
fn what_is_asked_for_ahead_uses_nothing_up() {
    let snapshot = snapshot("single_use = true");
    let token = token(&json!({}));
    let cookie = format!("__Host-embedgate={}", session(&snapshot, &token, NOW));
    for (method, more) in [
        (Method::HEAD, &[][..]),
        (Method::GET, &[("sec-purpose", "prefetch")]),
        (Method::GET, &[("sec-purpose", "Prefetch;prerender")]),
        (
            Method::GET,
            &[("sec-purpose", "x"), ("sec-purpose", "prefetch")],
        ),
        (Method::GET, &[("purpose", "prefetch")]),
        (Method::GET, &[("x-purpose", "preview")]),
        (Method::GET, &[("x-moz", "prefetch")]),
    ] {
        let ahead = |cookie| {
            let like = (method.clone(), more);
            decide_as(&snapshot, &token, cookie, like, true, |permit, _| {
                assert!(permit.burning().is_none(), "{method} {more:?}");
            })
        };
        let refusal = ahead(None).err().map(|denial| denial.refusal);
        assert_eq!(refusal, Some(Refusal::SessionInvalid), "{method} {more:?}");
        assert!(ahead(Some(&cookie)).is_ok(), "its session may look");
    }
    for more in [
        &[][..],
        &[("sec-purpose", "x")],
        &[("purpose", "prefetched")],
    ] {
        let like = (Method::GET, more);
        decide_as(&snapshot, &token, None, like, true, |permit, _| {
            assert!(permit.burning().is_some(), "{more:?}");
        })
        .unwrap();
    }
}

#[test]
fn a_session_that_is_over_says_so() {
    let snapshot = snapshot("bind = [\"session\"]");
    let token = token(&json!({}));
    let old = session(&snapshot, &token, NOW.plus(-9 * 3600));
    let cookie = format!("__Host-embedgate={old}");
    let called = decide(&snapshot, &token, Some(&cookie), false, drop_permit);
    assert_eq!(called.unwrap_err().refusal, Refusal::SessionExpired);
    let site = &snapshot.sites[0].site;
    let sealer = snapshot.sessions.as_deref().unwrap();
    let holding = |value: &str| sealer.holding(value, "reports", &site.issuers, NOW, &NoCache);
    assert_eq!(holding(&old), Holding::Over);
    assert_eq!(holding("junk"), Holding::Nothing);
    let alive = session(&snapshot, &token, NOW);
    assert!(matches!(holding(&alive), Holding::Alive(_, began) if began == NOW.0));
    let elsewhere = sealer.holding(&alive, "other", &site.issuers, NOW, &NoCache);
    assert_eq!(elsewhere, Holding::Other);
}

#[test]
fn a_page_load_heals_cookies_that_cannot_be_read() {
    let twice = "__Host-embedgate=a; __Host-embedgate=b";
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::from_static(twice));
    assert!(Jar::read(&headers).is_err());
    for keys in ["single_use = true", "bind = [\"session\"]", ""] {
        let snapshot = snapshot(keys);
        let token = token(&json!({}));
        assert!(decide(&snapshot, &token, Some(twice), true, drop_permit).is_ok());
    }
}

fn drop_permit(_: Permit, _: &RequestView<'_>) {}
