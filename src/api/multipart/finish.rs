//! `GET`, `DELETE /multipart` and `POST /multipart/complete`: what is there, and what becomes of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Opened;
use crate::api::audited::Operation;
#[cfg(test)]
use crate::api::openapi::shapes;
use crate::api::{ApiError, App, Call, Pending, Reply};
use crate::domain::capsule::Capsule;
use crate::domain::parts::{MAX_PARTS, PartChecksum, etag_of_parts};
use crate::domain::policy::{Action, Caller, Grant, decide};
use crate::domain::upload::PartsClaim;
use crate::domain::utc::UtcSecond;
use crate::storage::{Backend, BucketError, Completion, ObjectInfo, UploadedPart, bare};

/// Of the request's time, what is kept for saying that the bucket took too long.
const KEPT_FOR_THE_ANSWER: Duration = Duration::from_millis(500);

/// What S3 says when the parts are not what the call names, although they were when they were listed.
const PARTS_REFUSED: [&str; 3] = ["InvalidPart", "InvalidPartOrder", "EntityTooSmall"];

/// What the bucket has of an upload in parts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "UploadedParts"))]
pub(in crate::api) struct ListAnswer<'a> {
    key: &'a str,
    provider_id: &'a str,
    /// Bytes of the whole object.
    size: u64,
    part_size: u64,
    part_count: u32,
    parts: Vec<PartThere<'a>>,
    /// When the token ends.
    #[cfg_attr(test, schemars(with = "shapes::UtcSecond"))]
    expires_at: UtcSecond,
}

/// A part that is there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "UploadedPart"))]
pub(in crate::api) struct PartThere<'a> {
    part_number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<&'a str>,
}

/// `GET /multipart`
pub(super) fn list<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let token = call.params()?.get("uploadToken")?;
        let Opened { capsule, grant, storage, .. } =
            app.opened((caller, call), Operation::MultipartList, token.as_deref(), Ok)?;
        let wanted = (capsule.upload_id.as_str(), capsule.checksum);
        let there = storage.bucket.uploaded_parts(&grant, wanted, call.now).await?.ok_or(ApiError::UploadNotFound)?;
        let parts = there.iter().map(|part| PartThere {
            part_number: part.number,
            etag: part.etag.as_deref().map(quoted),
            size: part.size,
            checksum: part.checksum.as_deref(),
        });
        let answer = ListAnswer {
            key: grant.key().as_str(),
            provider_id: &storage.name,
            size: capsule.plan.size(),
            part_size: capsule.plan.part_bytes(),
            part_count: capsule.plan.count(),
            parts: parts.collect(),
            expires_at: UtcSecond::from_unix(capsule.ends_at).map_err(|_| ApiError::Internal)?,
        };
        Ok(Reply::json(StatusCode::OK, &answer))
    })
}

/// `DELETE /multipart`
pub(super) fn abort<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let token = call.params()?.get("uploadToken")?;
        let Opened { capsule, grant, storage, .. } =
            app.opened((caller, call), Operation::MultipartAbort, token.as_deref(), Ok)?;
        storage.bucket.abort_upload(&grant, &capsule.upload_id, call.now).await?;
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    })
}

/// What the object is to be made of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::api) struct CompleteRequest<'a> {
    #[serde(borrow)]
    upload_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    parts: Option<Vec<Named<'a>>>,
}

/// A part as the caller knows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NamedPart"))]
pub(in crate::api) struct Named<'a> {
    part_number: u32,
    #[serde(borrow)]
    etag: Cow<'a, str>,
    #[serde(borrow)]
    checksum: Option<Cow<'a, str>>,
}

/// The object that the parts have become.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "MultipartObject"))]
pub(in crate::api) struct CompleteAnswer<'a> {
    key: &'a str,
    provider_id: &'a str,
    etag: String,
    location: String,
}

/// By number. The order that they came in means nothing.
type ByNumber<'a> = BTreeMap<u32, Named<'a>>;

