//! Whether the bucket answers, asked in the background and kept for everyone.
//!
//! # Why a GET of a key that need not exist
//!
//! `HeadBucket` needs the right to list, which a signer should not have, and the
//! 403 to a HEAD has no body, so "you may not list" cannot be told from "your
//! signature is wrong". A GET's error document can: that the object is not there,
//! or that reading it is denied, proves that address, clock, key and bucket are
//! right; every other code names what is not.
//!
//! It is made once, whatever the calls before it met: its verdict is about this moment. What it meets counts for them:
//! an answer ends the time in which the bucket is taken for down.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::answer::Refusal;
use super::client::{BucketClient, BucketError, OWN_URL_LIFE};

/// A key that callers cannot name: no store is called `.signer`, and a key has two segments.
const SENTINEL_KEY: &str = ".signer-probe";

/// A clock that is off by more is worth a warning; S3 refuses signatures from 15 minutes on.
const MAX_QUIET_SKEW_SECS: i64 = 30;

/// S3 refuses a signature that is so far ahead.
const MAX_AHEAD_SECS: i64 = 15 * 60;

/// After a failure the next probe comes sooner, but never sooner than this, from start to start: a bucket that takes
/// long to fail is not thought down for any longer.
const RETRY_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Why the bucket does not answer as it should. The names are part of the `/health` answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ProbeFailure {
    /// No probe has ended yet.
    #[error("the bucket has not been asked yet")]
    Starting,
    /// No connection.
    #[error("the bucket cannot be reached")]
    Unreachable,
    /// No answer within the deadline.
    #[error("the bucket does not answer in time")]
    Timeout,
    /// `NoSuchBucket`.
    #[error("there is no such bucket")]
    NoBucket,
    /// The access key or the signature is refused, or there is no access key that holds now.
    #[error("the access key or its secret is refused, or there is none")]
    Credentials,
    /// `RequestTimeTooSkewed`.
    #[error("this machine's clock is off")]
    Clock,
    /// The region in the signature, or the address, is another bucket's.
    #[error("the region or the address is wrong")]
    Region,
    /// Anything else.
    #[error("the bucket answers with an error")]
    Error,
}

/// What is known of the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The answer to the last probe.
    pub verdict: Result<(), ProbeFailure>,
    /// When it was asked.
    pub checked_at: Option<Timestamp>,
}

/// The last answer of the bucket. Reading it costs nothing and asks nobody.
#[derive(Debug, Clone)]
pub struct HealthMonitor(watch::Receiver<Health>);

impl HealthMonitor {
    /// A monitor that always says the same, and the way to make it say something else.
    #[must_use]
    pub fn fixed(health: Health) -> (Self, watch::Sender<Health>) {
        let (sender, receiver) = watch::channel(health);
        (Self(receiver), sender)
    }

    /// Starts to ask the bucket every `interval`, until the monitor and all its clones are gone.
    #[must_use]
    pub fn start(client: Arc<BucketClient>, interval: Duration, clock: fn() -> Timestamp) -> Self {
        let (monitor, sender) = Self::fixed(Health { verdict: Err(ProbeFailure::Starting), checked_at: None });
        tokio::spawn(async move {
            loop {
                let (now, began) = (clock(), Instant::now());
                let verdict = probe(&client, now).await;
                client.counts.probe_took.set_duration(began.elapsed());
                let before = sender.send_replace(Health { verdict, checked_at: Some(now) });
                log_change(&client.name, before.verdict, verdict);
                let pause = if verdict.is_ok() { interval } else { interval.min(RETRY_AFTER_FAILURE) };
                tokio::select! {
                    () = sender.closed() => break,
                    () = sleep_until(began.checked_add(pause).unwrap_or(began)) => {}
                }
            }
        });
        monitor
    }

    /// The last answer.
    #[must_use]
    pub fn health(&self) -> Health {
        *self.0.borrow()
    }
}

fn log_change(storage: &str, before: Result<(), ProbeFailure>, now: Result<(), ProbeFailure>) {
    match now {
        Ok(()) if before != now => tracing::info!(storage, "the bucket answers"),
        Err(failure) if before != now => {
            tracing::warn!(storage, failure = ?failure, "the bucket is not usable: {failure}");
        }
        _ => {}
    }
}

