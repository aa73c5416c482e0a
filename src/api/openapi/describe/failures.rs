//! How requests fail: the codes that all routes of a kind share, and the answers that they make with those of a route.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{Operation, Takes, operation_of};
use crate::api::{CODES, Endpoint, Route, described_routes};

/// Of every route: what is wrong with a request line, too slow, too much, or our fault.
const ANY: &[&str] = &["invalid_request", "request_timeout", "uri_too_long", "internal", "overloaded"];
/// Of all that is decided for a token.
const TOKEN: &[&str] = &["unauthorized", "rate_limited", "keys_unavailable", "audit_unavailable"];
/// Of every token that is good: not for this key. In a batch each entry says so itself.
const DECISION: &[&str] = &["store_missing", "key_outside_store", "key_outside_prefixes", "operation_not_allowed"];
const BODY: &[&str] = &["invalid_json", "body_too_large", "unsupported_media_type"];
/// Of a cookie, when something may change.
const OTHER_PAGE: &[&str] = &["origin_not_allowed"];
const BUCKET: &[&str] = &["bucket_failed", "bucket_unavailable", "credentials_unavailable", "bucket_timeout"];

fn codes_of(route: &Route, operation: &Operation) -> Vec<&'static str> {
    let needs_token = !matches!(route.endpoint, Endpoint::Open(_));
    // Parts are many, and of one object.
    let is_of_one = !operation.codes.contains(&"batch_too_large") || operation.codes.contains(&"not_your_upload");
    let decides_once = needs_token && is_of_one;
    let parts = [
        (ANY, true),
        (TOKEN, needs_token),
        (DECISION, decides_once),
        (BODY, matches!(operation.takes, Takes::Body(_))),
        (OTHER_PAGE, needs_token && !matches!(route.method, "GET" | "HEAD")),
        (BUCKET, matches!(route.endpoint, Endpoint::Act(_))),
        (operation.codes, true),
    ];
    parts.into_iter().filter(|(_, has)| *has).flat_map(|(codes, _)| codes).copied().collect()
}

/// A status, whether it has a body, and its codes.
pub(super) type Failure = (u16, bool, Vec<&'static str>);

/// The failures of a route, one for each status.
pub(super) fn failures_of(route: &Route) -> Vec<Failure> {
    let codes = codes_of(route, operation_of(route).1);
    let mut by_status: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for (code, status, _) in CODES.iter().filter(|(code, _, _)| codes.contains(code)) {
        by_status.entry(*status).or_default().push(code);
    }
    let known: usize = by_status.values().map(Vec::len).sum();
    let unique = codes.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(known, unique, "{} {} has a code that is not in CODES", route.method, route.path);
    by_status.into_iter().map(|(status, codes)| (status, route.method != "HEAD", codes)).collect()
}

/// Each distinct failure under its name: that of its status, and of the first route that has it where there are several.
pub(super) fn named() -> BTreeMap<Failure, String> {
    let mut first: BTreeMap<Failure, &'static str> = BTreeMap::new();
    for route in described_routes() {
        for failure in failures_of(route) {
            first.entry(failure).or_insert(operation_of(route).1.id);
        }
    }
    let of_status = |status: u16| first.keys().filter(|(other, _, _)| *other == status).count();
    let name = |(status, _, _): &Failure, id: &str| {
        let reason = StatusCode::from_u16(*status).unwrap().canonical_reason().unwrap().replace(' ', "");
        if of_status(*status) == 1 { reason } else { format!("{reason}_{id}") }
    };
    first.iter().map(|(failure, id)| (failure.clone(), name(failure, id))).collect()
}

/// The answer that a failure is. `examples` are failures that the service has answered with, by their codes.
pub(super) fn response((status, has_body, codes): &Failure, examples: &Value) -> Value {
    let meaning = |code: &str| CODES.iter().find(|(known, _, _)| *known == code).map(|(_, _, meaning)| *meaning);
    let description = match codes.as_slice() {
        [one] => meaning(one).unwrap().to_owned(),
        several => format!("`{}`", several.join("`, `")),
    };
    let mut headers = vec!["X-Request-Id", "Cache-Control"];
    headers.extend((*status == 401).then_some("WWW-Authenticate"));
    headers.extend((*status == 405).then_some("Allow"));
    headers.extend(matches!(status, 429 | 502..=504).then_some("Retry-After"));
    let mut response = json!({ "description": description, "headers": header_refs(&headers) });
    if *has_body {
        let schema = json!({ "allOf": [
            { "$ref": "#/components/schemas/Error" },
            { "type": "object", "properties": { "code": { "enum": codes } } },
        ] });
        let mut content = json!({ "schema": schema });
        let known: Map<_, _> = codes
            .iter()
            .filter_map(|code| Some(((*code).to_owned(), json!({ "value": examples.get(code)? }))))
            .collect();
        if !known.is_empty() {
            content["examples"] = Value::Object(known);
        }
        response["content"] = json!({ "application/json": content });
    }
    response
}

/// Headers by their names in the components.
pub(super) fn header_refs(names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))).collect()
}
