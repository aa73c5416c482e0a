//! The only listener: accept, deadlines, limits, drain. And the one reading of the clock for each request.
//!
//! # Why a watchdog
//!
//! hyper's own header timeout also runs while a kept connection lies idle, so it
//! cannot tell a slow head (seconds) from a patient client (a minute). The
//! watchdog of a connection knows which of the two it is in, and ends it.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::api::App;
use crate::config::Server;

/// After an accept that failed, for example because descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An answer is small; a client that does not take it in this time is gone.
const WRITE_ALLOWANCE: Duration = Duration::from_secs(10);

/// What the system's clock says. A clock that no calendar holds is the end of time,
/// so that every token has expired and nothing is signed (J47).
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one reading of the clock")]
pub fn system_clock() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::MAX)
}

/// Serves `app` until `stop` ends; then lets what is in flight end, for as long as is configured.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    settings: &Server,
    clock: fn() -> Timestamp,
    stop: impl Future<Output = ()>,
) {
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.keep_alive(true)
        // Else hyper reads once more during each request, only to notice a client that left;
        // the answers are short, and a delete that was asked for is to be done.
        .half_close(true)
        .header_read_timeout(None)
        .max_headers(settings.max_headers)
        .max_buf_size(settings.max_head_bytes);
    let mut stop = std::pin::pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match stream {
            Ok((stream, _)) => {
                let phases = Arc::new(Phases::new(settings));
                let connection = connection(&http, stream, Arc::clone(&app), Arc::clone(&phases), clock);
                let connection = connections.watch(connection);
                tokio::spawn(async move {
                    // A client that breaks off, or is cut off, is no event.
                    tokio::select! {
                        _ = connection => {}
                        () = phases.expired() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    app.start_draining();
    if timeout(settings.shutdown_grace, connections.shutdown()).await.is_err() {
        tracing::warn!("some requests were still in flight at the end of server.shutdown_grace_secs");
    }
}

fn connection(
    http: &http1::Builder,
    stream: TcpStream,
    app: Arc<App>,
    phases: Arc<Phases>,
    clock: fn() -> Timestamp,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send + 'static {
    // Answers are written whole; waiting for more to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Watched { stream, phases: Arc::clone(&phases) });
    http.serve_connection(
        io,
        service_fn(move |request| {
            let (app, phases, now) = (Arc::clone(&app), Arc::clone(&phases), clock());
            phases.enter(Phase::Busy);
            async move {
                let response = app.respond(request, now).await;
                phases.enter(Phase::Idle);
                Ok::<_, Infallible>(response)
            }
        }),
    )
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is new, or a request began and its head is not complete.
    Head = 0,
    /// A request is being answered.
    Busy = 1,
    /// An answer was given and no further request has begun.
    Idle = 2,
}

/// The phase of a connection and since when, in one word.
struct Phases {
    start: Instant,
    /// Milliseconds since `start`, shifted by two bits for the phase.
    word: AtomicU64,
    head: Duration,
    busy: Duration,
    idle: Duration,
}

impl Phases {
    fn new(settings: &Server) -> Self {
        Self {
            start: Instant::now(),
            word: AtomicU64::new(0),
            head: settings.head_timeout,
            busy: settings.request_timeout.saturating_add(WRITE_ALLOWANCE),
            idle: settings.keep_alive,
        }
    }

    fn enter(&self, phase: Phase) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.word.store(since << 2 | phase as u64, Ordering::Relaxed);
    }

    fn current(&self) -> (Phase, Duration) {
        let word = self.word.load(Ordering::Relaxed);
        let phase = match word & 3 {
            0 => Phase::Head,
            1 => Phase::Busy,
            _ => Phase::Idle,
        };
        (phase, Duration::from_millis(word >> 2))
    }

    /// The first bytes of a further request.
    fn bytes_arrived(&self) {
        if self.current().0 == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// Ends when the connection has outlived its phase.
    async fn expired(&self) {
        // An idle connection may begin a request at any time, and its head then has its
        // own deadline: looked at four times within it, so it is never a quarter late.
        let step = self.head.div_f32(4.0);
        loop {
            let (phase, since) = self.current();
            let allowed = match phase {
                Phase::Head => self.head,
                Phase::Busy => self.busy,
                Phase::Idle => self.idle,
            };
            let left = since.saturating_add(allowed).saturating_sub(self.start.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(if phase == Phase::Head { left } else { left.min(step) }).await;
        }
    }
}

/// A stream that tells the watchdog when bytes arrive.
struct Watched {
    stream: TcpStream,
    phases: Arc<Phases>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.phases.bytes_arrived();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
