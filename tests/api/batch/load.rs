//! What a batch may cost: its callers, the bucket, and those who come beside it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::bucket::{ReadingBucket, now};
use super::{app_over, batch, code, results, statuses};
use crate::support::{TestApp, token};

const FOREVER: Duration = Duration::from_hours(1);

fn each(op: &str, count: usize) -> serde_json::Value {
    (0..count).map(|i| json!({"op": op, "key": format!("s1/{i}")})).collect()
}

/// A batch is no way around `[limits]`: its subject pays for each operation what it would have paid alone.
#[tokio::test]
async fn every_operation_is_charged_to_its_subject() {
    let settings = [("limits.subject_requests_per_sec", "1"), ("limits.subject_burst", "10")];
    for (path, body) in [
        ("/batch", json!({"operations": each("download", 100)})),
        // Refused ones, too.
        ("/batch", json!({"operations": vec![json!(7); 100]})),
        ("/download-urls", json!({"keys": vec!["s1/a"; 100]})),
        ("/upload-urls", json!({"items": vec![json!({"key": "s1/a"}); 100]})),
    ] {
        let app = TestApp::with(&settings).await;
        let entries = results(&app.post(path, &body).await);
        let limited: Vec<_> = entries.iter().filter(|entry| code(entry) == "rate_limited").collect();
        assert!((85..=90).contains(&limited.len()), "{path}: {} of 100", limited.len());
        assert!(entries[..10].iter().all(|entry| code(entry) != "rate_limited"), "{path}");
        assert_eq!((&limited[0]["status"], &limited[0]["retryAfter"]), (&json!(429), &json!(1)));
        assert_eq!(app.post(path, &body).await.code(), "rate_limited", "{path}: the next request, whole");
        // Another subject is served.
        let other = token(json!({"storeId": "s1", "sub": "other"}));
        assert_eq!(app.call("GET", "/download-url?key=s1/f", &other, "").await.status, 200);
    }
}

/// H29: a store is charged for what was granted in it, and a foreign one for nothing.
#[tokio::test]
async fn every_granted_operation_is_charged_to_its_store() {
    let app = TestApp::with(&[("limits.store_requests_per_sec", "1"), ("limits.store_burst", "10")]).await;
    let stranger = token(json!({"storeId": "s2"}));
    let body = json!({"operations": each("download", 100)}).to_string();
    let entries = results(&app.call("POST", "/batch", &stranger, &body).await);
    assert!(entries.iter().all(|entry| code(entry) == "key_outside_store"));
    let entries = batch(&app, each("download", 100)).await;
    let served = statuses(&entries).iter().filter(|status| **status == 200).count();
    assert!((10..=15).contains(&served), "{served}");
}

/// The upload quota of a store is kept to the byte.
#[tokio::test]
async fn uploads_of_a_batch_are_charged_to_the_quota() {
    let app = TestApp::with(&[("limits.store_upload_bytes_per_hour", "1000")]).await;
    let items: Vec<_> = (0..20).map(|i| json!({"key": format!("s1/{i}"), "contentLength": 100})).collect();
    let entries = results(&app.post("/upload-urls", &json!({ "items": items })).await);
    assert_eq!(statuses(&entries), [vec![200; 10], vec![429; 10]].concat());
    assert_eq!(code(&entries[10]), "quota_exceeded");
    assert!(entries[10]["retryAfter"].as_u64().unwrap() > 100);
}

