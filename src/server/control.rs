//! What the admin listener and the steward may do to a running gateway: show it, reload it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use super::{app::App, counters::TransportMetrics, revocations::steer, tls::Tls};
use crate::{
    admin::{Control, NotRevoked},
    config::{AdapterSpec, FileStamp, IssuerEntry, ListenSpec, SiteEntry, Snapshot},
    gate::{limit::Quota, param::Mode, route::Access, session::Carrier},
    observe::metrics::{CacheFigures, ConfigFacts, IssuerKeys, Metrics, Sources},
};

/// The reins of a running gateway.
pub struct Steering {
    app: Arc<App>,
    file: Option<PathBuf>,
    tls: Option<Arc<Tls>>,
    turn: Mutex<()>,
}

impl Steering {
    /// Of a gateway, and the file that its configuration came from.
    pub fn new(app: Arc<App>, file: Option<PathBuf>, tls: Option<Arc<Tls>>) -> Self {
        Self {
            app,
            file,
            tls,
            turn: Mutex::new(()),
        }
    }

    /// What all workers share.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The files that the configuration in force was read from, as they were just before.
    pub fn files(&self) -> Vec<FileStamp> {
        self.app.current().snapshot.files.clone()
    }

    /// Loads the configuration and the certificates again; both or neither.
    ///
    /// # Errors
    /// Everything that is wrong; what was in force stays.
    pub fn reload_now(&self) -> Result<(), Vec<String>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.try_reload();
        let metrics = self.app.observer.metrics();
        metrics.reloaded(result.is_ok());
        match &result {
            Ok(()) => {
                self.tell_facts();
                tracing::info!("configuration reloaded");
            }
            Err(faults) => {
                for fault in faults {
                    tracing::error!(%fault, "configuration not reloaded, the old one stays in force");
                }
            }
        }
        self.app.observer.audit().reopen();
        result
    }

    fn try_reload(&self) -> Result<(), Vec<String>> {
        let Some(file) = &self.file else {
            return Err(vec!["this gateway has no configuration file".into()]);
        };
        let snapshot = Snapshot::load(file)
            .map_err(|errors| errors.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let before = self.app.current();
        warn_of_restart(&before.snapshot, &snapshot);
        let certificates = self
            .tls
            .as_ref()
            .map(|tls| tls.prepare(&snapshot.listen.tls))
            .transpose()
            .map_err(|error| vec![chain(&error)])?;
        self.app
            .replace(snapshot)
            .map_err(|error| vec![chain(&error)])?;
        if let Some(put_in_use) = certificates {
            put_in_use();
        }
        Ok(())
    }

    /// Lets the metrics read what others keep.
    pub fn connect_metrics(&self, metrics: &Metrics, transport: &Arc<TransportMetrics>) {
        let (cache, cluster, issuers, sites, limits, revoked) = (
            Arc::clone(&self.app),
            Arc::clone(&self.app),
            Arc::clone(&self.app),
            Arc::clone(&self.app),
            Arc::clone(&self.app),
            Arc::clone(&self.app),
        );
        let (open, shaken) = (Arc::clone(transport), Arc::clone(transport));
        let tunnels = Arc::clone(transport);
        metrics.connect(Sources {
            cache: Some(Box::new(move || CacheFigures {
                entries: cache.cache.len(),
                hits: cache.cache.hits(),
                misses: cache.cache.misses(),
            })),
            cluster: Some(Box::new(move || cluster.cluster.figures())),
            connections: Some(Box::new(move || {
                u64::try_from(open.connections()).unwrap_or(0)
            })),
            handshakes: Some(Box::new(move || shaken.handshakes())),
            issuers: Some(Box::new(move || issuer_keys(&issuers))),
            limit_keys: Some(Box::new(move || limits.limit_keys())),
            revocations: Some(Box::new(move || {
                u64::try_from(revoked.revocations.index().len()).unwrap_or(u64::MAX)
            })),
            upstreams: Some(Box::new(move || {
                let generation = sites.current();
                generation
                    .targets()
                    .map(|(site, target)| (Arc::clone(&site.name), target.is_up()))
                    .collect()
            })),
            websockets: Some(Box::new(move || {
                u64::try_from(tunnels.tunnels()).unwrap_or(0)
            })),
        });
    }

    /// Tells the metrics what configuration is in force.
    pub fn tell_facts(&self) {
        let generation = self.app.current();
        let snapshot = &generation.snapshot;
        let certificates = self
            .tls
            .as_ref()
            .map(|tls| tls.certificates())
            .unwrap_or_default();
        let ends = certificates
            .into_iter()
            .filter_map(|one| Some((one.name.into(), one.expires?.0)));
        let facts = ConfigFacts {
            certificates: ends.collect(),
            dangers: u64::try_from(snapshot.dangers.len()).unwrap_or(u64::MAX),
        };
        for entry in &snapshot.issuers {
            tell_keys(entry);
        }
        for danger in &snapshot.dangers {
            tracing::warn!(key = %danger, "a setting weakens a guarantee");
        }
        self.app
            .observer
            .metrics()
            .configured(facts, self.app.clock.now());
    }
}

