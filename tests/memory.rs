//! What one entry of each table costs in memory, measured: docs/sizing.md tells it, and these bounds hold it to that.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::{
    net::Ipv4Addr,
    num::NonZeroU32,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use embedgate::{
    adapter::metabase::{Kind, Lens, layout::Layout},
    gate::{
        limit::{Limits, Quota, Registry, SiteLimits},
        request::UnixTime,
        revocation::{Facets, Revocation, RevocationId, Revocations, Subject},
        single_use::{Burn, Burning, Burnt, SingleUse as _},
        token::{
            ClaimNames, FrontCache, Issuer, KeySet, MokaCache, NoCache, RawToken, Signed, Signer,
            cache::UNIT, signed,
        },
    },
};
use serde_json::{Value, json};

#[path = "support/keys.rs"]
#[expect(dead_code, reason = "other tests need foreign keys")]
mod keys;

const NOW: UnixTime = UnixTime(1_764_000_000);
const SECRET: &[u8] = &[7; 32];

/// Resident bytes of this process that no file holds.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("RssAnon:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

/// Fills a table and says what each of its entries takes. What was made is never given back, so that one test is not filled into what another left.
fn each<T>(what: &str, entries: usize, bounds: Range<usize>, fill: impl FnOnce() -> T) {
    static TURN: Mutex<()> = Mutex::new(());
    let _alone = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // What is needed on the way is there already.
    drop(grants(1).collect::<Vec<_>>());
    let before = resident();
    let table = Box::leak(Box::new(fill()));
    let each = resident().saturating_sub(before) / entries;
    println!("{what}: {each} bytes each, of {entries}");
    std::hint::black_box(table);
    assert!(bounds.contains(&each), "{what}: {each} bytes each");
}

fn issuers() -> [Arc<Issuer>; 1] {
    let mut set = KeySet::new();
    set.add(Some("k1"), "HS256", SECRET).unwrap();
    [Arc::new(Issuer {
        name: Arc::from("app"),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: set.into(),
        claims: ClaimNames::default(),
        generation: 1,
    })]
}

/// The token of a viewer of a tenant, both with names of a usual length.
fn token(number: usize, params: &Value) -> String {
    let claims = json!({
        "sub": format!("viewer-{number:08}@example.com"), "tenant": format!("tenant-{number:08}"), "jti": format!("{number:032x}"),
        "iat": NOW.0, "exp": NOW.0 + 600, "resource": { "dashboard": number }, "params": params, "scope": "view download",
    });
    let signer = Signer::new("HS256", SECRET, Some("k1")).unwrap();
    signer.sign(&claims).unwrap()
}

fn usual() -> Value {
    json!({ "organization_id": 99, "region": "us-west", "accounts": [1, 2, 3] })
}

fn grants(count: usize) -> impl Iterator<Item = Arc<Signed>> {
    let issuers = issuers();
    (0..count).map(move |number| {
        signed(RawToken::new(&token(number, &usual())), &issuers, &NoCache).unwrap()
    })
}

fn quota() -> Quota {
    let (count, period) = (NonZeroU32::new(300).unwrap(), Duration::from_mins(1));
    Quota { count, period }
}

#[test]
fn a_remembered_verification() {
    const ENTRIES: usize = 10_000;
    each("verification", ENTRIES, 700..UNIT, || {
        let (issuers, cache) = (issuers(), MokaCache::new(100_000, || NOW));
        for number in 0..ENTRIES {
            signed(RawToken::new(&token(number, &usual())), &issuers, &cache).unwrap();
        }
        cache
    });
}

/// A token of 8 KiB grows to many times that, once it is read: that is why the cache counts what it holds in units.
#[test]
fn the_largest_verification() {
    const ENTRIES: usize = 300;
    each("largest verification", ENTRIES, 100_000..400_000, || {
        let (issuers, items) = (issuers(), vec![json!({ "": 1 }); 600]);
        let token = |number| token(number, &json!({ "organization_id": items }));
        let grants = (0..ENTRIES)
            .map(|number| signed(RawToken::new(&token(number)), &issuers, &NoCache).unwrap());
        grants.collect::<Vec<_>>()
    });
}

#[test]
fn the_memory_of_a_thread() {
    each("front of a thread", 50, 100_000..260_000, || {
        (0..50).map(|_| FrontCache::default()).collect::<Vec<_>>()
    });
}

#[test]
fn an_address_that_is_counted() {
    const ENTRIES: u32 = 500_000;
    let limits = SiteLimits {
        address: Some(quota()),
        ..SiteLimits::default()
    };
    each("address", 500_000, 16..80, || {
        let registry = Registry::with_real_clock();
        let limits = Limits::new(vec![registry.site("s", &limits)]);
        for number in 0..ENTRIES {
            limits
                .address(0, Ipv4Addr::from_bits(number).into())
                .unwrap();
        }
        (registry, limits)
    });
}

