//! The audit log: a line for each decision, whatever becomes of it.

use std::time::Duration;

use filesync_signer::api::{Endpoint, Route, routes};
use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, HASH, SEALED, SECRET, TestApp, UPPY, good_token, token};

/// The service with an audit log that is read.
pub(crate) struct Audited {
    pub(crate) app: TestApp,
    folder: TempDir,
}

impl Audited {
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit").display().to_string();
        let usual = [("telemetry.audit", "required"), ("telemetry.audit_file", &file)];
        let settings: Vec<_> = usual.iter().chain(settings).copied().collect();
        Self { app: TestApp::with(&settings).await, folder }
    }

    async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The lines since the last look.
    fn text(&self) -> String {
        let file = self.folder.path().join("audit");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, "").unwrap();
        text
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The token of an upload in parts.
    async fn begun(&self, store: &str) -> String {
        let bearer = token(json!({"storeId": store}));
        let body = json!({"key": format!("{store}/f"), "contentLength": 7});
        let token = self.send("POST", "/multipart", &bearer, &body).await.json()["uploadToken"].clone();
        let line = self.lines().remove(0);
        assert_eq!((&line["operation"], &line["bounds"]["contentLength"]), (&json!("multipart-begin"), &json!(7)));
        token.as_str().unwrap().to_owned()
    }

    async fn send(&self, method: &str, target: &str, bearer: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {bearer}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("x-request-id", "r-1"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ];
        self.app.send(method, target, &headers, &body.to_string()).await
    }
}

fn named_token() -> String {
    token(json!({"storeId": "s1", "iss": "https://idp.example", "sub": "user-1", "jti": "token-1"}))
}

