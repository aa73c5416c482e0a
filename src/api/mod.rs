//! The HTTP surface.
//!
//! # To add an endpoint
//!
//! In the file of its resource: a row in `ROUTES`, a body type, a function. Its
//! [`Endpoint`] variant is its permission, so a handler that forgets to ask for a
//! token does not compile. 404, 405, `Allow`, the "no token is 401" test and the
//! guide's table come from the rows.
//!
//! Then what it takes and gives, in `openapi/describe`: without that a test fails that
//! names the row, and says what to run.
//!
//! # Why data and not a router or layers
//!
//! A handful of exact paths need no pattern matching, and the order of the checks
//! (route, token, body, decision) is one straight function in `dispatch`
//! instead of the order in which layers happen to be stacked.

mod audited;
mod batch;
mod call;
mod codes;
mod cors;
mod counts;
mod credential;
mod described;
mod dispatch;
mod error;
mod failure;
mod fault;
mod files;
mod health;
mod livestore;
mod multipart;
mod named;
mod objects;
pub mod openapi;
mod pattern;
mod reply;
mod uppy;
mod urls;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use crate::config::{Config, Download, Life, Server, TokenPlaces};
use crate::domain::key::KeyRules;
use crate::domain::legacy::LegacyUrls;
use crate::domain::policy::Caller;
use crate::identity::Authenticator;
use crate::limits::Limits;
use crate::storage::Backend;
use crate::telemetry::audit::Audit;

pub use call::Call;
pub use codes::CODES;
pub use counts::RequestCounts;
pub use error::ApiError;
pub use fault::Fallback;
pub use reply::{AnswerBody, Reply};

/// What a request needs, shared by all requests. Nothing in it waits, and nothing locks but the memory of `[limits]`,
/// where they are set, and of the bucket's condition, for those who call it.
#[derive(Debug)]
pub struct App {
    identity: Arc<Authenticator>,
    places: TokenPlaces,
    /// In the order of their indices.
    storages: Vec<Backend>,
    /// Once, every storage could be signed for.
    has_signed_for_all: AtomicBool,
    key_rules: KeyRules,
    /// The same for a key that was read once, from which nothing is dropped any more.
    read_key_rules: KeyRules,
    /// What stored paths begin with, slashes at both ends, where they are served.
    stored: Option<String>,
    legacy_urls: LegacyUrls,
    /// Whether Uppy's routes are served.
    uppy: bool,
    upload: Life,
    /// Uploads in parts, where they are on.
    uploads: Option<Arc<multipart::Uploads>>,
    download: Download,
    server: Server,
    limits: Limits,
    audit: Arc<Audit>,
    description: openapi::Description,
    draining: AtomicBool,
    counts: Arc<RequestCounts>,
    #[cfg(feature = "dev")]
    pages: Option<Pages>,
}

/// Answers what is beside the API: pages of `signer dev`, by their exact paths; nothing for all else.
#[cfg(feature = "dev")]
pub(crate) type Pages = Box<dyn PageSource>;

/// See [`Pages`].
#[cfg(feature = "dev")]
pub(crate) trait PageSource: std::fmt::Debug + Send + Sync {
    /// The whole answer, headers included.
    fn answer(&self, parts: &hyper::http::request::Parts) -> Option<hyper::Response<AnswerBody>>;
}

impl App {
    /// The service as configured, with its storages: one for each of [`Config::all_storages`], in that order.
    #[must_use]
    pub fn new(config: &Config, identity: Arc<Authenticator>, storages: Vec<Backend>) -> Self {
        Self {
            identity,
            places: config.auth.places.clone(),
            storages,
            has_signed_for_all: AtomicBool::new(false),
            key_rules: config.key_rules.clone(),
            read_key_rules: KeyRules { files_root: String::new(), ..config.key_rules.clone() },
            stored: config.files.redirect.then(|| format!("/{}/", config.key_rules.files_root)),
            legacy_urls: config.legacy_urls.clone(),
            uppy: config.uppy.enabled,
            upload: config.upload,
            uploads: config.multipart.as_ref().map(multipart::Uploads::new),
            download: config.download.clone(),
            server: config.server.clone(),
            limits: Limits::new(&config.limits),
            audit: Arc::new(Audit::off()),
            description: openapi::Description::of(config.into()),
            draining: AtomicBool::new(false),
            counts: Arc::default(),
            #[cfg(feature = "dev")]
            pages: None,
        }
    }

