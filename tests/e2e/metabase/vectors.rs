//! The token vectors of the contract (1.3), through sites whose issuer has Metabase's own key: an application that signs for Metabase today.

use std::{net::SocketAddr, path::Path};

use embedgate::{
    config::Snapshot,
    gate::{
        host::Host,
        path::NormalPath,
        refusal::Refusal,
        request::UnixTime,
        token::{self, NoCache, RawToken},
    },
};
use serde_json::json;

use super::{
    setup::Scene,
    wide::{gateway_of, named, refused, secrets, unheard},
};
use crate::support::{
    client::Reply,
    gateway::{SESSION, now},
    get,
    metabase::{
        SECRET, Standin,
        token::{peek, sign_with},
    },
};

const OK_DASHBOARD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7InRlbmFudCI6WyJhY21lIl19LCJleHAiOjQxMDI0NDQ4MDB9.w0fMC58oMVh5Rnor8xOt-JM9CyxwB7dic2aSRFdotEE";
const OK_QUESTION: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJxdWVzdGlvbiI6NX0sInBhcmFtcyI6e30sImV4cCI6NDEwMjQ0NDgwMH0.xU9EX1ecHoNW5DVG8iOXOD7gBEHCDhfO4rv1zDltb5k";
const NO_EXP: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7InRlbmFudCI6WyJhY21lIl19fQ.hQdtYO5nZkHv-hTwUtYr7f8-CSfveArwVxXJV13l9os";
const EMPTY_LIST: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7InRlbmFudCI6W119LCJleHAiOjQxMDI0NDQ4MDB9.7tWRh_FFx9DczdgzmKlepc5TIDW3Vy3CK3ShUGDAzVQ";
const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjoxMDAwMDAwMDAwfQ.d_JhHaDuBIVOUWH6Fp60CxeIcETe0ZR7uH6nBCZ_Yo8";
const EARLY: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwLCJuYmYiOjQxMDI0NDQ3OTB9.QWohSycb0tewhUvJ33Idy5RCoDWjofVgoDJMIYZjUjw";
const NO_PARAMS: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwiZXhwIjo0MTAyNDQ0ODAwfQ.4-lkqrPDGV12JQsIM-xzMwUjEWlb-gtuXrJeTDQAPIA";
const ALG_NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwfQ.8T_ILBGi4ACUooo5thVj8KZn3MC8jJJ7gSp9BmKoEC4";
const NO_ALG: &str = "eyJ0eXAiOiJKV1QifQ.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwfQ.03tacEJhx9kRCWnydF1BA5kVoXh6-QHXSEwYS4cWGws";
const HEX_DECODED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwfQ.F1m_Ivc0yc0Zps2Nhwi1MNhFaPd2Jp5mE_T1IH6-c7c";
const HS512: &str = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwfQ.-oZCX-u2Yi3StSmbx3CSABjquhDzU9qxPbEKIEvtnD1gxTyLzXOsQBoPvvOXgtp2WJ3IG-Zn6KJJy4d8ecaOtA";
const STRING_ID: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOiI4In0sInBhcmFtcyI6e30sImV4cCI6NDEwMjQ0NDgwMH0.OGw2_amztINI9tTPuQP2DYiLA8-FuFFd-0Sit34qay8";
const PARAMS_ARRAY: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjpbXSwiZXhwIjo0MTAyNDQ0ODAwfQ.4ks0tOTbgWN3bZWkGbSg7_hccVhwRi59SIenYsVRH0I";

/// Where the dashboard's `tenant` is locked.
const LOCKED: &str = "bi.example.com";
/// Where nothing is: for the question, and to see which fault is the token's own.
const OPEN: &str = "open.example.com";
/// As the first, where tokens live for ten minutes at most.
const STRICT: &str = "strict.example.com";

/// Three sites: `aud` and `sub` are not asked for, everything else is.
fn dropin() -> Scene {
    let metabase = Standin::start();
    let gateway = gateway_of(&configuration(metabase.address), Path::new("/"));
    Scene { metabase, gateway }
}

