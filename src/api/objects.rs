//! What the service does at the bucket itself: delete and look.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::audited::Operation;
#[cfg(test)]
use super::openapi::shapes;
use super::{ApiError, App, Call, Endpoint, Pending, Reply, Route};
use crate::domain::policy::{Caller, Grant};
use crate::domain::upload::checked_checksum;
use crate::storage::{Backend, ObjectInfo};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/object",
        needs: "read",
        summary: "Size, etag, type and date of the object of `?key=`",
        endpoint: Endpoint::Act(inspect),
    },
    Route {
        method: "POST",
        path: "/confirm",
        needs: "read",
        summary: "The same for `{key, contentLength?, checksumSha256?}` when the object is there and equal; 409 with what differs",
        endpoint: Endpoint::Act(confirm),
    },
    Route {
        method: "DELETE",
        path: "/object",
        needs: "delete",
        summary: "Deletes the object of `?key=` at the bucket: 204, also when there was none",
        endpoint: Endpoint::Act(delete_in_query),
    },
];

/// What the bucket knows of an object, written as the answer to whoever asked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Object"))]
pub(super) struct Described<'a> {
    key: String,
    /// The storage that the key lies in.
    provider_id: &'a str,
    /// In bytes.
    size: u64,
    etag: Option<String>,
    content_type: Option<String>,
    #[cfg_attr(test, schemars(with = "Option<shapes::UtcSecond>"))]
    last_modified: Option<String>,
    /// The base64 of the SHA-256 of its bytes, where the bucket keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<shapes::Sha256>"))]
    checksum_sha256: Option<String>,
}

impl<'a> Described<'a> {
    pub(super) fn new(grant: &Grant, storage: &'a Backend, object: ObjectInfo) -> Self {
        Self {
            key: grant.key().as_str().to_owned(),
            provider_id: &storage.name,
            size: object.size,
            etag: object.etag,
            content_type: object.content_type,
            last_modified: object.last_modified.map(|date| date.to_string()),
            checksum_sha256: object.checksum_sha256,
        }
    }
}

/// `GET /object`
fn inspect<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let (grant, storage) = app.granted_in_query((caller, call), Operation::Inspect)?;
        let object = storage.bucket.head(&grant, call.now).await?.ok_or(ApiError::ObjectNotFound)?;
        Ok(Reply::json(StatusCode::OK, &Described::new(&grant, storage, object)))
    })
}

/// What an object is expected to be.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transform = shapes::key_or_url))]
pub(super) struct ConfirmRequest {
    key: Option<String>,
    url: Option<String>,
    /// Its size in bytes.
    content_length: Option<u64>,
    /// The base64 of the SHA-256 of its bytes.
    #[cfg_attr(test, schemars(with = "Option<shapes::Sha256>"))]
    checksum_sha256: Option<String>,
}

/// `POST /confirm`
fn confirm<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let request: ConfirmRequest = call.json()?;
        let named = (request.key.as_deref(), request.url.as_deref());
        let mut checksum = None;
        let (grant, storage) = app.decided((caller, call), Operation::Confirm, named, |granted| {
            checksum = request.checksum_sha256.as_deref().map(checked_checksum).transpose()?;
            Ok(granted)
        })?;
        let object = storage.bucket.head(&grant, call.now).await?.ok_or(ApiError::ObjectNotFound)?;
        let mut differs = Vec::new();
        if request.content_length.is_some_and(|length| length != object.size) {
            differs.push("contentLength");
        }
        if let (Some(wanted), Some(kept)) = (&checksum, &object.checksum_sha256)
            && wanted != kept
        {
            differs.push("checksumSha256");
        }
        match (checksum, &object.checksum_sha256) {
            _ if !differs.is_empty() => Err(ApiError::ObjectDiffers(differs)),
            // Equal as far as anybody can say is not equal.
            (Some(_), None) => Err(ApiError::ChecksumUnknown),
            _ => Ok(Reply::json(StatusCode::OK, &Described::new(&grant, storage, object))),
        }
    })
}

/// `DELETE /object`
fn delete_in_query<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move { delete(app.granted_in_query((caller, call), Operation::Delete)?, call).await })
}

/// What is to be deleted.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transform = shapes::key_or_url))]
pub(super) struct DeleteRequest {
    key: Option<String>,
    url: Option<String>,
}

/// `POST /v1/delete`
pub(super) fn delete_in_body<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let DeleteRequest { key, url } = call.json()?;
        delete(app.granted((caller, call), Operation::Delete, (key.as_deref(), url.as_deref()))?, call).await
    })
}

pub(super) async fn delete((grant, storage): (Grant, &Backend), call: &Call<'_>) -> Result<Reply, ApiError> {
    storage.bucket.delete(&grant, call.now).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
