//! What the answers look like, whole.

use std::collections::BTreeMap;

use filesync_signer::api::{Endpoint, routes};
use filesync_signer::storage::{Health, ProbeFailure};
use insta::assert_snapshot;
use serde_json::json;
use url::Url;

use crate::support::{HASH, SEALED, TestApp, UPPY, good_token, now};

#[tokio::test]
async fn a_download_url() {
    let app = TestApp::start().await;
    let answer = app.get(&format!("/download-url?key=/livestore-filesync-files/s1/{HASH}")).await;
    assert_snapshot!(answer.shown(), @r#"200 {"method":"GET","url":"https://s3.test/files/s1/3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261122T150000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=6e7fa363763282bbfb47a5a53fb6243c5cc242c3d0f332b3c9ed6c114b28c648","key":"s1/3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a","providerId":"default","headers":{},"boundHeaders":["host"],"expiresAt":"2026-11-22T15:15:00Z","refreshAfter":"2026-11-22T15:12:00Z","expiresIn":900}"#);
}

#[tokio::test]
async fn an_upload_url_bound_to_length_type_and_checksum() {
    let app = TestApp::start().await;
    let checksum = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let body = json!({"key": "s1/a b.png", "contentType": "image/png", "contentLength": 0, "checksumSha256": checksum, "expiresIn": 60});
    assert_snapshot!(app.post("/upload-url", &body).await.shown(), @r#"200 {"method":"PUT","url":"https://s3.test/files/s1/a%20b.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261122T150000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost%3Bx-amz-checksum-sha256&X-Amz-Signature=89372fd196b687595c1359f8bb2b4c024d21caef3bd4aff045309367c028ded0","key":"s1/a b.png","providerId":"default","headers":{"Content-Type":"image/png","x-amz-checksum-sha256":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},"boundHeaders":["content-length","content-type","host","x-amz-checksum-sha256"],"expiresAt":"2026-11-22T15:01:00Z","refreshAfter":"2026-11-22T15:00:48Z","expiresIn":60}"#);
}

#[tokio::test]
async fn an_upload_url_bound_to_nothing() {
    let app = TestApp::start().await;
    let answer = app.post("/v1/sign/upload", &json!({"key": "s1/f", "contentType": ""})).await.json();
    assert_eq!(answer["boundHeaders"], json!(["host"]));
    assert_eq!(answer["headers"], json!({}));
    assert_eq!(answer["method"], "PUT");
}

#[tokio::test]
async fn a_delete_url() {
    let app = TestApp::start().await;
    let answer = app.post("/delete-url", &json!({"key": "s1/f"})).await;
    assert_eq!((answer.json()["method"].clone(), answer.json()["expiresIn"].clone()), (json!("DELETE"), json!(900)));
}

#[tokio::test]
async fn download_overrides_are_signed() {
    let app = TestApp::start().await;
    let answer = app.get("/download-url?key=s1/f&method=HEAD&versionId=v.1&filename=%C3%A9%20x.txt").await.json();
    assert_eq!(answer["method"], "HEAD");
    let query: BTreeMap<_, _> =
        Url::parse(answer["url"].as_str().unwrap()).unwrap().query_pairs().into_owned().collect();
    assert_eq!(
        query["response-content-disposition"],
        "attachment; filename=\"_ x.txt\"; filename*=UTF-8''%C3%A9%20x.txt"
    );
    assert_eq!(query["versionId"], "v.1");
    for bad in [
        "filename=a%0d%0ab",
        "filename=",
        "disposition=x",
        "versionId=",
        "versionId=a%26b",
        "method=PUT",
        "expiresIn=x",
    ] {
        let answer = app.get(&format!("/download-url?key=s1/f&{bad}")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_request"), "{bad}");
    }
}

/// K34: more is clamped and the answer says so. K35: the end is read back from the URL, on every route.
#[tokio::test]
async fn expires_at_is_what_the_url_says_on_every_route() {
    let app = TestApp::start().await;
    for (asked, given) in [
        (None, 900),
        (Some(1), 1),
        (Some(0), 1),
        (Some(-1), 1),
        (Some(3600), 3600),
        (Some(3601), 3600),
        (Some(1_000_000_000_000_i64), 3600),
    ] {
        let mut body = json!({"key": "s1/f"});
        let mut query = "key=s1/f".to_owned();
        if let Some(asked) = asked {
            body["expiresIn"] = json!(asked);
            query = format!("{query}&expiresIn={asked}");
        }
        let mut answers = vec![app.get(&format!("/download-url?{query}")).await];
        for path in ["/upload-url", "/delete-url", "/v1/sign/upload", "/v1/sign/download"] {
            answers.push(app.post(path, &body).await);
        }
        for answer in answers {
            let answer = answer.json();
            let query: BTreeMap<_, _> =
                Url::parse(answer["url"].as_str().unwrap()).unwrap().query_pairs().into_owned().collect();
            assert_eq!(query["X-Amz-Date"], "20261122T150000Z");
            assert_eq!(query["X-Amz-Expires"], given.to_string());
            assert_eq!(answer["expiresIn"], given);
            let end = now().as_second() + given;
            let at = |field: &str| answer[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
            assert_eq!(at("expiresAt"), end);
            assert_eq!(at("refreshAfter"), end - (given - given * 4 / 5));
        }
    }
}

#[tokio::test]
async fn bounds_that_cannot_be_signed_are_refused() {
    let app = TestApp::start().await;
    // K19, K21
    for (field, value, status, code) in [
        ("contentType", json!("text/html;x=\r\nX:1"), 400, "invalid_content_type"),
        ("contentType", json!("a/b, c/d"), 400, "invalid_content_type"),
        ("contentType", json!("a".repeat(10_000)), 400, "invalid_content_type"),
        ("contentType", json!(1), 400, "invalid_request"),
        ("contentLength", json!(-1), 400, "invalid_request"),
        ("contentLength", json!(1.5), 400, "invalid_request"),
        ("contentLength", json!("5"), 400, "invalid_request"),
        ("contentLength", json!(5_368_709_121_u64), 413, "upload_too_large"),
        ("contentLength", json!(9_007_199_254_740_993_u64), 413, "upload_too_large"),
        ("checksumSha256", json!("abc"), 400, "invalid_request"),
        ("checksumSha256", json!("AAAA"), 400, "invalid_request"),
        ("expiresIn", json!("60"), 400, "invalid_request"),
        ("expiresIn", json!(1.5), 400, "invalid_request"),
        ("key", json!(7), 400, "invalid_request"),
    ] {
        let mut body = json!({"key": "s1/f"});
        body[field] = value;
        let answer = app.post("/upload-url", &body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{body}");
    }
    assert_eq!(
        app.call("POST", "/upload-url", &good_token(), r#"{"key":"s1/f","contentLength":1e400}"#).await.status,
        400
    );
    assert_eq!(app.post("/upload-url", &json!({"key": "s1/f", "contentLength": 5_368_709_120_u64})).await.status, 200);
}

/// H24: on every answer, good or bad, of every route.
#[tokio::test]
async fn every_answer_has_the_headers_that_protect_it() {
    let app = TestApp::with(&[("files.redirect", "true"), UPPY, SEALED]).await;
    let token = good_token();
    for route in routes() {
        for (method, bearer) in [(route.method, token.as_str()), (route.method, "bad"), ("TRACE", token.as_str())] {
            let target = format!("{}?key=s1/f", route.path);
            let answer = app.call(method, &target, bearer, r#"{"key":"s1/f"}"#).await;
            let shown = format!("{method} {target} {answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{shown}");
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{shown}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{shown}");
            assert!(answer.header("x-request-id").is_some() && answer.header("server").is_none(), "{shown}");
            if answer.text.is_empty() {
                assert!(answer.status == 204 || method == "HEAD", "{shown}");
            } else {
                assert_eq!(answer.header("content-type"), Some("application/json"), "{shown}");
                assert!(answer.json().is_object());
            }
        }
    }
}

#[tokio::test]
async fn the_request_id_is_the_callers_own_when_it_is_plain() {
    let app = TestApp::start().await;
    let answer = app.send("GET", "/nowhere", &[("x-request-id", "abc-1")], "").await;
    assert_eq!(answer.header("x-request-id"), Some("abc-1"));
    assert_snapshot!(answer.text, @r#"{"error":"there is no such path","code":"not_found","requestId":"abc-1"}"#);
}

/// H22: other methods get 405 and the list of those that work, and nothing is echoed.
#[tokio::test]
async fn other_methods_are_405_with_allow() {
    let app = TestApp::start().await;
    for (target, allow) in [
        ("/object?key=s1/f", "GET, DELETE"),
        ("/upload-url", "POST"),
        ("/download-url?key=s1/f", "GET"),
        ("/health", "GET, HEAD"),
    ] {
        for method in ["TRACE", "PROPFIND", "get", "PATCH", "OPTIONS", &"X".repeat(1024)] {
            let answer = app.call(method, target, &good_token(), "x-echo-me").await;
            assert_eq!(answer.status, 405, "{method} {target}");
            assert_eq!(answer.header("allow"), Some(allow));
            assert!(!answer.text.contains("echo"));
        }
    }
    assert_eq!(app.call("HEAD", "/object?key=s1/f", &good_token(), "").await.status, 405);
    assert_eq!(app.call("CONNECT", "s3.test:443", &good_token(), "").await.status, 400);
    assert_eq!(app.call("OPTIONS", "*", &good_token(), "").await.status, 400);
}

#[tokio::test]
async fn paths_are_exact() {
    let app = TestApp::start().await;
    for target in [
        "/",
        "//download-url",
        "/download-url/",
        "/DOWNLOAD-URL",
        "/v1",
        "/v1/delete/x",
        "/download%2durl",
        "/api/health",
    ] {
        assert_eq!(app.get(target).await.status, 404, "{target}");
    }
    let app = TestApp::with(&[("server.base_path", "/api")]).await;
    assert_eq!(app.get("/api/health").await.status, 200);
    for target in ["/apihealth", "/api", "/api/", "/api/api/health", "/openapi.json", "/download-url?key=s1/f"] {
        assert_eq!(app.get(target).await.status, 404, "{target}");
    }
}

/// Platforms ask the process itself, whatever the world calls it.
#[tokio::test]
async fn probes_are_answered_at_the_root_too() {
    // Also below a path that is itself called like a probe.
    for base in ["/api", "/livez"] {
        let app = TestApp::with(&[("server.base_path", base)]).await;
        for probe in ["/health", "/livez", "/readyz"] {
            for target in [probe.to_owned(), format!("{base}{probe}")] {
                assert_eq!(app.send("GET", &target, &[], "").await.status, 200, "{target}");
                assert_eq!(app.send("HEAD", &target, &[], "").await.status, 200, "{target}");
                assert!(app.app.is_open("GET", &target), "{target}");
            }
            let answer = app.send("POST", probe, &[], "").await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET, HEAD")), "{probe}");
            assert_eq!(app.get(&format!("{probe}/")).await.status, 404);
        }
    }
}

#[tokio::test]
async fn health_tells_what_the_last_probe_found() {
    let app = TestApp::start().await;
    assert_snapshot!(app.send("GET", "/health", &[("authorization", "Bearer rubbish")], "").await.shown(), @r#"200 {"status":"ok","checkedAt":"2026-11-22T15:00:00Z","storage":{"provider":"generic"}}"#);
    app.health.send_replace(Health { verdict: Err(ProbeFailure::Credentials), checked_at: Some(now()) });
    let answer = app.send("GET", "/health", &[], "").await;
    assert_snapshot!(answer.shown(), @r#"503 {"error":"the access key or its secret is refused, or there is none","code":"bucket_unavailable","reason":"credentials","requestId":"<id>"}"#);
    assert_eq!(answer.header("retry-after"), Some("5"));
    let head = app.send("HEAD", "/health", &[], "").await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (503, ""));
    // Signing needs no bucket (H20).
    assert_eq!(app.send("GET", "/readyz", &[], "").await.status, 200);
    assert_eq!(app.get("/download-url?key=s1/f").await.status, 200);
    assert_eq!(app.s3.count(), 0, "answered from memory");
}

#[tokio::test]
async fn readyz_fails_once_the_process_is_about_to_stop() {
    let app = TestApp::start().await;
    app.app.start_draining();
    let answer = app.send("GET", "/readyz", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "not_ready"));
    assert_eq!(app.send("GET", "/livez", &[], "").await.status, 200);
    assert_eq!(app.get("/download-url?key=s1/f").await.status, 200);
}

#[test]
fn every_route_stands_in_the_guide() {
    let guide = include_str!("../../src/guide/api.md");
    for route in routes() {
        let row = format!("| `{} {}` | {} | {} |", route.method, route.path, route.needs, route.summary);
        assert!(guide.contains(&row), "the guide lacks: {row}");
        assert_eq!(route.needs == "nobody", matches!(route.endpoint, Endpoint::Open(_)));
    }
    let is_row =
        |line: &&str| ["| `GET /", "| `HEAD /", "| `POST /", "| `DELETE /"].iter().any(|start| line.starts_with(start));
    let rows = guide.lines().filter(is_row);
    assert_eq!(rows.count(), routes().count());
}
