//! `GET /s3/params`: a whole file by a form, as Companion gives it.

use std::borrow::Cow;

use hyper::StatusCode;
use serde::{Serialize, Serializer};

use crate::api::audited::{Decided, Operation, bounds};
use crate::api::call::Params;
use crate::api::{ApiError, App, Call, Reply};
use crate::domain::policy::{Caller, Grant};
use crate::domain::sigv4::{PostFields, SignedPost};
use crate::domain::upload::UploadClaim;
use crate::domain::upload_form::{FormBounds, FormRefused};
use crate::domain::utc::UtcSecond;
use crate::storage::{Backend, Support};
use crate::telemetry::audit::{Bounds, Record, Verdict};

/// A form and what it was made for, written as the answer to whoever asked.
pub(super) struct SignedForm<'a> {
    granted: (Grant, &'a Backend),
    bounds: FormBounds,
    post: SignedPost,
}

impl Decided for SignedForm<'_> {
    fn tell<'a>(&'a self, record: &mut Record<'a>) {
        self.granted.tell(record);
        let exact = Some(*self.bounds.bytes.end()).filter(|end| end == self.bounds.bytes.start());
        record.bounds = Some(Bounds { content_length: exact, ..bounds(&self.bounds.fields) });
        record.expires_at = Some(self.post.expires_at);
        record.verdict = Verdict::Allow(Some(StatusCode::OK.as_u16()));
    }
}

/// Uppy reads the first four.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FormAnswer<'a> {
    method: &'static str,
    url: &'a str,
    fields: &'a PostFields,
    headers: NoHeaders,
    key: &'a str,
    provider_id: &'a str,
    expires_at: UtcSecond,
    expires_in: u32,
}

/// The browser alone sets the header that a form needs.
#[derive(Serialize)]
struct NoHeaders {}

impl Serialize for SignedForm<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let answer = FormAnswer {
            method: "POST",
            url: &self.post.url,
            fields: &self.post.fields,
            headers: NoHeaders {},
            key: self.granted.0.key().as_str(),
            provider_id: &self.granted.1.name,
            expires_at: self.post.expires_at,
            expires_in: self.post.expires_secs,
        };
        answer.serialize(serializer)
    }
}

impl SignedForm<'_> {
    /// Counts it, as a URL that its caller gets.
    pub(super) fn given_out(self) -> Self {
        let (grant, storage) = &self.granted;
        storage.counts.minted(grant.action());
        storage.counts.promised(*self.bounds.bytes.start());
        self
    }
}

/// `GET /s3/params`
pub(super) fn params(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    let params = call.params()?;
    let file_name = params.get("filename")?.ok_or_else(|| ApiError::InvalidRequest("filename is missing".into()))?;
    let prefix = metadata(&params, "keyPrefix")?;
    let content_type = params.get("type")?;
    let length = |text: Cow<'_, str>| {
        text.parse().map_err(|_| ApiError::InvalidRequest("metadata[contentLength] is no length in bytes".into()))
    };
    let claim = UploadClaim {
        content_length: metadata(&params, "contentLength")?.map(length).transpose()?,
        content_type: content_type.as_deref(),
        ..UploadClaim::default()
    };
    let named = (file_name.as_ref(), prefix.as_deref());
    let sign = |granted| form(app, caller, granted, &claim, call);
    let form = app.decided_new((caller, call), Operation::Upload, named, sign)?;
    Ok(Reply::json(StatusCode::OK, &form.given_out()))
}

/// A field of the file that the page has set.
fn metadata<'a>(params: &Params<'a>, name: &str) -> Result<Option<Cow<'a, str>>, ApiError> {
    params.get(&format!("metadata[{name}]"))
}

/// A form for what was granted.
pub(super) fn form<'a>(
    app: &App,
    caller: &Caller,
    granted: (Grant, &'a Backend),
    claim: &UploadClaim<'_>,
    call: &Call<'_>,
) -> Result<SignedForm<'a>, ApiError> {
    let (grant, storage) = &granted;
    if storage.provider.post_policy == Support::No {
        return Err(FormRefused::PROVIDER.into());
    }
    if app.limits.has_quota() && claim.content_length.is_none() {
        return Err(FormRefused::QUOTA.into());
    }
    let claim = UploadClaim { token_max_bytes: app.limits.longest_upload(caller.max_upload_bytes()), ..*claim };
    let bounds = storage.upload_rules.form_bounds(&claim)?;
    let post = storage.presign_post(grant, &bounds, app.upload.default_secs, call.now)?;
    // Last, so that what could not be signed costs nothing.
    app.limits.charge_upload(grant.key(), claim.content_length.unwrap_or_default())?;
    Ok(SignedForm { granted, bounds, post })
}
