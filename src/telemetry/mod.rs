//! What the process says about itself: logs, audit log, metrics, traces, request and trace ids.

pub mod audit;
pub mod logs;
pub mod metrics;
#[cfg(feature = "otlp")]
pub(crate) mod otlp;
pub mod request_id;
pub(crate) mod spans;
pub mod trace_context;
