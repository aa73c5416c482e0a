//! The old gateway's paths and URLs. Case numbers K.. are those of the security study.

use hyper::Request;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::test_runner::{Config as RunConfig, TestRunner};
use serde_json::json;

use crate::support::{Answer, HASH, TestApp, good_token, token};

const ROOT: &str = "/livestore-filesync-files";
const ON: (&str, &str) = ("files.redirect", "true");

async fn app() -> TestApp {
    TestApp::with(&[ON]).await
}

fn is(answer: &Answer, status: u16, code: &str) -> bool {
    answer.status == status && answer.code() == code
}

#[tokio::test]
async fn stored_paths_are_no_paths_unless_switched_on() {
    let app = TestApp::start().await;
    for method in ["GET", "HEAD", "DELETE", "POST"] {
        for path in [format!("{ROOT}/s1/f"), format!("{ROOT}/:storeId/:name")] {
            assert_eq!(app.call(method, &path, &good_token(), "").await.status, 404, "{method}");
        }
    }
    assert_eq!(app.s3.count(), 0);
}

#[tokio::test]
async fn a_stored_path_leads_to_what_download_url_gives() {
    let app = app().await;
    for (path, key, more) in [
        (format!("s1/{HASH}"), format!("s1/{HASH}"), ""),
        ("s1/a%20b+c/%C3%A9".to_owned(), "s1%2Fa%20b%2Bc%2F%C3%A9".to_owned(), ""),
        ("s1/100%25".to_owned(), "s1/100%25".to_owned(), ""),
        ("s1/f".to_owned(), "s1/f".to_owned(), "&filename=a%20b.png&disposition=inline&versionId=v1&expiresIn=60"),
    ] {
        for method in ["GET", "HEAD"] {
            let signed = app.get(&format!("/download-url?key={key}&method={method}{more}")).await.json();
            let answer = app.call(method, &format!("{ROOT}/{path}?{more}"), &good_token(), "").await;
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (307, ""), "{path}");
            assert_eq!(answer.header("location"), signed["url"].as_str());
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("content-type"), None);
        }
    }
    // The path is the key, and the method the request's, whatever else is said.
    let answer = app.get(&format!("{ROOT}/s1/f?key=s2/f&url=https://evil.test/&method=HEAD")).await;
    assert_eq!(answer.header("location"), app.get("/download-url?key=s1/f").await.json()["url"].as_str());
    assert_eq!(app.get(&format!("{ROOT}/s1/f?expiresIn=x")).await.code(), "invalid_request");
    assert_eq!(app.s3.count(), 0);
}

