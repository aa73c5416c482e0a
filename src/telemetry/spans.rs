//! Spans: a request, and in it the check of its token and each attempt of a call to the bucket.
//!
//! They are for an exporter alone (`otlp`), and have a target of their own that no log takes, so that without an exporter
//! each costs one comparison. What they hold is chosen here: names of our own, statuses, and ids. No path as it was sent, no key, no query.

use hyper::StatusCode;
use hyper::header::HeaderValue;
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::trace_context::{TraceContext, TraceId};

/// The target of all spans, and of nothing else.
#[cfg(feature = "otlp")]
pub(super) const TARGET: &str = "otlp";

/// A request to one of our routes, as part of the caller's trace if it has one.
/// <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
pub(crate) fn request(
    (method, path): (&'static str, &'static str),
    request_id: &str,
    context: Option<&TraceContext>,
) -> Span {
    let span = info_span!(
        target: "otlp",
        parent: None,
        "request",
        otel.name = %format_args!("{method} {path}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = path,
        http.response.status_code = Empty,
        error.type = Empty,
        request_id,
    );
    #[cfg(feature = "otlp")]
    if let Some(context) = context {
        super::otlp::continue_trace(&span, context);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = context;
    span
}

/// How the request ended.
pub(crate) fn end_request(span: &Span, status: StatusCode, code: &'static str) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", status.as_u16());
    if !code.is_empty() {
        span.record("error.type", code);
    }
    // What the caller did wrong is no failure of ours (as the conventions have it).
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The check of a request's token, the wait for keys included.
pub(crate) fn token_check(request: &Span) -> Span {
    info_span!(target: "otlp", parent: request, "token check", otel.kind = "internal")
}

/// One attempt of a call to the bucket.
pub(crate) fn bucket_call(request: &Span, method: &str, host: Option<&str>) -> Span {
    info_span!(
        target: "otlp",
        parent: request,
        "bucket call",
        otel.name = %format_args!("{method} bucket"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        server.address = host.map(display),
        http.response.status_code = Empty,
    )
}

/// How the attempt ended: with an answer, or without one.
pub(crate) fn end_bucket_call(span: &Span, status: Option<StatusCode>) {
    if span.is_disabled() {
        return;
    }
    if let Some(status) = status {
        span.record("http.response.status_code", status.as_u16());
    }
    // A HEAD of what is not there is a question answered; the conventions would have any 4xx fail.
    if status.is_none_or(|status| status.is_server_error()) {
        span.record("otel.status_code", "ERROR");
    }
}

/// The `traceparent` of what is asked within the span, if it is part of a trace.
pub(crate) fn traceparent(span: &Span) -> Option<HeaderValue> {
    #[cfg(feature = "otlp")]
    return super::otlp::traceparent(span);
    #[cfg(not(feature = "otlp"))]
    {
        let _ = span;
        None
    }
}

/// The trace that the span is part of.
pub(crate) fn trace_id(span: &Span) -> Option<TraceId> {
    #[cfg(feature = "otlp")]
    return super::otlp::trace_id(span);
    #[cfg(not(feature = "otlp"))]
    {
        let _ = span;
        None
    }
}
