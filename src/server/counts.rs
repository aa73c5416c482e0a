//! What happened to connections, in numbers, and lines about it that cannot flood the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Numbers since the start. Each only grows.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections that were served.
    pub accepted: Count,
    /// Those of them that have ended.
    pub ended: Count,
    /// Connections closed at once because of `server.max_connections`.
    pub over_total: Count,
    /// Connections closed at once because of `server.max_connections_per_address`.
    pub over_address: Count,
    /// Connections that were refused because the service is behind (`server.max_lag_ms`).
    pub refused: Count,
    /// Connections that were closed by the client before they were looked at.
    pub gone: Count,
    /// Accepts that failed, for example because descriptors ran out.
    pub accept_failures: Count,
    /// TLS handshakes that failed or took too long.
    pub handshake_failures: Count,
    /// Connections cut off at a deadline.
    pub timed_out: Count,
    /// Requests that ended in a panic, and were answered with 500.
    pub panics: Count,
}

impl Counts {
    /// Connections that are served now.
    #[must_use]
    pub fn open(&self) -> u64 {
        // In this order, so that one that begins in between is not more than there are.
        let ended = self.ended.get();
        self.accepted.get().saturating_sub(ended)
    }
}

/// A connection that is served, until it is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Counts>);

impl Open {
    pub(super) fn count(counts: &Arc<Counts>) -> Self {
        counts.accepted.add();
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ended.add();
    }
}

/// One of them.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more; how many there are now.
    pub(super) fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// How many there are.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// At most one line in this time.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Says when a line is due that an attacker could otherwise cause without end.
#[derive(Debug, Default)]
pub(super) struct Occasionally {
    last: Option<Instant>,
}

impl Occasionally {
    /// Whether the line is due at `now`, and then counts it as written.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= LINE_INTERVAL);
        if due {
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_once_in_ten_seconds() {
        let (mut lines, start) = (Occasionally::default(), Instant::now());
        let due = (0..25).filter(|second| lines.is_due(start + Duration::from_secs(*second))).count();
        assert_eq!(due, 3);
    }
}
