//! The service that requests are answered by, which may be replaced while they run.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::api::App;

/// A place for one service at a time. A request keeps the one it began with.
pub struct Live {
    app: ArcSwap<App>,
    draining: AtomicBool,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("draining", &self.draining).finish_non_exhaustive()
    }
}

impl Live {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app: ArcSwap::new(app), draining: AtomicBool::new(false) }
    }

    /// The service as it is now.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        self.app.load_full()
    }

    /// Answers requests that come from now on by `app`. The old one ends with its last request.
    pub fn replace(&self, app: Arc<App>) {
        self.app.store(app);
        // After the change, so that of a replacement and a stop at once the stop counts.
        if self.draining.load(Ordering::SeqCst) {
            self.app.load().start_draining();
        }
    }

    pub(super) fn start_draining(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.app.load().start_draining();
    }
}