/// `POST /multipart/complete`
pub(super) fn complete<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        app.uploads()?;
        let request: CompleteRequest<'_> = call.json()?;
        let opened = app.opened((caller, call), Operation::MultipartComplete, request.upload_token.as_deref(), Ok)?;
        let Opened { capsule, grant, storage, .. } = &opened;
        let named = request.parts.map(|parts| by_number(parts, capsule)).transpose()?;
        // Rules that became stricter since it began are held to.
        let claim = PartsClaim {
            content_length: capsule.plan.size(),
            content_type: capsule.content_type.as_deref(),
            checksum: capsule.checksum,
            token_max_bytes: None,
        };
        app.parts_headers(caller, (grant, storage), claim)?;

        let wanted = (capsule.upload_id.as_str(), capsule.checksum);
        let there = parts_before_the_end(caller, (grant, storage), wanted, call).await?;
        // An empty list is also what some servers say of an upload that is no more.
        let etag = match there {
            Some(there) if !there.is_empty() => finished(&opened, named.as_ref(), &there, call).await?,
            Some(_) => match done_before(&opened, &etags_of(named.as_ref()), call).await? {
                Some(etag) => etag,
                None => return Err(judge(capsule, named.as_ref(), &[]).err().unwrap_or(ApiError::UploadNotFound)),
            },
            None => done_before(&opened, &etags_of(named.as_ref()), call).await?.ok_or(ApiError::UploadNotFound)?,
        };
        let location = location(app, grant, storage);
        let key = grant.key().as_str();
        let answer = CompleteAnswer { key, provider_id: &storage.name, etag: quoted(&etag), location };
        Ok(Reply::json(StatusCode::OK, &answer))
    })
}

/// Where clients see the object, unsigned.
pub(in crate::api) fn location(app: &App, grant: &Grant, storage: &Backend) -> String {
    match &app.download.public {
        Some(base) => base.url(grant),
        None => storage.signers.location(grant).unwrap_or_default(),
    }
}

/// The parts that an upload is to end with, by a look that is decided for itself. None when there is no such upload.
pub(in crate::api) async fn parts_before_the_end(
    caller: &Caller,
    (grant, storage): (&Grant, &Backend),
    wanted: (&str, Option<PartChecksum>),
    call: &Call<'_>,
) -> Result<Option<Vec<UploadedPart>>, ApiError> {
    let may_list = decide(caller, Action::ListParts, grant.key().clone())?;
    Ok(storage.bucket.uploaded_parts(&may_list, wanted, call.now).await?)
}

/// What parts come to, in bytes.
pub(in crate::api) fn bytes_of<'p>(parts: impl IntoIterator<Item = &'p UploadedPart>) -> u64 {
    parts.into_iter().fold(0, |sum: u64, part| sum.saturating_add(part.size))
}

/// The object of these parts, made now, or by a call before this one whose answer was lost.
async fn finished(
    opened: &Opened<'_>,
    named: Option<&ByNumber<'_>>,
    there: &[UploadedPart],
    call: &Call<'_>,
) -> Result<String, ApiError> {
    made_of(opened, &judge(&opened.capsule, named, there)?, call).await
}

/// The same for parts that were looked at.
pub(in crate::api) async fn made_of(
    opened: &Opened<'_>,
    parts: &[UploadedPart],
    call: &Call<'_>,
) -> Result<String, ApiError> {
    let Opened { uploads, capsule, grant, storage } = opened;
    let left = call.ends.saturating_duration_since(Instant::now()).saturating_sub(KEPT_FOR_THE_ANSWER);
    let completion = Completion {
        upload_id: &capsule.upload_id,
        parts,
        checksum: capsule.checksum,
        write_once: storage.upload_rules.write_once,
        within: uploads.complete_timeout.min(left),
    };
    let error = match storage.bucket.complete_upload(grant, &completion, call.now).await {
        Ok(etag) => return Ok(etag),
        Err(error) => error,
    };
    let BucketError::Refused { status, code } = &error else { return Err(error.into()) };
    if PARTS_REFUSED.contains(&code.as_str()) {
        return Err(ApiError::PartsDiffer { missing: Vec::new(), wrong: Vec::new() });
    }
    if !(400..500).contains(status) {
        return Err(error.into());
    }
    let etags: Vec<_> = parts.iter().filter_map(|part| part.etag.as_deref()).collect();
    match done_before(opened, &etags, call).await? {
        Some(etag) => Ok(etag),
        None if *status == StatusCode::PRECONDITION_FAILED.as_u16() => Err(ApiError::ObjectExists),
        None if code == "NoSuchUpload" => Err(ApiError::UploadNotFound),
        None => Err(error.into()),
    }
}

/// The entity tag of the object, if it is the one that this upload makes.
pub(in crate::api) async fn done_before(
    opened: &Opened<'_>,
    etags: &[&str],
    call: &Call<'_>,
) -> Result<Option<String>, ApiError> {
    let Opened { capsule, grant, storage, .. } = opened;
    let kms = storage.upload_rules.fixed_headers.iter().any(|(_, value)| value.starts_with("aws:kms"));
    let object = storage.bucket.object_of_upload(grant, call.now).await?;
    Ok(object.and_then(|object| etag_if_made_of(capsule, etags, kms, &object)))
}

