//! Any bytes are a set of keys or an error; no key without an algorithm, none that is secret or private, none twice.
#![no_main]

use std::collections::HashSet;

use embedgate::gate::token::{
    jwk::{JwkRules, discovered},
    keys::KeyRing,
};
use libfuzzer_sys::fuzz_target;

const KNOWN: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, text)) = data.split_first() else {
        return;
    };
    let listed: &[&str] = match choice % 3 {
        0 => &[],
        1 => &["RS256", "ES256", "EdDSA"],
        _ => &["RS256", "PS256", "HS256"],
    };
    let rules = JwkRules::new(listed, false).expect("known names");
    if let Ok(place) = discovered(text, "https://idp.example.com") {
        assert!(text.windows(8).any(|part| part == b"jwks_uri") || text.contains(&b'\\'));
        assert!(place.len() <= text.len());
    }
    let Ok(jwks) = rules.set(text) else {
        return;
    };
    let mut kids = HashSet::new();
    for key in jwks.keys.all() {
        assert!(
            KNOWN.contains(&key.algorithm_name()),
            "{}",
            key.algorithm_name()
        );
        assert!(listed.is_empty() || listed.contains(&key.algorithm_name()));
        assert!(kids.insert(key.kid()), "one kid, two keys");
        assert!(key.kid().is_some() || jwks.keys.len() == 1);
        assert!(!key.verifies(b"", b"") && !key.verifies(&[0; 64], b"x"));
    }
    // Read again, it is the same set.
    let again = rules.set(text).expect("read once");
    assert_eq!(
        KeyRing::from(jwks.keys).generation(),
        KeyRing::from(again.keys).generation()
    );
});
