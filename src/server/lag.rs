//! How late the service is: for how long what could run waits for its turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

/// How often it is measured while there is none.
const INTERVAL: Duration = Duration::from_millis(10);

/// The lateness, as of a moment ago.
#[derive(Debug)]
pub(super) struct Lag {
    start: Instant,
    /// No more than this is fine.
    most: Option<Duration>,
    micros: AtomicU64,
    /// When it was fine the last time, in microseconds since `start`.
    fine_at: AtomicU64,
}

impl Lag {
    /// Measures from now on, until it is dropped. Without a limit there is nothing to measure.
    pub(super) fn start(most: Option<Duration>) -> Arc<Self> {
        let start = Instant::now();
        let this = Arc::new(Self { start, most, micros: AtomicU64::new(0), fine_at: AtomicU64::new(0) });
        if most.is_some() {
            tokio::spawn(measure(Arc::downgrade(&this)));
        }
        this
    }

    /// As it was measured last.
    pub(super) fn now(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }

    /// Whether it has been too much for twice as long as may be waited. A machine that stood still for a moment has
    /// caught up by then, and nobody is to be refused for that.
    pub(super) fn stands(&self) -> bool {
        let fine_at = Duration::from_micros(self.fine_at.load(Ordering::Relaxed));
        self.most.is_some_and(|most| {
            self.now() > most && self.start.elapsed().saturating_sub(fine_at) > most.saturating_mul(2)
        })
    }

    fn measured(&self, late: Duration) {
        self.micros.store(micros(late), Ordering::Relaxed);
        if self.most.is_none_or(|most| late <= most) {
            self.fine_at.store(micros(self.start.elapsed()), Ordering::Relaxed);
        }
    }
}

async fn measure(lag: Weak<Lag>) {
    loop {
        let start = Instant::now();
        sleep(INTERVAL).await;
        // To the end of the line: behind all that can run by now.
        yield_now().await;
        let Some(lag) = lag.upgrade() else { return };
        lag.measured(start.elapsed().saturating_sub(INTERVAL));
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_millis(200);

    #[tokio::test(start_paused = true)]
    async fn a_moment_of_standing_still_is_no_overload() {
        let lag =
            Lag { start: Instant::now(), most: Some(MOST), micros: AtomicU64::new(0), fine_at: AtomicU64::new(0) };
        tokio::time::advance(Duration::from_mins(1)).await;
        lag.measured(Duration::from_millis(1));
        tokio::time::advance(Duration::from_millis(350)).await;
        lag.measured(Duration::from_millis(350));
        assert!(!lag.stands());
        tokio::time::advance(Duration::from_millis(210)).await;
        lag.measured(Duration::from_millis(210));
        assert!(lag.stands(), "it goes on");
        lag.measured(MOST);
        assert!(!lag.stands(), "it is over");
    }
}
