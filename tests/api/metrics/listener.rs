//! The listener of `telemetry.metrics_listen`.

use std::sync::Arc;
use std::time::Duration;

use filesync_signer::server::Service;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::running::{PATIENCE, read_all};
use crate::support::{TestApp, now};

/// Asked again and again, on connections that say nothing or too much, it answers who asks properly.
#[tokio::test]
async fn the_listener_answers_one_path_and_keeps_its_own_caps() {
    let test = TestApp::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let scrape = Service::new(Arc::clone(&test.app), &test.config.server, now).unwrap().scrape();
    tokio::spawn(scrape.serve(listener));
    let ask_with = async |line: &str, header: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(format!("{line} HTTP/1.1\r\nhost: x\r\n{header}\r\n").as_bytes()).await;
        read_all(&mut stream).await
    };
    let ask = async |line: &str| ask_with(line, "").await;
    let told = ask("GET /metrics").await;
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.contains("\r\nconnection: close\r\n"), "{told}");
    assert!(told.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{told}");
    assert!(told.contains("\nsigner_bucket_up{storage=\"default\"} 1\n"), "{told}");
    let newer = ask_with("GET /metrics", "accept: application/openmetrics-text; version=1.0.0\r\n").await;
    assert!(
        newer.contains("\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{newer}"
    );
    assert!(newer.ends_with("\n# EOF\n"), "{newer}");
    let head = ask("HEAD /metrics?x=y").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    for (asked, answer) in [
        ("POST /metrics", "HTTP/1.1 405 "),
        ("GET /", "HTTP/1.1 404 "),
        ("GET /livez", "HTTP/1.1 404 "),
        ("GET /download-url?key=s1/f", "HTTP/1.1 404 "),
        ("DELETE /object?key=s1/f", "HTTP/1.1 404 "),
        ("PRI *", "HTTP/1.1 4"),
    ] {
        assert!(ask(asked).await.starts_with(answer), "{asked}");
    }
    assert!(!ask_with("GET /metrics", &format!("x: {}\r\n", "y".repeat(50_000))).await.contains(" 200 "));

    // Sixteen that say nothing take all places, for ten seconds at the most.
    let mut silent = Vec::new();
    while ask("GET /metrics").await.starts_with("HTTP/1.1 200 ") {
        silent.push(TcpStream::connect(address).await.unwrap());
        assert!(silent.len() <= 64, "there is an end to them");
    }
    let end = Instant::now() + PATIENCE;
    while !ask("GET /metrics").await.starts_with("HTTP/1.1 200 ") {
        assert!(Instant::now() < end, "their time is over");
        sleep(Duration::from_millis(200)).await;
    }
}
