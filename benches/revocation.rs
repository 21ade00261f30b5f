//! What a revocation costs a request: nothing where there is none, the same for one and for a million.
#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use embedgate::gate::{
    request::UnixTime,
    revocation::{Facets, Revocation, RevocationId, Revocations, Subject},
    token::{ClaimNames, Issuer, KeySet, NoCache, RawToken, Signed, Signer, signed},
};
use serde_json::json;

const NOW: UnixTime = UnixTime(1_764_000_000);
const SECRET: &[u8] = &[7; 32];

/// A token that nobody revokes.
fn grant() -> Arc<Signed> {
    let mut keys = KeySet::new();
    keys.add(Some("k1"), "HS256", SECRET).unwrap();
    let issuers = [Arc::new(Issuer {
        name: Arc::from("app"),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: keys.into(),
        claims: ClaimNames::default(),
        generation: 1,
    })];
    let claims = json!({"sub": "viewer-7", "jti": "b1c", "iat": NOW.0, "exp": NOW.0 + 600, "tenant": "acme", "resource": "dashboard:42"});
    let token = Signer::new("HS256", SECRET, Some("k1")).unwrap();
    let token = token.sign(&claims).unwrap();
    signed(RawToken::new(&token), &issuers, &NoCache).unwrap()
}

fn revocation(facets: Facets<'_>) -> Revocation {
    Revocation {
        id: RevocationId::fresh(NOW).unwrap(),
        subject: Subject::new(facets).unwrap(),
        reason: "left the company".into(),
        made: NOW,
        until: NOW.plus(3600),
    }
}

fn viewer(name: &str) -> Facets<'_> {
    Facets {
        viewer: Some(name),
        ..Facets::default()
    }
}

fn index(viewers: u32) -> Revocations {
    let index = Revocations::new();
    for number in 0..viewers {
        index.add(revocation(viewer(&format!("somebody-{number}"))));
    }
    index
}

fn checks(c: &mut Criterion) {
    let grant = grant();
    for viewers in [0, 1, 1000, 1_000_000] {
        let index = index(viewers);
        c.bench_function(&format!("revocation/check/{viewers}"), |b| {
            b.iter(|| index.check(black_box(&grant), NOW).is_ok());
        });
        if viewers < 1_000_000 {
            continue;
        }
        // Every kind of subject in use at once, none of them this grant's.
        let other = Some("other");
        for facets in [
            Facets {
                tenant: other,
                ..Facets::default()
            },
            Facets {
                jti: other,
                ..Facets::default()
            },
            Facets {
                kid: other,
                ..Facets::default()
            },
            Facets {
                issuer: other,
                ..Facets::default()
            },
            Facets {
                tenant: other,
                ..viewer("v")
            },
            Facets {
                issuer: other,
                ..viewer("v")
            },
        ] {
            index.add(revocation(facets));
        }
        c.bench_function("revocation/check/1000000/of_every_kind", |b| {
            b.iter(|| index.check(black_box(&grant), NOW).is_ok());
        });
        index.add(revocation(viewer("viewer-7")));
        c.bench_function("revocation/check/1000000/denied", |b| {
            b.iter(|| index.check(black_box(&grant), NOW).is_err());
        });
    }
}

fn changes(c: &mut Criterion) {
    let index = index(1000);
    c.bench_function("revocation/add_and_remove", |b| {
        b.iter(|| {
            let made = revocation(viewer("viewer-7"));
            let id = made.id;
            index.add(made);
            index.remove(id).is_some()
        });
    });
}

criterion_group!(benches, checks, changes);
criterion_main!(benches);
