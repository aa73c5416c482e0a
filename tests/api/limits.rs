//! Sizes, types and the order of the checks.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::Request;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use serde_json::json;

use crate::support::{Answer, TestApp, good_token};

/// A body that says how long it is and never ends; it remembers whether anyone looked.
#[derive(Default)]
pub(crate) struct Endless {
    announced: Option<u64>,
    chunks: bool,
    pub(crate) touched: Arc<AtomicBool>,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.touched.store(true, Ordering::SeqCst);
        if self.chunks { Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 4096]))))) } else { Poll::Pending }
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

pub(crate) async fn post(app: &TestApp, token: &str, content_type: &str, body: Endless) -> (Answer, bool) {
    let touched = Arc::clone(&body.touched);
    let request = Request::post("/upload-url")
        .header("host", "signer.test")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", content_type)
        .body(body);
    (app.respond(request.unwrap()).await, touched.load(Ordering::SeqCst))
}

/// H07: route, then token, then type, then body.
#[tokio::test]
async fn a_refused_token_is_refused_before_the_body_is_read() {
    let app = TestApp::start().await;
    let (answer, touched) = post(&app, "bad", "application/json", Endless { chunks: true, ..Endless::default() }).await;
    assert_eq!((answer.status.as_u16(), touched), (401, false));
    let (answer, touched) =
        post(&app, &good_token(), "text/plain", Endless { chunks: true, ..Endless::default() }).await;
    assert_eq!((answer.status.as_u16(), touched), (415, false));
    assert_eq!(app.call("POST", "/upload-url", "bad", "{").await.status, 401);
    assert_eq!(app.call("POST", "/upload-url", &good_token(), "{").await.status, 400);
    assert_eq!(app.call("POST", "/nowhere", "bad", "{").await.status, 404);
}

/// H06: what announces too much is not read, what sends too much is cut off.
#[tokio::test]
async fn bodies_end_at_the_limit() {
    let app = TestApp::with(&[("server.max_body_bytes", "2048")]).await;
    let announced = Endless { announced: Some(10_000_000_000), chunks: true, ..Endless::default() };
    let (answer, touched) = post(&app, &good_token(), "application/json", announced).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str(), touched), (413, "body_too_large", false));
    let chunked = Endless { chunks: true, ..Endless::default() };
    let (answer, _) = post(&app, &good_token(), "application/json", chunked).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body_too_large"));

    let padded = |len: usize| {
        let empty = json!({"key": "s1/f", "pad": ""}).to_string().len();
        json!({"key": "s1/f", "pad": "a".repeat(len - empty)}).to_string()
    };
    assert_eq!(app.call("POST", "/upload-url", &good_token(), &padded(2048)).await.status, 200);
    assert_eq!(app.call("POST", "/upload-url", &good_token(), &padded(2049)).await.status, 413);
    assert_eq!(app.call("POST", "/upload-url", &good_token(), "").await.status, 400);
}

/// H02: a body that does not come.
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_408() {
    let app = TestApp::start().await;
    let (answer, _) = post(&app, &good_token(), "application/json", Endless::default()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (408, "request_timeout"));
}

/// K18: JSON says that it is JSON. A form of any page could send the others without asking.
#[tokio::test]
async fn other_body_types_are_415() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", good_token());
    let body = r#"{"key":"s1/f"}"#;
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        assert_eq!(app.send("POST", "/upload-url", &headers, body).await.status, 200, "{content_type}");
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonx",
        "",
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        assert_eq!(
            app.send("POST", "/upload-url", &headers, body).await.code(),
            "unsupported_media_type",
            "{content_type}"
        );
    }
    assert_eq!(app.send("POST", "/upload-url", &[("authorization", &bearer)], body).await.status, 415);
    let twice =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("content-type", "text/plain")];
    assert_eq!(app.send("POST", "/upload-url", &twice, body).await.status, 415);
}

#[tokio::test]
async fn long_targets_are_414() {
    let app = TestApp::start().await;
    let target = |len: usize| format!("/download-url?key=s1/f&x={}", "a".repeat(len - 25));
    assert_eq!(app.get(&target(8192)).await.status, 200);
    let answer = app.get(&target(8193)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (414, "uri_too_long"));
}

/// H06: what is read only to be thrown away is bounded as well.
#[tokio::test]
async fn a_body_that_nobody_wants_is_bounded() {
    let app = TestApp::with(&[("server.body_timeout_secs", "1")]).await;
    let endless = |announced, chunks| Endless { announced, chunks, ..Endless::default() };
    for (body, is_read) in [
        (endless(None, false), true),
        (endless(None, true), true),
        (endless(Some(64 * 1024), true), true),
        (endless(Some(64 * 1024 + 1), true), false),
    ] {
        let touched = Arc::clone(&body.touched);
        let request = Request::post("/upload").header("host", "signer.test").body(body).unwrap();
        assert_eq!(app.respond(request).await.status, 410);
        assert_eq!(touched.load(Ordering::SeqCst), is_read);
    }
}
