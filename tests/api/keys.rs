//! What is a key, on every route. Case numbers K.. are those of the security study.

use proptest::prelude::*;
use proptest::test_runner::{Config as RunConfig, TestRunner};
use serde_json::json;
use url::Url;

use crate::support::{HASH, TestApp, good_token, on_every_route};

/// K03, K04, K05, K07, K13, K15, K38: refused with 400 everywhere, before anything is signed or asked.
#[tokio::test]
async fn keys_that_could_be_read_differently_are_refused_on_every_route() {
    let app = TestApp::start().await;
    let long = format!("s1/{}", "a".repeat(1022));
    for key in [
        "",
        "/",
        "s1",
        "s1/",
        "../s2/f",
        "s1/../s2/f",
        "s1/..",
        "./s1/f",
        "s1/./f",
        "s1//f",
        "//s1/f",
        "s1/%2e%2e/s2/f",
        "s1%2f..%2fs2/f",
        "s1/%252e%252e/f",
        "s1/%00",
        "s1/..%c0%af",
        "s1\\..\\s2\\f",
        "s1\\f",
        "s1/\0",
        "s1/a\r\nb",
        "s1/a\tb",
        "s1/\u{7f}",
        "s1/\u{2028}",
        "s1/\u{1b}[31m",
        "*",
        "//livestore-filesync-files/s1/f",
        &long,
    ] {
        for (route, answer) in on_every_route(&app, &good_token(), key).await {
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_key"), "{route}");
        }
    }
    // Well-formed, and nobody's but a store of that name: the root is stripped once, in lower case.
    for key in ["livestore-filesync-files/livestore-filesync-files/s1/f", "Livestore-filesync-files/s1/f"] {
        for (route, answer) in on_every_route(&app, &good_token(), key).await {
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "key_outside_store"), "{route}");
        }
    }
    assert_eq!(app.s3.count(), 0);
}

/// K01, K07: four spellings, one key, one path.
#[tokio::test]
async fn the_files_root_is_dropped_alike_on_every_route() {
    let app = TestApp::start().await;
    let key = format!("s1/{HASH}");
    for root in ["", "/", "livestore-filesync-files/", "/livestore-filesync-files/"] {
        for (route, answer) in on_every_route(&app, &good_token(), &format!("{root}{key}")).await {
            if answer.status == 200 && !route.contains("/object") {
                let answer = answer.json();
                assert_eq!(answer["key"], key, "{route}");
                assert_eq!(Url::parse(answer["url"].as_str().unwrap()).unwrap().path(), format!("/files/{key}"));
            }
        }
    }
    for asked in app.s3.asked() {
        assert!(asked.split(' ').nth(1).unwrap().starts_with(&format!("/files/{key}?")), "{asked}");
    }
}

/// K16: in the path format these are names; they are signed encoded and add nothing to the query.
#[tokio::test]
async fn characters_with_a_meaning_in_urls_are_encoded() {
    let app = TestApp::start().await;
    for tail in ["?uploadId=x", "#frag", "&acl", ";x", " ", "+", "?x-amz-acl=public-read"] {
        let answer = app.post("/upload-url", &json!({"key": format!("s1/{HASH}{tail}")})).await.json();
        let url = Url::parse(answer["url"].as_str().unwrap()).unwrap();
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let ours = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
        ];
        assert_eq!(names, ours, "{tail}");
        let path = percent_encoding::percent_decode_str(url.path()).decode_utf8().unwrap().into_owned();
        assert_eq!(path, format!("/files/s1/{HASH}{tail}"));
    }
    let strict = TestApp::with(&[("keys.format", "content-addressed")]).await;
    for tail in ["?uploadId=x", "#frag", "&acl", ";x", " ", "+"] {
        let answer = strict.post("/upload-url", &json!({"key": format!("s1/{HASH}{tail}")})).await;
        assert_eq!(answer.code(), "invalid_key", "{tail}");
    }
    assert_eq!(strict.post("/upload-url", &json!({"key": format!("s1/{HASH}")})).await.status, 200);
}

