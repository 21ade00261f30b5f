use std::{net::Ipv6Addr, sync::Arc};

use governor::clock::FakeRelativeClock;
use http::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::gate::token::testing;

#[expect(clippy::unnecessary_wraps, reason = "as it stands in `SiteLimits`")]
fn per_minute(count: u32) -> Option<Quota> {
    Some(Quota {
        count: NonZeroU32::new(count).unwrap(),
        period: Duration::from_mins(1),
    })
}

struct Bench {
    registry: Registry<FakeRelativeClock>,
    clock: FakeRelativeClock,
}

impl Bench {
    fn new(capacity: usize) -> Self {
        let clock = FakeRelativeClock::default();
        // The state of a key that is charged in the very first nanosecond would be indistinguishable from none.
        clock.advance(Duration::from_secs(1));
        Self {
            registry: Registry::new(capacity, clock.clone()),
            clock,
        }
    }

    fn limits(&self, limits: &SiteLimits) -> Limits<FakeRelativeClock> {
        Limits::new(vec![self.registry.site("s", limits)])
    }
}

fn refusal(outcome: Result<Taken, Limited>) -> Option<(Refusal, Scope)> {
    outcome
        .err()
        .map(|limited| (limited.refusal, limited.scope))
}

fn shown(write: impl FnOnce(&mut HeaderMap)) -> String {
    let mut headers = HeaderMap::new();
    write(&mut headers);
    let value = |name: &str| {
        headers
            .get(name)
            .map_or("-", |value| value.to_str().unwrap())
            .to_owned()
    };
    format!(
        "{} | {} | {}",
        value("ratelimit"),
        value("ratelimit-policy"),
        value("retry-after")
    )
}

#[test]
fn a_viewer_is_limited_and_recovers() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        viewer: per_minute(3),
        ..SiteLimits::default()
    });
    let viewer = testing::signed("v", Some("acme"));
    for _ in 0..3 {
        assert!(limits.take(0, Some(&viewer)).is_ok());
    }
    let limited = limits.take(0, Some(&viewer)).unwrap_err();
    assert_eq!(
        (limited.refusal, limited.scope),
        (Refusal::RateLimited, Scope::Viewer)
    );
    assert_eq!(limited.retry_after, Duration::from_secs(20));
    assert_eq!(
        shown(|headers| limited.write(headers)),
        r#""viewer";r=0;t=60 | "viewer";q=3;w=60 | 20"#
    );
    bench.clock.advance(Duration::from_secs(20));
    assert!(limits.take(0, Some(&viewer)).is_ok());
    assert!(limits.take(0, Some(&viewer)).is_err());
}

#[test]
fn viewers_are_told_apart_by_issuer_and_tenant_too() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        viewer: per_minute(1),
        ..SiteLimits::default()
    });
    let mut other_issuer = testing::issuer("HS256");
    other_issuer.name = Arc::from("other");
    let acme = testing::signed("v", Some("acme"));
    let others = [
        testing::signed("w", Some("acme")),
        testing::signed("v", Some("umbrella")),
        testing::signed("v", None),
        Signed::sealed(Arc::new(other_issuer), acme.claims().clone(), None),
    ];
    assert!(limits.take(0, Some(&acme)).is_ok());
    assert!(
        limits
            .take(0, Some(&testing::signed("v", Some("acme"))))
            .is_err()
    );
    for other in &others {
        assert!(limits.take(0, Some(other)).is_ok(), "{:?}", other.claims());
    }
}

#[test]
fn a_greedy_viewer_does_not_drain_the_tenant() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        viewer: per_minute(2),
        tenant: per_minute(4),
        ..SiteLimits::default()
    });
    let [greedy, modest] = ["greedy", "modest"].map(|name| testing::signed(name, Some("acme")));
    for _ in 0..50 {
        limits.take(0, Some(&greedy)).map_or_else(drop, drop);
    }
    assert!(limits.take(0, Some(&modest)).is_ok());
    assert!(limits.take(0, Some(&modest)).is_ok());
    assert_eq!(
        refusal(limits.take(0, Some(&testing::signed("third", Some("acme"))))),
        Some((Refusal::RateLimited, Scope::Tenant))
    );
    assert!(
        limits
            .take(0, Some(&testing::signed("alone", None)))
            .is_ok()
    );
}

