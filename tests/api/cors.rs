//! H23: which pages may call.

use crate::support::{Answer, TestApp, good_token};

const APP: &str = "https://app.example.com";

async fn app() -> TestApp {
    TestApp::with(&[("server.cors_origins", r#"["https://app.example.com","capacitor://localhost"]"#)]).await
}

async fn from(app: &TestApp, origins: &[&str], token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(origins.iter().map(|origin| ("origin", *origin)));
    app.send("GET", "/download-url?key=s1/f", &headers, "").await
}

async fn preflight(app: &TestApp, target: &str, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    app.send("OPTIONS", target, &headers, "").await
}

#[tokio::test]
async fn listed_origins_are_echoed_on_every_answer() {
    let app = app().await;
    for (token, status) in [(good_token().as_str(), 200), ("bad", 401)] {
        for origin in [APP, "capacitor://localhost"] {
            let answer = from(&app, &[origin], token).await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("access-control-expose-headers"), Some("x-request-id, retry-after"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
    let bearer = format!("Bearer {}", good_token());
    let headers = [("authorization", bearer.as_str()), ("origin", APP)];
    for (target, status) in
        [("/download-url?key=s2/f", 403), ("/nowhere", 404), ("/upload-url", 405), ("/download-url", 400)]
    {
        let answer = app.send("GET", target, &headers, "").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "{target}");
    }
}

#[tokio::test]
async fn other_origins_are_never_echoed() {
    let app = app().await;
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.com.evil",
        "https://evilapp.example.com",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com:8443",
        "https://app.example.com/",
        "*",
        "",
    ] {
        let answer = from(&app, &[origin], &good_token()).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(answer.header("vary"), Some("Origin"));
        let refused = preflight(&app, "/upload-url", origin).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "origin_not_allowed"), "{origin}");
        assert_eq!(refused.header("access-control-allow-origin"), None);
        assert_eq!(refused.header("access-control-allow-methods"), None);
    }
    let two = from(&app, &[APP, APP], &good_token()).await;
    assert_eq!(two.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_no_bucket() {
    let app = app().await;
    let answer = preflight(&app, "/object", APP).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, DELETE"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization, content-type, x-request-id"));
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    assert_eq!(preflight(&app, "/nowhere", APP).await.status, 404);
    assert_eq!(app.s3.count(), 0);
    // Without a request for a method it is just a method that no path has.
    assert_eq!(app.send("OPTIONS", "/object", &[("origin", APP)], "").await.status, 405);
}

#[tokio::test]
async fn credentials_are_allowed_only_when_switched_on() {
    let app = TestApp::with(&[
        ("server.cors_origins", r#"["https://app.example.com"]"#),
        ("server.cors_credentials", "true"),
    ])
    .await;
    assert_eq!(from(&app, &[APP], &good_token()).await.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(preflight(&app, "/object", APP).await.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(from(&app, &["https://evil.example"], "x").await.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn without_a_list_there_is_no_cors_at_all() {
    let app = TestApp::start().await;
    let answer = from(&app, &[APP], &good_token()).await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    assert_eq!(preflight(&app, "/object", APP).await.status, 403);
}
