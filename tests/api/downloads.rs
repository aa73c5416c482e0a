//! What `[download]` makes of URLs. Case numbers K.. are those of the security study.

use filesync_signer::domain::sigv4::MAX_EXPIRES_SECS;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{HASH, SECRET, TestApp, now, token};

const WINDOW: (&str, &str) = ("download.cache_window", "15m");

/// A request at another time than [`now`], with a token that holds then.
async fn ask_at(app: &TestApp, at: Timestamp, method: &str, target: &str, body: &Value) -> Value {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let claims = json!({"storeId": "s1", "exp": at.as_second() + 60});
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let request = Request::builder().method(method).uri(target).header("host", "signer.test");
    let request = request.header("authorization", format!("Bearer {token}")).header("content-type", "application/json");
    let answer = app.app.respond(request.body(Full::new(Bytes::from(body.to_string()))).unwrap(), at).await;
    assert_eq!(answer.status(), 200);
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

async fn get_at(app: &TestApp, at: Timestamp, target: &str) -> Value {
    ask_at(app, at, "GET", target, &json!({})).await
}

fn time(text: &str) -> Timestamp {
    format!("2026-11-22T{text}Z").parse().unwrap()
}

/// A query parameter of the URL in an answer, decoded.
fn parameter(answer: &Value, name: &str) -> Option<String> {
    let url = url::Url::parse(answer["url"].as_str().unwrap()).unwrap();
    url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
}

fn instant(answer: &Value, member: &str) -> i64 {
    answer[member].as_str().unwrap().parse::<Timestamp>().unwrap().as_second()
}

#[tokio::test]
async fn all_who_ask_within_a_window_get_one_url() {
    let app = TestApp::with(&[WINDOW]).await;
    let mut urls = Vec::new();
    for text in ["15:00:00", "15:04:59.5", "15:14:59.999"] {
        let at = time(text);
        for answer in [
            get_at(&app, at, "/download-url?key=s1/f").await,
            ask_at(&app, at, "POST", "/v1/sign/download", &json!({"key": "s1/f"})).await,
        ] {
            // K35: the end is read back from the URL.
            assert_eq!(parameter(&answer, "X-Amz-Date").unwrap(), "20261122T150000Z");
            assert_eq!(parameter(&answer, "X-Amz-Expires").unwrap(), "1800");
            assert_eq!(answer["expiresAt"], "2026-11-22T15:30:00Z");
            assert_eq!(answer["expiresIn"], instant(&answer, "expiresAt") - at.as_second());
            assert!(answer["expiresIn"].as_i64().unwrap() > 900, "the whole of what was promised");
            // A fifth of what was promised is left then, and another URL is given.
            assert_eq!(answer["refreshAfter"], "2026-11-22T15:27:00Z");
            assert_eq!(answer["sameUntil"], "2026-11-22T15:15:00Z");
            urls.push(answer["url"].clone());
        }
    }
    urls.dedup();
    assert_eq!(urls.len(), 1, "{urls:?}");
    let next = get_at(&app, time("15:15:00"), "/download-url?key=s1/f").await;
    assert_eq!(parameter(&next, "X-Amz-Date").unwrap(), "20261122T151500Z");
    // Another life, another URL; in one window they are one again.
    let short = |text| get_at(&app, time(text), "/download-url?key=s1/f&expiresIn=60");
    let (first, last) = (short("15:00:00").await, short("15:14:59").await);
    assert_eq!(first["url"], last["url"]);
    assert_ne!(first["url"], urls[0]);
    assert_eq!((parameter(&first, "X-Amz-Expires").unwrap(), &last["expiresIn"]), ("960".to_owned(), &json!(61)));
}

/// A short life beside a long window: who refreshes when told to is never given the old URL again.
#[tokio::test]
async fn what_is_fetched_when_told_to_is_new() {
    let app = TestApp::with(&[("download.cache_window", "24h"), ("download.max_expires_secs", "518400")]).await;
    for life in [1, 2, 60, 900, 3600, MAX_EXPIRES_SECS - 86_400] {
        let target = format!("/download-url?key=s1/f&expiresIn={life}");
        for text in ["00:00:00", "15:00:00", "23:59:59"] {
            let answer = get_at(&app, time(text), &target).await;
            let refresh = instant(&answer, "refreshAfter");
            assert!(time(text).as_second() <= refresh && refresh < instant(&answer, "expiresAt"), "{answer}");
            assert!(instant(&answer, "sameUntil") <= refresh);
            let next = get_at(&app, Timestamp::from_second(refresh).unwrap(), &target).await;
            assert_ne!(next["url"], answer["url"]);
        }
    }
}

/// K34: not past the credentials, and still one URL.
#[tokio::test]
async fn a_window_does_not_reach_past_the_credentials() {
    let app = TestApp::with_environment(
        &[
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-that-ends"),
            ("AWS_SESSION_TOKEN", "session"),
            ("AWS_CREDENTIAL_EXPIRATION", "2026-11-22T15:10:00Z"),
        ],
        &[
            WINDOW,
            ("storage.credentials", "environment"),
            ("storage.access_key_id", ""),
            ("storage.secret_access_key", ""),
        ],
        now,
    )
    .await;
    let (first, last) = (
        get_at(&app, time("15:00:00"), "/download-url?key=s1/f").await,
        get_at(&app, time("15:09:50"), "/download-url?key=s1/f").await,
    );
    assert_eq!(first["url"], last["url"]);
    assert_eq!(parameter(&first, "X-Amz-Expires").unwrap(), "600");
    for (answer, left, refresh) in [(&first, 600, "2026-11-22T15:08:00Z"), (&last, 10, "2026-11-22T15:09:58Z")] {
        assert_eq!((&answer["expiresIn"], &answer["expiresAt"]), (&json!(left), &json!("2026-11-22T15:10:00Z")));
        assert_eq!((&answer["refreshAfter"], &answer["sameUntil"]), (&json!(refresh), &json!("2026-11-22T15:10:00Z")));
    }
}

#[tokio::test]
async fn uploads_and_deletes_know_no_window() {
    let app = TestApp::with(&[WINDOW]).await;
    for path in ["/upload-url", "/v1/sign/upload", "/delete-url"] {
        let answer = ask_at(&app, time("15:00:01"), "POST", path, &json!({"key": "s1/f"})).await;
        assert_eq!(parameter(&answer, "X-Amz-Date").unwrap(), "20261122T150001Z");
        assert!(answer.get("sameUntil").is_none(), "{answer}");
    }
}

#[tokio::test]
async fn what_a_window_is_for_may_be_cached() {
    const CACHE: &str = "response-cache-control";
    let (plain, windowed) = (TestApp::start().await, TestApp::with(&[WINDOW]).await);
    let own = TestApp::with(&[("download.cache_control", "no-cache")]).await;
    let (hashed, named) = (format!("/download-url?key=s1/{HASH}"), "/download-url?key=s1/f".to_owned());
    for (app, target, expected) in [
        (&plain, &hashed, None),
        (&windowed, &hashed, Some("private, max-age=1800, immutable")),
        (&windowed, &named, None),
        (&own, &hashed, Some("no-cache")),
        (&own, &named, Some("no-cache")),
    ] {
        assert_eq!(parameter(&app.get(target).await.json(), CACHE).as_deref(), expected, "{target}");
    }
}

/// In a query and in a body.
async fn on_both_routes(app: &TestApp, key: &str, wishes: &[(&str, &str)]) -> [(u16, Value); 2] {
    let mut body = json!({"key": key});
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("key", key);
    for (name, value) in wishes {
        body[name] = json!(value);
        query.append_pair(name, value);
    }
    let in_query = app.get(&format!("/download-url?{}", query.finish())).await;
    let in_body = app.post("/v1/sign/download", &body).await;
    [in_query, in_body].map(|answer| (answer.status.as_u16(), answer.json()))
}

#[tokio::test]
async fn both_download_routes_sign_the_same_overrides() {
    let app = TestApp::start().await;
    let wishes = [
        ("filename", "Bericht \u{e4}\u{1f600}.png"),
        ("disposition", "inline"),
        ("responseContentType", "image/png"),
        ("versionId", "v.1"),
    ];
    for (status, answer) in on_both_routes(&app, "s1/f", &wishes).await {
        assert_eq!(status, 200, "{answer}");
        for (name, value) in [
            ("response-content-type", "image/png"),
            (
                "response-content-disposition",
                "inline; filename=\"Bericht __.png\"; filename*=UTF-8''Bericht%20%C3%A4%F0%9F%98%80.png",
            ),
            ("versionId", "v.1"),
        ] {
            assert_eq!(parameter(&answer, name).as_deref(), Some(value));
        }
    }
    // K19
    for (wish, code) in [
        (("responseContentType", "text/html"), "response_type_not_allowed"),
        (("responseContentType", "image/svg+xml"), "response_type_not_allowed"),
        (("responseContentType", "video/*"), "invalid_content_type"),
        (("responseContentType", ""), "invalid_content_type"),
        (("responseContentType", "image/png\r\nX: 1"), "invalid_content_type"),
        (("disposition", "form-data"), "invalid_request"),
        (("filename", "a/b"), "invalid_request"),
        (("filename", ""), "invalid_request"),
        (("versionId", "a&b"), "invalid_request"),
    ] {
        for (status, answer) in on_both_routes(&app, "s1/f", &[wish]).await {
            assert_eq!((status, &answer["code"]), (400, &json!(code)), "{wish:?}");
        }
    }
}

#[tokio::test]
async fn what_may_run_in_a_page_is_saved() {
    const DISPOSITION: &str = "response-content-disposition";
    let html = ("download.response_content_types", r#"["text/html","image/png"]"#);
    let (on, off) =
        (TestApp::with(&[html]).await, TestApp::with(&[html, ("download.force_attachment", "false")]).await);
    let inline = ("disposition", "inline");
    for (key, wishes, forced) in [
        ("s1/a.svg", vec![inline], true),
        ("s1/a.html", vec![inline], true),
        ("s1/f", vec![inline, ("responseContentType", "text/html")], true),
        ("s1/a.svg", vec![inline, ("responseContentType", "image/png")], false),
        ("s1/a.png", vec![inline], false),
    ] {
        for (_, answer) in on_both_routes(&on, key, &wishes).await {
            let expected = if forced { "attachment" } else { "inline" };
            assert_eq!(parameter(&answer, DISPOSITION).as_deref(), Some(expected), "{key} {wishes:?}");
        }
        for (_, answer) in on_both_routes(&off, key, &wishes).await {
            assert_eq!(parameter(&answer, DISPOSITION).as_deref(), Some("inline"), "{key} {wishes:?}");
        }
    }
    for (_, answer) in on_both_routes(&on, "s1/a.svg", &[]).await {
        assert_eq!(parameter(&answer, DISPOSITION).as_deref(), Some("attachment"));
    }
}

const PUBLIC: [(&str, &str); 3] = [
    ("download.mode", "public"),
    ("download.public_base_url", "https://files.example.com/all/"),
    ("download.force_attachment", "false"),
];

#[tokio::test]
async fn public_downloads_are_not_signed_and_do_not_end() {
    let app = TestApp::with(&PUBLIC).await;
    let answer = app.get("/download-url?key=/livestore-filesync-files/s1/a%20b&expiresIn=60").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_snapshot!(answer.shown(), @r#"200 {"method":"GET","url":"https://files.example.com/all/s1/a%20b","key":"s1/a b","providerId":"default","headers":{},"boundHeaders":[],"expiresAt":null,"refreshAfter":null,"expiresIn":null}"#);
    let head = app.get("/download-url?key=s1/a%20b&method=HEAD").await.json();
    assert_eq!((&head["method"], &head["url"]), (&json!("HEAD"), &answer.json()["url"]));
    assert_eq!(app.post("/v1/sign/download", &json!({"key": "s1/a b"})).await.text, answer.text);
    for path in ["/upload-url", "/v1/sign/upload", "/delete-url"] {
        let signed = app.post(path, &json!({"key": "s1/f"})).await.json();
        assert!(signed["url"].as_str().unwrap().starts_with("https://s3.test/files/s1/f?X-Amz-"), "{signed}");
        assert_eq!(signed["expiresIn"], 900);
    }
}

/// Who may read is decided all the same, before anything is told.
#[tokio::test]
async fn public_downloads_are_for_those_who_may_read() {
    let app = TestApp::with(&PUBLIC).await;
    for (claims, key, code) in [
        (json!({"storeId": "s1"}), "s2/f", "key_outside_store"),
        (json!({"storeId": "s1", "scope": "files:write"}), "s1/f", "operation_not_allowed"),
        (json!({"storeId": "s1", "prefixes": ["s1/a"]}), "s1/b", "key_outside_prefixes"),
        (json!({"sub": "u"}), "s1/f", "store_missing"),
    ] {
        for wish in ["", "&filename=a"] {
            let answer = app.call("GET", &format!("/download-url?key={key}{wish}"), &token(claims.clone()), "").await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, code));
            assert!(!answer.text.contains("files.example.com"));
        }
    }
    assert_eq!(app.call("GET", "/download-url?key=s1/f", "bad", "").await.status, 401);
}

#[tokio::test]
async fn wishes_that_a_public_address_cannot_carry_are_refused() {
    let app = TestApp::with(&PUBLIC).await;
    for wish in [("filename", "a"), ("disposition", "inline"), ("responseContentType", "image/png"), ("versionId", "1")]
    {
        for (status, answer) in on_both_routes(&app, "s1/f", &[wish]).await {
            assert_eq!((status, &answer["code"]), (400, &json!("override_unavailable")), "{wish:?}");
            assert!(answer["error"].as_str().unwrap().contains(wish.0));
        }
    }
}
