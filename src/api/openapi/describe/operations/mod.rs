//! The tables, one for each resource.

mod batch;
mod files;
mod health;
mod multipart;
mod objects;
mod urls;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{Operation, Shape, Takes};

/// Every description of every resource, with what the document calls the resource.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static Operation)> {
    [
        ("Signed URLs", urls::OPERATIONS),
        ("Objects", objects::OPERATIONS),
        ("Batches", batch::OPERATIONS),
        ("Uploads in parts", multipart::OPERATIONS),
        ("Old gateway", files::OPERATIONS),
        ("Service", health::OPERATIONS),
    ]
    .into_iter()
    .flat_map(|(resource, operations)| operations.iter().map(move |operation| (resource, operation)))
}

/// The schema of a type.
fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const GONE_AFTERWARDS: (u16, &str, Option<Shape>) =
    (204, "The object is gone, or never was; with versioning a marker hides it.", None);
