//! What the service does at the bucket itself: delete and look.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::{ApiError, App, Call, Endpoint, Pending, Reply, Route};
use crate::domain::policy::{Action, Caller};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/object",
        needs: "read",
        summary: "Size, etag, type and date of the object of `?key=`",
        endpoint: Endpoint::Act(inspect),
    },
    Route {
        method: "DELETE",
        path: "/object",
        needs: "delete",
        summary: "Deletes the object of `?key=` at the bucket: 204, also when there was none",
        endpoint: Endpoint::Act(delete_in_query),
    },
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectAnswer<'a> {
    key: &'a str,
    size: u64,
    etag: Option<String>,
    content_type: Option<String>,
    last_modified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum_sha256: Option<String>,
}

/// `GET /object`
fn inspect<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let params = call.params()?;
        let grant = app.grant(caller, Action::Head, &params.required("key")?)?;
        let object = app.bucket.head(&grant, call.now).await?.ok_or(ApiError::ObjectNotFound)?;
        let answer = ObjectAnswer {
            key: grant.key().as_str(),
            size: object.size,
            etag: object.etag,
            content_type: object.content_type,
            last_modified: object.last_modified.map(|date| date.to_string()),
            checksum_sha256: object.checksum_sha256,
        };
        Ok(Reply::json(StatusCode::OK, &answer))
    })
}

/// `DELETE /object`
fn delete_in_query<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move { delete(app, caller, &call.params()?.required("key")?, call).await })
}

#[derive(Deserialize)]
struct DeleteRequest {
    key: String,
}

/// `POST /v1/delete`
pub(super) fn delete_in_body<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move { delete(app, caller, &call.json::<DeleteRequest>()?.key, call).await })
}

async fn delete(app: &App, caller: &Caller, key: &str, call: &Call<'_>) -> Result<Reply, ApiError> {
    let grant = app.grant(caller, Action::Delete, key)?;
    app.bucket.delete(&grant, call.now).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
