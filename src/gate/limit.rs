//! Limits: per address before any signature is checked, then per viewer, tenant and site, and requests in flight per viewer.
//!
//! A [`Registry`] lives as long as the process and remembers who asked how often; [`Limits`] is one configuration's view of it,
//! so that a reload forgets nothing. Keys are 64-bit keyed hashes, never names: memory is bounded, and nobody can aim for another's key.

mod flight;
mod headers;
mod rate;
mod registry;
mod shared;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::clock::{Clock, DefaultClock};

pub use flight::InFlight;
pub use headers::RateInfo;
pub use registry::{Registry, SiteLimiters};
pub use shared::{Due, SharedLimits, Verdict};

use self::rate::{Exceeded, Rate};
use super::{policy::Permit, refusal::Refusal, token::Signed};

/// `300/min`: so many in a period, with a burst of the same size.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Quota {
    /// Requests.
    pub count: NonZeroU32,
    /// Period.
    pub period: Duration,
}

/// The limits of one site; `None` is unlimited.
#[derive(Clone, Debug, Default)]
pub struct SiteLimits {
    /// Per client address (IPv6: per /64), before verification.
    pub address: Option<Quota>,
    /// Per viewer.
    pub viewer: Option<Quota>,
    /// Per tenant.
    pub tenant: Option<Quota>,
    /// The site as a whole.
    pub site: Option<Quota>,
    /// Concurrent requests per viewer.
    pub in_flight: Option<NonZeroU32>,
    /// Open `WebSockets` per viewer, which do not count as requests under way.
    pub websockets: Option<NonZeroU32>,
}

/// Whose quota is meant; a closed set (metric label `scope`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// One client address.
    Address,
    /// One site.
    Site,
    /// One tenant.
    Tenant,
    /// One viewer.
    Viewer,
}

impl Scope {
    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Site => "site",
            Self::Tenant => "tenant",
            Self::Viewer => "viewer",
        }
    }
}

/// The limits of all sites of one configuration, resolved: no look-up by name, no allocation per request.
pub struct Limits<C: Clock = DefaultClock> {
    sites: Vec<SiteLimiters<C>>,
}

/// The proof that a request passed every check and every limit; it counts as under way until it is dropped. [`Limits::admit`] alone makes it.
#[derive(Debug)]
pub struct Admitted {
    permit: Permit,
    taken: Taken,
}

/// What was taken from the limits for one request; what is in flight is given back on drop.
#[derive(Debug)]
pub struct Taken {
    #[expect(dead_code, reason = "it counts until it is dropped")]
    in_flight: Option<InFlight>,
    rate: Option<RateInfo>,
}

/// A limit is reached.
#[derive(Clone, Debug)]
pub struct Limited {
    /// `rate_limited`, `in_flight_limited` or `overloaded`.
    pub refusal: Refusal,
    /// Whose limit.
    pub scope: Scope,
    /// When to come back.
    pub retry_after: Duration,
    /// The limit that was reached; `None` where there was no room to keep count.
    pub rate: Option<RateInfo>,
}

impl Admitted {
    /// What was permitted.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The tightest of the quotas that were charged.
    pub fn rate(&self) -> Option<&RateInfo> {
        self.taken.rate.as_ref()
    }

    /// Takes it apart; the request counts as under way until the second part is dropped (keep it with the response body).
    pub fn into_parts(self) -> (Permit, Taken) {
        (self.permit, self.taken)
    }
}

impl Taken {
    /// The tightest of the quotas that were charged.
    pub fn rate(&self) -> Option<&RateInfo> {
        self.rate.as_ref()
    }
}

impl<C: Clock> Limits<C> {
    /// Of all sites, in the order of [`super::site::Site::index`].
    pub fn new(sites: Vec<SiteLimiters<C>>) -> Self {
        Self { sites }
    }

    /// Charges the client's address, before anything is verified.
    ///
    /// # Errors
    /// The address, or the table of addresses, is at its limit.
    pub fn address(&self, site: usize, client: IpAddr) -> Result<(), Limited> {
        let limiters = self.limiters(site, Scope::Address)?;
        let Some(rate) = &limiters.address else {
            return Ok(());
        };
        let key = limiters.hash(network(client));
        rate.charge(key)
            .map(drop)
            .map_err(|exceeded| Limited::of(Scope::Address, exceeded))
    }

    /// Counts a permitted request as under way, before anything else is charged.
    ///
    /// # Errors
    /// The viewer has as many requests under way as there may be.
    pub fn enter(&self, permit: &Permit) -> Result<Option<InFlight>, Limited> {
        let limiters = self.limiters(permit.site().index, Scope::Site)?;
        permit.viewer().map_or(Ok(None), |viewer| {
            limiters.enter(&viewer.signed, permit.opens_websocket())
        })
    }

