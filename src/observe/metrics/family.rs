//! Metric families built by hand, for series whose values live in our own tables.

use prometheus::{
    core::Desc,
    proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

/// One family: a name, what it means, its labels.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) desc: Desc,
    kind: MetricType,
}

impl Family {
    pub(super) fn counter(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
        Self::new(name, help, labels, MetricType::COUNTER)
    }

    pub(super) fn gauge(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
        Self::new(name, help, labels, MetricType::GAUGE)
    }

    pub(super) fn histogram(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
        Self::new(name, help, labels, MetricType::HISTOGRAM)
    }

    fn new(name: &str, help: &str, labels: &[&str], kind: MetricType) -> prometheus::Result<Self> {
        let labels = labels.iter().map(ToString::to_string).collect();
        let desc = Desc::new(
            format!("embedgate_{name}"),
            help.to_owned(),
            labels,
            std::collections::HashMap::new(),
        )?;
        Ok(Self { desc, kind })
    }

    /// One sample; the label values in the order of the labels.
    pub(super) fn sample(&self, values: &[&str], value: f64) -> Metric {
        let mut metric = Metric::from_label(self.labels(values));
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    }

    /// Puts labels on what a histogram without labels has gathered.
    pub(super) fn labelled(&self, mut metric: Metric, values: &[&str]) -> Metric {
        metric.set_label(self.labels(values));
        metric
    }

    /// The family with its samples; sorted, so that two scrapes are easily compared.
    pub(super) fn with(&self, mut samples: Vec<Metric>) -> MetricFamily {
        samples.sort_by(|a, b| {
            a.get_label()
                .iter()
                .map(LabelPair::value)
                .cmp(b.get_label().iter().map(LabelPair::value))
        });
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(self.kind);
        family.set_metric(samples);
        family
    }

    fn labels(&self, values: &[&str]) -> Vec<LabelPair> {
        let pair = |(name, value): (&String, &&str)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.clone());
            pair.set_value((*value).to_owned());
            pair
        };
        self.desc
            .variable_labels
            .iter()
            .zip(values)
            .map(pair)
            .collect()
    }
}

/// The text format knows floats only; exact up to 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "the exposition format is made of floats"
)]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}
