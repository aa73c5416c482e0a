//! The client that is to notice nothing: a steady stream of requests, most over kept connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::signer::Signer;

/// A request each 2 ms, whether or not the last was answered: waiting in line counts.
const PERIOD: Duration = Duration::from_millis(2);
/// One of so many is made over a connection of its own.
const FRESH: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Figures {
    pub(crate) asked: usize,
    failed: usize,
    pub(crate) p99: Duration,
}

impl Figures {
    #[allow(clippy::cast_precision_loss, reason = "a share of some thousands")]
    pub(crate) fn success(&self) -> f64 {
        1.0 - self.failed as f64 / self.asked as f64
    }
}

/// Connections that are kept and not in use.
type Pool = Arc<Mutex<Vec<TcpStream>>>;

/// Asks for signed URLs for that long.
pub(crate) async fn work(signer: &Signer, time: Duration) -> Figures {
    let target = signer.target();
    let request = format!(
        "GET /download-url?key=s1/photo.png HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        target.token
    );
    let request: Arc<[u8]> = request.into_bytes().into();
    let (pool, address) = (Pool::default(), signer.address());
    let mut asked = JoinSet::new();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let end = Instant::now() + time;
    for number in 0_u64.. {
        let due = ticks.tick().await;
        if due >= end {
            break;
        }
        let (request, pool) = (Arc::clone(&request), Arc::clone(&pool));
        asked.spawn(async move {
            let kept = if number % FRESH == 0 { None } else { pool.lock().await.pop() };
            let exchange = async {
                let mut stream = match kept {
                    Some(stream) => stream,
                    None => TcpStream::connect(address).await.ok()?,
                };
                stream.set_nodelay(true).ok()?;
                stream.write_all(&request).await.ok()?;
                is_signed_url(&mut stream).await.then_some(stream)
            };
            let stream = timeout(PATIENCE, exchange).await.ok().flatten();
            let (took, good) = (due.elapsed(), stream.is_some());
            if number % FRESH != 0
                && let Some(stream) = stream
            {
                pool.lock().await.push(stream);
            }
            (took, good)
        });
    }
    figures(&asked.join_all().await)
}

fn figures(answers: &[(Duration, bool)]) -> Figures {
    let mut times: Vec<_> = answers.iter().map(|(took, _)| *took).collect();
    times.sort_unstable();
    let failed = answers.iter().filter(|(_, good)| !good).count();
    Figures { asked: times.len(), failed, p99: times[times.len() * 99 / 100] }
}

/// Reads one answer: 200, and a signed URL in it.
async fn is_signed_url(stream: &mut TcpStream) -> bool {
    let mut answer = Vec::with_capacity(2048);
    while !answer.ends_with(b"}") {
        match stream.read_buf(&mut answer).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    let text = String::from_utf8_lossy(&answer);
    text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("X-Amz-Signature=")
}