fn configuration(upstream: SocketAddr) -> String {
    let mut text = String::from(
        r#"
[listen]
address = "127.0.0.1:0"
[audit]
output = "off"
[session]
secret = { env = "SESSION" }
[issuer.classic]
algorithm = "HS256"
secret = { env = "MB_SECRET" }
default_viewer = "anonymous"
max_lifetime = "3650d"
[issuer.strict]
algorithm = "HS256"
secret = { env = "MB_SECRET" }
default_viewer = "anonymous"
"#,
    );
    for (name, host, issuer, params) in [
        (
            "locked",
            LOCKED,
            "classic",
            "tenant = { mode = \"locked\" }\ncategory = { mode = \"enabled\", list = true }",
        ),
        (
            "open",
            OPEN,
            "classic",
            "region = { mode = \"enabled\", list = true }\nplan = { mode = \"enabled\", list = true }",
        ),
        (
            "strict",
            STRICT,
            "strict",
            "tenant = { mode = \"locked\" }\ncategory = { mode = \"enabled\" }",
        ),
    ] {
        let site = format!(
            r#"
[site.{name}]
hosts = ["{host}"]
upstream = "http://{upstream}"
kind = "metabase"
issuers = ["{issuer}"]
frame_ancestors = ["https://app.example.com"]
top_level = "allow"
[site.{name}.params]
{params}
[site.{name}.metabase]
embedding_secret = {{ env = "MB_SECRET" }}
version = 58
"#,
        );
        text.push_str(&site);
    }
    text
}

/// The vector's claims, signed anew: valid from now for some minutes, where the vector is valid until 2099.
fn twin(vector: &str) -> String {
    let mut claims = peek(vector).unwrap();
    for (time, in_seconds) in [("exp", 300), ("nbf", 290)] {
        if claims[time]
            .as_i64()
            .is_some_and(|time| time > 4_000_000_000)
        {
            claims[time] = json!(now() + in_seconds);
        }
    }
    sign_with(SECRET, &json!({ "alg": "HS256", "typ": "JWT" }), &claims)
}

fn ask(scene: &Scene, host: &str, target: &str) -> Reply {
    get(scene.gateway.address, target, &[("Host", host)])
}

/// A dashboard's page, layout and data.
fn on_dashboard(token: &str) -> [String; 3] {
    [
        format!("/embed/dashboard/{token}"),
        format!("/api/embed/dashboard/{token}"),
        format!("/api/embed/dashboard/{token}/dashcard/31/card/44"),
    ]
}

#[test]
fn vectors_as_they_are_live_too_long_for_every_site() {
    let scene = dropin();
    let vectors = [
        ("ok-dashboard-locked", OK_DASHBOARD, "token_lifetime"),
        ("no-exp", NO_EXP, "token_invalid"),
        ("locked-empty-list", EMPTY_LIST, "token_lifetime"),
        ("expired", EXPIRED, "token_expired"),
        ("nbf-future", EARLY, "token_not_yet_valid"),
        ("no-params", NO_PARAMS, "token_lifetime"),
        ("alg-none", ALG_NONE, "token_invalid"),
        ("no-alg", NO_ALG, "token_invalid"),
        ("hex-decoded-key", HEX_DECODED, "token_invalid"),
        ("hs512", HS512, "token_invalid"),
        ("string-id", STRING_ID, "token_lifetime"),
        ("params-array", PARAMS_ARRAY, "token_invalid"),
    ];
    for host in [LOCKED, OPEN, STRICT] {
        for (name, token, code) in vectors {
            for target in on_dashboard(token) {
                let reply = ask(&scene, host, &target);
                assert_eq!(
                    (reply.status, &*reply.code()),
                    (401, code),
                    "{name} {host} {target}"
                );
            }
        }
        let reply = ask(
            &scene,
            host,
            &format!("/api/embed/card/{OK_QUESTION}/query"),
        );
        refused(&reply, 401, "token_lifetime");
    }
    assert!(scene.metabase.seen().is_empty());
}

