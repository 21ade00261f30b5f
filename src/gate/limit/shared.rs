//! Quotas that gateways count together: viewer, tenant and site, of requests that have a viewer. Addresses are counted by each gateway, before
//! anything is verified, and so are the requests in flight.

use std::time::Duration;

use http::HeaderValue;
use smallvec::SmallVec;

use super::{Limited, Quota, RateInfo, Scope, SiteLimits};
use crate::gate::{
    cluster::{Ask, Counter, Names, Pace, Turn},
    refusal::Refusal,
    token::Signed,
};

/// The quotas of all sites of one configuration. No `Debug`: it holds keys.
pub struct SharedLimits {
    sites: Vec<SharedSite>,
}

struct SharedSite {
    viewer: Option<SharedRate>,
    tenant: Option<SharedRate>,
    /// With the one key that is charged.
    site: Option<(SharedRate, String)>,
}

struct SharedRate {
    scope: Scope,
    pace: Pace,
    policy: HeaderValue,
    counter: Counter,
}

/// What one request is to be charged to, narrowest first.
#[derive(Default)]
pub struct Due<'a>(SmallVec<[(&'a SharedRate, String); 3]>);

/// Who decided about the rate of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// All gateways together; the tightest of the quotas that were charged.
    Passed(Option<RateInfo>),
    /// Nobody was asked, or nobody answered: this gateway alone decides.
    Alone,
}

impl SharedLimits {
    /// Of all sites with their names, in the order of [`Site::index`](crate::gate::site::Site::index).
    pub fn new<'a>(names: &Names, sites: impl Iterator<Item = (&'a str, &'a SiteLimits)>) -> Self {
        let sites = sites.map(|(name, limits)| {
            let SiteLimits {
                address: _,
                viewer,
                tenant,
                site,
                in_flight: _,
                websockets: _,
            } = limits;
            let rate = |scope, quota: &Option<Quota>| {
                quota.map(|quota| SharedRate {
                    scope,
                    pace: Pace::of(quota),
                    policy: RateInfo::policy_of(scope, quota),
                    counter: names.counter(name, scope, quota),
                })
            };
            SharedSite {
                viewer: rate(Scope::Viewer, viewer),
                tenant: rate(Scope::Tenant, tenant),
                site: rate(Scope::Site, site).map(|rate| {
                    let key = rate.counter.of(&[]);
                    (rate, key)
                }),
            }
        });
        Self {
            sites: sites.collect(),
        }
    }

    /// What a viewer's request at a site is charged to.
    pub fn due(&self, site: usize, viewer: &Signed) -> Due<'_> {
        let mut due = Due::default();
        let Some(quotas) = self.sites.get(site) else {
            return due;
        };
        let claims = viewer.claims();
        if let Some(rate) = &quotas.viewer {
            // Two people may have one `sub` at different issuers, or in different tenants.
            let who = [
                Some(&*viewer.issuer().name),
                claims.tenant.as_deref(),
                Some(&*claims.viewer),
            ];
            due.0.push((rate, rate.counter.of(&who)));
        }
        if let (Some(rate), Some(tenant)) = (&quotas.tenant, claims.tenant.as_deref()) {
            due.0.push((rate, rate.counter.of(&[Some(tenant)])));
        }
        if let Some((rate, key)) = &quotas.site {
            due.0.push((rate, key.clone()));
        }
        due
    }
}

impl Due<'_> {
    /// Adds the charges to what is asked.
    pub fn put(&self, ask: &mut Ask) {
        for (rate, key) in &self.0 {
            ask.charge(key, rate.pace);
        }
    }

    /// Whether there is nothing to charge.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first key for which `left` knows how long it is refused still, as the refusal that it would get again.
    ///
    /// # Errors
    /// There is one.
    pub fn known(&self, left: impl Fn(&str) -> Option<Duration>) -> Result<(), Limited> {
        let refused = |(rate, key): &(&SharedRate, String)| Some(rate.refused(left(key)?));
        self.0.iter().find_map(refused).map_or(Ok(()), Err)
    }

    /// The verdict of all gateways together. `remember` is told which key was refused, and for how long.
    ///
    /// # Errors
    /// A quota is exhausted; those before it stay charged.
    pub fn judge(
        &self,
        turns: &[Turn],
        mut remember: impl FnMut(&str, Duration),
    ) -> Result<Verdict, Limited> {
        let mut tightest: Option<RateInfo> = None;
        for ((rate, key), turn) in self.0.iter().zip(turns) {
            let info = match *turn {
                Turn::Passed(debt) => rate.info(rate.pace.remaining(debt)),
                Turn::Refused(wait) => {
                    let wait = Duration::from_micros(wait);
                    remember(key, wait);
                    return Err(rate.refused(wait));
                }
            };
            if tightest
                .as_ref()
                .is_none_or(|known| info.is_tighter_than(known))
            {
                tightest = Some(info);
            }
        }
        Ok(Verdict::Passed(tightest))
    }
}