/// K29: whatever the request says of hosts, the URL's host is the configured one.
#[tokio::test]
async fn the_host_of_the_url_is_ours() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", good_token());
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-forwarded-host", "evil"),
        ("forwarded", "host=evil"),
        ("x-forwarded-proto", "http"),
    ];
    for target in ["/download-url?key=s1/f", "http://evil.test/download-url?key=s1/f"] {
        let answer = app.send("GET", target, &headers, "").await.json();
        assert!(answer["url"].as_str().unwrap().starts_with("https://s3.test/files/s1/f?"), "{answer}");
    }
    let twice = [("authorization", bearer.as_str()), ("host", "evil")];
    assert_eq!(app.send("GET", "/download-url?key=s1/f", &twice, "").await.status, 400);
}

#[tokio::test]
async fn virtual_host_style_puts_the_bucket_into_the_host() {
    let app =
        TestApp::with(&[("storage.addressing", "virtual-host"), ("storage.endpoint", "https://s3.internal")]).await;
    let answer = app.get("/download-url?key=s1/f").await.json();
    assert!(answer["url"].as_str().unwrap().starts_with("https://files.s3.test/s1/f?"), "{answer}");
}

/// K14: the body is one JSON object in UTF-8, the query is UTF-8, each name once.
#[tokio::test]
async fn bodies_and_queries_are_not_repaired() {
    let app = TestApp::start().await;
    for body in [
        "",
        "null",
        "[\"s1/f\"]",
        "\"s1/f\"",
        "{\"key\":\"s1/f\"",
        "{\"key\":\"s1/f\"} x",
        "\u{feff}{\"key\":\"s1/f\"}",
        "{\"key\":\"s1/f\",\"key\":\"s1/g\"}",
        "{\"key\":\"s1/f\",\"x\":1,\"x\":2}",
        "{\"key\":\"s1/f\",\"x\":{\"y\":1,\"y\":2}}",
        "{\"key\":\"s1/\\ud800\"}",
    ] {
        let answer = app.call("POST", "/upload-url", &good_token(), body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_json"), "{body}");
    }
    assert_eq!(app.call("POST", "/upload-url", &good_token(), "{}").await.code(), "invalid_request");
    // The published client sends more than is read.
    assert_eq!(app.post("/v1/delete", &json!({"key": "s1/f", "contentType": "x"})).await.status, 204);
    for query in ["", "key", "key=s1/f&key=s1/f", "key=s1/f&%6bey=s1/f", "key=s1/%ff", "key=s1/%c0%af", "key=s1/%zz"] {
        let answer = app.get(&format!("/download-url?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
}

/// K39: the same verdict, status and code, on every route, whatever the key; and what is
/// accepted is signed inside the caller's store, on our host and bucket, byte for byte.
#[test]
fn the_verdict_is_the_same_on_every_route() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::start());
    app.s3.answers(200, &[("etag", "\"x\"")], "");
    let strategy =
        "\\PC{0,24}|s1/\\PC{1,24}|(\\.\\./|/|s1|s10|%2e|\\\\|livestore-filesync-files/|[a-z./?#&;+ \u{0}]{1,3}){0,8}";
    let mut runner = TestRunner::new(RunConfig { cases: 500, failure_persistence: None, ..RunConfig::default() });
    let verdict = runner.run(&strategy.prop_map(|key: String| key), |key| {
        let answers = runtime.block_on(on_every_route(&app, &good_token(), &key));
        let verdicts: Vec<_> = answers
            .iter()
            .map(|(_, answer)| if answer.status.is_success() { String::new() } else { answer.code() })
            .collect();
        prop_assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{:?}", verdicts);
        if verdicts[0].is_empty() {
            let answer = answers[0].1.json();
            let url = Url::parse(answer["url"].as_str().unwrap()).unwrap();
            prop_assert_eq!(url.host_str(), Some("s3.test"));
            let path = percent_encoding::percent_decode_str(url.path()).decode_utf8().unwrap().into_owned();
            prop_assert!(path.starts_with("/files/s1/"), "{}", path);
            prop_assert_eq!(path.strip_prefix("/files/").unwrap(), answer["key"].as_str().unwrap());
            prop_assert!(key.ends_with(answer["key"].as_str().unwrap()));
        }
        Ok(())
    });
    verdict.unwrap();
}
