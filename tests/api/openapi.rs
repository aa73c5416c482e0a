//! The description of the surface: that it is given, and the examples in it, which the service gave.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::faulty::{Does, FaultyBucket};
use crate::multipart::{BEGUN, DONE, ETAGS, MIB, app_over, both, in_turn};
use crate::support::{TestApp, good_token, token};

const KEY: &str = "s1/photos/cat.png";
/// Of the bytes `hello world`.
const CHECKSUM: &str = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=";

/// Operation, method, path, and what is sent: a query, or the body of a POST.
fn operations() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let upload = json!({"key": KEY, "contentType": "image/png", "contentLength": 11, "checksumSha256": CHECKSUM});
    let download = json!({"key": KEY, "expiresIn": 600, "filename": "cat.png", "disposition": "inline"});
    let key = json!({"key": KEY});
    let batch = json!({"operations": [
        {"op": "download", "key": KEY},
        {"op": "upload", "key": "s1/notes.txt", "contentType": "text/plain", "contentLength": 5},
        {"op": "head", "key": KEY},
        {"op": "download", "key": "s2/notes.txt"},
    ]});
    vec![
        ("downloadUrl", "GET", "/download-url", download.clone()),
        ("uploadUrl", "POST", "/upload-url", upload.clone()),
        ("deleteUrl", "POST", "/delete-url", key.clone()),
        ("signUpload", "POST", "/v1/sign/upload", upload),
        ("signDownload", "POST", "/v1/sign/download", download),
        ("delete", "POST", "/v1/delete", key.clone()),
        ("describeObject", "GET", "/object", key.clone()),
        ("confirmUpload", "POST", "/confirm", json!({"key": KEY, "contentLength": 11, "checksumSha256": CHECKSUM})),
        ("deleteObject", "DELETE", "/object", key),
        ("batch", "POST", "/batch", batch),
        ("downloadUrls", "POST", "/download-urls", json!({"keys": [KEY, "s1/notes.txt"], "expiresIn": 600})),
        ("uploadUrls", "POST", "/upload-urls", json!({"items": [{"key": KEY}, {"key": "s1/notes.txt"}]})),
        ("health", "GET", "/health", json!({})),
        ("livez", "GET", "/livez", json!({})),
        ("readyz", "GET", "/readyz", json!({})),
    ]
}

async fn ask(app: &TestApp, token: &str, (method, path, sent): (&str, &str, &Value)) -> crate::support::Answer {
    let bearer = format!("Bearer {token}");
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("x-request-id", "example-1")];
    if method == "POST" {
        return app.send(method, path, &headers, &sent.to_string()).await;
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs = sent.as_object().unwrap().iter();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.map(|(name, value)| (name, text(value))));
    app.send(method, &format!("{path}?{}", query.finish()), &headers, "").await
}

async fn of_operations() -> Value {
    let app = TestApp::start().await;
    let stored = [
        ("content-length", "11"),
        ("content-type", "image/png"),
        ("etag", "\"5eb63bbbe01eeed093cb22bb8f5acdc3\""),
        ("last-modified", "Sun, 22 Nov 2026 14:00:00 GMT"),
        ("x-amz-checksum-sha256", CHECKSUM),
    ];
    let mut examples = Map::new();
    for (id, method, path, sent) in operations() {
        let deletes = matches!(id, "delete" | "deleteObject");
        app.s3.answers(if deletes { 204 } else { 200 }, if deletes { &[] } else { &stored }, "");
        let answer = ask(&app, &good_token(), (method, path, &sent)).await;
        assert!(answer.status.is_success(), "{id}: {answer:?}");
        let mut example = json!({});
        example[if method == "POST" { "body" } else { "query" }] = sent;
        if !answer.text.is_empty() {
            example["answer"] = answer.json();
        }
        examples.insert(id.to_owned(), example);
    }
    examples.extend(of_multipart().await);
    Value::Object(examples)
}

