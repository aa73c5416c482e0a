//! What is counted of one storage. Outlives a reload of the configuration under the storage's name.

use std::time::Duration;

use super::retry::Outcome;
use crate::domain::policy::Action;
use crate::telemetry::metrics::{Counter, Gauge, Histogram};

/// What a call asks of the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Probe = 0,
    Head = 1,
    Delete = 2,
    DeleteMany = 3,
    /// Lists and deletes versions.
    Versions = 4,
    /// Whatever an upload in parts needs.
    Multipart = 5,
    Other = 6,
}

pub(super) const OPERATIONS: [&str; 7] = ["probe", "head", "delete", "delete_many", "versions", "multipart", "other"];

/// How a call ended: as its last attempt did, or without one.
pub(super) const OUTCOMES: [&str; 5] = ["answered", "failed", "throttled", "timed_out", "not_made"];
const NOT_MADE: usize = 4;

/// What URLs are for, and credentials in their place.
pub(super) const MINTED: [&str; 8] =
    ["download", "head", "upload", "delete", "part", "multipart", "public", "credentials"];
const PUBLIC: usize = 6;
const CREDENTIALS: usize = 7;

/// The counts of one storage.
#[derive(Debug, Default)]
pub struct StorageCounts {
    calls: [[Counter; OUTCOMES.len()]; OPERATIONS.len()],
    pub(super) call_took: Histogram,
    pub(super) retries: Counter,
    pub(super) probe_took: Gauge,
    /// In whole seconds.
    pub(super) skew: Gauge,
    minted: [Counter; MINTED.len()],
    pub(super) promised_bytes: Counter,
    pub(super) credentials: Counter,
    pub(super) credential_failures: Counter,
}

impl StorageCounts {
    /// A call ended with this attempt.
    pub(super) fn call_ended(&self, operation: Operation, outcome: Outcome, took: Duration) {
        let outcome = match outcome {
            Outcome::Answered => 0,
            Outcome::Fault => 1,
            Outcome::Throttled => 2,
            Outcome::Silent => 3,
        };
        self.count_call(operation, outcome);
        if operation != Operation::Probe {
            self.call_took.observe(took);
        }
    }

    /// A call was not begun: the bucket is taken for down, or there is nothing to sign with.
    pub(super) fn call_not_made(&self, operation: Operation) {
        self.count_call(operation, NOT_MADE);
    }

    fn count_call(&self, operation: Operation, outcome: usize) {
        if let Some(count) = self.calls.get(operation as usize).and_then(|calls| calls.get(outcome)) {
            count.add();
        }
    }

    /// A URL was given out.
    pub(crate) fn minted(&self, action: Action) {
        self.minted_at(match action {
            Action::Get => 0,
            Action::Head => 1,
            Action::Put => 2,
            Action::Delete => 3,
            Action::UploadPart => 4,
            Action::CreateMultipart | Action::ListParts | Action::CompleteMultipart | Action::AbortMultipart => 5,
        });
    }

    /// A URL that needs no signature was given out.
    pub(crate) fn told_public(&self) {
        self.minted_at(PUBLIC);
    }

    /// Credentials were given out, for any number of URLs.
    pub(crate) fn gave_credentials(&self) {
        self.minted_at(CREDENTIALS);
    }

    fn minted_at(&self, place: usize) {
        if let Some(count) = self.minted.get(place) {
            count.add();
        }
    }

    /// A URL for an upload of this length was given out.
    pub(crate) fn promised(&self, bytes: u64) {
        self.promised_bytes.add_many(bytes);
    }

    /// Every call that there was, by operation and outcome.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        OPERATIONS.into_iter().zip(&self.calls).flat_map(|(operation, calls)| {
            OUTCOMES.into_iter().zip(calls).map(move |(outcome, count)| (operation, outcome, count.get()))
        })
    }

    pub(super) fn urls(&self) -> impl Iterator<Item = (&'static str, u64)> {
        MINTED.into_iter().zip(&self.minted).map(|(operation, count)| (operation, count.get()))
    }
}
