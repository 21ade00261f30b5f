//! Counters per site and route, in tables of atomics: a request finds its counter without hashing a label.
//!
//! (The vectors of the metrics library hash their label values one after the other without a separator, so that two
//! different pairs of site and route could share one counter; and they cost more than the rest of the record.)

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus::{
    Histogram, HistogramOpts,
    core::{Collector, Desc, Metric as _},
    proto::{Metric, MetricFamily},
};

use super::{
    family::{Family, float},
    label::{self, LimitScope, STATUS_SLOTS, TokenResult, VERBS, Verb},
};
use crate::gate::{refusal::Refusal, route::Route, site::Site};

/// Latency buckets in seconds: from a cached asset to a heavy BI query.
const BUCKETS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Site and route of requests that matched none.
pub const NONE: &str = "none";

/// The counters of one site, resolved for one generation of its configuration. The numbers outlive it: see [`super::Metrics::for_site`].
#[derive(Debug)]
pub struct SiteMetrics {
    site: Arc<SiteSeries>,
    /// By the address of the route, which stays alive (and so unique) with this table.
    routes: Vec<(usize, Arc<Route>, Arc<RouteSeries>)>,
    issuers: Vec<(Arc<str>, Arc<IssuerSeries>)>,
    unknown_issuer: Arc<IssuerSeries>,
}

impl SiteMetrics {
    /// The site's name.
    pub fn name(&self) -> &Arc<str> {
        &self.site.name
    }

    pub(in crate::observe) fn count(
        &self,
        route: Option<&Arc<Route>>,
        verb: Verb,
        status: u16,
        took: Duration,
    ) {
        let Some(route) = route else {
            return self.site.unmatched.count(verb, status, took);
        };
        let address = Arc::as_ptr(route).addr();
        match self
            .routes
            .binary_search_by_key(&address, |(address, ..)| *address)
            .ok()
            .and_then(|at| self.routes.get(at))
        {
            Some((.., series)) => series.count(verb, status, took),
            None => self.site.route(&route.name).count(verb, status, took),
        }
    }

    pub(in crate::observe) fn refused(&self, refusal: Refusal) {
        add(&self.site.refusals, refusal_index(refusal));
    }

    pub(in crate::observe) fn limited(&self, scope: LimitScope) {
        add(&self.site.limited, scope.index());
    }

    pub(in crate::observe) fn upstream_took(&self, took: Duration) {
        observe(&self.site.upstream, took);
    }

    /// Counts a judged token. Of a token that was refused nobody knows the issuer, unless the site has but one.
    pub(in crate::observe) fn token(&self, issuer: Option<&str>, result: TokenResult) {
        let found = match (issuer, self.issuers.as_slice()) {
            (Some(issuer), all) => all
                .iter()
                .find(|(known, _)| &**known == issuer)
                .map(|(_, series)| series),
            (None, [(_, only)]) => Some(only),
            (None, _) => None,
        };
        add(
            &found.unwrap_or(&self.unknown_issuer).results,
            result.index(),
        );
    }
}

/// All series of all sites that ever were.
#[derive(Debug)]
pub(super) struct Series {
    sites: Mutex<BTreeMap<Arc<str>, Arc<SiteSeries>>>,
    issuers: Mutex<BTreeMap<Arc<str>, Arc<IssuerSeries>>>,
    families: Families,
}

#[derive(Debug)]
struct Families {
    requests: Family,
    durations: Family,
    upstream: Family,
    refusals: Family,
    limited: Family,
    tokens: Family,
}

