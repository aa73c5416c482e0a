//! Too little CPU: who still comes in, and who does not.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::yield_now;

use crate::running::{PATIENCE, Running, start};

/// Takes all turns but a few, as too many requests would: nothing else runs for longer than may be waited.
struct Hog(Arc<AtomicBool>);

impl Hog {
    fn start() -> Self {
        let hog = Self(Arc::new(AtomicBool::new(true)));
        let goes_on = Arc::clone(&hog.0);
        tokio::spawn(async move {
            while goes_on.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(60));
                yield_now().await;
            }
        });
        hog
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Asked from a thread of its own, which the hog does not hold up.
async fn ask(address: SocketAddr, target: &'static str) -> String {
    tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // At once, because what comes after a refusal resets the connection.
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer that is whole, and no reset");
        answer
    })
    .await
    .unwrap()
}

async fn until_refused(running: &Running) -> String {
    loop {
        let answer = ask(running.address, "/download-url?key=s1/f").await;
        if answer.starts_with("HTTP/1.1 503") {
            return answer;
        }
    }
}

/// H28: what waits for too long is refused with a word when to come back, and who asks how the service is is answered.
#[tokio::test]
async fn new_connections_are_refused_while_the_service_is_behind_but_not_probes() {
    let running = start(&[("server.max_lag_ms", "20")]).await;
    let hog = Hog::start();
    let refused = tokio::time::timeout(PATIENCE, until_refused(&running)).await.expect("it is behind");
    let (head, body) = refused.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("retry-after: 1\r\n") && head.contains(&format!("content-length: {}", body.len())), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["code"], "overloaded");
    for probe in ["/livez", "/readyz?x=1"] {
        let answer = ask(running.address, probe).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{probe}: {answer}");
    }
    assert!(running.counts.refused.get() >= 1);
    drop(hog);
    let back = async { while !ask(running.address, "/download-url?key=s1/f").await.starts_with("HTTP/1.1 401") {} };
    tokio::time::timeout(PATIENCE, back).await.expect("it serves again");
}

#[tokio::test]
async fn clients_that_left_before_their_turn_cost_no_answer() {
    let running = start(&[("server.max_lag_ms", "20")]).await;
    let _hog = Hog::start();
    tokio::time::timeout(PATIENCE, until_refused(&running)).await.expect("it is behind");
    let leave = async {
        while running.counts.gone.get() == 0 {
            let address = running.address;
            let left = move || drop(std::net::TcpStream::connect(address).unwrap().write_all(b"GET / HTTP/1.1\r\n"));
            tokio::task::spawn_blocking(left).await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, leave).await.expect("it is seen that they left");
}

#[tokio::test]
async fn without_a_limit_nobody_is_refused() {
    let running = start(&[("server.max_lag_ms", "0")]).await;
    let _hog = Hog::start();
    for _ in 0..5 {
        let answer = ask(running.address, "/download-url?key=s1/f").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    assert_eq!(running.counts.refused.get(), 0);
}
