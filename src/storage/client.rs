//! One HTTP client for the few calls that this service makes itself.
//!
//! rusty-s3 signs them (in the query, so that a captured call is worth one call
//! for a minute); reqwest makes them, without redirects, proxies or compression.
//! How often each is tried is decided in `attempts`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rusty_s3::S3Action as _;
use url::Url;

use super::answer::{Answer, MAX_ERROR_BODY_BYTES, Refusal, http_date};
use super::attempts::Condition;
use super::counts::Operation;
use super::credentials::Held;
use super::{Signers, StorageCounts};
use crate::config::{Addressing, Storage};
use crate::domain::policy::{Action, Grant};
use crate::outbound;

/// How long a URL for our own use lives: long enough for the slowest call.
pub(super) const OWN_URL_LIFE: Duration = Duration::from_mins(1);

/// Names and values, sorted.
type Pairs<'a> = &'a [(&'a str, &'a str)];

const CHECKSUM_MODE: &str = "x-amz-checksum-mode";
const CHECKSUM_SHA256: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");

/// What S3 knows of an object (S3 `HeadObject`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Bytes.
    pub size: u64,
    /// The entity tag as S3 writes it, quotes included.
    pub etag: Option<String>,
    /// The media type that downloads carry.
    pub content_type: Option<String>,
    /// When the object was written, in whole seconds UTC.
    pub last_modified: Option<Timestamp>,
    /// Base64 of the SHA-256, when the bucket keeps one.
    pub checksum_sha256: Option<String>,
}

/// Why the bucket could not be asked. The text is for the log; it holds no URL.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// No connection, or it broke.
    #[error("the bucket cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// No complete answer within the deadline.
    #[error("the bucket did not answer in time")]
    TimedOut,
    /// An answer that means neither yes nor no.
    #[error("the bucket answered {status} {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The S3 error code, such as `AccessDenied`, or nothing.
        code: String,
    },
    /// The grant is for another action, or another storage. Never seen unless a handler is wrong.
    #[error("the grant does not allow this call")]
    WrongGrant,
    /// The credentials have ended, or none have come yet.
    #[error("there are no credentials that hold now")]
    NoCredentials,
    /// All calls before this one failed, so it was not made.
    #[error("the bucket is taken for down")]
    TakenForDown {
        /// Until another call is made.
        wait: Duration,
    },
}

/// Calls the bucket at `storage.endpoint`.
#[derive(Debug)]
pub struct BucketClient {
    /// Of the storage, for the log.
    pub(super) name: String,
    pub(super) http: reqwest::Client,
    bucket: rusty_s3::Bucket,
    /// Precedes every key.
    prefix: String,
    signers: Arc<Signers>,
    pub(super) first_byte_timeout: Duration,
    pub(super) call_timeout: Duration,
    pub(super) all_versions: bool,
    /// It has refused to delete many objects by one call, as some servers do.
    pub(super) lacks_delete_many: AtomicBool,
    pub(super) condition: Condition,
    pub(super) counts: Arc<StorageCounts>,
}

