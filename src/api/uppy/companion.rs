//! The routes of Companion: the service begins an upload, looks at it and ends it; Uppy sends the parts.
//!
//! The `uploadId` that they hand out is our sealed token, so that of another caller is refused. Nobody says how long an
//! upload will be, unless the page does (`metadata.contentLength`): its parts are signed without a length, and what they
//! come to is held to the limits when the upload ends, from the very list that the object is made of.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{COMPLETE, PART, UPLOAD};
use crate::api::audited::{Decided, Operation};
use crate::api::multipart::Opened;
use crate::api::multipart::begin::{Begun, begun, unbegun};
use crate::api::multipart::finish::{bytes_of, done_before, location, made_of, parts_before_the_end, quoted};
use crate::api::multipart::sign::MAX_SIGNED;
use crate::api::pattern::parameter;
use crate::api::{ApiError, App, Call, Pending, Reply};
use crate::domain::capsule::Capsule;
use crate::domain::parts::{MAX_PARTS, PartPlan};
use crate::domain::policy::{Action, Caller};
use crate::domain::sigv4::{SignedUrl, Terms};
use crate::domain::upload::PartsClaim;
use crate::storage::{UploadedPart, bare};
use crate::telemetry::audit::{Record, Verdict};

#[derive(Deserialize)]
struct CreateRequest {
    filename: String,
    #[serde(rename = "type")]
    content_type: Option<String>,
    metadata: Option<Metadata>,
}

/// Of the fields of a file, those that are ours. Uppy sends some values as they are and some as texts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    key_prefix: Option<String>,
    content_length: Option<Value>,
}

impl Metadata {
    fn content_length(&self) -> Result<Option<u64>, ApiError> {
        let bytes = match &self.content_length {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        bytes.map(Some).ok_or_else(|| ApiError::InvalidRequest("metadata.contentLength is no length in bytes".into()))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    key: &'a str,
    upload_id: &'a str,
}

/// `POST /s3/multipart`
pub(super) fn create<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let uploads = app.uploads()?;
        let request: CreateRequest = call.json()?;
        let metadata = request.metadata.unwrap_or_default();
        let size = metadata.content_length()?;
        let content_type = request.content_type.filter(|text| !text.is_empty());
        let named = (request.filename.as_str(), metadata.key_prefix.as_deref());
        let decided = app.decided_new((caller, call), Operation::MultipartBegin, named, |granted| {
            let claim = claim(size.unwrap_or_default(), content_type.as_deref());
            let headers = app.parts_headers(caller, (&granted.0, granted.1), claim)?;
            app.limits.charge_upload(granted.0.key(), size.unwrap_or_default())?;
            Ok(Begun { granted, headers, plan: PartPlan::open(size.unwrap_or_default()), checksum: None })
        })?;
        let Begun { granted: (grant, storage), headers, plan, .. } = decided;
        storage.counts.promised(plan.size());
        let capsule = Capsule { plan, content_type, ..unbegun(uploads, caller, (&grant, storage), call) };
        let (capsule, token) = begun(uploads, capsule, (&grant, storage), &headers, call).await?;
        Ok(Reply::json(StatusCode::OK, &Created { key: &capsule.key, upload_id: &token }))
    })
}

fn claim(content_length: u64, content_type: Option<&str>) -> PartsClaim<'_> {
    PartsClaim { content_length, content_type, checksum: None, token_max_bytes: None }
}

