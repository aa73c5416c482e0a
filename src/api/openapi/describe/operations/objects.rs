//! `/object`, `/confirm` and `/v1/delete`.

use super::{GONE_AFTERWARDS, Operation, Takes, of};
use crate::api::batch::ObjectRequest;
use crate::api::objects::{ConfirmRequest, DeleteRequest, Described};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        row: ("GET", "/object"),
        id: "describeObject",
        description: "The bucket is asked.",
        takes: Takes::Query(of::<ObjectRequest<'_>>, &[]),
        gives: &[(200, "What the bucket knows of it.", Some(of::<Described<'_>>))],
        codes: &["invalid_key", "unknown_url", "object_not_found"],
    },
    Operation {
        row: ("POST", "/confirm"),
        id: "confirmUpload",
        description: "The bucket is asked. Nothing else is remembered of an upload.",
        takes: Takes::Body(of::<ConfirmRequest>),
        gives: &[(200, "It is there, and as it should be.", Some(of::<Described<'_>>))],
        codes: &["invalid_key", "unknown_url", "object_not_found", "object_differs", "checksum_unknown"],
    },
    Operation {
        row: ("DELETE", "/object"),
        id: "deleteObject",
        description: "",
        takes: Takes::Query(of::<ObjectRequest<'_>>, &[]),
        gives: &[GONE_AFTERWARDS],
        codes: &["invalid_key", "unknown_url"],
    },
    Operation {
        row: ("POST", "/v1/delete"),
        id: "delete",
        description: "",
        takes: Takes::Body(of::<DeleteRequest>),
        gives: &[GONE_AFTERWARDS],
        codes: &["invalid_key", "unknown_url"],
    },
];
