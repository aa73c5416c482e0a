//! How a failure is told: as an answer, and as one entry of a batch.

use std::time::Duration;

use hyper::StatusCode;
use serde::Serialize;

#[cfg(test)]
use super::openapi::shapes;
use super::{ApiError, Reply};
use crate::limits::Limited;
use crate::storage::{BucketError, ProbeFailure};

/// When to come back after a failure that passes by itself, in seconds.
const RETRY_AFTER_SECS: u32 = 5;

/// The body of every failure.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Error"))]
pub(super) struct ErrorBody<'a> {
    /// A sentence for people. It may change; match on `code`.
    error: String,
    #[cfg_attr(test, schemars(with = "shapes::Code"))]
    code: &'static str,
    /// Of `bucket_unavailable`: how the last probe failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ProbeFailure>,
    /// Of `object_differs`: in what.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    differs: &'a [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    missing_parts: &'a [u32],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    wrong_parts: &'a [u32],
    /// The value of `X-Request-Id`.
    request_id: &'a str,
}

/// A failure as one entry of a batch, which has no headers of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct FailedEntry {
    #[cfg_attr(test, schemars(range(min = 400, max = 599)))]
    status: u16,
    /// A sentence for people. It may change; match on `code`.
    error: String,
    #[cfg_attr(test, schemars(with = "shapes::Code"))]
    code: &'static str,
    /// When to ask again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

impl ApiError {
    pub(super) fn entry(&self) -> FailedEntry {
        let (status, code) = (self.status().as_u16(), self.code());
        FailedEntry { status, error: self.to_string(), code, retry_after: self.retry_after() }
    }

    pub(super) fn into_reply(self, request_id: &str) -> Reply {
        let status = self.status();
        let reason = match &self {
            Self::BucketUnavailable(failure) => Some(*failure),
            _ => None,
        };
        let differs = match &self {
            Self::ObjectDiffers(differs) => differs.as_slice(),
            _ => &[],
        };
        let (missing_parts, wrong_parts) = match &self {
            Self::PartsDiffer { missing, wrong } => (missing.as_slice(), wrong.as_slice()),
            _ => (&[][..], &[][..]),
        };
        let error = self.to_string();
        let body = ErrorBody { error, code: self.code(), reason, differs, missing_parts, wrong_parts, request_id };
        Reply {
            code: self.code(),
            retry_after: self.retry_after(),
            challenge: status == StatusCode::UNAUTHORIZED,
            allow: match self {
                Self::MethodNotAllowed(ref allow) => Some(allow.clone()),
                _ => None,
            },
            ..Reply::json(status, &body)
        }
    }

    /// When to come back, in seconds, or nothing when time alone changes nothing.
    fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Bucket(BucketError::TakenForDown { wait })
            | Self::Limited(Limited::Subject { wait } | Limited::Store { wait } | Limited::Quota { wait }) => {
                Some(whole_seconds(*wait))
            }
            Self::Limited(Limited::Overloaded) => Some(1),
            other => matches!(other.status().as_u16(), 502..=504).then_some(RETRY_AFTER_SECS),
        }
    }
}

/// Rounded up: who comes back then does not come too early.
fn whole_seconds(wait: Duration) -> u32 {
    let secs = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(secs).unwrap_or(u32::MAX).max(1)
}
