//! Cross-origin rules (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! Origins are compared byte for byte with a list; nothing is reflected that is
//! not on it. The headers stand on failures too, or a page sees only
//! "Failed to fetch" where it should see a 401.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, http::request::Parts};

use crate::config::Cors;

/// What a page may send besides the headers that need no permission.
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-request-id");
/// The same where `auth.worker_header` is on.
const ALLOW_WORKER_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, x-request-id, x-worker-auth");
/// What a page may read besides the headers that need no permission.
const EXPOSE_HEADERS: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Whether the request asks for permission instead of doing something.
pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Cors {
    /// The request's origin, if it stands alone and is on the list.
    pub(super) fn allowed_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = origins.next().filter(|_| origins.next().is_none())?;
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then_some(origin)
    }

    /// Adds to an answer what lets the page of `origin` read it.
    pub(super) fn apply(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        // Also without an origin: a cache must not hand this answer to a page.
        answer.insert(VARY, VARY_ORIGIN);
        let Some(origin) = origin else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
    }

    /// Adds to the answer to a preflight which methods and headers are allowed.
    pub(super) fn apply_preflight(&self, methods: &str, worker_header: bool, answer: &mut HeaderMap) {
        let headers = if worker_header { ALLOW_WORKER_HEADERS } else { ALLOW_HEADERS };
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers);
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age.as_secs()));
        if let Ok(methods) = HeaderValue::from_str(methods) {
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
    }
}
