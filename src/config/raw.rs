//! The configuration as it is written. `Default` here is the only place a default is stated;
//! the shipped `signer.toml` documents each key and is tested to be equal.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is never shown: `Debug` and `Serialize` write `<redacted>`, or nothing when it is empty.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// Keeps `text` from being shown.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself, for the code that signs or verifies with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    fn shown(&self) -> &'static str {
        if self.is_empty() { "" } else { "<redacted>" }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

/// Everything that can be configured. Each field is a key of `signer.toml`, which documents it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "signer.toml documents every key, and a test proves it names them all")]
pub struct RawConfig {
    pub server: RawServer,
    pub auth: RawAuth,
    pub storage: RawStorage,
    pub storages: BTreeMap<String, RawStorage>,
    pub storage_routes: Vec<RawRoute>,
    pub keys: RawKeys,
    pub upload: RawUpload,
    pub files: RawFiles,
    pub migration: RawMigration,
    pub download: RawDownload,
    pub limits: RawLimits,
    pub telemetry: RawTelemetry,
}

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

/// `[auth]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawAuth {
    pub hs256_secret: Secret,
    pub hs256_secret_file: String,
    pub keys: Vec<RawKey>,
    pub issuer: String,
    pub audience: Vec<String>,
    pub jwks_url: String,
    pub jwks_file: String,
    pub algorithms: Vec<String>,
    pub issuers: Vec<RawIssuer>,
    pub jwks_cooldown_secs: u64,
    pub jwks_max_age_secs: u64,
    pub jwks_max_stale_secs: u64,
    pub jwks_timeout_secs: u64,
    pub jwks_allow_http: bool,
    pub token_typ: String,
    pub leeway_secs: u64,
    pub max_token_ttl_secs: u64,
    pub store_claim: String,
    pub store_template: String,
    pub store_template_encode: String,
    pub store_ids: String,
    pub scope_claims: Vec<String>,
    pub scopes: BTreeMap<String, Vec<String>>,
    pub require_scope: bool,
    pub denied_file: String,
    pub worker_header: bool,
    pub cookie: String,
    pub cache_entries: u32,
    pub cache_bytes: u64,
}

impl Default for RawAuth {
    fn default() -> Self {
        Self {
            hs256_secret: Secret::default(),
            hs256_secret_file: String::new(),
            keys: Vec::new(),
            issuer: String::new(),
            audience: Vec::new(),
            jwks_url: String::new(),
            jwks_file: String::new(),
            algorithms: Vec::new(),
            issuers: Vec::new(),
            jwks_cooldown_secs: 30,
            jwks_max_age_secs: 300,
            jwks_max_stale_secs: 86_400,
            jwks_timeout_secs: 5,
            jwks_allow_http: false,
            token_typ: String::new(),
            leeway_secs: 30,
            max_token_ttl_secs: 86_400,
            store_claim: "storeId".to_owned(),
            store_template: String::new(),
            store_template_encode: "none".to_owned(),
            store_ids: "strict".to_owned(),
            scope_claims: vec!["scope".to_owned(), "scp".to_owned()],
            scopes: BTreeMap::new(),
            require_scope: false,
            denied_file: String::new(),
            worker_header: false,
            cookie: String::new(),
            cache_entries: 10_000,
            cache_bytes: 16 * 1024 * 1024,
        }
    }
}

/// `[[auth.keys]]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawKey {
    pub id: String,
    pub algorithm: String,
    pub public_key: String,
    pub public_key_file: String,
    pub secret: Secret,
    pub secret_file: String,
    pub issuer: String,
}

/// `[[auth.issuers]]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawIssuer {
    pub issuer: String,
    pub audience: Vec<String>,
    pub jwks_url: String,
    pub jwks_file: String,
    pub algorithms: Vec<String>,
}

/// `[storage]` and `[storages.NAME]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawStorage {
    pub endpoint: String,
    pub public_endpoint: String,
    pub region: String,
    pub bucket: String,
    pub prefix: String,
    pub addressing: String,
    pub provider: String,
    pub delete_all_versions: bool,
    pub access_key_id: String,
    pub access_key_id_file: String,
    pub secret_access_key: Secret,
    pub secret_access_key_file: String,
    pub session_token: Secret,
    pub session_token_file: String,
    pub credentials: String,
    pub credentials_profile: String,
    pub credential_process: Vec<String>,
    pub assume_role_arn: String,
    pub assume_role_external_id: String,
    pub assume_role_session_name: String,
    pub sts_endpoint: String,
    pub put: RawAccessKey,
    pub get: RawAccessKey,
    pub delete: RawAccessKey,
    pub connect_timeout_secs: u64,
    pub first_byte_timeout_secs: u64,
    pub call_timeout_secs: u64,
    pub probe_interval_secs: u64,
    pub verify: String,
}

