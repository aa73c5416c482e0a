//! More requests than the service takes on at once (H28): who is sent away, how, and who never is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use filesync_signer::api::{Endpoint, routes};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::faulty::{Does, FaultyBucket};
use crate::limits::{Endless, post};
use crate::support::{Answer, SEALED, TestApp, UPPY, good_token, token};

/// A request of this subject whose body never comes, once it is in flight.
async fn stuck(app: &Arc<TestApp>, who: &str) -> JoinHandle<(Answer, bool)> {
    let (body, app) = (Endless::default(), Arc::clone(app));
    let touched = Arc::clone(&body.touched);
    let token = token(json!({"storeId": "s1", "sub": who}));
    let request = tokio::spawn(async move { post(&app, &token, "application/json", body).await });
    while !touched.load(Ordering::SeqCst) {
        sleep(Duration::from_millis(2)).await;
    }
    request
}

fn is_overloaded(answer: &Answer) -> bool {
    (answer.status.as_u16(), answer.code().as_str(), answer.header("retry-after")) == (503, "overloaded", Some("1"))
}

/// H28: what is beyond the bound is refused before its token or body is looked at, and health never is.
#[tokio::test]
async fn beyond_the_bound_requests_are_refused_unread_and_health_answers() {
    let app = Arc::new(
        TestApp::with(&[
            ("limits.max_in_flight", "3"),
            ("limits.max_bucket_calls", "1"),
            ("auth.worker_header", "true"),
            ("files.redirect", "true"),
            UPPY,
            SEALED,
        ])
        .await,
    );
    let mut held = Vec::new();
    for who in ["a", "b", "c"] {
        held.push(stuck(&app, who).await);
    }
    for route in routes() {
        let target = format!("{}?key=s1/f", route.path);
        for token in [good_token().as_str(), "bad"] {
            let answer = app.call(route.method, &target, token, r#"{"key":"s1/f"}"#).await;
            match route.endpoint {
                Endpoint::Open(_) if route.path == "/upload" => assert_eq!(answer.status, 410),
                Endpoint::Open(_) => assert_eq!(answer.status, 200, "{target}"),
                // Its answer has no body to say so.
                _ if route.method == "HEAD" => assert_eq!(answer.status, 503, "{target}"),
                _ => assert!(is_overloaded(&answer), "{target} {answer:?}"),
            }
        }
    }
    let (answer, touched) = post(&app, &good_token(), "application/json", Endless::default()).await;
    assert!(is_overloaded(&answer) && !touched, "the body was not looked at");
    assert_eq!(app.s3.count(), 0);
    // What needs no place: a path that is none.
    assert_eq!(app.get("/nowhere").await.status, 404);

    // A client that leaves makes room, as does an answer.
    held.pop().unwrap().abort();
    while is_overloaded(&app.get("/download-url?key=s1/f").await) {
        sleep(Duration::from_millis(2)).await;
    }
    for _ in 0..100 {
        assert_eq!(app.get("/download-url?key=s1/f").await.status, 200);
        assert_eq!(app.call("POST", "/upload-url", "bad", "{").await.status, 401);
    }
    for request in held {
        request.abort();
    }
}

/// H07, H29: bodies that are sent a byte at a time keep their places for long, and one subject may keep a quarter.
#[tokio::test]
async fn slow_bodies_of_one_subject_leave_room_for_all_others() {
    let app = Arc::new(TestApp::with(&[("limits.max_in_flight", "8"), ("limits.max_bucket_calls", "8")]).await);
    let mut held = vec![stuck(&app, "mallory").await, stuck(&app, "mallory").await];
    for _ in 0..100 {
        let more = stuck(&app, "mallory").await.await.unwrap().0;
        assert!(is_overloaded(&more), "{more:?}");
    }
    let others = stuck(&app, "ann").await;
    let body = r#"{"key":"s1/f"}"#;
    for claims in
        [json!({"storeId": "s1", "sub": "ann"}), json!({"storeId": "s1"}), json!({"storeId": "s1", "sub": "mallory"})]
    {
        // A body that comes with its head needs no share.
        assert_eq!(app.call("POST", "/upload-url", &token(claims), body).await.status, 200);
    }
    others.abort();
    let gone = held.pop().unwrap();
    gone.abort();
    assert!(gone.await.is_err());
    held.push(stuck(&app, "mallory").await);
    sleep(Duration::from_millis(20)).await;
    assert!(held.iter().all(|request| !request.is_finished()), "its share is free again");
}

/// A bucket that hangs takes the places of those that wait for it, not of those that sign.
#[tokio::test]
async fn a_hanging_bucket_leaves_room_for_signing() {
    let bucket = FaultyBucket::start(|_| Does::Hang).await;
    let settings =
        [("storage.endpoint", bucket.url.as_str()), ("limits.max_in_flight", "4"), ("limits.max_bucket_calls", "2")];
    let app = Arc::new(TestApp::with(&settings).await);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let app = Arc::clone(&app);
        waiting.push(tokio::spawn(async move { app.get("/object?key=s1/f").await }));
    }
    while bucket.count() < 2 {
        sleep(Duration::from_millis(2)).await;
    }
    for _ in 0..5 {
        for (method, target) in [("DELETE", "/object?key=s1/f"), ("GET", "/object?key=s1/f"), ("POST", "/v1/delete")] {
            let answer = app.call(method, target, &good_token(), r#"{"key":"s1/f"}"#).await;
            assert!(is_overloaded(&answer), "{method} {target} {answer:?}");
        }
        assert_eq!(app.get("/download-url?key=s1/f").await.status, 200);
        assert_eq!(app.post("/upload-url", &json!({"key": "s1/f"})).await.status, 200);
    }
    assert_eq!(bucket.count(), 2);
    // Given back when the calls end, each at its deadline.
    for request in waiting {
        assert_eq!(request.await.unwrap().code(), "bucket_timeout");
    }
    bucket.does(|_| Does::Answer(204, "", ""));
    for _ in 0..5 {
        assert_eq!(app.call("DELETE", "/object?key=s1/f", &good_token(), "").await.status, 204);
    }
}

/// A flood from many at once: each is either served or sent away, and afterwards all is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_flood_every_place_is_free_again() {
    let bucket = FaultyBucket::start(|n| if n % 3 == 0 { Does::Reset } else { Does::Answer(204, "", "") }).await;
    let settings =
        [("storage.endpoint", bucket.url.as_str()), ("limits.max_in_flight", "8"), ("limits.max_bucket_calls", "4")];
    let app = Arc::new(TestApp::with(&settings).await);
    let mut flood = tokio::task::JoinSet::new();
    for i in 0..400 {
        let app = Arc::clone(&app);
        flood.spawn(async move {
            let (method, target) =
                if i % 2 == 0 { ("DELETE", "/object?key=s1/f") } else { ("GET", "/download-url?key=s1/f") };
            app.call(method, target, &good_token(), "").await
        });
    }
    let answers = flood.join_all().await;
    let shed = answers.iter().filter(|answer| answer.status == 503 && is_overloaded(answer)).count();
    assert!(shed > 0 && answers.iter().all(|answer| [200, 204, 502, 503].contains(&answer.status.as_u16())));
    let mut held = Vec::new();
    for who in 0..8 {
        held.push(stuck(&app, &who.to_string()).await);
    }
    assert!(is_overloaded(&app.get("/download-url?key=s1/f").await), "eight places, no more and no less");
    for request in held {
        request.abort();
    }
}
