//! What each route takes and gives, and the template of the document that is made of it.
//!
//! # To describe a route
//!
//! A row in the table of its resource, here: what it takes, what it gives, and which codes it can fail with besides
//! those that all of its kind have (`failures`). Its types get `#[cfg_attr(test, derive(schemars::JsonSchema))]`. An
//! answer with a body wants an example: a row in `EXAMPLES` of `tests/api/openapi.rs`. Then
//!
//! ```text
//! WRITE_OPENAPI=1 cargo test --test api openapi_examples
//! WRITE_OPENAPI=1 cargo test --lib openapi
//! ```
//!
//! writes both files. Every answer of the api ring is held against the result.

mod failures;
mod operations;
mod template;
mod tests;

use schemars::{Schema, SchemaGenerator};

use crate::api::Route;

/// Writes the schema of a type, or where it is.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One route, as the document has it.
#[derive(Debug)]
pub(super) struct Operation {
    /// Method and path of its row.
    pub(super) row: (&'static str, &'static str),
    /// Unique, and what generated clients call their functions.
    pub(super) id: &'static str,
    /// What the summary does not say, in one sentence or two; may be empty.
    pub(super) description: &'static str,
    /// What the request carries.
    pub(super) takes: Takes,
    /// Answers that are no failures, each with its sentence.
    pub(super) gives: &'static [(u16, &'static str, Option<Shape>)],
    /// Failures that not all routes of its kind have.
    pub(super) codes: &'static [&'static str],
}

/// What a request carries besides its path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes {
    /// Nothing that is looked at.
    Nothing,
    /// The fields of a type as query parameters, but for those named.
    Query(Shape, &'static [&'static str]),
    /// A JSON object.
    Body(Shape),
}

/// The description of a row, behind what the document calls its resource.
fn operation_of(route: &Route) -> (&'static str, &'static Operation) {
    let found = operations::all().find(|(_, operation)| operation.row == (route.method, route.path));
    found.unwrap_or_else(|| {
        panic!(
            "{} {} has no description for OpenAPI: add a row for it below src/api/openapi/describe/operations, as \
             src/api/openapi/describe/mod.rs says",
            route.method, route.path
        )
    })
}
