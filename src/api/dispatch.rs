//! From a request to its answer: route, token, body, handler, and the headers that all answers share.

use std::fmt::{self, Write as _};
use std::future::poll_fn;
use std::io::Cursor;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN, REFERRER_POLICY,
    RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use tokio::time::{timeout, timeout_at};
use tracing::{Instrument as _, Span};

use super::audited::Minutes;
use super::cors::is_preflight;
use super::reply::Redirect;
use super::{AnswerBody, ApiError, App, Call, Endpoint, Reply, Route, exact_routes};
use super::{batch, credential, files, health, pattern, uppy};
use crate::domain::policy::Caller;
use crate::outbound::{Cause, caused_by};
use crate::telemetry::request_id::{RequestId, X_REQUEST_ID};
use crate::telemetry::spans;
use crate::telemetry::trace_context::{TraceContext, TraceId};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

/// Room for the headers that an answer usually has, a page's among them.
const USUAL_HEADERS: usize = 16;

/// What a caller sent is logged up to here, in characters.
const MAX_LOGGED_CHARS: usize = 128;

/// What the log says of a request besides its answer.
struct Trace {
    caller: Option<Arc<Caller>>,
    /// What the caller says of it.
    context: Option<TraceContext>,
    /// Where traces are exported; else nothing.
    span: Span,
    /// For the log only: why it failed.
    cause: Option<String>,
    route: Option<&'static Route>,
}

impl Trace {
    fn of(headers: &HeaderMap) -> Self {
        Self { caller: None, route: None, context: TraceContext::of(headers), span: Span::none(), cause: None }
    }

    /// What those who are called for it may know.
    fn cause_of(&self, request_id: &str) -> Cause {
        Cause {
            // It is one already.
            request_id: HeaderValue::from_str(request_id).unwrap_or(HeaderValue::from_static("unknown")),
            traceparent: self.context.as_ref().map(|context| context.header().clone()),
            span: self.span.clone(),
        }
    }

    fn id(&self) -> Option<TraceId> {
        self.context.as_ref().map(|context| context.trace_id).or_else(|| spans::trace_id(&self.span))
    }
}

impl App {
    /// Answers one request as of `now`. Never fails: a failure is an answer, too.
    pub async fn respond<B>(&self, request: Request<B>, now: Timestamp) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        #[cfg(feature = "dev")]
        if let Some(page) = self.pages.as_ref().and_then(|pages| pages.answer(&parts)) {
            return page;
        }
        let id = RequestId::of(&parts.headers);
        let origin = self.server.cors.allowed_origin(&parts.headers);
        let mut trace = Trace::of(&parts.headers);
        let minutes = Minutes::new(id.as_str(), now, trace.context.as_ref().map(|context| context.trace_id));

        let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
        let outcome = if is_preflight(&parts) {
            self.preflight(&parts, &mut headers)
        } else {
            let (path, query) = (self.below_base(parts.uri.path()), parts.uri.query().unwrap_or_default());
            let begun = tokio::time::Instant::from_std(started);
            let ends = begun.checked_add(self.server.request_timeout).unwrap_or(begun);
            let call = Call { request_id: id.as_str(), now, ends, path, query, minutes: &minutes, body: Bytes::new() };
            let answer = timeout_at(ends, self.answer(&parts, body, call, &mut trace)).await;
            let answer = answer.unwrap_or(Err(ApiError::RequestTimeout));
            self.noted(&minutes, trace.caller.as_deref(), 0, answer)
        };
        let reply = outcome.unwrap_or_else(|error| {
            trace.cause = cause(&error);
            self.counts.failed(&error);
            error.into_reply(id.as_str())
        });
        spans::end_request(&trace.span, reply.status, reply.code);
        // Once, for both: the clock costs as much as the rest of either.
        let took = started.elapsed();
        log(&parts, &reply, &id, &trace, took);
        // Of those that came to no route, the path may be known all the same.
        let route = trace.route.or_else(|| self.rows_at(parts.uri.path()).next());
        self.counts.answered(route, &parts.method, (reply.status, reply.code), took);