    /// Charges a permitted request that [entered](Self::enter). Public routes are charged to the site alone. One whose token is still to be burnt is not
    /// let through, whoever forgot to ask.
    ///
    /// Where all gateways together let it pass, that is the verdict; it is counted here all the same, for the time when they cannot be asked.
    ///
    /// # Errors
    /// A limit is reached. What was charged before it stays charged (narrowest first: a greedy viewer cannot drain the tenant's quota).
    pub fn admit(
        &self,
        permit: Permit,
        in_flight: Option<InFlight>,
        verdict: Verdict,
    ) -> Result<Admitted, Limited> {
        if permit.burning().is_some() {
            return Err(Limited::of(Scope::Viewer, Exceeded::Full));
        }
        let limiters = self.limiters(permit.site().index, Scope::Site)?;
        let viewer = permit.viewer().map(|viewer| &*viewer.signed);
        let alone = limiters.charge(viewer);
        let rate = match verdict {
            Verdict::Alone => alone?,
            Verdict::Passed(rate) => rate,
        };
        let taken = Taken { in_flight, rate };
        Ok(Admitted { permit, taken })
    }

    /// Both at one gateway alone.
    ///
    /// # Errors
    /// As [`Self::enter`] and [`Self::admit`].
    pub fn charge(&self, permit: Permit) -> Result<Admitted, Limited> {
        let in_flight = self.enter(&permit)?;
        self.admit(permit, in_flight, Verdict::Alone)
    }

    /// What [`Self::charge`] does for an ordinary request, without the proof.
    ///
    /// # Errors
    /// As [`Self::charge`].
    pub fn take(&self, site: usize, viewer: Option<&Signed>) -> Result<Taken, Limited> {
        let limiters = self.limiters(site, Scope::Site)?;
        let in_flight = viewer.map_or(Ok(None), |signed| limiters.enter(signed, false))?;
        let rate = limiters.charge(viewer)?;
        Ok(Taken { in_flight, rate })
    }

    /// A site that is not there has no limits to trust: refused.
    fn limiters(&self, site: usize, scope: Scope) -> Result<&SiteLimiters<C>, Limited> {
        self.sites
            .get(site)
            .ok_or_else(|| Limited::of(scope, Exceeded::Full))
    }
}

impl<C: Clock> SiteLimiters<C> {
    fn enter(&self, signed: &Signed, websocket: bool) -> Result<Option<InFlight>, Limited> {
        let Some((limit, flights)) = self.under_way(websocket) else {
            return Ok(None);
        };
        let entered = flights.enter(self.viewer_key(signed), *limit);
        entered.map(Some).ok_or_else(|| Limited::in_flight(*limit))
    }

    /// The tightest of the quotas that were charged.
    fn charge(&self, viewer: Option<&Signed>) -> Result<Option<RateInfo>, Limited> {
        let mut tightest: Option<RateInfo> = None;
        let mut charge = |rate: &Rate<C>, key, scope| {
            let info = rate
                .charge(key)
                .map_err(|exceeded| Limited::of(scope, exceeded))?;
            if tightest
                .as_ref()
                .is_none_or(|known| info.is_tighter_than(known))
            {
                tightest = Some(info);
            }
            Ok(())
        };
        if let Some(signed) = viewer {
            if let Some(rate) = &self.viewer {
                charge(rate, self.viewer_key(signed), Scope::Viewer)?;
            }
            if let (Some(rate), Some(tenant)) = (&self.tenant, signed.claims().tenant.as_deref()) {
                charge(rate, self.hash(tenant), Scope::Tenant)?;
            }
        }
        if let Some(rate) = &self.site {
            charge(rate, 0, Scope::Site)?;
        }
        Ok(tightest)
    }

    /// Two people may have one `sub` at different issuers, or in different tenants.
    fn viewer_key(&self, signed: &Signed) -> u64 {
        let claims = signed.claims();
        self.hash((
            &*signed.issuer().name,
            claims.tenant.as_deref(),
            &*claims.viewer,
        ))
    }
}

impl Limited {
    fn of(scope: Scope, exceeded: Exceeded) -> Self {
        match exceeded {
            Exceeded::Full => Self {
                refusal: Refusal::Overloaded,
                scope,
                retry_after: Duration::from_secs(1),
                rate: None,
            },
            Exceeded::Until(wait, rate) => Self {
                refusal: Refusal::RateLimited,
                scope,
                retry_after: wait,
                rate: Some(rate),
            },
        }
    }

    fn in_flight(limit: NonZeroU32) -> Self {
        Self {
            refusal: Refusal::InFlightLimited,
            scope: Scope::Viewer,
            retry_after: Duration::from_secs(1),
            rate: Some(RateInfo::in_flight(limit)),
        }
    }
}

/// An address as it is counted: IPv4 alone, IPv6 by its /64 (one subscriber); an IPv4-mapped address is IPv4.
fn network(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(v4) => u64::from(u32::from(v4)) | 1 << 63 | 1 << 32,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            [a, b, c, d]
                .into_iter()
                .fold(0, |bits, segment| bits << 16 | u64::from(segment))
        }
    }
}
