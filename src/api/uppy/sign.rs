//! `POST /s3/sign`: one call to the bucket, for `signRequest`.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::params::{SignedForm, form};
use crate::api::audited::{Decided, Operation};
use crate::api::multipart::finish::{bytes_of, parts_before_the_end};
use crate::api::urls::{Signed, given_out, signed};
use crate::api::{ApiError, App, Call, Pending, Reply};
use crate::domain::capsule::MAX_UPLOAD_ID_BYTES;
use crate::domain::parts::MAX_PARTS;
use crate::domain::policy::{Caller, Grant};
use crate::domain::sigv4::Terms;
use crate::domain::upload::{PartsClaim, SIZE_OF_PARTS, UploadClaim, UploadHeaders, UploadRefused};
use crate::storage::{Backend, Support};
use crate::telemetry::audit::Record;

/// A completion is sent at once, and the shorter its URL lives, the less can change after its parts were looked at.
const COMPLETE_SECS: u32 = 60;

/// What Uppy says of a call, and what a page may add.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignRequest {
    method: String,
    key: String,
    upload_id: Option<String>,
    part_number: Option<u32>,
    content_type: Option<String>,
    content_length: Option<u64>,
    checksum_sha256: Option<String>,
    key_prefix: Option<String>,
}

/// The calls that Uppy makes.
enum Wanted<'a> {
    Put,
    Create,
    Part(&'a str, u32),
    List(&'a str),
    Complete(&'a str),
    Abort(&'a str),
}

impl SignRequest {
    fn wanted(&self) -> Result<Wanted<'_>, ApiError> {
        let id = self.upload_id.as_deref();
        if id.is_some_and(|id| !(1..=MAX_UPLOAD_ID_BYTES).contains(&id.len()) || id.chars().any(char::is_control)) {
            return Err(ApiError::InvalidRequest("uploadId is none that a bucket gives".into()));
        }
        if self.part_number.is_some_and(|number| !(1..=MAX_PARTS).contains(&number)) {
            return Err(ApiError::InvalidRequest(format!("partNumber must be 1 to {MAX_PARTS}")));
        }
        match (self.method.as_str(), id, self.part_number) {
            ("PUT", None, None) => Ok(Wanted::Put),
            ("POST", None, None) => Ok(Wanted::Create),
            ("PUT", Some(id), Some(number)) => Ok(Wanted::Part(id, number)),
            ("GET", Some(id), None) => Ok(Wanted::List(id)),
            ("POST", Some(id), None) => Ok(Wanted::Complete(id)),
            ("DELETE", Some(id), None) => Ok(Wanted::Abort(id)),
            _ => Err(ApiError::InvalidRequest("Uppy makes no call of this method, uploadId and partNumber".into())),
        }
    }

    /// The file, and where it goes.
    fn named(&self) -> (&str, Option<&str>) {
        (&self.key, self.key_prefix.as_deref())
    }

    fn claim(&self) -> UploadClaim<'_> {
        UploadClaim {
            content_length: self.content_length,
            content_type: self.content_type.as_deref(),
            checksum_sha256: self.checksum_sha256.as_deref(),
            token_max_bytes: None,
        }
    }
}

/// `POST /s3/sign`
pub(super) fn sign<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let request: SignRequest = call.json()?;
        let (operation, id, number) = match request.wanted()? {
            Wanted::Put => return put(app, caller, &request, call),
            Wanted::Create => return create(app, caller, &request, call),
            Wanted::Complete(id) => return complete(app, caller, &request.key, id, call).await,
            Wanted::Part(id, number) => (Operation::MultipartSign, id, Some(number.to_string())),
            Wanted::List(id) => (Operation::MultipartList, id, None),
            Wanted::Abort(id) => (Operation::MultipartAbort, id, None),
        };
        let number = number.as_deref().map(|number| ("partNumber", number));
        let query: Vec<_> = number.into_iter().chain([("uploadId", id)]).collect();
        // S3 knows an upload under its key and no other, so whoever may not touch the key cannot touch the upload. Never
        // the type: Uppy sends one with some parts.
        let sign = |granted| signed(granted, UploadHeaders::default(), &terms(app, &query), call.now);
        let signed = app.decided_again((caller, call), operation, &request.key, || Ok(()), sign)?;
        Ok(Reply::json(StatusCode::OK, &given_out(signed)))
    })
}

/// What a whole file is sent by.
#[derive(Serialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "a box would be one more allocation for every signed URL")]
enum Whole<'a> {
    Put(Signed<'a>),
    Form(SignedForm<'a>),
}

impl Decided for Whole<'_> {
    fn tell<'a>(&'a self, record: &mut Record<'a>) {
        match self {
            Self::Put(signed) => signed.tell(record),
            Self::Form(form) => form.tell(record),
        }
    }
}

