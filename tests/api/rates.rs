//! Rates and quotas (H29): who is slowed down, and who must not notice.

use serde_json::json;

use crate::support::{Answer, TestApp, good_token, token};

/// So many requests, one after the other: how many were 200, and the last that was not.
async fn ask(app: &TestApp, token: &str, target: &str, count: usize) -> (usize, Option<Answer>) {
    let (mut served, mut refused) = (0, None);
    for _ in 0..count {
        let answer = app.call("GET", target, token, "").await;
        if answer.status == 200 { served += 1 } else { refused = Some(answer) }
    }
    (served, refused)
}

fn is_rate_limited(answer: &Answer) -> bool {
    (answer.status.as_u16(), answer.code().as_str(), answer.header("retry-after")) == (429, "rate_limited", Some("1"))
}

/// H29: the flooder gets 429, and the store next door all that it asks for.
#[tokio::test]
async fn a_store_that_floods_is_slowed_down_and_no_other() {
    let app = TestApp::with(&[("limits.store_requests_per_sec", "1"), ("limits.store_burst", "20")]).await;
    let (served, refused) = ask(&app, &good_token(), "/download-url?key=s1/f", 500).await;
    assert!((20..100).contains(&served) && is_rate_limited(&refused.unwrap()), "{served}");
    let neighbour = token(json!({"storeId": "s2"}));
    assert_eq!(ask(&app, &neighbour, "/download-url?key=s2/f", 20).await.0, 20);
    let same_store = token(json!({"storeId": "s1", "sub": "someone else"}));
    // Every way to touch the store is charged, and refused before the bucket is asked.
    for (method, target) in [("DELETE", "/object?key=s1/f"), ("POST", "/v1/delete"), ("POST", "/upload-url")] {
        let mut limited = 0;
        for _ in 0..30 {
            let answer = app.call(method, target, &same_store, r#"{"key":"s1/f"}"#).await;
            limited += usize::from(is_rate_limited(&answer));
        }
        assert!(limited > 0, "{method} {target}");
    }
}

/// Whoever has a good token of another store cannot use up this one's rate: what is refused is not charged to it.
#[tokio::test]
async fn requests_for_a_foreign_store_cost_it_nothing() {
    let app = TestApp::with(&[("limits.store_requests_per_sec", "1"), ("limits.store_burst", "5")]).await;
    let stranger = token(json!({"storeId": "s2"}));
    for _ in 0..50 {
        assert_eq!(app.call("GET", "/download-url?key=s1/f", &stranger, "").await.code(), "key_outside_store");
    }
    let reader = token(json!({"storeId": "s1", "scope": "files:read"}));
    for _ in 0..50 {
        let answer = app.call("POST", "/upload-url", &reader, r#"{"key":"s1/f"}"#).await;
        assert_eq!(answer.code(), "operation_not_allowed");
    }
    assert_eq!(ask(&app, &good_token(), "/download-url?key=s1/f", 5).await.0, 5);
}

/// A token of many stores is charged at the one that is asked for.
#[tokio::test]
async fn each_store_of_a_token_has_its_own_rate() {
    let app = TestApp::with(&[("limits.store_requests_per_sec", "1"), ("limits.store_burst", "5")]).await;
    let both = token(json!({"storeId": ["s1", "s2"]}));
    assert!(ask(&app, &both, "/download-url?key=s1/f", 100).await.0 < 100);
    assert_eq!(ask(&app, &both, "/download-url?key=s2/f", 5).await.0, 5);
}

/// A subject is charged for all that it asks, also for what it is refused, and is told before its body is read.
#[tokio::test]
async fn a_subject_that_floods_is_slowed_down_whatever_it_asks_for() {
    let settings = [("limits.subject_requests_per_sec", "1"), ("limits.subject_burst", "10")];
    let app = TestApp::with(&settings).await;
    let mallory = token(json!({"storeId": "s2", "sub": "mallory"}));
    let mut codes = Vec::new();
    for _ in 0..100 {
        codes.push(app.call("GET", "/download-url?key=s1/f", &mallory, "").await.code());
    }
    assert_eq!(codes[..10], vec!["key_outside_store"; 10]);
    assert!(codes.iter().filter(|code| *code == "rate_limited").count() > 50);
    // Another token of the same subject does not help; another subject of the same store is served.
    let again = token(json!({"storeId": "s3", "sub": "mallory", "jti": "new"}));
    assert!(ask(&app, &again, "/download-url?key=s3/f", 20).await.1.is_some_and(|answer| is_rate_limited(&answer)));
    let alice = token(json!({"storeId": "s2", "sub": "alice"}));
    assert_eq!(ask(&app, &alice, "/download-url?key=s2/f", 10).await.0, 10);
    // The same name at another issuer is somebody else; tokens without a name are told apart by their store.
    for other in [json!({"storeId": "s2", "sub": "mallory", "iss": "elsewhere"}), json!({"storeId": "s2"})] {
        assert_eq!(ask(&app, &token(other.clone()), "/download-url?key=s2/f", 10).await.0, 10, "{other}");
    }
    let nameless = token(json!({"storeId": "s4"}));
    assert_eq!(ask(&app, &nameless, "/download-url?key=s4/f", 10).await.0, 10);
    // A bad token is charged to nobody.
    assert_eq!(ask(&app, "bad", "/download-url?key=s4/f", 50).await.1.unwrap().status, 401);
}

/// Upload bytes are charged by the length that the URL is bound to.
#[tokio::test]
async fn upload_bytes_are_charged_when_they_are_signed() {
    let app = TestApp::with(&[("limits.store_upload_bytes_per_hour", "1000000")]).await;
    let upload =
        async |key: &str, length: u64| app.post("/upload-url", &json!({"key": key, "contentLength": length})).await;
    // Without a length there is nothing to charge; one that never fits is not a matter of time.
    assert_eq!(app.post("/upload-url", &json!({"key": "s1/f"})).await.code(), "invalid_request");
    let answer = upload("s1/f", 1_000_001).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "upload_too_large"));
    assert_eq!(upload("s2/f", 1_000_000).await.code(), "key_outside_store");

    let answer = upload("s1/f", 900_000).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json()["boundHeaders"].as_array().unwrap().contains(&json!("content-length")));
    let answer = upload("s1/g", 200_000).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (429, "quota_exceeded"));
    assert!(answer.json().get("url").is_none());
    // A tenth of the quota is missing: six minutes.
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((300..=360).contains(&wait), "{wait}");
    assert_eq!(upload("s1/g", 100_000).await.status, 200, "what is left");
    // Downloads and the uploads of others go on.
    assert_eq!(app.get("/download-url?key=s1/f").await.status, 200);
    let neighbour = token(json!({"storeId": "s2"}));
    let body = r#"{"key":"s2/f","contentLength":1000000}"#;
    assert_eq!(app.call("POST", "/v1/sign/upload", &neighbour, body).await.status, 200);
}

/// What is not signed is not charged.
#[tokio::test]
async fn a_refused_upload_costs_no_bytes() {
    let settings = [("limits.store_upload_bytes_per_hour", "1000"), ("upload.content_types", r#"["image/png"]"#)];
    let app = TestApp::with(&settings).await;
    let body = |content_type: &str| json!({"key": "s1/f", "contentLength": 1000, "contentType": content_type});
    for _ in 0..5 {
        assert_eq!(app.post("/upload-url", &body("text/html")).await.code(), "content_type_not_allowed");
    }
    assert_eq!(app.post("/upload-url", &body("image/png")).await.status, 200);
    assert_eq!(app.post("/upload-url", &body("image/png")).await.code(), "quota_exceeded");
}
