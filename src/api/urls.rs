//! Signed URLs: `/download-url`, `/upload-url`, `/delete-url`.

use std::borrow::Cow;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::call::Params;
use super::{ApiError, App, Call, Endpoint, Reply, Route};
use crate::domain::disposition::{Disposition, content_disposition};
use crate::domain::policy::{Action, Caller, Grant};
use crate::domain::sigv4::{BoundHeaders, SignedUrl, Terms};
use crate::domain::upload::{UploadClaim, UploadHeaders};
use crate::domain::utc::UtcSecond;
use crate::storage::Backend;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/download-url",
        needs: "read",
        summary: "A signed GET, or HEAD with `method=HEAD`, for `?key=`",
        endpoint: Endpoint::Sign(download_url),
    },
    Route {
        method: "POST",
        path: "/upload-url",
        needs: "write",
        summary: "A signed PUT for `{key, contentType?, contentLength?, checksumSha256?, expiresIn?}`",
        endpoint: Endpoint::Sign(upload_url),
    },
    Route {
        method: "POST",
        path: "/delete-url",
        needs: "delete",
        summary: "A signed DELETE for `{key, expiresIn?}`",
        endpoint: Endpoint::Sign(delete_url),
    },
];

/// Clients are told to fetch a new URL when this share of the life is over.
const REFRESH_NUMERATOR: i64 = 4;
const REFRESH_DENOMINATOR: i64 = 5;

/// A signed URL and all that is needed to use it, written as the answer to whoever asked.
pub(super) struct Signed<'a> {
    grant: Grant,
    storage: &'a Backend,
    headers: UploadHeaders,
    url: SignedUrl,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedUrlAnswer<'a> {
    method: &'static str,
    url: &'a str,
    key: &'a str,
    provider_id: &'a str,
    headers: SentHeaders<'a>,
    bound_headers: BoundHeaders,
    expires_at: UtcSecond,
    refresh_after: UtcSecond,
    expires_in: u32,
}

impl Signed<'_> {
    pub(super) const fn url(&self) -> &SignedUrl {
        &self.url
    }
}

impl Serialize for Signed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SignedUrl { method, ref url, bound_headers, expires_secs, expires_at, .. } = self.url;
        let answer = SignedUrlAnswer {
            method,
            url: url.expose(),
            key: self.grant.key().as_str(),
            provider_id: &self.storage.name,
            headers: SentHeaders(&self.headers),
            bound_headers,
            expires_at,
            refresh_after: refresh_after(expires_at, expires_secs),
            expires_in: expires_secs,
        };
        answer.serialize(serializer)
    }
}

/// What is asked of a download, in a query or in a batch.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DownloadRequest<'a> {
    #[serde(borrow)]
    pub(super) key: Option<Cow<'a, str>>,
    pub(super) url: Option<Cow<'a, str>>,
    pub(super) method: Option<Cow<'a, str>>,
    disposition: Option<Cow<'a, str>>,
    filename: Option<Cow<'a, str>>,
    version_id: Option<Cow<'a, str>>,
    expires_in: Option<i64>,
}

impl<'a> DownloadRequest<'a> {
    pub(super) fn in_query(params: &Params<'a>) -> Result<Self, ApiError> {
        Ok(Self {
            key: params.get("key")?,
            url: params.get("url")?,
            method: params.get("method")?,
            disposition: params.get("disposition")?,
            filename: params.get("filename")?,
            version_id: params.get("versionId")?,
            expires_in: params.integer("expiresIn")?,
        })
    }

    /// For nothing but this.
    pub(super) fn of_key(key: Cow<'a, str>, expires_in: Option<i64>) -> Self {
        Self { key: Some(key), expires_in, ..Self::default() }
    }
}

/// `GET /download-url`
fn download_url(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    let request = DownloadRequest::in_query(&call.params()?)?;
    Ok(Reply::json(StatusCode::OK, &signed_download(app, caller, &request, call.now)?))
}

pub(super) fn signed_download<'a>(
    app: &'a App,
    caller: &Caller,
    request: &DownloadRequest<'_>,
    now: Timestamp,
) -> Result<Signed<'a>, ApiError> {
    let action = match request.method.as_deref() {
        None | Some("GET") => Action::Get,
        Some("HEAD") => Action::Head,
        Some(_) => return Err(ApiError::InvalidRequest("method must be GET or HEAD".into())),
    };
    let granted = app.grant_named(caller, action, request.key.as_deref(), request.url.as_deref())?;
    let disposition = disposition(request.disposition.as_deref(), request.filename.as_deref())?;
    let mut query = Vec::new();
    if let Some(value) = &disposition {
        query.push(("response-content-disposition", value.as_str()));
    }
    if let Some(version) = &request.version_id {
        query.push(("versionId", checked_version(version)?));
    }
    let expires_secs = app.download.clamp(request.expires_in);
    signed(granted, UploadHeaders::default(), &Terms { expires_secs, query: &query, ..Terms::default() }, now)
}

