//! What a credential costs: uncached by algorithm, cached, times, sessions, single use, limits.
#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use std::{hint::black_box, num::NonZeroU32, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use embedgate::gate::{
    limit::{Limits, Quota, Registry, SiteLimits},
    request::UnixTime,
    session::{Jar, Sealer},
    single_use::{Burn, Burning, Burnt, SingleUse as _},
    token::{ClaimNames, Issuer, KeySet, MokaCache, NoCache, RawToken, Signer, current, signed},
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;

#[path = "../tests/support/keys.rs"]
mod keys;

const NOW: UnixTime = UnixTime(1_764_000_000);

fn issuers(algorithm: &str) -> [Arc<Issuer>; 1] {
    let mut set = KeySet::new();
    set.add(None, algorithm, &keys::pair(algorithm).public)
        .unwrap();
    [Arc::new(Issuer {
        name: Arc::from("app"),
        iss: Some("app".into()),
        audience: Some("embedgate".into()),
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: set.into(),
        claims: ClaimNames::default(),
        generation: 1,
    })]
}

fn claims() -> serde_json::Value {
    json!({
        "iss": "app", "aud": "embedgate", "sub": "viewer-7", "jti": "b1c", "iat": NOW.0, "exp": NOW.0 + 600, "tenant": "acme", "resource": {"dashboard": 42},
        "params": {"organization_id": 99, "region": "us-west"}, "scope": "view download", "origin": "https://app.example.com",
    })
}

fn token(algorithm: &str) -> String {
    Signer::new(algorithm, &keys::pair(algorithm).private, None)
        .unwrap()
        .sign(&claims())
        .unwrap()
}

fn tokens(c: &mut Criterion) {
    let cache = MokaCache::new(100_000, || NOW);
    for algorithm in [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
        "ES384", "EdDSA",
    ] {
        let (issuers, token) = (issuers(algorithm), token(algorithm));
        c.bench_function(&format!("token/signed/{algorithm}"), |b| {
            b.iter(|| signed(RawToken::new(black_box(&token)), &issuers, &NoCache).unwrap());
        });
        c.bench_function(&format!("token/signed/{algorithm}/cached"), |b| {
            b.iter(|| signed(RawToken::new(black_box(&token)), &issuers, &cache).unwrap());
        });
    }
    let (issuers, token) = (issuers("HS256"), token("HS256"));
    let grant = signed(RawToken::new(&token), &issuers, &NoCache).unwrap();
    c.bench_function("token/current", |b| {
        b.iter(|| current(black_box(&grant), black_box(NOW)));
    });
    let foreign = Signer::new("HS256", &keys::foreign("HS256").private, None).unwrap();
    let foreign = foreign.sign(&claims()).unwrap();
    c.bench_function("token/refused", |b| {
        b.iter(|| signed(RawToken::new(black_box(&foreign)), &issuers, &cache).unwrap_err());
    });
}

/// The cost of a request does not grow with the keys of its issuer.
fn many_keys(c: &mut Criterion) {
    for count in [1_usize, 100, 100_000] {
        let mut set = KeySet::new();
        for number in 0..count {
            let (kid, secret) = (format!("key-{number}"), format!("{number:064}"));
            set.add(Some(&kid), "HS256", secret.as_bytes()).unwrap();
        }
        let [issuer] = issuers("HS256");
        let mut issuer = Arc::into_inner(issuer).unwrap();
        issuer.keys = set.into();
        let issuers = [Arc::new(issuer)];
        let last = count - 1;
        let signer = Signer::new(
            "HS256",
            format!("{last:064}").as_bytes(),
            Some(&format!("key-{last}")),
        );
        let token = signer.unwrap().sign(&claims()).unwrap();
        let stranger = Signer::new("HS256", &[b's'; 64], Some("no-such-key")).unwrap();
        let stranger = stranger.sign(&claims()).unwrap();
        let cache = MokaCache::new(100_000, || NOW);
        c.bench_function(&format!("token/keys/{count}/uncached"), |b| {
            b.iter(|| signed(RawToken::new(black_box(&token)), &issuers, &NoCache).unwrap());
        });
        c.bench_function(&format!("token/keys/{count}/cached"), |b| {
            b.iter(|| signed(RawToken::new(black_box(&token)), &issuers, &cache).unwrap());
        });
        c.bench_function(&format!("token/keys/{count}/unknown"), |b| {
            b.iter(|| signed(RawToken::new(black_box(&stranger)), &issuers, &NoCache).unwrap_err());
        });
    }
}