/// What cannot change under a running process.
fn warn_of_restart(old: &Snapshot, new: &Snapshot) {
    let admin = |snapshot: &Snapshot| snapshot.admin.as_ref().map(|admin| admin.address);
    // Certificates and what each request asks for anew are not among it.
    let listen = |snapshot: &Snapshot| ListenSpec {
        tls: Vec::new(),
        trusted_proxies: Vec::new(),
        body_timeout: Duration::ZERO,
        ..snapshot.listen.clone()
    };
    for (changed, key) in [
        (listen(old) != listen(new), "listen"),
        (
            old.listen.tls.is_empty() != new.listen.tls.is_empty(),
            "listen.tls",
        ),
        (admin(old) != admin(new), "admin.address"),
        (old.audit != new.audit, "audit"),
        (
            (old.cache_entries, old.single_use_entries)
                != (new.cache_entries, new.single_use_entries),
            "cache",
        ),
        (old.log != new.log, "log"),
        (old.revocations != new.revocations, "revocations"),
    ] {
        if changed {
            tracing::warn!(key, "a change here takes effect at the next start");
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl Control for Arc<Steering> {
    fn ready(&self) -> Result<(), Vec<&'static str>> {
        if self.app.is_draining() {
            return Err(vec!["draining"]);
        }
        if !self.app.observer.audit().ready() {
            return Err(vec!["the audit trail cannot be written"]);
        }
        if !self.app.keys.is_ready(&self.app.current()) {
            return Err(vec!["the keys of an issuer have not been fetched yet"]);
        }
        Ok(())
    }

    fn degraded(&self) -> Vec<&'static str> {
        let shares = self.app.current().installation.is_some();
        if shares && !self.app.cluster.is_up() {
            return vec!["redis does not answer"];
        }
        Vec::new()
    }

    fn sites(&self) -> Value {
        let generation = self.app.current();
        let sites = generation
            .snapshot
            .sites
            .iter()
            .map(|entry| (entry.site.name.to_string(), site(entry)));
        let issuers = generation.snapshot.issuers.iter().map(|entry| {
            let name = entry.issuer.name.to_string();
            (name, issuer(&self.app, entry))
        });
        json!({
            "sites": sites.collect::<serde_json::Map<_, _>>(),
            "issuers": issuers.collect::<serde_json::Map<_, _>>(),
        })
    }

    async fn reload(&self) -> Result<(), Vec<String>> {
        self.reload_now()
    }

    fn revocations(&self, after: Option<&str>, most: usize) -> Option<Value> {
        steer::list(&self.app, after, most)
    }

    async fn revoke(&self, wanted: &[u8]) -> Result<Value, NotRevoked> {
        steer::revoke(&self.app, wanted).await
    }

    async fn unrevoke(&self, id: &str) -> Result<bool, String> {
        steer::unrevoke(&self.app, id).await
    }
}

/// What the log says of an issuer's keys when a configuration comes into force.
fn tell_keys(entry: &IssuerEntry) {
    let issuer = &*entry.issuer.name;
    if let Some(source) = &entry.source {
        tracing::info!(issuer, url = %source.place, refresh = ?source.refresh, "keys are fetched");
    } else {
        let keys = entry.issuer.keys.now().keys().len();
        tracing::info!(issuer, keys, "keys are configured");
    }
    for why in &entry.unused {
        tracing::warn!(issuer, %why, "a key is not used");
    }
}

/// What the metrics tell of every issuer's keys.
fn issuer_keys(app: &App) -> Vec<IssuerKeys> {
    let generation = app.current();
    let told = generation.snapshot.issuers.iter().map(|entry| {
        let issuer = &entry.issuer;
        let figures = entry
            .source
            .as_ref()
            .and_then(|_| app.keys.figures(&issuer.name));
        let (fetches, fetched) = figures.map_or((Vec::new(), None), |figures| {
            (figures.results, figures.fetched)
        });
        IssuerKeys {
            issuer: Arc::clone(&issuer.name),
            keys: u64::try_from(issuer.keys.now().keys().len()).unwrap_or(u64::MAX),
            fetches,
            fetched: fetched.map(|time| time.0),
        }
    });
    told.collect()
}

/// An issuer and the names of its keys, never their material. Of very many, the first by name.
fn issuer(app: &App, entry: &IssuerEntry) -> Value {
    let ring = entry.issuer.keys.now();
    let mut keys: Vec<_> = ring.keys().all().collect();
    keys.sort_by_key(|key| key.kid());
    let total = keys.len();
    let shown = keys.into_iter().take(MOST_SHOWN).map(|key| {
        let validity = key.validity();
        json!({
            "kid": key.kid(), "algorithm": key.algorithm_name(),
            "not_before": validity.not_before.map(|time| time.0), "not_after": validity.not_after.map(|time| time.0),
        })
    });
    let fetched = app
        .keys
        .figures(&entry.issuer.name)
        .and_then(|figures| figures.fetched);
    json!({
        "iss": entry.issuer.iss,
        "audience": entry.issuer.audience,
        "source": entry.source.as_ref().map(|source| source.place.to_string()),
        "last_fetch": fetched.filter(|_| entry.source.is_some()).map(|time| time.0),
        "keys_total": total,
        "keys": shown.collect::<Vec<_>>(),
    })
}

/// The policy of one site, without a secret: built field by field, so that a new one cannot slip out.
fn site(entry: &SiteEntry) -> Value {
    let site = &entry.site;
    let routes = site.surface.routes().iter().map(|route| {
        let access = match route.access {
            Access::Deny => "deny",
            Access::Public => "public",
            Access::Viewer => "viewer",
        };
        let methods: Vec<&str> = route.methods.iter().map(http::Method::as_str).collect();
        json!({ "path": route.pattern, "methods": methods, "access": access, "scope": route.scope, "websocket": route.websocket })
    });
    let params = site.params.iter().map(|spec| {
        let mode = match spec.mode {
            Mode::Disabled => "disabled",
            Mode::Enabled => "enabled",
            Mode::Locked => "locked",
        };
        (spec.name.to_string(), json!(mode))
    });
    let quota = |quota: &Option<Quota>| {
        quota.map(|quota| json!({ "count": quota.count, "seconds": quota.period.as_secs_f64() }))
    };
    let kind = match entry.adapter {
        AdapterSpec::Generic => "generic",
        AdapterSpec::Metabase(_) => "metabase",
        AdapterSpec::Superset(_) => "superset",
    };
    json!({
        "kind": kind,
        "hosts": entry.hosts,
        "path_prefix": site.prefix,
        "issuers": site.issuers.iter().map(|issuer| &*issuer.name).collect::<Vec<_>>(),
        "frame_ancestors": site.frame.site.directive().to_str().unwrap_or_default(),
        "top_level": site.frame.top_level,
        "sessions": site.sessions,
        "session_mode": match site.carrier {
            Carrier::Cookie => "cookie",
            Carrier::Script => "script",
        },
        "single_use": site.sharing.single_use,
        "bind": { "session": site.sharing.session, "origin": site.sharing.origin, "network": site.sharing.network.is_some() },
        "params": params.collect::<serde_json::Map<_, _>>(),
        "limits": {
            "address": quota(&site.limits.address), "viewer": quota(&site.limits.viewer), "tenant": quota(&site.limits.tenant),
            "site": quota(&site.limits.site), "in_flight": site.limits.in_flight,
            "websockets": site.limits.websockets,
        },
        "routes": routes.collect::<Vec<_>>(),
    })
}

/// Keys of one issuer that are shown.
const MOST_SHOWN: usize = 100;