/// Those of an upload in parts. Its token is sealed with a new nonce each time, so another text stands for it.
async fn of_multipart() -> Map<String, Value> {
    const SHOWN: &str = "AWDm2Q…";
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[]).await;
    let begin =
        json!({"key": "s1/film.mp4", "contentType": "video/mp4", "contentLength": 5 * MIB + 1, "partSize": 5 * MIB});
    let parts = json!([{"partNumber": 1, "etag": ETAGS[0]}, {"partNumber": 2, "etag": ETAGS[1]}]);
    let gone = Does::Answer(204, "", "");
    let mut token = String::new();
    let mut examples = Map::new();
    for (id, method, path, mut sent, turns) in [
        ("beginMultipart", "POST", "/multipart", begin, vec![BEGUN]),
        ("signParts", "POST", "/multipart/sign", json!({"partNumbers": [1, 2]}), vec![gone]),
        ("listMultipart", "GET", "/multipart", json!({}), vec![both()]),
        ("completeMultipart", "POST", "/multipart/complete", json!({"parts": parts}), vec![both(), DONE]),
        ("abortMultipart", "DELETE", "/multipart", json!({}), vec![gone]),
    ] {
        in_turn(&bucket, turns);
        if id != "beginMultipart" {
            sent["uploadToken"] = json!(token);
        }
        let answer = ask(&app, &good_token(), (method, path, &sent)).await;
        assert!(answer.status.is_success(), "{id}: {answer:?}");
        if id != "beginMultipart" {
            sent["uploadToken"] = json!(SHOWN);
        }
        let mut example = json!({});
        example[if method == "POST" { "body" } else { "query" }] = sent;
        if !answer.text.is_empty() {
            example["answer"] = answer.json();
        }
        if id == "beginMultipart" {
            answer.json()["uploadToken"].as_str().unwrap().clone_into(&mut token);
            example["answer"]["uploadToken"] = json!(SHOWN);
        }
        examples.insert(id.to_owned(), example);
    }
    examples
}

async fn of_failures() -> Value {
    let app = TestApp::with(&[("upload.max_bytes", "1000"), ("upload.content_types", r#"["image/*"]"#)]).await;
    app.s3.answers(404, &[], "");
    let reads = token(json!({"storeId": "s1", "scope": "files:read"}));
    let good = good_token();
    let upload = |change: Value| {
        let mut body = json!({"key": KEY, "contentType": "image/png", "contentLength": 11});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    let mut examples = Map::new();
    for (code, token, method, path, sent) in [
        ("unauthorized", "none", "GET", "/download-url", json!({"key": KEY})),
        ("key_outside_store", &good, "GET", "/download-url", json!({"key": "s2/notes.txt"})),
        ("operation_not_allowed", &reads, "POST", "/upload-url", upload(json!({}))),
        ("invalid_key", &good, "GET", "/download-url", json!({"key": "s1/../s2/notes.txt"})),
        ("invalid_request", &good, "POST", "/upload-url", json!({"contentType": "image/png"})),
        ("invalid_json", &good, "POST", "/upload-url", json!([])),
        ("upload_too_large", &good, "POST", "/upload-url", upload(json!({"contentLength": 1001}))),
        ("content_type_not_allowed", &good, "POST", "/upload-url", upload(json!({"contentType": "text/html"}))),
        ("object_not_found", &good, "GET", "/object", json!({"key": KEY})),
        ("gone", &good, "POST", "/upload", json!({})),
    ] {
        let answer = ask(&app, token, (method, path, &sent)).await;
        assert_eq!(answer.code(), code, "{answer:?}");
        examples.insert(code.to_owned(), answer.json());
    }
    Value::Object(examples)
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "how the file is written again")]
async fn openapi_examples_are_what_the_service_gives() {
    let given = json!({"operations": of_operations().await, "failures": of_failures().await});
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/openapi/examples.json");
    if std::env::var_os("WRITE_OPENAPI").is_some() {
        std::fs::write(file, format!("{given:#}\n")).unwrap();
        return;
    }
    let stored: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(
        stored == given,
        "src/api/openapi/examples.json is not what the service gives; to write it again: \
         WRITE_OPENAPI=1 cargo test --test api openapi_examples, and then the template"
    );
}

#[tokio::test]
async fn openapi_json_is_given_to_everybody_below_the_base_path() {
    let app = TestApp::with(&[
        ("server.base_path", "/api"),
        ("server.cors_origins", r#"["https://app.example.com"]"#),
        ("files.redirect", "true"),
        ("auth.worker_header", "true"),
    ])
    .await;
    let headers = [("authorization", "Bearer rubbish"), ("origin", "https://app.example.com")];
    let answer = app.send("GET", "/api/openapi.json", &headers, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"], json!([{"url": "/api"}]));
    assert_eq!(document["security"], json!([{"bearer": []}, {"workerHeader": []}]));
    assert!(document["paths"].get("/livestore-filesync-files/{storeId}/{name}").is_some());
    let again = app.send("GET", "/api/openapi.json", &[], "").await;
    assert_eq!(again.text, answer.text);
    assert_eq!(app.send("HEAD", "/api/openapi.json", &[], "").await.text, "");
    assert_eq!(app.send("GET", "/openapi.json", &[], "").await.status, 404);
}
