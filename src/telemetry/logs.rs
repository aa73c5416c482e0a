//! The only place that starts a log subscriber.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::config::{LogFormat, Telemetry, coloured};

/// Writes log lines to standard error from now on.
///
/// Only this crate writes below `warn`: HTTP and TLS libraries show whole
/// requests at `debug` and `trace`, tokens and signed URLs among them.
pub fn start(telemetry: &Telemetry) {
    let json = match telemetry.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let libraries = telemetry.level.min(LevelFilter::WARN);
    let filter = Targets::new().with_default(libraries).with_target(env!("CARGO_CRATE_NAME"), telemetry.level);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(false).boxed()
    } else {
        lines.with_ansi(coloured(&std::io::stderr())).with_target(false).boxed()
    };
    #[cfg(feature = "otlp")]
    let (traces, failed) = match telemetry.otlp.as_ref().map(super::otlp::layer).transpose() {
        Ok(traces) => (traces, None),
        Err(error) => (None, Some(error)),
    };
    let layers = registry();
    #[cfg(feature = "otlp")]
    let layers = layers.with(traces);
    // A second start, as in tests, keeps the first subscriber.
    let _ = layers.with(lines.with_filter(filter)).try_init();
    #[cfg(feature = "otlp")]
    if let Some(error) = failed {
        tracing::error!("traces cannot be exported: {error}");
    }
}