/// What the members are, and their order, for each kind of decision.
#[tokio::test]
async fn lines_are_as_documented() {
    let audited = Audited::with(&[("upload.write_once", "true"), ("storage.provider", "aws")]).await;
    let token = named_token();
    let upload = json!({"key": format!("s1/{HASH}"), "contentLength": 3, "contentType": "image/png"});
    audited.send("POST", "/upload-url", &token, &upload).await;
    audited.send("GET", "/download-url?key=s1/a%20b&method=HEAD", &token, &Value::Null).await;
    audited.send("DELETE", "/object?key=s1/a", &token, &Value::Null).await;
    audited.send("POST", "/delete-url", &token, &json!({"key": "s2/a"})).await;
    audited.send("POST", "/v1/sign/download", &token, &json!({"key": "s1/../s2/a"})).await;
    audited.send("POST", "/upload-url", "no-token", &upload).await;
    assert_snapshot!(audited.text(), @r#"
    {"time":"2026-11-22T15:00:00.000Z","requestId":"r-1","traceId":"0af7651916cd43dd8448eb211c80319c","route":"POST /upload-url","issuer":"https://idp.example","subject":"user-1","tokenId":"token-1","operation":"upload","store":"s1","storage":"default","key":"s1/3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a","keySha256":null,"bounds":{"contentLength":3,"contentType":"image/png","checksumSha256":true,"writeOnce":true},"expiresAt":"2026-11-22T15:15:00Z","decision":"allow","code":null,"status":200}
    {"time":"2026-11-22T15:00:00.000Z","requestId":"r-1","traceId":"0af7651916cd43dd8448eb211c80319c","route":"GET /download-url","issuer":"https://idp.example","subject":"user-1","tokenId":"token-1","operation":"head","store":"s1","storage":"default","key":"s1/a b","keySha256":null,"bounds":null,"expiresAt":"2026-11-22T15:15:00Z","decision":"allow","code":null,"status":200}
    {"time":"2026-11-22T15:00:00.000Z","requestId":"r-1","traceId":"0af7651916cd43dd8448eb211c80319c","route":"DELETE /object","issuer":"https://idp.example","subject":"user-1","tokenId":"token-1","operation":"delete","store":"s1","storage":"default","key":"s1/a","keySha256":null,"bounds":null,"expiresAt":null,"decision":"allow","code":null,"status":null}
    {"time":"2026-11-22T15:00:00.000Z","requestId":"r-1","traceId":"0af7651916cd43dd8448eb211c80319c","route":"POST /delete-url","issuer":"https://idp.example","subject":"user-1","tokenId":"token-1","operation":"delete-url","store":"s2","storage":null,"key":"s2/a","keySha256":null,"bounds":null,"expiresAt":null,"decision":"deny","code":"key_outside_store","status":403}
    {"time":"2026-11-22T15:00:00.000Z","requestId":"r-1","traceId":"0af7651916cd43dd8448eb211c80319c","route":"POST /v1/sign/download","issuer":"https://idp.example","subject":"user-1","tokenId":"token-1","operation":"download","store":null,"storage":null,"key":null,"keySha256":"7415c4624275fc7fc71a27e54eb89cd88a8a4001d20ab7186c1dac96aa8978d0","bounds":null,"expiresAt":null,"decision":"deny","code":"invalid_key","status":400}
    {"time":"2026-11-22T15:00:00.000Z","requestId":"r-1","traceId":"0af7651916cd43dd8448eb211c80319c","route":"POST /upload-url","issuer":null,"subject":null,"tokenId":null,"operation":null,"store":null,"storage":null,"key":null,"keySha256":null,"bounds":null,"expiresAt":null,"decision":"deny","code":"unauthorized","status":401}
    "#);
}

#[tokio::test]
async fn keys_are_hashed_where_that_is_configured() {
    let audited = Audited::with(&[("telemetry.audit_keys", "sha256")]).await;
    audited.app.get("/download-url?key=/livestore-filesync-files/s1/f").await;
    audited.app.get("/download-url?key=s2/f").await;
    let lines = audited.lines();
    // sha256sum of "s1/f" and "s2/f": of the key, not of what was sent.
    assert_eq!(lines[0]["keySha256"], "579394b8a787c57dfca1727fa061c65eb913b0bd784f08b6941abb4e2b1acee5");
    assert_eq!(lines[1]["keySha256"], "74fe4b37393d8df6a73e8fc7bf3cbd861136221124d6cd55ce36e5a3395f2f03");
    assert!(lines.iter().all(|line| line["key"].is_null()));
}

fn is_uppys(route: &Route) -> bool {
    route.path.starts_with("/s3/")
}

#[tokio::test]
async fn every_route_of_uppy_leaves_a_line() {
    let audited = Audited::with(&[UPPY, SEALED]).await;
    for route in routes().filter(|route| is_uppys(route)) {
        let path = route.path.replace(":uploadId", "u").replace(":partNumber", "1");
        for bearer in [good_token(), "x.y.z".to_owned()] {
            audited.send(route.method, &path, &bearer, &json!({})).await;
            let lines = audited.lines();
            assert_eq!((lines.len(), &lines[0]["decision"]), (1, &json!("deny")), "{path}: {lines:?}");
        }
    }
    let mut made = Vec::new();
    for (method, operation) in [("PUT", "upload"), ("POST", "multipart-begin")] {
        audited.send("POST", "/s3/sign", &good_token(), &json!({"method": method, "key": "a.png"})).await;
        let line = audited.lines().remove(0);
        assert_eq!((&line["decision"], &line["operation"]), (&json!("allow"), &json!(operation)));
        assert_eq!((&line["store"], &line["expiresAt"]), (&json!("s1"), &json!("2026-11-22T15:15:00Z")));
        made.push(line["key"].as_str().unwrap().to_owned());
    }
    let part = json!({"method": "PUT", "key": made[1], "uploadId": "u", "partNumber": 1});
    audited.send("POST", "/s3/sign", &good_token(), &part).await;
    let line = audited.lines().remove(0);
    assert_eq!((&line["operation"], &line["key"]), (&json!("multipart-sign"), &json!(made[1])));
}

/// A line says what was done, not what was going to be: a URL has its end, and an upload that is too long is no yes.
#[tokio::test]
async fn lines_of_uppys_urls_have_their_end_and_refused_ends_are_refusals() {
    let audited = Audited::with(&[UPPY, SEALED, ("storage.provider", "aws"), ("upload.max_bytes", "1000")]).await;
    let begun = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
    audited.app.s3.answers(200, &[], begun);
    let id = audited.app.post("/s3/multipart", &json!({"filename": "a.bin"})).await.json()["uploadId"].clone();
    let id = id.as_str().unwrap();
    audited.lines();
    let ends = async |method: &str, target: &str, body: Value| {
        audited.send(method, target, &good_token(), &body).await;
        let lines = audited.lines();
        assert_eq!(lines.len(), 1, "{target}: {lines:?}");
        let [decision, end] = ["decision", "expiresAt"].map(|name| lines[0][name].as_str().map(str::to_owned));
        (decision.unwrap(), end, lines[0]["status"].as_u64(), lines[0]["code"].clone())
    };
    let allowed = |end: &str| ("allow".to_owned(), Some(format!("2026-11-22T15:{end}Z")), Some(200), Value::Null);
    for target in [format!("/s3/multipart/{id}/1"), format!("/s3/multipart/{id}/batch?partNumbers=1,2")] {
        assert_eq!(ends("GET", &target, Value::Null).await, allowed("15:00"), "{target}");
    }
    let end = json!({"method": "POST", "key": "s1/f", "uploadId": "u"});
    let listed = |size: u32| {
        format!(
            "<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>{size}</Size></Part></ListPartsResult>"
        )
    };
    audited.app.s3.answers(200, &[], &listed(1000));
    assert_eq!(ends("POST", "/s3/sign", end.clone()).await, allowed("01:00"));
    audited.app.s3.answers(200, &[], &listed(1001));
    let denied = |status, code: &str| ("deny".to_owned(), None, Some(status), json!(code));
    assert_eq!(ends("POST", "/s3/sign", end.clone()).await, denied(413, "upload_too_large"));
    audited.app.s3.answers(404, &[], "<Error><Code>NoSuchUpload</Code></Error>");
    assert_eq!(ends("POST", "/s3/sign", end).await, denied(404, "upload_not_found"));
    let other = json!({"method": "POST", "key": "s2/f", "uploadId": "u"});
    assert_eq!(ends("POST", "/s3/sign", other).await, denied(403, "key_outside_store"));
}

/// Whatever row is added: asked well, with another store, with a bad token and with a bad body, it leaves a line.
#[tokio::test]
async fn every_route_that_needs_a_token_leaves_a_line() {
    let settings = [("files.redirect", "true"), ("multipart.secret", "an upload secret of thirty-two bytes or more")];
    let audited = Audited::with(&settings).await;
    audited.app.s3.answers(
        200,
        &[],
        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
    );
    let (of_s1, of_s2) = (audited.begun("s1").await, audited.begun("s2").await);
    let needs_token = |route: &&Route| !matches!(route.endpoint, Endpoint::Open(_)) && !is_uppys(route);
    for route in routes().filter(needs_token) {
        let name = format!("{} {}", route.method, route.path);
        let asked = |store: &str| {
            let path = route.path.replace(":storeId", store).replace(":name", "f");
            let upload = if store == "s1" { &of_s1 } else { &of_s2 };
            let query = format!("key={store}/f&uploadToken={upload}");
            let target = if route.method == "POST" { path } else { format!("{path}?{query}") };
            let body = json!({
                "uploadToken": upload, "partNumbers": [1], "contentLength": 7,
                "key": format!("{store}/f"), "keys": [format!("{store}/f")], "items": [{"key": format!("{store}/f")}],
                "operations": [{"op": "download", "key": format!("{store}/f")}],
            });
            (target, body)
        };
        for (store, bearer, decision) in
            [("s1", good_token(), "allow"), ("s2", good_token(), "deny"), ("s1", "x.y.z".to_owned(), "deny")]
        {
            let (target, body) = asked(store);
            audited.send(route.method, &target, &bearer, &body).await;
            let lines = audited.lines();
            assert_eq!(lines.len(), 1, "{name}: {lines:?}");
            assert_eq!((&lines[0]["decision"], &lines[0]["route"]), (&json!(decision), &json!(name)), "{name}");
            assert_eq!(lines[0]["operation"].is_string(), bearer != "x.y.z", "{name}");
        }
        if route.method == "POST" {
            audited.send("POST", route.path, &good_token(), &json!([])).await;
            let lines = audited.lines();
            assert_eq!((lines.len(), &lines[0]["code"]), (1, &json!("invalid_json")), "{name}");
        }
    }
    // Those that need none leave none.
    for target in ["/health", "/livez", "/readyz", "/nothing"] {
        audited.app.get(target).await;
    }
    assert_eq!(audited.text(), "");
}

#[tokio::test]
async fn each_operation_of_a_batch_has_a_line() {
    let audited = Audited::start().await;
    audited.app.s3.answers(404, &[], "");
    let operations = json!({"operations": [
        {"op": "download", "key": "s1/a"},
        {"op": "upload", "key": "s2/b"},
        {"op": "delete", "key": "s1/c"},
        {"op": "head", "key": "s1/d"},
        {"op": "rename", "key": "s1/e"},
        {"op": "delete-url"},
        7,
    ]});
    audited.app.post("/batch", &operations).await;
    let lines = audited.lines();
    let shown: Vec<_> =
        lines.iter().map(|line| [&line["operation"], &line["key"], &line["code"], &line["status"]]).collect();
    assert_eq!(
        json!(shown),
        json!([
            ["download", "s1/a", null, 200],
            ["upload", "s2/b", "key_outside_store", 403],
            ["delete", "s1/c", null, null],
            ["inspect", "s1/d", null, null],
            [null, null, "invalid_request", 400],
            ["delete-url", null, "invalid_request", 400],
            [null, null, "invalid_request", 400],
        ])
    );
    audited.app.post("/download-urls", &json!({"keys": ["s1/a", 7]})).await;
    audited.app.post("/batch", &json!({"operations": vec![json!({}); 1001]})).await;
    let codes: Vec<_> = audited.lines().iter().map(|line| line["code"].clone()).collect();
    assert_eq!(json!(codes), json!([null, "invalid_request", "batch_too_large"]));
}

/// What is done at the bucket has its line before, and no second one for how it ended.
#[tokio::test]
async fn a_call_to_the_bucket_is_written_down_before_it_is_made() {
    let audited = Audited::with(&[("storage.call_timeout_secs", "1"), ("storage.first_byte_timeout_secs", "1")]).await;
    audited.app.s3.hangs();
    let token = good_token();
    let call = audited.app.call("DELETE", "/object?key=s1/f", &token, "");
    let watch = async {
        while audited.app.s3.count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        audited.lines()
    };
    let (answer, lines) = tokio::join!(call, watch);
    assert_eq!(answer.code(), "bucket_timeout");
    assert_eq!((lines.len(), &lines[0]["decision"], &lines[0]["operation"]), (1, &json!("allow"), &json!("delete")));
    assert_eq!(audited.text(), "");
}

#[tokio::test]
async fn refusals_by_limits_are_written_down() {
    let audited =
        Audited::with(&[("limits.store_requests_per_sec", "1"), ("limits.store_upload_bytes_per_hour", "5")]).await;
    audited.app.post("/upload-url", &json!({"key": "s1/f", "contentLength": 6})).await;
    audited.app.get("/download-url?key=s1/f").await;
    let codes: Vec<_> =
        audited.lines().iter().map(|line| json!([line["operation"], line["key"], line["code"]])).collect();
    assert_eq!(json!(codes), json!([["upload", "s1/f", "upload_too_large"], ["download", "s1/f", "rate_limited"]]));
}

/// H26: whoever chooses keys, subjects and ids cannot forge a line, nor write to a terminal.
#[tokio::test]
async fn nobody_can_forge_a_line() {
    let audited = Audited::start().await;
    let evil = "a\n{\"decision\":\"allow\"}\r\"\\\u{1b}[31m\u{9b}31m\u{85}\u{2028}\u{2029}\u{202e}\u{7f}\u{0}";
    let claims = json!({"storeId": "s1", "sub": evil, "jti": evil, "iss": evil});
    for key in ["s1/\u{202e}gnp.exe\u{feff}", "s1/\"}\u{2066}"] {
        let answer =
            audited.app.call("POST", "/upload-url", &token(claims.clone()), &json!({"key": key}).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let text = audited.text();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(
            !text
                .trim_end()
                .contains(|c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}".contains(c))
        );
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["key"], &line["subject"], &line["tokenId"]), (&json!(key), &json!(evil), &json!(evil)));
    }
    // However long they are, a line goes into a pipe in one piece.
    let long = "\u{1}".repeat(300);
    let claims = json!({"storeId": "s1", "sub": long, "jti": long, "iss": long});
    let key = format!("s1/{}", "\"".repeat(1021));
    let body = json!({"key": key, "contentType": format!("a/{}", "b".repeat(100)), "contentLength": 5});
    let answer = audited.app.call("POST", "/upload-url", &token(claims), &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let text = audited.text();
    assert!((3000..=4096).contains(&text.len()), "{} bytes", text.len());
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["key"], json!(key));
}

