//! The service in numbers: each moves when what it counts happens.

mod closed;
mod listener;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use filesync_signer::server::Service;
use filesync_signer::storage::{Health, ProbeFailure};
use filesync_signer::telemetry::metrics::FAMILIES;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep};

use crate::faulty::{Does, FaultyBucket};
use crate::issuer::Issuer;
use crate::running::{PATIENCE, read_all, start};
use crate::support::{FakeServer, TestApp, good_token, now, token};

/// The samples of one scrape.
pub(crate) struct Told(String);

impl Told {
    pub(crate) fn by(test: &TestApp) -> Self {
        Self(Service::new(Arc::clone(&test.app), &test.config.server, now).unwrap().scrape().text_for(""))
    }

    /// The value of one series, if it is there.
    fn find(&self, series: &str) -> Option<f64> {
        let lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let found: Vec<_> =
            lines.filter(|(name, _)| *name == series).map(|(_, value)| value.parse().unwrap()).collect();
        assert!(found.len() < 2, "{series} is there twice");
        found.first().copied()
    }

    #[track_caller]
    pub(crate) fn is(&self, series: &str, value: f64) {
        assert_eq!(self.find(series), Some(value), "{series}\n{}", self.0);
    }

    /// Everything before the values.
    fn series(&self) -> BTreeSet<String> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    }
}