/// A whole file: a PUT, or a form where a limit holds and nobody says the length.
fn put(app: &App, caller: &Caller, request: &SignRequest, call: &Call<'_>) -> Result<Reply, ApiError> {
    let sign = |granted| whole(app, caller, granted, request, call);
    let whole = match app.decided_new((caller, call), Operation::Upload, request.named(), sign)? {
        Whole::Put(signed) => {
            signed.granted().1.counts.promised(request.content_length.unwrap_or_default());
            Whole::Put(given_out(signed))
        }
        Whole::Form(form) => Whole::Form(form.given_out()),
    };
    Ok(Reply::json(StatusCode::OK, &whole))
}

fn whole<'a>(
    app: &App,
    caller: &Caller,
    granted: (Grant, &'a Backend),
    request: &SignRequest,
    call: &Call<'_>,
) -> Result<Whole<'a>, ApiError> {
    let rules = &granted.1.upload_rules;
    let token_max_bytes = app.limits.longest_upload(caller.max_upload_bytes());
    let claim = UploadClaim { token_max_bytes, ..request.claim() };
    if claim.content_length.is_none() && token_max_bytes.or(rules.max_bytes).is_some() {
        return Ok(Whole::Form(form(app, caller, granted, &claim, call)?));
    }
    let headers = rules.headers(granted.0.key(), &claim)?;
    let signed = signed(granted, headers, &terms(app, &[]), call.now)?;
    // Last, so that what could not be signed costs nothing.
    app.limits.charge_upload(signed.granted().0.key(), claim.content_length.unwrap_or_default())?;
    Ok(Whole::Put(signed))
}

/// The begin of an upload in parts. Its length is looked at when it ends.
fn create(app: &App, caller: &Caller, request: &SignRequest, call: &Call<'_>) -> Result<Reply, ApiError> {
    let claim = PartsClaim {
        content_length: request.content_length.unwrap_or_default(),
        content_type: request.content_type.as_deref(),
        checksum: None,
        token_max_bytes: None,
    };
    let signed = app.decided_new((caller, call), Operation::MultipartBegin, request.named(), |granted| {
        let headers = app.parts_headers(caller, (&granted.0, granted.1), claim)?;
        // One that could not end is not begun.
        limit(app, caller, granted.1)?;
        signed(granted, headers, &terms(app, &[("uploads", "")]), call.now)
    })?;
    Ok(Reply::json(StatusCode::OK, &given_out(signed)))
}

fn terms<'a>(app: &App, query: &'a [(&'static str, &'a str)]) -> Terms<'a> {
    Terms { expires_secs: app.upload.default_secs, query, ..Terms::default() }
}

/// The end of an upload. Where there is a limit the bucket is asked how long it is, and bound to that.
async fn complete(app: &App, caller: &Caller, key: &str, id: &str, call: &Call<'_>) -> Result<Reply, ApiError> {
    let act = |(grant, storage)| async move {
        let headers = headers_of_end(app, caller, (&grant, storage), id, call).await?;
        let query = [("uploadId", id)];
        let terms = terms(app, &query);
        let terms = Terms { expires_secs: terms.expires_secs.min(COMPLETE_SECS), ..terms };
        signed((grant, storage), headers, &terms, call.now)
    };
    let signed = app.decided_after((caller, call), Operation::MultipartComplete, key, act).await?;
    Ok(Reply::json(StatusCode::OK, &given_out(signed)))
}

async fn headers_of_end(
    app: &App,
    caller: &Caller,
    (grant, storage): (&Grant, &Backend),
    id: &str,
    call: &Call<'_>,
) -> Result<UploadHeaders, ApiError> {
    let once = storage.upload_rules.write_once;
    if once && storage.provider.write_once_in_parts == Support::No {
        return Err(UploadRefused::WriteOnceUnavailable.into());
    }
    let mut headers: Vec<_> = once.then(|| ("if-none-match", "*".to_owned())).into_iter().collect();
    if let Some(limit) = limit(app, caller, storage)? {
        let bytes = length_so_far(app, caller, (grant, storage), id, call).await?;
        if bytes > limit {
            return Err(UploadRefused::TooLarge { limit }.into());
        }
        app.limits.charge_upload(grant.key(), bytes)?;
        headers.push((SIZE_OF_PARTS, bytes.to_string()));
    }
    Ok(UploadHeaders::new(headers))
}

/// The most bytes that may come of an upload in parts whose end the caller makes. Parts can be sent until then, so a limit
/// holds only where the end can be bound to what was measured; elsewhere there is no such upload.
fn limit(app: &App, caller: &Caller, storage: &Backend) -> Result<Option<u64>, UploadRefused> {
    let limits = [storage.upload_rules.max_bytes, app.limits.longest_upload(caller.max_upload_bytes())];
    match limits.into_iter().flatten().min() {
        Some(_) if storage.provider.size_of_parts != Support::Yes => Err(UploadRefused::LengthUnavailable),
        limit => Ok(limit),
    }
}

/// Bytes of the parts that are there.
async fn length_so_far(
    app: &App,
    caller: &Caller,
    granted: (&Grant, &Backend),
    id: &str,
    call: &Call<'_>,
) -> Result<u64, ApiError> {
    let _place = app.limits.admit_to_bucket()?;
    let parts = parts_before_the_end(caller, granted, (id, None), call).await?;
    Ok(bytes_of(&parts.ok_or(ApiError::UploadNotFound)?))
}