/// However many heads a batch has, it holds eight places at the bucket at the most.
#[tokio::test]
async fn a_batch_calls_the_bucket_eight_times_at_once() {
    let bucket = ReadingBucket::start(|_, _| (200, "12".to_owned(), Duration::from_millis(20))).await;
    let app = app_over(&bucket, &[("limits.max_bucket_calls", "9")]).await;
    let app = Arc::new(app);
    let beside = tokio::spawn({
        let app = Arc::clone(&app);
        async move { batch(&app, each("head", 100)).await }
    });
    while bucket.asked().len() < 20 {
        sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(app.get("/object?key=s1/beside").await.status, 200, "the ninth place is free");
    let entries = beside.await.unwrap();
    assert!(entries.iter().all(|entry| entry["status"] == 200 && entry["size"] == 2));
    assert!((2..=9).contains(&bucket.most_at_once()), "{}", bucket.most_at_once());
    assert_eq!(bucket.asked().len(), 101);
}

/// Who only signs does not wait for the bucket, nor for a place at it.
#[tokio::test]
async fn a_batch_that_signs_needs_no_place_at_the_bucket() {
    let bucket = ReadingBucket::start(|_, _| (200, String::new(), FOREVER)).await;
    let settings = [("limits.max_bucket_calls", "1"), ("storage.call_timeout_secs", "3")];
    let app = Arc::new(app_over(&bucket, &settings).await);
    let waiting = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.get("/object?key=s1/f").await }
    });
    while bucket.asked().is_empty() {
        sleep(Duration::from_millis(2)).await;
    }
    for op in ["download", "upload", "delete-url"] {
        assert_eq!(statuses(&batch(&app, each(op, 100)).await), [200; 100]);
    }
    let mixed = json!([
        {"op": "download", "key": "s1/a"},
        {"op": "head", "key": "s1/a"},
        {"op": "delete", "key": "s1/a"},
        {"op": "delete", "key": "s1/b"},
    ]);
    let entries = batch(&app, mixed).await;
    assert_eq!(statuses(&entries), [200, 503, 503, 503]);
    assert_eq!((code(&entries[1]), &entries[1]["retryAfter"]), ("overloaded", &json!(1)));
    assert!(!waiting.is_finished());
    assert_eq!(waiting.await.unwrap().code(), "bucket_timeout");
    assert_eq!(bucket.asked().len(), 1);
    // The place was given back, and a batch takes and gives it, too.
    for _ in 0..3 {
        let entries = batch(&app, json!([{"op": "head", "key": "s1/a"}])).await;
        assert_eq!(code(&entries[0]), "bucket_timeout");
    }
}

/// The time of a request ends; what was known by then is told, and of the rest that nobody knows.
#[tokio::test]
async fn a_batch_is_answered_within_the_time_of_a_request() {
    let bucket = ReadingBucket::start(|asked, _| match asked {
        asked if asked.line.contains("quick") => now(200, "12"),
        _ => (200, String::new(), FOREVER),
    })
    .await;
    let settings = [
        ("server.request_timeout_secs", "3"),
        ("storage.call_timeout_secs", "60"),
        ("storage.first_byte_timeout_secs", "60"),
    ];
    let app = app_over(&bucket, &settings).await;
    let mut operations = vec![
        json!({"op": "head", "key": "s1/quick"}),
        json!({"op": "download", "key": "s1/a"}),
        json!({"op": "delete", "key": "s1/a"}),
        json!({"op": "delete", "key": "s1/b"}),
    ];
    operations.extend((0..100).map(|i| json!({"op": "head", "key": format!("s1/{i}")})));
    let started = Instant::now();
    let entries = batch(&app, json!(operations)).await;
    assert!(started.elapsed() >= Duration::from_millis(2600), "the time was used");
    assert_eq!(statuses(&entries), [vec![200, 200], vec![504; 102]].concat());
    assert!(entries[2..].iter().all(|entry| code(entry) == "bucket_timeout" && entry["retryAfter"] == 5));
    assert_eq!(bucket.asked().len(), 9, "the rest was not begun");
}

/// H16: a bucket that is down is not asked a thousand times.
#[tokio::test]
async fn a_bucket_that_is_down_is_spared() {
    let bucket = ReadingBucket::start(|_, _| (500, String::new(), Duration::from_millis(30))).await;
    let app = app_over(&bucket, &[]).await;
    let entries = batch(&app, each("head", 1000)).await;
    assert!(entries.iter().all(|entry| matches!(code(entry), "bucket_failed" | "bucket_unavailable")));
    let spared = entries.iter().filter(|entry| code(entry) == "bucket_unavailable").count();
    assert!(spared > 300, "{spared} of 1000 were not asked for");
}
