//! Who gets in. Case numbers J.. are those of the security study; `domain::token` has the rest.

use filesync_signer::api::{Endpoint, routes};
use serde_json::json;

use crate::support::{SEALED, TestApp, UPPY, good_token, now, on_every_route, token};

/// A new row is covered before its author writes a test.
#[tokio::test]
async fn every_row_but_open_ones_refuses_a_missing_token() {
    let app = TestApp::with(&[("files.redirect", "true"), UPPY, SEALED]).await;
    let mut refused = 0;
    for route in routes() {
        let target = format!("{}?key=s1/f", route.path);
        let headers = [("content-type", "application/json")];
        let answer = app.send(route.method, &target, &headers, r#"{"key":"s1/f"}"#).await;
        let open = matches!(route.endpoint, Endpoint::Open(_));
        assert_eq!(answer.status == 401, !open, "{} {}", route.method, route.path);
        refused += usize::from(!open);
    }
    assert_eq!(refused, 29);
    assert_eq!(app.s3.count(), 0);
}

/// J46: whatever is wrong with a token, the answer is the same.
#[tokio::test]
async fn all_401s_look_alike() {
    let app = TestApp::start().await;
    let expired = token(json!({"storeId": "s1", "exp": now().as_second() - 31}));
    let forged = format!("{}x", good_token());
    let none = "eyJhbGciOiJub25lIn0.eyJzdG9yZUlkIjoiczEifQ.";
    let mut seen = Vec::new();
    for value in [
        "Bearer ",
        "Bearer",
        "",
        "Basic dTpw",
        "Bearer a b",
        "Bearer \u{e9}",
        &format!("Bearer {expired}"),
        &format!("Bearer {forged}"),
        &format!("Bearer {none}"),
        &format!("Token {}", good_token()),
        &good_token(),
    ] {
        let headers = [("authorization", value), ("x-request-id", "same")];
        let answer = app.send("GET", "/download-url?key=s1/f", &headers, "").await;
        assert_eq!(answer.status, 401, "{value}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        seen.push(format!("{:?} {}", answer.headers, answer.text));
    }
    seen.push({
        let answer = app.send("GET", "/download-url?key=s1/f", &[("x-request-id", "same")], "").await;
        format!("{:?} {}", answer.headers, answer.text)
    });
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:#?}");
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_one_header_only() {
    let app = TestApp::start().await;
    let token = good_token();
    for value in [format!("bearer {token}"), format!("BEARER {token}"), format!("Bearer   {token} ")] {
        let answer = app.send("GET", "/download-url?key=s1/f", &[("authorization", &value)], "").await;
        assert_eq!(answer.status, 200, "{value}");
    }
    let twice = format!("Bearer {token}");
    let headers = [("authorization", twice.as_str()), ("authorization", twice.as_str())];
    assert_eq!(app.send("GET", "/download-url?key=s1/f", &headers, "").await.status, 400);
    // Nowhere else is a token looked for.
    assert_eq!(app.send("GET", &format!("/download-url?key=s1/f&access_token={token}"), &[], "").await.status, 401);
    assert_eq!(
        app.send("GET", "/download-url?key=s1/f", &[("cookie", &format!("token={token}"))], "").await.status,
        401
    );
}

/// J28, K38: a token that names no store, or another one, opens nothing on any route.
#[tokio::test]
async fn a_token_opens_its_own_store_on_every_route_and_nothing_else() {
    let app = TestApp::start().await;
    app.s3.answers(200, &[("etag", "\"x\"")], "");
    for (claims, key, code) in [
        (json!({}), "s1/f", "store_missing"),
        (json!({"storeId": ""}), "s1/f", "store_missing"),
        (json!({"storeId": []}), "s1/f", "store_missing"),
        (json!({"storeId": "*"}), "s1/f", "store_missing"),
        (json!({"storeId": true}), "s1/f", "store_missing"),
        (json!({"storeId": "s2"}), "s1/f", "key_outside_store"),
        (json!({"storeId": "s"}), "s1/f", "key_outside_store"),
        (json!({"storeId": "s1"}), "s10/f", "key_outside_store"),
        (json!({"storeId": "s10"}), "s1/f", "key_outside_store"),
        (json!({"storeId": "S1"}), "s1/f", "key_outside_store"),
        (json!({"storeId": "s1", "prefixes": []}), "s1/f", "key_outside_prefixes"),
        (json!({"storeId": "s1", "prefixes": ["s1/a"]}), "s1/ab", "key_outside_prefixes"),
    ] {
        for (route, answer) in on_every_route(&app, &token(claims.clone()), key).await {
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, code), "{route} {claims}");
            assert!(!answer.text.contains("http"), "{}", answer.text);
        }
    }
    assert_eq!(app.s3.count(), 0, "nothing refused may reach the bucket");
    for (route, answer) in on_every_route(&app, &token(json!({"storeId": ["s0", "s1"]})), "s1/f").await {
        assert!(answer.status.is_success(), "{route} {answer:?}");
    }
    assert_eq!(app.s3.count(), 4);
}

#[tokio::test]
async fn scope_opens_the_routes_of_its_operation() {
    let app = TestApp::start().await;
    app.s3.answers(200, &[("etag", "\"x\"")], "");
    for (scope, opened) in [
        ("files:read", vec!["/download-url", "/object GET", "/confirm", "/v1/sign/download"]),
        ("files:write", vec!["/upload-url", "/v1/sign/upload"]),
        ("files:delete", vec!["/delete-url", "/object DELETE", "/v1/delete"]),
    ] {
        let token = token(json!({"storeId": "s1", "scope": scope}));
        for (route, answer) in on_every_route(&app, &token, "s1/f").await {
            let (method, target) = route.split_once(' ').unwrap();
            let path = target.split('?').next().unwrap();
            let name = if path == "/object" { format!("{path} {method}") } else { path.to_owned() };
            let (status, code) =
                if opened.contains(&name.as_str()) { (true, "") } else { (false, "operation_not_allowed") };
            assert_eq!(answer.status.is_success(), status, "{scope} {route}");
            if !status {
                assert_eq!(answer.code(), code);
            }
        }
    }
    let strict = TestApp::with(&[("auth.require_scope", "true")]).await;
    assert_eq!(strict.get("/download-url?key=s1/f").await.code(), "operation_not_allowed");
}

#[tokio::test]
async fn the_store_claim_and_its_rule_are_configurable() {
    let app = TestApp::with(&[("auth.store_claim", "org"), ("auth.store_ids", "lossy")]).await;
    let token = token(json!({"org": "a/b", "storeId": "s1"}));
    assert_eq!(app.call("GET", "/download-url?key=a_b/f", &token, "").await.status, 200);
    assert_eq!(app.call("GET", "/download-url?key=s1/f", &token, "").await.status, 403);
}
