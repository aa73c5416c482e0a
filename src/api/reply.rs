//! An answer before the headers that all answers share.

use hyper::StatusCode;
use hyper::body::Bytes;
use serde::Serialize;

/// Status and body of an answer, and the code that the log shows.
#[derive(Debug)]
pub struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Option<Bytes>,
    /// The error code, empty for a success.
    pub(super) code: &'static str,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<u32>,
    /// `Allow`.
    pub(super) allow: Option<String>,
    /// `WWW-Authenticate: Bearer`.
    pub(super) challenge: bool,
}

impl Reply {
    /// An answer without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, body: None, code: "", retry_after: None, allow: None, challenge: false }
    }

    /// An answer with a JSON body.
    pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Self {
        // Our own types have string keys and no failing serializer.
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        Self { body: Some(Bytes::from(bytes)), ..Self::empty(status) }
    }
}
