//! A bucket that fails, hangs, resets or lies: what the caller is told, and how often the bucket is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use filesync_signer::storage::{HealthMonitor, ProbeFailure};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::faulty::{Does, FaultyBucket};
use crate::support::{Answer, TestApp, good_token, now};

const OK: Does = Does::Answer(204, "", "");
const INTERNAL: Does = Does::Answer(500, "", "<Error><Code>InternalError</Code></Error>");
const SLOW_DOWN: Does = Does::Answer(503, "", "<Error><Code>SlowDown</Code></Error>");

async fn app_over(bucket: &FaultyBucket, settings: &[(&str, &str)]) -> TestApp {
    TestApp::with(&[&[("storage.endpoint", bucket.url.as_str())], settings].concat()).await
}

async fn delete(app: &TestApp) -> Answer {
    app.call("DELETE", "/object?key=s1/f", &good_token(), "").await
}

/// So many deletes, twenty at a time: how many were 204, and how many refused without asking the bucket.
async fn deletes(app: &Arc<TestApp>, count: usize) -> (usize, usize) {
    let (mut done, mut refused) = (0, 0);
    for _ in 0..count.div_ceil(20) {
        let mut calls = JoinSet::new();
        for _ in 0..20 {
            let app = Arc::clone(app);
            calls.spawn(async move { delete(&app).await });
        }
        for answer in calls.join_all().await {
            match answer.status.as_u16() {
                204 => done += 1,
                503 if answer.code() == "bucket_unavailable" => {
                    assert_eq!(answer.header("retry-after"), Some("1"));
                    refused += 1;
                }
                _ => assert_eq!(answer.code(), "bucket_failed"),
            }
        }
    }
    (done, refused)
}

/// H14, H16: what passes by itself is asked again, and a caller sees nothing of it.
#[tokio::test]
async fn a_call_that_fails_twice_is_made_three_times() {
    for fault in [
        INTERNAL,
        SLOW_DOWN,
        Does::Answer(502, "", ""),
        Does::Answer(504, "", ""),
        Does::Answer(429, "", ""),
        Does::Answer(400, "", "<Error><Code>RequestTimeout</Code></Error>"),
        // H18: in an answer that says yes.
        Does::Answer(200, "", "<Error><Code>InternalError</Code></Error>"),
        Does::Reset,
        Does::Close,
        Does::Raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"),
        Does::Raw("rubbish\r\n\r\n"),
    ] {
        let bucket = FaultyBucket::start(move |n| if n < 2 { fault } else { OK }).await;
        let app = app_over(&bucket, &[]).await;
        assert_eq!(delete(&app).await.status, 204, "{fault:?}");
        assert_eq!(bucket.count(), 3, "{fault:?}");

        let bucket = FaultyBucket::start(move |_| fault).await;
        let app = app_over(&bucket, &[]).await;
        let answer = delete(&app).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "bucket_failed"), "{fault:?}");
        assert_eq!(bucket.count(), 3, "{fault:?}");
    }
}

/// A refusal stays one, however often it is asked for.
#[tokio::test]
async fn a_refusal_is_not_asked_for_again() {
    for refusal in [
        Does::Answer(403, "", "<Error><Code>RequestTimeTooSkewed</Code></Error>"),
        Does::Answer(403, "", "<Error><Code>AccessDenied</Code></Error>"),
        Does::Answer(301, "location: http://evil.test/", ""),
        Does::Answer(501, "", "<Error><Code>NotImplemented</Code></Error>"),
    ] {
        let bucket = FaultyBucket::start(move |_| refusal).await;
        let app = app_over(&bucket, &[]).await;
        assert_eq!(delete(&app).await.code(), "bucket_failed");
        assert_eq!(bucket.count(), 1, "{refusal:?}");
    }
}

