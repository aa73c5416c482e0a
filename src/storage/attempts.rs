//! One call to the bucket: its attempts, within one deadline, and what each tells about the bucket.
//!
//! All our calls may be made again: a delete that was done twice is done. What decides is in `retry` and `breaker`;
//! here are the clock, the dice and the socket. Both are kept per client, so that one bucket's trouble is its own.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::CONNECTION;
use reqwest::{RequestBuilder, Response};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer::Answer;
use super::breaker::{Admission, Breaker, Change};
use super::client::{BucketClient, BucketError, bucket_error};
use super::counts::Operation;
use super::retry::{Budget, Outcome};
use crate::outbound;
use crate::telemetry::spans;

/// What the calls so far have shown. The lock is held for a few comparisons, and by calls to the bucket only.
#[derive(Debug)]
pub(super) struct Condition {
    calls: Mutex<(Breaker, Budget)>,
    /// The last answer was somebody else's. Connections then end with their next call, so that the name is looked up
    /// again: under steady traffic they would else outlive a wrong address for good.
    is_misled: AtomicBool,
}

impl Condition {
    pub(super) const fn unknown() -> Self {
        Self { calls: Mutex::new((Breaker::closed(), Budget::full())), is_misled: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, (Breaker, Budget)> {
        // Whole after each statement, so a panic elsewhere leaves nothing half done.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the bucket is taken for down.
    pub(super) fn is_open(&self) -> bool {
        self.lock().0.is_open()
    }

    /// How many attempts after a first one may be made now.
    pub(super) fn retries_left(&self) -> f64 {
        self.lock().1.left()
    }

    fn admit(&self, now: Instant) -> Admission {
        self.lock().0.admit(now)
    }

    /// Takes note of an attempt's end. `storage` is for the log.
    fn record(&self, storage: &str, outcome: Outcome, made: u32, started: Instant, now: Instant) {
        let change = {
            let (breaker, budget) = &mut *self.lock();
            if outcome == Outcome::Answered {
                budget.succeeded(made);
                breaker.answered(now)
            } else {
                breaker.failed(started, now)
            }
        };
        match change {
            Some(Change::Opened) => {
                tracing::warn!(
                    storage,
                    "the bucket is taken for down: all calls failed; one a second is made until it answers"
                );
            }
            Some(Change::Closed) => tracing::info!(storage, "the bucket answers again"),
            None => {}
        }
    }

    /// Whether one more attempt may be made; it is then taken out of the budget.
    fn may_repeat(&self) -> bool {
        let (breaker, budget) = &mut *self.lock();
        !breaker.is_open() && budget.take()
    }
}

/// When a call began, by both clocks, and when it ends at the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    now: Timestamp,
    began: Instant,
    ends: Instant,
    /// How long an attempt may take to be answered at all.
    first_byte: Duration,
    operation: Operation,
}

impl Span {
    /// For a call that takes the bucket its time: `within` is for everything, and all of it may pass in silence.
    pub(super) fn within(now: Timestamp, within: Duration) -> Self {
        let began = Instant::now();
        let ends = began.checked_add(within).unwrap_or(began);
        Self { now, began, ends, first_byte: within, operation: Operation::Other }
    }

    /// Spent on this.
    pub(super) const fn of(self, operation: Operation) -> Self {
        Self { operation, ..self }
    }

    /// What an attempt that begins at this moment is dated.
    fn date(&self) -> Timestamp {
        let passed = jiff::SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        self.now.checked_add(passed).unwrap_or(self.now)
    }

    fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }
}

impl BucketClient {
    /// The time that a call which begins now has for everything.
    pub(super) fn span(&self, now: Timestamp) -> Span {
        let began = Instant::now();
        let ends = began.checked_add(self.call_timeout).unwrap_or(began);
        Span { now, began, ends, first_byte: self.first_byte_timeout, operation: Operation::Other }
    }

