//! The service replaced while requests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use filesync_signer::server::Service;

use crate::support::{TestApp, good_token, now};

/// The answer that ends with the life of the URL.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\"expiresIn\":900}") {
        answer.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

const ROUNDS: u64 = 1000;
const CLIENTS: usize = 4;

/// H33: replaced a thousand times under load. Each answer is wholly of one configuration, and what was
/// replaced is gone with its last request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_replacements_fail_no_request_and_mix_no_answer() {
    let one = TestApp::with(&[("storage.bucket", "one"), ("storage.access_key_id", "KEYONE")]).await;
    let two = TestApp::with(&[("storage.bucket", "two"), ("storage.access_key_id", "KEYTWO")]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = Service::new(Arc::clone(&one.app), &one.config.server, now).unwrap();
    let live = service.live();
    tokio::spawn(service.serve(listener, std::future::pending()));

    let done = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (done, asked) = (Arc::clone(&done), Arc::clone(&asked));
            tokio::spawn(async move {
                // One connection for all: it outlives every replacement.
                let mut stream = TcpStream::connect(address).await.unwrap();
                let request = format!(
                    "GET /download-url?key=s1/f HTTP/1.1\r\nhost: s\r\nauthorization: Bearer {}\r\n\r\n",
                    good_token()
                );
                let (mut ones, mut twos) = (0_u64, 0_u64);
                while !done.load(Ordering::Relaxed) {
                    stream.write_all(request.as_bytes()).await.unwrap();
                    let answer = read_answer(&mut stream).await;
                    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                    match (answer.contains("/one/s1/f?"), answer.contains("=KEYONE%2F"), answer.contains("=KEYTWO%2F"))
                    {
                        (true, true, false) => ones += 1,
                        (false, false, true) => twos += 1,
                        _ => panic!("mixed: {answer}"),
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                (ones, twos)
            })
        })
        .collect();

    for round in 0..ROUNDS {
        live.replace(Arc::clone(if round % 2 == 0 { &two.app } else { &one.app }));
        // Until somebody was answered by it, so that no replacement goes unseen.
        let before = asked.load(Ordering::Relaxed);
        while asked.load(Ordering::Relaxed) == before && !clients.iter().all(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut seen = (0, 0);
    for client in clients {
        let (ones, twos) = client.await.unwrap();
        seen = (seen.0 + ones, seen.1 + twos);
    }
    assert!(seen.0 > ROUNDS / 10 && seen.1 > ROUNDS / 10, "{seen:?}");
    // The test, and the place that requests load it from, hold one; the other is held by the test alone.
    assert_eq!((Arc::strong_count(&one.app), Arc::strong_count(&two.app)), (2, 1));
}
