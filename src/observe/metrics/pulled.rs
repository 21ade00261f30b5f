//! Figures that others keep and that are read when somebody scrapes; and the facts of the running configuration.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};

use super::{
    cluster::{ClusterFamilies, ClusterFigures},
    family::{Family, float},
    label::LimitScope,
};

/// What the verification cache has to tell.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CacheFigures {
    /// Verifications remembered.
    pub entries: u64,
    /// Lookups that found one, since the start of the process.
    pub hits: u64,
    /// Lookups that did not, since the start of the process.
    pub misses: u64,
}

/// The size of one limit's table: site, scope, keys.
pub type LimitKeys = (Arc<str>, LimitScope, u64);

/// A site, and whether its upstream could be reached.
pub type Reachable = (Arc<str>, bool);

/// A figure that is read at scrape time. It is called on the admin thread and must not block.
pub type Source<T> = Box<dyn Fn() -> T + Send + Sync>;

/// Where the figures are read that others keep.
#[derive(Default)]
pub struct Sources {
    /// The verification cache.
    pub cache: Option<Source<CacheFigures>>,
    /// How it stands with Redis; nothing where nothing is shared.
    pub cluster: Option<Source<Option<ClusterFigures>>>,
    /// Open connections on the public listener.
    pub connections: Option<Source<u64>>,
    /// TLS handshakes by result, since the start of the process.
    pub handshakes: Option<Source<[(&'static str, u64); 3]>>,
    /// The keys of every issuer.
    pub issuers: Option<Source<Vec<IssuerKeys>>>,
    /// Keys in the tables of the limits.
    pub limit_keys: Option<Source<Vec<LimitKeys>>>,
    /// Revocations in force.
    pub revocations: Option<Source<u64>>,
    /// Whether each site's upstream could be reached the last time it was tried.
    pub upstreams: Option<Source<Vec<Reachable>>>,
    /// Open `WebSockets`.
    pub websockets: Option<Source<u64>>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// What the metrics tell of the configuration in force.
#[derive(Clone, Debug, Default)]
pub struct ConfigFacts {
    /// Certificates by name, with the end of their validity (Unix seconds).
    pub certificates: Vec<(Arc<str>, i64)>,
    /// How many `danger_` settings are set.
    pub dangers: u64,
}

/// The keys of one issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerKeys {
    /// Its name.
    pub issuer: Arc<str>,
    /// How many keys it has now.
    pub keys: u64,
    /// Where they are fetched: how many fetches had each result, since the start of the process.
    pub fetches: Vec<(&'static str, u64)>,
    /// When they were last fetched or found unchanged (Unix seconds).
    pub fetched: Option<i64>,
}

/// The collector of both.
#[derive(Debug)]
pub(super) struct Pulled {
    sources: Mutex<Sources>,
    facts: Mutex<ConfigFacts>,
    families: Families,
    cluster: ClusterFamilies,
}

#[derive(Debug)]
struct Families {
    cache_entries: Family,
    cache_hits: Family,
    cache_misses: Family,
    certificates: Family,
    connections: Family,
    dangers: Family,
    handshakes: Family,
    issuer_keys: Family,
    key_fetches: Family,
    keys_fetched: Family,
    limit_keys: Family,
    revocations: Family,
    upstream_up: Family,
    websockets: Family,
}

impl Pulled {
    pub(super) fn new() -> prometheus::Result<Self> {
        let families = Families {
            cache_entries: Family::gauge(
                "verification_cache_entries",
                "Token verifications remembered.",
                &[],
            )?,
            cache_hits: Family::counter(
                "verification_cache_hits_total",
                "Tokens whose verification was remembered.",
                &[],
            )?,
            cache_misses: Family::counter(
                "verification_cache_misses_total",
                "Tokens that had to be verified.",
                &[],
            )?,
            certificates: Family::gauge(
                "certificate_expiry_timestamp_seconds",
                "When a certificate of the listener ends to be valid, in Unix time.",
                &["name"],
            )?,
            connections: Family::gauge(
                "connections",
                "Open connections on the public listener.",
                &[],
            )?,
            dangers: Family::gauge(
                "danger_settings",
                "Settings in force that weaken a guarantee (danger_…).",
                &[],
            )?,
            handshakes: Family::counter(
                "tls_handshakes_total",
                "TLS handshakes, by result.",
                &["result"],
            )?,
            issuer_keys: Family::gauge("issuer_keys", "Keys of an issuer.", &["issuer"])?,
            key_fetches: Family::counter(
                "issuer_key_fetches_total",
                "Fetches of an issuer's keys, by result.",
                &["issuer", "result"],
            )?,
            keys_fetched: Family::gauge(
                "issuer_keys_last_fetch_timestamp_seconds",
                "When an issuer's keys were last fetched or found unchanged, in Unix time.",
                &["issuer"],
            )?,
            limit_keys: Family::gauge(
                "limit_keys",
                "Keys in the table of a limit.",
                &["site", "scope"],
            )?,
            revocations: Family::gauge("revocations", "Revocations in force.", &[])?,
            upstream_up: Family::gauge(
                "upstream_up",
                "Whether the upstream of a site could be reached when last tried.",
                &["site"],
            )?,
            websockets: Family::gauge("websockets", "Open WebSockets.", &[])?,
        };
        Ok(Self {
            sources: Mutex::default(),
            facts: Mutex::default(),
            families,
            cluster: ClusterFamilies::new()?,
        })
    }

    pub(super) fn connect(&self, sources: Sources) {
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }

    pub(super) fn tell(&self, facts: ConfigFacts) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = facts;
    }

    fn facts(&self) -> [MetricFamily; 2] {
        let of = &self.families;
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let ConfigFacts {
            certificates,
            dangers,
        } = &*facts;
        // Maps, because one duplicate series would make Prometheus drop the whole scrape.
        let ends: BTreeMap<&str, i64> = certificates
            .iter()
            .map(|(name, ends)| (&**name, *ends))
            .collect();
        [
            of.certificates.with(
                ends.iter()
                    .map(|(name, ends)| of.certificates.sample(&[name], seconds(*ends)))
                    .collect(),
            ),
            of.dangers
                .with(vec![of.dangers.sample(&[], float(*dangers))]),
        ]
    }

    fn issuers(&self) -> [MetricFamily; 3] {
        let of = &self.families;
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let issuers = sources.issuers.as_ref().map(|read| read());
        drop(sources);
        let issuers = issuers.unwrap_or_default();
        let issuers: BTreeMap<&str, &IssuerKeys> =
            issuers.iter().map(|one| (&*one.issuer, one)).collect();
        let (mut keys, mut fetches, mut fetched) = (Vec::new(), Vec::new(), Vec::new());
        for (name, one) in issuers {
            keys.push(of.issuer_keys.sample(&[name], float(one.keys)));
            for (result, count) in &one.fetches {
                fetches.push(of.key_fetches.sample(&[name, result], float(*count)));
            }
            if let Some(time) = one.fetched {
                fetched.push(of.keys_fetched.sample(&[name], seconds(time)));
            }
        }
        [
            of.issuer_keys.with(keys),
            of.key_fetches.with(fetches),
            of.keys_fetched.with(fetched),
        ]
    }

    fn cluster(&self) -> Vec<MetricFamily> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = sources.cluster.as_ref().and_then(|read| read());
        drop(sources);
        self.cluster.collect(figures.as_ref())
    }

    fn sources(&self) -> [MetricFamily; 9] {
        let of = &self.families;
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = sources
            .cache
            .as_ref()
            .map(|read| read())
            .unwrap_or_default();
        let connections = sources.connections.as_ref().map_or(0, |read| read());
        let handshakes = sources
            .handshakes
            .as_ref()
            .map(|read| read())
            .unwrap_or_default();
        let limits = sources
            .limit_keys
            .as_ref()
            .map(|read| read())
            .unwrap_or_default();
        let revocations = sources.revocations.as_ref().map_or(0, |read| read());
        let upstreams = sources
            .upstreams
            .as_ref()
            .map(|read| read())
            .unwrap_or_default();
        let websockets = sources.websockets.as_ref().map_or(0, |read| read());
        drop(sources);
        let limits: BTreeMap<(&str, LimitScope), u64> = limits
            .iter()
            .map(|(site, scope, keys)| ((&**site, *scope), *keys))
            .collect();
        let upstreams: BTreeMap<&str, bool> =
            upstreams.iter().map(|(site, up)| (&**site, *up)).collect();
        let one = |family: &Family, value: u64| family.with(vec![family.sample(&[], float(value))]);
        [
            one(&of.cache_entries, cache.entries),
            one(&of.cache_hits, cache.hits),
            one(&of.cache_misses, cache.misses),
            one(&of.connections, connections),
            of.handshakes.with(
                handshakes
                    .iter()
                    .map(|(result, count)| of.handshakes.sample(&[result], float(*count)))
                    .collect(),
            ),
            of.limit_keys.with(
                limits
                    .iter()
                    .map(|((site, scope), keys)| {
                        of.limit_keys.sample(&[site, scope.label()], float(*keys))
                    })
                    .collect(),
            ),
            one(&of.revocations, revocations),
            of.upstream_up.with(
                upstreams
                    .iter()
                    .map(|(site, up)| of.upstream_up.sample(&[site], if *up { 1.0 } else { 0.0 }))
                    .collect::<Vec<Metric>>(),
            ),
            one(&of.websockets, websockets),
        ]
    }
}

impl Collector for Pulled {
    fn desc(&self) -> Vec<&Desc> {
        let Families {
            cache_entries,
            cache_hits,
            cache_misses,
            certificates,
            connections,
            dangers,
            handshakes,
            issuer_keys,
            key_fetches,
            keys_fetched,
            limit_keys,
            revocations,
            upstream_up,
            websockets,
        } = &self.families;
        [
            cache_entries,
            cache_hits,
            cache_misses,
            certificates,
            connections,
            dangers,
            handshakes,
            issuer_keys,
            key_fetches,
            keys_fetched,
            limit_keys,
            revocations,
            upstream_up,
            websockets,
        ]
        .map(|family| &family.desc)
        .into_iter()
        .chain(self.cluster.descriptions())
        .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let kept = self.facts().into_iter().chain(self.issuers());
        kept.chain(self.cluster()).chain(self.sources()).collect()
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "seconds of any real date are far below 2^53"
)]
pub(super) fn seconds(unix: i64) -> f64 {
    unix as f64
}