impl Series {
    pub(super) fn new() -> prometheus::Result<Self> {
        let families = Families {
            requests: Family::counter(
                "requests_total",
                "Requests by site, route, method and status (499: the client hung up first).",
                &["site", "route", "method", "status"],
            )?,
            durations: Family::histogram(
                "request_duration_seconds",
                "Time from the request's head to the end of its response.",
                &["site", "route"],
            )?,
            upstream: Family::histogram(
                "upstream_duration_seconds",
                "Time until the upstream's response head.",
                &["site"],
            )?,
            refusals: Family::counter(
                "refusals_total",
                "Requests turned away, by refusal code.",
                &["site", "code"],
            )?,
            limited: Family::counter(
                "rate_limited_total",
                "Requests turned away by a limit, by its scope.",
                &["site", "scope"],
            )?,
            tokens: Family::counter(
                "token_verifications_total",
                "Viewer tokens judged, by issuer and result.",
                &["issuer", "result"],
            )?,
        };
        Ok(Self {
            sites: Mutex::default(),
            issuers: Mutex::default(),
            families,
        })
    }

    pub(super) fn for_site(&self, site: &Site) -> SiteMetrics {
        let series = self.site(&site.name);
        let mut routes: Vec<_> = site
            .surface
            .routes()
            .iter()
            .map(|route| {
                (
                    Arc::as_ptr(route).addr(),
                    Arc::clone(route),
                    series.route(&route.name),
                )
            })
            .collect();
        routes.sort_by_key(|(address, ..)| *address);
        let issuers = site
            .issuers
            .iter()
            .map(|issuer| (Arc::clone(&issuer.name), self.issuer(&issuer.name)))
            .collect();
        SiteMetrics {
            site: series,
            routes,
            issuers,
            unknown_issuer: self.issuer(NONE),
        }
    }

    pub(super) fn for_none(&self) -> SiteMetrics {
        SiteMetrics {
            site: self.site(NONE),
            routes: Vec::new(),
            issuers: Vec::new(),
            unknown_issuer: self.issuer(NONE),
        }
    }

    fn site(&self, name: &str) -> Arc<SiteSeries> {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sites.get(name) {
            return Arc::clone(known);
        }
        let fresh = Arc::new(SiteSeries::new(name));
        sites.insert(name.into(), Arc::clone(&fresh));
        fresh
    }

    fn issuer(&self, name: &str) -> Arc<IssuerSeries> {
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = issuers.get(name) {
            return Arc::clone(known);
        }
        let fresh: Arc<IssuerSeries> = Arc::default();
        issuers.insert(name.into(), Arc::clone(&fresh));
        fresh
    }

    fn tokens(&self) -> Vec<Metric> {
        let issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut samples = Vec::new();
        for (name, series) in issuers.iter() {
            for (result, count) in TokenResult::ALL.iter().zip(&series.results) {
                samples.push(
                    self.families
                        .tokens
                        .sample(&[name, result.label()], load(count)),
                );
            }
        }
        samples
    }
}

impl Collector for Series {
    fn desc(&self) -> Vec<&Desc> {
        let Families {
            requests,
            durations,
            upstream,
            refusals,
            limited,
            tokens,
        } = &self.families;
        [requests, durations, upstream, refusals, limited, tokens]
            .map(|family| &family.desc)
            .to_vec()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let of = &self.families;
        let (mut requests, mut durations, mut upstream, mut refusals, mut limited) =
            (vec![], vec![], vec![], vec![], vec![]);
        let sites: Vec<Arc<SiteSeries>> = self
            .sites
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        for site in &sites {
            site.each_route(|route| {
                route.collect(&of.requests, &site.name, &mut requests);
                if let Some(Some(histogram)) = route.durations.get() {
                    durations.push(
                        of.durations
                            .labelled(histogram.metric(), &[&site.name, &route.name]),
                    );
                }
            });
            if let Some(Some(histogram)) = site.upstream.get() {
                upstream.push(of.upstream.labelled(histogram.metric(), &[&site.name]));
            }
            for (refusal, count) in Refusal::ALL.iter().zip(&site.refusals) {
                refusals.push(
                    of.refusals
                        .sample(&[&site.name, refusal.code()], load(count)),
                );
            }
            for (scope, count) in LimitScope::ALL.iter().zip(&site.limited) {
                limited.push(of.limited.sample(&[&site.name, scope.label()], load(count)));
            }
        }
        vec![
            of.requests.with(requests),
            of.durations.with(durations),
            of.upstream.with(upstream),
            of.refusals.with(refusals),
            of.limited.with(limited),
            of.tokens.with(self.tokens()),
        ]
    }
}

