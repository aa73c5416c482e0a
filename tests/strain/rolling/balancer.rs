//! A small load balancer: it asks each replica's `/readyz`, sends requests to those that are ready over connections that
//! it keeps, and sends a request elsewhere only when it was never sent: when no connection came about.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::process::is_ready;
use crate::wire::{Connection, Kept, read_message};

pub(super) const HEALTH_INTERVAL: Duration = Duration::from_millis(200);

struct Upstream {
    address: SocketAddr,
    healthy: AtomicBool,
    idle: Kept,
    taken: AtomicU64,
}

pub(super) struct Balancer {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstreams: Vec<Upstream>,
    next: AtomicUsize,
    retried: AtomicU64,
}

impl Balancer {
    pub(super) async fn start(addresses: &[SocketAddr]) -> Self {
        let upstream = |address: &SocketAddr| Upstream {
            address: *address,
            healthy: AtomicBool::new(true),
            idle: Kept::default(),
            taken: AtomicU64::new(0),
        };
        let upstreams = addresses.iter().map(upstream).collect();
        let shared = Arc::new(Shared { upstreams, next: AtomicUsize::new(0), retried: AtomicU64::new(0) });
        for place in 0..addresses.len() {
            tokio::spawn(watch(Arc::clone(&shared), place));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { address, shared }
    }

    pub(super) fn healthy(&self) -> usize {
        self.shared.upstreams.iter().filter(|one| one.healthy.load(Ordering::Relaxed)).count()
    }

    pub(super) fn retried(&self) -> u64 {
        self.shared.retried.load(Ordering::Relaxed)
    }

    pub(super) fn taken(&self) -> Vec<u64> {
        self.shared.upstreams.iter().map(|one| one.taken.load(Ordering::Relaxed)).collect()
    }
}

async fn watch(shared: Arc<Shared>, place: usize) {
    let upstream = &shared.upstreams[place];
    loop {
        let healthy = timeout(HEALTH_INTERVAL, is_ready(upstream.address)).await.unwrap_or_default();
        upstream.healthy.store(healthy, Ordering::Relaxed);
        if !healthy {
            // Nobody is to be handed one that the replica is about to close.
            upstream.idle.clear();
        }
        sleep(HEALTH_INTERVAL).await;
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    while let Some((head, body)) = read_message(&mut stream).await {
        let request = [head.as_bytes(), &body].concat();
        // Without an answer the client's connection breaks: a failure that is counted there.
        let Some(answer) = forward(&shared, &request).await else { return };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

async fn forward(shared: &Shared, request: &[u8]) -> Option<Vec<u8>> {
    for _ in 0..2 * shared.upstreams.len() {
        let upstream = &shared.upstreams[shared.next.fetch_add(1, Ordering::Relaxed) % shared.upstreams.len()];
        if !upstream.healthy.load(Ordering::Relaxed) {
            continue;
        }
        let opened = match upstream.idle.take() {
            Some(connection) => Some(connection),
            None => Connection::open(upstream.address, None).await,
        };
        let Some(mut connection) = opened else {
            shared.retried.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        upstream.taken.fetch_add(1, Ordering::Relaxed);
        // From here on it may have been sent, and is never sent again.
        let (answer, keeps) = connection.exchange(request).await?;
        if keeps && upstream.healthy.load(Ordering::Relaxed) {
            upstream.idle.put(connection);
        }
        // The connection between replica and balancer is theirs alone.
        let lines: Vec<_> = answer.head.lines().filter(|line| !is_connection(line)).collect();
        return Some([lines.join("\r\n").as_bytes(), b"\r\n", &answer.body].concat());
    }
    None
}

fn is_connection(line: &str) -> bool {
    line.get(..11).is_some_and(|name| name.eq_ignore_ascii_case("connection:"))
}
