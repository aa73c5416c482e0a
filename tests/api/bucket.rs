//! The calls to the bucket, against a fake that answers whatever a bucket may.

use filesync_signer::storage::{Backend, Health, ProbeFailure};
use insta::assert_snapshot;
use serde_json::json;

use crate::support::{TestApp, good_token, now};

/// K36: gone is gone; anything else is the bucket's failure, and its words are not ours.
#[tokio::test]
async fn a_delete_is_204_or_says_that_the_bucket_failed() {
    let app = TestApp::start().await;
    let missing = "<Error><Code>NoSuchKey</Code></Error>";
    let denied = "<Error><Code>AccessDenied</Code><Message>secret words</Message></Error>";
    let no_bucket = "<Error><Code>NoSuchBucket</Code></Error>";
    for (status, body, expected) in [
        (200, "", 204),
        (204, "", 204),
        (404, "", 204),
        (404, missing, 204),
        (404, no_bucket, 502),
        (403, denied, 502),
        // H18: a success that carries an error is none.
        (200, denied, 502),
        (301, "", 502),
        (307, "", 502),
    ] {
        app.s3.answers(status, &[("location", "http://evil.test/")], body);
        for (method, target) in [("DELETE", "/object?key=s1/f"), ("POST", "/v1/delete")] {
            let answer = app.call(method, target, &good_token(), r#"{"key":"s1/f"}"#).await;
            assert_eq!(answer.status.as_u16(), expected, "{method} {status} {body}");
            for word in ["secret words", "http", "AccessDenied", "NoSuchBucket"] {
                assert!(!answer.text.contains(word), "{}", answer.text);
            }
            if expected == 502 {
                assert_eq!(answer.header("retry-after"), Some("5"));
            }
        }
    }
    assert_eq!(app.s3.count(), 18, "one call each, redirects not followed");
}

/// K37: one `DeleteObject` of the key as checked, whatever else the request says.
#[tokio::test]
async fn a_delete_asks_for_one_object_and_nothing_more() {
    let app = TestApp::start().await;
    let body = json!({"key": "s1/a b+c", "versionId": "x", "bypassGovernance": true, "delete": ["s2/f"]});
    assert_eq!(app.post("/v1/delete", &body).await.status, 204);
    assert_eq!(
        app.call("DELETE", "/object?key=s1/a+b%2Bc&versionId=x&delete", &good_token(), "<Delete/>").await.status,
        204
    );
    let asked = app.s3.asked();
    assert_eq!(asked.len(), 2);
    for request in asked {
        let line = request.lines().next().unwrap();
        assert!(line.starts_with("DELETE /files/s1/a%20b%2Bc?X-Amz-Algorithm="), "{line}");
        for word in ["versionId", "bypass", "&delete", "s2"] {
            assert!(!request.contains(word), "{request}");
        }
    }
}

#[tokio::test]
async fn an_object_is_described() {
    let app = TestApp::start().await;
    let headers = [
        ("content-length", "42"),
        ("etag", "\"abc\""),
        ("content-type", "image/png"),
        ("last-modified", "Sun, 22 Nov 2026 14:00:00 GMT"),
        ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ];
    app.s3.answers(200, &headers, "");
    assert_snapshot!(app.get("/object?key=s1/f").await.shown(), @r#"200 {"key":"s1/f","providerId":"default","size":42,"etag":"\"abc\"","contentType":"image/png","lastModified":"2026-11-22T14:00:00Z","checksumSha256":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}"#);
    app.s3.answers(404, &[], "");
    assert_snapshot!(app.get("/object?key=s1/f").await.shown(), @r#"404 {"error":"there is no object with this key","code":"object_not_found","requestId":"<id>"}"#);
    for status in [301, 403, 500, 503] {
        app.s3.answers(status, &[], "");
        assert_eq!(app.get("/object?key=s1/f").await.code(), "bucket_failed", "{status}");
    }
    assert!(app.s3.asked()[0].starts_with("HEAD /files/s1/f?"));
}

/// H14: no answer, no connection, half an answer, no HTTP.
#[tokio::test]
async fn a_broken_bucket_is_502_and_a_silent_one_504() {
    let app = TestApp::with(&[("storage.first_byte_timeout_secs", "1")]).await;
    for raw in [&b"rubbish\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"] {
        app.s3.answers_raw(raw);
        let answer = app.call("DELETE", "/object?key=s1/f", &good_token(), "").await;
        assert_eq!(answer.code(), "bucket_failed", "{answer:?}");
    }
    app.s3.hangs();
    let answer = app.call("DELETE", "/object?key=s1/f", &good_token(), "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "bucket_timeout"));

    let app = TestApp::with(&[("storage.endpoint", "http://127.0.0.1:9")]).await;
    let answer = app.call("DELETE", "/object?key=s1/f", &good_token(), "").await;
    assert_snapshot!(answer.shown(), @r#"502 {"error":"the bucket cannot be reached","code":"bucket_failed","requestId":"<id>"}"#);
}

/// A body without end is read up to the cap, within the deadline of the call.
#[tokio::test]
async fn an_endless_error_body_is_cut() {
    let app = TestApp::start().await;
    let body = format!("<Error>{}", "x".repeat(300_000));
    app.s3.answers(500, &[("content-length", "1000000000")], &body);
    assert_eq!(app.call("DELETE", "/object?key=s1/f", &good_token(), "").await.code(), "bucket_failed");
}

#[tokio::test]
async fn the_probe_asks_once_and_health_follows() {
    let app = TestApp::start().await;
    app.s3.answers(403, &[], "<Error><Code>SignatureDoesNotMatch</Code></Error>");
    let monitor = Backend::start(&app.config.storage, now).unwrap().health;
    while monitor.health().checked_at.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(monitor.health(), Health { verdict: Err(ProbeFailure::Credentials), checked_at: Some(now()) });
    assert_eq!(app.s3.count(), 1);
    let line = app.s3.asked()[0].lines().next().unwrap().to_owned();
    assert!(line.starts_with("GET /files/.signer-probe?X-Amz-"), "{line}");
}
