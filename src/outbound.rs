//! What all calls to others have in common: the bucket, key sets, metadata services and STS.

use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Client, ClientBuilder, Request, Response, redirect};
use tracing::Span;
use url::{Host, Url};

use crate::telemetry::request_id::X_REQUEST_ID;
use crate::telemetry::spans;
use crate::telemetry::trace_context::TRACEPARENT;

tokio::task_local! {
    /// For whom this task calls somebody. Of the task and not an argument, so that no call made for a request can leave it out.
    static CAUSE: Cause;
}

/// The request that calls are made for, as those who are called may know it.
#[derive(Debug)]
pub(crate) struct Cause {
    pub(crate) request_id: HeaderValue,
    /// That of the request, as it came.
    pub(crate) traceparent: Option<HeaderValue>,
    pub(crate) span: Span,
}

/// Does `work` for a request: each [`tell_cause`] in it says so.
pub(crate) async fn caused_by<F: Future>(cause: Cause, work: F) -> F::Output {
    CAUSE.scope(cause, work).await
}

/// Adds `X-Request-Id` and `traceparent` to a call that is made for a request. Both stand outside of its signature, which
/// only `x-amz-*` must not (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>). Gives the span of the call.
pub(crate) fn tell_cause(call: &mut Request) -> Span {
    let told = CAUSE.try_with(|cause| {
        let span = spans::bucket_call(&cause.span, call.method().as_str(), call.url().host_str());
        let traceparent = spans::traceparent(&span).or_else(|| cause.traceparent.clone());
        let headers = call.headers_mut();
        headers.insert(X_REQUEST_ID, cause.request_id.clone());
        if let Some(traceparent) = traceparent {
            headers.insert(TRACEPARENT, traceparent);
        }
        span
    });
    // Probes and the like are made for nobody.
    told.unwrap_or_else(|_| Span::none())
}

/// The pause after a call that failed, of which `failures` went before it: twice as long each time, up to `most`, so that
/// who is in trouble is not kept there.
pub(crate) fn doubled(first: Duration, failures: u32, most: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(failures)).min(most)
}

/// A client that goes where it is sent and nowhere else; the caller adds its deadlines.
pub(crate) fn client(encrypted: bool) -> ClientBuilder {
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        // The environment is read in one place, and this is not it.
        .no_proxy()
        .referer(false);
    // Over http nobody is authenticated, so the system's roots need not be read.
    if encrypted { client } else { client.tls_certs_only([]) }
}

/// The whole body, or nothing when it is longer than `most` bytes.
pub(crate) async fn body_within(answer: &mut Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len().saturating_add(chunk.len()) > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Whether the URL leads to this machine, whatever its name server says: what is sent there stays here.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// [`is_loopback`], or a name that browsers keep on this machine. For warnings; secrets need the former.
pub(crate) fn is_local(url: &Url) -> bool {
    let named = matches!(url.host(), Some(Host::Domain(name)) if name.ends_with(".localhost"));
    named || is_loopback(url)
}
