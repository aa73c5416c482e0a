//! What counts. Every order is relaxed: a number stands for itself, and a scrape is a moment in any case.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    pub(crate) fn add_many(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whatever it was set to last, once it was.
#[derive(Debug)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    const UNSET: i64 = i64::MIN;

    pub(crate) fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn set_duration(&self, value: Duration) {
        self.set(i64::try_from(value.as_nanos()).unwrap_or(i64::MAX));
    }

    pub(crate) fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|value| *value != Self::UNSET)
    }

    /// What [`Gauge::set_duration`] set, in seconds.
    pub(crate) fn seconds(&self) -> Option<f64> {
        let nanos = u64::try_from(self.get()?).ok()?;
        Some(Duration::from_nanos(nanos).as_secs_f64())
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicI64::new(Self::UNSET))
    }
}

/// The upper ends of the buckets of a histogram, in seconds, and the same in nanoseconds. From a signature that is all in
/// memory to the longest that a request may take unless configured otherwise.
pub(super) const BOUNDS: [(f64, u64); 11] = [
    (0.000_1, 100_000),
    (0.000_3, 300_000),
    (0.001, 1_000_000),
    (0.003, 3_000_000),
    (0.01, 10_000_000),
    (0.03, 30_000_000),
    (0.1, 100_000_000),
    (0.3, 300_000_000),
    (1.0, 1_000_000_000),
    (3.0, 3_000_000_000),
    (10.0, 10_000_000_000),
];

/// How long things took.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Counter; BOUNDS.len()],
    beyond: Counter,
    nanos: Counter,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let fits = BOUNDS.iter().position(|(_, most)| nanos <= *most);
        fits.and_then(|place| self.buckets.get(place)).unwrap_or(&self.beyond).add();
        self.nanos.add_many(nanos);
    }

    /// How many took at most as long as each bound, and how many there are.
    pub(super) fn cumulative(&self) -> ([u64; BOUNDS.len()], u64) {
        let mut so_far: u64 = 0;
        let below = self.buckets.each_ref().map(|bucket| {
            so_far = so_far.saturating_add(bucket.get());
            so_far
        });
        (below, so_far.saturating_add(self.beyond.get()))
    }

    pub(super) fn sum_secs(&self) -> f64 {
        Duration::from_nanos(self.nanos.get()).as_secs_f64()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cumulative().1 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let histogram = Histogram::default();
        assert!(histogram.is_empty());
        for nanos in [0, 100_000, 100_001, 10_000_000_000, 10_000_000_001, u64::MAX / 4] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let (below, all) = histogram.cumulative();
        assert_eq!(below, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!(all, 6);
    }

    #[test]
    fn the_two_forms_of_a_bound_are_one() {
        for (secs, nanos) in BOUNDS {
            assert_eq!(Duration::from_secs_f64(secs), Duration::from_nanos(nanos));
        }
    }

    #[test]
    fn a_gauge_says_nothing_before_it_was_set() {
        let gauge = Gauge::default();
        assert_eq!((gauge.get(), gauge.seconds()), (None, None));
        gauge.set(-3);
        assert_eq!(gauge.get(), Some(-3));
        gauge.set_duration(Duration::from_millis(1500));
        assert_eq!(gauge.seconds(), Some(1.5));
    }
}
