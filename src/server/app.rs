//! What the workers share: the configuration in force, and what outlives it (limits, remembered verifications, the observers).

use std::{
    collections::HashSet,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use http::Method;
use tokio::time::Instant;

use super::{
    clock::Clock,
    cluster::{Crier, Health, Installation},
    exchange::Knowledge,
    keys::Keychain,
    plan::{self, SitePlan},
    revocations::Ledger,
    tls::TlsError,
    upstream::Target,
};
use crate::{
    adapter::{Adapter, metabase::Metabase, superset::Superset},
    config::{AdapterSpec, SiteEntry, Snapshot},
    gate::{
        limit::{Limits, Registry, Scope},
        origin::Origin,
        session::{LONGEST_COOKIE, TooLarge},
        single_use::Burnt,
        site::Site,
        token::MokaCache,
    },
    observe::{
        Observer,
        metrics::{LimitScope, SiteMetrics},
        record::Record,
        request_id::RequestIds,
    },
    rewrite::{location::Prefixes, response::ResponseRules},
};

/// One generation of the configuration, with everything that is worked out from it.
pub struct Generation {
    /// The configuration.
    pub snapshot: Snapshot,
    /// The limits of all sites.
    pub limits: Limits,
    /// What is shared with other gateways; `None`: nothing.
    pub installation: Option<Arc<Installation>>,
    sites: Vec<SiteRuntime>,
}

/// What a worker needs of one site, beside its policy.
pub struct SiteRuntime {
    /// Its counters.
    pub metrics: Arc<SiteMetrics>,
    /// What is asked of its upstream.
    pub plan: SitePlan,
    /// What its responses go through.
    pub rules: ResponseRules,
    /// Its upstream.
    pub target: Arc<Target>,
    /// What is known about its kind.
    pub adapter: Adapter,
}

/// What all workers share.
pub struct App {
    live: ArcSwap<Generation>,
    registry: Registry,
    ids: RequestIds,
    draining: AtomicBool,
    /// Remembered verifications.
    pub cache: MokaCache,
    /// Tokens that were used, at sites where each opens one page, as far as this gateway remembers them by itself.
    pub burnt: Burnt,
    /// Tells other gateways of revocations.
    pub crier: Crier,
    /// How it stands with Redis.
    pub cluster: Health,
    /// Issuers of whom it was said that they grant too much for a session.
    oversized: Mutex<HashSet<Arc<str>>>,
    /// What was learnt of upstreams.
    pub knowledge: Knowledge,
    /// Keys that are fetched.
    pub keys: Keychain,
    /// What was granted and is denied all the same.
    pub revocations: Arc<Ledger>,
    /// Metrics and audit trail.
    pub observer: Arc<Observer>,
    /// The clock.
    pub clock: Clock,
}

/// Why a configuration that compiles cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The TLS files of Redis.
    #[error("cluster.tls")]
    Cluster(#[source] TlsError),
    /// An upstream's TLS files.
    #[error("site.{site}.upstream_tls")]
    Upstream {
        /// The site.
        site: Arc<str>,
        /// What is wrong.
        #[source]
        source: TlsError,
    },
}

impl Generation {
    /// Works out everything from a configuration; limits go on counting where the registry knows them.
    ///
    /// # Errors
    /// An upstream's TLS files are unusable.
    pub fn build(
        snapshot: Snapshot,
        registry: &Registry,
        observer: &Observer,
    ) -> Result<Self, BuildError> {
        let secure = !snapshot.listen.tls.is_empty() || !snapshot.listen.trusted_proxies.is_empty();
        let sites = snapshot
            .sites
            .iter()
            .map(|entry| SiteRuntime::build(entry, observer, secure));
        let sites = sites.collect::<Result<Vec<_>, _>>()?;
        let limiters = snapshot
            .sites
            .iter()
            .map(|entry| registry.site(&entry.site.name, &entry.site.limits));
        Ok(Self {
            installation: Installation::build(&snapshot).map_err(BuildError::Cluster)?,
            limits: Limits::new(limiters.collect()),
            sites,
            snapshot,
        })
    }

    /// What a worker needs of a site.
    pub fn site(&self, site: &Site) -> Option<&SiteRuntime> {
        self.sites.get(site.index)
    }

    /// All sites with what a worker needs of them.
    pub fn sites(&self) -> impl Iterator<Item = (&Arc<Site>, &SiteRuntime)> {
        let sites = self.snapshot.sites.iter().map(|entry| &entry.site);
        sites.zip(&self.sites)
    }

    /// All sites with their upstreams.
    pub fn targets(&self) -> impl Iterator<Item = (&Arc<Site>, &Arc<Target>)> {
        self.snapshot
            .sites
            .iter()
            .zip(&self.sites)
            .map(|(entry, runtime)| (&entry.site, &runtime.target))
    }
}

impl SiteRuntime {
    fn build(entry: &SiteEntry, observer: &Observer, secure: bool) -> Result<Self, BuildError> {
        let site = &entry.site;
        let cookies = plan::cookie_policy(entry, secure);
        let upstream = format!("{}://{}", entry.upstream.scheme, entry.upstream.authority);
        let target = Target::new(entry.upstream.clone());
        let target = target.map_err(|source| BuildError::Upstream {
            site: Arc::clone(&site.name),
            source,
        })?;
        Ok(Self {
            metrics: observer.metrics().for_site(site),
            plan: SitePlan::new(entry, cookies.clone()),
            rules: ResponseRules {
                origins: Origin::parse(&upstream).into_iter().collect(),
                prefixes: Prefixes {
                    hosts: entry
                        .hosts
                        .iter()
                        .map(|host| host.as_str().into())
                        .collect(),
                    public: site.prefix.clone(),
                    upstream: entry.upstream.prefix.as_str().into(),
                },
                cookies,
            },
            target: Arc::new(target),
            adapter: adapter(entry),
        })
    }
}

/// The adapter of a site.
pub fn adapter(entry: &SiteEntry) -> Adapter {
    match &entry.adapter {
        AdapterSpec::Generic => Adapter::Generic,
        AdapterSpec::Metabase(spec) => {
            let upstream = &entry.upstream;
            let origin = format!("{}://{}", upstream.scheme, upstream.authority);
            let authority = &upstream.authority;
            let inner = [&*origin, authority.as_str(), authority.host()].map(Box::from);
            let metabase = Metabase::new((**spec).clone(), &entry.site.params, inner.to_vec());
            Adapter::Metabase(Box::new(metabase))
        }
        AdapterSpec::Superset(spec) => Adapter::Superset(Box::new(Superset::new((**spec).clone()))),
    }
}

impl App {
    /// With a first configuration in force.
    ///
    /// # Errors
    /// An upstream's TLS files are unusable.
    pub fn new(
        snapshot: Snapshot,
        observer: Arc<Observer>,
        ids: RequestIds,
        clock: Clock,
        revocations: Ledger,
    ) -> Result<Self, BuildError> {
        let registry = Registry::with_real_clock();
        let cache = MokaCache::new(snapshot.cache_entries, move || clock.now());
        let burnt = Burnt::new(snapshot.single_use_entries, clock.now());
        let generation = Generation::build(snapshot, &registry, &observer)?;
        let keys = Keychain::default();
        keys.equip(&generation);
        Ok(Self {
            burnt,
            crier: Crier::default(),
            cluster: Health::default(),
            oversized: Mutex::default(),
            live: ArcSwap::from_pointee(generation),
            registry,
            ids,
            draining: AtomicBool::new(false),
            cache,
            knowledge: Knowledge::default(),
            keys,
            revocations: Arc::new(revocations),
            observer,
            clock,
        })
    }

    /// The configuration in force; a request asks once and keeps to it.
    pub fn current(&self) -> Arc<Generation> {
        self.live.load_full()
    }

    /// Puts another configuration in force.
    ///
    /// # Errors
    /// The old one stays.
    pub fn replace(&self, snapshot: Snapshot) -> Result<(), BuildError> {
        let generation = Generation::build(snapshot, &self.registry, &self.observer)?;
        let generation = Arc::new(generation);
        self.keys.equip(&generation);
        self.live.store(Arc::clone(&generation));
        self.keys.equip(&generation);
        Ok(())
    }

    /// Says, once per issuer, that a grant was too large for a session.
    pub fn warn_of_size(&self, issuer: &Arc<str>, site: &str, large: TooLarge) {
        let mut told = self
            .oversized
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if told.insert(Arc::clone(issuer)) {
            tracing::warn!(
                issuer = &**issuer,
                site,
                bytes = large.size,
                limit = LONGEST_COOKIE,
                "a grant is too large for a session cookie: its viewers have their tokens alone"
            );
        }
    }

    /// Begins the record of a request.
    pub fn record(&self, client: IpAddr, method: &Method) -> Record {
        Record::begin(
            &self.observer,
            Instant::now(),
            self.ids.next(),
            client,
            method,
        )
    }

    /// Forgets limits of viewers who have been quiet; to be called now and then.
    pub fn sweep(&self) {
        self.registry.shrink();
    }

    /// How many keys each limit remembers.
    pub fn limit_keys(&self) -> Vec<(Arc<str>, LimitScope, u64)> {
        let size = |(site, scope, keys): (Box<str>, Scope, usize)| {
            (
                Arc::from(site),
                LimitScope::of(scope),
                u64::try_from(keys).unwrap_or(u64::MAX),
            )
        };
        self.registry.sizes().into_iter().map(size).collect()
    }

    /// From now on not ready: the process is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
