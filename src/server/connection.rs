//! HTTP over one connection: HTTP/1, and HTTP/2 where it is switched on.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::phases::{Limits, OpenStream, Phase, Phases};
use super::watched::Watched;
use super::{Counts, FollowedTls, Live, Service};
use crate::api::{AnswerBody, App};
use crate::config::Server;

/// The largest HTTP/2 frame, and the least that the RFC allows: no answer needs more.
const MAX_FRAME_BYTES: u32 = 16 * 1024;
/// What a client may send ahead on one HTTP/2 request, and on a connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// What waits to be sent on one HTTP/2 request.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Streams that a client opened and reset before they were looked at (rapid reset, CVE-2023-44487), and
/// streams that were reset because of the client's own errors, before the connection is ended.
const MAX_PENDING_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 100;

/// How long a new connection may take to speak when the service is about to end.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A connection on which something was said.
type Begun = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What all connections share.
pub(super) struct Connections {
    http: auto::Builder<TokioExecutor>,
    live: Arc<Live>,
    clock: fn() -> Timestamp,
    tls: Option<Arc<FollowedTls>>,
    counts: Arc<Counts>,
    limits: Limits,
    max_headers: usize,
}

impl Connections {
    pub(super) fn new(service: &Service) -> Self {
        Self {
            http: http(&service.settings),
            live: Arc::clone(&service.live),
            clock: service.clock,
            tls: service.tls.clone(),
            counts: Arc::clone(&service.counts),
            limits: Limits::of(&service.settings),
            max_headers: service.settings.max_headers,
        }
    }