async fn until(what: &str, mut held: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !held() {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_method_status_and_code() {
    let test =
        TestApp::with(&[("server.cors_origins", r#"["https://a.example"]"#), ("server.base_path", "/api")]).await;
    for _ in 0..3 {
        assert_eq!(test.get("/api/download-url?key=s1/f").await.status, 200);
    }
    assert_eq!(test.get("/api/download-url?key=s2/f").await.status, 403);
    assert_eq!(test.get("/api/nowhere").await.status, 404);
    assert_eq!(test.call("PUT", "/api/upload-url", &good_token(), "").await.status, 405);
    assert_eq!(test.send("HEAD", "/api/livez", &[], "").await.status, 200);
    let asks = [("origin", "https://a.example"), ("access-control-request-method", "DELETE")];
    assert_eq!(test.send("OPTIONS", "/api/object", &asks, "").await.status, 204);
    let told = Told::by(&test);
    for (labels, count) in [
        (r#"route="/download-url",method="GET",status="200",code="""#, 3.0),
        (r#"route="/download-url",method="GET",status="403",code="key_outside_store""#, 1.0),
        (r#"route="other",method="GET",status="404",code="not_found""#, 1.0),
        (r#"route="/upload-url",method="PUT",status="405",code="method_not_allowed""#, 1.0),
        (r#"route="/livez",method="HEAD",status="200",code="""#, 1.0),
        (r#"route="/object",method="OPTIONS",status="204",code="""#, 1.0),
    ] {
        told.is(&format!("signer_requests_total{{{labels}}}"), count);
    }
    told.is(r#"signer_request_duration_seconds_count{route="/download-url"}"#, 4.0);
    told.is(r#"signer_request_duration_seconds_bucket{route="/download-url",le="+Inf"}"#, 4.0);
    assert!(told.find(r#"signer_request_duration_seconds_sum{route="/download-url"}"#).unwrap() > 0.0);
    assert_eq!(told.find(r#"signer_request_duration_seconds_count{route="/batch"}"#), None, "nobody asked");
}

#[tokio::test]
async fn denials_are_counted_by_code_and_tokens_by_what_nobody_is_told() {
    let test = TestApp::with(&[("limits.subject_requests_per_sec", "1"), ("limits.max_tracked", "10")]).await;
    assert_eq!(test.send("GET", "/download-url?key=s1/f", &[], "").await.status, 401);
    assert_eq!(test.call("GET", "/download-url?key=s1/f", "rubbish", "").await.status, 401);
    let expired = token(json!({"storeId": "s1", "exp": now().as_second() - 600}));
    assert_eq!(test.call("GET", "/download-url?key=s1/f", &expired, "").await.status, 401);
    let reader = token(json!({"storeId": "s1", "scope": "files:read", "sub": "reader"}));
    assert_eq!(test.call("POST", "/upload-url", &reader, r#"{"key":"s1/f"}"#).await.status, 403);
    assert_eq!(test.call("POST", "/upload-url", &reader, r#"{"key":"s1/f"}"#).await.status, 429);
    let told = Told::by(&test);
    for (code, count) in
        [("unauthorized", 3.0), ("operation_not_allowed", 1.0), ("rate_limited", 1.0), ("store_missing", 0.0)]
    {
        told.is(&format!("signer_denials_total{{code=\"{code}\"}}"), count);
    }
    for (reason, count) in [("no_token", 1.0), ("format", 1.0), ("expired", 1.0), ("signature", 0.0)] {
        told.is(&format!("signer_tokens_refused_total{{reason=\"{reason}\"}}"), count);
    }
    told.is("signer_limits_tracked", 1.0);
    // Both of the reader's tokens are one; the one that had expired is looked at each time.
    told.is("signer_token_cache_hits_total", 1.0);
    told.is("signer_token_cache_misses_total", 3.0);
    told.is("signer_keys", 1.0);
}

#[tokio::test]
async fn lines_of_the_audit_log_that_are_lost_are_counted() {
    let test = TestApp::with(&[("telemetry.audit", "on"), ("telemetry.audit_file", "/dev/full")]).await;
    Told::by(&test).is("signer_audit_dropped_total", 0.0);
    // More than may wait for the disk.
    let operations: Vec<_> = (0..1000).map(|i| json!({"op": "download", "key": format!("s1/{i}")})).collect();
    for _ in 0..10 {
        assert_eq!(test.post("/batch", &json!({ "operations": operations })).await.status, 200);
    }
    let lost = Told::by(&test).find("signer_audit_dropped_total").unwrap();
    assert!((1.0..10_000.0).contains(&lost), "{lost}");
}

#[tokio::test]
async fn urls_and_promised_bytes_are_counted_for_each_storage() {
    let test = TestApp::with(&[
        ("storages.eu.endpoint", "https://eu.test"),
        ("storages.eu.bucket", "eu"),
        ("storages.eu.access_key_id", "KEYEU"),
        ("storages.eu.secret_access_key", "secret"),
        ("storage_routes", r#"[{stores=["e1"],storage="eu"}]"#),
        ("limits.store_upload_bytes_per_hour", "1000"),
    ])
    .await;
    let token = token(json!({"storeId": ["s1", "e1"]}));
    let upload = |key: &str, length: u64| json!({"key": key, "contentLength": length}).to_string();
    assert_eq!(test.call("POST", "/upload-url", &token, &upload("s1/f", 700)).await.status, 200);
    assert_eq!(test.call("POST", "/upload-url", &token, &upload("s1/f", 700)).await.status, 429, "given to nobody");
    let batch = json!({"operations": [
        {"op": "upload", "key": "e1/f", "contentLength": 11},
        {"op": "download", "key": "e1/f"},
        {"op": "download", "key": "e1/f", "method": "HEAD"},
        {"op": "delete-url", "key": "e1/f"},
        {"op": "download", "key": "s9/f"},
        {"op": "delete", "key": "s1/f"},
    ]});
    assert_eq!(test.call("POST", "/batch", &token, &batch.to_string()).await.status, 200);
    let told = Told::by(&test);
    for (storage, operation, count) in [
        ("default", "upload", 1.0),
        ("default", "download", 0.0),
        ("eu", "upload", 1.0),
        ("eu", "download", 1.0),
        ("eu", "head", 1.0),
        ("eu", "delete", 1.0),
        ("eu", "public", 0.0),
    ] {
        told.is(&format!("signer_urls_minted_total{{storage=\"{storage}\",operation=\"{operation}\"}}"), count);
    }
    told.is(r#"signer_upload_promised_bytes_total{storage="default"}"#, 700.0);
    told.is(r#"signer_upload_promised_bytes_total{storage="eu"}"#, 11.0);
    told.is(r#"signer_batch_operations_total{status="200",code=""}"#, 4.0);
    told.is(r#"signer_batch_operations_total{status="403",code="key_outside_store"}"#, 1.0);
    told.is(r#"signer_denials_total{code="key_outside_store"}"#, 1.0);
    told.is(r#"signer_denials_total{code="quota_exceeded"}"#, 1.0);
}

#[tokio::test]
async fn public_urls_are_counted_apart() {
    let test = TestApp::with(&[
        ("download.mode", "public"),
        ("download.public_base_url", "https://cdn.test/files/"),
        ("download.force_attachment", "false"),
    ])
    .await;
    assert_eq!(test.get("/download-url?key=s1/f").await.status, 200);
    let told = Told::by(&test);
    told.is(r#"signer_urls_minted_total{storage="default",operation="public"}"#, 1.0);
    told.is(r#"signer_urls_minted_total{storage="default",operation="download"}"#, 0.0);
}

#[tokio::test]
async fn a_bucket_in_trouble_is_seen_in_calls_retries_budget_and_breaker() {
    let bucket = FaultyBucket::start(|_| Does::Answer(204, "", "")).await;
    let test = TestApp::with(&[("storage.endpoint", &bucket.url), ("storage.call_timeout_secs", "2")]).await;
    let good = good_token();
    let delete = || test.call("DELETE", "/object?key=s1/f", &good, "");
    assert_eq!(delete().await.status, 204);
    let told = Told::by(&test);
    told.is(r#"signer_bucket_calls_total{storage="default",operation="delete",outcome="answered"}"#, 1.0);
    told.is(r#"signer_bucket_call_duration_seconds_count{storage="default"}"#, 1.0);
    told.is(r#"signer_bucket_breaker_open{storage="default"}"#, 0.0);
    told.is(r#"signer_bucket_retry_budget{storage="default"}"#, 10.0);
    told.is(r#"signer_bucket_retries_total{storage="default"}"#, 0.0);

    bucket.does(|_| Does::Answer(500, "", "<Error><Code>InternalError</Code></Error>"));
    let open = || Told::by(&test).find(r#"signer_bucket_breaker_open{storage="default"}"#) == Some(1.0);
    let end = Instant::now() + PATIENCE;
    let mut failed = 0.0;
    while !open() {
        assert!(Instant::now() < end, "the breaker opens");
        delete().await;
        failed += 1.0;
        sleep(Duration::from_millis(100)).await;
    }
    while delete().await.code() != "bucket_unavailable" {
        failed += 1.0;
        assert!(Instant::now() < end, "the call is not made");
    }
    let told = Told::by(&test);
    told.is(r#"signer_bucket_calls_total{storage="default",operation="delete",outcome="failed"}"#, failed);
    told.is(r#"signer_bucket_calls_total{storage="default",operation="delete",outcome="not_made"}"#, 1.0);
    let retries = told.find(r#"signer_bucket_retries_total{storage="default"}"#).unwrap();
    assert!(retries > 0.0 && retries <= 10.0, "{retries}");
    told.is(r#"signer_bucket_retry_budget{storage="default"}"#, 10.0 - retries);
}

#[tokio::test]
async fn calls_that_hang_are_in_flight_and_then_timed_out_and_those_beyond_are_shed() {
    let bucket = FaultyBucket::start(|_| Does::Hang).await;
    let settings = [
        ("storage.endpoint", bucket.url.as_str()),
        ("storage.first_byte_timeout_secs", "1"),
        ("limits.max_bucket_calls", "1"),
        ("limits.max_in_flight", "7"),
    ];
    let test = Arc::new(TestApp::with(&settings).await);
    let waiting = tokio::spawn({
        let test = Arc::clone(&test);
        async move { test.get("/object?key=s1/f").await }
    });
    until("the bucket is asked", || bucket.count() > 0).await;
    assert_eq!(test.get("/object?key=s1/f").await.code(), "overloaded");
    let told = Told::by(&test);
    for (name, value) in [
        ("signer_requests_in_flight", 1.0),
        ("signer_requests_in_flight_limit", 7.0),
        ("signer_bucket_calls_in_flight", 1.0),
        ("signer_bucket_calls_in_flight_limit", 1.0),
        ("signer_shed_total", 1.0),
    ] {
        told.is(name, value);
    }
    assert_eq!(waiting.await.unwrap().code(), "bucket_timeout");
    let told = Told::by(&test);
    told.is(r#"signer_bucket_calls_total{storage="default",operation="head",outcome="timed_out"}"#, 1.0);
    told.is("signer_requests_in_flight", 0.0);
    told.is("signer_bucket_calls_in_flight", 0.0);
}

#[tokio::test]
async fn the_probe_tells_the_reason_the_skew_and_how_long_it_took() {
    let test = TestApp::start().await;
    let told = Told::by(&test);
    told.is(r#"signer_bucket_up{storage="default"}"#, 1.0);
    test.health.send_replace(Health { verdict: Err(ProbeFailure::NoBucket), checked_at: Some(now()) });
    let told = Told::by(&test);
    told.is(r#"signer_bucket_up{storage="default"}"#, 0.0);
    told.is(r#"signer_bucket_probe_failure{storage="default",reason="no_bucket"}"#, 1.0);
    told.is(r#"signer_bucket_probe_failure{storage="default",reason="timeout"}"#, 0.0);
    assert_eq!(told.find(r#"signer_clock_skew_seconds{storage="default"}"#), None, "nobody has asked the bucket");

    // One that really asks, and whose bucket is five minutes behind.
    test.s3.answers(404, &[("date", "Sun, 22 Nov 2026 14:55:00 GMT")], "<Error><Code>NoSuchKey</Code></Error>");
    let storage = filesync_signer::storage::Backend::start(&test.config.storage, now).unwrap();
    let identity = filesync_signer::identity::Authenticator::start(&test.config.auth).unwrap();
    let app = Arc::new(filesync_signer::api::App::new(&test.config, identity, vec![storage]));
    let service = Service::new(app, &test.config.server, now).unwrap();
    let told = || Told(service.scrape().text_for(""));
    until("it is probed", || told().find(r#"signer_bucket_up{storage="default"}"#) == Some(1.0)).await;
    told().is(r#"signer_clock_skew_seconds{storage="default"}"#, 300.0);
    told().is(r#"signer_bucket_calls_total{storage="default",operation="probe",outcome="answered"}"#, 1.0);
    assert!(told().find(r#"signer_bucket_probe_duration_seconds{storage="default"}"#).unwrap() > 0.0);
}

#[tokio::test]
async fn key_sets_are_counted_by_source_and_have_an_age() {
    let (idp, issuer) = (FakeServer::start().await, Issuer::new("ES256"));
    idp.answers(500, &[], "");
    let url = format!("{}/jwks", idp.url);
    let with_key = format!("{url}?key=a-key-for-nobody");
    let settings = [("auth.hs256_secret", ""), ("auth.jwks_url", &with_key), ("auth.jwks_cooldown_secs", "1")];
    let test = TestApp::with(&settings).await;
    let of = |name: &str| Told::by(&test).find(&format!("signer_key_source_{name}{{source=\"{url}\"}}"));
    until("a fetch fails", || of("failures_total") > Some(0.0)).await;
    assert_eq!((of("refreshes_total"), of("age_seconds")), (Some(0.0), None));
    Told::by(&test).is("signer_ready", 0.0);
    idp.answers(200, &[], &json!({"keys": [issuer.jwk(json!({"kid": "k0"}))]}).to_string());
    until("a fetch succeeds", || of("refreshes_total") > Some(0.0)).await;
    assert!(of("age_seconds").unwrap() < 60.0);
    let told = Told::by(&test);
    told.is("signer_keys", 1.0);
    told.is("signer_ready", 1.0);
    assert!(!told.0.contains("a-key-for-nobody"), "{}", told.0);
}

#[tokio::test]
async fn credentials_are_counted_and_say_when_they_end() {
    let test =
        TestApp::with(&[("storage.put.access_key_id", "PUT"), ("storage.put.secret_access_key", "secret")]).await;
    let told = Told::by(&test);
    told.is(r#"signer_credentials_usable{storage="default"}"#, 1.0);
    told.is(r#"signer_credentials_refreshes_total{storage="default"}"#, 2.0);
    told.is(r#"signer_credentials_failures_total{storage="default"}"#, 0.0);
    assert!(told.find(r#"signer_credentials_age_seconds{storage="default"}"#).unwrap() < 60.0);
    assert_eq!(told.find(r#"signer_credentials_expire_in_seconds{storage="default"}"#), None, "they have no end");
}

#[tokio::test]
async fn connections_and_the_end_are_told() {
    let running = start(&[("server.max_connections", "2"), ("server.drain_delay_secs", "2")]).await;
    let service = Service::new(Arc::clone(&running.test.app), &running.test.config.server, now).unwrap();
    let told = || Told(running.scrape.text_for(""));
    told().is("signer_connections_limit", 2.0);
    let first = running.connect().await;
    let second = running.connect().await;
    until("two are open", || told().find("signer_connections_open") == Some(2.0)).await;
    assert_eq!(read_all(&mut running.connect().await).await, "");
    told().is(r#"signer_connections_refused_total{cause="max_connections"}"#, 1.0);
    told().is(r#"signer_connections_refused_total{cause="max_lag_ms"}"#, 0.0);
    drop((first, second));
    until("none is open", || told().find("signer_connections_open") == Some(0.0)).await;
    told().is("signer_connections_accepted_total", 2.0);
    told().is("signer_draining", 0.0);
    running.stop.send(()).unwrap();
    until("it drains", || told().find("signer_draining") == Some(1.0)).await;
    drop(service);
}

#[tokio::test]
async fn a_panic_is_counted_as_the_500_that_it_was_answered_with() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static BROKEN: AtomicBool = AtomicBool::new(false);
    fn clock() -> jiff::Timestamp {
        assert!(!BROKEN.load(Ordering::SeqCst), "the clock is broken, on purpose");
        now()
    }
    let running = crate::running::start_at(&[], clock).await;
    let mut stream = running.connect().await;
    BROKEN.store(true, Ordering::SeqCst);
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 500 "));
    BROKEN.store(false, Ordering::SeqCst);
    let told = Told(running.scrape.text_for(""));
    told.is("signer_panics_total", 1.0);
    told.is(r#"signer_requests_total{route="other",method="other",status="500",code="internal"}"#, 1.0);
}

/// The table in the guide is what is exposed, and all that is exposed.
#[tokio::test]
async fn every_name_stands_in_the_guide_and_is_written() {
    let guide = include_str!("../../../src/guide/metrics.md");
    let test = TestApp::start().await;
    test.get("/download-url?key=s1/f").await;
    let told = Told::by(&test);
    for family in FAMILIES {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let row = format!("| `{}` | {} | {} | {} |", family.name, family.kind.name(), labels.join(", "), family.help);
        assert!(guide.contains(&row), "the guide lacks: {row}");
        assert!(told.0.contains(&format!("\n# TYPE {} {}\n", family.name, family.kind.name())), "{}", family.name);
    }
    let rows = guide.lines().filter(|line| line.starts_with("| `signer_") || line.starts_with("| `process_"));
    assert_eq!(rows.count(), FAMILIES.len());
    assert_eq!(told.0.matches("# TYPE ").count(), FAMILIES.len());
}