        self.server.cors.apply(origin, &mut headers);
        finish(reply, id, headers, parts.method == Method::HEAD)
    }

    async fn answer<B>(&self, parts: &Parts, body: B, mut call: Call<'_>, trace: &mut Trace) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.check_request_line(parts)?;
        let route = self.route(parts)?;
        trace.route = Some(route);
        if !matches!(route.endpoint, Endpoint::Open(_)) {
            call.minutes.begin(route);
            trace.span = spans::request((route.method, route.path), call.request_id, trace.context.as_ref());
        }
        match route.endpoint {
            // Never refused: who asks how the service is must hear it above all when it is busy.
            Endpoint::Open(handler) => {
                if route.method == "POST" {
                    self.discard(body).await;
                }
                Ok(handler(self, &call))
            }
            Endpoint::Sign(handler) => {
                let _place = self.limits.admit()?;
                let caller = self.admit(route, parts, body, &mut call, trace).await?;
                handler(self, &caller, &call)
            }
            Endpoint::Act(handler) => {
                let _place = self.limits.admit()?;
                let caller = self.admit(route, parts, body, &mut call, trace).await?;
                // Fewer than may be in flight, so that a slow bucket leaves room for signing.
                let _place_at_bucket = self.limits.admit_to_bucket()?;
                caused_by(trace.cause_of(call.request_id), handler(self, &caller, &call)).await
            }
            Endpoint::Batch(handler) => {
                let _place = self.limits.admit()?;
                let caller = self.admit(route, parts, body, &mut call, trace).await?;
                caused_by(trace.cause_of(call.request_id), handler(self, &caller, &call)).await
            }
        }
    }

    /// Token first, then, and only for its bearer, the body (H07).
    async fn admit<B>(
        &self,
        route: &Route,
        parts: &Parts,
        body: B,
        call: &mut Call<'_>,
        trace: &mut Trace,
    ) -> Result<Arc<Caller>, ApiError>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let token = credential::token(route.only_reads(), &parts.headers, &self.places, &self.server.cors)?;
        let caller = self.identity.caller_of(token, call.now).instrument(spans::token_check(&trace.span)).await?;
        trace.caller = Some(Arc::clone(&caller));
        self.limits.charge_subject(&caller)?;
        if route.method == "POST" {
            check_json(&parts.headers)?;
            call.body = self.read_body(&caller, body, batch::body_limit(route, &self.server)).await?;
        }
        Ok(caller)
    }

    /// K29: exactly one `Host`, and a path that is read as one.
    fn check_request_line(&self, parts: &Parts) -> Result<(), ApiError> {
        let limit = self.server.max_uri_bytes;
        let length = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        if length > limit {
            return Err(ApiError::UriTooLong { limit });
        }
        if parts.headers.get_all(HOST).iter().count() != 1 {
            return Err(ApiError::InvalidRequest("exactly one Host header is required".into()));
        }
        if !parts.uri.path().starts_with('/') {
            return Err(ApiError::InvalidRequest("the request names no path".into()));
        }
        Ok(())
    }

    fn route(&self, parts: &Parts) -> Result<&'static Route, ApiError> {
        let mut rows = self.rows_at(parts.uri.path());
        match rows.find(|row| has_method(row, &parts.method)) {
            Some(row) => Ok(row),
            None => Err(ApiError::MethodNotAllowed(self.allow(parts)?)),
        }
    }

    /// Whether the request is one that is never refused, because it asks how the service is.
    #[must_use]
    pub fn is_open(&self, method: &str, target: &str) -> bool {
        let path = target.split('?').next().unwrap_or_default();
        self.rows_at(path).any(|row| row.method == method && matches!(row.endpoint, Endpoint::Open(_)))
    }

    fn rows_at(&self, path: &str) -> impl Iterator<Item = &'static Route> {
        let path = self.below_base(path);
        let exact = move || exact_routes().filter(move |row| row.path == path);
        let of_uppy = move || pattern::rows_at(if self.uppy { uppy::ROUTES } else { &[] }, path);
        let own = move || exact().chain(of_uppy());
        // A path of ours is never taken for a file.
        let stored = self.stored.as_deref().is_some_and(|root| path.starts_with(root)) && own().next().is_none();
        own().chain(if stored { files::STORED } else { &[] })
    }

    /// What is left of the path after `server.base_path`. Who asks how the service is may leave that out: platforms probe
    /// the process itself, and not what the world calls it.
    fn below_base<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(self.server.base_path.as_str()) {
            Some(below) if below.starts_with('/') => below,
            _ if health::ROUTES.iter().any(|row| row.path == path) => path,
            _ => "",
        }
    }

    /// The methods of a path, or that there is no such path.
    fn allow(&self, parts: &Parts) -> Result<String, ApiError> {
        let mut methods: Vec<_> = self.rows_at(parts.uri.path()).map(|row| row.method).collect();
        if methods.is_empty() {
            return Err(ApiError::NotFound);
        }
        let head = self.rows_at(parts.uri.path()).any(|row| has_method(row, &Method::HEAD));
        if head && !methods.contains(&"HEAD") {
            methods.push("HEAD");
        }
        Ok(methods.join(", "))
    }

    async fn read_body<B>(&self, caller: &Caller, body: B, limit: usize) -> Result<Bytes, ApiError>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // What says that it is too large is not read at all.
        if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(ApiError::BodyTooLarge { limit });
        }
        let mut collected = pin!(timeout(self.server.body_timeout, Limited::new(body, limit).collect()));
        // Most have come with their head.
        let come = poll_fn(|cx| Poll::Ready(collected.as_mut().poll(cx))).await;
        let collected = match come {
            Poll::Ready(collected) => collected,
            Poll::Pending => {
                let _share = self.limits.admit_slow_body(caller)?;
                collected.await
            }
        };
        match collected {
            Err(_) => Err(ApiError::RequestTimeout),
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge { limit }),
            Ok(Err(_)) => Err(ApiError::InvalidRequest("the body broke off".into())),
        }
    }

    /// Reads a small body and keeps none of it: who is still sending when the answer comes may not see it. What is
    /// larger is cut off.
    async fn discard<B>(&self, body: B)
    where
        B: Body<Data = Bytes> + Send,
    {
        let mut left = self.server.max_body_bytes;
        let mut body = pin!(body);
        if body.size_hint().lower() > u64::try_from(left).unwrap_or(u64::MAX) {
            return;
        }
        let to_the_end = async {
            while let Some(Ok(frame)) = body.frame().await {
                let Some(less) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
                left = less;
            }
        };
        // Late or not, the answer is the same.
        let _ = timeout(self.server.body_timeout, to_the_end).await;
    }

    /// Permission for a page to call: no token, no key, no bucket.
    fn preflight(&self, parts: &Parts, headers: &mut HeaderMap) -> Result<Reply, ApiError> {
        if self.server.cors.allowed_origin(&parts.headers).is_none() {
            return Err(ApiError::OriginNotAllowed);
        }
        self.server.cors.apply_preflight(&self.allow(parts)?, self.places.worker_header, headers);
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    }
}

