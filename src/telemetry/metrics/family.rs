//! Metric families in the making.

use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::histogram::Histogram;

/// One metric by name, its samples added one by one.
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: Vec<Metric>,
}

/// A label and its value.
pub(super) type Label<'a> = (&'static str, &'a str);

impl Family {
    pub(super) fn counter(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::COUNTER, samples: Vec::new() }
    }

    pub(super) fn gauge(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::GAUGE, samples: Vec::new() }
    }

    pub(super) fn histogram(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::HISTOGRAM, samples: Vec::new() }
    }

    /// Adds a sample of a counter or gauge.
    pub(super) fn sample(&mut self, labels: &[Label<'_>], value: f64) {
        let mut metric = Metric::from_label(pairs(labels));
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.samples.push(metric);
    }

    /// The family with one sample and no labels.
    pub(super) fn of(mut self, value: f64) -> Family {
        self.sample(&[], value);
        self
    }

    /// Adds a histogram.
    pub(super) fn observations(&mut self, labels: &[Label<'_>], histogram: &Histogram) {
        let buckets = histogram.cumulative().map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut shown = prometheus::proto::Histogram::default();
        shown.set_bucket(buckets.collect());
        shown.set_sample_count(histogram.count());
        shown.set_sample_sum(histogram.sum_seconds());
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_histogram(shown);
        self.samples.push(metric);
    }

    pub(super) fn finish(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind);
        family.set_metric(self.samples);
        family
    }
}

fn pairs(labels: &[Label<'_>]) -> Vec<LabelPair> {
    labels
        .iter()
        .map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        })
        .collect()
}
