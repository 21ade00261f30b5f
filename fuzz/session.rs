//! No bytes open as a session that was not sealed; a sealed one changed anywhere does not open.
#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use embedgate::gate::{
    request::UnixTime,
    session::Sealer,
    token::{ClaimNames, Issuer, KeySet, NoCache, RawToken, Signer, signed},
};
use libfuzzer_sys::fuzz_target;

const NOW: UnixTime = UnixTime(1_764_000_000);

static ISSUERS: LazyLock<[Arc<Issuer>; 1]> = LazyLock::new(|| {
    let mut keys = KeySet::new();
    keys.add(None, "HS256", &[7; 32]).expect("a good key");
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

static SEALER: LazyLock<Sealer> = LazyLock::new(|| {
    Sealer::new(
        &[&[9; 32]],
        Duration::from_hours(8),
        Some(Duration::from_mins(30)),
    )
    .expect("a good secret")
});

static COOKIE: LazyLock<String> = LazyLock::new(|| {
    let claims = serde_json::json!({"sub": "v", "exp": NOW.0 + 600, "iat": NOW.0, "resource": "dashboard:42", "tenant": "acme"});
    let token = Signer::new("HS256", &[7; 32], None)
        .and_then(|signer| signer.sign(&claims))
        .expect("a token");
    let grant = signed(RawToken::new(&token), &*ISSUERS, &NoCache).expect("a grant");
    SEALER.seal("site", &grant, NOW, NOW).expect("a cookie")
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let opens = |value: &str| SEALER.open(value, "site", &*ISSUERS, NOW, &NoCache).is_ok();
    assert!(opens(&COOKIE));
    assert_eq!(opens(text), text == *COOKIE);
    // The first byte says where, the rest what is written over the good cookie.
    let Some((&at, patch)) = data.split_first() else {
        return;
    };
    let mut changed = COOKIE.clone().into_bytes();
    for (byte, new) in changed.iter_mut().skip(usize::from(at)).zip(patch) {
        *byte = *new;
    }
    if let Ok(changed) = String::from_utf8(changed) {
        assert_eq!(opens(&changed), changed == *COOKIE);
    }
});