#[derive(Debug)]
struct SiteSeries {
    name: Arc<str>,
    routes: RwLock<BTreeMap<Arc<str>, Arc<RouteSeries>>>,
    unmatched: Arc<RouteSeries>,
    upstream: OnceLock<Option<Histogram>>,
    refusals: [AtomicU64; Refusal::ALL.len()],
    limited: [AtomicU64; LimitScope::ALL.len()],
}

impl SiteSeries {
    fn new(name: &str) -> Self {
        let unmatched = Arc::new(RouteSeries::new(NONE));
        Self {
            name: name.into(),
            routes: RwLock::new(BTreeMap::from([(NONE.into(), Arc::clone(&unmatched))])),
            unmatched,
            upstream: OnceLock::new(),
            refusals: [const { AtomicU64::new(0) }; Refusal::ALL.len()],
            limited: [const { AtomicU64::new(0) }; LimitScope::ALL.len()],
        }
    }

    fn route(&self, name: &str) -> Arc<RouteSeries> {
        if let Some(known) = self
            .routes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
        {
            return Arc::clone(known);
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            routes
                .entry(name.into())
                .or_insert_with(|| Arc::new(RouteSeries::new(name))),
        )
    }

    fn each_route(&self, see: impl FnMut(&Arc<RouteSeries>)) {
        self.routes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .for_each(see);
    }
}

#[derive(Debug, Default)]
struct IssuerSeries {
    results: [AtomicU64; TokenResult::ALL.len()],
}

/// One route: counters per method are made when the first such request comes, ten thousand unused routes cost little.
#[derive(Debug)]
struct RouteSeries {
    name: Arc<str>,
    counts: [OnceLock<Box<[AtomicU64; STATUS_SLOTS]>>; VERBS.len()],
    durations: OnceLock<Option<Histogram>>,
}

impl RouteSeries {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            counts: [const { OnceLock::new() }; VERBS.len()],
            durations: OnceLock::new(),
        }
    }

    fn count(&self, verb: Verb, status: u16, took: Duration) {
        if let Some(cell) = self.counts.get(verb.index()) {
            let statuses =
                cell.get_or_init(|| Box::new([const { AtomicU64::new(0) }; STATUS_SLOTS]));
            add(statuses.as_slice(), label::status_slot(status));
        }
        observe(&self.durations, took);
    }

    fn collect(&self, family: &Family, site: &str, samples: &mut Vec<Metric>) {
        for (verb, cell) in VERBS.iter().zip(&self.counts) {
            for (slot, count) in cell
                .get()
                .into_iter()
                .flat_map(|statuses| statuses.iter())
                .enumerate()
            {
                if count.load(Ordering::Relaxed) > 0 {
                    samples.push(family.sample(
                        &[site, &self.name, verb, &label::status_label(slot)],
                        load(count),
                    ));
                }
            }
        }
    }
}

fn observe(cell: &OnceLock<Option<Histogram>>, took: Duration) {
    let fresh = || {
        Histogram::with_opts(HistogramOpts::new("duration", "duration").buckets(BUCKETS.to_vec()))
            .ok()
    };
    if let Some(histogram) = cell.get_or_init(fresh) {
        histogram.observe(took.as_secs_f64());
    }
}

fn add(counts: &[AtomicU64], at: usize) {
    if let Some(count) = counts.get(at) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn load(count: &AtomicU64) -> f64 {
    float(count.load(Ordering::Relaxed))
}

#[expect(
    clippy::as_conversions,
    reason = "the discriminant of an enum without fields, declared in the order of ALL"
)]
const fn refusal_index(refusal: Refusal) -> usize {
    refusal as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_declared_in_the_order_of_the_list() {
        assert!(
            Refusal::ALL
                .iter()
                .enumerate()
                .all(|(at, refusal)| refusal_index(*refusal) == at)
        );
    }
}
