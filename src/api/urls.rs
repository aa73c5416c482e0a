//! Signed URLs: `/download-url`, `/upload-url`, `/delete-url`; and public ones, where downloads are not signed.

use std::borrow::Cow;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::audited::Operation;
use super::call::Params;
#[cfg(test)]
use super::openapi::shapes;
use super::{ApiError, App, Call, Endpoint, Reply, Route};
use crate::domain::download::DownloadClaim;
use crate::domain::policy::{Caller, Grant};
use crate::domain::public_url::PublicBase;
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

/// Clients are told to fetch a new URL when this share of the promised life is over.
const REFRESH_NUMERATOR: i64 = 4;
const REFRESH_DENOMINATOR: i64 = 5;

/// A URL and all that is needed to use it, written as the answer to whoever asked.
pub(super) struct Signed<'a> {
    granted: (Grant, &'a Backend),
    headers: UploadHeaders,
    link: Link,
}

#[allow(clippy::large_enum_variant, reason = "a box would be one more allocation for every signed URL")]
enum Link {
    Signed {
        url: SignedUrl,
        promised_secs: u32,
    },
    /// Not signed, and so without an end.
    Public(String),
}

impl<'a> Signed<'a> {
    /// What it was made for, and where that lies.
    pub(super) fn granted(&self) -> &(Grant, &'a Backend) {
        &self.granted
    }

    /// What an upload is bound to.
    pub(super) fn headers(&self) -> &UploadHeaders {
        &self.headers
    }

    /// The URL itself.
    pub(super) fn url(&self) -> &str {
        match &self.link {
            Link::Signed { url, .. } => url.url.expose(),
            Link::Public(url) => url,
        }
    }

    /// When to fetch a new one, and when it ends, if it does.
    pub(super) fn ends(&self) -> Option<(UtcSecond, UtcSecond)> {
        match &self.link {
            // Of the life that was promised: what a window adds is over when the next one begins.
            Link::Signed { url, promised_secs } => {
                Some((refresh_after(url.expires_at, url.expires_secs.min(*promised_secs)), url.expires_at))
            }
            Link::Public(_) => None,
        }
    }
}

/// A URL for the bucket, with all that is needed to use it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SignedUrl"))]
pub(super) struct SignedUrlAnswer<'a> {
    /// The method that it is for, and for no other.
    #[cfg_attr(test, schemars(extend("enum" = ["GET", "HEAD", "PUT", "DELETE"])))]
    method: &'static str,
    /// Who has it may use it until it ends: keep it out of logs.
    #[cfg_attr(test, schemars(url))]
    url: &'a str,
    /// The key that was signed for.
    key: &'a str,
    /// The storage that the key lies in.
    provider_id: &'a str,
    /// What to send along, exactly as it is here.
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, String>"))]
    headers: SentHeaders<'a>,
    /// Names of all headers that the signature covers; the bucket refuses a request in which one differs.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    bound_headers: BoundHeaders,
    /// The first second at which the bucket refuses it; null for an address that is public.
    #[cfg_attr(test, schemars(with = "Option<shapes::UtcSecond>"))]
    expires_at: Option<UtcSecond>,
    /// When to ask for a new one.
    #[cfg_attr(test, schemars(with = "Option<shapes::UtcSecond>"))]
    refresh_after: Option<UtcSecond>,
    /// Its life from now, in seconds.
    expires_in: Option<u32>,
    /// Until then the same request gives the very same URL (`download.cache_window`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<shapes::UtcSecond>"))]
    same_until: Option<UtcSecond>,
}

impl Serialize for Signed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (grant, storage) = &self.granted;
        let unsigned = SignedUrlAnswer {
            method: grant.action().method(),
            url: "",
            key: grant.key().as_str(),
            provider_id: &storage.name,
            headers: SentHeaders(&self.headers),
            bound_headers: BoundHeaders::default(),
            expires_at: self.ends().map(|(_, end)| end),
            refresh_after: self.ends().map(|(refresh, _)| refresh),
            expires_in: None,
            same_until: None,
        };
        let answer = match &self.link {
            Link::Public(url) => SignedUrlAnswer { url, ..unsigned },
            Link::Signed { url, .. } => SignedUrlAnswer {
                method: url.method,
                url: url.url.expose(),
                bound_headers: url.bound_headers,
                expires_in: Some(url.expires_secs),
                same_until: url.same_until,
                ..unsigned
            },
        };
        answer.serialize(serializer)
    }
}

