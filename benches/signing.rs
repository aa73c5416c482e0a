//! The pure steps of a request, each beside a reference in the same run.
#![allow(missing_docs, clippy::unwrap_used, reason = "a broken set-up ends the run")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use filesync_signer::domain::key::{KeyFormat, KeyRules, ObjectKey};
use filesync_signer::domain::policy::{Action, Caller, decide};
use filesync_signer::domain::sigv4::{BucketAddress, Credentials, Presigner, Terms};
use filesync_signer::domain::store::StoreIdRule;
use filesync_signer::domain::token::{MintClaims, TokenRules, Verifier, VerifyKey, mint_hs256};
use jiff::Timestamp;
use rusty_s3::S3Action as _;

const SECRET: &[u8] = b"a bench secret of more than thirty-two bytes";
const KEY: &str = "s1/3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a";
const LIFE_SECS: u32 = 900;

fn now() -> Timestamp {
    Timestamp::from_second(1_795_359_600).unwrap()
}

fn verifier() -> Verifier {
    let rules = TokenRules {
        leeway: Duration::from_secs(30),
        max_ttl: Duration::from_hours(24),
        store_claim: "storeId".into(),
        store_rule: StoreIdRule::Strict,
        require_scope: false,
    };
    Verifier::new(vec![VerifyKey::hs256(SECRET).unwrap()], rules)
}

fn token() -> String {
    mint_hs256(SECRET, "storeId", &["s1".into()], &MintClaims::default(), 3600, now()).unwrap()
}

fn key() -> ObjectKey {
    let rules = KeyRules { files_root: "livestore-filesync-files".into(), format: KeyFormat::Path };
    ObjectKey::parse(KEY, &rules).unwrap()
}

fn caller() -> Caller {
    verifier().verify(&token(), now()).unwrap()
}

fn presigner() -> Presigner {
    let address = BucketAddress { scheme: "https".into(), host: "s3.test".into(), path: "/files".into() };
    let credentials =
        Credentials { access_key_id: "AKIDEXAMPLE".into(), secret_access_key: "secret".into(), session_token: None };
    Presigner::new(address, "us-east-1".into(), credentials)
}

fn presign(c: &mut Criterion) {
    let mut group = c.benchmark_group("presign_get");
    let (presigner, grant) = (presigner(), decide(&caller(), Action::Get, key()).unwrap());
    let terms = Terms { expires_secs: LIFE_SECS, ..Terms::default() };
    group.bench_function("ours", |b| b.iter(|| presigner.presign(black_box(&grant), &terms, now()).unwrap()));

    let endpoint = "https://s3.test".parse().unwrap();
    let bucket = rusty_s3::Bucket::new(endpoint, rusty_s3::UrlStyle::Path, "files", "us-east-1").unwrap();
    let credentials = rusty_s3::Credentials::new("AKIDEXAMPLE", "secret");
    let life = Duration::from_secs(LIFE_SECS.into());
    group.bench_function("rusty-s3", |b| {
        b.iter(|| bucket.get_object(Some(&credentials), black_box(KEY)).sign_with_time(life, &now()));
    });
    group.finish();
}

fn verify(c: &mut Criterion) {
    let mut group = c.benchmark_group("verify_hs256");
    let (verifier, token) = (verifier(), token());
    group.bench_function("ours", |b| b.iter(|| verifier.verify(black_box(&token), now()).unwrap()));

    let key = jsonwebtoken::DecodingKey::from_secret(SECRET);
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.validate_exp = false;
    group.bench_function("jsonwebtoken", |b| {
        b.iter(|| jsonwebtoken::decode::<serde_json::Value>(black_box(&token), &key, &validation).unwrap());
    });
    group.finish();
}

fn decision(c: &mut Criterion) {
    let (caller, key) = (caller(), key());
    c.bench_function("decide", |b| b.iter(|| decide(black_box(&caller), Action::Get, key.clone()).unwrap()));
}

criterion_group!(benches, presign, verify, decision);
criterion_main!(benches);
