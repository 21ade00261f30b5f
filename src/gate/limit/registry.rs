//! Who asked how often, for the life of the process: limiters by site, scope and quota.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use governor::clock::{Clock, DefaultClock};

use super::{Quota, Scope, SiteLimits, flight::Flights, rate::Rate};

/// All limiters. A configuration takes the ones it needs; one with another quota begins anew, all others go on counting.
pub struct Registry<C: Clock = DefaultClock> {
    limiters: Mutex<Limiters<C>>,
    clock: C,
    capacity: usize,
    hasher: RandomState,
}

struct Limiters<C: Clock> {
    rates: HashMap<(Box<str>, Scope, Quota), Arc<Rate<C>>>,
    flights: HashMap<Box<str>, Arc<Flights>>,
    websockets: HashMap<Box<str>, Arc<Flights>>,
}

/// The limiters of one site, resolved once per configuration.
pub struct SiteLimiters<C: Clock = DefaultClock> {
    pub(super) address: Option<Arc<Rate<C>>>,
    pub(super) viewer: Option<Arc<Rate<C>>>,
    pub(super) tenant: Option<Arc<Rate<C>>>,
    pub(super) site: Option<Arc<Rate<C>>>,
    pub(super) in_flight: Option<Bounded>,
    pub(super) websockets: Option<Bounded>,
    hasher: RandomState,
}

/// How many at once, and who has how many.
pub(super) type Bounded = (NonZeroU32, Arc<Flights>);

impl<C: Clock> SiteLimiters<C> {
    /// What bounds what a viewer has under way at once: requests, or `WebSockets`.
    pub(super) fn under_way(&self, websocket: bool) -> Option<&Bounded> {
        if websocket {
            self.websockets.as_ref()
        } else {
            self.in_flight.as_ref()
        }
    }

    /// A key: unpredictable from outside, the same for all limiters of the process.
    pub(super) fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }
}

impl<C: Clock + Clone> Registry<C> {
    /// An empty registry. `capacity` is the most keys that one limiter remembers (a million: some 40 MB).
    pub fn new(capacity: usize, clock: C) -> Self {
        let limiters = Mutex::new(Limiters {
            rates: HashMap::new(),
            flights: HashMap::new(),
            websockets: HashMap::new(),
        });
        Self {
            limiters,
            clock,
            capacity,
            hasher: RandomState::new(),
        }
    }

    /// The limiters of a site.
    pub fn site(&self, name: &str, limits: &SiteLimits) -> SiteLimiters<C> {
        let SiteLimits {
            address,
            viewer,
            tenant,
            site,
            in_flight,
            websockets,
        } = limits;
        let mut limiters = self.lock();
        let mut rate = |scope, quota: &Option<Quota>| {
            quota.map(|quota| self.rate(&mut limiters, name, scope, quota))
        };
        let (address, viewer) = (rate(Scope::Address, address), rate(Scope::Viewer, viewer));
        let (tenant, site) = (rate(Scope::Tenant, tenant), rate(Scope::Site, site));
        let of = |flights: &mut HashMap<Box<str>, Arc<Flights>>, limit: &Option<NonZeroU32>| {
            limit.map(|limit| (limit, flights_of(flights, name)))
        };
        let in_flight = of(&mut limiters.flights, in_flight);
        let websockets = of(&mut limiters.websockets, websockets);
        SiteLimiters {
            address,
            viewer,
            tenant,
            site,
            in_flight,
            websockets,
            hasher: self.hasher.clone(),
        }
    }

    fn rate(
        &self,
        limiters: &mut Limiters<C>,
        name: &str,
        scope: Scope,
        quota: Quota,
    ) -> Arc<Rate<C>> {
        let new = || Arc::new(Rate::new(scope, quota, self.capacity, self.clock.clone()));
        Arc::clone(
            limiters
                .rates
                .entry((name.into(), scope, quota))
                .or_insert_with(new),
        )
    }
}

impl<C: Clock> Registry<C> {
    /// Forgets keys whose quota is whole again, and limiters that no configuration uses. For a background task, every few seconds.
    pub fn shrink(&self) {
        let rates: Vec<_> = {
            let mut limiters = self.lock();
            limiters.rates.retain(|_, rate| Arc::strong_count(rate) > 1);
            let limiters = &mut *limiters;
            for flights in [&mut limiters.flights, &mut limiters.websockets] {
                flights.retain(|_, flights| Arc::strong_count(flights) > 1);
            }
            limiters.rates.values().map(Arc::clone).collect()
        };
        for rate in &rates {
            rate.shrink();
        }
    }

    /// How many keys each rate limiter remembers: site, scope, keys.
    pub fn sizes(&self) -> Vec<(Box<str>, Scope, usize)> {
        let limiters = self.lock();
        let rates = limiters.rates.iter();
        rates
            .map(|((site, scope, _), rate)| (site.clone(), *scope, rate.len()))
            .collect()
    }

    /// How many keys all limiters remember.
    pub fn len(&self) -> usize {
        let limiters = self.lock();
        let rates: usize = limiters.rates.values().map(|rate| rate.len()).sum();
        let flights = limiters.flights.values();
        flights
            .chain(limiters.websockets.values())
            .map(|flights| flights.len())
            .sum::<usize>()
            .saturating_add(rates)
    }

    /// Whether no limiter remembers anybody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// (A thread that panicked inside left whole maps behind: the lock stays usable.)
    fn lock(&self) -> MutexGuard<'_, Limiters<C>> {
        self.limiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn flights_of(flights: &mut HashMap<Box<str>, Arc<Flights>>, site: &str) -> Arc<Flights> {
    let flights = flights.entry(site.into());
    Arc::clone(flights.or_insert_with(|| Arc::new(Flights::new())))
}

impl Registry {
    /// A registry on the real clock (governor's own, monotonic) with room for a million keys per limiter.
    pub fn with_real_clock() -> Self {
        Self::new(CAPACITY, DefaultClock::default())
    }
}

/// The most keys per limiter, unless configured.
const CAPACITY: usize = 1_000_000;
