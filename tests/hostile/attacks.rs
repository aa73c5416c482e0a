//! What attackers do over HTTP/1 (H02, H04, H05, H06).

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Whom they attack; some have a good token.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) token: Arc<str>,
}

/// One round of one attacker. It ends with the connection, and then the next begins.
pub(crate) type Round = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// How many at a time.
    pub(crate) attackers: u32,
    /// Between two rounds of one.
    pub(crate) pause: Duration,
    pub(crate) round: fn(Target) -> Round,
}

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(100);

pub(crate) const HTTP1: &[Attack] = &[
    Attack { name: "silent connections", attackers: 5000, pause: MOMENT, round: |t| Box::pin(silent(t)) },
    Attack { name: "slow heads", attackers: 2000, pause: MOMENT, round: |t| Box::pin(slow_head(t)) },
    Attack { name: "slow bodies", attackers: 1000, pause: MOMENT, round: |t| Box::pin(slow_body(t)) },
    Attack { name: "endless chunked bodies", attackers: 20, pause: MOMENT, round: |t| Box::pin(endless(t)) },
    Attack { name: "oversized heads", attackers: 20, pause: MOMENT, round: |t| Box::pin(oversized(t)) },
    Attack { name: "oversized bodies", attackers: 20, pause: MOMENT, round: |t| Box::pin(large_body(t)) },
    Attack { name: "request smuggling", attackers: 20, pause: MOMENT, round: |t| Box::pin(smuggling(t)) },
    Attack { name: "answers never read", attackers: 200, pause: MOMENT, round: |t| Box::pin(unread(t)) },
];

/// Reads until the signer closes.
async fn await_end(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while !matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {}
}

async fn say(target: &Target, bytes: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(target.address).await else { return };
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    await_end(&mut stream).await;
}

async fn drip(stream: &mut TcpStream, byte: &[u8]) {
    while stream.write_all(byte).await.is_ok() {
        sleep(SECOND).await;
    }
}

async fn silent(target: Target) {
    let Ok(mut stream) = TcpStream::connect(target.address).await else { return };
    await_end(&mut stream).await;
}

async fn slow_head(target: Target) {
    let Ok(mut stream) = TcpStream::connect(target.address).await else { return };
    let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\na: ").await;
    drip(&mut stream, b"b").await;
}

fn post(target: &Target, headers: &str) -> String {
    format!(
        "POST /upload-url HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n{headers}\r\n",
        target.token
    )
}

/// With a good token, or it would be refused before its body.
async fn slow_body(target: Target) {
    let Ok(mut stream) = TcpStream::connect(target.address).await else { return };
    let _ = stream.write_all(post(&target, "content-length: 1000\r\n").as_bytes()).await;
    drip(&mut stream, b" ").await;
}

async fn endless(target: Target) {
    let Ok(mut stream) = TcpStream::connect(target.address).await else { return };
    let _ = stream.write_all(post(&target, "transfer-encoding: chunked\r\n").as_bytes()).await;
    let chunk = [b"1000\r\n", &[b' '; 4096][..], b"\r\n"].concat();
    while stream.write_all(&chunk).await.is_ok() {
        sleep(Duration::from_millis(1)).await;
    }
}

async fn oversized(target: Target) {
    let get = "GET /livez HTTP/1.1\r\nhost: x\r\n";
    say(&target, format!("{get}{}\r\n", "a: b\r\n".repeat(101)).as_bytes()).await;
    say(&target, format!("{get}a: {}\r\n\r\n", "b".repeat(300_000)).as_bytes()).await;
    say(&target, format!("{get}{}\r\n", format!("a: {}\r\n", "b".repeat(1000)).repeat(400)).as_bytes()).await;
    say(&target, format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(70_000)).as_bytes()).await;
}

async fn large_body(target: Target) {
    say(&target, post(&target, "content-length: 10000000000\r\n").as_bytes()).await;
    let body = " ".repeat(100_000);
    say(&target, (post(&target, "content-length: 100000\r\n") + &body).as_bytes()).await;
    say(&target, (post(&target, "content-length: 60000\r\n") + &body).as_bytes()).await;
}

async fn smuggling(target: Target) {
    let inner = "0\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    for headers in [
        "content-length: 40\r\ntransfer-encoding: chunked\r\n",
        "content-length: 0\r\ncontent-length: 40\r\n",
        "content-length: 0, 40\r\n",
        "content-length: +0\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
    ] {
        say(&target, (post(&target, headers) + inner).as_bytes()).await;
    }
}

/// Asks in a row, reads nothing, and waits to be cut off.
async fn unread(target: Target) {
    let Ok(mut stream) = TcpStream::connect(target.address).await else { return };
    let asked = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20);
    while stream.write_all(&asked).await.is_ok() {
        sleep(SECOND).await;
    }
}
