//! Credentials that end, fetched again in the background.
//!
//! One task for each source fetches, and nobody else does, so that a fetch is always single-flight.
//! Requests only say that they would like newer ones. When a fetch fails, the old ones
//! stay in force to their end, which the presigner holds to by itself.

use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_lc_rs::rand;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::source::{Source, SourceError};
use super::{Issued, Slot};
use crate::outbound::doubled;

/// Newer ones are fetched this long before the end at the latest, or five minutes of failures would be an outage.
const SAFETY: Duration = Duration::from_mins(5);
/// The longest pause after a failure, or while a source gives no newer ones shortly before the end.
const MAX_RETRY: Duration = Duration::from_secs(30);
/// The shortest pause between two fetches.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// Shared files may be written by anybody at any time.
const PROFILE_INTERVAL: Duration = Duration::from_secs(10);

/// Keeps the credentials of a slot fresh, for as long as there is one.
pub(super) async fn keep_fresh(weak: Weak<Slot>, wanted: Arc<Notify>, source: Source, clock: fn() -> Timestamp) {
    let mut in_force: Option<Issued> = None;
    let mut failures = 0;
    let mut last_error = String::new();
    loop {
        let fetched = source.issue(clock()).await;
        let Some(slot) = weak.upgrade() else { return };
        let now = clock();
        let pause = match fetched.and_then(|issued| not_ended(issued, now)) {
            Ok(issued) => {
                failures = 0;
                last_error.clear();
                let ends_at = issued.ends_at;
                // The same ones once more are no reason to derive their keys again.
                if in_force.as_ref() != Some(&issued) {
                    let access_key_id = &issued.credentials.access_key_id;
                    let until = ends_at.map(tracing::field::display);
                    let (storage, source) = (slot.storage.as_str(), source.name());
                    tracing::info!(storage, source, access_key_id, until, "new credentials are in force");
                    slot.put_in_force(issued.clone());
                    in_force = Some(issued);
                }
                match (ends_at, source.may_change_without_end()) {
                    (Some(end), _) => Some(until_refresh(left(end, now))),
                    (None, true) => Some(PROFILE_INTERVAL),
                    (None, false) => None,
                }
            }
            Err(error) => {
                let holds = slot.current.load().as_ref().is_some_and(|held| held.holds_at(now));
                slot.counts.credential_failures.add();
                log_failure((&slot.storage, source.name()), &error, holds, &mut last_error);
                let pause = doubled(MIN_PAUSE, failures, MAX_RETRY);
                failures = failures.saturating_add(1);
                Some(pause)
            }
        };
        drop(slot);
        // Credentials without an end from a source that does not change: all is done.
        let Some(pause) = pause else { return };
        let nudged = async {
            // URLs that are to live longer than any credentials do must not cause a fetch each.
            sleep(part_of(pause, 1, 2).max(MAX_RETRY).min(pause)).await;
            wanted.notified().await;
        };
        let scheduled = Instant::now().checked_add(with_jitter(pause)).unwrap_or_else(Instant::now);
        tokio::select! {
            () = sleep_until(scheduled) => {}
            () = nudged => {}
        }
        if weak.strong_count() == 0 {
            return;
        }
    }
}

fn not_ended(issued: Issued, now: Timestamp) -> Result<Issued, SourceError> {
    match issued.ends_at {
        Some(end) if end.as_second() <= now.as_second() => Err(SourceError::Ended),
        _ => Ok(issued),
    }
}

fn left(end: Timestamp, now: Timestamp) -> Duration {
    let secs = end.as_second().saturating_sub(now.as_second());
    Duration::from_secs(u64::try_from(secs).unwrap_or(0))
}

/// When credentials with so much life left are fetched anew: after 80 % of it and five minutes before the end at
/// the latest. Metadata services hand out the same ones again until shortly before the end; then it is asked often.
fn until_refresh(left: Duration) -> Duration {
    let most = part_of(left, 4, 5);
    let pause = match left.checked_sub(SAFETY) {
        Some(before) if before > MAX_RETRY => most.min(before),
        _ => part_of(left, 1, 5).min(MAX_RETRY),
    };
    pause.max(MIN_PAUSE)
}

/// Up to a tenth less, so that copies that were started together do not ask together for ever.
fn with_jitter(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness there is no jitter, which is no harm.
    let _ = rand::fill(&mut byte);
    pause.saturating_sub(part_of(pause, byte[0].into(), 2560))
}

fn part_of(whole: Duration, numerator: u32, denominator: u32) -> Duration {
    whole.saturating_mul(numerator).checked_div(denominator).unwrap_or(whole)
}

/// A failure that goes on is said once, and once more when it begins to hurt.
fn log_failure((storage, source): (&str, &str), error: &SourceError, holds: bool, last: &mut String) {
    let text = format!("{holds} {error}");
    if *last == text {
        return;
    }
    if holds {
        tracing::warn!(storage, source, "no new credentials, the old ones stay in force: {error}");
    } else {
        tracing::error!(storage, source, "there are no credentials, nothing is signed: {error}");
    }
    *last = text;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_comes_in_time_and_never_too_often() {
        for (left, pause) in [
            // An hour: 80 % would be 12 minutes before the end.
            (3600, 2880),
            // AWS's shortest role session: five minutes before the end.
            (900, 600),
            (6 * 3600, 17_280),
            // Shortly before the end, as with metadata services that have no newer ones yet.
            (330, 30),
            (300, 30),
            (60, 12),
            (2, 1),
            (0, 1),
        ] {
            assert_eq!(until_refresh(Duration::from_secs(left)), Duration::from_secs(pause), "{left}");
        }
    }

    #[test]
    fn jitter_takes_at_most_a_tenth() {
        let pause = Duration::from_secs(1000);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let jittered = with_jitter(pause);
            assert!(jittered <= pause && jittered > pause.mul_f32(0.9), "{jittered:?}");
            seen.insert(jittered);
        }
        assert!(seen.len() > 10);
    }
}
