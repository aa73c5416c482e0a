//! Several storages: each store in its own, whatever becomes of the others.

use filesync_signer::storage::{Health, ProbeFailure};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::support::{FakeServer, TestApp, now, on_every_route, token};

/// The usual service, with a second storage for the store `acme`, all that begin with `team-`, and tokens of region eu.
async fn two() -> (TestApp, FakeServer) {
    let eu = FakeServer::start().await;
    let routes = r#"[{stores=["acme","team-*"],storage="eu"},{claim="app.region",value="eu",storage="eu"}]"#;
    let app = TestApp::with(&[
        ("storages.eu.endpoint", eu.url.as_str()),
        ("storages.eu.public_endpoint", "https://eu.test"),
        ("storages.eu.bucket", "files-eu"),
        ("storages.eu.prefix", "filesync/"),
        ("storages.eu.region", "eu-west-1"),
        ("storages.eu.provider", "b2"),
        ("storages.eu.delete_all_versions", "true"),
        ("storages.eu.access_key_id", "AKIDEU"),
        ("storages.eu.secret_access_key", "another-s3-secret"),
        ("storage_routes", routes),
    ])
    .await;
    (app, eu)
}

fn in_store(store: &str) -> String {
    token(json!({"storeId": store}))
}

fn member<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_store_is_signed_for_in_its_own_storage() {
    let (app, _eu) = two().await;
    for (store, home) in
        [("acme", "eu"), ("team-1", "eu"), ("s1", "default"), ("acme2", "default"), ("team", "default")]
    {
        for (method, target, body) in [
            ("GET", format!("/download-url?key={store}/f"), String::new()),
            ("POST", "/upload-url".to_owned(), json!({"key": format!("{store}/f")}).to_string()),
            ("POST", "/delete-url".to_owned(), json!({"key": format!("{store}/f")}).to_string()),
            ("POST", "/v1/sign/download".to_owned(), json!({"key": format!("{store}/f")}).to_string()),
        ] {
            let answer = app.call(method, &target, &in_store(store), &body).await.json();
            let (start, key) = match home {
                "eu" => ("https://eu.test/files-eu/filesync/", "AKIDEU%2F20261122%2Feu-west-1"),
                _ => ("https://s3.test/files/", "AKIDEXAMPLE%2F20261122%2Fus-east-1"),
            };
            let url = member(&answer, "url");
            assert!(url.starts_with(&format!("{start}{store}/f?")) && url.contains(key), "{store} {url}");
            assert_eq!((member(&answer, "providerId"), member(&answer, "key")), (home, format!("{store}/f").as_str()));
        }
    }
}

/// The claim is the signed token's; a parameter of that name is nobody's.
#[tokio::test]
async fn a_claim_of_the_token_chooses_the_storage() {
    let (app, _eu) = two().await;
    let home = async |claims: Value| {
        let answer = app.call("GET", "/download-url?key=s1/f&storage=eu&region=eu", &token(claims), "").await;
        member(&answer.json(), "providerId").to_owned()
    };
    assert_eq!(home(json!({"storeId": "s1", "app": {"region": "eu"}})).await, "eu");
    assert_eq!(home(json!({"storeId": "s1", "app.region": ["us", "eu"]})).await, "eu");
    for other in [json!("us"), json!("EU"), json!(["us"]), json!(1), json!(null), json!({"eu": true})] {
        assert_eq!(home(json!({"storeId": "s1", "app": {"region": other}})).await, "default", "{other}");
    }
    assert_eq!(home(json!({"storeId": "s1"})).await, "default");
}

/// One token, two stores in two buckets: each key goes home.
#[tokio::test]
async fn stores_of_one_token_lie_where_each_belongs() {
    let (app, eu) = two().await;
    let both = token(json!({"storeId": ["s1", "acme"]}));
    eu.answers(200, &[("content-length", "3"), ("etag", "\"x\"")], "");
    app.s3.answers(200, &[("content-length", "4"), ("etag", "\"x\"")], "");
    for (key, home, size) in [("s1/f", "default", 4), ("acme/f", "eu", 3)] {
        let answer = app.call("GET", &format!("/object?key={key}"), &both, "").await.json();
        assert_eq!((member(&answer, "providerId"), answer["size"].as_u64()), (home, Some(size)), "{answer}");
    }
    assert!(eu.asked()[0].starts_with("HEAD /files-eu/filesync/acme/f?"), "{}", eu.asked()[0]);
    assert!(app.s3.asked()[0].starts_with("HEAD /files/s1/f?"), "{}", app.s3.asked()[0]);
    assert_eq!((eu.count(), app.s3.count()), (1, 1));
}

