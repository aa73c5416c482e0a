//! The storages in numbers.

use jiff::Timestamp;

use super::{Backend, ProbeFailure};
use crate::telemetry::metrics::Text;
use crate::telemetry::metrics::families::{
    BREAKER, BUCKET_CALLS, BUCKET_RETRIES, BUCKET_SECONDS, BUCKET_UP, CREDENTIALS_AGE, CREDENTIALS_FAILURES,
    CREDENTIALS_FETCHES, CREDENTIALS_LEFT, CREDENTIALS_USABLE, Family, MINTED, PROBE_FAILURE, PROBE_SECONDS, PROMISED,
    RETRY_BUDGET, SKEW,
};

/// Why a probe fails, as `/health` names it.
const REASONS: [(ProbeFailure, &str); 8] = [
    (ProbeFailure::Starting, "starting"),
    (ProbeFailure::Unreachable, "unreachable"),
    (ProbeFailure::Timeout, "timeout"),
    (ProbeFailure::NoBucket, "no_bucket"),
    (ProbeFailure::Credentials, "credentials"),
    (ProbeFailure::Clock, "clock"),
    (ProbeFailure::Region, "region"),
    (ProbeFailure::Error, "error"),
];

/// Writes what is known of each storage as of `now`. Their names are the configuration's.
pub(crate) fn describe(storages: &[Backend], now: Timestamp, text: &mut Text) {
    urls(storages, text);
    credentials(storages, now, text);
    calls(storages, text);
    probes(storages, text);
}

/// One number of each storage, where there is one.
fn each(storages: &[Backend], text: &mut Text, family: &'static Family, value: impl Fn(&Backend) -> Option<f64>) {
    let mut samples = text.family(family);
    for storage in storages {
        if let Some(value) = value(storage) {
            samples.sample(&[("storage", &storage.name)], value);
        }
    }
}

fn count(storages: &[Backend], text: &mut Text, family: &'static Family, value: impl Fn(&Backend) -> u64) {
    let mut samples = text.family(family);
    for storage in storages {
        samples.count(&[("storage", &storage.name)], value(storage));
    }
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn urls(storages: &[Backend], text: &mut Text) {
    let mut minted = text.family(&MINTED);
    for storage in storages {
        for (operation, urls) in storage.counts.urls() {
            minted.count(&[("storage", &storage.name), ("operation", operation)], urls);
        }
    }
    count(storages, text, &PROMISED, |storage| storage.counts.promised_bytes.get());
}

fn credentials(storages: &[Backend], now: Timestamp, text: &mut Text) {
    each(storages, text, &CREDENTIALS_USABLE, |storage| Some(flag(storage.signers.is_ready(now))));
    each(storages, text, &CREDENTIALS_LEFT, |storage| {
        storage.signers.ends_at().map(|end| end.duration_since(now).as_secs_f64())
    });
    each(storages, text, &CREDENTIALS_AGE, |storage| storage.signers.age().map(|age| age.as_secs_f64()));
    count(storages, text, &CREDENTIALS_FETCHES, |storage| storage.counts.credentials.get());
    count(storages, text, &CREDENTIALS_FAILURES, |storage| storage.counts.credential_failures.get());
}

fn calls(storages: &[Backend], text: &mut Text) {
    let mut calls = text.family(&BUCKET_CALLS);
    for storage in storages {
        for (operation, outcome, made) in storage.counts.calls().filter(|(_, _, made)| *made > 0) {
            calls.count(&[("storage", &storage.name), ("operation", operation), ("outcome", outcome)], made);
        }
    }
    let mut took = text.family(&BUCKET_SECONDS);
    for storage in storages {
        took.histogram(&[("storage", &storage.name)], &storage.counts.call_took);
    }
    count(storages, text, &BUCKET_RETRIES, |storage| storage.counts.retries.get());
    each(storages, text, &RETRY_BUDGET, |storage| Some(storage.bucket.condition.retries_left()));
    each(storages, text, &BREAKER, |storage| Some(flag(storage.bucket.condition.is_open())));
}

#[allow(clippy::cast_precision_loss, reason = "a clock that is off by so much is off in any case")]
fn probes(storages: &[Backend], text: &mut Text) {
    each(storages, text, &BUCKET_UP, |storage| Some(flag(storage.health.health().verdict.is_ok())));
    let mut failures = text.family(&PROBE_FAILURE);
    for storage in storages {
        let verdict = storage.health.health().verdict;
        for (failure, reason) in REASONS {
            failures.flag(&[("storage", &storage.name), ("reason", reason)], verdict == Err(failure));
        }
    }
    each(storages, text, &PROBE_SECONDS, |storage| storage.counts.probe_took.seconds());
    each(storages, text, &SKEW, |storage| storage.counts.skew.get().map(|secs| secs as f64));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_of_the_health_answer() {
        for (failure, reason) in REASONS {
            assert_eq!(serde_json::to_value(failure).unwrap(), reason);
        }
    }
}
