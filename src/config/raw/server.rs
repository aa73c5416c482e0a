//! `[server]`, `[limits]` and `[telemetry]`.

use serde::{Deserialize, Serialize};

/// `[server]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawServer {
    pub listen: String,
    pub base_path: String,
    pub cors_origins: Vec<String>,
    pub cors_credentials: bool,
    pub cors_max_age_secs: u64,
    pub first_byte_timeout_secs: u64,
    pub head_timeout_secs: u64,
    pub body_timeout_secs: u64,
    pub request_timeout_secs: u64,
    pub write_timeout_secs: u64,
    pub keep_alive_secs: u64,
    pub drain_delay_secs: u64,
    pub shutdown_grace_secs: u64,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub max_lag_ms: u64,
    pub http2: bool,
    pub http2_max_streams: usize,
    pub allow_root: bool,
    pub max_head_bytes: usize,
    pub max_headers: usize,
    pub max_uri_bytes: usize,
    pub max_body_bytes: usize,
    pub max_batch_body_bytes: usize,
    pub tls: RawTls,
}

impl Default for RawServer {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8787".to_owned(),
            base_path: String::new(),
            cors_origins: Vec::new(),
            cors_credentials: false,
            cors_max_age_secs: 600,
            first_byte_timeout_secs: 10,
            head_timeout_secs: 10,
            body_timeout_secs: 10,
            request_timeout_secs: 15,
            write_timeout_secs: 10,
            keep_alive_secs: 60,
            drain_delay_secs: 0,
            shutdown_grace_secs: 10,
            max_connections: 10_000,
            max_connections_per_address: 0,
            max_lag_ms: 200,
            http2: false,
            http2_max_streams: 64,
            allow_root: false,
            max_head_bytes: 16 * 1024,
            max_headers: 64,
            max_uri_bytes: 8 * 1024,
            max_body_bytes: 64 * 1024,
            max_batch_body_bytes: 1024 * 1024,
            tls: RawTls::default(),
        }
    }
}

/// `[server.tls]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawTls {
    pub certificate_file: String,
    pub key_file: String,
}

/// `[limits]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawLimits {
    pub max_in_flight: usize,
    pub max_bucket_calls: usize,
    pub store_requests_per_sec: u32,
    pub store_burst: u32,
    pub subject_requests_per_sec: u32,
    pub subject_burst: u32,
    pub store_upload_bytes_per_hour: u64,
    pub max_tracked: usize,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            max_in_flight: 1024,
            max_bucket_calls: 256,
            store_requests_per_sec: 0,
            store_burst: 0,
            subject_requests_per_sec: 0,
            subject_burst: 0,
            store_upload_bytes_per_hour: 0,
            max_tracked: 10_000,
        }
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawTelemetry {
    pub log: String,
    pub log_format: String,
    pub audit: String,
    pub audit_file: String,
    pub audit_keys: String,
    pub otlp_endpoint: String,
    pub otlp_ratio: f64,
    pub metrics_listen: String,
}

impl Default for RawTelemetry {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            log_format: "auto".to_owned(),
            audit: "off".to_owned(),
            audit_file: String::new(),
            audit_keys: "plain".to_owned(),
            otlp_endpoint: String::new(),
            otlp_ratio: 1.0,
            metrics_listen: String::new(),
        }
    }
}
