//! Where in a request a token may stand, and what a cookie costs.

use serde_json::json;

use crate::support::{SEALED, TestApp, UPPY, good_token, token};

const PAGE: &str = "https://app.example";

async fn get(app: &TestApp, headers: &[(&str, &str)]) -> u16 {
    app.send("GET", "/download-url?key=s1/f", headers, "").await.status.as_u16()
}

async fn delete(app: &TestApp, headers: &[(&str, &str)]) -> (u16, String) {
    let answer = app.send("DELETE", "/object?key=s1/f", headers, "").await;
    (answer.status.as_u16(), if answer.text.is_empty() { String::new() } else { answer.code() })
}

#[tokio::test]
async fn the_old_gateways_header_counts_where_it_is_switched_on() {
    let token = good_token();
    let bearer = format!("Bearer {token}");
    let off = TestApp::start().await;
    assert_eq!(get(&off, &[("x-worker-auth", &token)]).await, 401);
    let on =
        TestApp::with(&[("auth.worker_header", "true"), ("server.cors_origins", r#"["https://app.example"]"#)]).await;
    for value in [&token, &bearer] {
        assert_eq!(get(&on, &[("x-worker-auth", value)]).await, 200);
    }
    assert_eq!(get(&on, &[("authorization", &bearer)]).await, 200);
    assert_eq!(get(&on, &[("x-worker-auth", "rubbish")]).await, 401);
    assert_eq!(get(&on, &[("x-worker-auth", &token), ("x-worker-auth", &token)]).await, 400);
    assert_eq!(get(&on, &[]).await, 401);
    // A page may send it.
    for (app, listed) in [(&on, true), (&off, false)] {
        let headers = [("origin", PAGE), ("access-control-request-method", "GET")];
        let allowed = app.send("OPTIONS", "/download-url", &headers, "").await;
        let allowed = allowed.header("access-control-allow-headers").unwrap_or_default().to_owned();
        assert_eq!(allowed.contains("x-worker-auth"), listed, "{allowed}");
    }
}

/// Which of two was meant cannot be known.
#[tokio::test]
async fn two_different_tokens_in_one_request_are_400() {
    let settings = [
        ("auth.worker_header", "true"),
        ("auth.cookie", "session"),
        ("server.cors_origins", r#"["https://app.example"]"#),
    ];
    let app = TestApp::with(&settings).await;
    let (one, other) = (good_token(), token(json!({"storeId": "s2"})));
    let (bearer, cookie, other_cookie) =
        (format!("Bearer {one}"), format!("session={one}"), format!("session={other}"));
    assert_eq!(get(&app, &[("authorization", &bearer), ("x-worker-auth", &one), ("cookie", &cookie)]).await, 200);
    assert_eq!(get(&app, &[("authorization", &bearer), ("x-worker-auth", &other)]).await, 400);
    assert_eq!(get(&app, &[("authorization", &bearer), ("cookie", &other_cookie)]).await, 400);
    assert_eq!(get(&app, &[("x-worker-auth", &one), ("cookie", &other_cookie)]).await, 400);
    // A parent domain's cookie beside our own.
    assert_eq!(get(&app, &[("cookie", &format!("{cookie}; {other_cookie}"))]).await, 400);
    assert_eq!(get(&app, &[("cookie", &cookie), ("cookie", &other_cookie)]).await, 400);
    assert_eq!(get(&app, &[("cookie", &format!("a=b; {cookie}; xsession={other}; Session={other}"))]).await, 200);
}

/// Browsers send cookies with whatever any page does, so what changes something must come from a page on the list.
#[tokio::test]
async fn a_cookie_changes_nothing_for_a_foreign_page() {
    let settings = [("auth.cookie", "session"), ("server.cors_origins", r#"["https://app.example"]"#)];
    let app = TestApp::with(&settings).await;
    let cookie = format!("session={}", good_token());
    let bearer = format!("Bearer {}", good_token());
    assert_eq!(get(&app, &[("cookie", &cookie)]).await, 200);
    assert_eq!(get(&app, &[("cookie", "session=")]).await, 401);
    assert_eq!(get(&app, &[("cookie", "session")]).await, 401);
    let sent = |headers: &[(&'static str, &'static str)]| -> Vec<(&'static str, String)> {
        let own = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        own.chain([("cookie", cookie.clone())]).collect()
    };
    let foreign: [&[(&str, &str)]; 8] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "https://app.example.evil.example")],
        &[("origin", PAGE), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
    ];
    for headers in foreign {
        let all = sent(headers);
        let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(delete(&app, &all).await, (403, "origin_not_allowed".into()), "{headers:?}");
    }
    assert_eq!(app.s3.count(), 0, "nothing refused may reach the bucket");
    let own: [&[(&str, &str)]; 3] = [
        &[("origin", PAGE)],
        &[("sec-fetch-site", "same-origin")],
        &[("origin", PAGE), ("sec-fetch-site", "cross-site")],
    ];
    for headers in own {
        let all = sent(headers);
        let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(delete(&app, &all).await.0, 204, "{headers:?}");
    }
    // A header is no cookie: a page had to set it.
    assert_eq!(delete(&app, &[("authorization", &bearer)]).await.0, 204);
    let off = TestApp::start().await;
    assert_eq!(get(&off, &[("cookie", &cookie)]).await, 401);
}

/// A GET that gives a form for an upload uses up what the store may write, and one that gives credentials asks STS: a page
/// that sends its visitors there with their cookie gets nothing done.
#[tokio::test]
async fn a_cookie_gets_no_form_for_a_foreign_page() {
    let pages = ("server.cors_origins", r#"["https://app.example"]"#);
    let settings = [UPPY, SEALED, pages, ("auth.cookie", "session"), ("limits.store_upload_bytes_per_hour", "1000")];
    let app = TestApp::with(&settings).await;
    let cookie = format!("session={}", good_token());
    let form = async |more: &[(&str, &str)]| {
        let target = "/s3/params?filename=f&type=text/plain&metadata%5BcontentLength%5D=600";
        let answer = app.send("GET", target, &[&[("cookie", cookie.as_str())], more].concat(), "").await;
        (answer.status.as_u16(), answer.code())
    };
    for foreign in [&[][..], &[("sec-fetch-site", "cross-site")], &[("origin", "https://evil.example")]] {
        assert_eq!(form(foreign).await, (403, "origin_not_allowed".into()), "{foreign:?}");
    }
    assert_eq!(form(&[("sec-fetch-site", "same-origin")]).await.0, 200, "nothing was used up before");
    assert_eq!(app.send("GET", "/s3/sts", &[("cookie", cookie.as_str())], "").await.status, 403);
}

/// A limit in the token holds for what is signed with it.
#[tokio::test]
async fn max_upload_bytes_limits_and_binds_the_length() {
    let app = TestApp::start().await;
    let token = token(json!({"storeId": "s1", "max_upload_bytes": 1000}));
    for route in ["/upload-url", "/v1/sign/upload"] {
        let upload = async |body: serde_json::Value| app.call("POST", route, &token, &body.to_string()).await;
        let allowed = upload(json!({"key": "s1/f", "contentLength": 1000})).await;
        assert_eq!(allowed.status, 200);
        assert!(allowed.json()["boundHeaders"].as_array().unwrap().contains(&json!("content-length")));
        let over = upload(json!({"key": "s1/f", "contentLength": 1001})).await;
        assert_eq!((over.status.as_u16(), over.code().as_str()), (413, "upload_too_large"));
        let unsaid = upload(json!({"key": "s1/f"})).await;
        assert_eq!((unsaid.status.as_u16(), unsaid.code().as_str()), (400, "invalid_request"));
    }
}
