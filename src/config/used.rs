//! The configuration as it is used: checked, typed, complete.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use tracing::level_filters::LevelFilter;
use url::Url;

use super::raw::Secret;
use super::{Access, UploadRole};
use crate::domain::download::DownloadRules;
use crate::domain::key::KeyRules;
use crate::domain::legacy::LegacyUrls;
use crate::domain::public_url::PublicBase;
use crate::domain::route::StorageIndex;
use crate::domain::sigv4::BucketAddress;
use crate::domain::token::{Expected, Revoked, TokenRules, VerifyKey};
use crate::domain::upload::UploadRules;
use crate::identity::CacheLimits;
use crate::limits::LimitRules;
use crate::storage::Provider;

/// The configuration as it is used: checked, typed, complete.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listener.
    pub server: Server,
    /// Which tokens are taken.
    pub auth: Auth,
    /// The default bucket.
    pub storage: Storage,
    /// The others, in the order of their indices.
    pub storages: Vec<Storage>,
    /// What is a key.
    pub key_rules: KeyRules,
    /// The lives of PUT and DELETE URLs.
    pub upload: Life,
    /// Uploads in parts, if they are on.
    pub multipart: Option<Multipart>,
    /// The old gateway's paths.
    pub files: Files,
    /// Uppy's routes.
    pub uppy: Uppy,
    /// The old gateway's addresses.
    pub legacy_urls: LegacyUrls,
    /// What GET and HEAD URLs are like.
    pub download: Download,
    /// What is taken on at once, and from one store and subject.
    pub limits: LimitRules,
    /// Logs.
    pub telemetry: Telemetry,
    /// The files that keys and secrets of `[auth]` and `[multipart]` were read from, once.
    pub key_files: Vec<PathBuf>,
    /// What is allowed and yet worth a second look, one sentence each.
    pub warnings: Vec<String>,
    /// What follows from the settings and does not stand in them, one sentence each.
    pub notes: Vec<String>,
}

impl Config {
    /// Every storage, the default one first.
    pub fn all_storages(&self) -> impl Iterator<Item = &Storage> {
        std::iter::once(&self.storage).chain(&self.storages)
    }
}

/// `[auth]`
#[derive(Debug, Clone)]
pub struct Auth {
    /// The keys that stand in the configuration.
    pub keys: Vec<VerifyKey>,
    /// The HMAC secret among them, if there is one: tokens can be minted with it.
    pub hs256_secret: Option<Secret>,
    /// What the tokens of `hs256_secret` must say.
    pub expected: Arc<Expected>,
    /// Where further keys come from.
    pub sources: Vec<KeySource>,
    /// How they are fetched.
    pub fetch: FetchRules,
    /// What is asked of tokens besides a signature.
    pub rules: TokenRules,
    /// Where in a request a token may stand besides `Authorization`.
    pub places: TokenPlaces,
    /// Tokens that are refused although they hold.
    pub revoked: Revoked,
    /// The file that they come from, which is followed.
    pub denied_file: Option<PathBuf>,
    /// How many verified tokens are remembered.
    pub cache: CacheLimits,
    /// The names of the storages that stores may lie in, in the order of their indices.
    pub storage_names: Vec<String>,
}

/// A place that keys come from while the service runs.
#[derive(Debug, Clone)]
pub struct KeySource {
    /// The place.
    pub location: KeyLocation,
    /// What the tokens of its keys must say.
    pub expected: Arc<Expected>,
    /// The algorithms that are taken from it; empty for all that have public keys.
    pub algorithms: Vec<Algorithm>,
    /// The keys that it had when the configuration was read, if it is a file.
    pub first_keys: Vec<VerifyKey>,
}

impl KeySource {
    /// What logs and reports call it: an issuer exactly as it is configured, else the address.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.location, &self.expected.issuer) {
            (KeyLocation::Discovery(_), Some(issuer)) => issuer.clone(),
            (KeyLocation::Discovery(url) | KeyLocation::Url(url), _) => url.to_string(),
            (KeyLocation::File(path), _) => path.display().to_string(),
        }
    }
}

