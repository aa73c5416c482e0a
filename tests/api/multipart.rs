//! Uploads in parts, against a bucket that answers whatever a bucket may. How real ones answer is in the e2e ring.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use insta::assert_snapshot;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::faulty::{Does, FaultyBucket};
use crate::support::{TestApp, good_token, now, token};

const SECRET: (&str, &str) = ("multipart.secret", "an upload secret of thirty-two bytes or more");
pub(crate) const MIB: u64 = 1024 * 1024;

pub(crate) const BEGUN: Does = Does::Answer(
    200,
    "content-type: application/xml",
    "<?xml version=\"1.0\"?>\n<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
     <Bucket>files</Bucket><Key>s1/f</Key><UploadId>u+/=1</UploadId></InitiateMultipartUploadResult>",
);
pub(crate) const DONE: Does = Does::Answer(
    200,
    "",
    "  \n<?xml version=\"1.0\"?><CompleteMultipartUploadResult><Location>http://inner/files/s1/f</Location>\
     <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e-2&quot;</ETag></CompleteMultipartUploadResult>",
);
const GONE: Does = Does::Answer(404, "", "<Error><Code>NoSuchUpload</Code></Error>");

/// MD5s of `a` and `b`, and what S3 makes of them.
pub(crate) const ETAGS: [&str; 2] = ["0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"];
const ETAG_OF_BOTH: &str = "96e024ba2074fe77e8e965ba43a704be-2";

/// The bucket does these, one after the other, and the last for ever.
pub(crate) fn in_turn(bucket: &FaultyBucket, turns: Vec<Does>) {
    let next = AtomicUsize::new(0);
    bucket.does(move |_| {
        let turn = next.fetch_add(1, Ordering::SeqCst).min(turns.len() - 1);
        turns[turn]
    });
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn page(parts: &[(u32, &str, u64)], truncated: bool) -> Does {
    let parts: Vec<_> = parts
        .iter()
        .map(|(number, etag, size)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag><Size>{size}</Size></Part>")
        })
        .collect();
    let parts = parts.concat();
    let text = format!("<ListPartsResult><IsTruncated>{truncated}</IsTruncated>{parts}</ListPartsResult>");
    Does::Answer(200, "content-type: application/xml", leaked(text))
}

/// Both parts of [`begun`].
pub(crate) fn both() -> Does {
    page(&[(1, ETAGS[0], 5 * MIB), (2, ETAGS[1], 1)], false)
}

pub(crate) async fn app_over(bucket: &FaultyBucket, settings: &[(&str, &str)]) -> TestApp {
    let own = [SECRET, ("storage.endpoint", bucket.url.as_str()), ("storage.public_endpoint", "https://s3.test")];
    TestApp::with(&[&own[..], settings].concat()).await
}