fn sessions(c: &mut Criterion) {
    let (issuers, token) = (issuers("HS256"), token("HS256"));
    let grant = signed(RawToken::new(&token), &issuers, &NoCache).unwrap();
    let sealer = Sealer::new(
        &[&[7; 32]],
        Duration::from_hours(8),
        Some(Duration::from_mins(30)),
    )
    .unwrap();
    let cookie = sealer.seal("reports", &grant, NOW, NOW).unwrap();
    let cache = MokaCache::new(100_000, || NOW);
    c.bench_function("session/seal", |b| {
        b.iter(|| sealer.seal("reports", black_box(&grant), NOW, NOW).unwrap());
    });
    c.bench_function("session/open", |b| {
        b.iter(|| {
            sealer
                .open(black_box(&cookie), "reports", &issuers, NOW, &NoCache)
                .is_ok()
        });
    });
    c.bench_function("session/open/cached", |b| {
        b.iter(|| {
            sealer
                .open(black_box(&cookie), "reports", &issuers, NOW, &cache)
                .is_ok()
        });
    });
}

/// A browser with one session, under its two names, and with eight.
fn jars(c: &mut Criterion) {
    let value = "v".repeat(400);
    for count in [1, 8] {
        let named = (0..count).map(|at| format!("__Host-embedgate-0000000{at}={value}"));
        let line = format!(
            "__Host-embedgate={value}; {}",
            named.collect::<Vec<_>>().join("; ")
        );
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::try_from(line).unwrap());
        c.bench_function(&format!("session/jar/{count}"), |b| {
            b.iter(|| Jar::read(black_box(&headers)).unwrap().values().count());
        });
    }
}

/// Beside a hundred thousand tokens that were used.
fn single_use(c: &mut Criterion) {
    let burnt = Burnt::new(10_000_000, NOW.plus(-1));
    let burn = |number: u64| {
        let token_id = number.to_string();
        let token = Burning {
            issuer: "app",
            token_id: &token_id,
            issued: NOW,
            until: NOW.plus(605),
        };
        burnt.burn(&token, NOW)
    };
    for number in 0..100_000 {
        assert_eq!(burn(number), Burn::First);
    }
    let mut next = 100_000;
    c.bench_function("single_use/first", |b| {
        b.iter(|| {
            next += 1;
            burn(black_box(next))
        });
    });
    c.bench_function("single_use/again", |b| b.iter(|| burn(black_box(7))));
}

fn limits(c: &mut Criterion) {
    let (issuers, token) = (issuers("HS256"), token("HS256"));
    let grant = signed(RawToken::new(&token), &issuers, &NoCache).unwrap();
    let quota = Some(Quota {
        count: NonZeroU32::MAX,
        period: Duration::from_secs(1),
    });
    let registry = Registry::with_real_clock();
    let view = |limits: &SiteLimits| Limits::new(vec![registry.site("reports", limits)]);
    let viewer = view(&SiteLimits {
        viewer: quota,
        ..SiteLimits::default()
    });
    let all = view(&SiteLimits {
        address: quota,
        viewer: quota,
        tenant: quota,
        site: quota,
        in_flight: NonZeroU32::new(8),
        websockets: None,
    });
    let client = "192.0.2.7".parse().unwrap();
    c.bench_function("limit/address", |b| {
        b.iter(|| all.address(0, black_box(client)).is_ok());
    });
    c.bench_function("limit/viewer", |b| {
        b.iter(|| viewer.take(0, Some(black_box(&grant))).is_ok());
    });
    c.bench_function("limit/all", |b| {
        b.iter(|| all.take(0, Some(black_box(&grant))).is_ok());
    });
}

criterion_group!(
    benches, tokens, many_keys, sessions, jars, single_use, limits
);
criterion_main!(benches);
