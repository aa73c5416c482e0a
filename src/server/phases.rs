//! What a connection is doing, since when, and how long it may.
//!
//! # Why a watchdog
//!
//! hyper's own header timeout also runs while a kept connection lies idle, so it
//! cannot tell a slow head (seconds) from a patient client (a minute), and it times
//! neither silence before HTTP/2 nor a client that does not read. The watchdog of a
//! connection knows which of these it is in, and ends it.
//!
//! HTTP/2 has many requests at once, so there the oldest counts. A head that is begun and not
//! ended blocks the connection, pings among the rest (RFC 9113 section 6.10), so hyper's
//! unanswered ping ends that one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::config::Server;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has been sent yet.
    New = 0,
    /// A request or a handshake began and is not complete.
    Head = 1,
    /// A request is being answered.
    Busy = 2,
    /// An answer was given and no further request has begun.
    Idle = 3,
}

/// The phase of a connection and since when, in one word.
#[derive(Debug)]
pub(super) struct Phases {
    start: Instant,
    /// Milliseconds since `start`, shifted by two bits for the phase.
    word: AtomicU64,
    /// Since when a client has not taken what was written: milliseconds since `start`, and one.
    blocked: AtomicU64,
    /// Bytes that came since a request was last begun or ended.
    idle_bytes: AtomicU64,
    /// Whether it speaks HTTP/2; its phases after the first request are in `streams`.
    multiplexed: AtomicBool,
    streams: Mutex<Streams>,
    limits: Limits,
}

/// The requests of an HTTP/2 connection, by their number; the first is the oldest.
#[derive(Debug, Default)]
struct Streams {
    next: u64,
    open: BTreeMap<u64, Duration>,
    idle_since: Duration,
}

/// How long each may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) first_byte: Duration,
    head: Duration,
    busy: Duration,
    write: Duration,
    idle: Duration,
    idle_bytes: u64,
}

/// What may come besides heads while no request is open: settings, pings, a handshake, the start of a body that is refused.
const IDLE_BYTES: u64 = 64 * 1024;

impl Limits {
    pub(super) fn of(settings: &Server) -> Self {
        Self {
            first_byte: settings.first_byte_timeout,
            head: settings.head_timeout,
            busy: settings.request_timeout.saturating_add(settings.write_timeout),
            write: settings.write_timeout,
            idle: settings.keep_alive,
            idle_bytes: u64::try_from(settings.max_head_bytes)
                .unwrap_or(u64::MAX)
                .saturating_mul(2)
                .saturating_add(IDLE_BYTES),
        }
    }
}

impl Phases {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            start: Instant::now(),
            word: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            idle_bytes: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
            streams: Mutex::default(),
            limits,
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.idle_bytes.store(0, Ordering::Relaxed);
        self.word.store(self.millis() << 2 | phase as u64, Ordering::Relaxed);
    }

    fn current(&self) -> (Phase, Duration) {
        let word = self.word.load(Ordering::Relaxed);
        let phase = match word & 3 {
            0 => Phase::New,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Idle,
        };
        (phase, Duration::from_millis(word >> 2))
    }

    /// The first bytes of a request begin its head. False when too many have come without one: frames that
    /// ask for nothing, such as PING, have no other end than this (H08).
    pub(super) fn bytes_arrived(&self, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let bytes = self.idle_bytes.fetch_add(count, Ordering::Relaxed).saturating_add(count);
        if bytes > self.limits.idle_bytes && !self.is_answering() {
            return false;
        }
        if matches!(self.current().0, Phase::New | Phase::Idle) && !self.multiplexed.load(Ordering::Relaxed) {
            self.word.store(self.millis() << 2 | Phase::Head as u64, Ordering::Relaxed);
        }
        true
    }

    fn is_answering(&self) -> bool {
        if self.multiplexed.load(Ordering::Relaxed) {
            !self.streams().open.is_empty()
        } else {
            self.current().0 == Phase::Busy
        }
    }

    /// The client does not take what is written.
    pub(super) fn write_blocked(&self) {
        if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(self.millis().saturating_add(1), Ordering::Relaxed);
        }
    }

    /// All that was written is with the system.
    pub(super) fn all_written(&self) {
        if self.blocked.load(Ordering::Relaxed) != 0 {
            self.blocked.store(0, Ordering::Relaxed);
        }
    }

    /// An HTTP/2 request, open until what this gives is dropped.
    pub(super) fn open_stream(self: &Arc<Self>) -> OpenStream {
        self.multiplexed.store(true, Ordering::Relaxed);
        self.idle_bytes.store(0, Ordering::Relaxed);
        let since = self.start.elapsed();
        let mut streams = self.streams();
        let number = streams.next;
        streams.next = number.wrapping_add(1);
        streams.open.insert(number, since);
        drop(streams);
        OpenStream { phases: Arc::clone(self), number }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        // Nothing that holds it can panic.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When what it is doing now must have ended, since `start`.
    fn deadline(&self) -> Duration {
        let Limits { first_byte, head, busy, write, idle, idle_bytes: _ } = self.limits;
        let (since, allowed) = if self.multiplexed.load(Ordering::Relaxed) {
            let streams = self.streams();
            match streams.open.first_key_value() {
                Some((_, since)) => (*since, busy),
                None => (streams.idle_since, idle),
            }
        } else {
            let (phase, since) = self.current();
            let allowed = match phase {
                Phase::New => first_byte,
                Phase::Head => head,
                Phase::Busy => busy,
                Phase::Idle => idle,
            };
            (since, allowed)
        };
        let deadline = since.saturating_add(allowed);
        match self.blocked.load(Ordering::Relaxed) {
            0 => deadline,
            blocked => deadline.min(Duration::from_millis(blocked.saturating_sub(1)).saturating_add(write)),
        }
    }

    /// Ends when the connection has outlived what it is doing.
    pub(super) async fn expired(&self) {
        // A head or a write may begin at any time, with a deadline of its own:
        // looked at four times within it, so it is never a quarter late.
        let step = self.limits.head.min(self.limits.write).div_f32(4.0);
        loop {
            let left = self.deadline().saturating_sub(self.start.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left.min(step)).await;
        }
    }
}