#[test]
fn a_viewer_and_a_tenant_that_are_counted() {
    const ENTRIES: usize = 15_000;
    let viewers = SiteLimits {
        viewer: Some(quota()),
        ..SiteLimits::default()
    };
    let tenants = SiteLimits {
        tenant: Some(quota()),
        ..SiteLimits::default()
    };
    let in_flight = SiteLimits {
        in_flight: NonZeroU32::new(8),
        ..SiteLimits::default()
    };
    for (what, limits, most) in [
        ("viewer", viewers, 100),
        ("tenant", tenants, 100),
        ("request in flight", in_flight, 250),
    ] {
        each(what, ENTRIES, 12..most, || {
            let registry = Registry::with_real_clock();
            let limits = Limits::new(vec![registry.site("s", &limits)]);
            let taken: Vec<_> = grants(ENTRIES)
                .filter_map(|grant| {
                    Some(limits.take(0, Some(&grant)).unwrap())
                        .filter(|_| what.starts_with("request"))
                })
                .collect();
            (registry, limits, taken)
        });
    }
}

#[test]
fn a_used_token() {
    const ENTRIES: usize = 500_000;
    each("used token", ENTRIES, 30..90, || {
        let burnt = Burnt::new(ENTRIES, NOW);
        for number in 0..ENTRIES {
            let (token_id, later) = (
                format!("{number:032x}"),
                i64::try_from(number / 1000).unwrap(),
            );
            let token = Burning {
                issuer: "app",
                token_id: &token_id,
                issued: NOW.plus(1 + later),
                until: NOW.plus(606 + later),
            };
            assert_eq!(burnt.burn(&token, NOW.plus(1)), Burn::First);
        }
        burnt
    });
}

#[test]
fn a_revocation() {
    const ENTRIES: usize = 100_000;
    each("revocation", ENTRIES, 100..450, || {
        let index = Revocations::new();
        for number in 0..ENTRIES {
            let viewer = format!("viewer-{number:08}@example.com");
            let facets = Facets {
                viewer: Some(&viewer),
                ..Facets::default()
            };
            let made = NOW.plus(i64::try_from(number).unwrap() / 100);
            index.add(Revocation {
                id: RevocationId::fresh(made).unwrap(),
                subject: Subject::new(facets).unwrap(),
                reason: "left the company".into(),
                made,
                until: made.plus(8 * 3600),
            });
        }
        assert_eq!(index.len(), ENTRIES);
        index
    });
}

#[test]
fn a_key() {
    for (algorithm, entries, bounds) in [
        ("HS256", 100_000, 500..2200),
        ("EdDSA", 5000, 300..2500),
        ("ES256", 5000, 300..3000),
        ("RS256", 5000, 600..6000),
    ] {
        let pair = keys::pair(algorithm);
        let signer = Signer::new(algorithm, &pair.private, None).unwrap();
        let token = signer.sign(&json!({})).unwrap();
        each(algorithm, entries, bounds, || {
            let mut set = KeySet::new();
            for number in 0..entries {
                set.add(Some(&format!("key-{number:08}")), algorithm, &pair.public)
                    .unwrap();
            }
            // The first use may add to a key what makes the next one faster.
            for key in set.all().take(1000) {
                assert!(!key.verifies(b"", token.as_bytes()));
            }
            set
        });
    }
}

/// The layout of a dashboard with ten cards.
#[test]
fn what_is_known_of_a_dashboard() {
    let card = |id: u64| {
        let mapping = |parameter: &str, tag: &str| json!({ "parameter_id": parameter, "card_id": id + 1000, "target": ["variable", ["template-tag", tag]] });
        json!({
            "id": id, "card_id": id + 1000, "card": { "id": id + 1000, "name": format!("Revenue {id}"), "display": "table", "parameters": [] },
            "series": [], "parameter_mappings": [mapping("5aefc725", "organization_id"), mapping("b0c4d21e", "region")], "visualization_settings": {},
        })
    };
    let text = json!({
        "id": 10, "name": "Accounts", "tabs": [],
        "parameters": [
            { "id": "5aefc725", "slug": "organization_id", "name": "Organization", "type": "number/=" },
            { "id": "b0c4d21e", "slug": "region", "name": "Region", "type": "string/=" },
        ],
        "param_fields": {}, "dashcards": (1..=10).map(card).collect::<Vec<_>>(),
    })
    .to_string();
    let lens = Lens {
        params: &[],
        modes: &[],
    };
    each("dashboard", 5000, 500..8000, || {
        let layouts =
            (0..5000).map(|_| Layout::read_open(text.as_bytes(), Kind::Dashboard, lens).unwrap());
        layouts.collect::<Vec<_>>()
    });
}