    /// The bucket's answer, after another attempt or two where that may help. `sign` makes each attempt anew, because a
    /// signature is dated; of an answer that says yes, `most` bytes are read.
    pub(super) async fn call(
        &self,
        span: Span,
        most: usize,
        sign: impl Fn(Timestamp) -> Result<RequestBuilder, BucketError>,
    ) -> Result<Answer, BucketError> {
        let began = Instant::now();
        let first = sign(span.date()).inspect_err(|_| self.counts.call_not_made(span.operation))?;
        if let Admission::Refused(wait) = self.condition.admit(began) {
            self.counts.call_not_made(span.operation);
            return Err(BucketError::TakenForDown { wait });
        }
        let mut request = first;
        let mut made: u32 = 0;
        loop {
            made = made.saturating_add(1);
            let (answer, outcome) = self.attempt(request, most, made, span).await;
            let asked = answer.as_ref().ok().and_then(Answer::retry_after);
            match outcome.pause(made, dice(), asked, span.left()) {
                Some(pause) if self.condition.may_repeat() => {
                    self.counts.retries.add();
                    sleep(pause).await;
                }
                _ => {
                    self.counts.call_ended(span.operation, outcome, began.elapsed());
                    return answer;
                }
            }
            request = sign(span.date()).inspect_err(|_| self.counts.call_not_made(span.operation))?;
        }
    }

    /// One attempt whatever the state of the bucket, for the health probe: what it finds is to be the plain truth, and
    /// it closes an open breaker.
    pub(super) async fn call_once(
        &self,
        span: Span,
        most: usize,
        request: RequestBuilder,
    ) -> Result<Answer, BucketError> {
        // It stands in for the next probe of an open breaker, when one is due.
        self.condition.admit(Instant::now());
        let (answer, outcome) = self.attempt(request, most, 1, span).await;
        self.counts.call_ended(span.operation, outcome, span.began.elapsed());
        answer
    }

    async fn attempt(
        &self,
        request: RequestBuilder,
        most: usize,
        made: u32,
        Span { ends, first_byte, .. }: Span,
    ) -> (Result<Answer, BucketError>, Outcome) {
        let misled = &self.condition.is_misled;
        let request = if misled.load(Ordering::Relaxed) { request.header(CONNECTION, "close") } else { request };
        let started = Instant::now();
        let (answer, outcome) = timeout_at(ends, self.exchange(request, most, first_byte))
            .await
            .unwrap_or((Err(BucketError::TimedOut), Outcome::Silent));
        self.condition.record(&self.name, outcome, made, started, Instant::now());
        if let Ok(answer) = &answer {
            misled.store(answer.is_of_another_server(), Ordering::Relaxed);
        }
        (answer, outcome)
    }

    async fn exchange(
        &self,
        request: RequestBuilder,
        most: usize,
        first_byte: Duration,
    ) -> (Result<Answer, BucketError>, Outcome) {
        let (http, request) = request.build_split();
        let mut request = match request {
            Ok(request) => request,
            Err(error) => return (Err(bucket_error(error)), Outcome::Fault),
        };
        let span = outbound::tell_cause(&mut request);
        let sent = timeout(first_byte, http.execute(request)).await;
        spans::end_bucket_call(&span, sent.as_ref().ok().and_then(|sent| sent.as_ref().ok()).map(Response::status));
        let answer = match sent {
            Ok(Ok(answer)) => Answer::read(answer, most).await,
            Ok(Err(error)) => Err(error),
            Err(_) => return (Err(BucketError::TimedOut), Outcome::Silent),
        };
        match answer {
            Ok(answer) => {
                let outcome = answer.outcome();
                (Ok(answer), outcome)
            }
            Err(error) => {
                // Without a connection nothing was asked of the bucket, however long that took to find out.
                let silent = error.is_timeout() && !error.is_connect();
                (Err(bucket_error(error)), if silent { Outcome::Silent } else { Outcome::Fault })
            }
        }
    }
}

/// Uneven enough to keep many callers apart, and not secret.
fn dice() -> u32 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let hash = KEYS.hash_one(std::time::Instant::now());
    u32::try_from(hash >> 32).unwrap_or_default()
}