#[test]
fn public_routes_are_charged_to_the_site_alone() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        viewer: per_minute(1),
        site: per_minute(2),
        ..SiteLimits::default()
    });
    assert!(limits.take(0, None).is_ok());
    assert!(limits.take(0, None).is_ok());
    assert_eq!(
        refusal(limits.take(0, None)),
        Some((Refusal::RateLimited, Scope::Site))
    );
}

#[test]
fn requests_in_flight_are_given_back() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        in_flight: NonZeroU32::new(2),
        ..SiteLimits::default()
    });
    let viewer = testing::signed("v", None);
    let first = limits.take(0, Some(&viewer)).unwrap();
    let second = limits.take(0, Some(&viewer)).unwrap();
    let limited = limits.take(0, Some(&viewer)).unwrap_err();
    assert_eq!(limited.refusal, Refusal::InFlightLimited);
    assert_eq!(
        shown(|headers| limited.write(headers)),
        r#""in-flight";r=0 | "in-flight";q=2;qu="concurrent-requests" | 1"#
    );
    assert!(limits.take(0, Some(&testing::signed("w", None))).is_ok());
    drop(first);
    let third = limits.take(0, Some(&viewer)).unwrap();
    drop((second, third));
    assert!(bench.registry.is_empty());
}

#[test]
fn websockets_and_requests_under_way_are_counted_apart() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        in_flight: NonZeroU32::new(1),
        websockets: NonZeroU32::new(2),
        viewer: per_minute(5),
        ..SiteLimits::default()
    });
    let viewer = testing::signed("v", None);
    let take = |websocket| {
        let limiters = &limits.sites[0];
        let in_flight = limiters.enter(&viewer, websocket)?;
        let rate = limiters.charge(Some(&viewer))?;
        Ok(Taken { in_flight, rate })
    };
    let open = [take(true).unwrap(), take(true).unwrap()];
    assert_eq!(
        refusal(take(true)),
        Some((Refusal::InFlightLimited, Scope::Viewer))
    );
    let asked = take(false).unwrap();
    assert_eq!(
        refusal(take(false)),
        Some((Refusal::InFlightLimited, Scope::Viewer))
    );
    drop((open, asked));
    // Each counts as one request all the same.
    drop((take(true).unwrap(), take(true).unwrap()));
    assert_eq!(
        refusal(take(true)),
        Some((Refusal::RateLimited, Scope::Viewer))
    );
}

#[test]
fn a_request_refused_by_its_rate_is_not_in_flight() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        in_flight: NonZeroU32::new(1),
        site: per_minute(1),
        ..SiteLimits::default()
    });
    let viewer = testing::signed("v", None);
    drop(limits.take(0, Some(&viewer)).unwrap());
    for _ in 0..3 {
        assert_eq!(
            refusal(limits.take(0, Some(&viewer))),
            Some((Refusal::RateLimited, Scope::Site))
        );
    }
}

#[test]
fn addresses_are_counted_by_network() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        address: per_minute(1),
        ..SiteLimits::default()
    });
    let take = |address: &str| limits.address(0, address.parse().unwrap()).is_ok();
    assert!(take("192.0.2.1"));
    assert!(!take("192.0.2.1"));
    assert!(!take("::ffff:192.0.2.1"));
    assert!(take("192.0.2.2"));
    assert!(take("2001:db8:0:1::1"));
    assert!(!take("2001:db8:0:1:ffff::2"));
    assert!(take("2001:db8:0:2::1"));
}

#[test]
fn a_reload_forgets_nothing() {
    let bench = Bench::new(10);
    let config = SiteLimits {
        viewer: per_minute(1),
        in_flight: NonZeroU32::new(1),
        ..SiteLimits::default()
    };
    let viewer = testing::signed("v", None);
    let before = bench.limits(&config);
    let taken = before.take(0, Some(&viewer)).unwrap();
    let after = bench.limits(&config);
    bench.registry.shrink();
    assert_eq!(
        refusal(after.take(0, Some(&viewer))),
        Some((Refusal::InFlightLimited, Scope::Viewer))
    );
    drop((taken, before));
    bench.registry.shrink();
    assert_eq!(
        refusal(after.take(0, Some(&viewer))),
        Some((Refusal::RateLimited, Scope::Viewer))
    );
    let raised = bench.limits(&SiteLimits {
        viewer: per_minute(2),
        ..config
    });
    assert!(raised.take(0, Some(&viewer)).is_ok());
}

