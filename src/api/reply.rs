//! An answer before the headers that all answers share.

use std::io::Cursor;

use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde::Serialize;

/// The body of an answer: known whole. Not `Bytes`, which would allocate once more to share it.
pub type AnswerBody = Full<Cursor<Vec<u8>>>;

/// Holds a signed URL of usual length, so that its answer is written without growing.
const USUAL_BODY_BYTES: usize = 1024;

/// Status and body of an answer, and the code that the log shows.
#[derive(Debug)]
pub struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Option<Vec<u8>>,
    /// The error code, empty for a success.
    pub(super) code: &'static str,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<u32>,
    /// `Allow`.
    pub(super) allow: Option<String>,
    /// `WWW-Authenticate: Bearer`.
    pub(super) challenge: bool,
    /// Where to, if elsewhere.
    pub(super) redirect: Option<Redirect>,
}

/// Where an answer leads, and who may keep that.
#[derive(Debug)]
pub(super) struct Redirect {
    /// `Location`
    pub(super) location: HeaderValue,
    /// For so many seconds the caller alone may; without them nobody.
    pub(super) max_age: Option<u32>,
    /// `Vary`
    pub(super) vary: HeaderValue,
}

impl Reply {
    /// An answer without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, body: None, code: "", retry_after: None, allow: None, challenge: false, redirect: None }
    }

    /// The same method elsewhere (RFC 9110 section 15.4.8).
    pub(super) fn redirect(location: HeaderValue, max_age: Option<u32>, vary: HeaderValue) -> Self {
        let redirect = Some(Redirect { location, max_age, vary });
        Self { redirect, ..Self::empty(StatusCode::TEMPORARY_REDIRECT) }
    }

    /// An answer with a JSON body.
    pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Self {
        Self::json_of(status, body, USUAL_BODY_BYTES)
    }

    /// The same with room for so many bytes.
    pub(super) fn json_of<T: Serialize>(status: StatusCode, body: &T, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room);
        // Our own types have string keys and no failing serializer, and memory takes every byte.
        let _ = serde_json::to_writer(&mut bytes, body);
        Self { body: Some(bytes), ..Self::empty(status) }
    }
}