async fn probe(client: &BucketClient, now: Timestamp) -> Result<(), ProbeFailure> {
    match client.get_for_probe(SENTINEL_KEY, now).await {
        Ok(probed) => {
            let skew_secs = probed.date.map_or(0, |date| now.as_second().saturating_sub(date.as_second()));
            client.counts.skew.set(skew_secs);
            warn_about_skew(&client.name, skew_secs);
            let Refusal { status, code } = probed.refusal;
            if is_refused_for_its_date(&code, skew_secs) { Err(ProbeFailure::Clock) } else { judge(status, &code) }
        }
        Err(BucketError::TimedOut) => Err(ProbeFailure::Timeout),
        Err(BucketError::NoCredentials) => Err(ProbeFailure::Credentials),
        Err(_) => Err(ProbeFailure::Unreachable),
    }
}

/// Of a URL that has ended, or that has not begun, S3 says no more than that access is denied, which otherwise proves
/// that all is well. `skew_secs` is how far this machine's clock is ahead of the bucket's.
fn is_refused_for_its_date(code: &str, skew_secs: i64) -> bool {
    let life_secs = i64::try_from(OWN_URL_LIFE.as_secs()).unwrap_or(i64::MAX);
    code == "AccessDenied" && (skew_secs > MAX_AHEAD_SECS || skew_secs < life_secs.saturating_neg())
}

fn warn_about_skew(storage: &str, skew_secs: i64) {
    if skew_secs.abs() > MAX_QUIET_SKEW_SECS {
        tracing::warn!(
            storage,
            skew_secs,
            "this machine's clock and the bucket's disagree; URLs may be refused or end early"
        );
    }
}

/// What an answer to the probe proves.
pub(crate) fn judge(status: StatusCode, code: &str) -> Result<(), ProbeFailure> {
    match (status, code) {
        (_, "NoSuchBucket") => Err(ProbeFailure::NoBucket),
        (_, "RequestTimeTooSkewed" | "RequestExpired") => Err(ProbeFailure::Clock),
        (
            _,
            "SignatureDoesNotMatch"
            | "InvalidAccessKeyId"
            | "NotSignedUp"
            | "ExpiredToken"
            | "InvalidToken"
            | "InvalidSecurity"
            | "AccountProblem"
            | "Unauthorized",
        ) => Err(ProbeFailure::Credentials),
        (
            _,
            "AuthorizationHeaderMalformed"
            | "AuthorizationQueryParametersError"
            | "PermanentRedirect"
            | "IncorrectEndpoint",
        ) => Err(ProbeFailure::Region),
        (status, _) if status.is_redirection() => Err(ProbeFailure::Region),
        (StatusCode::OK, "") | (StatusCode::NOT_FOUND, "" | "NoSuchKey") | (StatusCode::FORBIDDEN, "AccessDenied") => {
            Ok(())
        }
        _ => Err(ProbeFailure::Error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_or_denied_object_proves_the_bucket() {
        for (status, code) in [(200, ""), (404, "NoSuchKey"), (404, ""), (403, "AccessDenied")] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap(), code), Ok(()), "{status} {code}");
        }
    }

    #[test]
    fn a_url_that_is_denied_for_its_date_proves_that_the_clock_is_off() {
        for skew_secs in [-61, -7200, 901, 86_400] {
            assert!(is_refused_for_its_date("AccessDenied", skew_secs), "{skew_secs}");
            assert!(!is_refused_for_its_date("NoSuchKey", skew_secs), "{skew_secs}");
        }
        for skew_secs in [0, -60, 900] {
            assert!(!is_refused_for_its_date("AccessDenied", skew_secs), "{skew_secs}");
        }
    }

    #[test]
    fn every_other_answer_names_what_is_wrong() {
        for (status, code, failure) in [
            (404, "NoSuchBucket", ProbeFailure::NoBucket),
            (403, "SignatureDoesNotMatch", ProbeFailure::Credentials),
            (403, "InvalidAccessKeyId", ProbeFailure::Credentials),
            (400, "ExpiredToken", ProbeFailure::Credentials),
            (403, "RequestTimeTooSkewed", ProbeFailure::Clock),
            (400, "AuthorizationHeaderMalformed", ProbeFailure::Region),
            (301, "PermanentRedirect", ProbeFailure::Region),
            (307, "", ProbeFailure::Region),
            (403, "", ProbeFailure::Error),
            (500, "InternalError", ProbeFailure::Error),
            (503, "SlowDown", ProbeFailure::Error),
            (200, "InternalError", ProbeFailure::Error),
            (200, "NotS3", ProbeFailure::Error),
            (404, "NotS3", ProbeFailure::Error),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap(), code), Err(failure), "{status} {code}");
        }
    }
}