/// A request of an HTTP/2 connection, until its answer is with the client or it is given up.
#[derive(Debug)]
pub(super) struct OpenStream {
    phases: Arc<Phases>,
    number: u64,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let now = self.phases.start.elapsed();
        let mut streams = self.phases.streams();
        streams.open.remove(&self.number);
        self.phases.idle_bytes.store(0, Ordering::Relaxed);
        streams.idle_since = now;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LIMITS: Limits = Limits {
        first_byte: Duration::from_secs(3),
        head: Duration::from_secs(10),
        busy: Duration::from_secs(20),
        write: Duration::from_secs(8),
        idle: Duration::from_mins(1),
        idle_bytes: 1000,
    };

    /// After how many whole seconds from now it expires.
    async fn seconds_left(phases: &Phases) -> u64 {
        let begin = Instant::now();
        timeout(Duration::from_secs(1000), phases.expired()).await.unwrap();
        u64::try_from(begin.elapsed().as_millis().div_ceil(1000)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_deadline() {
        for (phase, seconds) in [(Phase::New, 3), (Phase::Head, 10), (Phase::Busy, 20), (Phase::Idle, 60)] {
            let phases = Phases::new(LIMITS);
            sleep(Duration::from_secs(7)).await;
            phases.enter(phase);
            assert_eq!(seconds_left(&phases).await, seconds, "{phase:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dripped_byte_buys_no_time() {
        let phases = Phases::new(LIMITS);
        assert!(phases.bytes_arrived(1));
        sleep(Duration::from_secs(6)).await;
        assert!(phases.bytes_arrived(1));
        assert_eq!(seconds_left(&phases).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_the_write_deadline() {
        let phases = Phases::new(LIMITS);
        phases.enter(Phase::Idle);
        phases.write_blocked();
        sleep(Duration::from_secs(6)).await;
        phases.write_blocked();
        assert_eq!(seconds_left(&phases).await, 2);
        phases.all_written();
        assert_eq!(seconds_left(&phases).await, 52);
    }

    /// What comes while a request is open is bounded by the request, and does not count after it.
    #[tokio::test(start_paused = true)]
    async fn bytes_without_a_request_are_bounded() {
        let phases = Arc::new(Phases::new(LIMITS));
        assert!(phases.bytes_arrived(1000));
        let open = phases.open_stream();
        assert!(phases.bytes_arrived(5000));
        drop(open);
        assert!(phases.bytes_arrived(999));
        assert!(phases.bytes_arrived(1));
        assert!(!phases.bytes_arrived(1));

        let phases = Phases::new(LIMITS);
        assert!(phases.bytes_arrived(600));
        phases.enter(Phase::Busy);
        assert!(phases.bytes_arrived(5000));
        phases.enter(Phase::Idle);
        assert!(phases.bytes_arrived(1000));
        assert!(!phases.bytes_arrived(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_request_of_http2_counts_and_bytes_between_do_not() {
        let phases = Arc::new(Phases::new(LIMITS));
        let first = phases.open_stream();
        sleep(Duration::from_secs(15)).await;
        let second = phases.open_stream();
        drop(first);
        assert!(phases.bytes_arrived(1));
        assert_eq!(seconds_left(&phases).await, 20);
        drop(second);
        assert_eq!(seconds_left(&phases).await, 60);
    }
}
