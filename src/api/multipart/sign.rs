//! `POST /multipart/sign`: a thousand parts at once, and no call to the bucket.
//!
//! Of a part its length is bound, and its checksum where the upload has one. Never its type: some clients send one.

use std::borrow::Cow;

use hyper::StatusCode;
use serde::{Deserialize, Serialize, Serializer};

use super::Opened;
use crate::api::audited::{Decided, Operation};
#[cfg(test)]
use crate::api::openapi::shapes;
use crate::api::urls::refresh_after;
use crate::api::{ApiError, App, Call, Reply};
use crate::domain::policy::{Action, Caller};
use crate::domain::sigv4::{BoundHeaders, SignedUrl, Terms};
use crate::domain::utc::UtcSecond;
use crate::telemetry::audit::{Record, Verdict};

/// URLs of one answer.
pub(in crate::api) const MAX_SIGNED: usize = 1000;

/// What a signed URL and what goes with it take in an answer, in bytes, so that a long one is written without growing.
const USUAL_PART_BYTES: usize = 1024;

/// Parts to be signed: by their numbers, or each with its checksum.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SignPartsRequest"))]
pub(in crate::api) struct SignRequest<'a> {
    #[serde(borrow)]
    upload_token: Option<Cow<'a, str>>,
    part_numbers: Option<Vec<u32>>,
    #[serde(borrow)]
    parts: Option<Vec<Asked<'a>>>,
    expires_in: Option<i64>,
}

/// A part, and the checksum of its bytes where the upload has one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "AskedPart"))]
pub(in crate::api) struct Asked<'a> {
    part_number: u32,
    #[serde(borrow)]
    checksum: Option<Cow<'a, str>>,
}

/// URLs of parts.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SignedParts"))]
pub(in crate::api) struct SignAnswer<'a> {
    parts: Vec<SignedPart<'a>>,
}

/// A URL for one part, bound to its length.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::api) struct SignedPart<'a> {
    part_number: u32,
    method: &'static str,
    #[serde(serialize_with = "exposed")]
    #[cfg_attr(test, schemars(with = "String", url))]
    url: SignedUrl,
    /// What to send along, exactly as it is here.
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, String>"))]
    headers: Sent<'a>,
    /// Names of all headers that the signature covers.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    bound_headers: BoundHeaders,
    /// The bytes that the part has to have.
    content_length: u64,
    #[cfg_attr(test, schemars(with = "shapes::UtcSecond"))]
    expires_at: UtcSecond,
    #[cfg_attr(test, schemars(with = "shapes::UtcSecond"))]
    refresh_after: UtcSecond,
}

fn exposed<S: Serializer>(signed: &SignedUrl, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(signed.url.expose())
}

/// What the client has to send, if anything; the length is the browser's to send.
struct Sent<'a>(Option<(&'static str, &'a str)>);

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0)
    }
}

/// All of them, for one line of the audit log: they are of one object, and end together.
struct SignedParts<'a, 'b> {
    opened: Opened<'a>,
    parts: Vec<SignedPart<'b>>,
}

impl Decided for SignedParts<'_, '_> {
    fn tell<'a>(&'a self, record: &mut Record<'a>) {
        self.opened.tell(record);
        record.expires_at = self.parts.first().map(|part| part.expires_at);
        record.verdict = Verdict::Allow(Some(StatusCode::OK.as_u16()));
    }
}

pub(super) fn sign(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    app.uploads()?;
    let request: SignRequest<'_> = call.json()?;
    let asked = asked(request.part_numbers, request.parts)?;
    let token = request.upload_token.as_deref();
    let SignedParts { opened, parts } = app.opened((caller, call), Operation::MultipartSign, token, |opened| {
        let left = opened.capsule.ends_at.saturating_sub(call.now.as_second());
        // A part that comes after the end of its upload is of no use.
        let expires_secs = app.upload.clamp(request.expires_in).min(u32::try_from(left).unwrap_or(u32::MAX));
        let mut parts = Vec::with_capacity(asked.len());
        for one in &asked {
            parts.push(signed(&opened, one, expires_secs, call)?);
        }
        Ok(SignedParts { opened, parts })
    })?;
    for _ in &parts {
        opened.storage.counts.minted(Action::UploadPart);
    }
    let room = parts.len().saturating_mul(USUAL_PART_BYTES);
    Ok(Reply::json_of(StatusCode::OK, &SignAnswer { parts }, room))
}

fn asked(numbers: Option<Vec<u32>>, parts: Option<Vec<Asked<'_>>>) -> Result<Vec<Asked<'_>>, ApiError> {
    let asked = match (numbers, parts) {
        (Some(numbers), None) => numbers.into_iter().map(|part_number| Asked { part_number, checksum: None }).collect(),
        (None, Some(parts)) => parts,
        _ => return Err(ApiError::InvalidRequest("send one of partNumbers and parts".into())),
    };
    if asked.len() > MAX_SIGNED { Err(ApiError::BatchTooLarge { limit: MAX_SIGNED }) } else { Ok(asked) }
}

fn signed<'a>(
    Opened { capsule, grant, storage, .. }: &Opened<'_>,
    Asked { part_number, checksum }: &'a Asked<'_>,
    expires_secs: u32,
    call: &Call<'_>,
) -> Result<SignedPart<'a>, ApiError> {
    let invalid = |text: String| Err(ApiError::InvalidRequest(text));
    let number = *part_number;
    let Some(content_length) = capsule.plan.length_of(number) else {
        return invalid(format!("there is no part {number}; this upload has parts 1 to {}", capsule.plan.count()));
    };
    let sent = match (capsule.checksum, checksum.as_deref()) {
        (Some(kind), Some(value)) if kind.is_value(value) => Some((kind.header(), value)),
        (Some(kind), _) => {
            return invalid(format!("part {number} needs a checksum: the base64 of its {}", kind.name()));
        }
        (None, Some(_)) => return invalid(format!("part {number} has a checksum, and the upload was begun without")),
        (None, None) => None,
    };
    let (number_text, length_text) = (number.to_string(), content_length.to_string());
    let length = ("content-length", length_text.as_str());
    let both = [length, sent.unwrap_or(length)];
    let headers = both.get(..if sent.is_some() { 2 } else { 1 }).unwrap_or_default();
    let query = [("partNumber", number_text.as_str()), ("uploadId", capsule.upload_id.as_str())];
    let url = storage.signers.presign(
        grant,
        &Terms { expires_secs, headers, query: &query, ..Terms::default() },
        call.now,
    )?;
    Ok(SignedPart {
        part_number: number,
        method: url.method,
        headers: Sent(sent),
        bound_headers: url.bound_headers,
        content_length,
        expires_at: url.expires_at,
        refresh_after: refresh_after(url.expires_at, url.expires_secs),
        url,
    })
}
