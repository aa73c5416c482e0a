//! Caps, writes, panics and the end of the service, over real connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::running::{PATIENCE, read_all, read_answer, start, start_at};
use crate::support::now;

const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

/// Waits for something that is about to be so.
async fn soon(mut so: impl FnMut() -> bool) {
    let waited = async {
        while !so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waited).await.expect("it becomes so");
}

async fn is_served(stream: &mut TcpStream) -> bool {
    // A connection that is closed at once may take the request or refuse it.
    let _ = stream.write_all(LIVEZ).await;
    let mut first = [0];
    timeout(PATIENCE, stream.read_exact(&mut first)).await.expect("an answer or the end").is_ok()
}

/// H09: one connection more than allowed is closed at once, and the place of one that ended is free again.
#[tokio::test]
async fn connections_over_a_cap_are_closed_at_once() {
    for cap in ["server.max_connections", "server.max_connections_per_address"] {
        let running = start(&[(cap, "2")]).await;
        let (mut first, mut second) = (running.connect().await, running.connect().await);
        assert!(is_served(&mut first).await && is_served(&mut second).await, "{cap}");
        assert!(!is_served(&mut running.connect().await).await, "{cap}");
        let counts = &running.counts;
        let over = if cap.ends_with("address") { &counts.over_address } else { &counts.over_total };
        assert_eq!((over.get(), counts.accepted.get()), (1, 2), "{cap}");
        drop(first);
        let again = async { while !is_served(&mut running.connect().await).await {} };
        timeout(PATIENCE, again).await.expect(cap);
    }
}

/// A client that asks and asks and never reads is cut off at the deadline of a write.
#[tokio::test]
async fn who_does_not_read_the_answers_is_cut_off() {
    let running = start(&[("server.write_timeout_secs", "1")]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(running.address).await.unwrap();
    let many = LIVEZ.repeat(100);
    let asked = async { while stream.write_all(&many).await.is_ok() {} };
    timeout(PATIENCE, asked).await.expect("cut off");
    soon(|| running.counts.timed_out.get() == 1).await;
}

/// H11: a panic is a 500 in JSON for its caller, also across origins; the connection and the others live on.
#[tokio::test]
async fn a_panic_is_a_500_for_its_caller_alone() {
    static BROKEN: AtomicBool = AtomicBool::new(false);
    fn clock() -> Timestamp {
        assert!(!BROKEN.load(Ordering::SeqCst), "the clock is broken, on purpose");
        now()
    }
    let running = start_at(&[("server.cors_origins", r#"["https://a.example"]"#)], clock).await;
    let mut stream = running.connect().await;
    BROKEN.store(true, Ordering::SeqCst);
    for count in 1..=1000 {
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\norigin: https://a.example\r\nx-request-id: abc\r\n\r\n")
            .await
            .unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains("access-control-allow-origin: https://a.example\r\n"), "{answer}");
        let body = r#"{"error":"the service made a mistake","code":"internal","requestId":"abc"}"#;
        assert!(answer.ends_with(body), "{answer}");
        assert_eq!(running.counts.panics.get(), count);
    }
    BROKEN.store(false, Ordering::SeqCst);
    stream.write_all(LIVEZ).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

/// While load balancers take notice, nobody is turned away.
#[tokio::test]
async fn during_the_drain_delay_readyz_is_503_and_new_connections_are_served() {
    let running = start(&[("server.drain_delay_secs", "2")]).await;
    let mut kept = running.connect().await;
    assert!(is_served(&mut kept).await);
    running.stop.send(()).unwrap();
    let ready = b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n";
    let asked = async {
        loop {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            stream.write_all(ready).await.unwrap();
            let answer = read_answer(&mut stream).await;
            if answer.starts_with("HTTP/1.1 503 ") {
                return answer;
            }
        }
    };
    let answer = timeout(PATIENCE, asked).await.unwrap();
    assert!(answer.contains(r#""code":"not_ready""#), "{answer}");
    assert!(is_served(&mut TcpStream::connect(running.address).await.unwrap()).await);
    // Then the idle ones are closed, and the service ends.
    read_all(&mut kept).await;
    timeout(PATIENCE, running.served).await.expect("the service ends").unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}
