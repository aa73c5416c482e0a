//! The template as a whole.

use std::fmt::Write as _;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::failures::{failures_of, header_refs, named, response};
use super::{Operation, Shape, Takes, operation_of};
use crate::api::failure::ErrorBody;
use crate::api::openapi::shapes::OldUrl;
use crate::api::openapi::{IF, WHEN};
use crate::api::{Endpoint, Route, described_routes};

const ABOUT: &str = "Decides who may touch which object key and mints short-lived URLs for it; bytes go straight to the bucket.\n\n\
    Every answer has an `X-Request-Id`, `Cache-Control: no-store` unless it says otherwise, `Referrer-Policy: no-referrer` and \
    `X-Content-Type-Options: nosniff`. A GET that needs no token is answered to HEAD, too. Unknown members and parameters are \
    ignored; doubled ones are refused. `/health`, `/livez` and `/readyz` are answered at the root, too, without the path of the server. Match failures on `code`, never on the text. What no operation lists: 404 `not_found` \
    for another path, 405 `method_not_allowed` with `Allow` for another method, 403 `origin_not_allowed` for a preflight \
    from a page that may not call, and without a body 400 and 431 for what is no request, or too large a head.";

/// Answers that the service gave to examples, by operation, and failures, by code (`tests/api/openapi.rs`).
pub(super) fn examples() -> Value {
    serde_json::from_str(include_str!("../examples.json")).unwrap()
}

/// Schemas that requests have, or that answers have: an absent member of the one may be a certain one of the other.
struct Generators {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

fn generator(settings: SchemaSettings) -> SchemaGenerator {
    let at_components = |settings: &mut SchemaSettings| settings.definitions_path = "/components/schemas".into();
    settings.with(at_components).into_generator()
}

/// The document before any setting is known.
pub(super) fn template() -> Value {
    let mut generators = Generators {
        requests: generator(SchemaSettings::draft2020_12()),
        answers: generator(SchemaSettings::draft2020_12().for_serialize()),
    };
    let examples = examples();
    let failures = named();
    let mut paths = Map::new();
    for route in described_routes() {
        let item = paths.entry(template_path(route)).or_insert_with(|| json!({}));
        if route.path.contains(':') {
            item[WHEN] = json!("redirect");
        }
        item[route.method.to_lowercase()] = operation(route, &mut generators, &examples);
    }
    let responses: Map<_, _> =
        failures.iter().map(|(failure, name)| (name.clone(), response(failure, &examples["failures"]))).collect();
    generators.answers.subschema_for::<ErrorBody<'_>>();
    generators.requests.subschema_for::<OldUrl>();
    let mut schemas = generators.requests.take_definitions(true);
    for (name, schema) in generators.answers.take_definitions(true) {
        let other = schemas.insert(name.clone(), schema.clone());
        assert!(other.is_none_or(|other| other == schema), "{name} is two schemas");
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "filesync-signer",
            "version": "{{version}}",
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "{{server}}" }],
        "security": [
            { "bearer": [] },
            { "cookie": [], WHEN: "cookie" },
            { "workerHeader": [], WHEN: "worker header" },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "headers": headers(),
            "securitySchemes": {
                "bearer": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "A token of your identity provider that names the caller's store.",
                },
                "cookie": {
                    WHEN: "cookie", "type": "apiKey", "in": "cookie", "name": "{{cookie}}",
                    "description": "The same token. What changes something is refused unless an `Origin` on the list comes along.",
                },
                "workerHeader": {
                    WHEN: "worker header", "type": "apiKey", "in": "header", "name": "X-Worker-Auth",
                    "description": "The same token, with `Bearer` in front or without.",
                },
            },
        },
    })
}

/// `:name` as `{name}`, below the files root as it is configured.
fn template_path(route: &Route) -> String {
    let segment = |segment: &str| match segment.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None if route.path.contains(':') && segment == "livestore-filesync-files" => "{{files_root}}".to_owned(),
        None => segment.to_owned(),
    };
    route.path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn operation(route: &Route, generators: &mut Generators, examples: &Value) -> Value {
    let (resource, operation) = operation_of(route);
    let example = &examples["operations"][operation.id];
    let is_open = matches!(route.endpoint, Endpoint::Open(_));
    let needs = if is_open { String::new() } else { format!("Needs: {}. ", route.needs) };
    let mut json = json!({
        "operationId": operation.id,
        "summary": route.summary,
        "description": format!("{needs}{}", operation.description).trim_end(),
        "tags": [resource],
        "responses": responses(route, operation, generators, example),
    });
    if is_open {
        json["security"] = json!([]);
    }
    if operation.gives.is_empty() {
        json["deprecated"] = json!(true);
    }
    let mut parameters = path_parameters(route);
    match operation.takes {
        Takes::Nothing => {}
        Takes::Query(shape, left_out) => parameters.extend(query_parameters(shape, left_out, &example["query"])),
        Takes::Body(shape) => {
            let mut content = json!({ "schema": shape(&mut generators.requests) });
            if let Some(body) = example.get("body") {
                content["example"] = body.clone();
            }
            json["requestBody"] = json!({ "required": true, "content": { "application/json": content } });
        }
    }
    if !parameters.is_empty() {
        json["parameters"] = json!(parameters);
    }
    json
}

