//! How late the process is: for how long what could run waits for its turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

/// How often it is measured while there is none.
const INTERVAL: Duration = Duration::from_millis(10);

/// The lateness, as of a moment ago.
#[derive(Debug, Default)]
pub(super) struct Lag(AtomicU64);

impl Lag {
    /// Measures from now on, until it is dropped; or says that there is none.
    pub(super) fn start(measured: bool) -> Arc<Self> {
        let this = Arc::new(Self::default());
        if measured {
            tokio::spawn(measure(Arc::downgrade(&this)));
        }
        this
    }

    /// As it was measured last.
    pub(super) fn now(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

async fn measure(lag: Weak<Lag>) {
    loop {
        let start = Instant::now();
        sleep(INTERVAL).await;
        // To the end of the line: behind all that can run by now.
        yield_now().await;
        let Some(lag) = lag.upgrade() else { return };
        let late = start.elapsed().saturating_sub(INTERVAL);
        lag.0.store(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