#[test]
fn vectors_ok_are_good_shortly_before_they_end() {
    let env = |name: &str| match name {
        "SESSION" => Some(SESSION.to_owned()),
        _ => secrets(name),
    };
    let text = configuration(SocketAddr::from(([127, 0, 0, 1], 1)));
    let snapshot = Snapshot::parse(&text, Path::new("/"), &env).unwrap();
    let (host, path) = (
        Host::parse(STRICT).unwrap(),
        NormalPath::parse("/").unwrap(),
    );
    let (site, _) = snapshot.gate.find(&host, &path).unwrap();
    let last = 4_102_444_800;
    for (name, vector, verdict) in [
        ("ok-dashboard-locked", OK_DASHBOARD, Ok(())),
        ("ok-question", OK_QUESTION, Ok(())),
        ("locked-empty-list", EMPTY_LIST, Ok(())),
        ("string-id", STRING_ID, Ok(())),
        ("no-params", NO_PARAMS, Ok(())),
        ("expired", EXPIRED, Err(Refusal::TokenExpired)),
        ("nbf-future", EARLY, Err(Refusal::TokenNotYetValid)),
        ("no-exp", NO_EXP, Err(Refusal::TokenInvalid)),
        ("alg-none", ALG_NONE, Err(Refusal::TokenInvalid)),
        ("no-alg", NO_ALG, Err(Refusal::TokenInvalid)),
        ("hex-decoded-key", HEX_DECODED, Err(Refusal::TokenInvalid)),
        ("hs512", HS512, Err(Refusal::TokenInvalid)),
        ("params-array", PARAMS_ARRAY, Err(Refusal::TokenInvalid)),
    ] {
        let judged = |now: i64| {
            let signed = token::signed(RawToken::new(vector), &site.issuers, &NoCache)?;
            token::current(&signed, UnixTime(now))
        };
        assert_eq!(judged(last - 60), verdict, "{name}");
        if verdict.is_ok() {
            assert_eq!(judged(last + 60), Err(Refusal::TokenExpired), "{name}");
        }
    }
}

#[test]
fn vector_ok_dashboard_locked_shows_the_tenants_rows() {
    let scene = dropin();
    let token = twin(OK_DASHBOARD);
    for host in [LOCKED, STRICT] {
        let [page, layout, data] = on_dashboard(&token);
        assert_eq!(ask(&scene, host, &page).status, 200);
        assert_eq!(ask(&scene, host, &layout).json()["id"], 10);
        let reply = ask(&scene, host, &data);
        assert_eq!((reply.status, named(&reply)), (202, 7), "{reply:?}");
        let seen = scene.metabase.last();
        let params = &seen.claims().unwrap()["params"];
        assert_eq!(*params, json!({ "tenant": ["acme"] }));
        assert!(!seen.holds(&token), "the application's token went on");
        let narrowed = ask(&scene, host, &format!("{data}?category=Starter"));
        assert_eq!(named(&narrowed), 2, "{narrowed:?}");
    }
}

#[test]
fn vector_ok_question_is_answered_where_nothing_is_locked() {
    let scene = dropin();
    let token = twin(OK_QUESTION);
    let layout = ask(&scene, OPEN, &format!("/api/embed/card/{token}"));
    assert_eq!(layout.json()["id"], 5);
    let rows = ask(&scene, OPEN, &format!("/api/embed/card/{token}/query"));
    assert_eq!(rows.json()["data"]["rows"].as_array().unwrap().len(), 3);
    // Where a tenant is locked, a token without one is refused, whatever it is about.
    let refusal = ask(&scene, LOCKED, &format!("/api/embed/card/{token}"));
    refused(&refusal, 403, "param_missing");
}

#[test]
fn vectors_of_our_time_are_refused_each_with_its_code_and_metabase_never_hears_of_them() {
    let scene = dropin();
    for (name, token, status, code) in [
        // Metabase accepts these two.
        ("no-exp", twin(NO_EXP), 401, "token_invalid"),
        ("locked-empty-list", twin(EMPTY_LIST), 403, "param_missing"),
        ("expired", twin(EXPIRED), 401, "token_expired"),
        ("nbf-future", twin(EARLY), 401, "token_not_yet_valid"),
        // No parameters at all: the locked one is not there.
        ("no-params", twin(NO_PARAMS), 403, "param_missing"),
        // To us `"8"` is 8 (tokens of ours may say `dashboard:8`), and the locked parameter is not there.
        ("string-id", twin(STRING_ID), 403, "param_missing"),
        ("params-array", twin(PARAMS_ARRAY), 401, "token_invalid"),
    ] {
        for host in [LOCKED, STRICT] {
            for target in on_dashboard(&token) {
                let reply = ask(&scene, host, &target);
                assert_eq!(
                    (reply.status, &*reply.code()),
                    (status, code),
                    "{name} {target}"
                );
            }
        }
    }
    assert!(scene.metabase.seen().is_empty());
}

