//! `POST /multipart`

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::Uploads;
use crate::api::audited::{Decided, Operation, bounds};
#[cfg(test)]
use crate::api::openapi::shapes;
use crate::api::{ApiError, App, Call, Pending, Reply};
use crate::domain::capsule::{Capsule, Owner};
use crate::domain::parts::{PartChecksum, PartPlan};
use crate::domain::policy::{Caller, Grant};
use crate::domain::upload::{PartsClaim, UploadHeaders};
use crate::domain::utc::UtcSecond;
use crate::random::random_bytes;
use crate::storage::Backend;
use crate::telemetry::audit::{Bounds, Record};

/// What is asked of an upload in parts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "MultipartRequest", transform = shapes::key_or_url))]
pub(in crate::api) struct BeginRequest {
    key: Option<String>,
    url: Option<String>,
    /// The media type of the object; empty is as if left out.
    #[cfg_attr(test, schemars(with = "Option<shapes::SentType>"))]
    content_type: Option<String>,
    /// All of its bytes.
    #[cfg_attr(test, schemars(range(min = 1, max = crate::domain::parts::MAX_OBJECT_BYTES)))]
    content_length: Option<u64>,
    /// The length of every part but the last, in bytes; such that 10,000 parts are enough.
    #[cfg_attr(test, schemars(range(min = crate::domain::parts::MIN_PART_BYTES, max = crate::domain::parts::MAX_PART_BYTES)))]
    part_size: Option<u64>,
    /// What each part is to be bound to.
    #[cfg_attr(test, schemars(extend("enum" = ["sha256", "crc32", "crc32c", "crc64nvme", null])))]
    checksum: Option<String>,
}

/// An upload that was begun.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "MultipartUpload"))]
pub(in crate::api) struct BeginAnswer<'a> {
    /// For the other calls, and for nobody but this caller.
    upload_token: &'a str,
    key: &'a str,
    provider_id: &'a str,
    /// The length of every part but the last, in bytes.
    part_size: u64,
    /// How many parts there are; the first is number 1.
    parts: u32,
    /// When the token ends.
    #[cfg_attr(test, schemars(with = "shapes::UtcSecond"))]
    expires_at: UtcSecond,
}

/// What was decided of an upload, before the bucket hears of it.
pub(in crate::api) struct Begun<'a> {
    pub(in crate::api) granted: (Grant, &'a Backend),
    pub(in crate::api) headers: UploadHeaders,
    pub(in crate::api) plan: PartPlan,
    pub(in crate::api) checksum: Option<PartChecksum>,
}

impl Decided for Begun<'_> {
    fn tell<'a>(&'a self, record: &mut Record<'a>) {
        self.granted.tell(record);
        record.bounds = Some(Bounds {
            content_length: Some(self.plan.size()).filter(|size| *size > 0),
            checksum_sha256: self.checksum == Some(PartChecksum::Sha256),
            write_once: self.granted.1.upload_rules.write_once,
            ..bounds(&self.headers)
        });
    }
}

pub(super) fn begin<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let uploads = app.uploads()?;
        let request: BeginRequest = call.json()?;
        let named = (request.key.as_deref(), request.url.as_deref());
        let decided = app.decided((caller, call), Operation::MultipartBegin, named, |granted| {
            let missing = || ApiError::InvalidRequest("contentLength is missing".into());
            let size = request.content_length.ok_or_else(missing)?;
            let checksum = request.checksum.as_deref().map(checksum).transpose()?;
            let claim = PartsClaim {
                content_length: size,
                content_type: request.content_type.as_deref(),
                checksum,
                token_max_bytes: None,
            };
            // Before the plan: a caller's own limit is the better reason.
            let headers = app.parts_headers(caller, (&granted.0, granted.1), claim)?;
            let plan = PartPlan::new(size, request.part_size, uploads.part_bytes)?;
            app.limits.charge_upload(granted.0.key(), size)?;
            Ok(Begun { granted, headers, plan, checksum })
        })?;
        let Begun { granted: (grant, storage), headers, plan, checksum } = decided;
        storage.counts.promised(plan.size());

        let capsule = Capsule {
            plan,
            checksum,
            content_type: request.content_type.filter(|text| !text.is_empty()),
            ..unbegun(uploads, caller, (&grant, storage), call)
        };
        let (capsule, token) = begun(uploads, capsule, (&grant, storage), &headers, call).await?;
        let answer = BeginAnswer {
            upload_token: &token,
            key: &capsule.key,
            provider_id: &storage.name,
            part_size: plan.part_bytes(),
            parts: plan.count(),
            expires_at: UtcSecond::from_unix(capsule.ends_at).map_err(|_| ApiError::Internal)?,
        };
        Ok(Reply::json(StatusCode::OK, &answer))
    })
}

/// What is known before the bucket is asked, of an upload without a plan.
pub(in crate::api) fn unbegun(
    uploads: &Uploads,
    caller: &Caller,
    (grant, storage): (&Grant, &Backend),
    call: &Call<'_>,
) -> Capsule {
    let began_at = call.now.as_second();
    let life_secs = i64::try_from(uploads.max_age.as_secs()).unwrap_or(i64::MAX);
    Capsule {
        storage: storage.name.clone(),
        key: grant.key().as_str().to_owned(),
        upload_id: String::new(),
        owner: Owner::of(caller),
        plan: PartPlan::open(0),
        checksum: None,
        content_type: None,
        began_at,
        ends_at: began_at.saturating_add(life_secs),
    }
}

/// The upload, begun at the bucket, and its token.
pub(in crate::api) async fn begun(
    uploads: &Uploads,
    capsule: Capsule,
    (grant, storage): (&Grant, &Backend),
    headers: &UploadHeaders,
    call: &Call<'_>,
) -> Result<(Capsule, String), ApiError> {
    let upload_id = storage.bucket.begin_upload(grant, &headers.borrowed(), call.now).await?;
    let capsule = Capsule { upload_id, ..capsule };
    let nonce = random_bytes().map_err(|_| ApiError::Internal)?;
    let token = uploads.keys.seal(&capsule, nonce).map_err(|_| ApiError::Internal)?;
    Ok((capsule, token))
}

fn checksum(name: &str) -> Result<PartChecksum, ApiError> {
    PartChecksum::named(name)
        .ok_or_else(|| ApiError::InvalidRequest("checksum must be sha256, crc32, crc32c or crc64nvme".into()))
}
