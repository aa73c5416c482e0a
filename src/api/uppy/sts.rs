//! `GET /s3/sts`: temporary credentials, with which Uppy signs uploads below one folder by itself.
//!
//! Nothing holds such uploads but the folder and the end of the credentials: so there are none where anything else is
//! demanded, by the settings (which are refused at the start then) or by the token.

use hyper::StatusCode;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::name::folder;
use crate::api::{ApiError, App, Call, Pending, Reply};
use crate::domain::policy::Caller;
use crate::domain::session_policy::SessionRefused;
use crate::domain::utc::UtcSecond;
use crate::storage::UploadSession;

/// Uppy reads the first three, and `credentials` in both spellings: version 6 the first, version 5 the second.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StsAnswer<'a> {
    credentials: Credentials<'a>,
    bucket: &'a str,
    region: &'a str,
    /// What every key in the bucket must begin with.
    key_prefix: String,
    provider_id: &'a str,
    expires_at: UtcSecond,
    expires_in: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Credentials<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: UtcSecond,
    #[serde(rename = "AccessKeyId")]
    id: &'a str,
    #[serde(rename = "SecretAccessKey")]
    secret: &'a str,
    #[serde(rename = "SessionToken")]
    token: &'a str,
    #[serde(rename = "Expiration")]
    end: UtcSecond,
}

impl<'a> Credentials<'a> {
    fn new(session: &'a UploadSession, end: UtcSecond) -> Self {
        let id = session.access_key_id.as_str();
        let secret = session.secret_access_key.expose_secret();
        let token = session.session_token.expose_secret();
        Self {
            access_key_id: id,
            secret_access_key: secret,
            session_token: token,
            expiration: end,
            id,
            secret,
            token,
            end,
        }
    }
}

/// `GET /s3/sts`
pub(super) fn sts<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let asked = call.params()?.get("keyPrefix")?;
        let folder = folder(caller, asked.as_deref())?;
        let (grant, storage, order) = app.decided_folder((caller, call), &folder, |grant, storage| {
            let sessions = storage.sessions.as_ref().ok_or(ApiError::Session(SessionRefused::OFF))?;
            if caller.max_upload_bytes().is_some() {
                return Err(ApiError::Session(SessionRefused::TOKEN_LIMIT));
            }
            Ok(sessions.order(grant)?)
        })?;
        let session = order.issue(call.request_id, call.now).await?;
        let end = UtcSecond::new(session.ends_at).map_err(|_| ApiError::StsFailed)?;
        let answer = StsAnswer {
            credentials: Credentials::new(&session, end),
            bucket: &storage.bucket_name,
            region: order.region(),
            key_prefix: format!("{}{}/", storage.prefix, grant.folder().as_str()),
            provider_id: &storage.name,
            expires_at: end,
            expires_in: session.ends_at.as_second().saturating_sub(call.now.as_second()),
        };
        storage.counts.gave_credentials();
        Ok(Reply::json(StatusCode::OK, &answer))
    })
}