/// A file name alone means that the file is to be saved under it.
fn disposition(kind: Option<&str>, file_name: Option<&str>) -> Result<Option<String>, ApiError> {
    let kind = match kind {
        None if file_name.is_none() => return Ok(None),
        None | Some("attachment") => Disposition::Attachment,
        Some("inline") => Disposition::Inline,
        Some(_) => return Err(ApiError::InvalidRequest("disposition must be attachment or inline".into())),
    };
    Ok(Some(content_disposition(kind, file_name)?))
}

/// S3's version ids are opaque; nothing in one needs more than these characters.
fn checked_version(version: &str) -> Result<&str, ApiError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '+' | '/' | '=');
    if (1..=1024).contains(&version.len()) && version.chars().all(plain) {
        Ok(version)
    } else {
        Err(ApiError::InvalidRequest("versionId is no version id".into()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadRequest {
    key: Option<String>,
    url: Option<String>,
    content_type: Option<String>,
    content_length: Option<u64>,
    checksum_sha256: Option<String>,
    expires_in: Option<i64>,
}

impl UploadRequest {
    /// With this life, unless it asks for its own.
    pub(super) fn or_expires_in(mut self, expires_in: Option<i64>) -> Self {
        self.expires_in = self.expires_in.or(expires_in);
        self
    }
}

/// `POST /upload-url`
pub(super) fn upload_url(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    Ok(Reply::json(StatusCode::OK, &signed_upload(app, caller, &call.json()?, call.now)?))
}

pub(super) fn signed_upload<'a>(
    app: &'a App,
    caller: &Caller,
    request: &UploadRequest,
    now: Timestamp,
) -> Result<Signed<'a>, ApiError> {
    let granted = app.grant_named(caller, Action::Put, request.key.as_deref(), request.url.as_deref())?;
    let (grant, storage) = &granted;
    let claim = UploadClaim {
        content_length: request.content_length,
        content_type: request.content_type.as_deref(),
        checksum_sha256: request.checksum_sha256.as_deref(),
        token_max_bytes: app.limits.longest_upload(caller.max_upload_bytes()),
    };
    let headers = storage.upload_rules.headers(grant.key(), &claim)?;
    let terms = Terms { expires_secs: app.upload.clamp(request.expires_in), ..Terms::default() };
    let answer = signed(granted, headers, &terms, now)?;
    // Last, so that what could not be signed costs nothing. With a quota the length is known.
    app.limits.charge_upload(answer.grant.key(), request.content_length.unwrap_or_default())?;
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyRequest {
    key: Option<String>,
    url: Option<String>,
    expires_in: Option<i64>,
}

/// `POST /delete-url`
fn delete_url(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    Ok(Reply::json(StatusCode::OK, &signed_delete(app, caller, &call.json()?, call.now)?))
}

pub(super) fn signed_delete<'a>(
    app: &'a App,
    caller: &Caller,
    request: &KeyRequest,
    now: Timestamp,
) -> Result<Signed<'a>, ApiError> {
    let granted = app.grant_named(caller, Action::Delete, request.key.as_deref(), request.url.as_deref())?;
    let terms = Terms { expires_secs: app.upload.clamp(request.expires_in), ..Terms::default() };
    signed(granted, UploadHeaders::default(), &terms, now)
}

/// `POST /v1/sign/download`
pub(super) fn sign_download(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    let request: KeyRequest = call.json()?;
    let granted = app.grant_named(caller, Action::Get, request.key.as_deref(), request.url.as_deref())?;
    let terms = Terms { expires_secs: app.download.clamp(request.expires_in), ..Terms::default() };
    Ok(Reply::json(StatusCode::OK, &signed(granted, UploadHeaders::default(), &terms, call.now)?))
}

/// The URL for what was granted, with `headers` bound besides those of the terms, which have none.
fn signed<'a>(
    (grant, storage): (Grant, &'a Backend),
    headers: UploadHeaders,
    terms: &Terms<'_>,
    now: Timestamp,
) -> Result<Signed<'a>, ApiError> {
    let url = storage.signers.presign(&grant, &Terms { headers: &headers.borrowed(), ..*terms }, now)?;
    Ok(Signed { grant, storage, headers, url })
}

/// The headers that a page has to set: those that are bound, less what only the browser sets.
/// <https://fetch.spec.whatwg.org/#forbidden-request-header>
struct SentHeaders<'a>(&'a UploadHeaders);

impl Serialize for SentHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter_map(|(name, value)| match name {
            "content-length" => None,
            "content-type" => Some(("Content-Type", value)),
            "if-none-match" => Some(("If-None-Match", value)),
            "cache-control" => Some(("Cache-Control", value)),
            other => Some((other, value)),
        }))
    }
}

pub(super) fn refresh_after(expires_at: UtcSecond, expires_secs: u32) -> UtcSecond {
    let life = i64::from(expires_secs);
    let rest = life.saturating_sub(life.saturating_mul(REFRESH_NUMERATOR).saturating_div(REFRESH_DENOMINATOR));
    // Between the signing, which was in range, and the end.
    UtcSecond::from_unix(expires_at.unix().saturating_sub(rest)).unwrap_or(expires_at)
}