/// S3 makes the tag of an object out of those of its parts, and puts their number behind it. Where it does not, under a
/// key of KMS, or where the caller names no tags, the object must be younger than the upload.
fn etag_if_made_of(capsule: &Capsule, etags: &[&str], kms: bool, object: &ObjectInfo) -> Option<String> {
    let etag = bare(object.etag.as_deref()?);
    let named = u32::try_from(etags.len());
    // Without a plan there are as many as were named, and nobody else writes to a key that was made for this upload.
    let count = if capsule.plan.is_open() { named.ok().filter(|count| *count > 0)? } else { capsule.plan.count() };
    let counted = etag.rsplit_once('-').is_some_and(|(_, of)| of.parse() == Ok(count));
    let all_named = named == Ok(count);
    let made_of_them = match etag_of_parts(etags.iter().copied()).filter(|_| all_named && !kms) {
        Some(expected) => expected == etag,
        None => counted && object.last_modified.is_some_and(|date| date.as_second() >= capsule.began_at),
    };
    let as_long = capsule.plan.is_open() || object.size == capsule.plan.size();
    (made_of_them && as_long).then(|| etag.to_owned())
}

fn etags_of<'n>(named: Option<&'n ByNumber<'_>>) -> Vec<&'n str> {
    named.into_iter().flat_map(BTreeMap::values).map(|part| bare(&part.etag)).collect()
}

/// The parts by their numbers, each once and of this upload.
fn by_number<'n>(parts: Vec<Named<'n>>, capsule: &Capsule) -> Result<ByNumber<'n>, ApiError> {
    let mut named = BTreeMap::new();
    for part in parts {
        let number = part.part_number;
        if capsule.plan.length_of(number).is_none() {
            let count = capsule.plan.count();
            return Err(ApiError::InvalidRequest(format!(
                "there is no part {number}; this upload has parts 1 to {count}"
            )));
        }
        if part.checksum.as_deref().is_some_and(|value| capsule.checksum.is_none_or(|kind| !kind.is_value(value))) {
            return Err(ApiError::InvalidRequest(format!("the checksum of part {number} is none of this upload's")));
        }
        if named.insert(number, part).is_some() {
            return Err(ApiError::InvalidRequest(format!("part {number} is named twice")));
        }
    }
    Ok(named)
}

/// The parts that make the object, if every one of the plan is there, as long as it was signed to be, and the one that
/// the caller means.
fn judge(
    capsule: &Capsule,
    named: Option<&ByNumber<'_>>,
    there: &[UploadedPart],
) -> Result<Vec<UploadedPart>, ApiError> {
    let there: BTreeMap<u32, &UploadedPart> = there.iter().map(|part| (part.number, part)).collect();
    let (mut parts, mut missing, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=capsule.plan.count().min(MAX_PARTS) {
        let of_caller = named.map(|named| named.get(&number));
        match (there.get(&number), of_caller) {
            (None, _) | (_, Some(None)) => missing.push(number),
            (Some(part), of_caller) => {
                let of_caller = of_caller.flatten();
                let is_meant = of_caller.is_none_or(|of_caller| of_caller.means(part));
                if is_meant && Some(part.size) == capsule.plan.length_of(number) {
                    parts.push(completed(part, of_caller));
                } else {
                    wrong.push(number);
                }
            }
        }
    }
    if !missing.is_empty() || !wrong.is_empty() {
        return Err(ApiError::PartsDiffer { missing, wrong });
    }
    if capsule.checksum.is_some() && parts.iter().any(|part| part.checksum.is_none()) {
        let text = "name the parts with their checksums: the bucket does not tell them, and wants to hear them";
        return Err(ApiError::InvalidRequest(text.into()));
    }
    Ok(parts)
}

/// What the bucket does not list, it is told by the caller; it compares that with what it was sent.
fn completed(part: &UploadedPart, of_caller: Option<&Named<'_>>) -> UploadedPart {
    let checksum = || of_caller.and_then(|named| named.checksum.as_deref()).map(str::to_owned);
    let etag = || of_caller.map(|named| bare(&named.etag).to_owned());
    UploadedPart {
        number: part.number,
        etag: part.etag.clone().or_else(etag),
        size: part.size,
        checksum: part.checksum.clone().or_else(checksum),
    }
}

impl Named<'_> {
    fn means(&self, part: &UploadedPart) -> bool {
        let same_checksum = match (&self.checksum, &part.checksum) {
            (Some(named), Some(kept)) => named == kept,
            _ => true,
        };
        let same_etag = part.etag.as_deref().is_none_or(|etag| etag == bare(&self.etag));
        same_etag && same_checksum
    }
}

/// As S3 writes an entity tag, and as clients see it in a header.
pub(in crate::api) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
