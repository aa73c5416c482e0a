//! Spans to an OpenTelemetry collector: OTLP over HTTP, in protobuf (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).
//!
//! They wait in a bounded queue for a thread of the SDK's, which sends them in batches. What does not fit is lost, and no
//! request waits. The SDK brings no HTTP client; ours, with its one TLS stack, sends them.

use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId as OtelTraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanLimits, Tracer,
};
use tokio::runtime::{Builder, Runtime};
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::spans::TARGET;
use super::trace_context::{TraceContext, TraceId};
use crate::config::OtlpRules;
use crate::outbound;

/// Spans that may wait, and how many go at once.
const MAX_WAITING: usize = 8192;
const MAX_BATCH: usize = 512;
/// How long a span waits for others to go with.
const DELAY: Duration = Duration::from_secs(2);
/// For one batch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What is read of a collector's answer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer that takes our spans, or why there is none.
pub(super) fn layer<S>(rules: &OtlpRules) -> Result<impl Layer<S>, Box<dyn std::error::Error>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(rules)?)
        .with_endpoint(rules.traces_url.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(TIMEOUT)
        .build()?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(MAX_WAITING)
        .with_max_export_batch_size(MAX_BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let resource = Resource::builder()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        // A caller that is sampled is sampled here; the others are, as its own flag says, not.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(rules.ratio))))
        .with_span_limits(SpanLimits { max_events_per_span: 0, max_links_per_span: 0, ..SpanLimits::default() })
        .with_resource(resource)
        .build();
    let tracer: Tracer = provider.tracer(env!("CARGO_CRATE_NAME"));
    // A second start, as in tests, keeps the first.
    let _ = PROVIDER.set(provider);
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_context_activation(false);
    Ok(layer.with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO)))
}

/// Sends what waits, but for no longer than `within`. No span is taken after it.
pub(crate) fn finish(within: Duration) {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(within)
    {
        tracing::warn!("the last traces are lost: {error}");
    }
}

/// Makes the span a part of the caller's trace.
pub(super) fn continue_trace(span: &Span, context: &TraceContext) {
    let parent = std::str::from_utf8(&context.parent_id).unwrap_or_default();
    let (Ok(trace), Ok(parent)) = (OtelTraceId::from_hex(context.trace_id.as_str()), SpanId::from_hex(parent)) else {
        return;
    };
    let flags = TraceFlags::default().with_sampled(context.sampled);
    let remote = SpanContext::new(trace, parent, flags, true, TraceState::default());
    // It fails where nobody takes spans.
    let _ = span.set_parent(Context::new().with_remote_span_context(remote));
}

fn context(span: &Span) -> Option<SpanContext> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then_some(context)
}

pub(super) fn traceparent(span: &Span) -> Option<HeaderValue> {
    let context = context(span)?;
    let (trace, parent, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
    HeaderValue::from_str(&format!("00-{trace}-{parent}-{flags:02x}")).ok()
}

pub(super) fn trace_id(span: &Span) -> Option<TraceId> {
    TraceId::from_hex(&context(span)?.trace_id().to_string())
}

/// Our HTTP client, on the thread that sends.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Runtime,
    is_failing: AtomicBool,
}

impl Client {
    fn new(rules: &OtlpRules) -> Result<Self, Box<dyn std::error::Error>> {
        // Kept connections would be looked after only while something is sent.
        let http = outbound::client(rules.traces_url.scheme() == "https").timeout(TIMEOUT).pool_max_idle_per_host(0);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { http: http.build()?, runtime, is_failing: AtomicBool::new(false) })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut answer = self.http.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        let body = outbound::body_within(&mut answer, MAX_ANSWER_BYTES).await?.unwrap_or_default();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// One line when it begins to fail, and one when it works again.
    fn tell(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let reason = match outcome {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answered {}", answer.status().as_u16())),
            Err(error) => Some(error.to_string()),
        };
        match (reason, self.is_failing.load(Ordering::Relaxed)) {
            (Some(reason), false) => tracing::warn!("traces cannot be exported: {reason}"),
            (None, true) => tracing::info!("traces are exported again"),
            (reason, _) => {
                drop(reason);
                return;
            }
        }
        self.is_failing.fetch_xor(true, Ordering::Relaxed);
    }
}

impl HttpClient for Client {
    // As `async_trait` has it.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let outcome = self.runtime.block_on(self.send(request));
            self.tell(&outcome);
            outcome
        })
    }
}