/// The token of an upload of two parts, 5 MiB and 1 byte.
async fn begun(app: &TestApp, bucket: &FaultyBucket) -> String {
    in_turn(bucket, vec![BEGUN]);
    let body = json!({"key": "s1/f", "contentLength": 5 * MIB + 1, "partSize": 5 * MIB});
    let answer = app.post("/multipart", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["uploadToken"].as_str().unwrap().to_owned()
}

async fn complete(app: &TestApp, token: &str) -> crate::support::Answer {
    let parts = json!([{"partNumber": 2, "etag": ETAGS[1]}, {"partNumber": 1, "etag": format!("\"{}\"", ETAGS[0])}]);
    app.post("/multipart/complete", &json!({"uploadToken": token, "parts": parts})).await
}

#[tokio::test]
async fn an_upload_begins_with_what_the_object_is_to_have() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[("upload.cache_control", "private")]).await;
    let body = json!({"key": "s1/a b", "contentLength": 20 * MIB, "contentType": "video/mp4", "checksum": "crc32c"});
    let mut answer = app.post("/multipart", &body).await.json();
    let token = answer["uploadToken"].take();
    assert_snapshot!(answer, @r#"{"expiresAt":"2026-11-29T15:00:00Z","key":"s1/a b","partSize":8388608,"parts":3,"providerId":"default","uploadToken":null}"#);
    let head = &bucket.heads()[0];
    assert!(head.starts_with("POST /files/s1/a%20b?X-Amz-Algorithm="), "{head}");
    for part in [
        "&uploads=&X-Amz-Signature=",
        "\r\ncontent-type: video/mp4\r\n",
        "\r\nx-amz-checksum-algorithm: CRC32C\r\n",
        "\r\ncache-control: private\r\n",
        "X-Amz-SignedHeaders=cache-control%3Bcontent-type%3Bhost%3Bx-amz-checksum-algorithm",
    ] {
        assert!(head.contains(part), "{part} in {head}");
    }

    let parts = json!([{"partNumber": 3, "checksum": "AAAAAA=="}]);
    let answer = app.post("/multipart/sign", &json!({"uploadToken": token, "parts": parts, "expiresIn": 60})).await;
    let part = answer.json()["parts"][0].clone();
    let url = part["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://s3.test/files/s1/a%20b?"), "{url}");
    assert!(
        url.contains("X-Amz-Expires=60&") && url.contains("&partNumber=3&uploadId=u%2B%2F%3D1&X-Amz-Signature="),
        "{url}"
    );
    let mut rest = part;
    rest["url"].take();
    assert_snapshot!(rest, @r#"{"boundHeaders":["content-length","host","x-amz-checksum-crc32c"],"contentLength":4194304,"expiresAt":"2026-11-22T15:01:00Z","headers":{"x-amz-checksum-crc32c":"AAAAAA=="},"method":"PUT","partNumber":3,"refreshAfter":"2026-11-22T15:00:48Z","url":null}"#);
    assert_eq!(bucket.count(), 1, "signing asks nobody");
}

/// H18: what looks like a success and is none began nothing.
#[tokio::test]
async fn a_bucket_that_does_not_say_so_began_no_upload() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[]).await;
    for body in [
        "",
        "<Error><Code>AccessDenied</Code></Error>",
        "<html>sign in</html>",
        "<InitiateMultipartUploadResult><Key>s1/f</Key></InitiateMultipartUploadResult>",
        "<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>",
        "<InitiateMultipartUploadResult><UploadId>u",
    ] {
        in_turn(&bucket, vec![Does::Answer(200, "x-amz-request-id: 1", body)]);
        let answer = app.post("/multipart", &json!({"key": "s1/f", "contentLength": 1})).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "bucket_failed"), "{body}");
    }
}

#[tokio::test]
async fn all_pages_of_parts_are_read_and_each_goes_on_where_the_last_one_ended() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[]).await;
    let token = begun(&app, &bucket).await;
    let target = format!("/multipart?uploadToken={token}");
    in_turn(
        &bucket,
        vec![page(&[(2, "b", 1), (1, "a", 7)], true), page(&[(3, "c", 7)], true), page(&[(9, "d", 7)], false)],
    );
    let answer = app.get(&target).await.json();
    let numbers: Vec<_> = answer["parts"].as_array().unwrap().iter().map(|part| part["partNumber"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3, 9]);
    assert_eq!(answer["parts"][1], json!({"partNumber": 2, "etag": "\"b\"", "size": 1}));
    let asked = bucket.asked().split_off(1);
    for (line, marker) in asked.iter().zip(["", "&part-number-marker=2", "&part-number-marker=3"]) {
        assert!(line.starts_with("GET /files/s1/f?X-Amz-"), "{line}");
        assert!(line.contains(&format!("&max-parts=1000{marker}&uploadId=u%2B%2F%3D1&X-Amz-Signature")), "{line}");
    }
    assert_eq!(asked.len(), 3);
    // One that leads nowhere, backwards, or past the last number there is.
    for pages in [
        vec![page(&[], true)],
        vec![page(&[(1, "a", 7)], true), page(&[(1, "a", 7)], true)],
        vec![page(&[(0, "a", 7)], false)],
        vec![page(&[(10_001, "a", 7)], false)],
    ] {
        in_turn(&bucket, pages);
        assert_eq!(app.get(&target).await.code(), "bucket_failed");
    }
    // A part that was sent twice is one part.
    in_turn(&bucket, vec![page(&[(1, "a", 7), (2, "b", 7), (2, "b", 7)], false)]);
    assert_eq!(app.get(&target).await.json()["parts"].as_array().unwrap().len(), 2);
    in_turn(&bucket, vec![GONE]);
    assert_eq!(app.get(&target).await.code(), "upload_not_found");
}

