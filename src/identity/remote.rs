//! A key set at a URL, kept fresh in the background.
//!
//! One task per source fetches; nobody else does. A request never fetches: it asks,
//! waits for the fetch under way, and looks again. So a fetch is always single-flight,
//! and a thousand forged tokens cost the identity provider one request per cooldown.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Authenticator;
use super::counts::SourceCounts;
use super::fetch::{FetchError, Fetcher};
use crate::config::FetchRules;
use crate::domain::token::KeySet;
use crate::outbound::doubled;

/// The first pause after a failure. Each further one is twice as long, up to the cooldown.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// What is known of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// None has come yet.
    Never,
    /// In force.
    Good,
    /// Not confirmed for longer than `auth.jwks_max_stale_secs`, and so not in force.
    TooOld,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Fetches that have ended.
    ended: u64,
    /// A fetch is under way, or asked for.
    fetching: bool,
    /// How the last one ended.
    failed: bool,
    keys: Keys,
    /// When a token last caused a fetch. Those that time causes do not count, or a rotation
    /// just after the start would be noticed late.
    last_asked: Option<Instant>,
    /// When the last good answer came.
    confirmed: Option<Instant>,
}

/// The state of one source, as requests see it.
#[derive(Debug)]
pub(super) struct Remote {
    /// What logs and metrics call it: the issuer or the address, without a query, which may hold a key.
    pub(super) name: String,
    algorithms: Vec<Algorithm>,
    cooldown: Duration,
    progress: watch::Sender<Progress>,
    pub(super) counts: Arc<SourceCounts>,
}

impl Remote {
    pub(super) fn new(name: String, algorithms: Vec<Algorithm>, cooldown: Duration, counts: Arc<SourceCounts>) -> Self {
        let start =
            Progress { ended: 0, fetching: true, failed: false, keys: Keys::Never, last_asked: None, confirmed: None };
        Self { name, algorithms, cooldown, progress: watch::Sender::new(start), counts }
    }

    /// How long ago the last good answer came.
    pub(super) fn age(&self) -> Option<Duration> {
        self.progress.borrow().confirmed.map(|at| at.elapsed())
    }

    /// Whether a token with this algorithm could be signed by a key from here.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    pub(super) fn keys(&self) -> Keys {
        self.progress.borrow().keys
    }

    /// Whether the last fetch brought nothing, so that newer keys may exist.
    pub(super) fn failed(&self) -> bool {
        self.progress.borrow().failed
    }

    /// Asks for newer keys: the end of the fetch under way. Nothing when there is none and the
    /// cooldown forbids to begin one.
    pub(super) fn ask_for_newer(&self) -> Option<impl Future<Output = ()> + use<>> {
        let mut progress = self.progress.subscribe();
        let ended = self.ask()?;
        Some(async move {
            // An error means that the task is gone, and with it the service.
            let _ = progress.wait_for(|progress| progress.ended > ended).await;
        })
    }

    /// How many fetches had ended before the one that is under way now.
    fn ask(&self) -> Option<u64> {
        let may_begin = |progress: &Progress| {
            !progress.fetching && progress.last_asked.is_none_or(|last| last.elapsed() >= self.cooldown)
        };
        // A flood only reads.
        let seen = *self.progress.borrow();
        if !seen.fetching && !may_begin(&seen) {
            return None;
        }
        let mut under_way = None;
        self.progress.send_if_modified(|progress| {
            let begin = may_begin(progress);
            if begin {
                progress.fetching = true;
                progress.last_asked = Some(Instant::now());
            }
            under_way = progress.fetching.then_some(progress.ended);
            begin
        });
        under_way
    }

    fn ended(&self, failed: bool, keys: Keys) {
        if failed { &self.counts.failures } else { &self.counts.refreshes }.add();
        self.progress.send_modify(|progress| {
            progress.ended = progress.ended.wrapping_add(1);
            progress.fetching = false;
            progress.failed = failed;
            if !failed {
                progress.confirmed = Some(Instant::now());
            }
            progress.keys = keys;
        });
    }
}

/// When to fetch next, and until when the last good answer counts.
struct Schedule {
    rules: FetchRules,
    confirmed: Option<Instant>,
    pause: Duration,
    failures: u32,
}

impl Schedule {
    fn succeeded(&mut self, max_age: Option<Duration>) {
        let least = self.rules.cooldown.min(self.rules.max_age);
        self.confirmed = Some(Instant::now());
        self.failures = 0;
        self.pause = max_age.unwrap_or(self.rules.max_age).clamp(least, self.rules.max_age);
    }

    fn failed(&mut self) {
        self.pause = doubled(FIRST_RETRY, self.failures, self.rules.cooldown);
        self.failures = self.failures.saturating_add(1);
    }

    /// When the keys in force stop to be.
    fn too_old_at(&self, remote: &Remote) -> Option<Instant> {
        let at = self.confirmed?.checked_add(self.rules.max_stale);
        at.filter(|_| remote.keys() == Keys::Good)
    }
}