    /// Serves one connection to its end, its deadline, or, once `closing` says so, the end of what is in flight.
    ///
    /// A client speaks first, also in TLS and HTTP/2. Until then a connection has no buffer and no parser, so that
    /// thousands that never speak cost little.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, mut closing: watch::Receiver<()>) {
        let Some(is_closing) = self.first_byte(&stream, &mut closing).await else { return };
        // Answers are written whole; waiting for more to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        self.boxed(stream, closing, is_closing).await;
    }

    /// Boxed here, and not where it is awaited, so that there is no room for it in the connections that never speak.
    fn boxed(self: Arc<Self>, stream: TcpStream, closing: watch::Receiver<()>, is_closing: bool) -> Begun {
        Box::pin(async move { self.begin(stream, closing, is_closing).await })
    }

    /// Waits for the client to speak. Gives whether the service is about to end by then; nothing when it does not speak.
    async fn first_byte(&self, stream: &TcpStream, closing: &mut watch::Receiver<()>) -> Option<bool> {
        let mut first = [0];
        // Not `readable`, which may say so before there is anything.
        let mut spoke = pin!(timeout(self.limits.first_byte, stream.peek(&mut first)));
        let (spoke, is_closing) = tokio::select! {
            spoke = &mut spoke => (spoke, false),
            // What was accepted last has sent its request already, as a rule.
            _ = closing.changed() => (timeout(LAST_WORDS, spoke).await.ok()?, true),
        };
        if spoke.is_err() {
            self.counts.timed_out.add();
        }
        let length = spoke.ok()?.ok()?;
        (length > 0).then_some(is_closing)
    }

    async fn begin(&self, stream: TcpStream, mut closing: watch::Receiver<()>, is_closing: bool) {
        let phases = Arc::new(Phases::new(self.limits));
        let stream = Watched { stream, phases: Arc::clone(&phases) };
        let mut expired = pin!(phases.expired());
        let Some(tls) = &self.tls else {
            return self.speak(stream, &phases, expired, closing, is_closing).await;
        };
        let shaken = tokio::select! {
            shaken = tls.acceptor().accept(stream) => shaken,
            () = &mut expired => { self.counts.handshake_failures.add(); return; }
            _ = closing.changed() => return,
        };
        match shaken {
            Ok(stream) => {
                phases.enter(Phase::New);
                self.speak(stream, &phases, expired, closing, is_closing).await;
            }
            // Scanners and clients of another trust: no event.
            Err(_) => _ = self.counts.handshake_failures.add(),
        }
    }

    async fn speak<I>(
        &self,
        io: I,
        phases: &Arc<Phases>,
        mut expired: Pin<&mut impl Future<Output = ()>>,
        mut closing: watch::Receiver<()>,
        mut is_closing: bool,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request| answer(self.exchange(phases), request));
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(io), service));
        let mut shut = false;
        loop {
            tokio::select! {
                // First, so that a request that has arrived is in flight before the connection is called idle.
                biased;
                // A client that breaks off, or is cut off, is no event.
                _ = &mut connection => return,
                () = &mut expired => { self.counts.timed_out.add(); return; }
                _ = closing.changed(), if !is_closing => is_closing = true,
                () = std::future::ready(()), if is_closing && !shut => {
                    shut = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// HTTP/2 answers each request in a task of its own, which outlives the borrow.
    fn exchange(&self, phases: &Arc<Phases>) -> Exchange {
        Exchange {
            app: self.live.app(),
            phases: Arc::clone(phases),
            counts: Arc::clone(&self.counts),
            clock: self.clock,
            max_headers: self.max_headers,
        }
    }
}

fn http(settings: &Server) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .keep_alive(true)
        // Else hyper reads once more during each request, only to notice a client that left;
        // the answers are short, and a delete that was asked for is to be done.
        .half_close(true)
        .header_read_timeout(None)
        .max_headers(settings.max_headers)
        .max_buf_size(settings.max_head_bytes);
    let Some(streams) = settings.http2_max_streams else { return http.http1_only() };
    // Half for the silence and half for the answer to the ping: together the deadline of a head.
    let half = settings.head_timeout.div_f32(2.0);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(half)
        .keep_alive_timeout(half)
        .max_concurrent_streams(streams)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .max_header_list_size(u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX))
        .max_frame_size(MAX_FRAME_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    http
}

/// What one request needs.
struct Exchange {
    app: Arc<App>,
    phases: Arc<Phases>,
    counts: Arc<Counts>,
    clock: fn() -> Timestamp,
    max_headers: usize,
}

async fn answer(exchange: Exchange, mut request: Request<Incoming>) -> Result<Response<Watchable>, Infallible> {
    let Exchange { app, phases, counts, clock, max_headers } = exchange;
    let open = (request.version() == Version::HTTP_2).then(|| phases.open_stream());
    if open.is_some() {
        if request.headers().len() > max_headers {
            let mut refused = Response::new(Watchable { body: AnswerBody::default(), open });
            *refused.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Ok(refused);
        }
        authority_to_host(&mut request);
    } else {
        phases.enter(Phase::Busy);
    }
    let fallback = app.fallback(request.headers());
    let response = match caught(async { app.respond(request, clock()).await }).await {
        Some(response) => response,
        None => app.internal_error(&fallback, counts.panics.add()),
    };
    if open.is_none() {
        phases.enter(Phase::Idle);
    }
    Ok(response.map(|body| Watchable { body, open }))
}

/// HTTP/2 names the host in `:authority`; a `Host` beside it must be the same (RFC 9113 section 8.3.1).
/// Two that differ are both kept, which the check of the request line refuses (K29).
fn authority_to_host(request: &mut Request<Incoming>) {
    let authority = request.uri().authority().and_then(|name| HeaderValue::from_str(name.as_str()).ok());
    if let Some(authority) = authority
        && request.headers().get(HOST) != Some(&authority)
    {
        request.headers_mut().append(HOST, authority);
    }
}

/// What the future gives, or nothing when it panicked. Costs no allocation and no task.
async fn caught<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        // After a panic the future is dropped and never polled again, so no broken state of it is seen;
        // what it shares with others has no lock that could be left half way.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

/// An answer's body; for HTTP/2 the request counts as open until it is dropped, when all of it is on its way.
struct Watchable {
    body: AnswerBody,
    #[allow(dead_code, reason = "held, to be dropped with the body")]
    open: Option<OpenStream>,
}

impl Body for Watchable {
    type Data = <AnswerBody as Body>::Data;
    type Error = <AnswerBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
