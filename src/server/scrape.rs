//! `/metrics`, on a listener of its own. It asks for no token, so it is not to be reached by those who call the service;
//! and whoever looks after the service must hear of it above all when it is busy or about to stop, so none of the
//! service's limits hold here. It has its own: few connections, one request on each, a few seconds for all of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{Counts, Live};
use crate::telemetry::metrics::families::{
    ACCEPT_FAILURES, ACCEPTED, CONNECTIONS, CONNECTIONS_LIMIT, GONE, HANDSHAKE_FAILURES, PANICS, REFUSED, TIMED_OUT,
};
use crate::telemetry::metrics::{Format, Text};
use crate::totals::Totals;

/// A pair of scrapers, their impatient retries, and somebody with a browser.
const MAX_CONNECTIONS: usize = 16;
/// From the connection to the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(10);
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// All that is told.
#[derive(Debug, Clone)]
pub struct Scrape {
    pub(super) live: Arc<Live>,
    pub(super) counts: Arc<Counts>,
    pub(super) totals: Arc<Totals>,
    pub(super) clock: fn() -> Timestamp,
    pub(super) max_connections: usize,
}

impl Scrape {
    /// Answers at `listener` for as long as it is polled.
    pub async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            // Without a place it is dropped, and so closed.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let this = self.clone();
            tokio::spawn(async move {
                let _ = timeout(DEADLINE, this.speak(stream)).await;
                drop(place);
            });
        }
    }

    async fn speak(&self, stream: TcpStream) {
        let answer = service_fn(|request| std::future::ready(Ok::<_, Infallible>(self.answer(&request))));
        let connection = http1::Builder::new()
            .keep_alive(false)
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), answer);
        // Who breaks off is no event.
        let _ = connection.await;
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "there is only /metrics\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "there is only GET\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let format = Format::of(accept);
        respond(StatusCode::OK, format.content_type(), self.text(format).into())
    }

    /// As who asks with this `Accept` header is told it.
    #[must_use]
    pub fn text_for(&self, accept: &str) -> String {
        self.text(Format::of(accept))
    }

    fn text(&self, format: Format) -> String {
        let mut text = Text::new(format);
        self.live.app().describe((self.clock)(), &mut text);
        self.describe_connections(&mut text);
        self.totals.describe(&mut text);
        text.into_string()
    }

    fn describe_connections(&self, text: &mut Text) {
        let counts = &self.counts;
        text.one(&CONNECTIONS, counts.open());
        text.one(&CONNECTIONS_LIMIT, u64::try_from(self.max_connections).unwrap_or(u64::MAX));
        text.one(&ACCEPTED, counts.accepted.get());
        let mut refused = text.family(&REFUSED);
        for (cause, count) in [
            ("max_connections", &counts.over_total),
            ("max_connections_per_address", &counts.over_address),
            ("max_lag_ms", &counts.refused),
        ] {
            refused.count(&[("cause", cause)], count.get());
        }
        text.one(&GONE, counts.gone.get());
        text.one(&TIMED_OUT, counts.timed_out.get());
        text.one(&ACCEPT_FAILURES, counts.accept_failures.get());
        text.one(&HANDSHAKE_FAILURES, counts.handshake_failures.get());
        text.one(&PANICS, counts.panics.get());
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