impl App {
    /// Opens the upload that the path names, and does `act` with it. The key that Uppy sends along must be its own, though
    /// nothing hangs on it.
    fn opened_in_path<'a, T: Decided>(
        &'a self,
        of: (&Caller, &Call<'_>),
        operation: Operation,
        pattern: &str,
        act: impl FnOnce(Opened<'a>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let id = parameter(pattern, of.1.path, "uploadId")?;
        let params = of.1.params()?;
        let key = params.get("key")?;
        self.opened_of_any(of, operation, &id, |opened| match key {
            Some(key) if key != opened.capsule.key => {
                Err(ApiError::InvalidRequest("key is not that of the upload".into()))
            }
            _ => act(opened),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PartThere {
    part_number: u32,
    #[serde(rename = "ETag")]
    etag: String,
    size: u64,
}

/// `GET /s3/multipart/:uploadId`
pub(super) fn list<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let Opened { capsule, grant, storage, .. } =
            app.opened_in_path((caller, call), Operation::MultipartList, UPLOAD, Ok)?;
        let there = storage.bucket.uploaded_parts(&grant, (&capsule.upload_id, None), call.now).await?;
        // One that is listed without its tag is sent again: Uppy completes with the tags that it is told.
        let part = |UploadedPart { number, etag, size, .. }: UploadedPart| {
            Some(PartThere { part_number: number, etag: quoted(&etag?), size })
        };
        let parts: Vec<_> = there.ok_or(ApiError::UploadNotFound)?.into_iter().filter_map(part).collect();
        Ok(Reply::json(StatusCode::OK, &parts))
    })
}

#[derive(Serialize)]
struct SignedPart<'a> {
    url: &'a str,
    /// In seconds.
    expires: u32,
}

/// `GET /s3/multipart/:uploadId/:partNumber`
pub(super) fn part(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    let number = number(&parameter(PART, call.path, "partNumber")?)?;
    let Parts { signed, .. } = signed_parts(app, (caller, call), PART, &[number])?;
    let (_, url) = signed.first().ok_or(ApiError::Internal)?;
    Ok(Reply::json(StatusCode::OK, &SignedPart { url: url.url.expose(), expires: url.expires_secs }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedParts<'a> {
    presigned_urls: BTreeMap<u32, &'a str>,
}

/// `GET /s3/multipart/:uploadId/batch`
pub(super) fn batch(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    let params = call.params()?;
    let numbers = params.get("partNumbers")?;
    let numbers = numbers.ok_or_else(|| ApiError::InvalidRequest("partNumbers is missing, such as 1,2,3".into()))?;
    let numbers = numbers.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    if numbers.len() > MAX_SIGNED {
        return Err(ApiError::BatchTooLarge { limit: MAX_SIGNED });
    }
    let Parts { signed, .. } = signed_parts(app, (caller, call), super::BATCH, &numbers)?;
    let presigned_urls = signed.iter().map(|(number, url)| (*number, url.url.expose())).collect();
    Ok(Reply::json(StatusCode::OK, &SignedParts { presigned_urls }))
}

fn number(text: &str) -> Result<u32, ApiError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| plain && (1..=MAX_PARTS).contains(number));
    number.ok_or_else(|| ApiError::InvalidRequest(format!("a part's number must be 1 to {MAX_PARTS}")))
}

/// URLs of parts, for one line of the audit log: they are of one object, and end together.
struct Parts<'a> {
    opened: Opened<'a>,
    signed: Vec<(u32, SignedUrl)>,
}

impl Decided for Parts<'_> {
    fn tell<'a>(&'a self, record: &mut Record<'a>) {
        self.opened.tell(record);
        record.expires_at = self.signed.first().map(|(_, url)| url.expires_at);
        record.verdict = Verdict::Allow(Some(StatusCode::OK.as_u16()));
    }
}

fn signed_parts<'a>(
    app: &'a App,
    (caller, call): (&Caller, &Call<'_>),
    pattern: &str,
    numbers: &[u32],
) -> Result<Parts<'a>, ApiError> {
    let parts = app.opened_in_path((caller, call), Operation::MultipartSign, pattern, |opened| {
        let signed = numbers.iter().map(|number| Ok((*number, signed_part(app, &opened, *number, call)?)));
        Ok(Parts { signed: signed.collect::<Result<_, ApiError>>()?, opened })
    })?;
    for _ in &parts.signed {
        parts.opened.storage.counts.minted(Action::UploadPart);
    }
    Ok(parts)
}