fn path_parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|segment| segment.strip_prefix(':'));
    let parameter = |name| {
        let pattern = match name {
            "storeId" => "^(?!\\.{1,2}$)[A-Za-z0-9._-]+$",
            _ => r"^(?!\.{1,2}$)(?!.*%[0-9A-Fa-f]{2})[^/\\\u0000-\u001f\u007f-\u009f\u2028\u2029]+$",
        };
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "pattern": pattern } })
    };
    names.map(parameter).collect()
}

/// The fields of a type, each as a parameter. In a query there is no null: what is not there is left out.
fn query_parameters(shape: Shape, left_out: &[&str], example: &Value) -> Vec<Value> {
    let mut generator = generator(SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = false));
    let reference = shape(&mut generator);
    let name = reference.get("$ref").and_then(Value::as_str).unwrap().rsplit('/').next().unwrap();
    let definitions = generator.take_definitions(true);
    let fields = definitions[name]["properties"].as_object().unwrap();
    let required = definitions[name]["required"].as_array().cloned().unwrap_or_default();
    let parameter = |(name, field): (&String, &Value)| {
        let mut schema = without_null(field);
        let description = schema.as_object_mut().unwrap().remove("description");
        let when = schema.as_object_mut().unwrap().remove(WHEN);
        let mut parameter = json!({ "name": name, "in": "query", "schema": schema });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        if let Some(when) = when {
            parameter[WHEN] = when;
        }
        if required.contains(&json!(name)) {
            parameter["required"] = json!(true);
        }
        if name == "key" {
            parameter[IF] = json!([{ WHEN: "no urls", "then": { "required": true } }]);
        }
        if let Some(value) = example.get(name) {
            parameter["example"] = value.clone();
        }
        parameter
    };
    fields.iter().filter(|(name, _)| !left_out.contains(&name.as_str())).map(parameter).collect()
}

fn without_null(field: &Value) -> Value {
    let mut field = field.clone();
    let members = field.as_object_mut().unwrap();
    if let Some(kinds) = members.get("type").and_then(Value::as_array) {
        let kind = kinds.iter().find(|kind| *kind != "null").unwrap().clone();
        members.insert("type".to_owned(), kind);
    }
    if let Some(choices) = members.get_mut("enum").and_then(Value::as_array_mut) {
        choices.retain(|choice| !choice.is_null());
    }
    field
}

fn responses(route: &Route, operation: &Operation, generators: &mut Generators, example: &Value) -> Value {
    let mut responses = Map::new();
    for (status, sentence, shape) in operation.gives {
        let headers = match status {
            307 => header_refs(&["X-Request-Id", "Location", "Vary"]),
            _ => header_refs(&["X-Request-Id", "Cache-Control"]),
        };
        let mut given = json!({ "description": sentence, "headers": headers });
        if let Some(shape) = shape {
            let mut content = json!({ "schema": shape(&mut generators.answers) });
            if let Some(answer) = example.get("answer") {
                content["example"] = answer.clone();
            }
            given["content"] = json!({ "application/json": content });
        }
        responses.insert(status.to_string(), given);
    }
    let names = named();
    for failure in failures_of(route) {
        let name = &names[&failure];
        responses.insert(failure.0.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }));
    }
    Value::Object(responses)
}

fn headers() -> Value {
    let header = |description: &str, required: bool, schema: Value| json!({ "description": description, "required": required, "schema": schema });
    json!({
        "X-Request-Id": header(
            "The request's own, if it was plain, else a new one; the log has it. Missing only where a connection is refused \
             before its request is read.",
            false,
            json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" }),
        ),
        "Cache-Control": header("Nobody keeps the answer.", true, json!({ "const": "no-store" })),
        "Retry-After": header("When to ask again, in seconds.", true, json!({ "type": "integer", "minimum": 1 })),
        "WWW-Authenticate": header("How to get in.", true, json!({ "const": "Bearer" })),
        "Location": header("The URL at the bucket.", true, json!({ "type": "string", "format": "uri" })),
        "Vary": header("What of a request decides about the answer.", true, json!({ "type": "string" })),
    })
}

/// As text that people can compare: a line for each operation's member and each component.
pub(super) fn text_of(template: &Value) -> String {
    let mut text = String::new();
    write(template, 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    const DEEPEST: usize = 4;
    match value {
        Value::Object(members) if depth < DEEPEST && !members.is_empty() => {
            text.push('{');
            for (i, (name, member)) in members.iter().enumerate() {
                text.push_str(if i > 0 { ",\n" } else { "\n" });
                text.push_str(&" ".repeat(depth + 1));
                let _ = write!(text, "{}: ", Value::from(name.as_str()));
                write(member, depth + 1, text);
            }
            let _ = write!(text, "\n{}}}", " ".repeat(depth));
        }
        other => text.push_str(&other.to_string()),
    }
}