/// Where a key set is.
#[derive(Debug, Clone)]
pub enum KeyLocation {
    /// Where the discovery document of this issuer says.
    Discovery(Url),
    /// At this URL.
    Url(Url),
    /// In this file.
    File(PathBuf),
}

/// How key sets are fetched.
#[derive(Debug, Clone, Copy)]
pub struct FetchRules {
    /// The least time between two fetches that tokens cause, and the longest between two tries after a failure.
    pub cooldown: Duration,
    /// The longest time that an answer is taken for the newest.
    pub max_age: Duration,
    /// The longest time that keys stay in force without being confirmed.
    pub max_stale: Duration,
    /// For all of one fetch.
    pub timeout: Duration,
    /// How many requests wait for a fetch at once; the next one is told to come back.
    pub max_waiting: usize,
    /// Whether `http` will do for addresses that are not loopback.
    pub allow_http: bool,
}

/// Where in a request a token may stand besides `Authorization`.
#[derive(Debug, Clone, Default)]
pub struct TokenPlaces {
    /// `X-Worker-Auth`, the header of the old gateway.
    pub worker_header: bool,
    /// The name of a cookie.
    pub cookie: Option<String>,
}

/// `[server]`
#[derive(Debug, Clone)]
pub struct Server {
    /// Where requests are taken.
    pub listen: SocketAddr,
    /// Precedes every path; empty, or begins with `/` and does not end with one.
    pub base_path: String,
    /// Which pages may call.
    pub cors: Cors,
    /// From the connection to the first byte.
    pub first_byte_timeout: Duration,
    /// From the first byte of a request, or of a TLS handshake, to its end.
    pub head_timeout: Duration,
    /// From the head to the end of the body.
    pub body_timeout: Duration,
    /// From the head to the answer.
    pub request_timeout: Duration,
    /// How long a client may take for what was written to it.
    pub write_timeout: Duration,
    /// How long a connection may lie idle between requests.
    pub keep_alive: Duration,
    /// How long new connections are still taken after a signal to stop.
    pub drain_delay: Duration,
    /// How long requests in flight may go on after a signal to stop.
    pub shutdown_grace: Duration,
    /// Connections at one time.
    pub max_connections: usize,
    /// The same from one address, or from one /64 of IPv6, if that is limited.
    pub max_connections_per_address: Option<NonZeroUsize>,
    /// How long work may wait for its turn before new connections are refused.
    pub max_lag: Option<Duration>,
    /// Requests at one time on one HTTP/2 connection; nothing where HTTP/2 is off.
    pub http2_max_streams: Option<u32>,
    /// The files of TLS, where this process speaks it.
    pub tls: Option<Tls>,
    /// Whether root may run it.
    pub allow_root: bool,
    /// Bytes of request line and headers.
    pub max_head_bytes: usize,
    /// Number of headers.
    pub max_headers: usize,
    /// Bytes of path and query.
    pub max_uri_bytes: usize,
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// The same of a batch.
    pub max_batch_body_bytes: usize,
}

/// `[server.tls]`. Both files are PEM, and followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, then those that vouch for it.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// Which pages may call from another origin.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    /// Serialised origins, compared byte for byte.
    pub origins: Vec<String>,
    /// Whether cookies may travel along.
    pub credentials: bool,
    /// How long a browser may keep a preflight's answer.
    pub max_age: Duration,
}

/// How the bucket's name is part of its URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    VirtualHost,
}

/// What `[storage]` is called.
pub const DEFAULT_STORAGE: &str = "default";

