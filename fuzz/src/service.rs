//! The service as the api ring builds it, with its fake bucket, and what holds of all its answers.

use std::cell::LazyCell;

use filesync_signer::api::CODES;
use hyper::body::Bytes;
use hyper::http::request::Builder;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use url::Url;

use super::support::{Answer, SECRET, TestApp};
use super::tokens;

/// What [`TestApp`] is told of the bucket.
const BUCKET_PATH: &str = "/files/";
const S3_SECRET: &str = "s3-secret-never-shown";

/// What takes keys in ways that are off by default.
const ALL: [(&str, &str); 4] = [
    ("files.redirect", "true"),
    ("migration.legacy_urls", r#"["https://old.test/livestore-filesync-files/"]"#),
    ("multipart.secret", "an upload secret of thirty-two bytes or more"),
    ("uppy.enabled", "true"),
];

/// A service and the one thread it runs on.
pub struct Service {
    runtime: Runtime,
    app: TestApp,
}

thread_local! {
    static SERVICE: LazyCell<Service> = const { LazyCell::new(|| Service::with(&ALL)) };
}

impl Service {
    /// A service with these settings over the api ring's.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let runtime = RuntimeBuilder::new_current_thread().enable_all().build().unwrap();
        let app = runtime.block_on(TestApp::with(settings));
        // Good for a HEAD and for a DELETE.
        app.s3.answers(200, &[("etag", "\"e\"")], "");
        Self { runtime, app }
    }

    /// The answer to a request that carries `tokens`, if it is a request at all, with all that holds of every answer.
    pub(crate) fn ask(&self, request: Builder, body: &[u8], tokens: &[&str]) -> Option<Answer> {
        let request = request.body(http_body_util::Full::new(Bytes::copy_from_slice(body))).ok()?;
        let is_head = request.method() == "HEAD";
        let answer = self.runtime.block_on(self.app.respond(request));
        let stores: Vec<&str> = tokens.iter().flat_map(|token| tokens::stores_of(token)).copied().collect();
        self.check(&answer, is_head, &stores);
        Some(answer)
    }

    fn check(&self, answer: &Answer, is_head: bool, stores: &[&str]) {
        for secret in [SECRET, S3_SECRET] {
            assert!(!answer.text.contains(secret), "a secret in the answer");
            let shown = |value: &hyper::header::HeaderValue| {
                value.as_bytes().windows(secret.len()).any(|w| w == secret.as_bytes())
            };
            assert!(!answer.headers.values().any(shown), "a secret in a header");
        }
        let kept = answer.header("cache-control").unwrap();
        assert!(kept == "no-store" || answer.status == 307 && kept.starts_with("private, max-age="), "{kept}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.status == 307, answer.header("location").is_some());
        if let Some(location) = answer.header("location") {
            assert!(answer.text.is_empty(), "a redirect with a body");
            check_url(location, stores);
        } else if answer.text.is_empty() {
            assert!(is_head || answer.status == 204, "{} without a body", answer.status);
        } else {
            check_body(answer, stores);
        }
        for asked in self.app.s3.take_asked() {
            let target = asked.split(' ').nth(1).unwrap();
            let path = target.split('?').next().unwrap();
            let begins = target.contains("&uploads=&");
            if asked.starts_with("POST ") && !begins {
                assert!(path == BUCKET_PATH && target.contains("&delete=&"), "{target}");
                assert_keys_inside(&asked, stores);
            } else {
                assert_inside(path, stores);
            }
        }
    }
}

fn check_body(answer: &Answer, stores: &[&str]) {
    let body: Value = serde_json::from_str(&answer.text).expect("every body is JSON");
    if !answer.status.is_success() {
        let known = CODES.iter().any(|(code, status, _)| body["code"] == *code && answer.status == *status);
        assert!(known, "{} with code {}", answer.status, body["code"]);
        assert!(body.get("url").is_none(), "a URL in a refusal");
    } else if let Some(url) = body["url"].as_str() {
        check_signed(url, &body, stores);
    }
    for entry in body["results"].as_array().into_iter().flatten() {
        let known = |(code, status, _): &(&str, u16, &str)| entry["code"] == *code && entry["status"] == *status;
        let failed = !matches!(entry["status"].as_u64(), Some(200 | 204));
        assert!(!failed || CODES.iter().any(known) && entry.get("url").is_none(), "{entry}");
        if let Some(url) = entry["url"].as_str() {
            check_signed(url, entry, stores);
        }
    }
}

/// Nothing outside the caller's stores is ever signed, and what is said of a URL is true.
fn check_signed(url: &str, body: &Value, stores: &[&str]) {
    if let Some(fields) = body.get("fields") {
        // A form goes to the bucket, and says itself under which key.
        assert_eq!(format!("{url}/"), format!("https://s3.test{BUCKET_PATH}"));
        assert_eq!(fields["key"], body["key"], "the form names another key");
        assert_inside(&format!("{BUCKET_PATH}{}", body["key"].as_str().unwrap()), stores);
        return;
    }
    assert_eq!(check_url(url, stores), body["key"].as_str().unwrap(), "the answer names another key");
}

/// The key that a signed URL opens.
fn check_url(url: &str, stores: &[&str]) -> String {
    let parsed = Url::parse(url).unwrap();
    assert_eq!(&url[..url.find(BUCKET_PATH).unwrap()], "https://s3.test", "another host");
    // As sent, not as a URL library reads it: one that resolved a dot segment would differ.
    let path = url.split_once('?').unwrap().0.strip_prefix("https://s3.test").unwrap();
    assert_eq!(path, parsed.path(), "a URL library reads another path");
    let names: Vec<_> = parsed.query_pairs().map(|(name, _)| name.into_owned()).collect();
    for (i, name) in names.iter().enumerate() {
        let known = name.starts_with("X-Amz-")
            || matches!(
                name.as_str(),
                "response-content-disposition" | "versionId" | "uploads" | "uploadId" | "partNumber"
            );
        assert!(known && !names[..i].contains(name), "{name} in the query");
    }
    assert_inside(path, stores)
}

/// What is deleted together is the caller's, each of it.
fn assert_keys_inside(asked: &str, stores: &[&str]) {
    let texts = asked.split("<Key>").skip(1).map(|rest| rest.split_once("</Key>").unwrap().0);
    for text in texts {
        let key = quick_xml::escape::unescape(text).unwrap();
        let path = percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC).to_string();
        assert_eq!(assert_inside(&format!("{BUCKET_PATH}{path}"), stores), key);
    }
}

/// The key that a path opens: `/<bucket>/<a store of the caller>/…`, no dot segment, decoded once.
fn assert_inside(path: &str, stores: &[&str]) -> String {
    let decoded = percent_decode_str(path).decode_utf8().expect("a key is UTF-8");
    let key = decoded.strip_prefix(BUCKET_PATH).expect("another bucket");
    let segments: Vec<_> = key.split('/').collect();
    assert!(segments.len() >= 2 && stores.contains(&segments[0]), "{key:?} is outside of {stores:?}");
    assert!(!segments.iter().any(|segment| matches!(*segment, "" | "." | "..")), "{key:?}");
    key.to_owned()
}

/// [`Service::ask`] of the usual service.
pub(crate) fn ask(request: Builder, body: &[u8], tokens: &[&str]) -> Option<Answer> {
    SERVICE.with(|service| service.ask(request, body, tokens))
}
