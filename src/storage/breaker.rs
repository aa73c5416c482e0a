//! When the bucket is taken for down, so that nobody waits for it. Pure: the time is an argument.
//!
//! Closed, every call is made. When nothing but failures has come for [`FAILING_FOR`], and [`FAILURES`] of them, it
//! opens: calls are refused at once, but one a second, which is a probe. The first answer of the bucket, to a probe, to
//! a call that was still under way or to the health probe, closes it.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that it takes. Fewer may be chance.
const FAILURES: u32 = 5;

/// And for how long, from the start of the first to the end of the last: a burst that fails together is one event.
const FAILING_FOR: Duration = Duration::from_secs(1);

/// Between two probes of an open one.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is known of the bucket from the calls themselves.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// When the bucket last answered.
    answered_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Failures since the last answer, and since when.
    Closed { failures: u32, since: Option<Instant> },
    /// When the next probe is due.
    Open { probe_at: Instant },
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is made.
    Call,
    /// It is not made; this long until another may be.
    Refused(Duration),
}

/// That it opened or closed, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

impl Breaker {
    pub(super) const fn closed() -> Self {
        Self { state: State::Closed { failures: 0, since: None }, answered_at: None }
    }

    /// Whether a call may be made now.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match &mut self.state {
            State::Closed { .. } => Admission::Call,
            State::Open { probe_at } if *probe_at <= now => {
                *probe_at = after(now, PROBE_EVERY);
                Admission::Call
            }
            State::Open { probe_at } => Admission::Refused(probe_at.saturating_duration_since(now)),
        }
    }

    /// Whether it is open: a failed attempt is then the last.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// The bucket answered, if only to refuse.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Change> {
        let before = self.is_open();
        self.state = State::Closed { failures: 0, since: None };
        self.answered_at = Some(now);
        before.then_some(Change::Closed)
    }

    /// An attempt that began at `started` failed.
    pub(super) fn failed(&mut self, started: Instant, now: Instant) -> Option<Change> {
        let State::Closed { failures, since } = &mut self.state else { return None };
        *failures = failures.saturating_add(1);
        // An answer in between is one: failures count from then on.
        let began = self.answered_at.map_or(started, |answered| started.max(answered));
        let first = since.map_or(began, |since| since.min(began));
        *since = Some(first);
        if *failures < FAILURES || now.saturating_duration_since(first) < FAILING_FOR {
            return None;
        }
        self.state = State::Open { probe_at: after(now, PROBE_EVERY) };
        Some(Change::Opened)
    }
}

fn after(now: Instant, pause: Duration) -> Instant {
    now.checked_add(pause).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    /// One that opened at 1,000 ms.
    fn open(start: Instant) -> Breaker {
        let mut breaker = Breaker::closed();
        for millis in [0, 250, 500, 750] {
            assert_eq!(breaker.failed(at(start, millis), at(start, millis)), None);
        }
        assert_eq!(breaker.failed(at(start, 1000), at(start, 1000)), Some(Change::Opened));
        breaker
    }

    #[test]
    fn it_opens_when_all_has_failed_for_a_second() {
        open(Instant::now());
    }

    #[test]
    fn a_burst_that_fails_together_does_not_open_it() {
        let start = Instant::now();
        let mut breaker = Breaker::closed();
        for _ in 0..1000 {
            assert_eq!(breaker.failed(start, at(start, 999)), None);
        }
        assert_eq!(breaker.admit(at(start, 999)), Admission::Call);
    }

    /// Calls that hung for four seconds have failed for four seconds.
    #[test]
    fn a_hanging_bucket_opens_it_with_the_first_calls_that_end() {
        let start = Instant::now();
        let mut breaker = Breaker::closed();
        breaker.answered(at(start, 3900));
        let changes: Vec<_> = (0..5).filter_map(|_| breaker.failed(start, at(start, 4000))).collect();
        assert!(changes.is_empty(), "the answer in between counts");
        let mut breaker = Breaker::closed();
        let changes: Vec<_> = (0..5).filter_map(|_| breaker.failed(start, at(start, 4000))).collect();
        assert_eq!(changes, [Change::Opened]);
    }

    #[test]
    fn an_open_one_lets_one_call_a_second_through() {
        let start = Instant::now();
        let mut breaker = open(start);
        assert_eq!(breaker.admit(at(start, 1100)), Admission::Refused(Duration::from_millis(900)));
        let made = (1000..11_000).filter(|millis| breaker.admit(at(start, *millis)) == Admission::Call).count();
        assert_eq!(made, 9);
        // A probe that fails leaves it open.
        assert_eq!(breaker.failed(at(start, 2000), at(start, 3000)), None);
        assert!(breaker.is_open());
    }

    #[test]
    fn one_answer_closes_it() {
        let start = Instant::now();
        let mut breaker = open(start);
        assert_eq!(breaker.answered(at(start, 2000)), Some(Change::Closed));
        assert_eq!(breaker.admit(at(start, 2000)), Admission::Call);
        // And the stragglers of before do not open it again at once.
        let changes: Vec<_> = (0..100).filter_map(|_| breaker.failed(start, at(start, 2100))).collect();
        assert!(changes.is_empty());
        assert_eq!(breaker.answered(at(start, 2200)), None);
    }

    proptest! {
        /// H16: total failure opens it within 5 s at one attempt a second or more; then at most one call a second.
        #[test]
        fn total_failure_is_noticed_within_five_seconds(gaps in prop::collection::vec(0_u64..1000, 50..400)) {
            let (start, mut millis) = (Instant::now(), 0);
            let mut breaker = Breaker::closed();
            let mut made = Vec::new();
            for gap in gaps {
                millis += gap;
                if breaker.admit(at(start, millis)) == Admission::Call {
                    prop_assert!(millis <= 5000 || breaker.is_open());
                    if breaker.is_open() {
                        made.push(millis);
                    }
                    breaker.failed(at(start, millis), at(start, millis));
                }
            }
            prop_assert!(made.windows(2).all(|two| two[1] - two[0] >= 1000), "{:?}", made);
        }

        /// An answer now and then keeps it closed, whatever else fails.
        #[test]
        fn half_the_answers_keep_it_closed(order in prop::collection::vec(any::<bool>(), 0..400)) {
            let start = Instant::now();
            let mut breaker = Breaker::closed();
            for (i, first) in order.into_iter().enumerate() {
                let now = at(start, 400 * u64::try_from(i).unwrap());
                if first { breaker.answered(now); }
                prop_assert_eq!(breaker.failed(now, now), None);
                if !first { breaker.answered(now); }
            }
        }
    }
}
