//! Schemas of texts and of what is read piece by piece: what no derive can know of a type. Each says what the code
//! takes; the service is tried with data from both sides of them (`tests/e2e/openapi.test.mjs`).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{IF, WHEN};
use crate::api::CODES;
use crate::api::batch::{ObjectRequest, Op};
use crate::api::failure::FailedEntry;
use crate::api::objects::Described;
use crate::api::urls::{DownloadRequest, KeyRequest, SignedUrlAnswer, UploadRequest};

/// A type for each schema: by its name a component of the document, or without one written out where it stands.
macro_rules! shapes {
    ($($name:ident $(as $component:literal)?: $schema:expr;)+) => {$(
        pub(in crate::api) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                [$($component.is_empty(),)? true].first() == Some(&true)
            }

            fn schema_name() -> Cow<'static, str> {
                [$($component,)? stringify!($name)].first().copied().unwrap_or_default().into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let schema: fn(&mut SchemaGenerator) -> Schema = $schema;
                schema(generator)
            }
        }
    )+};
}

/// RFC 9110 section 5.6.2.
const TOKEN: &str = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/// The same without `*`, which in a media type is a pattern to some who read it.
const PLAIN_TOKEN: &str = r"[!#$%&'+.^_`|~0-9A-Za-z-]+";

fn media_type(token: &str) -> String {
    format!(r#"{token}/{token}(?:; ?{token}=(?:{token}|"[!#-:<-\[\]-~]*"))*"#)
}

shapes! {
    Key as "Key": |_| json_schema!({
        "type": "string",
        "description": "The name of an object: `<store>/<name>`, the name with further slashes if need be. No segment is empty, `.` or `..`; no control character, no backslash, nothing that looks percent-encoded. It may be so many bytes of UTF-8 long as `maxLength` says; a files root in front, and a slash before that, are dropped.",
        "minLength": 3,
        "maxLength": "{{max_key_bytes}}",
        "pattern": "{{key_pattern}}",
    });
    OldUrl as "OldUrl": |_| json_schema!({
        WHEN: "urls",
        "type": "string",
        "description": "A URL under `migration.legacy_urls`, in place of the key that it names.",
    });
    NamedUpload as "NamedUpload": |_| json_schema!({
        "type": "object",
        "properties": { "uploadToken": { "type": "string", "description": "What `POST /multipart` gave." } },
        "required": ["uploadToken"],
    });
    UtcSecond: |_| json_schema!({
        "type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
    });
    Sha256: |_| json_schema!({
        "type": "string", "pattern": "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$",
    });
    SentType: |_| json_schema!({
        "type": "string", "maxLength": 255, "pattern": format!("^(?:{})?$", media_type(TOKEN)),
    });
    AnsweredType: |_| json_schema!({
        "type": "string", "maxLength": 255, "pattern": format!("^{}$", media_type(PLAIN_TOKEN)),
    });
    SignDownloadRequest as "SignDownloadRequest": |generator| {
        let mut schema = DownloadRequest::json_schema(generator);
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        properties.unwrap().remove("method").expect("what sign_download sets itself");
        schema
    };
    FileName: |_| json_schema!({
        "type": "string", "maxLength": 255, "pattern": r"^[^/\\\u0000-\u001f\u007f-\u009f\u2028\u2029]+$",
    });
    Code as "Code": |_| {
        let codes: Vec<_> = CODES.iter().map(|(code, _, _)| code).collect();
        let meanings: Vec<_> = CODES.iter().map(|(_, _, meaning)| meaning).collect();
        json_schema!({
            "type": "string",
            "description": "What went wrong, for programs. The list is closed.",
            "enum": codes,
            "x-enum-descriptions": meanings,
        })
    };
    Operation as "Operation": operation;
    BatchResult as "BatchResult": result;
    Batch as "BatchAnswer": |generator| json_schema!({
        "type": "object",
        "description": "How each ended, in the order of the request.",
        "properties": { "results": { "type": "array", "items": generator.subschema_for::<BatchResult>() } },
        "required": ["results"],
    });
    Document: |_| json_schema!({ "type": "object", "required": ["openapi", "info", "paths"] });
}

/// The fields of one operation of a batch, by the name of its kind.
fn operation(generator: &mut SchemaGenerator) -> Schema {
    let names = Op::json_schema(generator);
    let names: Vec<_> = names.get("enum").and_then(Value::as_array).unwrap().iter().filter_map(Value::as_str).collect();
    let kinds = names.iter().map(|name| {
        let fields = match *name {
            "download" => generator.subschema_for::<DownloadRequest<'_>>(),
            "upload" => generator.subschema_for::<UploadRequest>(),
            "delete-url" => generator.subschema_for::<KeyRequest>(),
            "delete" | "head" => generator.subschema_for::<ObjectRequest<'_>>(),
            other => panic!("the batch operation {other} has no schema: add it to src/api/openapi/shapes.rs"),
        };
        json!({ "allOf": [{ "type": "object", "properties": { "op": { "const": name } }, "required": ["op"] }, fields] })
    });
    let kinds: Vec<_> = kinds.collect();
    json_schema!({ "oneOf": kinds })
}

/// What `Entry` writes.
fn result(generator: &mut SchemaGenerator) -> Schema {
    let status = |status: u16| json!({ "type": "object", "properties": { "status": { "const": status } }, "required": ["status"] });
    json_schema!({ "oneOf": [
        { "allOf": [status(200), generator.subschema_for::<SignedUrlAnswer<'_>>()] },
        { "allOf": [status(200), generator.subschema_for::<Described<'_>>()] },
        status(204),
        generator.subschema_for::<FailedEntry>(),
    ] })
}

/// One of the two, or the first alone where no URL is known.
pub(in crate::api) fn key_or_url(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut).unwrap();
    for (name, component, when) in [("key", "Key", None), ("url", "OldUrl", Some("urls"))] {
        let mut property = json!({ "$ref": format!("#/components/schemas/{component}") });
        if let Some(when) = when {
            property[WHEN] = json!(when);
        }
        properties.insert(name.to_owned(), property);
    }
    let one = json!([{ "required": ["key"] }, { "required": ["url"] }]);
    let cases = json!([
        { WHEN: "no urls", "then": { "required": ["key"] } },
        { WHEN: "urls", "then": { "oneOf": one } },
    ]);
    schema.insert(IF.to_owned(), cases);
}
