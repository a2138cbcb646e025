//! Latencies in little room, and what several rounds say together.

use std::time::Duration;

/// Buckets per power of two: a quantile is at most 3 % too high.
const STEPS: u64 = 32;

/// Counts durations by size.
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; 64 * STEPS as usize], total: 0 }
    }

    pub(crate) fn add(&mut self, took: Duration, times: u64) {
        self.buckets[bucket(took.as_nanos() as u64)] += times;
        self.total += times;
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Microseconds that `share` of all stayed below.
    pub(crate) fn micros(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        bucket.map_or(0.0, |bucket| ceiling(bucket as u64) as f64 / 1000.0)
    }

    /// p50, p99 and p99.9 in microseconds.
    pub(crate) fn quantiles(&self) -> [f64; 3] {
        [0.5, 0.99, 0.999].map(|share| self.micros(share))
    }
}

fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(STEPS.ilog2() + 1);
    (u64::from(shift) * STEPS + (nanos >> shift)) as usize
}

/// The longest time of a bucket.
fn ceiling(bucket: u64) -> u64 {
    let shift = (bucket / STEPS).saturating_sub(1);
    ((bucket - shift * STEPS + 1) << shift) - 1
}

/// The middle of several rounds, and how far they were apart.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Rounds {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(values.len() / 2), least: at(0), most: at(values.len().saturating_sub(1)) }
    }
}
