//! Of whom the bucket hears: the request that its calls are made for.

use serde_json::json;

use crate::support::{TestApp, good_token};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn asked_with(app: &TestApp, traceparent: &str, target: &str, body: &str) -> Vec<String> {
    let bearer = format!("Bearer {}", good_token());
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("x-request-id", "r-1"),
        ("traceparent", traceparent),
        ("tracestate", "vendor=told-nobody"),
    ];
    app.send("POST", target, &headers, body).await;
    app.s3.take_asked()
}

#[tokio::test]
async fn calls_to_the_bucket_name_the_trace_and_the_request() {
    let app = TestApp::start().await;
    app.s3.answers(404, &[], "");
    let operations = json!({"operations": [{"op": "head", "key": "s1/a"}, {"op": "head", "key": "s1/b"}, {"op": "delete", "key": "s1/c"}]});
    for (target, body, calls) in
        [("/v1/delete", json!({"key": "s1/f"}), 1), ("/confirm", json!({"key": "s1/f"}), 1), ("/batch", operations, 3)]
    {
        let asked = asked_with(&app, TRACEPARENT, target, &body.to_string()).await;
        assert_eq!(asked.len(), calls, "{target}");
        for call in asked {
            assert!(call.contains(&format!("\r\ntraceparent: {TRACEPARENT}\r\n")), "{call}");
            assert!(call.contains("\r\nx-request-id: r-1\r\n"), "{call}");
            assert!(!call.contains("told-nobody"), "{call}");
            // They are no part of what is signed.
            assert!(!call.contains("traceparent%3B") && !call.contains("%3Btraceparent"), "{call}");
        }
    }
}

#[tokio::test]
async fn what_is_no_trace_is_told_nobody() {
    let app = TestApp::start().await;
    app.s3.answers(404, &[], "");
    for odd in ["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "x", ""] {
        let asked = asked_with(&app, odd, "/confirm", "{\"key\":\"s1/f\"}").await;
        assert_eq!(asked.len(), 1);
        assert!(!asked[0].contains("traceparent"), "{}", asked[0]);
        assert!(asked[0].contains("\r\nx-request-id: r-1\r\n"), "{}", asked[0]);
    }
}