/// K02, once more for the second storage: no road leads into another store, and none out of the prefix.
#[tokio::test]
async fn another_store_is_refused_in_every_storage() {
    let (app, eu) = two().await;
    for (store, key) in [("acme", "s1/f"), ("s1", "acme/f"), ("team-1", "team-2/f"), ("acme", "filesync/acme/f")] {
        for (route, answer) in on_every_route(&app, &in_store(store), key).await {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::FORBIDDEN, "key_outside_store"),
                "{route}"
            );
        }
    }
    for (route, answer) in on_every_route(&app, &in_store("acme"), "acme/../../f").await {
        assert_eq!(answer.code(), "invalid_key", "{route}");
    }
    assert_eq!((eu.count(), app.s3.count()), (0, 0));
}

/// The bytes of a deleted object are listed and removed below the prefix, and only there.
#[tokio::test]
async fn versions_are_deleted_below_the_prefix() {
    let (app, eu) = two().await;
    eu.answers(200, &[], "<ListVersionsResult></ListVersionsResult>");
    let answer = app.call("DELETE", "/object?key=acme/f", &in_store("acme"), "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    let line = eu.asked()[0].lines().next().unwrap().to_owned();
    assert!(line.starts_with("GET /files-eu/?") && line.contains("prefix=filesync%2Facme%2Ff"), "{line}");
}

/// A storage that is down takes its own stores with it, and nobody falls through to another.
#[tokio::test]
async fn a_storage_that_is_down_is_not_stood_in_for() {
    let (app, eu) = two().await;
    eu.answers(500, &[], "<Error><Code>InternalError</Code></Error>");
    app.s3.answers(204, &[], "");
    let delete = async |store: &str| app.call("DELETE", &format!("/object?key={store}/f"), &in_store(store), "").await;
    assert_eq!(delete("acme").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(app.s3.count(), 0);
    assert_eq!(delete("s1").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_one_storage_does_not_keep_is_left_out_there_alone() {
    let (app, _eu) = two().await;
    let hash = "a".repeat(64);
    for (store, bound) in [("s1", true), ("acme", false)] {
        let body = json!({"key": format!("{store}/{hash}"), "contentType": "text/plain"}).to_string();
        let answer = app.call("POST", "/upload-url", &in_store(store), &body).await.json();
        assert_eq!(answer["headers"].get("x-amz-checksum-sha256").is_some(), bound, "{answer}");
    }
}

#[tokio::test]
async fn keys_fit_behind_the_longest_prefix_in_every_storage() {
    let (app, _eu) = two().await;
    for store in ["acme", "s1"] {
        let longest = 1024 - "filesync/".len() - store.len() - 1;
        for (length, status) in [(longest, StatusCode::OK), (longest + 1, StatusCode::BAD_REQUEST)] {
            let target = format!("/download-url?key={store}/{}", "a".repeat(length));
            let answer = app.call("GET", &target, &in_store(store), "").await;
            assert_eq!(answer.status, status, "{store} {length}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn health_names_each_storage() {
    let (app, _eu) = two().await;
    let ask = async |target: &str| app.send("GET", target, &[], "").await;
    let down = Health { verdict: Err(ProbeFailure::Timeout), checked_at: Some(now()) };
    assert_eq!(ask("/health").await.json()["status"], "ok");
    app.other_healths[0].send_replace(down);
    let answer = ask("/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json(),
        json!({"status": "degraded", "storages": {
            "default": {"status": "ok", "checkedAt": "2026-11-22T15:00:00Z", "provider": "generic"},
            "eu": {"status": "unavailable", "reason": "timeout", "checkedAt": "2026-11-22T15:00:00Z", "provider": "b2",
                   "leftOut": ["x-amz-checksum-sha256"]}}})
    );
    let (eu, default) = (ask("/health?storage=eu").await, ask("/health?storage=default").await);
    assert_eq!((eu.status, eu.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "bucket_unavailable"));
    assert_eq!(default.status, StatusCode::OK);
    assert_eq!(ask("/health?storage=none").await.code(), "invalid_request");
    app.health.send_replace(down);
    assert_eq!(ask("/health").await.status, StatusCode::SERVICE_UNAVAILABLE);
}
