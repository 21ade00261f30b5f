//! Attacks on viewer tokens and sessions, one line each. No sockets: the pure ring alone.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::{sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use embedgate::gate::{
    refusal::Refusal,
    request::UnixTime,
    session::Sealer,
    token::{
        ClaimNames, Issuer, KeySet, MokaCache, NoCache, RawToken, Signer, VerificationCache,
        current, signed,
    },
};
use serde_json::{Value, json};

#[path = "support/keys.rs"]
mod keys;

const ISSUED: i64 = 1_764_000_000;

const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "EdDSA",
];

fn issuer(name: &str, keyed: &[(Option<&str>, &str)]) -> Issuer {
    let mut set = KeySet::new();
    for (kid, algorithm) in keyed {
        set.add(*kid, algorithm, &keys::pair(algorithm).public)
            .unwrap();
    }
    Issuer {
        name: Arc::from(name),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: set.into(),
        claims: ClaimNames::default(),
        generation: 1,
    }
}

fn one(algorithm: &str) -> [Arc<Issuer>; 1] {
    [Arc::new(issuer("app", &[(None, algorithm)]))]
}

fn claims() -> Value {
    json!({"sub": "viewer-7", "exp": ISSUED + 600, "iat": ISSUED, "resource": {"dashboard": 42}})
}

fn token(algorithm: &str, kid: Option<&str>) -> String {
    let signer = Signer::new(algorithm, &keys::pair(algorithm).private, kid).unwrap();
    signer.sign(&claims()).unwrap()
}

fn b64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token with any header and payload text, its HMAC-SHA-256 made with any key.
fn forge(header: &str, payload: &str, key: &[u8]) -> String {
    let message = format!("{}.{}", b64(header), b64(payload));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
    format!("{message}.{}", b64(tag))
}

/// A token with any header and payload text, properly signed by the HS256 key.
fn odd(header: &str, payload: &str) -> String {
    forge(header, payload, &keys::pair("HS256").private)
}

fn verdict(token: &str, issuers: &[Arc<Issuer>]) -> Option<Refusal> {
    signed(RawToken::new(token), issuers, &NoCache).err()
}

