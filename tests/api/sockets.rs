//! The listener, over real connections.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::running::{PATIENCE, read_all, read_answer, start};
use crate::support::good_token;

#[tokio::test]
async fn a_request_is_answered_and_the_connection_kept() {
    let running = start(&[]).await;
    let mut stream = running.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(!answer.to_lowercase().contains("\r\nserver:"), "{answer}");
    }
}

/// K29, H04: heads that are refused, and by whom.
#[tokio::test]
async fn odd_heads_are_refused() {
    let running = start(&[]).await;
    let many = "x: y\r\n".repeat(65);
    let long = format!("x: {}\r\n", "y".repeat(20_000));
    let target = format!("/livez?{}", "y".repeat(9_000));
    for (head, status) in [
        ("GET /livez HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), "400"),
        (format!("GET /livez HTTP/1.1\r\nhost: a\r\n{many}\r\n"), "431"),
        (format!("GET /livez HTTP/1.1\r\nhost: a\r\n{long}\r\n"), "431"),
        (format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"), "414"),
        ("GET /livez HTTP/1.1\r\nhost : a\r\n\r\n".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        ("\u{1}\r\n\r\n".to_owned(), "400"),
    ] {
        let head = head.replacen("host: a\r\n", "host: a\r\nconnection: close\r\n", 1);
        let head = head.replace("HTTP/1.1\r\n\r\n", "HTTP/1.1\r\nconnection: close\r\n\r\n");
        let answer = running.exchange(head.as_bytes()).await;
        let expected = if status.is_empty() { String::new() } else { format!("HTTP/1.1 {status} ") };
        assert!(answer.starts_with(&expected), "{head:.80}\n{answer}");
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

/// H02, H03: a connection that says nothing, or never finishes its head, is closed at the deadline.
#[tokio::test]
async fn silent_and_slow_heads_are_cut_off() {
    let running = start(&[("server.first_byte_timeout_secs", "1"), ("server.head_timeout_secs", "1")]).await;
    for beginning in ["", "G", "GET /livez HTTP/1.1\r\nhost: x\r\n"] {
        let started = Instant::now();
        assert_eq!(running.exchange(beginning.as_bytes()).await, "", "{beginning:?}");
        assert!(started.elapsed() >= Duration::from_millis(900), "{beginning:?}");
    }
    // HTTP/2 is not spoken, and its preface is told so at once.
    assert!(running.exchange(b"PRI * HTTP/2.0\r\n").await.starts_with("HTTP/1.1 400 "));
    // A byte now and then does not buy time.
    let mut stream = running.connect().await;
    let dripped = async {
        for _ in 0..200 {
            if stream.write_all(b"G").await.is_err() {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        false
    };
    assert!(timeout(PATIENCE, dripped).await.unwrap());
}

#[tokio::test]
async fn a_slow_second_head_is_cut_off_and_an_idle_connection_is_not() {
    let running = start(&[("server.head_timeout_secs", "1"), ("server.keep_alive_secs", "30")]).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_answer(&mut stream).await;
    sleep(Duration::from_secs(2)).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_answer(&mut stream).await;
    stream.write_all(b"GET /li").await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn idle_connections_are_closed_in_the_end() {
    let running = start(&[("server.keep_alive_secs", "1")]).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_answer(&mut stream).await;
    assert_eq!(read_all(&mut stream).await, "");
}

/// H06: no "100 Continue" before the token was accepted, and one after.
#[tokio::test]
async fn only_a_good_token_is_asked_for_its_body() {
    let running = start(&[]).await;
    for (token, expected) in [("bad".to_owned(), "HTTP/1.1 401 "), (good_token(), "HTTP/1.1 100 Continue\r\n")] {
        let mut stream = running.connect().await;
        let head = format!(
            "POST /upload-url HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: 14\r\nexpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = vec![0; expected.len()];
        timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8(first).unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_in_flight_ends_before_the_service_does() {
    let running = start(&[("storage.first_byte_timeout_secs", "1")]).await;
    running.test.s3.hangs();
    let mut stream = running.connect().await;
    let head = format!("DELETE /object?key=s1/f HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", good_token());
    stream.write_all(head.as_bytes()).await.unwrap();
    while running.test.s3.count() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let mut idle = running.connect().await;
    running.stop.send(()).unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert_eq!(read_all(&mut idle).await, "");
    timeout(PATIENCE, running.served).await.expect("the service ends").unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}