/// HEAD is GET without the body (RFC 9110 section 9.3.2), where no token is needed:
/// load balancers probe with it. Elsewhere it would be an answer without its answer.
fn has_method(row: &Route, method: &Method) -> bool {
    row.method == method.as_str()
        || (method == Method::HEAD && row.method == "GET" && matches!(row.endpoint, Endpoint::Open(_)))
}

/// `application/json`, UTF-8 if it says anything. `text/plain` would let a form of any page post (K18).
fn check_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok());
    let value = value.ok_or(ApiError::UnsupportedMediaType)?.to_ascii_lowercase();
    let (essence, parameters) = value.split_once(';').unwrap_or((&value, ""));
    let utf8 = matches!(parameters.trim(), "" | "charset=utf-8" | "charset=\"utf-8\"");
    if essence.trim() == "application/json" && utf8 { Ok(()) } else { Err(ApiError::UnsupportedMediaType) }
}

/// What only the log may know of a failure.
pub(super) fn cause(error: &ApiError) -> Option<String> {
    match error {
        ApiError::Unauthorized(reason) => Some(reason.map_or_else(|| "no token".to_owned(), |r| r.to_string())),
        other => std::error::Error::source(other).map(|source| {
            let mut text = source.to_string();
            let mut next = source.source();
            while let Some(error) = next {
                text.push_str(": ");
                text.push_str(&error.to_string());
                next = error.source();
            }
            text
        }),
    }
}

fn log(parts: &Parts, reply: &Reply, id: &RequestId, trace: &Trace, took: Duration) {
    let (method, path) = (Escaped(parts.method.as_str()), Escaped(parts.uri.path()));
    let status = reply.status.as_u16();
    // A page that is missing in server.cors_origins: nothing else says which.
    let is_of_page = reply.code == ApiError::OriginNotAllowed.code();
    let origin = is_of_page.then(|| parts.headers.get(ORIGIN)).flatten();
    let origin = origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request_id = id.as_str(),
                trace_id = trace.id().map(display),
                %method,
                %path,
                status,
                code = Some(reply.code).filter(|code| !code.is_empty()),
                cause = trace.cause.as_deref(),
                origin = origin.as_deref().map(|origin| display(Escaped(origin))),
                sub = trace.caller.as_ref().and_then(|caller| caller.subject()).map(|sub| display(Escaped(sub))),
                duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                "{method} {path} {status}"
            )
        };
    }
    // 503 is of a state, which has a line of its own when it begins, and it is given at once, so to any number of requests.
    // What any other failure came of is said here alone.
    if reply.status.is_server_error() && reply.status != StatusCode::SERVICE_UNAVAILABLE {
        line!(warn);
    } else {
        line!(info);
    }
}

/// What a caller sent, on one line and cut.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().take(MAX_LOGGED_CHARS).flat_map(char::escape_debug).try_for_each(|c| f.write_char(c))
    }
}

/// The headers that every answer has.
pub(super) fn finish(reply: Reply, id: RequestId, mut headers: HeaderMap, head: bool) -> Response<AnswerBody> {
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(REFERRER_POLICY, NO_REFERRER);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(X_REQUEST_ID, id.into_header());
    insert(&mut headers, RETRY_AFTER, reply.retry_after.map(HeaderValue::from));
    insert(&mut headers, ALLOW, reply.allow.and_then(|allow| HeaderValue::from_str(&allow).ok()));
    insert(&mut headers, WWW_AUTHENTICATE, reply.challenge.then_some(BEARER));
    if let Some(Redirect { location, max_age, vary }) = reply.redirect {
        headers.insert(LOCATION, location);
        headers.insert(VARY, vary);
        let kept = max_age.and_then(|secs| HeaderValue::from_str(&format!("private, max-age={secs}")).ok());
        insert(&mut headers, CACHE_CONTROL, kept);
    }
    insert(&mut headers, CONTENT_TYPE, reply.body.is_some().then_some(JSON));
    let body = reply.body.filter(|_| !head).unwrap_or_default();
    let mut response = Response::new(AnswerBody::new(Cursor::new(body)));
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}
