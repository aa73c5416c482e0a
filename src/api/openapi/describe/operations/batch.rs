//! `/batch` and its shorthands.

use super::{Operation, Shape, Takes, of};
use crate::api::batch::{BatchRequest, DownloadsRequest, UploadsRequest};
use crate::api::openapi::shapes::Batch;

const EACH: &[(u16, &str, Option<Shape>)] =
    &[(200, "The batch was read; each result has a status of its own.", Some(of::<Batch>))];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        row: ("POST", "/batch"),
        id: "batch",
        description: "Operations are in no order. One that fails, malformed ones included, changes nothing for the others.",
        takes: Takes::Body(of::<BatchRequest<'_>>),
        gives: EACH,
        codes: &["batch_too_large"],
    },
    Operation {
        row: ("POST", "/download-urls"),
        id: "downloadUrls",
        description: "A key that is none fails alone.",
        takes: Takes::Body(of::<DownloadsRequest<'_>>),
        gives: EACH,
        codes: &["batch_too_large"],
    },
    Operation {
        row: ("POST", "/upload-urls"),
        id: "uploadUrls",
        description: "An item that is none fails alone.",
        takes: Takes::Body(of::<UploadsRequest<'_>>),
        gives: EACH,
        codes: &["batch_too_large"],
    },
];
