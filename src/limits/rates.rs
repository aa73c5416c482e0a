//! One rate for each of many names, in bounded memory.
//!
//! `governor` counts; its own keyed limiter keeps every name that it ever saw until it is told to look through all of
//! them, so each name has a limiter here, in a cache of fixed size.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;

/// The clock only ever goes forward: a wrong wall clock that is set right gives nobody a burst.
type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Longer than any wait that makes sense; for what never fits.
const FOREVER: Duration = Duration::from_hours(1);

/// A quota for each name.
pub(super) struct Rates<C: Clock = DefaultClock> {
    /// By a hash of the name, whose key nobody knows: two names that meet by chance are one in many billions.
    limiters: Cache<u64, Arc<Limiter<C>>>,
    names: RandomState,
    quota: Quota,
    clock: C,
}

impl Rates {
    pub(super) fn new(quota: Quota, max_tracked: usize) -> Self {
        Self::with_clock(quota, max_tracked, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn with_clock(quota: Quota, max_tracked: usize, clock: C) -> Self {
        Self { limiters: Cache::new(max_tracked), names: RandomState::new(), quota, clock }
    }

    /// Takes `cells` out of what the name has left; else nothing, and how long until they would be there.
    pub(super) fn charge<N: Hash + ?Sized>(&self, name: &N, cells: NonZeroU32) -> Result<(), Duration> {
        let make = || Ok(Arc::new(Limiter::direct_with_clock(self.quota, self.clock.clone())));
        let limiter: Result<_, std::convert::Infallible> =
            self.limiters.get_or_insert_with(&self.names.hash_one(name), make);
        let Ok(limiter) = limiter;
        match limiter.check_n(cells) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            Err(_never) => Err(FOREVER),
        }
    }
}

impl<C: Clock> Rates<C> {
    pub(super) fn len(&self) -> usize {
        self.limiters.len()
    }
}

impl<C: Clock> fmt::Debug for Rates<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").field("quota", &self.quota).field("names", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    fn cells(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    fn rates(per_sec: u32, burst: u32, max_tracked: usize) -> Rates<FakeRelativeClock> {
        let quota = Quota::per_second(cells(per_sec)).allow_burst(cells(burst));
        Rates::with_clock(quota, max_tracked, FakeRelativeClock::default())
    }

    #[test]
    fn a_name_has_its_burst_and_then_its_rate() {
        let rates = rates(2, 5, 10);
        assert_eq!((0..100).filter(|_| rates.charge("s1", cells(1)).is_ok()).count(), 5);
        assert_eq!(rates.charge("s1", cells(1)), Err(Duration::from_millis(500)));
        assert_eq!(rates.charge("s2", cells(1)), Ok(()), "another name has its own");
        rates.clock.advance(Duration::from_millis(499));
        assert!(rates.charge("s1", cells(1)).is_err());
        rates.clock.advance(Duration::from_millis(1));
        assert_eq!(rates.charge("s1", cells(1)), Ok(()));
        assert!(rates.charge("s1", cells(1)).is_err());
        assert_eq!(rates.charge("s3", cells(6)), Err(FOREVER));
    }

    /// Who is asked for all the time is not forgotten for those who come once.
    #[test]
    fn a_flooder_stays_known_while_strangers_come_and_go() {
        let rates = rates(1, 5, 1000);
        let mut passed = 0;
        for i in 0..100_000 {
            rates.charge(&format!("stranger {i}"), cells(1)).unwrap();
            passed += u32::from(i % 10 == 0 && rates.charge("flooder", cells(1)).is_ok());
        }
        assert_eq!(passed, 5);
        assert!(rates.len() <= 1000, "{}", rates.len());
    }

    proptest! {
        /// The wait that is told is the truth: not before it, and at its end.
        #[test]
        fn who_waits_as_told_is_served(per_sec in 1_u32..1000, burst in 1_u32..100, asked in 1_u32..100) {
            let (rates, asked) = (rates(per_sec, burst, 10), cells(asked.min(burst)));
            while rates.charge("s1", cells(1)).is_ok() {}
            let wait = rates.charge("s1", asked).unwrap_err();
            rates.clock.advance(wait.checked_sub(Duration::from_nanos(1)).unwrap());
            prop_assert!(rates.charge("s1", asked).is_err());
            rates.clock.advance(Duration::from_nanos(1));
            prop_assert_eq!(rates.charge("s1", asked), Ok(()));
        }
    }
}
