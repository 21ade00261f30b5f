//! What a gateway tells of the Redis that it shares with others.

use std::time::Duration;

use prometheus::{core::Desc, proto::MetricFamily};

use super::family::{Family, float};

/// How a gateway stands with Redis.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClusterFigures {
    /// Whether Redis answers, on every connection.
    pub up: bool,
    /// Exchanges of requests by result, since the start of the process.
    pub exchanges: Vec<(&'static str, u64)>,
    /// How long requests waited for them, all together.
    pub waited: Duration,
    /// By how many seconds the gateway's clock is ahead of Redis's.
    pub offset: i64,
}

#[derive(Debug)]
pub(super) struct ClusterFamilies {
    exchanges: Family,
    offset: Family,
    up: Family,
    waited: Family,
}

impl ClusterFamilies {
    pub(super) fn new() -> prometheus::Result<Self> {
        Ok(Self {
            exchanges: Family::counter(
                "cluster_exchanges_total",
                "Requests for which Redis was to be asked, by result.",
                &["result"],
            )?,
            offset: Family::gauge(
                "cluster_clock_offset_seconds",
                "By how much the clock of this gateway is ahead of Redis's.",
                &[],
            )?,
            up: Family::gauge(
                "cluster_up",
                "Whether Redis answers, on every connection of this gateway.",
                &[],
            )?,
            waited: Family::counter(
                "cluster_wait_seconds_total",
                "How long requests waited for Redis, all together.",
                &[],
            )?,
        })
    }

    pub(super) fn descriptions(&self) -> [&Desc; 4] {
        [&self.exchanges, &self.offset, &self.up, &self.waited].map(|family| &family.desc)
    }

    /// Nothing where nothing is shared.
    pub(super) fn collect(&self, figures: Option<&ClusterFigures>) -> Vec<MetricFamily> {
        let Some(figures) = figures else {
            return Vec::new();
        };
        let exchanges = figures
            .exchanges
            .iter()
            .map(|(result, count)| self.exchanges.sample(&[result], float(*count)));
        let one = |family: &Family, value: f64| family.with(vec![family.sample(&[], value)]);
        vec![
            self.exchanges.with(exchanges.collect()),
            one(&self.offset, super::pulled::seconds(figures.offset)),
            one(&self.up, if figures.up { 1.0 } else { 0.0 }),
            one(&self.waited, figures.waited.as_secs_f64()),
        ]
    }
}