    /// The same, with its decisions written down.
    #[must_use]
    pub fn audited_by(self, audit: Arc<Audit>) -> Self {
        Self { audit, ..self }
    }

    /// What takes down its decisions.
    #[must_use]
    pub fn audit(&self) -> Arc<Audit> {
        Arc::clone(&self.audit)
    }

    /// The same, adding to these counts.
    #[must_use]
    pub(crate) fn counting_in(self, counts: Arc<RequestCounts>) -> Self {
        Self { counts, ..self }
    }

    /// The same with pages beside it.
    #[cfg(feature = "dev")]
    #[must_use]
    pub(crate) fn with_pages(self, pages: Pages) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// What it still waits for before it can do all of its work, or nothing: keys, credentials, or the first
    /// word of a bucket.
    #[must_use]
    pub fn wants(&self, now: Timestamp) -> Option<&'static str> {
        if !self.identity.is_ready() {
            Some("keys to check tokens with")
        } else if !self.storages.iter().all(|storage| storage.signers.is_ready(now)) {
            Some("credentials for a bucket")
        } else if self.storages.iter().any(|storage| storage.health.health().checked_at.is_none()) {
            Some("answer to the probe of a bucket")
        } else {
            None
        }
    }

    /// From now on `/readyz` tells load balancers to look elsewhere.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// An answer that may wait for the bucket.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send + 'a>>;

/// A handler, typed by what it demands.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint {
    /// No token; one that is sent is not looked at.
    Open(fn(&App, &Call<'_>) -> Reply),
    /// A token. A plain function: it cannot wait for the bucket.
    Sign(fn(&App, &Caller, &Call<'_>) -> Result<Reply, ApiError>),
    /// A token. May wait for the bucket.
    Act(for<'a> fn(&'a App, &'a Caller, &'a Call<'a>) -> Pending<'a>),
    /// A token. May wait for the bucket, and takes its places there itself: as many as it has calls at a time, and none
    /// while it only signs.
    Batch(for<'a> fn(&'a App, &'a Caller, &'a Call<'a>) -> Pending<'a>),
}

/// One row of the surface.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The HTTP method, upper case.
    pub method: &'static str,
    /// The path below `server.base_path`, `:name` being any one segment; of `files::STORED` an example of them all.
    pub path: &'static str,
    /// The permission that the decision will ask for. Any page may send a cookie along with a GET that needs `read`.
    pub needs: &'static str,
    /// One line for the guide.
    pub summary: &'static str,
    /// The handler.
    pub endpoint: Endpoint,
}

impl Route {
    /// Whether nothing comes of it but its answer. A GET that makes a form or credentials uses up what a store may write.
    fn only_reads(&self) -> bool {
        matches!(self.method, "GET" | "HEAD") && self.needs == "read"
    }
}

/// Every row of every resource.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    exact_routes().chain(uppy::ROUTES).chain(files::STORED)
}

/// Those that `/openapi.json` is about. What Uppy's take and give is for Uppy to say, and off by default.
#[cfg(test)]
fn described_routes() -> impl Iterator<Item = &'static Route> {
    exact_routes().chain(files::STORED)
}

/// Those whose path is the whole path, and that are always served.
fn exact_routes() -> impl Iterator<Item = &'static Route> {
    [
        urls::ROUTES,
        objects::ROUTES,
        batch::ROUTES,
        multipart::ROUTES,
        livestore::ROUTES,
        files::ROUTES,
        health::ROUTES,
        openapi::ROUTES,
    ]
    .into_iter()
    .flatten()
}