#[tokio::test]
async fn an_object_is_made_of_the_parts_that_were_signed() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[]).await;
    let token = begun(&app, &bucket).await;
    in_turn(&bucket, vec![both(), DONE]);
    let answer = complete(&app, &token).await;
    assert_snapshot!(answer.shown(), @r#"200 {"key":"s1/f","providerId":"default","etag":"\"d41d8cd98f00b204e9800998ecf8427e-2\"","location":"https://s3.test/files/s1/f"}"#);
    let line = bucket.asked()[2].clone();
    assert!(line.starts_with("POST /files/s1/f?X-Amz-") && line.contains("&uploadId=u%2B%2F%3D1&"), "{line}");
    // K21: what is there is compared with what was signed.
    for (listed, missing, wrong) in [
        (page(&[(1, ETAGS[0], 5 * MIB)], false), json!([2]), Value::Null),
        (page(&[(1, ETAGS[0], 5 * MIB), (2, ETAGS[1], 2)], false), Value::Null, json!([2])),
        (page(&[(1, ETAGS[1], 5 * MIB), (2, ETAGS[1], 1)], false), Value::Null, json!([1])),
        (page(&[(2, "x", 1), (3, "y", 1)], false), json!([1]), json!([2])),
    ] {
        in_turn(&bucket, vec![listed]);
        let before = bucket.count();
        let answer = complete(&app, &token).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "upload_incomplete"));
        assert_eq!((&answer.json()["missingParts"], &answer.json()["wrongParts"]), (&missing, &wrong));
        assert_eq!(bucket.count(), before + 1, "nothing is completed");
    }
}

/// H18: an error in an answer of 200, which is what S3 sends when completing fails after it began to answer.
#[tokio::test]
async fn a_completion_that_carries_an_error_is_none() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[]).await;
    let token = begun(&app, &bucket).await;
    let absent = Does::Answer(404, "", "");
    for (answers, status, code) in [
        (vec![Does::Answer(200, "", "<Error><Code>AccessDenied</Code></Error>")], 502, "bucket_failed"),
        (vec![Does::Answer(200, "", "")], 502, "bucket_failed"),
        (vec![Does::Answer(200, "", "<CompleteMultipartUploadResult><ETag>")], 502, "bucket_failed"),
        (vec![Does::Answer(403, "", "<Error><Code>AccessDenied</Code></Error>"), absent], 502, "bucket_failed"),
        (vec![Does::Answer(400, "", "<Error><Code>InvalidPart</Code></Error>")], 409, "upload_incomplete"),
        (vec![Does::Answer(412, "", "<Error><Code>PreconditionFailed</Code></Error>"), absent], 409, "object_exists"),
        (vec![GONE, absent], 404, "upload_not_found"),
        // What passes by itself is asked again.
        (vec![Does::Answer(200, "", "<Error><Code>InternalError</Code></Error>"), DONE], 200, ""),
    ] {
        in_turn(&bucket, [vec![both()], answers.clone()].concat());
        let answer = complete(&app, &token).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{answers:?}");
    }
}

