//! `/multipart`

use super::{Operation, Takes, of};
use crate::api::multipart::begin::{BeginAnswer, BeginRequest};
use crate::api::multipart::finish::{CompleteAnswer, CompleteRequest, ListAnswer};
use crate::api::multipart::sign::{SignAnswer, SignRequest};
use crate::api::openapi::shapes::NamedUpload;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        row: ("POST", "/multipart"),
        id: "beginMultipart",
        description: "The bucket is asked. What nobody completes or aborts stays there, unseen.",
        takes: Takes::Body(of::<BeginRequest>),
        gives: &[(200, "The upload is begun.", Some(of::<BeginAnswer<'_>>))],
        codes: &[
            "checksum_missing",
            "checksum_unavailable",
            "content_type_not_allowed",
            "invalid_content_type",
            "invalid_key",
            "multipart_off",
            "quota_exceeded",
            "unknown_url",
            "upload_too_large",
            "write_once_unavailable",
        ],
    },
    Operation {
        row: ("GET", "/multipart"),
        id: "listMultipart",
        description: "The bucket is asked, as often as its pages need.",
        takes: Takes::Query(of::<NamedUpload>, &[]),
        gives: &[(200, "What is there.", Some(of::<ListAnswer<'_>>))],
        codes: &["invalid_upload_token", "multipart_off", "not_your_upload", "upload_expired", "upload_not_found"],
    },
    Operation {
        row: ("DELETE", "/multipart"),
        id: "abortMultipart",
        description: "",
        takes: Takes::Query(of::<NamedUpload>, &[]),
        gives: &[(204, "The parts are gone, or never were.", None)],
        codes: &["invalid_upload_token", "multipart_off", "not_your_upload", "upload_not_found"],
    },
    Operation {
        row: ("POST", "/multipart/sign"),
        id: "signParts",
        description: "Up to 1,000 parts. Nobody is asked.",
        takes: Takes::Body(of::<SignRequest<'_>>),
        gives: &[(200, "A URL for each part, in the order asked.", Some(of::<SignAnswer<'_>>))],
        codes: &[
            "batch_too_large",
            "clock_unusable",
            "credentials_unavailable",
            "invalid_upload_token",
            "multipart_off",
            "not_your_upload",
            "upload_expired",
            "upload_not_found",
        ],
    },
    Operation {
        row: ("POST", "/multipart/complete"),
        id: "completeMultipart",
        description: "May be asked again: it says the same once the object is there.",
        takes: Takes::Body(of::<CompleteRequest<'_>>),
        gives: &[(200, "The object is there.", Some(of::<CompleteAnswer<'_>>))],
        codes: &[
            "checksum_missing",
            "checksum_unavailable",
            "content_type_not_allowed",
            "invalid_content_type",
            "invalid_upload_token",
            "multipart_off",
            "not_your_upload",
            "object_exists",
            "upload_expired",
            "upload_incomplete",
            "upload_not_found",
            "upload_too_large",
            "write_once_unavailable",
        ],
    },
];
