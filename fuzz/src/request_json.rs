//! The body of the POST routes.
//!
//! Holds: what `service` says of every answer; what is read as an object is what `serde_json`
//! reads, with no member twice, and is read again from its own text; the routes agree on the
//! key; the bounds that were asked for are signed.

use filesync_signer::domain::json;
use hyper::Request;
use serde_json::{Map, Value};

use super::support::Answer;
use super::{service, tokens};

pub fn run(data: &[u8]) {
    if let Ok(object) = json::object::<Map<String, Value>>(data) {
        let other: Value = serde_json::from_slice(data).expect("stricter, never laxer");
        assert_eq!(Value::Object(object.clone()), other);
        let text = serde_json::to_vec(&other).unwrap();
        // Its members alone: a number with more digits than a float has may come back as its neighbour.
        let again = json::object::<Map<String, Value>>(&text).unwrap();
        assert!(again.keys().eq(object.keys()));
    }
    let upload = post("/upload-url", data);
    let answers = [post("/v1/sign/upload", data), post("/v1/sign/download", data), post("/delete-url", data)];
    if upload.status == 200 {
        check_bounds(&serde_json::from_slice(data).unwrap(), &upload.json());
        assert_eq!(answers[0].json()["key"], upload.json()["key"]);
    }
    for answer in answers.iter().chain([&upload]) {
        // A member that only some routes read may be of the wrong type for them, and is seen before the key.
        let agrees = |other: &Answer| other.code() == answer.code() || other.code() == "invalid_request";
        let about_the_key = matches!(answer.code().as_str(), "invalid_key" | "key_outside_store" | "invalid_json");
        assert!(!about_the_key || answers.iter().all(agrees), "{}", answer.code());
    }
}

fn post(path: &str, body: &[u8]) -> Answer {
    let request = Request::builder().method("POST").uri(path).header("host", "signer.test");
    let request = request.header("content-type", "application/json").header("authorization", tokens::bearer("$one"));
    service::ask(request, body, &["$one"]).unwrap()
}

fn check_bounds(asked: &Value, answer: &Value) {
    let bound: Vec<_> = answer["boundHeaders"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(bound.contains(&"host"));
    assert!(asked["contentLength"].is_null() || bound.contains(&"content-length"));
    let named = asked["contentType"].as_str().filter(|name| !name.is_empty());
    assert_eq!(answer["headers"]["Content-Type"].as_str(), named);
    assert_eq!(bound.contains(&"content-type"), named.is_some());
    assert!(asked["checksumSha256"].is_null() || bound.contains(&"x-amz-checksum-sha256"));
}