#[test]
fn limiters_that_nobody_uses_are_forgotten() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        viewer: per_minute(1),
        ..SiteLimits::default()
    });
    limits.take(0, Some(&testing::signed("v", None))).unwrap();
    drop(limits);
    assert_eq!(bench.registry.len(), 1);
    bench.registry.shrink();
    assert_eq!(bench.registry.len(), 0);
}

#[test]
fn a_full_table_refuses_new_keys_until_old_ones_recover() {
    let bench = Bench::new(3);
    let limits = bench.limits(&SiteLimits {
        viewer: per_minute(2),
        ..SiteLimits::default()
    });
    let viewer = |n: u32| testing::signed(&n.to_string(), None);
    for n in 0..3 {
        assert!(limits.take(0, Some(&viewer(n))).is_ok());
    }
    let limited = limits.take(0, Some(&viewer(3))).unwrap_err();
    assert_eq!(limited.refusal, Refusal::Overloaded);
    assert_eq!(shown(|headers| limited.write(headers)), "- | - | 1");
    assert!(
        limits.take(0, Some(&viewer(0))).is_ok(),
        "who is known goes on"
    );
    bench.clock.advance(Duration::from_mins(2));
    assert!(
        limits.take(0, Some(&viewer(3))).is_ok(),
        "swept when needed"
    );
    assert_eq!(bench.registry.len(), 1);
}

#[test]
fn the_tightest_quota_is_shown() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits {
        viewer: per_minute(300),
        tenant: per_minute(3000),
        site: per_minute(2),
        ..SiteLimits::default()
    });
    let viewer = testing::signed("v", Some("acme"));
    let taken = limits.take(0, Some(&viewer)).unwrap();
    assert_eq!(
        shown(|headers| taken.rate().unwrap().write(headers)),
        r#""site";r=1;t=30 | "site";q=2;w=60 | -"#
    );
    let limits = bench.limits(&SiteLimits {
        viewer: per_minute(300),
        ..SiteLimits::default()
    });
    bench.clock.advance(Duration::from_mins(5));
    let taken = limits.take(0, Some(&viewer)).unwrap();
    assert_eq!(
        shown(|headers| taken.rate().unwrap().write(headers)),
        r#""viewer";r=299;t=1 | "viewer";q=300;w=60 | -"#
    );
}

#[test]
fn an_unknown_site_is_refused() {
    let bench = Bench::new(10);
    let limits = bench.limits(&SiteLimits::default());
    assert!(limits.take(0, None).is_ok());
    assert_eq!(
        refusal(limits.take(1, None)),
        Some((Refusal::Overloaded, Scope::Site))
    );
    assert!(limits.address(1, Ipv6Addr::LOCALHOST.into()).is_err());
}

proptest! {
    #[test]
    fn never_more_than_the_quota_and_its_refill(count in 1_u32..50, steps in proptest::collection::vec(0_u64..5_000, 1..200)) {
        let bench = Bench::new(10);
        let limits = bench.limits(&SiteLimits { viewer: per_minute(count), ..SiteLimits::default() });
        let viewer = testing::signed("v", None);
        let (mut passed, mut elapsed) = (0_u64, 0_u64);
        for step in steps {
            bench.clock.advance(Duration::from_millis(step));
            elapsed += step;
            passed += u64::from(limits.take(0, Some(&viewer)).is_ok());
            prop_assert!(passed <= u64::from(count) + elapsed * u64::from(count) / 60_000 + 1, "{passed} after {elapsed} ms");
        }
    }

    #[test]
    fn what_is_in_flight_is_counted_exactly(limit in 1_u32..5, steps in proptest::collection::vec(any::<bool>(), 1..100)) {
        let bench = Bench::new(10);
        let limits = bench.limits(&SiteLimits { in_flight: NonZeroU32::new(limit), ..SiteLimits::default() });
        let viewer = testing::signed("v", None);
        let mut under_way = Vec::new();
        for begin in steps {
            if begin {
                let room = under_way.len() < usize::try_from(limit).unwrap();
                match limits.take(0, Some(&viewer)) {
                    Ok(taken) => { prop_assert!(room); under_way.push(taken); }
                    Err(_) => prop_assert!(!room),
                }
            } else {
                under_way.pop();
            }
        }
    }
}
