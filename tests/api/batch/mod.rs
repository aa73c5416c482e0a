//! Many operations in one request: each answered as its own route would, whatever the others are.

mod bucket;
mod deletes;
mod load;

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::support::{Answer, HASH, TestApp, good_token, token};

use bucket::ReadingBucket;

async fn app_over(bucket: &ReadingBucket, settings: &[(&str, &str)]) -> TestApp {
    TestApp::with(&[&[("storage.endpoint", bucket.url.as_str())], settings].concat()).await
}

fn results(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 1);
    std::mem::take(body["results"].as_array_mut().unwrap())
}

/// The results of a batch of these operations.
async fn batch(app: &TestApp, operations: Value) -> Vec<Value> {
    results(&app.post("/batch", &json!({ "operations": operations })).await)
}

fn statuses(results: &[Value]) -> Vec<u64> {
    results.iter().map(|entry| entry["status"].as_u64().unwrap()).collect()
}

fn code(entry: &Value) -> &str {
    entry["code"].as_str().unwrap_or_default()
}

/// The single route's answer to an operation.
async fn alone(app: &TestApp, operation: &Value) -> Answer {
    let target = |path: &str, names: &[&str]| {
        let mut target = format!("{path}?");
        for name in names.iter().filter(|name| !operation[**name].is_null()) {
            let value = match &operation[*name] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            target = format!("{target}{name}={}&", utf8_percent_encode(&value, NON_ALPHANUMERIC));
        }
        target
    };
    let download = ["key", "method", "filename", "disposition", "versionId", "expiresIn"];
    match operation["op"].as_str().unwrap() {
        "download" => app.get(&target("/download-url", &download)).await,
        "upload" => app.post("/upload-url", operation).await,
        "delete-url" => app.post("/delete-url", operation).await,
        "head" => app.get(&target("/object", &["key"])).await,
        "delete" => app.call("DELETE", &target("/object", &["key"]), &good_token(), "").await,
        other => panic!("{other}"),
    }
}

/// What a single answer looks like as an entry.
fn as_entry(answer: &Answer) -> Value {
    let mut entry = if answer.text.is_empty() { json!({}) } else { answer.json() };
    entry["status"] = json!(answer.status.as_u16());
    entry.as_object_mut().unwrap().remove("requestId");
    if let Some(wait) = answer.header("retry-after") {
        entry["retryAfter"] = json!(wait.parse::<u32>().unwrap());
    }
    entry
}