impl Default for RawStorage {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            public_endpoint: String::new(),
            region: "us-east-1".to_owned(),
            bucket: String::new(),
            prefix: String::new(),
            addressing: "path".to_owned(),
            provider: "auto".to_owned(),
            delete_all_versions: false,
            access_key_id: String::new(),
            access_key_id_file: String::new(),
            secret_access_key: Secret::default(),
            secret_access_key_file: String::new(),
            session_token: Secret::default(),
            session_token_file: String::new(),
            credentials: "static".to_owned(),
            credentials_profile: String::new(),
            credential_process: Vec::new(),
            assume_role_arn: String::new(),
            assume_role_external_id: String::new(),
            assume_role_session_name: "filesync-signer".to_owned(),
            sts_endpoint: String::new(),
            put: RawAccessKey::default(),
            get: RawAccessKey::default(),
            delete: RawAccessKey::default(),
            connect_timeout_secs: 2,
            first_byte_timeout_secs: 4,
            call_timeout_secs: 5,
            probe_interval_secs: 15,
            verify: "warn".to_owned(),
        }
    }
}

impl RawStorage {
    /// The key that stands in `[storage]` itself.
    pub(super) fn access_key(&self) -> RawAccessKey {
        RawAccessKey {
            access_key_id: self.access_key_id.clone(),
            access_key_id_file: self.access_key_id_file.clone(),
            secret_access_key: self.secret_access_key.clone(),
            secret_access_key_file: self.secret_access_key_file.clone(),
            session_token: self.session_token.clone(),
            session_token_file: self.session_token_file.clone(),
        }
    }
}

/// `[storage.put]`, `[storage.get]` and `[storage.delete]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawAccessKey {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_key_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_key_id_file: String,
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub secret_access_key: Secret,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_access_key_file: String,
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub session_token: Secret,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session_token_file: String,
}

impl RawAccessKey {
    /// Whether nothing of it is written.
    pub(super) fn is_empty(&self) -> bool {
        let texts =
            [&self.access_key_id, &self.access_key_id_file, &self.secret_access_key_file, &self.session_token_file];
        texts.iter().all(|text| text.is_empty()) && self.secret_access_key.is_empty() && self.session_token.is_empty()
    }
}

/// `[[storage_routes]]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawRoute {
    pub stores: Vec<String>,
    pub claim: String,
    pub value: String,
    pub storage: String,
}

/// `[keys]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawKeys {
    pub files_root: String,
    pub format: String,
}

impl Default for RawKeys {
    fn default() -> Self {
        Self { files_root: "livestore-filesync-files".to_owned(), format: "path".to_owned() }
    }
}

/// `[upload]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawUpload {
    pub expires_secs: u64,
    pub max_expires_secs: u64,
    pub max_bytes: u64,
    pub content_types: Vec<String>,
    pub checksum: String,
    pub write_once: bool,
    pub cache_control: String,
    pub storage_class: String,
    pub server_side_encryption: String,
    pub kms_key_id: String,
}

impl Default for RawUpload {
    fn default() -> Self {
        let RawLife { expires_secs, max_expires_secs } = RawLife::default();
        Self {
            expires_secs,
            max_expires_secs,
            max_bytes: 0,
            content_types: Vec::new(),
            checksum: "auto".to_owned(),
            write_once: false,
            cache_control: String::new(),
            storage_class: String::new(),
            server_side_encryption: String::new(),
            kms_key_id: String::new(),
        }
    }
}

/// The two keys that `[upload]` and `[download]` have in common.
pub(super) struct RawLife {
    pub(super) expires_secs: u64,
    pub(super) max_expires_secs: u64,
}

impl Default for RawLife {
    fn default() -> Self {
        Self { expires_secs: 900, max_expires_secs: 3600 }
    }
}

/// `[download]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawDownload {
    pub expires_secs: u64,
    pub max_expires_secs: u64,
    pub cache_window: RawDuration,
    pub cache_control: String,
    pub force_attachment: bool,
    pub response_content_types: Vec<String>,
    pub mode: String,
    pub public_base_url: String,
}

impl Default for RawDownload {
    fn default() -> Self {
        let RawLife { expires_secs, max_expires_secs } = RawLife::default();
        // What no browser runs, and what people look at and listen to.
        let plain = [
            "application/json",
            "application/octet-stream",
            "application/pdf",
            "application/zip",
            "audio/*",
            "image/avif",
            "image/gif",
            "image/jpeg",
            "image/png",
            "image/webp",
            "text/csv",
            "text/plain",
            "video/*",
        ];
        Self {
            expires_secs,
            max_expires_secs,
            cache_window: RawDuration::default(),
            cache_control: "auto".to_owned(),
            force_attachment: true,
            response_content_types: plain.map(str::to_owned).into(),
            mode: "signed".to_owned(),
            public_base_url: String::new(),
        }
    }
}

/// A time with its unit, such as `15m`, or `0` for none, which may also be written as a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDuration(pub(super) String);

impl Default for RawDuration {
    fn default() -> Self {
        Self("0".to_owned())
    }
}

impl Serialize for RawDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == "0" { serializer.serialize_u64(0) } else { serializer.serialize_str(&self.0) }
    }
}

impl<'de> Deserialize<'de> for RawDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationText)
    }
}

struct DurationText;

impl Visitor<'_> for DurationText {
    type Value = RawDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"15m\", or 0")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawDuration, E> {
        Ok(RawDuration(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<RawDuration, E> {
        Ok(RawDuration(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<RawDuration, E> {
        Ok(RawDuration(number.to_string()))
    }
}

/// `[files]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawFiles {
    pub redirect: bool,
}

/// `[migration]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawMigration {
    pub legacy_urls: Vec<String>,
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
}

impl Default for RawTelemetry {
    fn default() -> Self {
        Self { log: "info".to_owned(), log_format: "auto".to_owned() }
    }
}
