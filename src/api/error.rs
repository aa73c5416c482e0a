//! The only place that chooses the code of a failure; its status stands beside the code in `codes`.
//!
//! The sentence is for people and safe to show; the code is the contract, and
//! the status alone already tells the reason, because the published client drops
//! the body. What went wrong in detail goes to the log.

use hyper::StatusCode;

use super::CODES;
use crate::domain::capsule::Broken;
use crate::domain::download::DownloadRefused;
use crate::domain::json::JsonError;
use crate::domain::key::KeyError;
use crate::domain::legacy::LegacyError;
use crate::domain::parts::PlanError;
use crate::domain::policy::Denied;
use crate::domain::session_policy::SessionRefused;
use crate::domain::sigv4::PresignError;
use crate::domain::token::TokenError;
use crate::domain::upload::UploadRefused;
use crate::domain::upload_form::FormRefused;
use crate::identity::AuthError;
use crate::limits::Limited;
use crate::storage::{BucketError, ProbeFailure, SessionError};
use crate::telemetry::audit::AuditUnavailable;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A field or parameter that cannot be used.
    #[error("{0}")]
    InvalidRequest(String),
    /// A body that is not JSON.
    #[error("the body is not valid JSON: {0}")]
    InvalidJson(String),
    /// More at once than is taken.
    #[error("a batch has at most {limit} entries")]
    BatchTooLarge {
        /// The limit.
        limit: usize,
    },
    /// A key that is none.
    #[error("{0}")]
    InvalidKey(#[from] KeyError),
    /// An old URL that names no key here.
    #[error("{0}")]
    UnknownUrl(LegacyError),
    /// An upload that breaks its rules.
    #[error("{0}")]
    Upload(#[from] UploadRefused),
    /// A form that cannot be had.
    #[error("{0}")]
    Form(FormRefused),
    /// Temporary credentials that cannot be had.
    #[error("{0}")]
    Session(SessionRefused),
    /// A download that breaks its rules.
    #[error("{0}")]
    Download(#[from] DownloadRefused),
    /// An upload that cannot be cut into parts as asked.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// Uploads in parts are off.
    #[error("uploads in parts are off: multipart.secret is not set")]
    MultipartOff,
    /// An upload token that is none.
    #[error("{0}")]
    UploadToken(#[from] Broken),
    /// Somebody else's upload.
    #[error("this upload was begun by another caller")]
    NotYourUpload,
    /// An upload that took too long.
    #[error("this upload has ended; begin another")]
    UploadExpired,
    /// An upload that the bucket does not know.
    #[error("the bucket has no such upload")]
    UploadNotFound,
    /// Parts that make no object, by their numbers. None of either when the bucket refused them without naming any.
    #[error("the upload is not complete: {} parts are missing and {} are not as they were signed", .missing.len(), .wrong.len())]
    PartsDiffer {
        /// Those that are not there.
        missing: Vec<u32>,
        /// Those that are there, and others than was said.
        wrong: Vec<u32>,
    },
    /// An object that must stay as it is.
    #[error("there is an object with this key, which stays as it is")]
    ObjectExists,
    /// No token, or one that is not accepted. The reason is logged, never sent.
    #[error("a valid bearer token is required")]
    Unauthorized(Option<TokenError>),
    /// A good token that does not open this.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// A preflight from a page that may not call.
    #[error("this origin may not call the service")]
    OriginNotAllowed,
    /// No such path.
    #[error("there is no such path")]
    NotFound,
    /// No such object.
    #[error("there is no object with this key")]
    ObjectNotFound,
    /// An object that is not the one that was asked about; holds what differs.
    #[error("the object differs in {}", .0.join(" and "))]
    ObjectDiffers(Vec<&'static str>),
    /// An object without a checksum.
    #[error("the bucket keeps no checksum of this object")]
    ChecksumUnknown,
    /// The old gateway's upload.
    #[error(
        "bytes never cross this service: ask POST /upload-url with {{\"key\": …, \"contentType\": …, \"contentLength\": …}} for a signed URL, and PUT them there"
    )]
    Gone,
    /// Another method; holds the value of `Allow`.
    #[error("this path does not have that method")]
    MethodNotAllowed(String),
    /// Too slow.
    #[error("the request took too long")]
    RequestTimeout,
    /// More body than is read.
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A longer path and query than is read.
    #[error("path and query are longer than {limit} bytes")]
    UriTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// A body of another type.
    #[error("the body must be sent as content-type: application/json")]
    UnsupportedMediaType,
    /// A panic. What it was stays in the log.
    #[error("the service made a mistake")]
    Internal,
    /// The bucket's fault. Its own words stay in the log.
    #[error("{}", bucket_sentence(.0))]
    Bucket(#[from] BucketError),
    /// STS's fault. Its own words stay in the log.
    #[error("STS gives no credentials now")]
    StsFailed,
    /// The probe's last answer.
    #[error("{0}")]
    BucketUnavailable(ProbeFailure),
    /// About to stop.
    #[error("this process is about to stop")]
    NotReady,
    /// Some keys have not come yet, or all have grown too old.
    #[error("there are no keys to check tokens with")]
    NoKeys,
    /// The credentials have not come yet, or have ended.
    #[error("there are no credentials for the bucket")]
    NoCredentials,
    /// A token that nobody can judge now.
    #[error("the keys that the token is checked with cannot be fetched now")]
    KeysUnavailable,
    /// Too much at once, or of one.
    #[error("{0}")]
    Limited(#[from] Limited),
    /// What was decided cannot be written down.
    #[error("the decision cannot be recorded now")]
    Audit(#[from] AuditUnavailable),
    /// A grant could not be signed.
    #[error("the request cannot be signed now")]
    Presign(#[from] PresignError),
}

fn upload_code(refused: &UploadRefused) -> &'static str {
    match refused {
        UploadRefused::TooLarge { .. } => "upload_too_large",
        UploadRefused::LengthMissing { .. } | UploadRefused::Checksum => "invalid_request",
        UploadRefused::ContentType => "invalid_content_type",
        UploadRefused::ContentTypeNotAllowed => "content_type_not_allowed",
        UploadRefused::ChecksumDiffers => "checksum_mismatch",
        UploadRefused::ChecksumMissing | UploadRefused::PartChecksumMissing => "checksum_missing",
        UploadRefused::ChecksumUnavailable
        | UploadRefused::PartChecksumUnavailable
        | UploadRefused::WholeChecksumUnavailable => "checksum_unavailable",
        UploadRefused::WriteOnceUnavailable => "write_once_unavailable",
        UploadRefused::LengthUnavailable => "length_unavailable",
    }
}

impl From<FormRefused> for ApiError {
    fn from(refused: FormRefused) -> Self {
        match refused {
            FormRefused::Upload(refused) => Self::Upload(refused),
            refused @ FormRefused::Unavailable(_) => Self::Form(refused),
        }
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Refused(refused) => Self::Session(refused),
            SessionError::OtherStorage => Self::Internal,
            SessionError::NoCredentials => Self::Bucket(BucketError::NoCredentials),
            SessionError::Failed => Self::StsFailed,
        }
    }
}

fn download_code(refused: DownloadRefused) -> &'static str {
    match refused {
        DownloadRefused::FileName(_) | DownloadRefused::Disposition | DownloadRefused::VersionId => "invalid_request",
        DownloadRefused::ContentType => "invalid_content_type",
        DownloadRefused::ContentTypeNotAllowed => "response_type_not_allowed",
        DownloadRefused::Public(_) => "override_unavailable",
    }
}

fn bucket_sentence(error: &BucketError) -> &'static str {
    match error {
        BucketError::Unreachable(_) => "the bucket cannot be reached",
        BucketError::TimedOut => "the bucket did not answer in time",
        BucketError::Refused { .. } => "the bucket refused the call",
        BucketError::WrongGrant => "the call could not be made",
        BucketError::NoCredentials => "the call cannot be signed now",
        BucketError::TakenForDown { .. } => "the bucket is down, and is tried again once a second",
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(reason) => Self::Unauthorized(Some(reason)),
            AuthError::KeysUnavailable => Self::KeysUnavailable,
        }
    }
}

impl From<LegacyError> for ApiError {
    fn from(error: LegacyError) -> Self {
        match error {
            LegacyError::Key(error) => Self::InvalidKey(error),
            other => Self::UnknownUrl(other),
        }
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax(reason) => Self::InvalidJson(reason),
            JsonError::Shape(reason) => Self::InvalidRequest(reason),
        }
    }
}