/// At its last second the URL behind it must still serve a browser that then begins.
#[tokio::test]
async fn a_redirect_may_be_kept_for_less_than_its_url_lives() {
    let app = app().await;
    for (asked, kept) in [
        ("", "private, max-age=720"),
        ("expiresIn=3600", "private, max-age=2880"),
        ("expiresIn=100", "private, max-age=70"),
        ("expiresIn=31", "private, max-age=1"),
        ("expiresIn=30", "no-store"),
        ("expiresIn=1", "no-store"),
    ] {
        let answer = app.get(&format!("{ROOT}/s1/f?{asked}")).await;
        assert_eq!(answer.header("cache-control"), Some(kept), "{asked}");
        let head = app.call("HEAD", &format!("{ROOT}/s1/f?{asked}"), &good_token(), "").await;
        assert_eq!(head.header("cache-control"), Some("no-store"), "a cache would give it to a GET");
    }
    assert_eq!(app.get(&format!("{ROOT}/s2/f")).await.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_redirect_varies_with_what_decided_on_it() {
    let cors = ("server.cors_origins", r#"["https://app.example"]"#);
    let (cookie, worker) = (("auth.cookie", "session"), ("auth.worker_header", "true"));
    for (settings, vary) in [
        (vec![ON], "Authorization, Origin"),
        (vec![ON, cors], "Authorization, Origin"),
        (vec![ON, cookie, cors], "Authorization, Cookie, Origin"),
        (vec![ON, worker, cors], "Authorization, Origin, X-Worker-Auth"),
        (vec![ON, worker, cookie, cors], "Authorization, Cookie, Origin, X-Worker-Auth"),
    ] {
        let app = TestApp::with(&settings).await;
        let answer = app.get(&format!("{ROOT}/s1/f")).await;
        assert_eq!(answer.headers.get_all("vary").iter().collect::<Vec<_>>(), [vary]);
    }
}

/// K03, K04, K05, K07, K13: what a server might resolve, decode or fold is refused, and nothing is decoded twice.
#[tokio::test]
async fn stored_paths_that_could_be_read_differently_are_refused() {
    let app = app().await;
    for path in [
        "/",
        "/s1",
        "/s1/",
        "//s1/f",
        "/s1//f",
        "/../s2/f",
        "/s1/../s2/f",
        "/s1/..",
        "/./s1/f",
        "/s1/%2e%2e/s2/f",
        "/s1/%2E./s2/f",
        "/s1/..%2fs2/f",
        "/s1/..%2Fs2/f",
        "/s1%2ff",
        "/%2fs1/f",
        "/s1/%252e%252e/s2/f",
        "/s1/%252f",
        "/s1/%2500",
        "/s1/%5c..%5cs2",
        "/s1/%00",
        "/s1/a%0d%0ab",
        "/s1/%7f",
        "/s1/%e2%80%a8",
        "/s1/..%c0%af",
        "/s1/%e0%80%af",
        "/s1/%ed%a0%80",
        "/s1/%ff",
        "/s1/%",
        "/s1/%2",
        "/s1/%zz",
    ] {
        for method in ["GET", "DELETE"] {
            let answer = app.call(method, &format!("{ROOT}{path}"), &good_token(), "").await;
            assert!(is(&answer, 400, "invalid_key"), "{method} {path} {answer:?}");
        }
        assert_eq!(app.call("HEAD", &format!("{ROOT}{path}"), &good_token(), "").await.status, 400, "{path}");
    }
    for path in ["/s2/f", "/s10/f", "/S1/f", "/%732/f", "/livestore-filesync-files/s1/f", "/:storeId/:name"] {
        for method in ["GET", "DELETE"] {
            let answer = app.call(method, &format!("{ROOT}{path}"), &good_token(), "").await;
            assert!(is(&answer, 403, "key_outside_store"), "{method} {path}");
        }
    }
    for path in [
        ROOT.to_owned(),
        format!("/{ROOT}/s1/f"),
        format!("/x{ROOT}/s1/f"),
        format!("/x/..{ROOT}/s1/f"),
        "/livestore-filesync-filess/s1/f".to_owned(),
        "/Livestore-filesync-files/s1/f".to_owned(),
        "/livestore%2dfilesync-files/s1/f".to_owned(),
        "/s1/f".to_owned(),
    ] {
        assert!(is(&app.get(&path).await, 404, "not_found"), "{path}");
    }
    assert_eq!(app.s3.count(), 0);
}

#[tokio::test]
async fn a_stored_path_is_deleted_at_the_bucket() {
    let app = app().await;
    let answer = app.call("DELETE", &format!("{ROOT}/s1/a%20b?versionId=x&delete"), &good_token(), "").await;
    assert_eq!(answer.status, 204);
    let asked = app.s3.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("DELETE /files/s1/a%20b?") && !asked[0].contains("versionId"), "{asked:?}");
    let reader = token(json!({"storeId": "s1", "scope": "files:read"}));
    assert!(is(&app.call("DELETE", &format!("{ROOT}/s1/f"), &reader, "").await, 403, "operation_not_allowed"));
    let writer = token(json!({"storeId": "s1", "scope": "files:write files:delete"}));
    assert!(is(&app.call("GET", &format!("{ROOT}/s1/f"), &writer, "").await, 403, "operation_not_allowed"));
    assert_eq!(app.s3.count(), 1);
}

/// An `<img>` sends a cookie and nothing else; a Service Worker sends what it likes.
#[tokio::test]
async fn stored_paths_take_a_cookie_and_the_old_header() {
    let settings = [
        ON,
        ("auth.cookie", "session"),
        ("auth.worker_header", "true"),
        ("server.cors_origins", r#"["https://app.example"]"#),
    ];
    let app = TestApp::with(&settings).await;
    let path = format!("{ROOT}/s1/f");
    let (cookie, worker) = (format!("session={}", good_token()), good_token());
    for (method, headers, status) in [
        ("GET", vec![("cookie", cookie.as_str())], 307),
        ("HEAD", vec![("cookie", cookie.as_str())], 307),
        ("GET", vec![("cookie", cookie.as_str()), ("origin", "https://evil.example")], 307),
        ("GET", vec![("x-worker-auth", worker.as_str())], 307),
        ("GET", vec![("cookie", "session=bad")], 401),
        ("GET", vec![], 401),
        ("DELETE", vec![("cookie", cookie.as_str())], 403),
        ("DELETE", vec![("cookie", cookie.as_str()), ("origin", "https://evil.example")], 403),
        ("DELETE", vec![("cookie", cookie.as_str()), ("sec-fetch-site", "same-site")], 403),
        ("DELETE", vec![("cookie", cookie.as_str()), ("origin", "https://app.example")], 204),
        ("DELETE", vec![("x-worker-auth", worker.as_str())], 204),
    ] {
        let answer = app.send(method, &path, &headers, "").await;
        assert_eq!(answer.status, status, "{method} {headers:?}");
        if answer.header("origin") == Some("https://evil.example") {
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert_eq!(app.s3.count(), 2);
}

#[tokio::test]
async fn stored_paths_have_three_methods() {
    let cors = ("server.cors_origins", r#"["https://app.example"]"#);
    let app = TestApp::with(&[ON, cors]).await;
    for method in ["POST", "PUT", "PATCH", "OPTIONS", "TRACE", "get"] {
        let answer = app.call(method, &format!("{ROOT}/s1/f"), &good_token(), "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET, HEAD, DELETE")), "{method}");
    }
    let preflight = [("origin", "https://app.example"), ("access-control-request-method", "DELETE")];
    let answer = app.send("OPTIONS", &format!("{ROOT}/s1/f"), &preflight, "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, DELETE"));
}

#[tokio::test]
async fn the_root_of_stored_paths_is_that_of_keys() {
    let app = TestApp::with(&[ON, ("server.base_path", "/api"), ("keys.files_root", "a/files")]).await;
    let answer = app.get("/api/a/files/s1/f").await;
    assert!(answer.header("location").unwrap().starts_with("https://s3.test/files/s1/f?"), "{answer:?}");
    for path in ["/a/files/s1/f", "/api/files/s1/f", "/api/livestore-filesync-files/s1/f"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    // A path that is one already is never taken for a file.
    let app = TestApp::with(&[ON, ("keys.files_root", "v1")]).await;
    assert_eq!(app.get("/v1/sign/upload").await.header("allow"), Some("POST"));
    assert_eq!(app.get("/v1/s1/upload").await.status, 307);
}

/// K39: a path is under the same verdict as a key.
#[test]
fn the_verdict_on_a_path_is_that_on_its_key() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(app());
    let strategy = "s1/\\PC{1,24}|(\\.\\./|/|s1|s10|%2e|\\\\|livestore-filesync-files/|[a-z./?#&;+ \u{0}]{1,3}){0,8}";
    let mut runner = TestRunner::new(RunConfig { cases: 500, failure_persistence: None, ..RunConfig::default() });
    let ran = runner.run(&strategy, |text| {
        let segments = text.split('/').map(|segment| utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string());
        let path = segments.collect::<Vec<_>>().join("/");
        let key = utf8_percent_encode(&format!("{ROOT}/{text}"), NON_ALPHANUMERIC).to_string();
        let on_path = runtime.block_on(app.get(&format!("{ROOT}/{path}")));
        let on_key = runtime.block_on(app.get(&format!("/download-url?key={key}")));
        if on_key.status == 200 {
            let url = on_key.json()["url"].as_str().unwrap().to_owned();
            prop_assert_eq!(on_path.header("location"), Some(url.as_str()));
        } else {
            prop_assert_eq!((on_path.status, on_path.code()), (on_key.status, on_key.code()));
        }
        Ok(())
    });
    ran.unwrap();
}

/// Whoever still calls the gateway is told what to call instead, and is not read.
#[tokio::test]
async fn the_old_upload_says_what_to_call_instead() {
    let app = TestApp::start().await;
    let multipart = [("content-type", "multipart/form-data; boundary=x"), ("content-length", "10000000000")];
    let answer = app.send("POST", "/upload", &multipart, "--x").await;
    assert!(is(&answer, 410, "gone"), "{answer:?}");
    // More than is read of any body.
    let answer = app.send("POST", "/upload", &multipart, &"x".repeat(1 << 20)).await;
    assert!(is(&answer, 410, "gone"), "{answer:?}");
    let sentence = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(sentence.contains("POST /upload-url") && sentence.contains("PUT"), "{sentence}");
    assert_eq!(app.get("/upload").await.header("allow"), Some("POST"));
}

const OLD: &str = "https://files.example.com/livestore-filesync-files/";
const MIGRATION: (&str, &str) =
    ("migration.legacy_urls", r#"["https://files.example.com/livestore-filesync-files/","http://127.0.0.1:9/"]"#);

/// Every way to name a key, used with the members `named`, in a body and in a query.
async fn on_every_route(app: &TestApp, named: &[(&str, &str)]) -> Vec<(String, Answer)> {
    let body: serde_json::Map<_, _> = named.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let body = serde_json::Value::from(body).to_string();
    let pairs = named.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    let query = pairs.collect::<Vec<_>>().join("&");
    let mut answers = Vec::new();
    for (method, path) in [
        ("GET", "/download-url"),
        ("GET", "/object"),
        ("DELETE", "/object"),
        ("POST", "/upload-url"),
        ("POST", "/delete-url"),
        ("POST", "/confirm"),
        ("POST", "/v1/sign/upload"),
        ("POST", "/v1/sign/download"),
        ("POST", "/v1/delete"),
    ] {
        let request = Request::builder().method(method).uri(format!("{path}?{query}")).header("host", "signer.test");
        let request = request.header("authorization", format!("Bearer {}", good_token()));
        let request = request.header("content-type", "application/json");
        let body = http_body_util::Full::new(hyper::body::Bytes::from(body.clone()));
        answers.push((format!("{method} {path}"), app.respond(request.body(body).unwrap()).await));
    }
    answers
}

#[tokio::test]
async fn a_listed_url_stands_for_its_key_on_every_route() {
    let app = TestApp::with(&[MIGRATION]).await;
    app.s3.answers(200, &[("etag", "\"e\"")], "");
    let by_key = on_every_route(&app, &[("key", "s1/a b")]).await;
    for url in
        [format!("{OLD}s1/a%20b"), format!("{OLD}s1/a%20b?X-Amz-Signature=0"), "http://127.0.0.1:9/s1/a b".into()]
    {
        for ((route, by_url), (_, by_key)) in on_every_route(&app, &[("url", &url)]).await.into_iter().zip(&by_key) {
            assert!(by_url.status.is_success(), "{route} {by_url:?}");
            assert_eq!((by_url.status, &by_url.text), (by_key.status, &by_key.text), "{route}");
        }
    }
    for asked in app.s3.asked() {
        assert!(asked.split(' ').nth(1).unwrap().starts_with("/files/s1/a%20b"), "{asked}");
    }
}

#[tokio::test]
async fn a_url_opens_nothing_that_its_key_would_not() {
    let app = TestApp::with(&[MIGRATION]).await;
    let old = |rest: &str| format!("{OLD}{rest}");
    for (named, status, code) in [
        (vec![("url", old("s2/f"))], 403, "key_outside_store"),
        (vec![("url", old("livestore-filesync-files/s1/f"))], 403, "key_outside_store"),
        (vec![("url", old("s1/../s2/f"))], 400, "invalid_key"),
        (vec![("url", old("s1/%2e%2e/s2/f"))], 400, "invalid_key"),
        (vec![("url", old("s1/..%2fs2/f"))], 400, "invalid_key"),
        (vec![("url", old("s1/%252e%252e/f"))], 400, "invalid_key"),
        (vec![("url", old("s1/%zz"))], 400, "invalid_key"),
        (vec![("url", old(""))], 400, "invalid_key"),
        (vec![("url", old("s1/f#x"))], 400, "unknown_url"),
        (vec![("url", old("s1/f?versionId=1"))], 400, "unknown_url"),
        (vec![("url", "https://evil.test/livestore-filesync-files/s1/f".into())], 400, "unknown_url"),
        (vec![("url", "https://u@files.example.com/livestore-filesync-files/s1/f".into())], 400, "unknown_url"),
        (vec![("url", "s1/f".into())], 400, "unknown_url"),
        (vec![("url", String::new())], 400, "unknown_url"),
        (vec![("key", "s1/f".into()), ("url", old("s1/f"))], 400, "invalid_request"),
        (vec![("key", "s1/f".into()), ("url", String::new())], 400, "invalid_request"),
        (vec![], 400, "invalid_request"),
    ] {
        let named: Vec<_> = named.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for (route, answer) in on_every_route(&app, &named).await {
            assert!(is(&answer, status, code), "{route} {named:?} {answer:?}");
            assert!(!answer.text.contains("evil"), "nothing is echoed");
        }
    }
    let off = TestApp::start().await;
    for (route, answer) in on_every_route(&off, &[("url", &old("s1/f"))]).await {
        assert!(is(&answer, 400, "unknown_url"), "{route}");
    }
    assert_eq!(app.s3.count() + off.s3.count(), 0);
}
