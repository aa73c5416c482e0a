//! Whether a call to the bucket is made again, and when. Pure: no clock, no dice, no socket.
//!
//! The model is the "standard" retry mode of the AWS SDKs: at most three attempts, full jitter, and a budget that runs
//! dry when nothing succeeds. <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>

use std::time::Duration;

use super::answer::NOT_S3;

/// Attempts of one call, the first among them.
pub(super) const MAX_ATTEMPTS: u32 = 3;

/// The longest first pause after a failure, doubled by each further one.
const FAULT_BASE: Duration = Duration::from_millis(100);

/// The same after an answer that asks for less.
const THROTTLE_BASE: Duration = Duration::from_millis(500);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With an answer that another attempt would not change: yes, no, or a refusal.
    Answered,
    /// The bucket failed, or the connection did.
    Fault,
    /// The bucket asks for fewer requests.
    Throttled,
    /// No answer within the deadline. Not made again: the time is used up, and who is slow gets no more work.
    Silent,
}

impl Outcome {
    /// What an answer with this status and this S3 error code is.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
    pub(super) fn of_answer(status: u16, code: &str) -> Self {
        match (code, status) {
            ("SlowDown" | "ServiceUnavailable", _) | (_, 429 | 503) => Self::Throttled,
            // The codes also stand in answers of 200, and RequestTimeout in one of 400; who is not the bucket may have
            // been reached by chance.
            ("InternalError" | "RequestTimeout" | NOT_S3, _) | (_, 500 | 502 | 504) => Self::Fault,
            _ => Self::Answered,
        }
    }

    /// How long to wait before attempt number `made + 1`, or nothing when there is none.
    ///
    /// `dice` is random, evenly over its range; `asked` is the answer's `Retry-After`; `left` is what is left of the
    /// deadline. A wait that the deadline does not hold is not begun.
    pub(super) fn pause(self, made: u32, dice: u32, asked: Option<Duration>, left: Duration) -> Option<Duration> {
        let base = match self {
            Self::Answered | Self::Silent => return None,
            Self::Fault => FAULT_BASE,
            Self::Throttled => THROTTLE_BASE,
        };
        if made >= MAX_ATTEMPTS {
            return None;
        }
        let longest = base.saturating_mul(1_u32.checked_shl(made.saturating_sub(1)).unwrap_or(u32::MAX));
        let share = f64::from(dice) / f64::from(u32::MAX);
        let pause = longest.mul_f64(share).max(asked.unwrap_or_default());
        Some(pause).filter(|pause| *pause < left)
    }
}

/// `Retry-After` in its form of seconds (RFC 9110 section 10.2.3); a date there is not waited for.
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(Duration::from_secs)
}

/// What may be tried again, so that a bucket in trouble does not get three times the load.
///
/// Ten attempts to begin with; each costs one. One that succeeds gives itself back, and ten calls that succeed at once
/// give one more. When nothing succeeds any more, no more than the ten are made, however many calls there are.
#[derive(Debug)]
pub(super) struct Budget {
    /// In tenths of an attempt.
    tenths: u32,
}

impl Budget {
    const FULL: u32 = 100;
    const ATTEMPT: u32 = 10;
    const FIRST_SUCCESS: u32 = 1;

    pub(super) const fn full() -> Self {
        Self { tenths: Self::FULL }
    }

    /// How many attempts are in it.
    pub(super) fn left(&self) -> f64 {
        f64::from(self.tenths) / f64::from(Self::ATTEMPT)
    }

    /// Takes one attempt out, if there is one.
    pub(super) fn take(&mut self) -> bool {
        let left = self.tenths.checked_sub(Self::ATTEMPT);
        self.tenths = left.unwrap_or(self.tenths);
        left.is_some()
    }

