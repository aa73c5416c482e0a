//! The surface as `OpenAPI` 3.1: `GET /openapi.json` and `signer openapi`.
//!
//! `template.json` is written from the route tables, the body types and the codes by a test of `describe`, and
//! compared with them in every run of it, so that it cannot say anything else than the code. The types' descriptions
//! are in no build but that of tests. What follows from the settings is put in here: `{{name}}` for a value,
//! `x-when` and `x-if` for what is there under a condition only.

#[cfg(test)]
mod describe;
#[cfg(test)]
pub(super) mod shapes;

use std::sync::OnceLock;

use hyper::StatusCode;
use serde_json::Value;

use super::{App, Call, Endpoint, Reply, Route};
use crate::config::Surface;
use crate::domain::key::KeyFormat;

const TEMPLATE: &str = include_str!("template.json");

/// Says under which condition the object is there that has it as a member.
const WHEN: &str = "x-when";
/// Holds what else an object has under conditions: `[{"x-when": …, "then": {…}}]`.
const IF: &str = "x-if";

/// One segment of a key: none of the characters that no key has. It and what is built of it is ECMA 262, as JSON
/// Schema has it.
const SEGMENT: &str = r"[^/\\\u0000-\u001f\u007f-\u009f\u2028\u2029]+";
/// No dot segment, behind a slash in front or not, and nothing that looks percent-encoded.
const NOT_AMBIGUOUS: &str = r"(?!/?(?:.*/)?\.{1,2}(?:/|$))(?!.*%[0-9A-Fa-f]{2})";

pub(super) const ROUTES: &[Route] = &[Route {
    method: "GET",
    path: "/openapi.json",
    needs: "nobody",
    summary: "This surface as OpenAPI 3.1, as it is configured",
    endpoint: Endpoint::Open(openapi),
}];

/// The document for one configuration, written when it is first asked for.
#[derive(Debug)]
pub(super) struct Description {
    surface: Surface,
    bytes: OnceLock<Vec<u8>>,
}

impl Description {
    pub(super) fn of(surface: Surface) -> Self {
        Self { surface, bytes: OnceLock::new() }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get_or_init(|| document(&self.surface).to_string().into_bytes())
    }
}

fn openapi(app: &App, _: &Call<'_>) -> Reply {
    Reply { body: Some(app.description.bytes().to_vec()), ..Reply::empty(StatusCode::OK) }
}

/// The `OpenAPI` document of a surface.
#[must_use]
pub fn document(surface: &Surface) -> Value {
    // The template is JSON and the values are escaped: tests read what comes of both.
    let mut document = serde_json::from_str(&filled(surface)).unwrap_or_default();
    keep(&mut document, surface);
    document
}

/// The template with the values of this surface.
fn filled(surface: &Surface) -> String {
    let rules = &surface.key_rules;
    let values = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("server", if surface.base_path.is_empty() { "/" } else { &surface.base_path }),
        ("files_root", &rules.files_root),
        ("cookie", surface.places.cookie.as_deref().unwrap_or_default()),
        ("key_pattern", &key_pattern(surface)),
    ];
    let text = TEMPLATE.replace("\"{{max_key_bytes}}\"", &rules.max_bytes.to_string());
    values.iter().fold(text, |text, (name, value)| {
        let quoted = Value::from(*value).to_string();
        let escaped = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
        text.replace(&format!("{{{{{name}}}}}"), escaped)
    })
}

/// What [`crate::domain::key::ObjectKey::parse`] takes, but for the length.
fn key_pattern(surface: &Surface) -> String {
    let rules = &surface.key_rules;
    let root = match rules.files_root.as_str() {
        "" => String::new(),
        root => format!("(?:{}/)?", literal(root)),
    };
    match rules.format {
        KeyFormat::Path => format!("^{NOT_AMBIGUOUS}/?{root}{SEGMENT}(?:/{SEGMENT})+$"),
        KeyFormat::ContentAddressed => format!("^{NOT_AMBIGUOUS}/?{root}{SEGMENT}/[0-9a-f]{{64}}$"),
    }
}

/// A text as a pattern for itself alone.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if "\\^$.*+?()[]{}|".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// Drops every object and member whose condition does not hold, and the conditions.
fn keep(value: &mut Value, surface: &Surface) {
    match value {
        Value::Object(members) => {
            members.remove(WHEN);
            if let Some(Value::Array(cases)) = members.remove(IF) {
                let held = cases.into_iter().filter(|case| holds(case, surface));
                members.extend(
                    held.filter_map(|mut case| case.get_mut("then")?.as_object_mut().map(std::mem::take)).flatten(),
                );
            }
            members.retain(|_, member| holds(member, surface));
            for member in members.values_mut() {
                keep(member, surface);
            }
        }
        Value::Array(items) => {
            items.retain(|item| holds(item, surface));
            for item in items {
                keep(item, surface);
            }
        }
        _ => {}
    }
}

fn holds(value: &Value, surface: &Surface) -> bool {
    match value.get(WHEN).and_then(Value::as_str) {
        None => true,
        Some("urls") => surface.takes_urls,
        Some("no urls") => !surface.takes_urls,
        Some("redirect") => surface.redirect,
        Some("cookie") => surface.places.cookie.is_some(),
        Some("worker header") => surface.places.worker_header,
        // A test sees to it that there is no other.
        Some(_) => false,
    }
}
