//! The pure steps of a request, each beside a reference in the same run.
#![allow(missing_docs, clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a broken set-up ends the run")]

#[path = "../../tests/support/issuer.rs"]
mod issuer;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use filesync_signer::api::App;
use filesync_signer::config;
use filesync_signer::domain::capsule::{Capsule, CapsuleKeys, Owner};
use filesync_signer::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES, ObjectKey};
use filesync_signer::domain::parts::{PartChecksum, PartPlan};
use filesync_signer::domain::policy::{Action, Caller, decide};
use filesync_signer::domain::sigv4::{BucketAddress, Credentials, Presigner, Terms};
use filesync_signer::domain::token::{TokenRules, Verifier, VerifyKey, algorithm_named, is_symmetric};
use filesync_signer::identity::{Authenticator, CacheLimits};
use filesync_signer::storage::{Backend, Health, HealthMonitor};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use rusty_s3::S3Action as _;
use serde_json::{Value, json};

use issuer::Issuer;

const KEY: &str = "s1/3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a";
const LIFE_SECS: u32 = 900;
const UPLOAD_SECRET: &str = "an upload secret of thirty-two bytes or more";

fn now() -> Timestamp {
    Timestamp::from_second(1_795_359_600).unwrap()
}

fn key() -> ObjectKey {
    let rules =
        KeyRules { files_root: "livestore-filesync-files".into(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
    ObjectKey::parse(KEY, &rules).unwrap()
}

fn caller() -> Arc<Caller> {
    let issuer = Issuer::new("HS256");
    Verifier::new(vec![key_of(&issuer)], TokenRules::default()).verify(&token(&issuer), now()).unwrap()
}

fn key_of(issuer: &Issuer) -> VerifyKey {
    let algorithm = algorithm_named(issuer.alg).unwrap();
    if is_symmetric(algorithm) {
        VerifyKey::hmac(algorithm, issuer::SECRET).unwrap()
    } else {
        VerifyKey::from_pem(algorithm, issuer.pem.as_bytes()).unwrap()
    }
}

/// The key as the library alone takes it.
fn decoding_key(issuer: &Issuer) -> DecodingKey {
    let pem = issuer.pem.as_bytes();
    match issuer.alg {
        "RS256" => DecodingKey::from_rsa_pem(pem).unwrap(),
        "ES256" => DecodingKey::from_ec_pem(pem).unwrap(),
        "EdDSA" => DecodingKey::from_ed_pem(pem).unwrap(),
        _ => DecodingKey::from_secret(issuer::SECRET),
    }
}

/// A token for store `s1`, good for an hour.
fn token(issuer: &Issuer) -> String {
    let claims = json!({"storeId": ["s1"], "iat": now().as_second(), "exp": now().as_second() + 3600});
    issuer.token(json!({"typ": "JWT"}), &claims)
}

fn presigner() -> Presigner {
    let address = BucketAddress { scheme: "https".into(), host: "s3.test".into(), path: "/files".into() };
    let credentials =
        Credentials { access_key_id: "AKIDEXAMPLE".into(), secret_access_key: "secret".into(), session_token: None };
    Presigner::new(address, "us-east-1", credentials)
}

/// The cryptography that a URL cannot do without: one SHA-256 of its canonical
/// request and one HMAC, with a kept key, of its string to sign.
fn floor(group: &mut BenchmarkGroup<'_, WallTime>, url: &str, method: &str, headers: &str, names: &str) {
    let parsed = url::Url::parse(url).unwrap();
    let query = parsed.query().unwrap().rsplit_once('&').unwrap().0;
    let request = format!("{method}\n{}\n{query}\n{headers}\n{names}\nUNSIGNED-PAYLOAD", parsed.path());
    let to_sign = format!("AWS4-HMAC-SHA256\n20261122T150000Z\n20261122/us-east-1/s3/aws4_request\n{}", "0".repeat(64));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    group.bench_function("crypto floor", |b| {
        b.iter(|| {
            let hash = digest::digest(&digest::SHA256, black_box(request.as_bytes()));
            (hash, hmac::sign(&key, black_box(to_sign.as_bytes())))
        });
    });
}

fn presign_get(c: &mut Criterion) {
    let mut group = c.benchmark_group("presign_get");
    let (presigner, grant) = (presigner(), decide(&caller(), Action::Get, key()).unwrap());
    let terms = Terms { expires_secs: LIFE_SECS, ..Terms::default() };
    let url = presigner.presign(&grant, &terms, now()).unwrap();
    floor(&mut group, url.url.expose(), "GET", "host:s3.test\n", "host");
    group.bench_function("ours", |b| b.iter(|| presigner.presign(black_box(&grant), &terms, now()).unwrap()));

    let (bucket, credentials) = rusty_s3();
    let life = Duration::from_secs(LIFE_SECS.into());
    group.bench_function("rusty-s3", |b| {
        b.iter(|| bucket.get_object(Some(&credentials), black_box(KEY)).sign_with_time(life, &now()));
    });
    group.finish();
}

fn presign_put_bound(c: &mut Criterion) {
    const BOUND: [(&str, &str); 3] = [
        ("content-length", "1048576"),
        ("content-type", "image/png"),
        ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ];
    let mut group = c.benchmark_group("presign_put_bound");
    let (presigner, grant) = (presigner(), decide(&caller(), Action::Put, key()).unwrap());
    let terms = Terms { expires_secs: LIFE_SECS, headers: &BOUND, ..Terms::default() };
    let url = presigner.presign(&grant, &terms, now()).unwrap();
    let headers = "content-length:1048576\ncontent-type:image/png\nhost:s3.test\n\
                   x-amz-checksum-sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    floor(&mut group, url.url.expose(), "PUT", headers, "content-length;content-type;host;x-amz-checksum-sha256");
    group.bench_function("ours", |b| b.iter(|| presigner.presign(black_box(&grant), &terms, now()).unwrap()));

    let (bucket, credentials) = rusty_s3();
    let life = Duration::from_secs(LIFE_SECS.into());
    group.bench_function("rusty-s3", |b| {
        b.iter(|| {
            let mut call = bucket.put_object(Some(&credentials), black_box(KEY));
            for (name, value) in BOUND {
                call.headers_mut().insert(name, value);
            }
            call.sign_with_time(life, &now())
        });
    });
    group.finish();
}

/// A thousand keys, from the text to the URL.
fn presign_batch_1000(c: &mut Criterion) {
    let (presigner, caller) = (presigner(), caller());
    let rules =
        KeyRules { files_root: "livestore-filesync-files".into(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
    let keys: Vec<_> = (0..1000).map(|i| format!("{KEY}{i:04}")).collect();
    let terms = Terms { expires_secs: LIFE_SECS, ..Terms::default() };
    c.bench_function("presign_batch_1000", |b| {
        b.iter(|| {
            for key in &keys {
                let grant = decide(&caller, Action::Get, ObjectKey::parse(key, &rules).unwrap()).unwrap();
                black_box(presigner.presign(&grant, &terms, now()).unwrap());
            }
        });
    });
}

/// A thousand downloads asked of the whole service, in process: at once, and one by one. Logging is off.
fn batch_1000(c: &mut Criterion) {
    let app = app();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let token = format!("Bearer {}", token(&Issuer::new("HS256")));
    let answer = |method: &str, target: &str, body: Bytes| {
        let request = Request::builder().method(method).uri(target).header("host", "signer.test");
        let request = request.header("authorization", &token).header("content-type", "application/json");
        let answer = runtime.block_on(app.respond(request.body(Full::new(body)).unwrap(), now()));
        assert_eq!(answer.status(), 200);
        answer
    };
    let keys: Vec<_> = (0..1000).map(|i| format!("{KEY}{i:04}")).collect();
    let mut group = c.benchmark_group("batch_1000");
    group.bench_function("one by one", |b| {
        b.iter(|| {
            for key in &keys {
                black_box(answer("GET", &format!("/download-url?key={key}"), Bytes::new()));
            }
        });
    });
    let operations: Vec<_> = keys.iter().map(|key| json!({"op": "download", "key": key})).collect();
    let items: Vec<_> =
        keys.iter().map(|key| json!({"key": key, "contentLength": 1_048_576, "contentType": "image/png"})).collect();
    for (path, body) in [
        ("/download-urls", json!({ "keys": keys })),
        ("/batch", json!({ "operations": operations })),
        ("/upload-urls", json!({ "items": items })),
    ] {
        let body = Bytes::from(body.to_string());
        let whole = runtime.block_on(answer("POST", path, body.clone()).into_body().collect()).unwrap().to_bytes();
        assert_eq!(whole.windows(13).filter(|window| window == b"\"status\":200,").count(), 1000);
        group.bench_function(path, |b| b.iter(|| answer("POST", path, body.clone())));
    }
    group.finish();
}

/// The URLs of a thousand parts of one upload, asked of the whole service at once: by length, and by SHA-256 too.
fn multipart_sign_1000(c: &mut Criterion) {
    let app = app();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let token = format!("Bearer {}", token(&Issuer::new("HS256")));
    let mut group = c.benchmark_group("multipart_sign_1000");
    for (name, checksum) in [("length", None), ("length and sha256", Some(PartChecksum::Sha256))] {
        let plan = PartPlan::new(8000 << 20, None, 8 << 20).unwrap();
        let capsule = Capsule {
            storage: "default".into(),
            key: KEY.into(),
            // As long as those of AWS.
            upload_id: "VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA.".repeat(2),
            owner: Owner::of(&caller()),
            plan,
            checksum,
            content_type: None,
            began_at: now().as_second(),
            ends_at: now().as_second() + 86_400,
        };
        let upload = CapsuleKeys::new(UPLOAD_SECRET.as_bytes(), []).seal(&capsule, [7; 12]).unwrap();
        let numbers: Vec<_> = (1..=1000).collect();
        let value = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let parts: Vec<_> = numbers.iter().map(|number| json!({"partNumber": number, "checksum": value})).collect();
        let body = match checksum {
            None => json!({"uploadToken": upload, "partNumbers": numbers}),
            Some(_) => json!({"uploadToken": upload, "parts": parts}),
        };
        let body = Bytes::from(body.to_string());
        let answer = || {
            let request = Request::builder().method("POST").uri("/multipart/sign").header("host", "signer.test");
            let request = request.header("authorization", &token).header("content-type", "application/json");
            runtime.block_on(app.respond(request.body(Full::new(body.clone())).unwrap(), now()))
        };
        let whole = runtime.block_on(answer().into_body().collect()).unwrap().to_bytes();
        assert_eq!(whole.windows(13).filter(|window| window == b"\"method\":\"PUT").count(), 1000);
        group.bench_function(name, |b| b.iter(answer));
    }
    group.finish();
}

fn app() -> App {
    let flags = [
        ("auth.hs256_secret", std::str::from_utf8(issuer::SECRET).unwrap()),
        ("multipart.secret", UPLOAD_SECRET),
        ("storage.endpoint", "https://s3.test"),
        ("storage.bucket", "files"),
        ("storage.access_key_id", "AKIDEXAMPLE"),
        ("storage.secret_access_key", "secret"),
    ];
    let config = config::from_flags(&flags.map(|(k, v)| (k.to_owned(), v.to_owned()))).unwrap();
    let (health, _) = HealthMonitor::fixed(Health { verdict: Ok(()), checked_at: None });
    let identity = Authenticator::start(&config.auth).unwrap();
    let storage = Backend::with_health(&config.storage, now, |_| health).unwrap();
    App::new(&config, identity, vec![storage])
}

fn rusty_s3() -> (rusty_s3::Bucket, rusty_s3::Credentials) {
    let endpoint = "https://s3.test".parse().unwrap();
    let bucket = rusty_s3::Bucket::new(endpoint, rusty_s3::UrlStyle::Path, "files", "us-east-1").unwrap();
    (bucket, rusty_s3::Credentials::new("AKIDEXAMPLE", "secret"))
}

/// Each algorithm three ways: the first time, once the token is remembered, and by the library alone.
fn verify(c: &mut Criterion) {
    for issuer in ["HS256", "RS256", "ES256", "EdDSA"].map(Issuer::new) {
        let mut group = c.benchmark_group(format!("verify_{}", issuer.alg.to_lowercase()));
        let (keys, token) = (vec![key_of(&issuer)], token(&issuer));
        let verifier = Verifier::new(keys.clone(), TokenRules::default());
        group.bench_function("cold", |b| b.iter(|| verifier.verify(black_box(&token), now()).unwrap()));

        let limits = CacheLimits { entries: 10_000, bytes: 16 << 20 };
        let authenticator = Authenticator::new(keys, TokenRules::default(), limits);
        group.bench_function("cached", |b| {
            b.iter(|| authenticator.authenticate(black_box(&token), now()).unwrap());
        });

        let mut validation = jsonwebtoken::Validation::new(algorithm_named(issuer.alg).unwrap());
        validation.validate_exp = false;
        let decoding = decoding_key(&issuer);
        group.bench_function("jsonwebtoken", |b| {
            b.iter(|| jsonwebtoken::decode::<Value>(black_box(&token), &decoding, &validation).unwrap());
        });
        group.finish();
    }
}

fn decision(c: &mut Criterion) {
    let (caller, key) = (caller(), key());
    c.bench_function("decide", |b| b.iter(|| decide(black_box(&caller), Action::Get, key.clone()).unwrap()));
}

criterion_group!(
    benches,
    presign_get,
    presign_put_bound,
    presign_batch_1000,
    batch_1000,
    multipart_sign_1000,
    verify,
    decision
);
criterion_main!(benches);