#[test]
fn row_1_a_token_that_nobody_signed() {
    let scene = dropin();
    let claims = peek(&twin(OK_DASHBOARD)).unwrap();
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "None" }),
        json!({ "alg": "NONE", "typ": "JWT" }),
        json!({ "alg": "" }),
        json!({ "alg": null }),
        json!({ "typ": "JWT" }),
    ] {
        // Under the empty key, under Metabase's, and without any signature.
        for key in ["", SECRET] {
            let token = sign_with(key, &header, &claims);
            let (bare, _) = token.rsplit_once('.').unwrap();
            for token in [token.clone(), format!("{bare}.")] {
                let reply = ask(&scene, LOCKED, &format!("/api/embed/dashboard/{token}"));
                unheard(&scene, 0, &reply, 401, "token_invalid");
            }
        }
    }
}

#[test]
fn row_56_parameters_that_are_no_map() {
    let scene = dropin();
    for (params, status, code) in [
        (json!([]), 401, "token_invalid"),
        (json!(["acme"]), 401, "token_invalid"),
        (json!("acme"), 401, "token_invalid"),
        (json!(null), 401, "token_invalid"),
        (json!(1), 401, "token_invalid"),
        (json!({}), 403, "param_missing"),
        (json!({ "tenant": { "acme": true } }), 403, "param_invalid"),
        (json!({ "tenant": [["acme"]] }), 403, "param_invalid"),
    ] {
        let claims =
            json!({ "resource": { "dashboard": 10 }, "params": params, "exp": now() + 60 });
        let token = sign_with(SECRET, &json!({ "alg": "HS256" }), &claims);
        for target in on_dashboard(&token) {
            let reply = ask(&scene, LOCKED, &target);
            assert_eq!((reply.status, &*reply.code()), (status, code), "{params}");
        }
    }
    assert!(scene.metabase.seen().is_empty());
}

#[test]
fn vectors_whose_parameters_the_site_does_not_declare() {
    let scene = dropin();
    for vector in [EMPTY_LIST, OK_DASHBOARD] {
        for target in on_dashboard(&twin(vector)) {
            let before = scene.metabase.seen().len();
            let reply = ask(&scene, OPEN, &target);
            unheard(&scene, before, &reply, 403, "param_invalid");
        }
    }
}

#[test]
fn a_token_of_one_kind_or_shape_is_no_token_of_another() {
    let scene = dropin();
    // A question's token on a dashboard's path, and the other way round.
    let question = twin(OK_QUESTION);
    let reply = ask(&scene, OPEN, &format!("/api/embed/dashboard/{question}"));
    refused(&reply, 403, "resource_denied");
    let dashboard = twin(OK_DASHBOARD);
    let reply = ask(&scene, LOCKED, &format!("/api/embed/card/{dashboard}"));
    refused(&reply, 403, "resource_denied");
    for garbage in ["ey.ey.ey", "x", "10", "a.b.c", "e30.e30.e30", "null"] {
        let reply = ask(&scene, LOCKED, &format!("/api/embed/dashboard/{garbage}"));
        refused(&reply, 401, "token_invalid");
    }
    let (signed, _) = dashboard.rsplit_once('.').unwrap();
    for changed in [
        format!("{dashboard}="),
        format!("{signed}."),
        signed.to_owned(),
        format!("{dashboard}.{dashboard}"),
        dashboard.to_lowercase(),
    ] {
        let reply = ask(&scene, LOCKED, &format!("/api/embed/dashboard/{changed}"));
        refused(&reply, 401, "token_invalid");
    }
    assert!(scene.metabase.seen().is_empty());
}