    /// A call was answered at attempt number `made`.
    pub(super) fn succeeded(&mut self, made: u32) {
        let back = if made > 1 { Self::ATTEMPT } else { Self::FIRST_SUCCESS };
        self.tenths = self.tenths.saturating_add(back).min(Self::FULL);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_again_and_nothing_else() {
        for (status, code, outcome) in [
            (200, "", Outcome::Answered),
            (204, "", Outcome::Answered),
            (301, "PermanentRedirect", Outcome::Answered),
            (400, "ExpiredToken", Outcome::Answered),
            (403, "AccessDenied", Outcome::Answered),
            (403, "RequestTimeTooSkewed", Outcome::Answered),
            (404, "NoSuchKey", Outcome::Answered),
            (412, "PreconditionFailed", Outcome::Answered),
            (501, "NotImplemented", Outcome::Answered),
            (500, "", Outcome::Fault),
            (502, "", Outcome::Fault),
            (504, "", Outcome::Fault),
            (200, "InternalError", Outcome::Fault),
            (404, "NotS3", Outcome::Fault),
            (400, "RequestTimeout", Outcome::Fault),
            (503, "", Outcome::Throttled),
            (429, "", Outcome::Throttled),
            (200, "SlowDown", Outcome::Throttled),
            (503, "ServiceUnavailable", Outcome::Throttled),
        ] {
            assert_eq!(Outcome::of_answer(status, code), outcome, "{status} {code}");
        }
    }

    #[test]
    fn a_wait_is_jittered_grows_and_ends_with_the_third_attempt() {
        let pause = |outcome: Outcome, made, dice| outcome.pause(made, dice, None, Duration::from_secs(5));
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(pause(Outcome::Fault, 1, 0), millis(0));
        assert_eq!(pause(Outcome::Fault, 1, u32::MAX), millis(100));
        assert_eq!(pause(Outcome::Fault, 2, u32::MAX), millis(200));
        assert_eq!(pause(Outcome::Throttled, 2, u32::MAX), millis(1000));
        for outcome in [Outcome::Fault, Outcome::Throttled] {
            assert_eq!(pause(outcome, 3, 0), None);
        }
        for outcome in [Outcome::Answered, Outcome::Silent] {
            assert_eq!(pause(outcome, 1, 0), None);
        }
    }

    #[test]
    fn retry_after_is_kept_to_within_the_deadline_and_else_not_begun() {
        let asked =
            |asked, left| Outcome::Throttled.pause(1, 0, Some(Duration::from_secs(asked)), Duration::from_secs(left));
        assert_eq!(asked(2, 5), Some(Duration::from_secs(2)));
        assert_eq!(asked(5, 5), None);
        assert_eq!(asked(86_400, 5), None);
        assert_eq!(retry_after(" 3 "), Some(Duration::from_secs(3)));
        for odd in ["", "-1", "1.5", "Sun, 22 Nov 2026 15:00:00 GMT", "99999999999999999999"] {
            assert_eq!(retry_after(odd), None, "{odd}");
        }
    }

    proptest! {
        /// H16: whatever the share of failures, the extra load is bounded.
        #[test]
        fn extra_attempts_stay_within_the_budget(answers in prop::collection::vec(any::<bool>(), 1..2000)) {
            let mut budget = Budget::full();
            let (mut calls, mut extra, mut useful) = (0_u32, 0_u32, 0_u32);
            let mut answers = answers.into_iter();
            'calls: loop {
                calls += 1;
                for made in 1..=MAX_ATTEMPTS {
                    let Some(answered) = answers.next() else { break 'calls };
                    if answered {
                        budget.succeeded(made);
                        useful += u32::from(made > 1);
                        break;
                    }
                    if made == MAX_ATTEMPTS || !budget.take() {
                        break;
                    }
                    extra += 1;
                }
            }
            // Those that brought no answer: ten, and one for ten calls.
            prop_assert!(extra - useful <= 10 + calls.div_ceil(10), "{} extra, {} useful, {} calls", extra, useful, calls);
        }

        /// Nothing is waited for beyond the deadline, whatever is asked.
        #[test]
        fn a_pause_is_shorter_than_what_is_left(made in 1_u32..5, dice: u32, asked in prop::option::of(any::<u64>()), left in 0_u64..10_000) {
            let left = Duration::from_millis(left);
            for outcome in [Outcome::Fault, Outcome::Throttled] {
                let pause = outcome.pause(made, dice, asked.map(Duration::from_secs), left);
                prop_assert!(pause.is_none_or(|pause| pause < left));
            }
        }
    }

    /// H16: at total failure ten attempts more, and then none.
    #[test]
    fn at_total_failure_the_budget_runs_dry() {
        let mut budget = Budget::full();
        assert_eq!((0..1000).filter(|_| budget.take()).count(), 10);
        (0..9).for_each(|_| budget.succeeded(1));
        assert!(!budget.take());
        budget.succeeded(1);
        assert!(budget.take() && !budget.take());
    }
}
