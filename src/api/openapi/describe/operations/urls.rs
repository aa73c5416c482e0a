//! `/download-url`, `/upload-url`, `/delete-url`, and the names that the published client has for them.

use super::{Operation, Shape, Takes, of};
use crate::api::openapi::shapes::SignDownloadRequest;
use crate::api::urls::{DownloadRequest, KeyRequest, SignedUrlAnswer, UploadRequest};

const SIGNED: &[(u16, &str, Option<Shape>)] =
    &[(200, "A URL, and what to send with it.", Some(of::<SignedUrlAnswer<'_>>))];
/// Failures of whatever signs a download.
pub(super) const DOWNLOAD: &[&str] = &[
    "invalid_key",
    "unknown_url",
    "invalid_content_type",
    "response_type_not_allowed",
    "override_unavailable",
    "credentials_unavailable",
    "clock_unusable",
];
const UPLOAD: &[&str] = &[
    "invalid_key",
    "unknown_url",
    "invalid_content_type",
    "checksum_missing",
    "checksum_mismatch",
    "checksum_unavailable",
    "upload_too_large",
    "content_type_not_allowed",
    "quota_exceeded",
    "credentials_unavailable",
    "clock_unusable",
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        row: ("GET", "/download-url"),
        id: "downloadUrl",
        description: "The bytes come from the bucket: follow `url` with `method`. Where `download.mode` is `public` the URL is \
                      not signed and does not end.",
        takes: Takes::Query(of::<DownloadRequest<'_>>, &[]),
        gives: SIGNED,
        codes: DOWNLOAD,
    },
    Operation {
        row: ("POST", "/upload-url"),
        id: "uploadUrl",
        description: "The bytes go to the bucket: send them to `url` with `method` and all of `headers`. Length, type and \
                      checksum are bound where they are known.",
        takes: Takes::Body(of::<UploadRequest>),
        gives: SIGNED,
        codes: UPLOAD,
    },
    Operation {
        row: ("POST", "/delete-url"),
        id: "deleteUrl",
        description: "",
        takes: Takes::Body(of::<KeyRequest>),
        gives: SIGNED,
        codes: &["invalid_key", "unknown_url", "credentials_unavailable", "clock_unusable"],
    },
    Operation {
        row: ("POST", "/v1/sign/upload"),
        id: "signUpload",
        description: "",
        takes: Takes::Body(of::<UploadRequest>),
        gives: SIGNED,
        codes: UPLOAD,
    },
    Operation {
        row: ("POST", "/v1/sign/download"),
        id: "signDownload",
        description: "",
        takes: Takes::Body(of::<SignDownloadRequest>),
        gives: SIGNED,
        codes: DOWNLOAD,
    },
];
