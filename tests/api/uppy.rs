//! Uppy's routes. Case numbers K.. are those of the security study; how real buckets and the published clients take them
//! is in the e2e ring.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::faulty::{Does, FaultyBucket};
use crate::support::{Answer, SEALED, TestApp, UPPY, good_token, token};

const MIB: u64 = 1024 * 1024;
const ETAG: &str = "0cc175b9c0f1b6a831c399e269772661";
const BEGUN: &str = "<InitiateMultipartUploadResult><UploadId>u+/=1</UploadId></InitiateMultipartUploadResult>";

async fn app(settings: &[(&str, &str)]) -> TestApp {
    TestApp::with(&[&[UPPY, SEALED][..], settings].concat()).await
}

fn is(answer: &Answer, status: u16, code: &str) -> bool {
    answer.status == status && answer.code() == code
}

/// Whether it is what our rule makes of the name in this folder.
fn is_fresh(key: &Value, folder: &str, name: &str) -> bool {
    let rest = key.as_str().and_then(|key| key.strip_prefix(folder)?.strip_prefix('/'));
    rest.and_then(|rest| rest.split_at_checked(33)).is_some_and(|(random, kept)| {
        let hex = random.bytes().take(32).all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        hex && random.ends_with('-') && kept == name
    })
}

async fn sign(app: &TestApp, body: Value) -> Answer {
    app.post("/s3/sign", &body).await
}