impl ApiError {
    /// The stable code. Clients match on it, never on the text.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) | Self::Plan(_) => "invalid_request",
            Self::InvalidJson(_) => "invalid_json",
            Self::BatchTooLarge { .. } => "batch_too_large",
            Self::InvalidKey(_) | Self::Presign(PresignError::KeyTemplate) => "invalid_key",
            Self::UnknownUrl(_) => "unknown_url",
            Self::Upload(refused) => upload_code(refused),
            Self::Form(_) => "form_unavailable",
            Self::Session(_) => "sts_unavailable",
            Self::StsFailed => "sts_failed",
            Self::Download(refused) => download_code(*refused),
            Self::MultipartOff => "multipart_off",
            Self::UploadToken(_) => "invalid_upload_token",
            Self::NotYourUpload => "not_your_upload",
            Self::UploadExpired => "upload_expired",
            Self::UploadNotFound => "upload_not_found",
            Self::PartsDiffer { .. } => "upload_incomplete",
            Self::ObjectExists => "object_exists",
            Self::Unauthorized(_) => "unauthorized",
            Self::Denied(Denied::NoStore) => "store_missing",
            Self::Denied(Denied::OutsideStore) => "key_outside_store",
            Self::Denied(Denied::OutsidePrefixes) => "key_outside_prefixes",
            Self::Denied(Denied::Operation) => "operation_not_allowed",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::NotFound => "not_found",
            Self::ObjectNotFound => "object_not_found",
            Self::ObjectDiffers(_) => "object_differs",
            Self::ChecksumUnknown => "checksum_unknown",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::Gone => "gone",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::UriTooLong { .. } => "uri_too_long",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Bucket(BucketError::TimedOut) => "bucket_timeout",
            Self::Bucket(BucketError::Unreachable(_) | BucketError::Refused { .. }) => "bucket_failed",
            Self::Internal
            | Self::Bucket(BucketError::WrongGrant)
            | Self::Presign(
                PresignError::Expires
                | PresignError::TooManyHeaders
                | PresignError::OtherStorage
                | PresignError::OtherCall,
            ) => "internal",
            Self::BucketUnavailable(_) | Self::Bucket(BucketError::TakenForDown { .. }) => "bucket_unavailable",
            Self::NotReady | Self::NoKeys | Self::NoCredentials => "not_ready",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Bucket(BucketError::NoCredentials) | Self::Presign(PresignError::NoCredentials) => {
                "credentials_unavailable"
            }
            Self::Limited(Limited::Overloaded) => "overloaded",
            Self::Limited(Limited::Subject { .. } | Limited::Store { .. }) => "rate_limited",
            Self::Limited(Limited::Quota { .. }) => "quota_exceeded",
            Self::Audit(AuditUnavailable) => "audit_unavailable",
            Self::Presign(PresignError::Clock) => "clock_unusable",
        }
    }

    /// The status that goes with the code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        let code = self.code();
        let row = CODES.iter().find(|(name, _, _)| *name == code);
        row.and_then(|(_, status, _)| StatusCode::from_u16(*status).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// One of each; the codes they give are the whole list.
    fn every_failure() -> Vec<ApiError> {
        vec![
            ApiError::InvalidRequest(String::new()),
            ApiError::InvalidJson(String::new()),
            ApiError::BatchTooLarge { limit: 1 },
            KeyError::Empty.into(),
            LegacyError::Unlisted.into(),
            UploadRefused::ContentType.into(),
            DownloadRefused::ContentTypeNotAllowed.into(),
            DownloadRefused::Public("filename").into(),
            UploadRefused::ChecksumMissing.into(),
            UploadRefused::ChecksumDiffers.into(),
            UploadRefused::ChecksumUnavailable.into(),
            UploadRefused::WriteOnceUnavailable.into(),
            UploadRefused::LengthUnavailable.into(),
            Broken.into(),
            FormRefused::PROVIDER.into(),
            SessionError::from(SessionRefused::OFF).into(),
            ApiError::Unauthorized(None),
            Denied::NoStore.into(),
            Denied::OutsideStore.into(),
            Denied::OutsidePrefixes.into(),
            Denied::Operation.into(),
            ApiError::NotYourUpload,
            ApiError::OriginNotAllowed,
            ApiError::NotFound,
            ApiError::ObjectNotFound,
            ApiError::MultipartOff,
            ApiError::UploadNotFound,
            ApiError::MethodNotAllowed(String::new()),
            ApiError::RequestTimeout,
            ApiError::ObjectDiffers(vec!["contentLength"]),
            ApiError::ChecksumUnknown,
            ApiError::PartsDiffer { missing: vec![1], wrong: vec![] },
            ApiError::ObjectExists,
            ApiError::UploadExpired,
            ApiError::Gone,
            ApiError::BodyTooLarge { limit: 1 },
            UploadRefused::TooLarge { limit: 1 }.into(),
            ApiError::UriTooLong { limit: 1 },
            ApiError::UnsupportedMediaType,
            UploadRefused::ContentTypeNotAllowed.into(),
            Limited::Store { wait: Duration::ZERO }.into(),
            Limited::Quota { wait: Duration::ZERO }.into(),
            ApiError::Internal,
            BucketError::Refused { status: 403, code: "AccessDenied".into() }.into(),
            SessionError::Failed.into(),
            ApiError::BucketUnavailable(ProbeFailure::Clock),
            ApiError::NotReady,
            ApiError::KeysUnavailable,
            PresignError::NoCredentials.into(),
            Limited::Overloaded.into(),
            AuditUnavailable.into(),
            PresignError::Clock.into(),
            BucketError::TimedOut.into(),
        ]
    }

    #[test]
    fn the_list_of_codes_is_closed_and_complete() {
        let given: Vec<_> = every_failure().iter().map(ApiError::code).collect();
        let listed: Vec<_> = CODES.iter().map(|(code, _, _)| *code).collect();
        assert_eq!(given, listed);
    }

    #[test]
    fn every_code_stands_in_the_guide() {
        let guide = include_str!("../guide/api.md");
        for (code, status, meaning) in CODES {
            let row = format!("| `{code}` | {status} | {meaning} |");
            assert!(guide.contains(&row), "the guide lacks: {row}");
        }
    }

    #[test]
    fn sentences_are_plain() {
        for failure in every_failure() {
            let text = failure.to_string();
            assert!(!text.ends_with('.') && !text.contains("failed to"), "{text}");
        }
    }
}