/// What is asked of a download, in a query or in a batch.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transform = shapes::key_or_url))]
pub(super) struct DownloadRequest<'a> {
    #[serde(borrow)]
    pub(super) key: Option<Cow<'a, str>>,
    pub(super) url: Option<Cow<'a, str>>,
    /// What the URL is for; GET if left out.
    #[cfg_attr(test, schemars(extend("enum" = ["GET", "HEAD", null])))]
    pub(super) method: Option<Cow<'a, str>>,
    /// Whether browsers save it or show it. What may run in a page is saved in any case, unless
    /// `download.force_attachment` is off.
    #[cfg_attr(test, schemars(extend("enum" = ["attachment", "inline", null])))]
    disposition: Option<Cow<'a, str>>,
    /// The name that browsers save it under: 1 to 255 bytes of UTF-8.
    #[cfg_attr(test, schemars(with = "Option<shapes::FileName>"))]
    filename: Option<Cow<'a, str>>,
    /// The type that the bucket answers with in place of the stored one; one of `download.response_content_types`.
    #[cfg_attr(test, schemars(with = "Option<shapes::AnsweredType>"))]
    response_content_type: Option<Cow<'a, str>>,
    /// A version of the object, where the bucket keeps them.
    #[cfg_attr(test, schemars(regex(pattern = r"^[A-Za-z0-9._~+/=-]{1,1024}$")))]
    version_id: Option<Cow<'a, str>>,
    /// How long the URL is to live, in seconds: at least 1, at most what is configured; what is beyond becomes that, and the
    /// answer says it.
    expires_in: Option<i64>,
}

impl<'a> DownloadRequest<'a> {
    fn claim(&self) -> DownloadClaim<'_> {
        DownloadClaim {
            file_name: self.filename.as_deref(),
            disposition: self.disposition.as_deref(),
            response_content_type: self.response_content_type.as_deref(),
            version_id: self.version_id.as_deref(),
        }
    }

    pub(super) fn in_query(params: &Params<'a>) -> Result<Self, ApiError> {
        Ok(Self {
            key: params.get("key")?,
            url: params.get("url")?,
            method: params.get("method")?,
            disposition: params.get("disposition")?,
            filename: params.get("filename")?,
            response_content_type: params.get("responseContentType")?,
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
    Ok(Reply::json(StatusCode::OK, &signed_download(app, caller, &request, call)?))
}

/// The one way to every URL that reads.
pub(super) fn signed_download<'a>(
    app: &'a App,
    caller: &Caller,
    request: &DownloadRequest<'_>,
    call: &Call<'_>,
) -> Result<Signed<'a>, ApiError> {
    let operation = match request.method.as_deref() {
        None | Some("GET") => Operation::Download,
        Some("HEAD") => Operation::Head,
        Some(_) => return Err(ApiError::InvalidRequest("method must be GET or HEAD".into())),
    };
    let named = (request.key.as_deref(), request.url.as_deref());
    let signed = app.decided((caller, call), operation, named, |granted| download(app, granted, request, call.now))?;
    Ok(given_out(signed))
}

fn download<'a>(
    app: &'a App,
    granted: (Grant, &'a Backend),
    request: &DownloadRequest<'_>,
    now: Timestamp,
) -> Result<Signed<'a>, ApiError> {
    let rules = &app.download;
    if let Some(base) = &rules.public {
        request.claim().check_public()?;
        return Ok(public(granted, base));
    }
    let (expires_secs, window_secs) = (rules.life.clamp(request.expires_in), rules.cache_window_secs);
    let url_life_secs = expires_secs.saturating_add(window_secs);
    let overrides = rules.rules.overrides(granted.0.key(), &request.claim(), url_life_secs)?;
    let terms = Terms { expires_secs, window_secs, query: &overrides.borrowed(), ..Terms::default() };
    signed(granted, UploadHeaders::default(), &terms, now)
}

