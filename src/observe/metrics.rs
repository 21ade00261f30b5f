//! Metrics for Prometheus. Labels come from closed sets: never a viewer, a tenant, a path or a token.

mod cluster;
mod family;
mod label;
mod pulled;
mod series;

use std::sync::Arc;

use prometheus::{
    IntCounter, IntGauge, Opts, Registry, TextEncoder,
    core::{Collector, Desc},
    process_collector::ProcessCollector,
    proto::MetricFamily,
};

pub use cluster::ClusterFigures;
pub use label::LimitScope;
pub use pulled::{CacheFigures, ConfigFacts, IssuerKeys, LimitKeys, Reachable, Source, Sources};
pub use series::{NONE, SiteMetrics};

pub(in crate::observe) use label::{HUNG_UP, TokenResult, Verb};

use self::{pulled::Pulled, series::Series};
use crate::gate::{request::UnixTime, site::Site};

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of one gateway, in a registry of their own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    series: Arc<Series>,
    pulled: Arc<Pulled>,
    none: Arc<SiteMetrics>,
    in_flight: IntGauge,
    reloads: ByResult<2>,
    last_reload: IntGauge,
    audit: ByResult<3>,
}

/// The counters of the audit trail.
#[derive(Clone, Debug)]
pub struct AuditCounters {
    /// Records lost: the buffer was full, or the trail could not be written until the end.
    pub dropped: IntCounter,
    /// Attempts to write that failed; the records stay in the buffer and are tried again.
    pub failed: IntCounter,
    /// Records in the trail.
    pub written: IntCounter,
}

impl Metrics {
    /// Fresh metrics, all at zero.
    ///
    /// # Errors
    /// Never in practice: a name that the library does not accept.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let series = Arc::new(Series::new()?);
        let pulled = Arc::new(Pulled::new()?);
        let metrics = Self {
            none: Arc::new(series.for_none()),
            series,
            pulled,
            in_flight: register(
                &registry,
                IntGauge::with_opts(opts("requests_in_flight", "Requests under way."))?,
            )?,
            reloads: ByResult::new(
                &registry,
                "config_reloads_total",
                "Reloads of the configuration, by result.",
                ["ok", "failed"],
            )?,
            last_reload: register(
                &registry,
                IntGauge::with_opts(opts(
                    "config_last_reload_timestamp_seconds",
                    "When the configuration in force was loaded, in Unix time.",
                ))?,
            )?,
            audit: ByResult::new(
                &registry,
                "audit_records_total",
                "Audit records written or dropped, and attempts to write that failed (these are tried again).",
                ["written", "dropped", "failed"],
            )?,
            registry,
        };
        metrics
            .registry
            .register(Box::new(Shared(Arc::clone(&metrics.series))))?;
        metrics
            .registry
            .register(Box::new(Shared(Arc::clone(&metrics.pulled))))?;
        metrics
            .registry
            .register(Box::new(ProcessCollector::for_self()))?;
        let build = opts("build_info", "The version that runs; always 1.")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        register(&metrics.registry, IntGauge::with_opts(build)?)?.set(1);
        Ok(metrics)
    }

    /// The counters of one site, resolved for its routes. Called once per site and generation; the same names find the same
    /// numbers again, so that nothing is reset by a reload.
    pub fn for_site(&self, site: &Site) -> Arc<SiteMetrics> {
        Arc::new(self.series.for_site(site))
    }

    /// The counters of requests that match no site.
    pub fn none(&self) -> &Arc<SiteMetrics> {
        &self.none
    }

    /// Requests under way; [`super::record::Record`] keeps it.
    pub fn in_flight(&self) -> &IntGauge {
        &self.in_flight
    }

    /// Says where the figures are read that others keep.
    pub fn connect(&self, sources: Sources) {
        self.pulled.connect(sources);
    }

    /// A configuration is in force: the first one, or after a reload.
    pub fn configured(&self, facts: ConfigFacts, now: UnixTime) {
        self.pulled.tell(facts);
        self.last_reload.set(now.0);
    }

    /// Counts a reload. A good one is told with [`Self::configured`] too.
    pub fn reloaded(&self, good: bool) {
        let [ok, failed] = &self.reloads.0;
        if good { ok.inc() } else { failed.inc() }
    }

    /// The counters of the audit trail.
    pub fn audit(&self) -> AuditCounters {
        let [written, dropped, failed] = self.audit.0.clone();
        AuditCounters {
            dropped,
            failed,
            written,
        }
    }

    /// Everything in the Prometheus text format.
    ///
    /// # Errors
    /// Never in practice: a family that cannot be written.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Counters that differ in the label `result`, resolved once.
#[derive(Debug)]
struct ByResult<const N: usize>([IntCounter; N]);

impl<const N: usize> ByResult<N> {
    fn new(
        registry: &Registry,
        name: &str,
        help: &str,
        results: [&str; N],
    ) -> prometheus::Result<Self> {
        let vector = register(
            registry,
            prometheus::IntCounterVec::new(opts(name, help), &["result"])?,
        )?;
        Ok(Self(
            results.map(|result| vector.with_label_values(&[result])),
        ))
    }
}

/// A collector that is shared with the registry.
struct Shared<C>(Arc<C>);

impl<C: Collector> Collector for Shared<C> {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.0.collect()
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("embedgate")
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