/// The answer was lost, and the upload is no more: the object tells.
#[tokio::test]
async fn a_completion_is_answered_again_when_the_object_is_there() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[]).await;
    let token = begun(&app, &bucket).await;
    let object = |size: u64, etag: &str, date: &str| {
        let length = leaked(format!("etag: \"{etag}\"\r\nlast-modified: {date}\r\ncontent-length: {size}"));
        Does::Raw(leaked(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{length}\r\n\r\n")))
    };
    let (before, after) = ("Sun, 22 Nov 2026 14:59:59 GMT", "Sun, 22 Nov 2026 15:00:00 GMT");
    let size = 5 * MIB + 1;
    let without = json!({"uploadToken": token});
    for (found, with_parts, without_parts) in [
        (object(size, ETAG_OF_BOTH, after), 200, 200),
        // By its tag alone it is known, however old; without the parts' tags it must be younger.
        (object(size, ETAG_OF_BOTH, before), 200, 404),
        (object(size - 1, ETAG_OF_BOTH, after), 404, 404),
        (object(size, "96e024ba2074fe77e8e965ba43a704b0-2", after), 404, 200),
        (object(size, "96e024ba2074fe77e8e965ba43a704be-3", after), 404, 404),
        (object(size, "96e024ba2074fe77e8e965ba43a704be", after), 404, 404),
    ] {
        in_turn(&bucket, vec![GONE, found]);
        assert_eq!(complete(&app, &token).await.status, with_parts, "{found:?}");
        in_turn(&bucket, vec![GONE, found]);
        assert_eq!(app.post("/multipart/complete", &without).await.status, without_parts, "{found:?}");
    }
    // It went between the two calls; and a server that lists nothing of what is no more.
    for turns in [vec![both(), GONE], vec![page(&[], false)]] {
        in_turn(&bucket, [turns, vec![object(size, ETAG_OF_BOTH, after)]].concat());
        let answer = complete(&app, &token).await;
        assert_eq!(answer.json()["etag"], format!("\"{ETAG_OF_BOTH}\""));
    }
    assert!(bucket.asked().last().unwrap().starts_with("HEAD /files/s1/f?"));
}

/// H14: a bucket that is slow at it has its own deadline, and who asks is told to ask again.
#[tokio::test]
async fn a_slow_completion_is_504_in_its_own_time() {
    let settings = [("multipart.complete_timeout_secs", "1"), ("storage.first_byte_timeout_secs", "5")];
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &settings).await;
    let token = begun(&app, &bucket).await;
    in_turn(&bucket, vec![both(), Does::Hang]);
    let began = tokio::time::Instant::now();
    let answer = complete(&app, &token).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "bucket_timeout"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(bucket.count(), 3, "not asked again: who is slow gets no more work");

    // And longer than any other call may take.
    let settings = [
        ("multipart.complete_timeout_secs", "8"),
        ("storage.first_byte_timeout_secs", "1"),
        ("storage.call_timeout_secs", "1"),
    ];
    let app = app_over(&bucket, &settings).await;
    let token = begun(&app, &bucket).await;
    in_turn(&bucket, vec![both(), Does::Slow(Duration::from_millis(1500), DONE_TEXT)]);
    assert_eq!(complete(&app, &token).await.status, 200);
}

const DONE_TEXT: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 82\r\n\r\n\
    <CompleteMultipartUploadResult><ETag>aaaa-2</ETag></CompleteMultipartUploadResult>";

#[tokio::test]
async fn an_abort_of_what_is_gone_is_done() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[]).await;
    let target = format!("/multipart?uploadToken={}", begun(&app, &bucket).await);
    for (does, status) in [
        (Does::Answer(204, "", ""), 204),
        (GONE, 204),
        (Does::Answer(404, "", "<Error><Code>NoSuchBucket</Code></Error>"), 502),
        (Does::Answer(200, "", "<Error><Code>AccessDenied</Code></Error>"), 502),
        (Does::Answer(403, "", "<Error><Code>AccessDenied</Code></Error>"), 502),
    ] {
        in_turn(&bucket, vec![does]);
        assert_eq!(app.call("DELETE", &target, &good_token(), "").await.status, status, "{does:?}");
    }
    let line = bucket.asked().last().unwrap().clone();
    assert!(line.starts_with("DELETE /files/s1/f?X-Amz-") && line.contains("&uploadId=u%2B%2F%3D1&"), "{line}");
}

