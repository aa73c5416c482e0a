//! Many operations in one request: `/batch`, and the shorthands `/download-urls` and `/upload-urls`.
//!
//! Each operation is charged, decided and answered as if it were alone, by the functions of the single routes; one that
//! fails changes nothing for the others. URLs are signed first, then the bucket is called (`at_bucket`), so operations
//! on one key are in no order.

mod at_bucket;
mod entry;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::audited::Operation;
#[cfg(test)]
use super::openapi::shapes;
use super::urls::{DownloadRequest, UploadRequest, signed_delete, signed_download, signed_upload};
use super::{ApiError, App, Call, Endpoint, Pending, Reply, Route, multipart, uppy};
use crate::config::Server;
use crate::domain::json;
use crate::domain::policy::Caller;
use at_bucket::{Asked, BucketWork};
use entry::{Entries, Entry};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/batch",
        needs: "what each operation needs",
        summary: "Up to 1,000 of `{operations: [{op, key, …}]}`, `op` being `download`, `upload`, `delete-url`, `delete` or `head`: `{results: [{status, …}]}` in their order",
        endpoint: Endpoint::Batch(batch),
    },
    Route {
        method: "POST",
        path: "/download-urls",
        needs: "read",
        summary: "Signed GETs for up to 1,000 `{keys, expiresIn?}`: `{results: [{status, …}]}`",
        endpoint: Endpoint::Sign(download_urls),
    },
    Route {
        method: "POST",
        path: "/upload-urls",
        needs: "write",
        summary: "Signed PUTs for up to 1,000 `{items: [{key, contentType?, contentLength?, checksumSha256?}], expiresIn?}`: `{results: [{status, …}]}`",
        endpoint: Endpoint::Sign(upload_urls),
    },
];

/// As many as S3 deletes by one call.
const MAX_ENTRIES: usize = 1000;

/// How much of a body is read, in bytes.
pub(super) fn body_limit(route: &Route, server: &Server) -> usize {
    let is_batch = ROUTES.iter().any(|row| row.path == route.path)
        || multipart::has_long_body(route)
        || uppy::has_long_body(route);
    if is_batch { server.max_batch_body_bytes } else { server.max_body_bytes }
}

/// Operations, each of which is done and answered as if it were alone.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct BatchRequest<'a> {
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Vec<shapes::Operation>", length(max = MAX_ENTRIES)))]
    operations: Vec<&'a RawValue>,
}

/// Of an operation, what says how the rest is read.
#[derive(Deserialize)]
struct Tagged {
    op: Op,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) enum Op {
    Download,
    Upload,
    DeleteUrl,
    Delete,
    Head,
}

/// The object that is meant.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transform = shapes::key_or_url))]
pub(super) struct ObjectRequest<'a> {
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
}

/// `POST /batch`
fn batch<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let request: BatchRequest<'_> = call.json()?;
        let mut entries = Entries::for_each_of(&request.operations)?;
        let mut work = BucketWork::default();
        for (place, operation) in request.operations.iter().enumerate() {
            let begun = app.noting((caller, call), || begin((app, caller, call), place, operation, &mut work));
            if let Some(entry) = begun.unwrap_or_else(|error| Some(error.into())) {
                entries.put(place, entry);
            }
        }
        for (place, entry) in work.done(app, call).await {
            entries.put(place, entry);
        }
        Ok(entries.into_reply(app, call))
    })
}

/// Decides one operation. Those that the bucket has to answer are left for later, and have no entry yet.
fn begin<'a>(
    (app, caller, call): (&'a App, &Caller, &Call<'_>),
    place: usize,
    operation: &RawValue,
    work: &mut BucketWork<'a>,
) -> Result<Option<Entry<'a>>, ApiError> {
    charge(app, caller, place)?;
    let on_object = |kind| {
        let ObjectRequest { key, url } = json::part(operation)?;
        let (grant, storage) = app.granted((caller, call), kind, (key.as_deref(), url.as_deref()))?;
        Ok::<_, ApiError>(Asked { place, grant, storage })
    };
    let signed = match json::part::<Tagged>(operation)?.op {
        Op::Download => signed_download(app, caller, &json::part(operation)?, call)?,
        Op::Upload => signed_upload(app, caller, &json::part(operation)?, call)?,
        Op::DeleteUrl => signed_delete(app, caller, &json::part(operation)?, call)?,
        Op::Head => {
            work.head(on_object(Operation::Inspect)?);
            return Ok(None);
        }
        Op::Delete => {
            work.delete(on_object(Operation::Delete)?);
            return Ok(None);
        }
    };
    Ok(Some(signed.into()))
}

/// The first operation is the request, which was charged when it came: a batch costs its subject what its operations
/// would have cost it one by one.
fn charge(app: &App, caller: &Caller, place: usize) -> Result<(), ApiError> {
    if place > 0 { Ok(app.limits.charge_subject(caller)?) } else { Ok(()) }
}

/// What is to be downloaded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DownloadsRequest<'a> {
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Vec<shapes::Key>", length(max = MAX_ENTRIES)))]
    keys: Vec<&'a RawValue>,
    /// How long each URL is to live, in seconds.
    expires_in: Option<i64>,
}

/// `POST /download-urls`
fn download_urls(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    let DownloadsRequest { keys, expires_in } = call.json()?;
    signed_each(app, caller, call, &keys, |key| {
        let key = serde_json::from_str::<Text<'_>>(key.get());
        let Text(key) = key.map_err(|_| ApiError::InvalidRequest("a key must be a string".into()))?;
        Ok(signed_download(app, caller, &DownloadRequest::of_key(key, expires_in), call)?.into())
    })
}

/// A text without a copy where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What is to be uploaded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct UploadsRequest<'a> {
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Vec<UploadRequest>", length(max = MAX_ENTRIES)))]
    items: Vec<&'a RawValue>,
    /// How long each URL is to live, in seconds, unless its item says so itself.
    expires_in: Option<i64>,
}

/// `POST /upload-urls`
fn upload_urls(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    let UploadsRequest { items, expires_in } = call.json()?;
    signed_each(app, caller, call, &items, |item| {
        let request: UploadRequest = json::part(item)?;
        Ok(signed_upload(app, caller, &request.or_expires_in(expires_in), call)?.into())
    })
}

fn signed_each<'a>(
    app: &'a App,
    caller: &Caller,
    call: &Call<'_>,
    asked: &[&RawValue],
    sign: impl Fn(&RawValue) -> Result<Entry<'a>, ApiError>,
) -> Result<Reply, ApiError> {
    let mut entries = Entries::for_each_of(asked)?;
    for (place, one) in asked.iter().enumerate() {
        let entry = app.noting((caller, call), || charge(app, caller, place).and_then(|()| sign(one)));
        entries.put(place, entry.unwrap_or_else(Entry::from));
    }
    Ok(entries.into_reply(app, call))
}