fn query(answer: &Answer, name: &str) -> Option<String> {
    let url = url::Url::parse(answer.json()["url"].as_str().unwrap()).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The id of an upload that was begun at a bucket which says yes.
async fn begun(app: &TestApp, file: Value) -> Value {
    app.s3.answers(200, &[], BEGUN);
    let answer = app.post("/s3/multipart", &file).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn path(upload: &Value, more: &str) -> String {
    format!("/s3/multipart/{}{more}", upload["uploadId"].as_str().unwrap())
}

#[tokio::test]
async fn there_are_no_such_paths_unless_switched_on() {
    let off = TestApp::start().await;
    for path in
        ["/s3/sign", "/s3/params", "/s3/multipart", "/s3/multipart/x", "/s3/multipart/x/1", "/s3/multipart/x/complete"]
    {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            assert!(is(&off.call(method, path, &good_token(), "{}").await, 404, "not_found"), "{method} {path}");
        }
    }
    assert_eq!(off.s3.count(), 0);
}

/// K02, K38: the name is the caller's to choose and the place is not.
#[tokio::test]
async fn new_keys_lie_where_the_token_says() {
    let app = app(&[]).await;
    app.s3.answers(200, &[], BEGUN);
    let name = "../../s2/%2e%2e\\a b.png";
    let encoded = "..%2F..%2Fs2%2F%252e%252e%5Ca%20b.png";
    for (claims, prefix, expected) in [
        (json!({"storeId": "s1"}), None, Ok("s1")),
        (json!({"storeId": "s1"}), Some("s1"), Ok("s1")),
        (json!({"storeId": "s1"}), Some("s1/photos/2026"), Ok("s1/photos/2026")),
        (json!({"storeId": ["s1", "s2"]}), Some("s2"), Ok("s2")),
        (json!({"storeId": ["s1", "s2"]}), None, Err((400, "invalid_request"))),
        (json!({"storeId": "s1", "prefixes": ["s1/a"]}), None, Ok("s1/a")),
        (json!({"storeId": "s1", "prefixes": ["s1/a", "s1/b"]}), Some("s1/b/c"), Ok("s1/b/c")),
        (json!({"storeId": "s1", "prefixes": ["s1/a", "s1/b"]}), None, Err((400, "invalid_request"))),
        (json!({"storeId": "s1", "prefixes": ["s1/a"]}), Some("s1"), Err((403, "key_outside_prefixes"))),
        (json!({"storeId": "s1", "prefixes": ["s2/a"]}), None, Err((403, "key_outside_store"))),
        (json!({"storeId": "s1", "prefixes": []}), None, Err((403, "key_outside_prefixes"))),
        (json!({"storeId": "s1"}), Some("s2"), Err((403, "key_outside_store"))),
        (json!({"storeId": "s1"}), Some("s10"), Err((403, "key_outside_store"))),
        (json!({"storeId": "s1"}), Some("s1/../s2"), Err((400, "invalid_key"))),
        (json!({"storeId": "s1"}), Some("/s1"), Ok("s1")),
        (json!({"storeId": "s1"}), Some("s1/"), Err((400, "invalid_key"))),
        (json!({"storeId": "s1"}), Some("livestore-filesync-files/s1"), Err((403, "key_outside_store"))),
        (json!({}), None, Err((403, "store_missing"))),
        (json!({"storeId": "s1", "scope": "files:read files:delete"}), None, Err((403, "operation_not_allowed"))),
    ] {
        let token = token(claims.clone());
        let told = prefix.map_or(json!({}), |prefix| json!({"keyPrefix": prefix}));
        let params = prefix.map(|prefix| format!("&metadata%5BkeyPrefix%5D={prefix}")).unwrap_or_default();
        let put = json!({"method": "PUT", "key": name, "keyPrefix": prefix}).to_string();
        let create = json!({"method": "POST", "key": name, "keyPrefix": prefix}).to_string();
        let file = json!({"filename": name, "type": "image/png", "metadata": told}).to_string();
        for answer in [
            app.call("POST", "/s3/sign", &token, &put).await,
            app.call("POST", "/s3/sign", &token, &create).await,
            app.call("GET", &format!("/s3/params?filename={encoded}&type=image/png{params}"), &token, "").await,
            app.call("POST", "/s3/multipart", &token, &file).await,
        ] {
            match expected {
                Ok(folder) => {
                    assert_eq!(answer.status, 200, "{claims} {prefix:?} {}", answer.text);
                    assert!(is_fresh(&answer.json()["key"], folder, "a b.png"), "{}", answer.text);
                }
                Err((status, code)) => assert!(is(&answer, status, code), "{claims} {prefix:?} {answer:?}"),
            }
        }
    }
    // Two of one name never meet.
    let twice = [
        sign(&app, json!({"method": "PUT", "key": "a"})).await,
        sign(&app, json!({"method": "PUT", "key": "a"})).await,
    ];
    assert_ne!(twice[0].json()["key"], twice[1].json()["key"]);
}

#[tokio::test]
async fn a_call_is_signed_as_uppy_makes_it() {
    let app = app(&[]).await;
    let put =
        sign(&app, json!({"method": "PUT", "key": "a.png", "contentType": "image/png", "expiresIn": 9})).await.json();
    assert_eq!((&put["method"], &put["headers"]), (&json!("PUT"), &json!({"Content-Type": "image/png"})));
    let create = sign(&app, json!({"method": "POST", "key": "a.png", "contentType": "image/png"})).await;
    assert_eq!(create.json()["headers"], json!({"Content-Type": "image/png"}));
    assert_eq!(query(&create, "uploads").as_deref(), Some(""));
    for (call, method, number) in [
        (json!({"method": "PUT", "partNumber": 10_000}), "PUT", Some("10000")),
        (json!({"method": "GET"}), "GET", None),
        (json!({"method": "POST"}), "POST", None),
        (json!({"method": "DELETE"}), "DELETE", None),
    ] {
        let mut body = call.clone();
        body["key"] = json!("s1/f");
        body["uploadId"] = json!("u+/=&1");
        // Never the type, whatever is said: Uppy sends one with some parts, and XML with the end.
        body["contentType"] = json!("image/png");
        let answer = sign(&app, body).await;
        let signed = answer.json();
        assert_eq!((answer.status.as_u16(), &signed["method"]), (200, &json!(method)), "{call}");
        assert_eq!(
            (&signed["key"], &signed["headers"], &signed["boundHeaders"]),
            (&json!("s1/f"), &json!({}), &json!(["host"]))
        );
        assert_eq!(
            (query(&answer, "uploadId").as_deref(), query(&answer, "partNumber").as_deref()),
            (Some("u+/=&1"), number)
        );
    }
    assert_eq!(app.s3.count(), 0, "without limits there is nothing to look at");
}

/// K38, and a store may be called as the files root is.
#[tokio::test]
async fn later_calls_are_judged_by_their_key() {
    let app = app(&[]).await;
    for (key, status, code) in [
        ("s2/f", 403, "key_outside_store"),
        ("s10/f", 403, "key_outside_store"),
        ("s1/../s2/f", 400, "invalid_key"),
        ("s1/%2e%2e/f", 400, "invalid_key"),
        ("f", 400, "invalid_key"),
        ("", 400, "invalid_key"),
        ("livestore-filesync-files/s1/f", 403, "key_outside_store"),
    ] {
        for call in [
            json!({"method": "PUT", "partNumber": 1}),
            json!({"method": "GET"}),
            json!({"method": "POST"}),
            json!({"method": "DELETE"}),
        ] {
            let mut body = call;
            body["key"] = json!(key);
            body["uploadId"] = json!("u");
            let answer = sign(&app, body.clone()).await;
            assert!(is(&answer, status, code), "{body} {answer:?}");
        }
    }
    let own = token(json!({"storeId": "livestore-filesync-files"}));
    let body = json!({"method": "GET", "key": "livestore-filesync-files/f", "uploadId": "u"}).to_string();
    assert_eq!(app.call("POST", "/s3/sign", &own, &body).await.json()["key"], "livestore-filesync-files/f");
}

/// Never signed weaker than was asked.
#[tokio::test]
async fn a_form_is_refused_where_it_would_not_keep_what_is_asked() {
    let target = "/s3/params?filename=a.png&type=image/png";
    for (settings, reason) in [
        (&[("storage.provider", "r2"), ("storage.region", "auto")][..], "takes none"),
        (&[("storage.provider", "b2"), ("storage.delete_all_versions", "true")], "takes none"),
        (&[("upload.write_once", "true")], "replaced"),
        (&[("upload.checksum", "require")], "checksum"),
        (&[("limits.store_upload_bytes_per_hour", "1000")], "quota"),
    ] {
        let answer = app(settings).await.get(target).await;
        assert!(is(&answer, 400, "form_unavailable"), "{settings:?} {answer:?}");
        assert!(answer.text.contains(reason) && answer.text.contains("shouldUseMultipart"), "{}", answer.text);
    }
    let quota = app(&[("limits.store_upload_bytes_per_hour", "1000")]).await;
    let told = format!("{target}&metadata%5BcontentLength%5D=600");
    assert_eq!(quota.get(&told).await.status, 200);
    assert!(is(&quota.get(&told).await, 429, "quota_exceeded"));
    let plain = app(&[]).await;
    for bad in [
        "/s3/params",
        "/s3/params?filename=a&metadata%5BcontentLength%5D=x",
        "/s3/params?filename=a&metadata%5BcontentLength%5D=-1",
    ] {
        assert!(is(&plain.get(bad).await, 400, "invalid_request"), "{bad}");
    }
    assert!(is(&plain.get("/s3/params?filename=a&type=png").await, 400, "invalid_content_type"));
    // The bucket would put the name of the posted file there.
    let answer = plain.get("/s3/params?filename=a&metadata%5BkeyPrefix%5D=s1/$%7Bfilename%7D").await;
    assert!(is(&answer, 400, "invalid_key"), "{answer:?}");
}

fn conditions(form: &Value) -> Vec<Value> {
    let policy = STANDARD.decode(form["fields"]["policy"].as_str().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&policy).unwrap()["conditions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_form_is_held_to_the_limits() {
    let limited =
        [("upload.max_bytes", "1000"), ("upload.content_types", r#"["image/*"]"#), ("upload.cache_control", "private")];
    let app = app(&[&limited[..], &[("storage.prefix", "app/")]].concat()).await;
    let form = app.get("/s3/params?filename=a.png&type=image/png").await.json();
    assert_eq!(
        (&form["url"], &form["method"], &form["headers"]),
        (&json!("https://s3.test/files"), &json!("POST"), &json!({}))
    );
    assert!(is_fresh(&form["key"], "s1", "a.png"));
    assert_eq!(form["fields"]["key"], format!("app/{}", form["key"].as_str().unwrap()));
    for condition in [
        json!(["content-length-range", 0, 1000]),
        json!({"content-type": "image/png"}),
        json!({"cache-control": "private"}),
        json!({"bucket": "files"}),
    ] {
        assert!(conditions(&form).contains(&condition), "{condition}");
    }
    let exact = app.get("/s3/params?filename=a.png&type=image/png&metadata%5BcontentLength%5D=7").await.json();
    assert!(conditions(&exact).contains(&json!(["content-length-range", 7, 7])));
    let long = app.get("/s3/params?filename=a.png&type=image/png&metadata%5BcontentLength%5D=1001").await;
    assert!(is(&long, 413, "upload_too_large"));
    for odd in ["", "&type=", "&type=text/html"] {
        assert!(
            is(&app.get(&format!("/s3/params?filename=a.png{odd}")).await, 415, "content_type_not_allowed"),
            "{odd}"
        );
    }
    // `signRequest` too: a form where nobody says the length, and a PUT where it is said.
    let form = sign(&app, json!({"method": "PUT", "key": "a.png", "contentType": "image/png"})).await.json();
    assert!(conditions(&form).contains(&json!(["content-length-range", 0, 1000])));
    let put = sign(&app, json!({"method": "PUT", "key": "a.png", "contentType": "image/png", "contentLength": 7}))
        .await
        .json();
    assert_eq!((&put["method"], &put["fields"]), (&json!("PUT"), &Value::Null));
    assert!(put["boundHeaders"].as_array().unwrap().contains(&json!("content-length")));
    for call in ["PUT", "POST"] {
        let typed =
            |content_type| json!({"method": call, "key": "a.png", "contentType": content_type, "contentLength": 7});
        assert!(is(&sign(&app, typed("text/html")).await, 415, "content_type_not_allowed"));
        assert!(is(
            &sign(&app, json!({"method": call, "key": "a.png", "contentLength": 1001})).await,
            413,
            "upload_too_large"
        ));
    }
    assert!(is(&sign(&app, json!({"method": "POST", "key": "a.png"})).await, 415, "content_type_not_allowed"));
}

fn listed(sizes: &[u64]) -> String {
    let part = |(i, size): (usize, &u64)| {
        format!("<Part><PartNumber>{}</PartNumber><ETag>\"{ETAG}\"</ETag><Size>{size}</Size></Part>", i + 1)
    };
    format!("<ListPartsResult>{}</ListPartsResult>", sizes.iter().enumerate().map(part).collect::<String>())
}

#[tokio::test]
async fn the_end_is_signed_when_what_is_there_is_within_the_limit() {
    let app = app(&[
        ("storage.provider", "aws"),
        ("upload.max_bytes", "1000"),
        ("limits.store_upload_bytes_per_hour", "1500"),
        ("upload.write_once", "true"),
    ])
    .await;
    let end = json!({"method": "POST", "key": "s1/f", "uploadId": "u"});
    app.s3.answers(200, &[], &listed(&[600, 401]));
    assert!(is(&sign(&app, end.clone()).await, 413, "upload_too_large"));
    app.s3.answers(200, &[], &listed(&[600, 400]));
    let answer = sign(&app, end.clone()).await;
    assert_eq!((answer.status.as_u16(), query(&answer, "X-Amz-Expires").as_deref()), (200, Some("60")), "{answer:?}");
    // What was measured is what ends.
    assert_eq!(answer.json()["headers"], json!({"If-None-Match": "*", "x-amz-mp-object-size": "1000"}));
    let signed = query(&answer, "X-Amz-SignedHeaders");
    assert_eq!(signed.as_deref(), Some("host;if-none-match;x-amz-mp-object-size"));
    let pages = filesync_signer::doctor::Pages::of(&app.config, &app.config.storage);
    assert!(pages.headers.contains(&"x-amz-mp-object-size"), "{pages:?}");
    assert!(is(&sign(&app, end.clone()).await, 429, "quota_exceeded"));
    app.s3.answers(404, &[], "<Error><Code>NoSuchUpload</Code></Error>");
    assert!(is(&sign(&app, end.clone()).await, 404, "upload_not_found"));
    app.s3.answers(500, &[], "");
    assert!(is(&sign(&app, end).await, 502, "bucket_failed"));
    let ceph = self::app(&[("storage.provider", "ceph"), ("upload.write_once", "true")]).await;
    for body in [json!({"method": "POST", "key": "s1/f", "uploadId": "u"}), json!({"method": "POST", "key": "f"})] {
        assert!(is(&sign(&ceph, body).await, 400, "write_once_unavailable"));
    }
}

/// A URL for the end outlives the look at the parts, and more of them may come: never signed weaker than was asked.
#[tokio::test]
async fn an_end_that_could_outgrow_its_limit_is_not_signed() {
    let limited = token(json!({"storeId": "s1", "max_upload_bytes": 1000}));
    for (settings, bearer) in [
        (&[("upload.max_bytes", "1000")][..], good_token()),
        (&[("storage.provider", "seaweedfs"), ("upload.max_bytes", "1000")], good_token()),
        (&[("limits.store_upload_bytes_per_hour", "1000")], good_token()),
        (&[], limited),
    ] {
        let app = app(settings).await;
        app.s3.answers(200, &[], &listed(&[600]));
        for body in [json!({"method": "POST", "key": "s1/f", "uploadId": "u"}), json!({"method": "POST", "key": "f"})] {
            let answer = app.call("POST", "/s3/sign", &bearer, &body.to_string()).await;
            assert!(is(&answer, 400, "length_unavailable"), "{settings:?} {body} {answer:?}");
            assert!(answer.text.contains("/multipart or Companion"), "{}", answer.text);
        }
        assert_eq!(app.s3.count(), 0, "{settings:?}");
    }
    // Without a limit there is none to get around.
    assert_eq!(sign(&app(&[]).await, json!({"method": "POST", "key": "s1/f", "uploadId": "u"})).await.status, 200);
}

/// An id in a path is one segment, decoded once.
#[tokio::test]
async fn an_id_stands_in_the_path_as_one_segment() {
    let app = app(&[]).await;
    let upload = begun(&app, json!({"filename": "a.bin"})).await;
    let id = upload["uploadId"].as_str().unwrap();
    let first = format!("%{:02x}", id.as_bytes()[0]);
    let part = app.get(&format!("/s3/multipart/{first}{}/1", &id[1..])).await;
    assert_eq!(part.status, 200, "{part:?}");
    assert_eq!(part.json()["expires"], 900);
    assert_eq!(query(&part, "uploadId").as_deref(), Some("u+/=1"));
    for (path, status, code) in [
        (format!("/s3/multipart/%25{}/1", &first[1..]), 400, "invalid_upload_token"),
        ("/s3/multipart/a%2Fb/1".to_owned(), 400, "invalid_request"),
        ("/s3/multipart/a%ff/1".to_owned(), 400, "invalid_request"),
        ("/s3/multipart//1".to_owned(), 404, "not_found"),
        (format!("/s3/multipart/{id}/1/2"), 404, "not_found"),
        (format!("/s3/multipart/{id}/"), 404, "not_found"),
        (format!("/s3/multipart/{id}/%31%30001"), 400, "invalid_request"),
    ] {
        assert!(is(&app.get(&path).await, status, code), "{path}");
    }
    let wrong = app.call("PUT", &path(&upload, ""), &good_token(), "").await;
    assert_eq!((wrong.status.as_u16(), wrong.header("allow")), (405, Some("GET, DELETE")));
    assert_eq!(app.get(&path(&upload, "/complete")).await.header("allow"), Some("POST"));
}

#[tokio::test]
async fn many_parts_are_signed_at_once() {
    let app = app(&[]).await;
    let upload = begun(&app, json!({"filename": "a.bin", "type": "image/png"})).await;
    let numbers = |count: u32| (1..=count).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let answer = app.get(&path(&upload, &format!("/batch?partNumbers={}", numbers(1000)))).await.json();
    assert_eq!(answer["presignedUrls"].as_object().unwrap().len(), 1000);
    let url = answer["presignedUrls"]["7"].as_str().unwrap();
    assert!(url.contains("X-Amz-SignedHeaders=host&partNumber=7&"), "{url}");
    assert!(is(
        &app.get(&path(&upload, &format!("/batch?partNumbers={}", numbers(1001)))).await,
        400,
        "batch_too_large"
    ));
    for odd in
        ["/batch", "/batch?partNumbers=", "/batch?partNumbers=1,,2", "/batch?partNumbers=0", "/batch?partNumbers=1;2"]
    {
        assert!(is(&app.get(&path(&upload, odd)).await, 400, "invalid_request"), "{odd}");
    }
}

/// The policy decides each time: whoever lost the right has an id for nothing. Nor is an id of the one API good for the other.
#[tokio::test]
async fn an_id_gives_no_right() {
    let app = app(&[]).await;
    let upload = begun(&app, json!({"filename": "a.bin", "metadata": {"keyPrefix": "s1/a"}})).await;
    let count = app.s3.count();
    for (claims, code) in [
        (json!({"storeId": "s1", "scope": "files:read"}), "operation_not_allowed"),
        (json!({"storeId": "s2"}), "key_outside_store"),
        (json!({"storeId": "s1", "prefixes": ["s1/b"]}), "key_outside_prefixes"),
        (json!({"storeId": "s1", "sub": "another"}), "not_your_upload"),
    ] {
        let token = token(claims);
        for (method, more) in
            [("GET", ""), ("GET", "/1"), ("GET", "/batch?partNumbers=1"), ("POST", "/complete"), ("DELETE", "")]
        {
            let answer =
                app.call(method, &path(&upload, more), &token, r#"{"parts":[{"PartNumber":1,"ETag":"e"}]}"#).await;
            assert!(is(&answer, 403, code), "{method} {more} {answer:?}");
        }
    }
    let id = upload["uploadId"].as_str().unwrap();
    for answer in [
        app.get(&format!("/multipart?uploadToken={id}")).await,
        app.post("/multipart/sign", &json!({"uploadToken": id, "partNumbers": [1]})).await,
        app.post("/multipart/complete", &json!({"uploadToken": id})).await,
    ] {
        assert!(is(&answer, 400, "invalid_upload_token"), "{answer:?}");
    }
    assert_eq!(app.s3.count(), count, "nothing of it reached the bucket");
}

/// The limits in force when it ends, from the very list that the object is made of.
#[tokio::test]
async fn an_upload_of_companion_ends_within_the_limits() {
    const DONE: &str = "<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag></CompleteMultipartUploadResult>";
    let parts = json!({"parts": [{"PartNumber": 1, "ETag": ETAG}, {"PartNumber": 2, "ETag": format!("\"{ETAG}\"")}]});
    for (sizes, expected) in [([5 * MIB, 1], 200), ([5 * MIB, MIB], 413)] {
        let list: &'static str = Box::leak(listed(&sizes).into_boxed_str());
        let bucket = FaultyBucket::start(move |turn| Does::Answer(200, "", [BEGUN, list, DONE][turn.min(2)])).await;
        let app = app(&[("storage.endpoint", bucket.url.as_str()), ("upload.max_bytes", "6000000")]).await;
        let answer = app.post("/s3/multipart", &json!({"filename": "a.bin"})).await.json();
        let target = path(&answer, "/complete");
        let ended = app.post(&target, &parts).await;
        assert_eq!(ended.status, expected, "{}", ended.text);
        assert_eq!(bucket.count(), if expected == 200 { 3 } else { 2 });
        if expected == 200 {
            let key = answer["key"].as_str().unwrap();
            assert_eq!(ended.json(), json!({"key": key, "location": format!("https://s3.test/files/{key}")}));
        }
    }
}

/// Ten thousand parts are named in one body.
#[tokio::test]
async fn the_end_of_a_long_upload_may_be_long() {
    let app = app(&[]).await;
    let upload = begun(&app, json!({"filename": "a.bin"})).await;
    let parts: Vec<_> = (1..=10_000).map(|number| json!({"PartNumber": number, "ETag": ETAG})).collect();
    app.s3.answers(200, &[], &listed(&[5 * MIB]));
    let answer = app.post(&path(&upload, "/complete"), &json!({ "parts": parts })).await;
    assert!(is(&answer, 409, "upload_incomplete"), "{}", &answer.text[..200]);
    assert_eq!(answer.json()["missingParts"].as_array().unwrap().len(), 9_999);
}

/// Pages of other origins: the preflight of each path names its methods.
#[tokio::test]
async fn pages_may_call_them() {
    let app = app(&[("server.cors_origins", r#"["https://app.example"]"#)]).await;
    for (path, methods) in [
        ("/s3/multipart/x", "GET, DELETE"),
        ("/s3/multipart/x/1", "GET"),
        ("/s3/multipart/x/complete", "POST"),
        ("/s3/sign", "POST"),
    ] {
        let headers = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
        let answer = app.send("OPTIONS", path, &headers, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("access-control-allow-methods")),
            (204, Some(methods)),
            "{path}"
        );
    }
}

/// Where stored files are served below the same folder, the routes come first.
#[tokio::test]
async fn a_files_root_of_the_same_name_hides_nothing() {
    let app = app(&[("files.redirect", "true"), ("keys.files_root", "s3")]).await;
    assert_eq!(app.get("/s3/params?filename=a&type=image/png").await.status, 200);
    assert!(is(&app.get("/s3/multipart/x/1").await, 400, "invalid_upload_token"));
    assert_eq!(app.get("/s3/s1/f").await.status, 307);
}
