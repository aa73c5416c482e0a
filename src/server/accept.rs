//! The accept loop: admits connections, sheds what is over the caps, outlives a lack of descriptors, drains.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};

use super::Service;
use super::caps::{Caps, Over};
use super::connection::Connections;
use super::counts::{Occasionally, Open};
use super::door::{Door, Verdict};

/// After an accept that failed because something ran out: doubled from the first to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connections that are taken before all that can run has its turn; and those that are looked at, when clients have left.
const TAKEN_IN_A_TURN: usize = 16;
/// Fewer than tokio lets one task do at a time (128), or the queue would seem empty.
const LOOKED_AT_IN_A_TURN: usize = 64;

/// Connections that the system has accepted and nobody took yet, at the end.
const MAX_LEFT_OVER: usize = 4096;

pub(super) async fn serve(service: Service, listener: TcpListener, stop: impl Future<Output = ()>) {
    let (closing, watch) = watch::channel(());
    let mut acceptor = Acceptor::new(&service, listener, watch);
    service.supervisor.ready();
    acceptor.run(stop).await;

    service.live.start_draining();
    service.supervisor.stopping();
    acceptor.run(sleep(service.settings.drain_delay)).await;
    acceptor.finish().await;

    let _ = closing.send(());
    if timeout(service.settings.shutdown_grace, closing.closed()).await.is_err() {
        let left = closing.receiver_count();
        tracing::warn!(connections = left, "requests were still in flight at the end of server.shutdown_grace_secs");
    }
}

struct Acceptor<'a> {
    service: &'a Service,
    listener: TcpListener,
    caps: Arc<Caps>,
    connections: Arc<Connections>,
    closing: watch::Receiver<()>,
    /// Told to the service manager, while accepting works.
    heartbeat: Option<Interval>,
    /// How long to wait after the next failure.
    pause: Duration,
    full: Occasionally,
    failing: Occasionally,
    door: Door,
    /// In this turn.
    taken: usize,
    looked_at: usize,
}

impl<'a> Acceptor<'a> {
    fn new(service: &'a Service, listener: TcpListener, closing: watch::Receiver<()>) -> Self {
        let heartbeat = service.supervisor.interval().map(|period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        let settings = &service.settings;
        Self {
            service,
            listener,
            caps: Caps::new(settings.max_connections, settings.max_connections_per_address),
            connections: Arc::new(Connections::new(service)),
            closing,
            heartbeat,
            pause: FIRST_PAUSE,
            full: Occasionally::default(),
            failing: Occasionally::default(),
            door: Door::new(service),
            taken: 0,
            looked_at: 0,
        }
    }

    /// Accepts until `end` ends.
    async fn run(&mut self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            self.take_turns().await;
            let accepted = tokio::select! {
                accepted = accept(&self.listener, &mut self.door) => accepted,
                () = tick(self.heartbeat.as_mut()) => {
                    self.service.supervisor.alive();
                    continue;
                }
                () = &mut end => return,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) => {
                    let pause = self.failed(&error);
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = &mut end => return,
                    }
                }
            }
        }
    }

    /// Lets all that can run do so after some connections.
    async fn take_turns(&mut self) {
        if self.taken >= TAKEN_IN_A_TURN || self.looked_at >= LOOKED_AT_IN_A_TURN {
            (self.taken, self.looked_at) = (0, 0);
            self.door.fit_queue(&self.listener);
            yield_now().await;
        }
    }

    fn take(&mut self, stream: TcpStream, peer: SocketAddr) {
        self.pause = FIRST_PAUSE;
        self.looked_at = self.looked_at.saturating_add(1);
        let verdict = self.door.judge(&stream);
        self.taken = self.taken.saturating_add(match verdict {
            Verdict::Enter => 1,
            Verdict::Gone => 0,
            // There is no time for many of them.
            Verdict::Refused => TAKEN_IN_A_TURN / 4,
        });
        if verdict != Verdict::Enter {
            return;
        }
        let counts = &self.service.counts;
        match self.caps.admit(peer.ip()) {
            Ok(place) => {
                let open = Open::count(counts);
                let served = Arc::clone(&self.connections).serve(stream, self.closing.clone());
                tokio::spawn(async move {
                    served.await;
                    drop((place, open));
                });
            }
            // Dropped, and so closed: an answer would cost what there is not.
            Err(over) => {
                let closed = match over {
                    Over::Total => counts.over_total.add(),
                    Over::Address => counts.over_address.add(),
                };
                if self.full.is_due(Instant::now()) {
                    let key = match over {
                        Over::Total => "server.max_connections",
                        Over::Address => "server.max_connections_per_address",
                    };
                    tracing::warn!(closed, "connections are closed at once: there are as many as {key} allows");
                }
            }
        }
    }

    /// Says how long to wait before the next try: not at all when only this one connection is gone.
    fn failed(&mut self, error: &io::Error) -> Duration {
        let failures = self.service.counts.accept_failures.add();
        if !ran_out(error) {
            return Duration::ZERO;
        }
        if self.failing.is_due(Instant::now()) {
            tracing::error!(failures, "connections cannot be accepted, and wait: {error}");
        }
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        pause
    }

    /// Takes what was connected before the listener closes, so that nobody's request is reset.
    async fn finish(mut self) {
        for _ in 0..MAX_LEFT_OVER {
            match timeout(Duration::ZERO, self.listener.accept()).await {
                Ok(Ok((stream, peer))) => self.take(stream, peer),
                _ => return,
            }
        }
    }
}

/// The next connection; the door is told when none waits.
async fn accept(listener: &TcpListener, door: &mut Door) -> io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|cx| {
        let polled = listener.poll_accept(cx);
        if polled.is_pending() {
            door.seen_empty();
        }
        polled
    })
    .await
}

async fn tick(heartbeat: Option<&mut Interval>) {
    match heartbeat {
        Some(heartbeat) => _ = heartbeat.tick().await,
        None => std::future::pending().await,
    }
}

/// Whether the next accept would fail for the same reason (`accept(2)`).
fn ran_out(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}