#[track_caller]
fn refused(token: &str, issuers: &[Arc<Issuer>], what: &str) {
    assert_eq!(
        verdict(token, issuers),
        Some(Refusal::TokenInvalid),
        "{what}"
    );
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

#[test]
fn the_forge_makes_good_tokens_when_asked_to() {
    assert_eq!(
        verdict(&odd(HEADER, &claims().to_string()), &one("HS256")),
        None
    );
    for typ in ["JWT", "jwt", "at+jwt", "application/at+JWT"] {
        let header = format!(r#"{{"alg":"HS256","typ":"{typ}","extra":1}}"#);
        assert_eq!(
            verdict(&odd(&header, &claims().to_string()), &one("HS256")),
            None,
            "{typ}"
        );
    }
    assert_eq!(
        verdict(
            &odd(r#"{"alg":"HS256"}"#, &claims().to_string()),
            &one("HS256")
        ),
        None
    );
}

#[test]
fn no_signature_is_no_token() {
    let payload = b64(claims().to_string());
    for alg in ["none", "None", "NONE", "nOnE", "", "null"] {
        let header = b64(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#));
        for signature in ["", "AA", &b64([0; 32])] {
            let token = format!("{header}.{payload}.{signature}");
            for algorithm in ["HS256", "RS256", "ES256", "EdDSA"] {
                refused(&token, &one(algorithm), &token);
            }
        }
    }
    let good = token("HS256", None);
    let (message, _) = good.rsplit_once('.').unwrap();
    refused(message, &one("HS256"), "two parts");
    refused(&format!("{message}."), &one("HS256"), "empty signature");
}

#[test]
fn the_key_says_which_algorithm_not_the_token() {
    for of_token in ALGORITHMS {
        let token = token(of_token, None);
        for of_key in ALGORITHMS {
            let wanted = (of_token != of_key).then_some(Refusal::TokenInvalid);
            assert_eq!(
                verdict(&token, &one(of_key)),
                wanted,
                "{of_token} token, {of_key} key"
            );
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let public = keys::pair(algorithm).public;
        let trimmed = public.trim_ascii();
        for key in [public.as_slice(), trimmed] {
            let token = forge(HEADER, &claims().to_string(), key);
            refused(&token, &one(algorithm), algorithm);
            let both = issuer("app", &[(Some("a"), algorithm), (Some("b"), "HS256")]);
            refused(&token, &[Arc::new(both)], algorithm);
        }
    }
}

#[test]
fn a_foreign_key_does_not_verify() {
    for algorithm in ALGORITHMS {
        let signer = Signer::new(algorithm, &keys::foreign(algorithm).private, None).unwrap();
        refused(&signer.sign(&claims()).unwrap(), &one(algorithm), algorithm);
    }
}

#[test]
fn a_header_that_brings_its_own_key_or_rules_is_refused() {
    let table = [
        r#""jwk":{"kty":"oct","k":"AA"}"#,
        r#""jku":"https://evil.example/jwks""#,
        r#""x5u":"https://evil.example""#,
        r#""x5c":["AA"]"#,
        r#""x5t":"AA""#,
        r#""x5t#S256":"AA""#,
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""cty":"JWT""#,
        r#""zip":"DEF""#,
        r#""enc":"A256GCM""#,
        r#""epk":{}"#,
        r#""p2c":1000000000"#,
        r#""typ":"dpop+jwt""#,
        r#""typ":"logout+jwt""#,
        r#""typ":1"#,
        r#""typ":null"#,
        r#""kid":7"#,
        r#""kid":null"#,
        r#""kid":["a"]"#,
        r#""alg":"HS256""#,
        r#""\u0061lg":"HS256""#,
        r#""a":{"b":1,"b":2}"#,
    ];
    for member in table {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        refused(&odd(&header, &claims().to_string()), &one("HS256"), &header);
    }
    for header in [
        "{}",
        "[]",
        "null",
        "",
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":null}"#,
        r#"{"ALG":"HS256"}"#,
        r#"{"alg":"HS256"} "x""#,
        "{\"alg\":\"HS256\"}\0",
    ] {
        refused(&odd(header, &claims().to_string()), &one("HS256"), header);
    }
}

#[test]
fn kid_picks_a_key_and_nothing_else() {
    let two = [Arc::new(issuer(
        "app",
        &[(Some("old"), "ES256"), (Some("new"), "RS256")],
    ))];
    assert_eq!(verdict(&token("ES256", Some("old")), &two), None);
    assert_eq!(verdict(&token("RS256", Some("new")), &two), None);
    assert_eq!(
        verdict(&token("RS256", None), &two),
        None,
        "the only key of that algorithm"
    );
    for kid in [
        "",
        "old",
        "New",
        "../../dev/null",
        "new\0",
        "' OR 1=1 --",
        "new ",
        &"x".repeat(2000),
    ] {
        refused(&token("RS256", Some(kid)), &two, kid);
    }
    assert_eq!(
        verdict(&token("ES256", Some("any")), &one("ES256")),
        None,
        "a lone key without kid"
    );
}

#[test]
fn one_text_per_token() {
    let good = token("HS256", None);
    assert_eq!(verdict(&good, &one("HS256")), None);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let standard = base64::engine::general_purpose::STANDARD_NO_PAD.encode([0xfb; 32]);
    let table = [
        (format!("{good}="), "padding"),
        (format!("{header}=.{payload}.{signature}"), "padding within"),
        (format!("{good}.{signature}"), "four parts"),
        (
            format!("{header}.{payload}.{signature}.{payload}.{signature}"),
            "five parts (JWE)",
        ),
        (format!(".{good}"), "leading dot"),
        (format!("{good} "), "trailing space"),
        (format!("{good}\n"), "trailing newline"),
        (format!(" {good}"), "leading space"),
        (
            format!("{header}.{payload}.{signature}A"),
            "longer signature",
        ),
        (
            format!("{header}.{payload}.{}", signature.split_at(40).0),
            "shorter signature",
        ),
        (
            format!("{header}.{payload}.{standard}"),
            "standard alphabet",
        ),
        (format!("{header}..{signature}"), "no payload"),
        (format!(".{payload}.{signature}"), "no header"),
        (format!("{payload}.{header}.{signature}"), "swapped"),
        (format!("Bearer {good}"), "with its scheme"),
        ("..".to_owned(), "nothing"),
        (String::new(), "empty"),
    ];
    for (token, what) in table {
        refused(&token, &one("HS256"), what);
    }
    // 32 bytes leave two spare bits in the last character: any but zero is another text of the same bytes.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = good.clone().into_bytes();
    let last = bytes.pop().unwrap();
    let at = alphabet.iter().position(|byte| *byte == last).unwrap();
    bytes.push(*alphabet.get(at + 1).unwrap());
    refused(
        &String::from_utf8(bytes).unwrap(),
        &one("HS256"),
        "stray bits",
    );
}

#[test]
fn a_payload_with_two_meanings_is_refused() {
    let claims = claims().to_string();
    let body = claims.trim_start_matches('{');
    let table = [
        format!(r#"{{"sub":"admin",{body}"#),
        format!(r#"{{"\u0073ub":"admin",{body}"#),
        format!(r#"{{"params":{{"a":1,"a":2}},{body}"#),
        format!(r#"{{"deep":[[{{"a":1,"a":2}}]],{body}"#),
        format!("{claims}{claims}"),
        format!("{claims}x"),
        format!("\u{feff}{claims}"),
        format!("[{claims}]"),
        format!(r#"{{"x":{}1{},{body}"#, "[".repeat(200), "]".repeat(200)),
        format!(
            r#"{{"x":{}1{},{body}"#,
            "{\"a\":".repeat(17),
            "}".repeat(17)
        ),
        "null".to_owned(),
        String::new(),
    ];
    for payload in table {
        refused(&odd(HEADER, &payload), &one("HS256"), &payload);
    }
    let utf16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let message = format!("{}.{}", b64(HEADER), b64(utf16));
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &keys::pair("HS256").private),
        message.as_bytes(),
    );
    refused(&format!("{message}.{}", b64(tag)), &one("HS256"), "UTF-16");
}

#[test]
fn a_huge_token_is_refused_unread() {
    let payload = format!(
        r#"{{"x":"{}",{}"#,
        "a".repeat(9000),
        claims().to_string().trim_start_matches('{')
    );
    refused(&odd(HEADER, &payload), &one("HS256"), "9 kB");
    refused(&".".repeat(1 << 20), &one("HS256"), "dots");
}

#[test]
fn elliptic_signatures_are_two_numbers_of_fixed_size() {
    for (algorithm, size) in [("ES256", 64), ("ES384", 96)] {
        let good = token(algorithm, None);
        let (message, signature) = good.rsplit_once('.').unwrap();
        let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert_eq!(raw.len(), size);
        let (r, s) = raw.split_at(size / 2);
        let number = |digits: &[u8]| {
            let mut der = vec![2, u8::try_from(digits.len() + 1).unwrap(), 0];
            der.extend_from_slice(digits);
            der
        };
        let body = [number(r), number(s)].concat();
        let der = [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice()].concat();
        let table = [
            (vec![0; size], "zeros (CVE-2022-21449)"),
            ([&vec![0; size / 2], s].concat(), "r = 0"),
            ([r, &vec![0; size / 2]].concat(), "s = 0"),
            (vec![0xff; size], "beyond the order"),
            (der, "DER"),
            ([s, r].concat(), "swapped"),
            (raw.iter().copied().chain([0]).collect(), "one byte more"),
            (Vec::new(), "empty"),
        ];
        for (signature, what) in table {
            refused(
                &format!("{message}.{}", b64(signature)),
                &one(algorithm),
                what,
            );
        }
    }
}

#[test]
fn an_issuer_that_pins_its_name_is_not_asked_for_others() {
    let mut pinned = issuer("a", &[(None, "HS256")]);
    pinned.iss = Some("a".into());
    pinned.audience = Some("embedgate".into());
    let pinned = [Arc::new(pinned)];
    let with = |extra: &str| {
        odd(
            HEADER,
            &format!("{{{extra}{}", claims().to_string().trim_start_matches('{')),
        )
    };
    assert_eq!(
        verdict(&with(r#""iss":"a","aud":"embedgate","#), &pinned),
        None
    );
    for extra in [
        "",
        r#""iss":"a","#,
        r#""iss":"b","aud":"embedgate","#,
        r#""iss":["a"],"aud":"embedgate","#,
        r#""iss":"a","aud":["embedgate"],"#,
        r#""iss":"a","aud":"other","#,
    ] {
        refused(&with(extra), &pinned, extra);
    }
}

#[test]
fn signature_checks_per_token_are_bounded() {
    let keyed: Vec<Arc<Issuer>> = (0..5)
        .map(|n| {
            let mut issuer = issuer(&format!("i{n}"), &[]);
            let pair = if n == 4 {
                keys::pair("HS256")
            } else {
                keys::foreign("HS256")
            };
            let mut set = KeySet::new();
            set.add(None, "HS256", &pair.public).unwrap();
            issuer.keys = set.into();
            Arc::new(issuer)
        })
        .collect();
    let good = token("HS256", None);
    refused(&good, &keyed, "the fifth key is not tried");
    assert_eq!(
        verdict(&good, keyed.get(1..).unwrap()),
        None,
        "the fourth is"
    );
}

#[test]
fn what_is_remembered_holds_for_its_issuers_and_its_time_only() {
    let cache = MokaCache::new(100, || UnixTime(ISSUED));
    let here = one("HS256");
    let elsewhere = [Arc::new(issuer("elsewhere", &[(None, "ES256")]))];
    let text = token("HS256", None);
    let first = signed(RawToken::new(&text), &here, &cache).unwrap();
    let again = signed(RawToken::new(&text), &here, &cache).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(cache.hits(), 1);
    assert_eq!(current(&again, UnixTime(ISSUED)), Ok(()));
    assert_eq!(
        current(&again, UnixTime(ISSUED + 605)),
        Err(Refusal::TokenExpired)
    );
    assert!(
        signed(RawToken::new(&text), &elsewhere, &cache).is_err(),
        "another site"
    );
    assert!(
        signed(RawToken::new(&text), &[], &cache).is_err(),
        "a site without issuers"
    );
    let longer = format!("{text}=");
    assert!(signed(RawToken::new(&longer), &here, &cache).is_err());
}

#[test]
fn a_session_is_of_one_site_and_no_token() {
    let cache = MokaCache::new(100, || UnixTime(ISSUED));
    let issuers = one("HS256");
    let sealer = Sealer::new(
        &[&[7; 32]],
        Duration::from_hours(8),
        Some(Duration::from_mins(30)),
    )
    .unwrap();
    let text = token("HS256", None);
    let grant = signed(RawToken::new(&text), &issuers, &cache).unwrap();
    let now = UnixTime(ISSUED);
    let cookie = sealer.seal("here", &grant, now, now).unwrap();
    let open = |value: &str, site: &str, cache: &dyn Fn() -> MokaCache| {
        sealer.open(value, site, &issuers, now, &cache()).err()
    };
    let fresh = || MokaCache::new(100, || UnixTime(ISSUED));
    assert_eq!(open(&cookie, "here", &fresh), None);
    assert_eq!(
        open(&cookie, "there", &fresh),
        Some(Refusal::SessionInvalid)
    );
    assert_eq!(open(&text, "here", &fresh), Some(Refusal::SessionInvalid));
    refused(&cookie, &issuers, "a session is no token");
    assert!(sealer.open(&cookie, "here", &issuers, now, &cache).is_ok());
    assert_eq!(
        sealer.open(&cookie, "there", &issuers, now, &cache).err(),
        Some(Refusal::SessionInvalid)
    );
    assert!(signed(RawToken::new(&cookie), &issuers, &cache).is_err());
}

#[test]
fn a_cache_is_shared_by_threads() {
    fn shared<C: VerificationCache + Send + Sync>(_: &C) {}
    shared(&MokaCache::new(1, || UnixTime(0)));
    shared(&NoCache);
}
