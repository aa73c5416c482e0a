//! What nobody needs a token for: how the service is, and what it can do.

use schemars::JsonSchema;

use super::{Operation, Shape, Takes, of};
use crate::api::health::HealthAnswer;
use crate::api::openapi::shapes::Document;

const WELL: &[(u16, &str, Option<Shape>)] = &[(200, "It is.", Some(of::<HealthAnswer<'_>>))];

/// The query of `/health`.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "its fields are read as parameters, by name")]
struct OneStorage {
    /// One of several storages, by its name.
    storage: Option<String>,
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        row: ("GET", "/health"),
        id: "health",
        description: "Answered from memory: nobody is asked.",
        takes: Takes::Query(of::<OneStorage>, &[]),
        gives: &[(200, "The bucket can be used; of several storages any.", Some(of::<HealthAnswer<'_>>))],
        codes: &["bucket_unavailable"],
    },
    Operation { row: ("GET", "/livez"), id: "livez", description: "", takes: Takes::Nothing, gives: WELL, codes: &[] },
    Operation {
        row: ("GET", "/readyz"),
        id: "readyz",
        description: "",
        takes: Takes::Nothing,
        gives: WELL,
        codes: &["not_ready"],
    },
    Operation {
        row: ("GET", "/openapi.json"),
        id: "openapi",
        description: "",
        takes: Takes::Nothing,
        gives: &[(200, "This document.", Some(of::<Document>))],
        codes: &[],
    },
];