impl SharedRate {
    fn info(&self, remaining: u32) -> RateInfo {
        RateInfo {
            name: self.scope.label(),
            policy: self.policy.clone(),
            remaining,
            reset: self.pace.reset(remaining),
        }
    }

    fn refused(&self, wait: Duration) -> Limited {
        Limited {
            refusal: Refusal::RateLimited,
            scope: self.scope,
            retry_after: wait,
            rate: Some(self.info(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::gate::token::testing;

    #[expect(clippy::unnecessary_wraps, reason = "as it stands in `SiteLimits`")]
    fn per_minute(count: u32) -> Option<Quota> {
        Some(Quota {
            count: NonZeroU32::new(count).unwrap(),
            period: Duration::from_mins(1),
        })
    }

    fn shared() -> SharedLimits {
        let all = SiteLimits {
            viewer: per_minute(3),
            tenant: per_minute(30),
            site: per_minute(60),
            ..SiteLimits::default()
        };
        let names = Names::new("t", b"secret").unwrap();
        SharedLimits::new(
            &names,
            [("all", &all), ("none", &SiteLimits::default())].into_iter(),
        )
    }

    fn asked(due: &Due<'_>) -> Ask {
        let mut ask = Ask::nothing();
        due.put(&mut ask);
        ask
    }

    #[test]
    fn a_request_is_charged_to_its_viewer_its_tenant_and_the_site() {
        let shared = shared();
        let keys = |site, viewer: &str, tenant| {
            asked(&shared.due(site, &testing::signed(viewer, tenant)))
                .keys()
                .to_vec()
        };
        let [ada, bob] = ["ada", "bob"].map(|viewer| keys(0, viewer, Some("acme")));
        assert_eq!(ada.len(), 3);
        assert_ne!(ada[0], bob[0]);
        assert_eq!(ada[1..], bob[1..]);
        assert_ne!(keys(0, "ada", Some("umbrella"))[..2], ada[..2]);
        assert_eq!(
            keys(0, "ada", None).len(),
            2,
            "no tenant, nothing to charge"
        );
        assert!(keys(1, "ada", None).is_empty() && keys(2, "ada", None).is_empty());
    }

    #[test]
    fn the_tightest_quota_is_told_and_the_first_refusal_counts() {
        let shared = shared();
        let viewer = testing::signed("ada", Some("acme"));
        let due = shared.due(0, &viewer);
        let passed = [Turn::Passed(20_000_000), Turn::Passed(2), Turn::Passed(1)];
        let Ok(Verdict::Passed(Some(rate))) = due.judge(&passed, |_, _| panic!()) else {
            panic!();
        };
        assert_eq!((rate.name, rate.remaining()), ("viewer", 2));
        assert_eq!(rate.reset, Duration::from_secs(20));
        let mut told = None;
        let limited = due
            .judge(
                &[Turn::Passed(20_000_000), Turn::Refused(1_500_000)],
                |key, wait| told = Some((key.to_owned(), wait)),
            )
            .unwrap_err();
        assert_eq!(
            (limited.refusal, limited.scope, limited.retry_after),
            (
                Refusal::RateLimited,
                Scope::Tenant,
                Duration::from_millis(1500)
            )
        );
        let (key, wait) = told.unwrap();
        assert_eq!(wait, limited.retry_after);
        assert_eq!(key, asked(&due).keys()[1]);
        let known = due.known(|other| (other == key).then_some(Duration::from_secs(1)));
        assert_eq!(known.unwrap_err().scope, Scope::Tenant);
        assert!(due.known(|_| None).is_ok());
    }
}
