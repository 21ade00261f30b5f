//! No bytes make a token that its key did not sign; bytes that are signed by it read the same way twice.
#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use embedgate::gate::request::UnixTime;
use embedgate::gate::token::{
    ClaimNames, Issuer, KeySet, NoCache, RawToken, Signer, current, signed,
};
use libfuzzer_sys::fuzz_target;

const SECRET: &[u8] = &[7; 32];

static ISSUERS: LazyLock<[Arc<Issuer>; 1]> = LazyLock::new(|| {
    let mut keys = KeySet::new();
    keys.add(None, "HS256", SECRET).expect("a good key");
    [Arc::new(Issuer {
        name: Arc::from("app"),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: keys.into(),
        claims: ClaimNames::default(),
        generation: 1,
    })]
});

static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer::new("HS256", SECRET, None).expect("a good key"));

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    // Unsigned: never accepted. (A fuzzer that finds an HMAC deserves the crash.)
    assert!(signed(RawToken::new(text), &*ISSUERS, &NoCache).is_err());
    // Signed: whatever the claims, a verdict; and an accepted token names a viewer and a resource.
    let Ok(claims) = serde_json::from_str::<serde_json::Value>(text) else {
        return;
    };
    let Ok(token) = SIGNER.sign(&claims) else {
        return;
    };
    if let Ok(found) = signed(RawToken::new(&token), &*ISSUERS, &NoCache) {
        assert!(!found.claims().viewer.is_empty() && !found.claims().resources.is_empty());
        assert_eq!(
            claims.get("sub").and_then(|sub| sub.as_str()),
            Some(&*found.claims().viewer)
        );
        let end = found.claims().expires;
        assert!(current(&found, end.plus(5)).is_err(), "expired");
        assert!(current(&found, UnixTime(i64::MAX)).is_err(), "expired");
    }
});
