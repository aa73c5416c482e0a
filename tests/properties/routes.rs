//! P04, K39: one verdict on a key, whatever the route.

use hyper::Request;
use proptest::prelude::*;
use serde_json::json;

use crate::run::check_counted;
use crate::strategies::{key, theft};
use crate::targets::support::Answer;
use crate::targets::{service, tokens};
use crate::tenants::sign;

const SIGNING: [&str; 4] = ["/upload-url", "/v1/sign/upload", "/v1/sign/download", "/delete-url"];

/// Every route that takes a key; those that go to the bucket are asked about every twentieth key.
#[test]
fn the_verdict_does_not_depend_on_the_route() {
    let every = std::cell::Cell::new(0_u32);
    check_counted("one verdict on all routes", prop_oneof![key(), theft()], |key| {
        let first = sign("$one", "/download-url", &key);
        for route in SIGNING {
            let answer = sign("$one", route, &key);
            prop_assert_eq!(verdict(&answer), verdict(&first), "{}", route);
            prop_assert!(first.status != 200 || answer.json()["key"] == first.json()["key"]);
        }
        for code in codes_in_a_batch(&key) {
            prop_assert_eq!(&code, &verdict(&first), "in a batch");
        }
        every.set(every.get() + 1);
        if every.get().is_multiple_of(20) {
            for answer in at_the_bucket(&key) {
                prop_assert_eq!(verdict(&answer), verdict(&first));
            }
        }
        Ok(first.status == 200)
    });
}

/// The codes of what a batch and its shorthands say of a key.
fn codes_in_a_batch(key: &str) -> Vec<String> {
    let ops = ["download", "upload", "delete-url"];
    let operations: Vec<_> = ops.iter().map(|op| json!({"op": op, "key": key})).collect();
    let bodies = [
        ("/batch", json!({ "operations": operations })),
        ("/download-urls", json!({ "keys": [key] })),
        ("/upload-urls", json!({ "items": [{ "key": key }] })),
    ];
    let mut codes = Vec::new();
    for (path, body) in bodies {
        let request = Request::builder().method("POST").uri(path).header("host", "signer.test");
        let request =
            request.header("authorization", tokens::bearer("$one")).header("content-type", "application/json");
        let answer = service::ask(request, body.to_string().as_bytes(), &["$one"]).unwrap().json();
        let results = answer["results"].as_array().unwrap();
        codes.extend(results.iter().map(|entry| entry["code"].as_str().unwrap_or_default().to_owned()));
    }
    assert_eq!(codes.len(), 5);
    codes
}

/// The code of a refusal; nothing for what was done.
fn verdict(answer: &Answer) -> String {
    if answer.status.is_success() { String::new() } else { answer.code() }
}

fn at_the_bucket(key: &str) -> [Answer; 4] {
    let encoded = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string();
    let body = json!({ "key": key }).to_string();
    let rows = [
        ("DELETE", format!("/object?key={encoded}")),
        ("GET", format!("/object?key={encoded}")),
        ("POST", "/v1/delete".to_owned()),
        ("POST", "/confirm".to_owned()),
    ];
    rows.map(|(method, target)| {
        let request = Request::builder().method(method).uri(target).header("host", "signer.test");
        let request = request.header("authorization", tokens::bearer("$one"));
        let (request, body) = match method {
            "POST" => (request.header("content-type", "application/json"), body.as_bytes()),
            _ => (request, &b""[..]),
        };
        service::ask(request, body, &["$one"]).unwrap()
    })
}