/// H25: tokens, URLs, signatures and secrets are in no line, wherever a caller puts them.
#[tokio::test]
async fn no_line_holds_a_secret() {
    let audited = Audited::with(&[("files.redirect", "true"), ("storage.session_token", "session-never-shown")]).await;
    let bearer = named_token();
    let signed = audited.app.get("/download-url?key=s1/f").await.json()["url"].as_str().unwrap().to_owned();
    let encoded =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    for key in [bearer.as_str(), signed.as_str(), SECRET, "s3-secret-never-shown"] {
        audited.send("GET", &format!("/download-url?key={}", encoded(key)), &bearer, &Value::Null).await;
        audited.send("GET", &format!("/download-url?url={}", encoded(key)), &bearer, &Value::Null).await;
        audited
            .send("POST", "/batch", &bearer, &json!({"operations": [{"op": "delete", "key": key}, {"op": key}]}))
            .await;
    }
    audited.send("GET", "/livestore-filesync-files/s1/f", &bearer, &Value::Null).await;
    audited.send("POST", "/upload-url", &bearer, &json!({"key": format!("s1/{HASH}")})).await;
    let text = audited.text();
    assert!(text.lines().count() > 15);
    let signature = signed.split("X-Amz-Signature=").nth(1).unwrap();
    let parts = bearer.split('.').chain([signature, SECRET, "never-shown", "X-Amz-", "https://s3.test", "AKIDEXAMPLE"]);
    for secret in parts {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_told() {
    let app = TestApp::with(&[("telemetry.audit", "required"), ("telemetry.audit_file", "/dev/full")]).await;
    app.s3.answers(204, &[], "");
    for (method, target, body) in [
        ("GET", "/download-url?key=s1/f", json!(null)),
        ("POST", "/upload-url", json!({"key": "s1/f"})),
        ("POST", "/delete-url", json!({"key": "s2/f"})),
        ("DELETE", "/object?key=s1/f", json!(null)),
        ("GET", "/object?key=s1/f", json!(null)),
        ("POST", "/upload-url", json!([])),
    ] {
        let answer = app.call(method, target, &good_token(), &body.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "audit_unavailable"), "{target}");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(!answer.text.contains("X-Amz-"));
    }
    let operations = json!({"operations": [{"op": "download", "key": "s1/f"}, {"op": "delete", "key": "s1/f"}]});
    let answer = app.post("/batch", &operations).await.json();
    for entry in answer["results"].as_array().unwrap() {
        assert_eq!(
            (&entry["status"], &entry["code"], entry.get("url")),
            (&json!(503), &json!("audit_unavailable"), None)
        );
    }
    // A token that nobody takes is not told even that.
    assert_eq!(app.call("GET", "/download-url?key=s1/f", "x.y.z", "").await.code(), "audit_unavailable");
    assert_eq!(app.get("/livez").await.status, 200);
    assert_eq!(app.s3.count(), 0, "nothing was done at the bucket");
}

#[tokio::test]
async fn lines_that_are_not_required_are_written_in_the_background() {
    let audited = Audited::with(&[("telemetry.audit", "on")]).await;
    for _ in 0..100 {
        assert_eq!(audited.app.get("/download-url?key=s1/f").await.status, 200);
    }
    let audit = audited.app.app.audit();
    tokio::task::spawn_blocking(move || audit.flush(Duration::from_secs(20))).await.unwrap();
    assert_eq!((audited.lines().len(), audited.app.app.audit().dropped()), (100, 0));
    // Nor do they keep anybody from an answer when they cannot be.
    let app = TestApp::with(&[("telemetry.audit", "on"), ("telemetry.audit_file", "/dev/full")]).await;
    assert_eq!(app.get("/download-url?key=s1/f").await.status, 200);
}
