//! How often a signed URL asks the allocator, beyond what hyper does for any answer.
//!
//! Both servers run on this thread, over a kept connection, with the same request
//! and an answer with the same headers and as many bytes; what is left between
//! them is ours. Logging is off: its buffers belong to the subscriber.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a failed expectation fails the test"
)]

use std::convert::Infallible;
use std::sync::Arc;

use filesync_signer::api::App;
use filesync_signer::config;
use filesync_signer::domain::token::{MintClaims, mint_hs256};
use filesync_signer::identity::Authenticator;
use filesync_signer::server::Service;
use filesync_signer::storage::{Backend, Health, HealthMonitor};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

const SECRET: &str = "an allocation secret of more than 32 bytes";
const REQUESTS: u64 = 200;
/// The goal of the design for `GET /download-url`.
const MOST: u64 = 6;

fn now() -> Timestamp {
    "2026-11-22T15:00:00Z".parse().unwrap()
}

fn app() -> (App, config::Config) {
    let flags = [
        ("auth.hs256_secret", SECRET),
        ("storage.endpoint", "https://s3.test"),
        ("storage.bucket", "files"),
        ("storage.access_key_id", "AKIDEXAMPLE"),
        ("storage.secret_access_key", "secret"),
    ];
    let config = config::from_flags(&flags.map(|(k, v)| (k.to_owned(), v.to_owned()))).unwrap();
    let (health, _) = HealthMonitor::fixed(Health { verdict: Ok(()), checked_at: None });
    let identity = Authenticator::start(&config.auth).unwrap();
    let storage = Backend::with_health(&config.storage, now, |_| health).unwrap();
    (App::new(&config, identity, vec![storage]), config)
}

/// As a page asks: the slash of the key encoded.
fn request() -> Vec<u8> {
    let token = mint_hs256(SECRET.as_bytes(), "storeId", &["s1".into()], &MintClaims::default(), 3600, now()).unwrap();
    let key = "s1%2F3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a";
    format!(
        "GET /download-url?key={key} HTTP/1.1\r\nhost: signer.test\r\naccept: */*\r\nauthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// One exchange over a kept connection; `answer` is as long as the answer.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut [u8]) {
    stream.write_all(request).await.unwrap();
    stream.read_exact(answer).await.unwrap();
}

/// The first answer of a connection, whose length all others share.
async fn first_answer(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"900}") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer));
    answer
}

/// Allocations per request, averaged, once everything is warm.
fn allocations(runtime: &Runtime, stream: &mut TcpStream, request: &[u8]) -> u64 {
    let mut answer = runtime.block_on(first_answer(stream, request));
    let mut rounds = |count: u64| {
        runtime.block_on(async {
            for _ in 0..count {
                exchange(stream, request, &mut answer).await;
            }
        });
    };
    rounds(50);
    let counted = allocation_counter::measure(|| rounds(REQUESTS));
    counted.count_total.div_ceil(REQUESTS)
}

/// A server that knows its answer.
async fn bare(listener: TcpListener, headers: HeaderMap, body: Bytes) {
    while let Ok((stream, _)) = listener.accept().await {
        let (headers, body) = (headers.clone(), body.clone());
        let answer = service_fn(move |_: Request<hyper::body::Incoming>| {
            let mut response = Response::new(Full::new(body.clone()));
            response.headers_mut().clone_from(&headers);
            async move { Ok::<_, Infallible>(response) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

/// Headers and body of an answer, as the bare server gives them back.
fn parts(answer: &[u8]) -> (HeaderMap, Bytes) {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let own = ["date", "content-length"];
    let pairs = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
    let headers = pairs.filter(|(name, _)| !own.contains(name));
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    (headers, Bytes::from(body.to_owned()))
}

#[test]
fn a_download_url_allocates_at_most_six_times_more_than_bare_hyper() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = request();
    let connect =
        |listener: &TcpListener| runtime.block_on(TcpStream::connect(listener.local_addr().unwrap())).unwrap();
    let listen = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();

    let listener = listen();
    let mut stream = connect(&listener);
    let (app, config) = app();
    let service = Service::new(Arc::new(app), &config.server, now).unwrap();
    runtime.spawn(service.serve(listener, std::future::pending()));
    let ours = allocations(&runtime, &mut stream, &request);
    let (headers, body) = parts(&runtime.block_on(first_answer(&mut stream, &request)));

    let listener = listen();
    let mut stream = connect(&listener);
    runtime.spawn(bare(listener, headers, body));
    let theirs = allocations(&runtime, &mut stream, &request);

    let more = ours.saturating_sub(theirs);
    assert!(theirs > 0 && more <= MOST, "{ours} allocations a request, bare hyper {theirs}: {more} more");
    // Shown with --nocapture, and by a failure.
    let _ = std::io::Write::write_fmt(
        &mut std::io::stdout(),
        format_args!("{ours} allocations a request, bare hyper {theirs}\n"),
    );
}
