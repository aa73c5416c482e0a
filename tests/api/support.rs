//! The service under a fixed clock, tokens for it, and a fake bucket that counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[path = "documented.rs"]
mod documented;

use filesync_signer::api::App;
use filesync_signer::config::{self, Config};
use filesync_signer::identity::Authenticator;
use filesync_signer::storage::{Backend, BucketClient, Health, HealthMonitor};
use filesync_signer::telemetry::audit::Audit;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes};
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) const SECRET: &str = "an api ring secret of more than 32 bytes";
pub(crate) const HASH: &str = "3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a";

/// Uppy's routes, and what they need.
pub(crate) const UPPY: (&str, &str) = ("uppy.enabled", "true");
pub(crate) const SEALED: (&str, &str) = ("multipart.secret", "an upload secret of thirty-two bytes or more");

/// 2026-11-22T15:00:00Z, always.
pub(crate) fn now() -> Timestamp {
    "2026-11-22T15:00:00Z".parse().unwrap()
}

/// An HS256 token of these claims; `exp` is a minute ahead unless they say otherwise.
pub(crate) fn token(mut claims: Value) -> String {
    let claims_map = claims.as_object_mut().unwrap();
    claims_map.entry("exp").or_insert_with(|| json!(now().as_second() + 60));
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// A token that may do everything in store `s1`.
pub(crate) fn good_token() -> String {
    token(json!({"storeId": "s1"}))
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and body as one text, for snapshots. The request id is not the test's business.
    pub(crate) fn shown(&self) -> String {
        let id = self.header("x-request-id").unwrap();
        format!("{} {}", self.status.as_u16(), self.text.replace(id, "<id>"))
    }
}

/// The service, its fake bucket, and the hand on its health.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) config: Config,
    pub(crate) s3: FakeServer,
    pub(crate) health: watch::Sender<Health>,
    /// Of the storages besides the default one.
    pub(crate) other_healths: Vec<watch::Sender<Health>>,
    pub(crate) client: Arc<BucketClient>,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these settings over the usual ones.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::with_environment(&[], settings, now).await
    }

    /// The same in this environment, with this clock in the background.
    pub(crate) async fn with_environment(
        environment: &[(&str, &str)],
        settings: &[(&str, &str)],
        clock: fn() -> Timestamp,
    ) -> Self {
        let s3 = FakeServer::start().await;
        let usual = [
            ("auth.hs256_secret", SECRET),
            ("storage.endpoint", s3.url.as_str()),
            ("storage.public_endpoint", "https://s3.test"),
            ("storage.bucket", "files"),
            ("storage.access_key_id", "AKIDEXAMPLE"),
            ("storage.secret_access_key", "s3-secret-never-shown"),
        ];
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        let flags: Vec<_> = usual.iter().chain(settings).map(owned).collect();
        let environment: Vec<_> = environment.iter().map(owned).collect();
        let config = config::from_flags_in(&environment, &flags).unwrap();
        let healthy = Health { verdict: Ok(()), checked_at: Some(now()) };
        let started = config.all_storages().map(|storage| {
            let (monitor, health) = HealthMonitor::fixed(healthy);
            (Backend::with_health(storage, clock, |_| monitor).unwrap(), health)
        });
        let (storages, mut senders): (Vec<_>, Vec<_>) = started.unzip();
        let client = Arc::clone(&storages[0].bucket);
        let app = App::new(&config, Authenticator::start(&config.auth).unwrap(), storages);
        let app = Arc::new(app.audited_by(Arc::new(Audit::start(&config.telemetry.audit).unwrap())));
        let health = senders.remove(0);
        Self { app, config, s3, health, other_healths: senders, client }
    }

    pub(crate) async fn respond<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (parts, body) = self.app.respond(request, now()).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let answer = Answer { status: parts.status, headers: parts.headers, text };
        documented::check(&self.config, &method, &path, &answer);
        answer
    }

    pub(crate) async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(target).header("host", "signer.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.respond(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await
    }

    /// A request with the usual headers and this token.
    pub(crate) async fn call(&self, method: &str, target: &str, token: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(method, target, &headers, body).await
    }

    /// A call with a good token.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call("GET", target, &good_token(), "").await
    }

    /// A call with a good token.
    pub(crate) async fn post(&self, target: &str, body: &Value) -> Answer {
        self.call("POST", target, &good_token(), &body.to_string()).await
    }
}

/// Every way to name a key, so that a rule can be tried on all of them.
pub(crate) async fn on_every_route(app: &TestApp, token: &str, key: &str) -> Vec<(String, Answer)> {
    let encoded = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string();
    let body = json!({ "key": key }).to_string();
    let mut answers = Vec::new();
    for (method, target) in [
        ("GET", format!("/download-url?key={encoded}")),
        ("GET", format!("/download-url?key={encoded}&method=HEAD")),
        ("GET", format!("/object?key={encoded}")),
        ("DELETE", format!("/object?key={encoded}")),
        ("POST", "/upload-url".to_owned()),
        ("POST", "/delete-url".to_owned()),
        ("POST", "/v1/sign/upload".to_owned()),
        ("POST", "/v1/sign/download".to_owned()),
        ("POST", "/v1/delete".to_owned()),
        ("POST", "/confirm".to_owned()),
    ] {
        answers.push((format!("{method} {target}"), app.call(method, &target, token, &body).await));
    }
    answers
}

/// A bucket, or a key server, that answers what it is told to, and remembers what it was asked.
pub(crate) struct FakeServer {
    pub(crate) url: String,
    answer: Arc<Mutex<Vec<u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self { url, answer: Arc::default(), asked: Arc::default(), count: Arc::default() };
        fake.answers(204, &[], "");
        let (answer, asked, count) = (Arc::clone(&fake.answer), Arc::clone(&fake.asked), Arc::clone(&fake.count));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, asked, count) = (Arc::clone(&answer), Arc::clone(&asked), Arc::clone(&count));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    let mut request = String::from_utf8(head).unwrap();
                    let length = request.lines().find_map(|line| line.strip_prefix("content-length: "));
                    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
                    let Ok(_) = stream.read_exact(&mut body).await else { return };
                    request.push_str(&String::from_utf8(body).unwrap());
                    count.fetch_add(1, Ordering::SeqCst);
                    asked.lock().unwrap().push(request);
                    let answer = answer.lock().unwrap().clone();
                    // An empty answer is a bucket that hangs.
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        fake
    }

    pub(crate) fn answers(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let mut text = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "content-length") && status != 204 {
            text = format!("{text}content-length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            text = format!("{text}{name}: {value}\r\n");
        }
        self.answers_raw(format!("{text}\r\n{body}").as_bytes());
    }

    pub(crate) fn answers_raw(&self, bytes: &[u8]) {
        *self.answer.lock().unwrap() = bytes.to_vec();
    }

    pub(crate) fn hangs(&self) {
        self.answers_raw(b"");
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The same, forgotten afterwards.
    #[allow(dead_code, reason = "the fuzz targets ask it, too often to remember all")]
    pub(crate) fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}
