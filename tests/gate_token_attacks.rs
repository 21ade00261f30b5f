//! Attacks of RFC 8725 and beyond on tokens whose keys come as JWK, rotate and end. No sockets: the pure ring alone.
//! (Shapes of tokens, headers and claims: `gate_token.rs`. Signature vectors: `gate_wycheproof.rs`.)
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::{sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use embedgate::gate::{
    refusal::Refusal,
    request::UnixTime,
    token::{
        ClaimNames, Issuer, Key, KeySet, Keys, MokaCache, NoCache, RawToken, Signed, Signer,
        VerificationCache, current, jwk::JwkRules, key::Validity, keys::KeyRing, prove, signed,
    },
};
use serde_json::{Value, json};

#[path = "support/keys.rs"]
mod keys;

const ISSUED: i64 = 1_764_000_000;

fn issuer(keys: impl Into<Keys>) -> [Arc<Issuer>; 1] {
    [Arc::new(Issuer {
        name: "idp".into(),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: keys.into(),
        claims: ClaimNames::default(),
        generation: 1,
    })]
}

fn set(keyed: &[(&str, &str)]) -> KeySet {
    let mut set = KeySet::new();
    for (kid, algorithm) in keyed {
        let public = keys::pair(algorithm).public;
        set.add(Some(kid), algorithm, &public).unwrap();
    }
    set
}

/// An issuer whose keys are fetched, and have been.
fn fetched(keyed: &[(&str, &str)]) -> [Arc<Issuer>; 1] {
    let issuer = issuer(Keys::fetched());
    issuer[0].keys.replace(Arc::new(KeyRing::from(set(keyed))));
    issuer
}

fn claims() -> Value {
    json!({"sub": "viewer-7", "jti": "t-1", "exp": ISSUED + 600, "iat": ISSUED, "resource": {"dashboard": 42}})
}

fn token(algorithm: &str, kid: Option<&str>) -> String {
    let signer = Signer::new(algorithm, &keys::pair(algorithm).private, kid).unwrap();
    signer.sign(&claims()).unwrap()
}

/// A token with any header, its HMAC made with any bytes.
fn forged(header: &Value, hash: hmac::Algorithm, secret: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(&claims()));
    let tag = hmac::sign(&hmac::Key::new(hash, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn accepted(token: &str, issuers: &[Arc<Issuer>]) -> bool {
    signed(RawToken::new(token), issuers, &NoCache).is_ok()
}

/// Whose fresher keys a refused token asks for.
fn asks_for(token: &str, issuers: &[Arc<Issuer>]) -> Vec<String> {
    let unproven = prove(RawToken::new(token), issuers, &NoCache).unwrap_err();
    let names = unproven.unknown_kid.iter();
    names.map(|unknown| unknown.issuer.to_string()).collect()
}

fn der(pem: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(pem.to_vec()).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}

#[test]
fn a_public_key_in_any_writing_is_no_secret() {
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let pem = keys::pair(algorithm).public;
        let der = der(&pem);
        let text = String::from_utf8(pem.clone()).unwrap();
        let jwk = json!({"kty": "RSA", "alg": algorithm, "kid": "a", "n": URL_SAFE_NO_PAD.encode(&der), "e": "AQAB"});
        let raw = der.get(der.len().saturating_sub(32)..).unwrap().to_vec();
        let writings: [(&str, Vec<u8>); 8] = [
            ("PEM", pem.clone()),
            ("PEM without its last line break", text.trim_end().into()),
            ("PEM with CRLF", text.replace('\n', "\r\n").into()),
            ("PEM in one line", text.replace('\n', "").into()),
            ("DER", der.clone()),
            ("DER in base64", STANDARD.encode(&der).into()),
            ("JWK", jwk.to_string().into()),
            ("the bare point", raw),
        ];
        for (what, secret) in writings {
            for (name, hash) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
            ] {
                for header in [
                    json!({ "alg": name }),
                    json!({ "alg": name, "kid": "a" }),
                    json!({ "alg": algorithm, "kid": "a" }),
                ] {
                    let token = forged(&header, hash, &secret);
                    let what = format!("{algorithm} as {what}: {header}");
                    assert!(
                        !accepted(&token, &issuer(set(&[("a", algorithm)]))),
                        "{what}"
                    );
                    assert!(!accepted(&token, &fetched(&[("a", algorithm)])), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_jwk_set_never_yields_a_secret() {
    let text = json!({"keys": [
        {"kty": "oct", "alg": "HS256", "kid": "a", "k": URL_SAFE_NO_PAD.encode([7; 32])},
        {"kty": "RSA", "alg": "HS256", "kid": "b", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "alg": "none", "kid": "c", "x": "AA", "y": "AA"},
    ]});
    let jwks = JwkRules::default()
        .set(text.to_string().as_bytes())
        .unwrap();
    assert!(jwks.keys.is_empty());
    assert_eq!(jwks.unused.len(), 3);
}

#[test]
fn a_header_that_brings_or_points_to_a_key_is_refused_whoever_signed() {
    let good = fetched(&[("a", "HS256")]);
    let secret = keys::pair("HS256").private;
    let plain = json!({"alg": "HS256", "kid": "a"});
    assert!(accepted(&forged(&plain, hmac::HMAC_SHA256, &secret), &good));
    for (member, value) in [
        (
            "jwk",
            json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(&secret)}),
        ),
        ("jku", json!("https://idp.example.com/jwks")),
        ("x5u", json!("https://idp.example.com/cert")),
        ("x5c", json!(["AA"])),
        ("x5t#S256", json!("AA")),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("enc", json!("A256GCM")),
        ("zip", json!("DEF")),
        ("typ", json!("secevent+jwt")),
        ("typ", json!("logout+jwt")),
        ("typ", json!("dpop+jwt")),
        ("typ", json!("token-introspection+jwt")),
        ("typ", json!("application/jwt; x=y")),
    ] {
        let mut header = plain.clone();
        header[member] = value;
        let token = forged(&header, hmac::HMAC_SHA256, &secret);
        assert!(!accepted(&token, &good), "{header}");
        assert!(
            asks_for(&token, &good).is_empty(),
            "{header}: nothing is fetched for it"
        );
    }
}

#[test]
fn a_kid_is_a_name_and_nothing_else() {
    let long = "k".repeat(5000);
    let kids = [
        "",
        " ",
        "A",
        "a ",
        " a",
        "a\0",
        "\0",
        "a\n",
        "../../../../dev/null",
        "/proc/self/environ",
        "file:///etc/passwd",
        "https://evil.example/key",
        "' OR '1'='1",
        "a' UNION SELECT 'secret' --",
        "$(id)",
        "%61",
        "\u{430}",
        "a\u{301}",
        &long,
    ];
    let configured = issuer(set(&[("a", "ES256")]));
    let live = fetched(&[("a", "ES256")]);
    assert!(accepted(&token("ES256", Some("a")), &live));
    for kid in kids {
        let token = token("ES256", Some(kid));
        assert!(!accepted(&token, &configured), "{kid:?}");
        assert!(!accepted(&token, &live), "{kid:?}");
        assert!(asks_for(&token, &configured).is_empty(), "{kid:?}");
        assert_eq!(
            asks_for(&token, &live),
            ["idp"],
            "{kid:?}: perhaps a new key"
        );
    }
}

#[test]
fn only_what_a_fresher_set_could_change_asks_for_one() {
    let live = fetched(&[("a", "ES256")]);
    let by_stranger = Signer::new("ES256", &keys::foreign("ES256").private, Some("a")).unwrap();
    let forged = by_stranger.sign(&claims()).unwrap();
    assert!(
        asks_for(&forged, &live).is_empty(),
        "the key is known, the signature is not its"
    );
    let wrong = token("RS256", Some("a"));
    assert!(
        asks_for(&wrong, &live).is_empty(),
        "a key has one algorithm"
    );
    for broken in ["", "..", "a.b.c", "e30.e30.", "e30.e30.e30.e30.e30"] {
        assert!(asks_for(broken, &live).is_empty(), "{broken}");
    }
    let unsigned = json!({"alg": "none", "kid": "new"});
    let unsigned = forged_header(&unsigned);
    assert!(
        asks_for(&unsigned, &live).is_empty(),
        "no accepted algorithm"
    );
    let mut pinned = issuer(Keys::fetched());
    Arc::get_mut(&mut pinned[0]).unwrap().iss = Some("https://idp.example.com".into());
    let other = token("ES256", Some("new"));
    assert!(
        asks_for(&other, &pinned).is_empty(),
        "another issuer's token"
    );
    assert_eq!(asks_for(&other, &fetched(&[])), ["idp"], "no keys yet");
}

fn forged_header(header: &Value) -> String {
    forged(header, hmac::HMAC_SHA256, b"x")
}

/// n - s for the group order n of P-256.
fn twin(s: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut borrow = false;
    let mut digits: Vec<u8> = ORDER
        .iter()
        .zip(s)
        .rev()
        .map(|(n, s)| {
            let (digit, first) = n.overflowing_sub(*s);
            let (digit, second) = digit.overflowing_sub(u8::from(borrow));
            borrow = first || second;
            digit
        })
        .collect();
    digits.reverse();
    digits
}

/// `(r, s)` and `(r, n - s)` are both good: JWS asks for no lower half, and the vectors of Wycheproof call them so. It gives nobody anything: the
/// claims are the same, and what is counted, burned or withdrawn goes by `jti`, viewer and kid, never by a token's text.
#[test]
fn the_twin_of_an_ecdsa_signature_says_the_same_and_no_more() {
    let live = fetched(&[("a", "ES256")]);
    let first = token("ES256", Some("a"));
    let (message, signature) = first.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = raw.split_at(32);
    let second = URL_SAFE_NO_PAD.encode([r, &twin(s)].concat());
    let second = format!("{message}.{second}");
    assert_ne!(first, second);
    let read = |token: &str| signed(RawToken::new(token), &live, &NoCache).unwrap();
    let (one, other) = (read(&first), read(&second));
    assert_eq!(one.claims().token_id, other.claims().token_id);
    assert_eq!((one.kid(), other.kid()), (Some("a"), Some("a")));
    for (r, s) in [
        (&[0; 32], &[0; 32]),
        (&[0; 32], &[1; 32]),
        (&[1; 32], &[0; 32]),
    ] {
        let zeros = URL_SAFE_NO_PAD.encode([r.as_slice(), s].concat());
        assert!(!accepted(&format!("{message}.{zeros}"), &live), "zeros");
    }
    let over = URL_SAFE_NO_PAD.encode([r, &[0xff; 32]].concat());
    assert!(
        !accepted(&format!("{message}.{over}"), &live),
        "beyond the order"
    );
}

fn cache() -> MokaCache {
    MokaCache::new(100, || UnixTime(ISSUED))
}

fn remembered(token: &str, issuers: &[Arc<Issuer>], cache: &MokaCache) -> Arc<Signed> {
    let first = signed(RawToken::new(token), issuers, cache).unwrap();
    let again = signed(RawToken::new(token), issuers, cache).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "it is remembered");
    again
}

#[test]
fn cached_then_key_removed_is_refused() {
    let (live, cache) = (fetched(&[("old", "ES256"), ("new", "RS256")]), cache());
    let (old, new) = (token("ES256", Some("old")), token("RS256", Some("new")));
    remembered(&old, &live, &cache);
    remembered(&new, &live, &cache);
    let fewer = Arc::new(KeyRing::from(set(&[("new", "RS256")])));
    live[0].keys.replace(Arc::clone(&fewer));
    assert!(signed(RawToken::new(&old), &live, &cache).is_err());
    remembered(&new, &live, &cache);
    // The very same keys again: what they verified is good again, and nothing else.
    let both = set(&[("new", "RS256"), ("old", "ES256")]);
    live[0].keys.replace(Arc::new(KeyRing::from(both)));
    remembered(&old, &live, &cache);
    live[0].keys.replace(Arc::new(KeyRing::from(KeySet::new())));
    for token in [&old, &new] {
        assert!(signed(RawToken::new(token), &live, &cache).is_err());
    }
}

#[test]
fn cached_then_key_replaced_under_its_name_is_refused() {
    let (live, cache) = (fetched(&[("a", "ES256")]), cache());
    let token = token("ES256", Some("a"));
    remembered(&token, &live, &cache);
    let mut other = KeySet::new();
    other
        .add(Some("a"), "ES256", &keys::foreign("ES256").public)
        .unwrap();
    live[0].keys.replace(Arc::new(KeyRing::from(other)));
    assert!(signed(RawToken::new(&token), &live, &cache).is_err());
}

#[test]
fn cached_then_key_ended_is_refused() {
    let public = keys::pair("ES256").public;
    let window = Validity {
        not_before: Some(UnixTime(ISSUED - 10)),
        not_after: Some(UnixTime(ISSUED + 60)),
    };
    let mut set = KeySet::new();
    let key = Key::new(Some("a"), "ES256", &public).unwrap();
    set.insert(key.within(window)).unwrap();
    let (issuers, cache) = (issuer(set), cache());
    let grant = remembered(&token("ES256", Some("a")), &issuers, &cache);
    for (now, wanted) in [
        (ISSUED - 11, Err(Refusal::TokenInvalid)),
        (ISSUED, Ok(())),
        (ISSUED + 59, Ok(())),
        (ISSUED + 60, Err(Refusal::TokenInvalid)),
        (ISSUED + 10_000, Err(Refusal::TokenInvalid)),
    ] {
        assert_eq!(current(&grant, UnixTime(now)), wanted, "{}", now - ISSUED);
    }
}

#[test]
fn cached_then_expired_is_refused() {
    let (live, cache) = (fetched(&[("a", "EdDSA")]), cache());
    let grant = remembered(&token("EdDSA", Some("a")), &live, &cache);
    assert_eq!(current(&grant, UnixTime(ISSUED + 604)), Ok(()));
    let late = current(&grant, UnixTime(ISSUED + 605));
    assert_eq!(late, Err(Refusal::TokenExpired));
}

#[test]
fn a_cache_that_remembers_by_other_keys_grants_nothing() {
    struct Liar(Arc<Signed>);
    impl VerificationCache for Liar {
        fn get(&self, _digest: &embedgate::gate::token::TokenDigest) -> Option<Arc<Signed>> {
            Some(Arc::clone(&self.0))
        }
        fn put(&self, _digest: embedgate::gate::token::TokenDigest, _signed: &Arc<Signed>) {}
    }
    let live = fetched(&[("a", "ES256")]);
    let text = token("ES256", Some("a"));
    let liar = Liar(signed(RawToken::new(&text), &live, &NoCache).unwrap());
    assert!(signed(RawToken::new(&text), &live, &liar).is_ok());
    let other = Arc::new(KeyRing::from(set(&[("b", "ES256")])));
    live[0].keys.replace(other);
    assert!(signed(RawToken::new(&text), &live, &liar).is_err());
}

#[test]
fn one_text_per_signature_and_part() {
    let live = fetched(&[("a", "EdDSA")]);
    let good = token("EdDSA", Some("a"));
    assert!(accepted(&good, &live));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        unreachable!()
    };
    let cut = signature.split_at(signature.len() - 2).0;
    for (token, what) in [
        (format!("{good}="), "padding"),
        (format!("{good}.{payload}.{signature}"), "five parts"),
        (format!("{good} "), "space behind"),
        (format!("\t{good}"), "tab before"),
        (format!("{header}.{payload}\n.{signature}"), "line break"),
        (format!("{header}.{payload}.{cut}"), "truncated"),
        (format!("{header}.{payload}.{signature}AA"), "longer"),
        (format!("{header}.{payload}A.{signature}"), "longer payload"),
        (format!("{payload}.{header}.{signature}"), "swapped"),
        (format!("{header}.{payload}.{signature}\0"), "NUL"),
        (good.replace('.', "%2E"), "percent-encoded"),
        (good.repeat(50), "huge"),
    ] {
        assert!(!accepted(&token, &live), "{what}");
    }
}