/// Neither length nor type: Uppy tells neither, and sends a type with some.
fn signed_part(app: &App, opened: &Opened<'_>, number: u32, call: &Call<'_>) -> Result<SignedUrl, ApiError> {
    let Opened { capsule, grant, storage, .. } = opened;
    let left = capsule.ends_at.saturating_sub(call.now.as_second());
    let expires_secs = app.upload.default_secs.min(u32::try_from(left).unwrap_or(u32::MAX));
    let number = number.to_string();
    let query = [("partNumber", number.as_str()), ("uploadId", capsule.upload_id.as_str())];
    let terms = Terms { expires_secs, query: &query, ..Terms::default() };
    Ok(storage.signers.presign(grant, &terms, call.now)?)
}

#[derive(Deserialize)]
struct CompleteRequest<'a> {
    #[serde(borrow)]
    parts: Vec<Named<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(rename = "PartNumber")]
    number: u32,
    #[serde(rename = "ETag", borrow)]
    etag: Cow<'a, str>,
}

#[derive(Serialize)]
struct Completed<'a> {
    location: String,
    key: &'a str,
}

/// `POST /s3/multipart/:uploadId/complete`
pub(super) fn complete<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let request: CompleteRequest<'_> = call.json()?;
        let opened = app.opened_in_path((caller, call), Operation::MultipartComplete, COMPLETE, Ok)?;
        let Opened { capsule, grant, storage, .. } = &opened;
        let there = parts_before_the_end(caller, (grant, storage), (&capsule.upload_id, None), call).await?;
        // An empty list is also what some servers say of an upload that is no more.
        if let Some(there) = there.filter(|there| !there.is_empty()) {
            let parts = judge(capsule, &request.parts, there)?;
            let bytes = bytes_of(&parts);
            app.parts_headers(caller, (grant, storage), claim(bytes, capsule.content_type.as_deref()))?;
            // A length that was said has been charged.
            if capsule.plan.size() == 0 {
                app.limits.charge_upload(grant.key(), bytes)?;
            }
            made_of(&opened, &parts, call).await?;
        } else {
            let etags: Vec<_> = request.parts.iter().map(|part| bare(&part.etag)).collect();
            done_before(&opened, &etags, call).await?.ok_or(ApiError::UploadNotFound)?;
        }
        let answer = Completed { location: location(app, grant, storage), key: grant.key().as_str() };
        Ok(Reply::json(StatusCode::OK, &answer))
    })
}

/// The parts that were named, in their order, as long as each is there as it was named, and they come to what was said.
fn judge(capsule: &Capsule, named: &[Named<'_>], there: Vec<UploadedPart>) -> Result<Vec<UploadedPart>, ApiError> {
    let mut there: BTreeMap<u32, UploadedPart> = there.into_iter().map(|part| (part.number, part)).collect();
    let (mut parts, mut missing, mut wrong) = (BTreeMap::new(), Vec::new(), Vec::new());
    for part in named {
        match there.remove(&part.number) {
            // Also one that is named twice.
            None => missing.push(part.number),
            Some(found) if found.etag.as_deref().is_some_and(|etag| etag != bare(&part.etag)) => {
                wrong.push(part.number);
            }
            Some(found) => {
                parts.insert(part.number, UploadedPart { etag: Some(bare(&part.etag).to_owned()), ..found });
            }
        }
    }
    let bytes = bytes_of(parts.values());
    let as_long = capsule.plan.size() == 0 || bytes == capsule.plan.size();
    if parts.is_empty() || !missing.is_empty() || !wrong.is_empty() || !as_long {
        return Err(ApiError::PartsDiffer { missing, wrong });
    }
    Ok(parts.into_values().collect())
}

#[derive(Serialize)]
struct Aborted {}

/// `DELETE /s3/multipart/:uploadId`
pub(super) fn abort<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let Opened { capsule, grant, storage, .. } =
            app.opened_in_path((caller, call), Operation::MultipartAbort, UPLOAD, Ok)?;
        storage.bucket.abort_upload(&grant, &capsule.upload_id, call.now).await?;
        // Version 5 reads it as JSON.
        Ok(Reply::json(StatusCode::OK, &Aborted {}))
    })
}