/// Whoever is not its owner, or may no longer write, asks the bucket nothing with a token.
#[tokio::test]
async fn a_token_is_its_owners_and_ends() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[("multipart.max_age_secs", "60")]).await;
    let upload = begun(&app, &bucket).await;
    let calls = |upload: &str| {
        let body = json!({"uploadToken": upload, "partNumbers": [1]}).to_string();
        let target = format!("/multipart?uploadToken={upload}");
        [
            ("POST", "/multipart/sign".to_owned(), body.clone()),
            ("POST", "/multipart/complete".to_owned(), body),
            ("GET", target.clone(), String::new()),
            ("DELETE", target, String::new()),
        ]
    };
    for (claims, code) in [
        (json!({"storeId": "s1", "sub": "u2"}), "not_your_upload"),
        (json!({"storeId": "s2"}), "key_outside_store"),
        (json!({}), "store_missing"),
        (json!({"storeId": "s1", "scope": "files:read files:delete"}), "operation_not_allowed"),
        (json!({"storeId": "s1", "prefixes": ["s1/g"]}), "key_outside_prefixes"),
    ] {
        for (method, target, body) in calls(&upload) {
            let answer = app.call(method, &target, &token(claims.clone()), &body).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, code), "{method} {target} {claims}");
        }
    }
    let changed = format!("{}{}", &upload[..upload.len() - 2], if upload.ends_with("AA") { "BB" } else { "AA" });
    for (method, target, body) in calls(&changed) {
        assert_eq!(app.call(method, &target, &good_token(), &body).await.code(), "invalid_upload_token", "{method}");
    }
    assert_eq!(bucket.count(), 1, "only the begin");
    // An hour later: no more than clearing it away.
    in_turn(&bucket, vec![Does::Answer(204, "", "")]);
    let later = now().checked_add(SignedDuration::from_secs(60)).unwrap();
    let bearer = format!("Bearer {}", token(json!({"storeId": "s1", "exp": later.as_second() + 60})));
    for (method, target, body) in calls(&upload) {
        let request = Request::builder()
            .method(method)
            .uri(&target)
            .header("host", "signer.test")
            .header("authorization", &bearer)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let answer = app.app.respond(request, later).await;
        assert_eq!(answer.status(), if method == "DELETE" { 204 } else { 410 }, "{method} {target}");
    }
}

/// The key in a token is not read a second time: `root/root/s1/f` is a key of the store `root`, and not `s1/f`.
#[tokio::test]
async fn the_key_of_a_token_is_the_key_that_was_granted() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[]).await;
    let claims = json!({"storeId": ["livestore-filesync-files", "s1"]});
    let root = "livestore-filesync-files";
    let body = json!({"key": format!("{root}/{root}/s1/f"), "contentLength": 1}).to_string();
    let begun = app.call("POST", "/multipart", &token(claims.clone()), &body).await.json();
    assert_eq!(begun["key"], format!("{root}/s1/f"));
    let body = json!({"uploadToken": begun["uploadToken"], "partNumbers": [1]}).to_string();
    let signed = app.call("POST", "/multipart/sign", &token(claims), &body).await.json();
    let url = signed["parts"][0]["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("https://s3.test/files/{root}/s1/f?")), "{url}");
}

/// "Never signed weaker": what a provider does not keep is refused by name.
#[tokio::test]
async fn what_the_storage_would_not_keep_is_refused() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let body = json!({"key": "s1/f", "contentLength": 1, "checksum": "sha256"});
    for (settings, code) in [
        (vec![("storage.provider", "ceph"), ("upload.write_once", "true")], "checksum_unavailable"),
        (vec![("upload.checksum", "off")], "checksum_unavailable"),
        (vec![("upload.max_bytes", "0")], ""),
    ] {
        let app = app_over(&bucket, &settings).await;
        assert_eq!(
            app.post("/multipart", &body).await.json()["code"].as_str().unwrap_or_default(),
            code,
            "{settings:?}"
        );
    }
    let ceph = app_over(&bucket, &[("storage.provider", "ceph"), ("upload.write_once", "true")]).await;
    let plain = json!({"key": "s1/f", "contentLength": 1});
    assert_eq!(ceph.post("/multipart", &plain).await.code(), "write_once_unavailable");
    let strict = app_over(&bucket, &[("upload.checksum", "require")]).await;
    assert_eq!(strict.post("/multipart", &plain).await.code(), "checksum_missing");
}

/// A quota is charged when an upload begins, with all of it, and before the bucket is asked.
#[tokio::test]
async fn a_quota_holds_for_an_upload_in_parts() {
    let bucket = FaultyBucket::start(|_| BEGUN).await;
    let app = app_over(&bucket, &[("limits.store_upload_bytes_per_hour", "1000")]).await;
    let begin = |length: u64| json!({"key": "s1/f", "contentLength": length});
    assert_eq!(app.post("/multipart", &begin(600)).await.status, 200);
    let refused = app.post("/multipart", &begin(600)).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "quota_exceeded"));
    assert_eq!(app.post("/multipart", &begin(1001)).await.code(), "upload_too_large");
    assert_eq!(bucket.count(), 1);
}