/// K39 for batches: the verdict, and every member of the answer, are those of the single route.
#[tokio::test]
async fn every_operation_is_answered_as_its_own_route_answers_it() {
    let bucket = ReadingBucket::start(|asked, _| match asked {
        asked if asked.is_delete_many() => bucket::all_deleted(asked),
        asked if asked.line.contains("gone") => bucket::now(404, ""),
        asked if asked.line.contains("refused") => bucket::now(403, ""),
        asked if asked.line.starts_with("DELETE") => bucket::now(204, ""),
        _ => bucket::now(200, "12345"),
    })
    .await;
    let app = app_over(&bucket, &[("upload.max_bytes", "1000"), ("upload.content_types", r#"["image/*"]"#)]).await;
    let operations = json!([
        {"op": "download", "key": "s1/a"},
        {"op": "download", "key": "/livestore-filesync-files/s1/é + &?#", "expiresIn": 60},
        {"op": "download", "key": "s1/a", "method": "HEAD", "expiresIn": 1_000_000},
        {"op": "download", "key": "s1/a", "filename": "Übersicht \"1\".png", "versionId": "v1"},
        {"op": "download", "key": "s1/a", "disposition": "inline"},
        {"op": "download", "key": "s1/a", "disposition": "sideways"},
        {"op": "download", "key": "s1/a", "method": "PUT"},
        {"op": "download", "key": "s1/a", "versionId": "v 1"},
        {"op": "upload", "key": format!("s1/{HASH}"), "contentType": "image/png", "contentLength": 5},
        {"op": "upload", "key": "s1/a", "contentType": "image/png"},
        {"op": "upload", "key": "s1/a", "contentLength": 5, "contentType": "text/html"},
        {"op": "upload", "key": "s1/a", "contentLength": 5000, "contentType": "image/png"},
        {"op": "upload", "key": "s1/a", "contentLength": "5"},
        {"op": "delete-url", "key": "s1/a", "expiresIn": 7},
        {"op": "head", "key": "s1/a"},
        {"op": "head", "key": "s1/gone"},
        {"op": "head", "key": "s1/refused"},
        {"op": "delete", "key": "s1/a"},
        {"op": "delete", "key": "s1/é & <b>"},
        {"op": "download", "key": "s2/a"},
        {"op": "upload", "key": "s10/a"},
        {"op": "delete-url", "key": "s1/../s2/a"},
        {"op": "head", "key": "s2/a"},
        {"op": "delete", "key": "s2/a"},
        {"op": "delete", "key": "s1//a"},
        {"op": "delete", "key": ""},
    ]);
    let entries = batch(&app, operations.clone()).await;
    assert_eq!(entries.len(), operations.as_array().unwrap().len());
    for (operation, entry) in operations.as_array().unwrap().iter().zip(&entries) {
        assert_eq!(*entry, as_entry(&alone(&app, operation).await), "{operation}");
    }
    assert!(bucket.asked().iter().all(|asked| !asked.line.contains("s2") && !asked.body.contains("s2")));
}

/// What cannot even be read is a failure of its own, and its neighbours are answered as if it were not there.
#[tokio::test]
async fn one_bad_entry_changes_no_other() {
    let app = TestApp::start().await;
    let good = json!({"op": "download", "key": "s1/a"});
    let expected = as_entry(&alone(&app, &good).await);
    for bad in [
        json!(null),
        json!(1),
        json!("s1/a"),
        json!([]),
        json!(["download", "s1/a"]),
        json!({}),
        json!({"op": "download"}),
        json!({"key": "s1/a"}),
        json!({"op": "Download", "key": "s1/a"}),
        json!({"op": "purge", "key": "s1/a"}),
        json!({"op": 1, "key": "s1/a"}),
        json!({"op": "delete", "key": 1}),
        json!({"op": "head", "key": null}),
        json!({"op": "download", "key": "s1/a", "expiresIn": "60"}),
        json!({"op": "download", "key": ["s1/a"]}),
    ] {
        let entries = batch(&app, json!([good, bad, good])).await;
        assert_eq!((&entries[0], &entries[2]), (&expected, &expected), "{bad}");
        assert_eq!((statuses(&entries)[1], code(&entries[1])), (400, "invalid_request"), "{bad} {}", entries[1]);
    }
    assert_eq!(app.s3.count(), 0);
}

/// A body that two readers could read differently is refused whole, as everywhere.
#[tokio::test]
async fn a_batch_is_one_json_object_within_its_limits() {
    let app = TestApp::with(&[("server.max_batch_body_bytes", "200000")]).await;
    for (path, list) in [("/batch", "operations"), ("/download-urls", "keys"), ("/upload-urls", "items")] {
        let ask = |count: usize| json!({ list: vec![json!({"op": "download", "key": "s1/a"}); count] });
        assert_eq!(results(&app.post(path, &ask(0)).await).len(), 0, "{path}");
        assert_eq!(results(&app.post(path, &ask(1000)).await).len(), 1000, "{path}");
        let answer = app.post(path, &ask(1001)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "batch_too_large"), "{path}");
        for body in [json!({}), json!({ list: null }), json!({ list: {} }), json!({ list: "s1/a" })] {
            assert_eq!(app.post(path, &body).await.code(), "invalid_request", "{path} {body}");
        }
        for body in [
            format!(r#"{{"{list}":[],"{list}":[]}}"#),
            format!(r#"{{"{list}":[{{"key":"s1/a","key":"s2/a"}}]}}"#),
            format!(r#"{{"{list}":[}}"#),
            format!("[{{\"{list}\":[]}}]"),
        ] {
            assert_eq!(app.call("POST", path, &good_token(), &body).await.code(), "invalid_json", "{path} {body}");
        }
        // More than other bodies may have, and less than too much.
        let padded = |length: usize| json!({ list: [], "pad": "a".repeat(length) });
        assert_eq!(app.post(path, &padded(150_000)).await.status, 200, "{path}");
        assert_eq!(app.post(path, &padded(200_000)).await.code(), "body_too_large", "{path}");
        assert_eq!(app.get(path).await.status, 405, "{path}");
    }
    let answer = app.post("/upload-url", &json!({"key": "s1/a", "pad": "a".repeat(150_000)})).await;
    assert_eq!(answer.code(), "body_too_large", "the others keep theirs");
    assert_eq!(app.s3.count(), 0);
}

/// The same operations, said shorter.
#[tokio::test]
async fn the_shorthands_sign_what_a_batch_signs() {
    let app = TestApp::start().await;
    let keys = json!(["s1/a", "s2/a", "s1/a", "s1/é \"", 7, null, {"key": "s1/a"}, "s1//a"]);
    let entries = results(&app.post("/download-urls", &json!({"keys": keys, "expiresIn": 60})).await);
    assert_eq!(statuses(&entries), [200, 403, 200, 200, 400, 400, 400, 400]);
    assert_eq!(entries[0], entries[2], "asked for twice, answered twice");
    for (key, entry) in keys.as_array().unwrap().iter().zip(&entries).filter(|(key, _)| key.is_string()) {
        let operation = json!({"op": "download", "key": key, "expiresIn": 60});
        assert_eq!(*entry, as_entry(&alone(&app, &operation).await), "{key}");
    }
    let items = json!([
        {"key": "s1/a", "contentType": "image/png", "contentLength": 5},
        {"key": "s1/b", "expiresIn": 30},
        {"key": "s1/c", "contentLength": -1},
        "s1/d",
        {"key": "s2/e"},
    ]);
    let entries = results(&app.post("/upload-urls", &json!({"items": items, "expiresIn": 60})).await);
    assert_eq!(statuses(&entries), [200, 200, 400, 400, 403]);
    assert_eq!(
        (&entries[0]["expiresIn"], &entries[1]["expiresIn"]),
        (&json!(60), &json!(30)),
        "its own, or that of all"
    );
    assert_eq!(entries[0]["headers"], json!({"Content-Type": "image/png"}));
    assert_eq!(code(&entries[4]), "key_outside_store");
}

/// Scope and prefixes hold for each operation.
#[tokio::test]
async fn a_token_opens_in_a_batch_what_it_opens_alone() {
    let bucket = ReadingBucket::obedient().await;
    let app = app_over(&bucket, &[]).await;
    let every =
        |key: &str| ["download", "upload", "delete-url", "delete", "head"].map(|op| json!({"op": op, "key": key}));
    let both = [every("s1/photos/a"), every("s1/a")].concat();
    let operations = json!({ "operations": both }).to_string();
    for (claims, wanted) in [
        (json!({"scope": "files:read"}), [[200, 403, 403, 403, 502], [200, 403, 403, 403, 502]]),
        (json!({"scope": "files:delete"}), [[403, 403, 200, 204, 403], [403, 403, 200, 204, 403]]),
        (json!({"prefixes": ["s1/photos"]}), [[200, 200, 200, 204, 502], [403, 403, 403, 403, 403]]),
        (json!({"storeId": ["s2"]}), [[403; 5], [403; 5]]),
    ] {
        let mut claims = claims;
        claims.as_object_mut().unwrap().entry("storeId").or_insert_with(|| json!("s1"));
        let entries = results(&app.call("POST", "/batch", &token(claims.clone()), &operations).await);
        // A HEAD that is answered 204 is no object; that it was asked is what counts here.
        assert_eq!(statuses(&entries), wanted.concat(), "{claims}");
    }
}

/// The bucket answers the last first; the results stand where they were asked for.
#[tokio::test]
async fn results_keep_the_order_whatever_the_bucket_answers_first() {
    let bucket = ReadingBucket::start(|asked, number| match asked {
        asked if asked.is_delete_many() => (200, bucket::all_deleted(asked).1, Duration::from_millis(100)),
        asked => {
            let size = asked.line.split("/size-").nth(1).and_then(|rest| rest.split('?').next()).unwrap();
            let takes = 60_u64.saturating_sub(10 * u64::try_from(number).unwrap());
            (200, "x".repeat(size.parse().unwrap()), Duration::from_millis(takes))
        }
    })
    .await;
    let app = app_over(&bucket, &[]).await;
    let operations: Vec<_> = (0..30)
        .map(|i| match i % 3 {
            0 => json!({"op": "head", "key": format!("s1/size-{i}")}),
            1 => json!({"op": "delete", "key": format!("s1/{i}")}),
            _ => json!({"op": "download", "key": format!("s1/{i}")}),
        })
        .collect();
    let entries = batch(&app, json!(operations)).await;
    for (i, entry) in entries.iter().enumerate() {
        match i % 3 {
            0 => assert_eq!((&entry["status"], &entry["size"]), (&json!(200), &json!(i)), "{entry}"),
            1 => assert_eq!(entry, &json!({"status": 204})),
            _ => assert_eq!((&entry["status"], &entry["key"]), (&json!(200), &json!(format!("s1/{i}")))),
        }
    }
}