/// A signature is dated, so an attempt that comes later has its own; and `Retry-After` is waited for.
#[tokio::test]
async fn each_attempt_is_signed_anew_when_the_bucket_asked_for_it() {
    let later = Does::Answer(503, "retry-after: 2", "");
    let bucket = FaultyBucket::start(move |n| if n == 0 { later } else { OK }).await;
    let app = app_over(&bucket, &[]).await;
    assert_eq!(delete(&app).await.status, 204);
    let dates: Vec<_> =
        bucket.asked().iter().map(|line| line.split("X-Amz-Date=").nth(1).unwrap()[..16].to_owned()).collect();
    assert_eq!(dates[0], "20261122T150000Z");
    assert!(dates[1].as_str() >= "20261122T150002Z" && dates.len() == 2, "{dates:?}");
}

/// H16: nobody waits longer than a call may last, whatever the bucket asks for.
#[tokio::test]
async fn a_retry_after_beyond_the_deadline_is_an_answer_at_once() {
    let bucket = FaultyBucket::start(|_| Does::Answer(503, "retry-after: 86400", "")).await;
    let app = app_over(&bucket, &[]).await;
    assert_eq!(delete(&app).await.code(), "bucket_failed");
    assert_eq!(bucket.count(), 1);
}

/// H16: the deadline is for all attempts together; one that is cut by it is not followed by another.
#[tokio::test]
async fn one_deadline_holds_for_all_attempts() {
    for slow in [Does::Hang, Does::Drip("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")] {
        let bucket = FaultyBucket::start(move |n| if n == 0 { INTERNAL } else { slow }).await;
        let app = app_over(&bucket, &[("storage.call_timeout_secs", "2")]).await;
        let started = Instant::now();
        let answer = delete(&app).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "bucket_timeout"), "{slow:?}");
        assert!(started.elapsed() >= Duration::from_millis(1900), "all of the two seconds were the call's");
        assert_eq!(bucket.count(), 2, "{slow:?}");
    }
}

/// H18: an answer that says yes and is none, for every kind of call.
#[tokio::test]
async fn a_success_that_is_none_is_a_failure() {
    let denied = "<Error><Code>AccessDenied</Code></Error>";
    // Bytes that a decoder would blow up; nothing here decodes them.
    let bomb: &'static str = Box::leak("\u{1f}x".repeat(50_000).into_boxed_str());
    for lie in [
        Does::Answer(200, "", denied),
        Does::Answer(200, "", "<Error/>"),
        Does::Answer(200, "content-encoding: gzip", "<packed"),
        Does::Answer(200, "x-amz-request-id: 1", bomb),
        Does::Answer(200, "x-amz-request-id: 1\r\ncontent-encoding: gzip", bomb),
    ] {
        let bucket = FaultyBucket::start(move |_| lie).await;
        let app = app_over(&bucket, &[]).await;
        assert_eq!(delete(&app).await.code(), "bucket_failed");
        // A list of versions that is none is no empty list: nothing was deleted.
        let app = app_over(&bucket, &[("storage.delete_all_versions", "true")]).await;
        assert_eq!(delete(&app).await.code(), "bucket_failed");
        assert_eq!(bucket.count(), 2);
    }
    for page in ["<html><body>Sign in</body></html>", ""] {
        let bucket = FaultyBucket::start(move |_| Does::Answer(200, "", page)).await;
        let app = app_over(&bucket, &[("storage.delete_all_versions", "true")]).await;
        assert_eq!(delete(&app).await.code(), "bucket_failed", "{page}");
    }
    // An object without a length is not one of no bytes.
    let bucket = FaultyBucket::start(|_| Does::Raw("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")).await;
    let app = app_over(&bucket, &[]).await;
    assert_eq!(app.get("/object?key=s1/f").await.code(), "bucket_failed");
}