/// What is asked of an upload.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transform = shapes::key_or_url))]
pub(super) struct UploadRequest {
    key: Option<String>,
    url: Option<String>,
    /// The media type of the bytes; empty is as if left out. It is bound: the bucket takes no other.
    #[cfg_attr(test, schemars(with = "Option<shapes::SentType>"))]
    content_type: Option<String>,
    /// Their number, which is bound, too; needed where uploads are limited.
    #[cfg_attr(test, schemars(range(max = crate::domain::upload::MAX_PUT_BYTES)))]
    content_length: Option<u64>,
    /// The base64 of their SHA-256, which the bucket then checks.
    #[cfg_attr(test, schemars(with = "Option<shapes::Sha256>"))]
    checksum_sha256: Option<String>,
    /// How long the URL is to live, in seconds: at least 1, at most what is configured; what is beyond becomes that, and the
    /// answer says it.
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
    Ok(Reply::json(StatusCode::OK, &signed_upload(app, caller, &call.json()?, call)?))
}

pub(super) fn signed_upload<'a>(
    app: &'a App,
    caller: &Caller,
    request: &UploadRequest,
    call: &Call<'_>,
) -> Result<Signed<'a>, ApiError> {
    let named = (request.key.as_deref(), request.url.as_deref());
    let sign = |granted| upload(app, caller, granted, request, call.now);
    let signed = given_out(app.decided((caller, call), Operation::Upload, named, sign)?);
    signed.granted.1.counts.promised(request.content_length.unwrap_or_default());
    Ok(signed)
}

fn upload<'a>(
    app: &App,
    caller: &Caller,
    granted: (Grant, &'a Backend),
    request: &UploadRequest,
    now: Timestamp,
) -> Result<Signed<'a>, ApiError> {
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
    app.limits.charge_upload(answer.granted.0.key(), request.content_length.unwrap_or_default())?;
    Ok(answer)
}

/// What is asked of a URL that deletes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "DeleteUrlRequest", transform = shapes::key_or_url))]
pub(super) struct KeyRequest {
    key: Option<String>,
    url: Option<String>,
    /// How long the URL is to live, in seconds: at least 1, at most what is configured; what is beyond becomes that, and the
    /// answer says it.
    expires_in: Option<i64>,
}

/// `POST /delete-url`
fn delete_url(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    Ok(Reply::json(StatusCode::OK, &signed_delete(app, caller, &call.json()?, call)?))
}

pub(super) fn signed_delete<'a>(
    app: &'a App,
    caller: &Caller,
    request: &KeyRequest,
    call: &Call<'_>,
) -> Result<Signed<'a>, ApiError> {
    let named = (request.key.as_deref(), request.url.as_deref());
    let terms = Terms { expires_secs: app.upload.clamp(request.expires_in), ..Terms::default() };
    let sign = |granted| signed(granted, UploadHeaders::default(), &terms, call.now);
    Ok(given_out(app.decided((caller, call), Operation::DeleteUrl, named, sign)?))
}

/// `POST /v1/sign/download`
pub(super) fn sign_download(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    let request = DownloadRequest { method: None, ..call.json()? };
    Ok(Reply::json(StatusCode::OK, &signed_download(app, caller, &request, call)?))
}

/// The address that everybody reads the object at. Who may not read it here is not told even that.
fn public<'a>(granted: (Grant, &'a Backend), base: &PublicBase) -> Signed<'a> {
    let link = Link::Public(base.url(&granted.0));
    Signed { granted, headers: UploadHeaders::default(), link }
}

/// The URL for what was granted, with `headers` bound besides those of the terms, which have none.
pub(super) fn signed<'a>(
    granted: (Grant, &'a Backend),
    headers: UploadHeaders,
    terms: &Terms<'_>,
    now: Timestamp,
) -> Result<Signed<'a>, ApiError> {
    let url = granted.1.signers.presign(&granted.0, &Terms { headers: &headers.borrowed(), ..*terms }, now)?;
    let link = Link::Signed { url, promised_secs: terms.expires_secs };
    Ok(Signed { granted, headers, link })
}

/// Counts a URL that its caller gets.
pub(super) fn given_out(signed: Signed<'_>) -> Signed<'_> {
    let (grant, storage) = &signed.granted;
    match signed.link {
        Link::Signed { .. } => storage.counts.minted(grant.action()),
        Link::Public(_) => storage.counts.told_public(),
    }
    signed
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

pub(super) fn refresh_after(expires_at: UtcSecond, life_secs: u32) -> UtcSecond {
    let life = i64::from(life_secs);
    let rest = life.saturating_sub(life.saturating_mul(REFRESH_NUMERATOR).saturating_div(REFRESH_DENOMINATOR));
    // Between the signing, which was in range, and the end.
    UtcSecond::from_unix(expires_at.unix().saturating_sub(rest)).unwrap_or(expires_at)
}