/// `[storage]` and `[storages.NAME]`
#[derive(Debug, Clone)]
pub struct Storage {
    /// The NAME, or [`DEFAULT_STORAGE`].
    pub name: String,
    /// Its place among all storages.
    pub index: StorageIndex,
    /// Where this process reaches S3.
    pub endpoint: Url,
    /// The same, with the bucket in it.
    pub own_address: BucketAddress,
    /// Where clients reach the bucket; URLs are signed for this.
    pub public_address: BucketAddress,
    /// How the bucket is addressed, by clients and by this process.
    pub addressing: Addressing,
    /// The bucket's name.
    pub bucket: String,
    /// Precedes every key in the bucket: empty, or folders with a slash at the end. It needs no encoding.
    pub prefix: String,
    /// Whether a delete takes all versions of an object.
    pub delete_all_versions: bool,
    /// Whose storage it is, and so what it can do.
    pub provider: &'static Provider,
    /// The region of the credential scope.
    pub region: String,
    /// What URLs and calls are signed with.
    pub access: Access,
    /// What callers may get temporary credentials of, if they may.
    pub upload_role: Option<UploadRole>,
    /// Deadline for a connection to S3.
    pub connect_timeout: Duration,
    /// Deadline for the head of an answer.
    pub first_byte_timeout: Duration,
    /// Deadline for a whole call, in all its attempts.
    pub call_timeout: Duration,
    /// How often the bucket is asked whether it answers.
    pub probe_interval: Duration,
    /// What becomes of a bucket that does not take our signatures at the start.
    pub verify: Verify,
    /// What a PUT is held to: `[upload]`, as far as this storage keeps it.
    pub upload_rules: UploadRules,
    /// Bounds that would be set if the storage kept them, by their name in `boundHeaders`.
    pub left_out: Vec<&'static str>,
}

/// What the start makes of the cheap part of `signer check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: it is not made.
    Off,
    /// A line in the log, while requests are served.
    Warn,
    /// The end, when anything failed.
    Strict,
}

/// How long URLs of one kind live, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When the caller does not ask.
    pub default_secs: u32,
    /// At the most, whatever the caller asks.
    pub max_secs: u32,
}

impl Life {
    /// The life that a caller gets who asks for `wanted` seconds: at least 1, at most the limit.
    #[must_use]
    pub fn clamp(&self, wanted: Option<i64>) -> u32 {
        match wanted {
            None => self.default_secs,
            Some(wanted) => u32::try_from(wanted.max(1)).unwrap_or(u32::MAX).min(self.max_secs),
        }
    }
}

/// `[download]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// How long URLs live.
    pub life: Life,
    /// All URLs for one object within so many seconds are one, and live so much longer; 0: each is its own.
    pub cache_window_secs: u32,
    /// What the bucket is told to answer with.
    pub rules: DownloadRules,
    /// Where anybody can read the objects, if downloads are not signed.
    pub public: Option<PublicBase>,
}

/// `[multipart]`
#[derive(Debug, Clone)]
pub struct Multipart {
    /// What upload tokens are sealed with.
    pub secret: Secret,
    /// What they were sealed with before.
    pub old_secrets: Vec<Secret>,
    /// How long one is good.
    pub max_age: Duration,
    /// The usual length of a part, in bytes.
    pub part_bytes: u64,
    /// For the call that makes an object of its parts.
    pub complete_timeout: Duration,
}

/// `[files]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    /// Whether paths that begin with the files root lead to the objects.
    pub redirect: bool,
}

/// `[uppy]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uppy {
    /// Whether there are routes for Uppy.
    pub enabled: bool,
}

/// What a migration of rows needs: `[migration]` and `[keys]`.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Which URLs are known.
    pub legacy_urls: LegacyUrls,
    /// What is a key.
    pub key_rules: KeyRules,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Whether decisions are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditMode {
    /// They are not.
    Off,
    /// As far as they can be.
    On,
    /// Or nothing is answered.
    Required,
}

/// What is written down of decisions, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRules {
    /// Whether at all.
    pub mode: AuditMode,
    /// The file; nothing: standard output.
    pub file: Option<PathBuf>,
    /// Whether keys are written as their SHA-256.
    pub hash_keys: bool,
}

/// Where traces go.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpRules {
    /// Where the collector takes them.
    pub traces_url: Url,
    /// The share of the traces that begin here which is recorded, 0 to 1.
    pub ratio: f64,
}

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// The least severe level that is written.
    pub level: LevelFilter,
    /// How lines look.
    pub format: LogFormat,
    /// The audit log.
    pub audit: AuditRules,
    /// The exporter of traces, if there is one. Never without the cargo feature `otlp`.
    pub otlp: Option<OtlpRules>,
    /// Where metrics are to be had, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
}
