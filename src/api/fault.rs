//! The answer to a request whose handling panicked: a 500 like any other, for that caller alone (H11).

use hyper::Response;
use hyper::header::{HeaderMap, HeaderValue};

use super::dispatch::finish;
use super::{AnswerBody, ApiError, App};
use crate::telemetry::request_id::{RequestId, X_REQUEST_ID};

/// What of a request must outlive its handling, to answer in its place.
#[derive(Debug)]
pub struct Fallback {
    id: Option<HeaderValue>,
    origin: Option<HeaderValue>,
}

impl App {
    /// Keeps what [`App::internal_error`] needs of a request with these headers.
    #[must_use]
    pub fn fallback(&self, headers: &HeaderMap) -> Fallback {
        let origin = self.server.cors.allowed_origin(headers).cloned();
        Fallback { id: headers.get(X_REQUEST_ID).cloned(), origin }
    }

    /// The 500 of the `panics`th request that panicked, and its line in the log.
    #[must_use]
    pub fn internal_error(&self, fallback: &Fallback, panics: u64) -> Response<AnswerBody> {
        let headers: HeaderMap = fallback.id.iter().map(|id| (X_REQUEST_ID, id.clone())).collect();
        let id = RequestId::of(&headers);
        self.counts.panicked();
        tracing::error!(request_id = id.as_str(), panics, "a request ended in a panic; its caller got a 500");
        let mut headers = HeaderMap::new();
        self.server.cors.apply(fallback.origin.as_ref(), &mut headers);
        finish(ApiError::Internal.into_reply(id.as_str()), id, headers, false)
    }
}