/// The storage settings cannot be used for calls.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TLS roots or the client could not be set up.
    #[error("the HTTP client cannot be built")]
    Http(#[from] reqwest::Error),
    /// The endpoint and the bucket make no URL.
    #[error("the endpoint and the bucket make no address: {0}")]
    Bucket(#[from] rusty_s3::BucketError),
}

impl BucketClient {
    /// A client for the configured bucket, which signs each call with what is current then.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the platform gives no TLS roots, or the address cannot be built.
    pub fn new(storage: &Storage, signers: Arc<Signers>) -> Result<Self, ClientError> {
        let http = http_client(storage, storage.endpoint.scheme())?;
        let style = match storage.addressing {
            Addressing::Path => rusty_s3::UrlStyle::Path,
            Addressing::VirtualHost => rusty_s3::UrlStyle::VirtualHost,
        };
        let bucket =
            rusty_s3::Bucket::new(storage.endpoint.clone(), style, storage.bucket.clone(), storage.region.clone())?;
        Ok(Self {
            name: storage.name.clone(),
            http,
            bucket,
            prefix: storage.prefix.clone(),
            signers,
            first_byte_timeout: storage.first_byte_timeout,
            call_timeout: storage.call_timeout,
            all_versions: storage.delete_all_versions,
            lacks_delete_many: AtomicBool::new(false),
            condition: Condition::unknown(),
            counts: Arc::default(),
        })
    }

    /// The same, adding to these counts.
    pub(super) fn counting_in(self, counts: Arc<StorageCounts>) -> Self {
        Self { counts, ..self }
    }

    /// The name that the object has in the bucket.
    pub(super) fn object_name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Whether the grant is for this action, in this storage.
    pub(super) fn takes(&self, grant: &Grant, action: Action) -> Result<(), BucketError> {
        let fits = grant.action() == action && grant.storage() == self.signers.storage();
        if fits { Ok(()) } else { Err(BucketError::WrongGrant) }
    }

    /// What a call is signed with now.
    pub(super) fn held(&self, action: Action, now: Timestamp) -> Result<Arc<Held>, BucketError> {
        self.signers.for_call(action, now).ok_or(BucketError::NoCredentials)
    }

    /// Deletes the object, with all its versions where that is configured. An object that was not there is deleted, too.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when the bucket did not confirm it.
    pub async fn delete(&self, grant: &Grant, now: Timestamp) -> Result<(), BucketError> {
        self.takes(grant, Action::Delete)?;
        if self.all_versions {
            return self.delete_all_versions(grant, now).await;
        }
        let name = self.object_name(grant.key().as_str());
        let sign = |now| {
            let held = self.held(Action::Delete, now)?;
            let call = self.bucket.delete_object(Some(held.credentials()), &name);
            Ok(self.http.request(Method::DELETE, call.sign_with_time(held.life(OWN_URL_LIFE, now), &now)))
        };
        deleted(self.call(self.span(now).of(Operation::Delete), MAX_ERROR_BODY_BYTES, sign).await?)
    }

    /// What the bucket knows of the object, or nothing when it is not there.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when the bucket says neither.
    pub async fn head(&self, grant: &Grant, now: Timestamp) -> Result<Option<ObjectInfo>, BucketError> {
        self.takes(grant, Action::Head)?;
        self.head_granted(grant, now).await
    }

    /// For a grant that was looked at.
    pub(super) async fn head_granted(&self, grant: &Grant, now: Timestamp) -> Result<Option<ObjectInfo>, BucketError> {
        let name = self.object_name(grant.key().as_str());
        let sign = |now| {
            let held = self.held(Action::Head, now)?;
            let mut call = self.bucket.head_object(Some(held.credentials()), &name);
            // Signed, because strict servers refuse an `x-amz-*` header that is not.
            call.headers_mut().insert(CHECKSUM_MODE, "ENABLED");
            let url = call.sign_with_time(held.life(OWN_URL_LIFE, now), &now);
            Ok(self.http.request(Method::HEAD, url).header(CHECKSUM_MODE, "ENABLED"))
        };
        let answer = self.call(self.span(now).of(Operation::Head), MAX_ERROR_BODY_BYTES, sign).await?;
        match answer.status {
            // H18: no object without a length, and an etag or a date; an answer that leaves them out is somebody else's.
            StatusCode::OK => {
                object_info(&answer.headers).map(Some).ok_or_else(|| answer.into_error("NoObjectHeaders"))
            }
            StatusCode::NOT_FOUND if !answer.is_of_another_server() => Ok(None),
            // The answer to a HEAD has no body and so no code.
            _ => Err(answer.into_error("")),
        }
    }

    /// Reads one object, for the probe. Only status and error code are looked at.
    pub(super) async fn get_for_probe(&self, key: &'static str, now: Timestamp) -> Result<Probed, BucketError> {
        let held = self.held(Action::Get, now)?;
        let name = self.object_name(key);
        let call = self.bucket.get_object(Some(held.credentials()), &name);
        let url = call.sign_with_time(held.life(OWN_URL_LIFE, now), &now);
        let span = self.span(now).of(Operation::Probe);
        let answer = self.call_once(span, MAX_ERROR_BODY_BYTES, self.http.request(Method::GET, url)).await?;
        let date = answer.headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?));
        Ok(Probed { refusal: Refusal { status: answer.status, code: answer.code() }, date })
    }

    /// A URL that deletes one version of an object.
    pub(super) fn version_url(&self, name: &str, version: String, now: Timestamp) -> Result<Url, BucketError> {
        let held = self.held(Action::Delete, now)?;
        let mut call = self.bucket.delete_object(Some(held.credentials()), name);
        call.query_mut().insert("versionId", version);
        Ok(call.sign_with_time(held.life(OWN_URL_LIFE, now), &now))
    }

    /// A URL for the bucket itself, signed as for `action`: its CORS document, or its list of versions. It opens no
    /// object, so there is nothing to grant.
    pub(super) fn bucket_url(
        &self,
        action: Action,
        method: rusty_s3::Method,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<Url, BucketError> {
        self.signed(action, method, self.bucket.base_url().clone(), (query, headers), now)
    }

    /// The call that was granted, for those of an upload in parts; `query` and `headers` sorted, names in lower case.
    pub(super) fn object_call(
        &self,
        grant: &Grant,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<RequestBuilder, BucketError> {
        let action = grant.action();
        if !action.fits(query) {
            return Err(BucketError::WrongGrant);
        }
        let (signed, sent) = match action.method() {
            "GET" => (rusty_s3::Method::Get, Method::GET),
            "POST" => (rusty_s3::Method::Post, Method::POST),
            "DELETE" => (rusty_s3::Method::Delete, Method::DELETE),
            // Bytes never cross this service.
            _ => return Err(BucketError::WrongGrant),
        };
        let name = self.object_name(grant.key().as_str());
        let address = self.bucket.object_url(&name);
        Ok(self.http.request(sent, self.signed(action, signed, address, (query, headers), now)?))
    }

    fn signed(
        &self,
        action: Action,
        method: rusty_s3::Method,
        address: Url,
        (query, headers): (Pairs<'_>, Pairs<'_>),
        now: Timestamp,
    ) -> Result<Url, BucketError> {
        let held = self.held(action, now)?;
        let credentials = held.credentials();
        Ok(rusty_s3::signing::sign(
            &now,
            method,
            address,
            credentials.key(),
            credentials.secret(),
            credentials.token(),
            self.bucket.region(),
            held.life(OWN_URL_LIFE, now).as_secs(),
            query.iter().copied(),
            headers.iter().copied(),
        ))
    }

    /// One attempt without an eye on the bucket's condition, for `signer check`.
    pub(super) async fn send(&self, call: RequestBuilder) -> Result<Response, BucketError> {
        let answer =
            tokio::time::timeout(self.first_byte_timeout, call.send()).await.map_err(|_| BucketError::TimedOut)?;
        answer.map_err(bucket_error)
    }
}

/// A client with the deadlines of `[storage]`, for addresses of this scheme.
pub(crate) fn http_client(storage: &Storage, scheme: &str) -> Result<reqwest::Client, reqwest::Error> {
    let http = outbound::client(scheme == "https");
    http.connect_timeout(storage.connect_timeout).timeout(storage.call_timeout).build()
}

/// What the probe sees of an answer.
pub(super) struct Probed {
    pub(super) refusal: Refusal,
    pub(super) date: Option<Timestamp>,
}

pub(crate) fn bucket_error(error: reqwest::Error) -> BucketError {
    if error.is_timeout() {
        return BucketError::TimedOut;
    }
    // reqwest's message would quote the URL, and the URL is a credential.
    BucketError::Unreachable(error.without_url())
}

/// Whether the answer to a DELETE means that the object is gone.
pub(super) fn deleted(answer: Answer) -> Result<(), BucketError> {
    let code = answer.code();
    // Some servers answer 404 without a body; a missing bucket says so in its code, and a page is nobody's word.
    let was_gone =
        code == "NoSuchKey" || (answer.status == StatusCode::NOT_FOUND && answer.is_blank() && code.is_empty());
    let is_yes = answer.is_plain_success() && answer.is_blank();
    if was_gone || is_yes { Ok(()) } else { Err(answer.into_error("")) }
}

fn object_info(headers: &HeaderMap) -> Option<ObjectInfo> {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
    let info = ObjectInfo {
        size: text(&CONTENT_LENGTH)?.parse().ok()?,
        etag: text(&ETAG),
        content_type: text(&CONTENT_TYPE),
        last_modified: text(&LAST_MODIFIED).and_then(|date| http_date(&date)),
        checksum_sha256: text(&CHECKSUM_SHA256),
    };
    (info.etag.is_some() || info.last_modified.is_some()).then_some(info)
}