/// Keeps one source's keys fresh in an authenticator, for as long as there is one.
pub(super) async fn keep_fresh(
    remote: Arc<Remote>,
    place: usize,
    mut fetcher: Fetcher,
    rules: FetchRules,
    weak: Weak<Authenticator>,
) {
    let mut asked = remote.progress.subscribe();
    let mut schedule = Schedule { rules, confirmed: None, pause: Duration::ZERO, failures: 0 };
    let mut document = Vec::new();
    let mut last_error = String::new();
    loop {
        if weak.strong_count() == 0 {
            return;
        }
        let outcome = {
            let mut fetch = std::pin::pin!(fetcher.fetch());
            tokio::select! {
                outcome = &mut fetch => outcome,
                // A fetch that hangs does not keep keys in force past their time.
                () = sleep_until(schedule.too_old_at(&remote).unwrap_or_else(far_off)) => {
                    if !drop_old_keys(&remote, place, &weak) { return }
                    fetch.await
                }
            }
        };
        let Some(authenticator) = weak.upgrade() else { return };
        match outcome {
            Ok(fresh) => {
                schedule.succeeded(fresh.max_age);
                // The same keys once more are no reason to forget every verified token.
                if fresh.document != document || remote.keys() != Keys::Good {
                    log_set(&remote.name, &fresh.set);
                    document = fresh.document;
                    authenticator.set_source(place, fresh.set.keys);
                }
                last_error.clear();
                remote.ended(false, Keys::Good);
            }
            Err(error) => {
                schedule.failed();
                log_failure(&remote.name, &error, &mut last_error);
                remote.ended(true, remote.keys());
            }
        }
        drop(authenticator);

        let next = Instant::now().checked_add(schedule.pause).unwrap_or_else(Instant::now);
        let too_old_at = schedule.too_old_at(&remote);
        tokio::select! {
            () = sleep_until(too_old_at.map_or(next, |at| at.min(next))) => {}
            asked = asked.wait_for(|progress| progress.fetching) => if asked.is_err() { return },
        }
        if too_old_at.is_some_and(|at| at <= Instant::now()) && !drop_old_keys(&remote, place, &weak) {
            return;
        }
    }
}

/// A moment that never comes; whether it is a year off or an hour makes no difference, as the loop asks again.
fn far_off() -> Instant {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    Instant::now().checked_add(YEAR).unwrap_or_else(Instant::now)
}

/// Takes keys out of force that nobody has confirmed for too long. False when the authenticator is gone.
fn drop_old_keys(remote: &Remote, place: usize, weak: &Weak<Authenticator>) -> bool {
    let Some(authenticator) = weak.upgrade() else { return false };
    tracing::error!(source = remote.name, "its keys are older than auth.jwks_max_stale_secs and not used any more");
    authenticator.set_source(place, Vec::new());
    remote.progress.send_modify(|progress| progress.keys = Keys::TooOld);
    true
}

fn log_set(name: &str, set: &KeySet) {
    tracing::info!(source = name, keys = set.keys.len(), "keys are in force");
    for (place, reason) in &set.dropped {
        tracing::debug!(source = name, place, %reason, "an entry of the key set is not used");
    }
}

/// A failure that goes on is said once.
fn log_failure(name: &str, error: &FetchError, last: &mut String) {
    let mut text = error.to_string();
    if let FetchError::Unreachable(cause) = error {
        // reqwest's own text would repeat the URL; the innermost cause says what happened.
        let mut cause: &dyn std::error::Error = cause;
        while let Some(next) = cause.source() {
            cause = next;
        }
        text = format!("{text}: {cause}");
    }
    if *last != text {
        tracing::warn!(source = name, "no keys came: {text}");
        *last = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(cooldown: u64) -> Schedule {
        let rules = FetchRules {
            cooldown: Duration::from_secs(cooldown),
            max_age: Duration::from_mins(10),
            max_stale: Duration::from_hours(1),
            timeout: Duration::from_secs(5),
            max_waiting: 1,
            allow_http: false,
        };
        Schedule { rules, confirmed: None, pause: Duration::ZERO, failures: 0 }
    }

    /// A provider in trouble is not kept there by us.
    #[tokio::test]
    async fn failures_are_further_and_further_apart_until_one_fetch_succeeds() {
        let mut schedule = schedule(30);
        for secs in [1, 2, 4, 8, 16, 30, 30] {
            schedule.failed();
            assert_eq!(schedule.pause, Duration::from_secs(secs));
        }
        schedule.succeeded(None);
        assert_eq!(schedule.pause, Duration::from_mins(10));
        schedule.failed();
        assert_eq!(schedule.pause, Duration::from_secs(1));
    }

    /// What an answer says of its age counts within what the operator says.
    #[tokio::test]
    async fn a_good_answer_is_fetched_again_when_it_says_within_bounds() {
        let mut schedule = schedule(30);
        for (said, pause) in [(0, 30), (29, 30), (31, 31), (599, 599), (86_400, 600)] {
            schedule.succeeded(Some(Duration::from_secs(said)));
            assert_eq!(schedule.pause, Duration::from_secs(pause), "{said}");
            assert!(schedule.confirmed.is_some());
        }
        // An operator who wants newer keys than a cooldown allows gets them.
        let mut eager = self::schedule(1000);
        eager.succeeded(Some(Duration::ZERO));
        assert_eq!(eager.pause, Duration::from_mins(10));
    }
}
