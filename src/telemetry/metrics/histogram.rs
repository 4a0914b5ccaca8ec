//! A histogram of plain integers.

/// Upper bounds of the latency buckets: those that OpenTelemetry advises, two below for an edge, two above for slow
/// answers.
pub const BOUNDS_SECONDS: [f64; 18] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0];

/// [`BOUNDS_SECONDS`] in microseconds.
const BOUNDS_US: [u64; 18] = {
    let mut bounds = [0; 18];
    let mut index = 0;
    while index < bounds.len() {
        bounds[index] = (BOUNDS_SECONDS[index] * 1e6) as u64;
        index += 1;
    }
    bounds
};

/// Series that one histogram makes: its buckets with that of infinity, sum and count.
pub(super) const HISTOGRAM_SERIES: usize = BOUNDS_SECONDS.len() + 3;

/// How many observations fell into each bucket (not cumulative; the last is beyond all bounds), and their sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    buckets: [u64; BOUNDS_US.len() + 1],
    sum_us: u64,
}

impl Histogram {
    pub(super) fn observe(&mut self, us: u64) {
        let bucket = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        self.buckets[bucket] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    pub(super) fn absorb(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(super) fn sum_seconds(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    /// Upper bound in seconds and cumulative count of each finite bucket.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let counts = self.buckets.iter().scan(0, |below, count| {
            *below += count;
            Some(*below)
        });
        BOUNDS_SECONDS.into_iter().zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_their_bucket() {
        assert_eq!(BOUNDS_US[..3], [1000, 2500, 5000]);
        assert!(BOUNDS_US.is_sorted());
        let mut histogram = Histogram::default();
        for us in [0, 1000, 1001, 2500, 60_000_000, 60_000_001, u64::MAX] {
            histogram.observe(us);
        }
        let cumulative: Vec<u64> = histogram.cumulative().map(|(_, count)| count).collect();
        assert_eq!(cumulative[..3], [2, 4, 4]);
        assert_eq!(cumulative[17], 5);
        assert_eq!(histogram.count(), 7);
        assert!(histogram.sum_seconds() > 1e12, "saturated, not wrapped");
    }

    #[test]
    fn absorbing_adds() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        a.observe(10);
        b.observe(3_000);
        b.absorb(&a);
        assert_eq!(b.count(), 2);
        assert_eq!(b.sum_seconds(), 0.00301);
    }
}
