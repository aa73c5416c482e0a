//! `POST /multipart`

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::api::{ApiError, App, Call, Pending, Reply};
use crate::domain::capsule::{Capsule, Owner};
use crate::domain::parts::{PartChecksum, PartPlan};
use crate::domain::policy::{Action, Caller};
use crate::domain::upload::PartsClaim;
use crate::domain::utc::UtcSecond;
use crate::random::random_bytes;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BeginRequest {
    key: Option<String>,
    url: Option<String>,
    content_type: Option<String>,
    content_length: Option<u64>,
    part_size: Option<u64>,
    checksum: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BeginAnswer<'a> {
    upload_token: &'a str,
    key: &'a str,
    provider_id: &'a str,
    part_size: u64,
    parts: u32,
    expires_at: UtcSecond,
}

pub(super) fn begin<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let uploads = app.uploads()?;
        let request: BeginRequest = call.json()?;
        let named = (request.key.as_deref(), request.url.as_deref());
        let (grant, storage) = app.grant_named(caller, Action::CreateMultipart, named.0, named.1)?;
        let size = request.content_length.ok_or_else(|| ApiError::InvalidRequest("contentLength is missing".into()))?;
        let checksum = request.checksum.as_deref().map(checksum).transpose()?;
        let claim = PartsClaim {
            content_length: size,
            content_type: request.content_type.as_deref(),
            checksum,
            token_max_bytes: None,
        };
        // Before the plan: a caller's own limit is the better reason.
        let headers = app.parts_headers(caller, (&grant, storage), claim)?;
        let plan = PartPlan::new(size, request.part_size, uploads.part_bytes)?;
        app.limits.charge_upload(grant.key(), size)?;

        let upload_id = storage.bucket.begin_upload(&grant, &headers.borrowed(), call.now).await?;
        let began_at = call.now.as_second();
        let life_secs = i64::try_from(uploads.max_age.as_secs()).unwrap_or(i64::MAX);
        let capsule = Capsule {
            storage: storage.name.clone(),
            key: grant.key().as_str().to_owned(),
            upload_id,
            owner: Owner::of(caller),
            plan,
            checksum,
            content_type: request.content_type.filter(|text| !text.is_empty()),
            began_at,
            ends_at: began_at.saturating_add(life_secs),
        };
        let nonce = random_bytes().map_err(|_| ApiError::Internal)?;
        let answer = BeginAnswer {
            upload_token: &uploads.keys.seal(&capsule, nonce).map_err(|_| ApiError::Internal)?,
            key: &capsule.key,
            provider_id: &storage.name,
            part_size: plan.part_bytes(),
            parts: plan.count(),
            expires_at: UtcSecond::from_unix(capsule.ends_at).map_err(|_| ApiError::Internal)?,
        };
        Ok(Reply::json(StatusCode::OK, &answer))
    })
}

fn checksum(name: &str) -> Result<PartChecksum, ApiError> {
    PartChecksum::named(name)
        .ok_or_else(|| ApiError::InvalidRequest("checksum must be sha256, crc32, crc32c or crc64nvme".into()))
}
