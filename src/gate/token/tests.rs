use std::{collections::HashMap, sync::Mutex};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{testing::ISSUED, *};

/// A cache that never forgets and counts what is put in.
#[derive(Default)]
struct Memory(Mutex<HashMap<TokenDigest, Arc<Signed>>>);

impl VerificationCache for Memory {
    fn get(&self, digest: &TokenDigest) -> Option<Arc<Signed>> {
        self.0.lock().unwrap().get(digest).cloned()
    }

    fn put(&self, digest: TokenDigest, signed: &Arc<Signed>) {
        self.0.lock().unwrap().insert(digest, Arc::clone(signed));
    }
}

fn times(changes: &Value) -> Signed {
    let mut claims = testing::claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    let issuer = testing::issuer("HS256");
    let claims = Claims::read(claims.as_object().unwrap().clone(), &issuer).unwrap();
    Signed::sealed(Arc::new(issuer), claims, None)
}

#[test]
fn every_algorithm_signs_and_verifies() {
    for name in [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
        "ES384", "EdDSA",
    ] {
        let issuers = [Arc::new(testing::issuer(name))];
        let token = testing::token(name, &testing::claims());
        let found = signed(RawToken::new(&token), &issuers, &NoCache).unwrap();
        assert_eq!(&*found.claims().viewer, "viewer-7", "{name}");
    }
}

#[test]
fn times_are_judged_to_the_second() {
    let grant = times(&json!({"nbf": ISSUED + 60}));
    let table = [
        (ISSUED, Err(Refusal::TokenNotYetValid)),
        (ISSUED + 54, Err(Refusal::TokenNotYetValid)),
        (ISSUED + 55, Ok(())),
        (ISSUED + 604, Ok(())),
        (ISSUED + 605, Err(Refusal::TokenExpired)),
        (ISSUED + 99_999, Err(Refusal::TokenExpired)),
    ];
    for (now, wanted) in table {
        assert_eq!(current(&grant, UnixTime(now)), wanted, "{now}");
    }
}

#[test]
fn a_token_from_the_future_is_not_yet_valid() {
    let grant = times(&json!({}));
    assert_eq!(current(&grant, UnixTime(ISSUED - 5)), Ok(()));
    assert_eq!(
        current(&grant, UnixTime(ISSUED - 6)),
        Err(Refusal::TokenNotYetValid)
    );
}

#[test]
fn a_lifetime_above_the_issuers_is_refused() {
    assert_eq!(
        current(&times(&json!({"exp": ISSUED + 601})), UnixTime(ISSUED)),
        Err(Refusal::TokenLifetime)
    );
    let without_start = times(&json!({"iat": null}));
    assert_eq!(current(&without_start, UnixTime(ISSUED - 5)), Ok(()));
    assert_eq!(
        current(&without_start, UnixTime(ISSUED - 6)),
        Err(Refusal::TokenLifetime)
    );
    assert_eq!(
        current(&times(&json!({"iat": 0})), UnixTime(ISSUED)),
        Err(Refusal::TokenLifetime)
    );
}

#[test]
fn a_remembered_signature_still_expires() {
    let issuers = [Arc::new(testing::issuer("HS256"))];
    let cache = Memory::default();
    let token = testing::token("HS256", &testing::claims());
    let first = signed(RawToken::new(&token), &issuers, &cache).unwrap();
    let again = signed(RawToken::new(&token), &issuers, &cache).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(current(&again, UnixTime(ISSUED + 604)), Ok(()));
    assert_eq!(
        current(&again, UnixTime(ISSUED + 605)),
        Err(Refusal::TokenExpired)
    );
}

#[test]
fn a_failure_is_not_remembered() {
    let cache = Memory::default();
    let token = testing::token("HS256", &json!({"sub": "x"}));
    assert!(
        signed(
            RawToken::new(&token),
            &[Arc::new(testing::issuer("HS256"))],
            &cache
        )
        .is_err()
    );
    assert!(cache.0.lock().unwrap().is_empty());
}

#[test]
fn a_new_generation_of_keys_is_verified_anew() {
    let cache = Memory::default();
    let token = testing::token("HS256", &testing::claims());
    signed(
        RawToken::new(&token),
        &[Arc::new(testing::issuer("HS256"))],
        &cache,
    )
    .unwrap();
    let mut rotated = testing::issuer("HS256");
    rotated.generation = 2;
    let mut keys = KeySet::new();
    keys.add(None, "HS256", &testing::foreign("HS256").public)
        .unwrap();
    rotated.keys = keys.into();
    assert!(signed(RawToken::new(&token), &[Arc::new(rotated)], &cache).is_err());
}

#[test]
fn a_cache_that_answers_wrongly_grants_nothing() {
    struct Liar(Arc<Signed>);
    impl VerificationCache for Liar {
        fn get(&self, _digest: &TokenDigest) -> Option<Arc<Signed>> {
            Some(Arc::clone(&self.0))
        }
        fn put(&self, _digest: TokenDigest, _signed: &Arc<Signed>) {}
    }
    let liar = Liar(Arc::new(testing::signed("viewer", None)));
    let mut other = testing::issuer("HS256");
    other.name = Arc::from("other");
    assert!(signed(RawToken::new("a.b.c"), &[Arc::new(other)], &liar).is_err());
}

#[test]
fn digests_differ_by_kind_site_issuer_generation_and_text() {
    let issuer = |name: &str, generation| {
        let mut issuer = testing::issuer("HS256");
        issuer.name = Arc::from(name);
        issuer.generation = generation;
        Arc::new(issuer)
    };
    let token = CredentialKind::Token;
    let digests = [
        TokenDigest::of(token, &[issuer("a", 1)], "x"),
        TokenDigest::of(token, &[issuer("a", 2)], "x"),
        TokenDigest::of(token, &[issuer("b", 1)], "x"),
        TokenDigest::of(token, &[issuer("a", 1)], "y"),
        TokenDigest::of(token, &[issuer("a", 1), issuer("b", 1)], "x"),
        TokenDigest::of(token, &[issuer("ax", 1)], ""),
        TokenDigest::of(token, &[], "x"),
        TokenDigest::of(
            CredentialKind::Session {
                site: "s",
                ring: b"",
            },
            &[issuer("a", 1)],
            "x",
        ),
        TokenDigest::of(
            CredentialKind::Session {
                site: "",
                ring: b"s",
            },
            &[issuer("a", 1)],
            "x",
        ),
        TokenDigest::of(
            CredentialKind::Session {
                site: "",
                ring: b"",
            },
            &[issuer("a", 1)],
            "x",
        ),
    ];
    for (i, a) in digests.iter().enumerate() {
        assert!(digests.iter().skip(i + 1).all(|b| a != b), "{i}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_token_by_accident(text in "[A-Za-z0-9_.=-]{0,80}", claims in "[ -~]{0,40}") {
        let issuers = [Arc::new(testing::issuer("HS256"))];
        let made = format!("{text}.{claims}.{text}");
        for candidate in [text.as_str(), &claims, &made] {
            prop_assert!(signed(RawToken::new(candidate), &issuers, &NoCache).is_err());
        }
    }

    #[test]
    fn one_changed_byte_breaks_a_token(at in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f) {
        let issuers = [Arc::new(testing::issuer("HS256"))];
        let token = testing::token("HS256", &testing::claims());
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(signed(RawToken::new(&changed), &issuers, &NoCache).is_ok(), changed == token);
    }
}
