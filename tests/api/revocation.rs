//! Files that are followed while requests run: key sets, and tokens that are not wanted any more.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::issuer::Issuer;
use crate::support::{TestApp, now, token};

/// "Within one second", and room for a machine that does other things.
const SOON: Duration = Duration::from_secs(5);

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

async fn status(app: &TestApp, token: &str) -> u16 {
    app.call("GET", "/download-url?key=s1/f", token, "").await.status.as_u16()
}

async fn becomes(app: &TestApp, token: &str, wanted: u16) {
    let end = Instant::now() + SOON;
    while status(app, token).await != wanted {
        assert!(Instant::now() < end, "still not {wanted}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_soon_although_it_was_remembered() {
    let denied = file("jti = ['t0']\n");
    let app = TestApp::with(&[("auth.denied_file", denied.path().to_str().unwrap())]).await;
    let with = |claims| token(claims);
    let (first, second) =
        (with(json!({"storeId": "s1", "jti": "t1"})), with(json!({"storeId": "s1", "sub": "mallory"})));
    // The list is in force with the first request.
    assert_eq!(status(&app, &with(json!({"storeId": "s1", "jti": "t0"}))).await, 401);
    assert_eq!((status(&app, &first).await, status(&app, &second).await), (200, 200));
    std::fs::write(denied.path(), "jti = ['t1']").unwrap();
    becomes(&app, &first, 401).await;
    assert_eq!(status(&app, &second).await, 200);
    // As editors and Kubernetes do it: another file under the same name.
    let next = file("sub = ['mallory']\n");
    std::fs::rename(next.path(), denied.path()).unwrap();
    becomes(&app, &second, 401).await;
    assert_eq!(status(&app, &first).await, 200);
}

#[tokio::test]
async fn not_before_ends_the_older_tokens_of_one_store() {
    let denied = file("");
    let app = TestApp::with(&[("auth.denied_file", denied.path().to_str().unwrap())]).await;
    let at = |secs: i64| token(json!({"storeId": "s1", "iat": now().as_second() + secs}));
    let (older, newer) = (at(-10), at(0));
    assert_eq!((status(&app, &older).await, status(&app, &newer).await), (200, 200));
    std::fs::write(denied.path(), format!("[not_before]\ns1 = {}\n", now())).unwrap();
    becomes(&app, &older, 401).await;
    assert_eq!(status(&app, &newer).await, 200);
}

#[tokio::test]
async fn a_list_that_is_broken_or_gone_leaves_the_last_one_in_force() {
    let denied = file("jti = ['t1']\n");
    let app = TestApp::with(&[("auth.denied_file", denied.path().to_str().unwrap())]).await;
    let (revoked, good) = (token(json!({"storeId": "s1", "jti": "t1"})), token(json!({"storeId": "s1"})));
    for _ in 0..2 {
        assert_eq!((status(&app, &revoked).await, status(&app, &good).await), (401, 200));
        std::fs::write(denied.path(), "jti = [").unwrap();
        sleep(Duration::from_millis(1200)).await;
        assert_eq!((status(&app, &revoked).await, status(&app, &good).await), (401, 200));
        let _ = std::fs::remove_file(denied.path());
        sleep(Duration::from_millis(1200)).await;
    }
    std::fs::write(denied.path(), "").unwrap();
    becomes(&app, &revoked, 200).await;
}

#[tokio::test]
async fn a_key_set_file_is_read_again_and_a_broken_one_is_not_used() {
    let (old, new) = (Issuer::new("ES256"), Issuer::new("EdDSA"));
    let set = |issuers: &[&Issuer]| {
        json!({"keys": issuers.iter().map(|issuer| issuer.jwk(json!({}))).collect::<Vec<_>>()}).to_string()
    };
    let keys = file(&set(&[&old]));
    let app = TestApp::with(&[("auth.hs256_secret", ""), ("auth.jwks_file", keys.path().to_str().unwrap())]).await;
    let token = |issuer: &Issuer| issuer.token(json!({}), &json!({"storeId": "s1", "exp": now().as_second() + 60}));
    assert_eq!(app.send("GET", "/readyz", &[], "").await.status, 200);
    assert_eq!((status(&app, &token(&old)).await, status(&app, &token(&new)).await), (200, 401));
    std::fs::write(keys.path(), set(&[&old, &new])).unwrap();
    becomes(&app, &token(&new), 200).await;
    std::fs::write(keys.path(), r#"{"keys":[]}"#).unwrap();
    sleep(Duration::from_millis(1200)).await;
    assert_eq!((status(&app, &token(&old)).await, status(&app, &token(&new)).await), (200, 200));
    std::fs::write(keys.path(), set(&[&new])).unwrap();
    becomes(&app, &token(&old), 401).await;
    assert_eq!(status(&app, &token(&new)).await, 200);
}
