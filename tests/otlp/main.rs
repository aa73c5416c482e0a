//! Traces as a collector gets them: the signer as a process, a bucket that says yes, and a collector that remembers.
#![allow(
    missing_docs,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failed expectation fails the test"
)]

mod parts;

use std::time::Duration;

use filesync_signer::domain::token::{MintClaims, mint_hs256};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use parts::{Server, Signer, ask, attribute, hex};

const SECRET: &str = "an otlp ring secret of more than 32 bytes";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const KEY: &str = "s1/a-name-that-tells";

fn token() -> String {
    let now = filesync_signer::server::system_clock();
    mint_hs256(SECRET.as_bytes(), "storeId", &["s1".into()], &MintClaims::default(), 600, now).unwrap()
}

fn signer(collector: &str, bucket: &Server, settings: &[&str]) -> Signer {
    let bucket = format!("storage.endpoint={}", bucket.url);
    let (endpoint, secret) = (format!("telemetry.otlp_endpoint={collector}"), format!("auth.hs256_secret={SECRET}"));
    let usual = [bucket.as_str(), &endpoint, &secret];
    Signer::start(&usual.iter().chain(settings).copied().collect::<Vec<_>>())
}

fn traced(flags: &str) -> (&'static str, String) {
    ("traceparent", format!("00-{TRACE}-{PARENT}-{flags}"))
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let first = found.next().unwrap_or_else(|| panic!("no {name} in {:?}", names(spans)));
    assert!(found.next().is_none(), "more than one {name}");
    first
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[test]
fn a_request_its_token_check_and_its_bucket_call_are_spans_of_the_callers_trace() {
    let (collector, bucket) = (Server::start(200), Server::start(204));
    let signer = signer(&collector.url, &bucket, &[]);
    let bearer = format!("Bearer {}", token());
    let headers = [("authorization", bearer.clone()), ("x-request-id", "r-1".into()), traced("01")];
    let answer = ask(&signer.address, "DELETE", &format!("/object?key={KEY}"), &headers);
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let url = ask(&signer.address, "GET", &format!("/download-url?key={KEY}"), &[("authorization", bearer.clone())]);
    assert!(url.starts_with("HTTP/1.1 200"), "{url}");
    let refused = ask(&signer.address, "GET", "/object?key=s1/f", &[("authorization", "Bearer x.y.z".into())]);
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    ask(&signer.address, "GET", "/livez", &[traced("01")]);
    // Nothing waits for the batch's time: the end sends what there is.
    let log = signer.stop();
    let spans = collector.spans();

    let request = named(&spans, "DELETE /object");
    assert_eq!((hex(&request.trace_id).as_str(), hex(&request.parent_span_id).as_str()), (TRACE, PARENT));
    assert_eq!(request.kind, SpanKind::Server as i32);
    assert_eq!(attribute(request, "http.response.status_code").as_deref(), Some("204"));
    assert_eq!(attribute(request, "request_id").as_deref(), Some("r-1"));
    let call = named(&spans, "DELETE bucket");
    assert_eq!((&call.trace_id, &call.parent_span_id), (&request.trace_id, &request.span_id));
    assert_eq!(
        (call.kind, attribute(call, "http.response.status_code").as_deref()),
        (SpanKind::Client as i32, Some("204"))
    );
    let checks: Vec<_> = spans.iter().filter(|span| span.name == "token check").collect();
    assert_eq!(checks.len(), 3, "{:?}", names(&spans));
    assert!(checks.iter().any(|check| check.parent_span_id == request.span_id));
    let refused = named(&spans, "GET /object");
    assert_eq!(attribute(refused, "error.type").as_deref(), Some("unauthorized"));
    assert_ne!(refused.status.as_ref().map(|status| status.code), Some(StatusCode::Error as i32), "the caller's fault");
    let begun = named(&spans, "GET /download-url");
    assert!(begun.parent_span_id.is_empty() && hex(&begun.trace_id) != TRACE);
    // The log names the trace of a request that brought none, too.
    assert!(log.contains(&format!("\"trace_id\":\"{}\"", hex(&begun.trace_id))), "{log}");
    assert_eq!(spans.len(), 7, "{:?}", names(&spans));

    // The bucket is told of its own span, and of the request.
    let asked = bucket.asked();
    let delete =
        asked.iter().map(|asked| String::from_utf8_lossy(asked)).find(|asked| asked.starts_with("DELETE")).unwrap();
    assert!(delete.contains(&format!("traceparent: 00-{TRACE}-{}-01\r\n", hex(&call.span_id))), "{delete}");
    assert!(delete.contains("x-request-id: r-1\r\n"), "{delete}");

    // H24, H25: names, statuses and ids are told, and nothing that opens anything or names an object.
    let signature = url.split("X-Amz-Signature=").nth(1).unwrap().split('"').next().unwrap();
    let sent: Vec<u8> = collector.asked().concat();
    let sent = String::from_utf8_lossy(&sent);
    assert!(sent.contains("filesync-signer") && signature.len() == 64);
    let token = bearer.trim_start_matches("Bearer ");
    for secret in token.split('.').chain([signature, SECRET, "never-shown", "X-Amz-", "a-name-that-tells", "x.y.z"]) {
        assert!(!sent.contains(secret), "{secret} is in the traces");
        assert!(!log.contains(secret) || secret == "a-name-that-tells", "{secret} is in the log");
    }
}

#[test]
fn who_is_not_sampled_by_the_caller_is_not_here() {
    let (collector, bucket) = (Server::start(200), Server::start(204));
    let signer = signer(&collector.url, &bucket, &["telemetry.otlp_ratio=0"]);
    let bearer = || ("authorization", format!("Bearer {}", token()));
    ask(&signer.address, "GET", "/download-url?key=s1/f", &[bearer(), traced("00")]);
    ask(&signer.address, "GET", "/download-url?key=s1/f", &[bearer()]);
    ask(&signer.address, "POST", "/delete-url", &[bearer(), traced("01")]);
    ask(&signer.address, "DELETE", "/object?key=s1/f", &[bearer(), traced("00")]);
    signer.stop();
    let spans = collector.spans();
    assert_eq!(names(&spans).len(), 2, "the one that the caller samples, and its token check: {:?}", names(&spans));
    named(&spans, "POST /delete-url");
    // The bucket hears of the trace all the same, and that nobody records it.
    let delete = bucket
        .asked()
        .into_iter()
        .map(|asked| String::from_utf8(asked).unwrap())
        .find(|asked| asked.starts_with("DELETE"));
    let delete = delete.unwrap();
    assert!(delete.contains(&format!("traceparent: 00-{TRACE}-")) && delete.contains("-00\r\n"), "{delete}");
}

#[test]
fn a_collector_that_fails_or_hangs_keeps_nobody_waiting() {
    let bucket = Server::start(204);
    let (failing, hanging) = (Server::start(500), Server::hanging());
    for (collector, said) in
        [("http://127.0.0.1:9", "cannot be exported"), (&failing.url, "answered 500"), (&hanging.url, "")]
    {
        let signer = signer(collector, &bucket, &[]);
        let begun = std::time::Instant::now();
        let answer =
            ask(&signer.address, "GET", "/download-url?key=s1/f", &[("authorization", format!("Bearer {}", token()))]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let log = signer.stop();
        assert!(begun.elapsed() < Duration::from_secs(15), "the end is bounded");
        assert!(log.contains(said), "{collector}: {log}");
    }
}
