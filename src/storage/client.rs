//! One HTTP client for the few calls that this service makes itself.
//!
//! rusty-s3 signs them (in the query, so that a captured call is worth one call
//! for a minute); reqwest makes them, without redirects, proxies or compression.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rusty_s3::S3Action as _;
use url::Url;

use super::Signers;
use super::credentials::Held;
use crate::config::{Addressing, Storage};
use crate::domain::policy::{Action, Grant};
use crate::outbound;

/// How long a URL for our own use lives: long enough for the slowest call.
const OWN_URL_LIFE: Duration = Duration::from_mins(1);

/// An error body is read up to here; what a code needs is in the first lines.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;

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
}

/// An answer that is no success.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: String,
}

impl From<Refusal> for BucketError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { status: refusal.status.as_u16(), code: refusal.code }
    }
}

/// Calls the bucket at `storage.endpoint`.
#[derive(Debug)]
pub struct BucketClient {
    pub(super) http: reqwest::Client,
    bucket: rusty_s3::Bucket,
    /// Precedes every key.
    prefix: String,
    signers: Arc<Signers>,
    first_byte_timeout: Duration,
    pub(super) call_timeout: Duration,
    all_versions: bool,
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
            http,
            bucket,
            prefix: storage.prefix.clone(),
            signers,
            first_byte_timeout: storage.first_byte_timeout,
            call_timeout: storage.call_timeout,
            all_versions: storage.delete_all_versions,
        })
    }

    /// What signs the calls.
    #[must_use]
    pub fn signers(&self) -> &Arc<Signers> {
        &self.signers
    }

    /// The name that the object has in the bucket.
    pub(super) fn object_name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Whether the grant is for this action, in this storage.
    fn takes(&self, grant: &Grant, action: Action) -> Result<(), BucketError> {
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
        let (held, name) = (self.held(Action::Delete, now)?, self.object_name(grant.key().as_str()));
        let call = self.bucket.delete_object(Some(held.credentials()), &name);
        let url = call.sign_with_time(held.life(OWN_URL_LIFE, now), &now);
        let answer = self.send(self.http.request(Method::DELETE, url)).await?;
        self.deleted(answer).await
    }

    /// Whether the answer to a DELETE means that the object is gone.
    pub(super) async fn deleted(&self, answer: Response) -> Result<(), BucketError> {
        let status = answer.status();
        let refusal = refusal(answer).await?;
        // A 200 may carry an error in its body.
        if status.is_success() && refusal.code.is_empty() || refusal.code == "NoSuchKey" {
            return Ok(());
        }
        // Some servers answer 404 without a body; a missing bucket says so in its code.
        if status == StatusCode::NOT_FOUND && refusal.code.is_empty() { Ok(()) } else { Err(refusal.into()) }
    }

    /// What the bucket knows of the object, or nothing when it is not there.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when the bucket says neither.
    pub async fn head(&self, grant: &Grant, now: Timestamp) -> Result<Option<ObjectInfo>, BucketError> {
        self.takes(grant, Action::Head)?;
        let (held, name) = (self.held(Action::Head, now)?, self.object_name(grant.key().as_str()));
        let mut call = self.bucket.head_object(Some(held.credentials()), &name);
        // Signed, because strict servers refuse an `x-amz-*` header that is not.
        call.headers_mut().insert(CHECKSUM_MODE, "ENABLED");
        let url = call.sign_with_time(held.life(OWN_URL_LIFE, now), &now);
        let headers = [(HeaderName::from_static(CHECKSUM_MODE), "ENABLED".parse())];
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value.ok()?))).collect();
        let answer = self.send(self.http.request(Method::HEAD, url).headers(headers)).await?;
        match answer.status() {
            StatusCode::OK => Ok(Some(object_info(answer.headers()))),
            StatusCode::NOT_FOUND => Ok(None),
            // The answer to a HEAD has no body and so no code.
            status => Err(Refusal { status, code: String::new() }.into()),
        }
    }

    /// Reads one object, for the probe. Only status and error code are looked at.
    pub(super) async fn get_for_probe(&self, key: &'static str, now: Timestamp) -> Result<Probed, BucketError> {
        let held = self.held(Action::Get, now)?;
        let name = self.object_name(key);
        let call = self.bucket.get_object(Some(held.credentials()), &name);
        let url = call.sign_with_time(held.life(OWN_URL_LIFE, now), &now);
        let answer = self.send(self.http.request(Method::GET, url)).await?;
        let date = answer.headers().get(reqwest::header::DATE).and_then(|date| http_date(date.to_str().ok()?));
        Ok(Probed { refusal: refusal(answer).await?, date })
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
        let held = self.held(action, now)?;
        let credentials = held.credentials();
        Ok(rusty_s3::signing::sign(
            &now,
            method,
            self.bucket.base_url().clone(),
            credentials.key(),
            credentials.secret(),
            credentials.token(),
            self.bucket.region(),
            held.life(OWN_URL_LIFE, now).as_secs(),
            query.iter().copied(),
            headers.iter().copied(),
        ))
    }

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

/// Status and error code of an answer, its body read up to the cap.
pub(super) async fn refusal(mut answer: Response) -> Result<Refusal, BucketError> {
    let status = answer.status();
    let body = read_body(&mut answer).await?;
    Ok(Refusal { status, code: element(&String::from_utf8_lossy(&body), "Code") })
}

/// A body up to the cap; the rest of a longer one is left.
pub(crate) async fn read_body(answer: &mut Response) -> Result<Vec<u8>, BucketError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(bucket_error)? {
        let room = MAX_ERROR_BODY_BYTES.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() >= MAX_ERROR_BODY_BYTES {
            break;
        }
    }
    Ok(body)
}

/// The text of the first such element, as `Code` in an S3 error document. No XML is interpreted, so no entity is.
pub(crate) fn element(body: &str, name: &str) -> String {
    const MAX_CHARS: usize = 64;
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let text = body.split_once(&start).and_then(|(_, rest)| rest.split_once(&end)).map_or("", |(text, _)| text);
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(MAX_CHARS).collect()
}

fn object_info(headers: &HeaderMap) -> ObjectInfo {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
    ObjectInfo {
        size: text(&CONTENT_LENGTH).and_then(|size| size.parse().ok()).unwrap_or(0),
        etag: text(&ETAG),
        content_type: text(&CONTENT_TYPE),
        last_modified: text(&LAST_MODIFIED).and_then(|date| http_date(&date)),
        checksum_sha256: text(&CHECKSUM_SHA256),
    }
}

/// The preferred form of an HTTP date (RFC 9110 section 5.6.7), which RFC 2822's reader takes.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_cut_from_the_body() {
        assert_eq!(
            element("<?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message/></Error>", "Code"),
            "NoSuchBucket"
        );
        assert_eq!(element("<Error><Code>A&amp;\n\u{1b}[31mB</Code>", "Code"), "Aamp31mB");
        for body in ["", "<Code>", "</Code><Code>", "not XML"] {
            assert_eq!(element(body, "Code"), "");
        }
    }

    #[test]
    fn http_dates_are_read() {
        let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(date.to_string(), "1994-11-06T08:49:37Z");
        assert!(http_date("yesterday").is_none());
    }
}
