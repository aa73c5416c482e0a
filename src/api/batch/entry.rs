//! The entries of a batch's answer, each with a status of its own, written into one buffer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use hyper::StatusCode;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::MAX_ENTRIES;
use crate::api::dispatch::cause;
use crate::api::objects::Described;
use crate::api::urls::Signed;
use crate::api::{ApiError, App, Call, Reply};

/// Holds a signed URL of usual length with its status.
const USUAL_ENTRY_BYTES: usize = 768;

/// Kinds of failures that one line of the log names.
const MAX_LOGGED_KINDS: usize = 8;

/// How one operation ended.
#[allow(clippy::large_enum_variant, reason = "most are signed, and a box would be one more allocation for each")]
pub(super) enum Entry<'a> {
    Signed(Signed<'a>),
    Described(Described<'a>),
    Deleted,
    /// Shared by those that failed together.
    Failed(Arc<ApiError>),
}

impl<'a> From<Signed<'a>> for Entry<'a> {
    fn from(signed: Signed<'a>) -> Self {
        Self::Signed(signed)
    }
}

impl From<ApiError> for Entry<'_> {
    fn from(error: ApiError) -> Self {
        Self::Failed(Arc::new(error))
    }
}

impl Entry<'_> {
    /// Of a success.
    fn status(&self) -> StatusCode {
        if let Self::Deleted = self { StatusCode::NO_CONTENT } else { StatusCode::OK }
    }

    fn failure(&self) -> Option<&ApiError> {
        if let Self::Failed(error) = self { Some(error) } else { None }
    }
}

/// The members of the single route's answer, and its status.
#[derive(Serialize)]
struct WithStatus<'a, T> {
    status: u16,
    #[serde(flatten)]
    answer: &'a T,
}

#[derive(Serialize)]
struct StatusAlone {
    status: u16,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ok = StatusCode::OK.as_u16();
        match self {
            Self::Signed(answer) => WithStatus { status: ok, answer }.serialize(serializer),
            Self::Described(answer) => WithStatus { status: ok, answer }.serialize(serializer),
            Self::Deleted => StatusAlone { status: StatusCode::NO_CONTENT.as_u16() }.serialize(serializer),
            Self::Failed(error) => error.entry().serialize(serializer),
        }
    }
}

/// One for each operation, in their order.
pub(super) struct Entries<'a>(Vec<Option<Entry<'a>>>);

impl<'a> Entries<'a> {
    /// Room for the answers to what was asked, unless that is too much at once.
    pub(super) fn for_each_of(asked: &[&RawValue]) -> Result<Self, ApiError> {
        if asked.len() > MAX_ENTRIES {
            return Err(ApiError::BatchTooLarge { limit: MAX_ENTRIES });
        }
        Ok(Self(asked.iter().map(|_| None).collect()))
    }

    pub(super) fn put(&mut self, place: usize, entry: Entry<'a>) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = Some(entry);
        }
    }

    /// 200, because the batch was read and each entry says its own.
    pub(super) fn into_reply(self, app: &App, call: &Call<'_>) -> Reply {
        self.log(call.request_id);
        self.0.iter().flatten().for_each(|entry| app.counts.operation(entry.status(), entry.failure()));
        let mut body = Vec::with_capacity(USUAL_ENTRY_BYTES.saturating_mul(self.0.len()).saturating_add(64));
        body.extend_from_slice(b"{\"results\":[");
        for (place, entry) in self.0.iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            // Our own types have string keys and no failing serializer, and memory takes every byte.
            let _ = match entry {
                Some(entry) => serde_json::to_writer(&mut body, entry),
                // Never seen: every operation is answered, or the bucket's part of it is.
                None => serde_json::to_writer(&mut body, &ApiError::Internal.entry()),
            };
        }
        body.extend_from_slice(b"]}");
        Reply { body: Some(body), ..Reply::empty(StatusCode::OK) }
    }

    /// One line for all that failed, counted by code and cause; there are few of either.
    fn log(&self, request_id: &str) {
        let mut kinds: BTreeMap<(&str, Option<String>), usize> = BTreeMap::new();
        for error in self.0.iter().flatten().filter_map(Entry::failure) {
            let count = kinds.entry((error.code(), cause(error))).or_default();
            *count = count.saturating_add(1);
        }
        if kinds.is_empty() {
            return;
        }
        let mut failures = String::new();
        for ((code, cause), count) in kinds.iter().take(MAX_LOGGED_KINDS) {
            let cause = cause.as_deref().unwrap_or("no cause");
            let _ = write!(failures, "{}{count} {code} ({cause})", if failures.is_empty() { "" } else { ", " });
        }
        let (failed, operations) = (kinds.values().sum::<usize>(), self.0.len());
        tracing::info!(request_id, operations, failed, failures, "{failed} of {operations} operations failed");
    }
}