/// H18: another web server at the bucket's address knows nothing of objects, whatever it says of pages.
#[tokio::test]
async fn what_another_web_server_answers_confirms_nothing() {
    for page in [
        Does::Answer(404, "content-type: text/html", "<html>no such page</html>"),
        Does::Answer(200, "content-type: text/html", "<!doctype html><title>Sign in</title>"),
        Does::Answer(404, "content-type: application/json", r#"{"error":"no such route"}"#),
        Does::Answer(200, "", "ok"),
    ] {
        let bucket = FaultyBucket::start(move |_| page).await;
        let app = app_over(&bucket, &[]).await;
        assert_eq!(delete(&app).await.code(), "bucket_failed", "{page:?}");
        let monitor = HealthMonitor::start(Arc::clone(&app.client), Duration::from_secs(5), now);
        while monitor.health().checked_at.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(monitor.health().verdict, Err(ProbeFailure::Error), "{page:?}");
    }
    // A HEAD has no body; what is left are the headers.
    for page in [
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 9\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\n",
    ] {
        let bucket = FaultyBucket::start(move |_| Does::Raw(page)).await;
        let app = app_over(&bucket, &[]).await;
        assert_eq!(app.get("/object?key=s1/f").await.code(), "bucket_failed", "{page:?}");
    }
}

/// The name may lead elsewhere by then, and a connection that is kept never asks for it again.
#[tokio::test]
async fn a_connection_to_another_web_server_is_not_kept() {
    let page = Does::Answer(404, "content-type: text/html", "<html>no such page</html>");
    let bucket = FaultyBucket::start(move |n| if n == 1 { page } else { OK }).await;
    let app = app_over(&bucket, &[]).await;
    for _ in 0..3 {
        assert_eq!(delete(&app).await.status, 204);
    }
    let closes: Vec<_> = bucket.heads().iter().map(|head| head.contains("connection: close")).collect();
    assert_eq!(closes, [false, false, true, false]);
}

/// A bucket that takes long to fail is asked as often as one that fails at once.
#[tokio::test]
async fn the_time_that_a_probe_took_does_not_put_off_the_next() {
    let bucket = FaultyBucket::start(|_| Does::Hang).await;
    let app = app_over(&bucket, &[("storage.first_byte_timeout_secs", "3")]).await;
    let started = Instant::now();
    let _monitor = HealthMonitor::start(Arc::clone(&app.client), Duration::from_secs(4), now);
    while bucket.count() < 3 {
        sleep(Duration::from_millis(20)).await;
    }
    // Twice four, and not twice three and four.
    let passed = started.elapsed();
    assert!((Duration::from_millis(7900)..Duration::from_secs(12)).contains(&passed), "{passed:?}");
}

/// H16, one request in ten fails: callers get what they asked for, unless one is hit three times running.
#[tokio::test]
async fn at_a_tenth_of_failures_callers_notice_nothing() {
    let bucket = FaultyBucket::start(|n| if n % 10 == 3 { INTERNAL } else { OK }).await;
    let app = Arc::new(app_over(&bucket, &[]).await);
    let (done, refused) = deletes(&app, 400).await;
    assert!(done >= 399 && refused == 0, "{done} done, {refused} refused");
    assert!((440..=450).contains(&bucket.count()), "{} for 400", bucket.count());
}

/// H16, every second one fails: the bucket is not taken for down.
#[tokio::test]
async fn at_half_of_failures_the_bucket_is_still_asked() {
    // Spread like dice, and the same in every run.
    let fails = |n: usize| (n.wrapping_mul(2_654_435_761) >> 7).is_multiple_of(2);
    let bucket = FaultyBucket::start(move |n| if fails(n) { SLOW_DOWN } else { OK }).await;
    let app = Arc::new(app_over(&bucket, &[]).await);
    let (done, refused) = deletes(&app, 200).await;
    assert_eq!(refused, 0);
    assert!(done >= 80, "{done} of 200");
}

/// H16, all fail: ten attempts more than calls, then next to nothing; and back when the bucket is.
#[tokio::test]
async fn at_total_failure_the_bucket_is_spared_and_found_again() {
    tokio::join!(
        spared_and_found_again(INTERNAL),
        spared_and_found_again(SLOW_DOWN),
        spared_and_found_again(Does::Reset)
    );
}

async fn spared_and_found_again(fault: Does) {
    let bucket = FaultyBucket::start(move |_| fault).await;
    let app = Arc::new(app_over(&bucket, &[]).await);
    let started = Instant::now();
    let (mut asked, mut refused) = (0, 0);
    // A second of failures is all that it takes; half a minute is long enough for any machine.
    while refused < 200 && started.elapsed() < Duration::from_secs(30) {
        refused += deletes(&app, 20).await.1;
        asked += 20;
        sleep(Duration::from_millis(20)).await;
    }
    assert!(refused >= 200, "{fault:?}: {refused} of {asked} refused at once");
    let made = asked - refused;
    assert!(bucket.count() <= made + 10, "{fault:?}: {} for {made} that were made", bucket.count());
    assert!(bucket.count() * 10 <= asked * 11, "{fault:?}: {} for {asked}", bucket.count());

    // One a second, and that one for sure.
    let (before, since) = (bucket.count(), Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        deletes(&app, 20).await;
        sleep(Duration::from_millis(20)).await;
    }
    let probes = bucket.count() - before;
    let seconds = usize::try_from(since.elapsed().as_secs()).unwrap();
    assert!((1..=seconds + 1).contains(&probes), "{fault:?}: {probes} in {seconds} s");
    // Signing does not notice.
    assert_eq!(app.get("/download-url?key=s1/f").await.status, 200);

    bucket.does(|_| OK);
    while delete(&app).await.status != 204 {
        assert!(started.elapsed() < Duration::from_mins(1), "{fault:?}: not found again");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(deletes(&app, 40).await, (40, 0), "{fault:?}");
}

/// The health probe is made once, also when the bucket is taken for down, and its answer ends that.
#[tokio::test]
async fn the_health_probe_is_not_repeated_and_finds_the_bucket_again() {
    let bucket = FaultyBucket::start(|_| INTERNAL).await;
    let settings = [("storage.endpoint", bucket.url.as_str()), ("storage.probe_interval_secs", "5")];
    let app = Arc::new(TestApp::with(&settings).await);
    let monitor = HealthMonitor::start(Arc::clone(&app.client), app.config.storage.probe_interval, now);
    while monitor.health().checked_at.is_none() {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((bucket.count(), monitor.health().verdict), (1, Err(ProbeFailure::Error)));
    // Taken for down by what the calls met; nobody calls any more, and the bucket comes back.
    while deletes(&app, 20).await.1 < 20 {
        sleep(Duration::from_millis(50)).await;
    }
    bucket.does(|_| Does::Answer(404, "", "<Error><Code>NoSuchKey</Code></Error>"));
    while monitor.health().verdict.is_err() {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(deletes(&app, 20).await, (20, 0));
}

/// Rule 5, issue 6: URLs are signed while the bucket hangs.
#[tokio::test]
async fn signing_does_not_wait_for_a_bucket_that_hangs() {
    let bucket = FaultyBucket::start(|_| Does::Hang).await;
    let app = Arc::new(app_over(&bucket, &[]).await);
    let waiting = tokio::spawn({
        let app = Arc::clone(&app);
        async move { delete(&app).await }
    });
    while bucket.count() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..20 {
        assert_eq!(app.get("/download-url?key=s1/f").await.status, 200);
        assert_eq!(app.post("/upload-url", &json!({"key": "s1/f"})).await.status, 200);
        assert_eq!(app.post("/v1/sign/upload", &json!({"key": "s1/f"})).await.status, 200);
    }
    assert!(!waiting.is_finished(), "the delete still waits");
    assert_eq!(waiting.await.unwrap().code(), "bucket_timeout");
    assert_eq!(bucket.count(), 1, "who is slow gets no more work");
}

/// So that a broken fake does not pass for a broken bucket.
#[tokio::test]
async fn a_bucket_without_faults_is_asked_once_a_call() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let bucket = FaultyBucket::start(|n| {
        CALLS.fetch_max(n + 1, Ordering::SeqCst);
        OK
    })
    .await;
    let app = Arc::new(app_over(&bucket, &[]).await);
    assert_eq!(deletes(&app, 100).await, (100, 0));
    assert_eq!((bucket.count(), CALLS.load(Ordering::SeqCst)), (100, 100));
}
