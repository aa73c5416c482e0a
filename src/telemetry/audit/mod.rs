//! The audit log: who asked for what, and what was decided, one line of JSON for each decision.
//!
//! `record` is the line, `text` what of other people's texts it may hold, `sink` where it goes, and `queue` the thread that
//! takes it there when nobody has to wait for it. What must not be answered unless it is written (`required`) is written at
//! once, by the thread that answers: one call to the system, which for a file on a local disk copies the line to memory. A
//! disk that keeps that call keeps the thread, too.

mod queue;
mod record;
mod sink;
mod text;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use queue::Queue;
pub(crate) use record::{Bounds, Named, Record, Verdict};
use sink::Sink;
pub(crate) use text::Cut;

use crate::config::{AuditMode, AuditRules};

/// How long a line that is required waits for whoever reads a pipe, when the one before it did not wait in vain.
const PATIENCE: Duration = Duration::from_millis(100);

/// The line could not be written, so what it says must not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct AuditUnavailable;

/// Takes the lines of all requests.
#[derive(Debug)]
pub struct Audit {
    way: Way,
    hash_keys: bool,
    reopen: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Way {
    Off,
    Queue(Queue),
    Direct(Mutex<Direct>),
}

#[derive(Debug)]
struct Direct {
    sink: Sink,
    is_failing: bool,
}

impl Audit {
    /// None.
    #[must_use]
    pub fn off() -> Self {
        Self { way: Way::Off, hash_keys: false, reopen: Arc::default() }
    }

    /// As configured.
    ///
    /// # Errors
    ///
    /// The system's, when the file cannot be opened or the thread not be started.
    pub fn start(rules: &AuditRules) -> io::Result<Self> {
        let reopen = Arc::new(AtomicBool::new(false));
        let sink = || Sink::open(rules.file.as_deref(), Arc::clone(&reopen));
        let way = match rules.mode {
            AuditMode::Off => Way::Off,
            AuditMode::On => Way::Queue(Queue::start(sink()?)?),
            AuditMode::Required => Way::Direct(Mutex::new(Direct { sink: sink()?, is_failing: false })),
        };
        Ok(Self { way, hash_keys: rules.hash_keys, reopen })
    }

    pub(crate) const fn is_on(&self) -> bool {
        !matches!(self.way, Way::Off)
    }

    /// Writes the line of a decision, or leaves it to be written.
    pub(crate) fn write(&self, record: &Record<'_>) -> Result<(), AuditUnavailable> {
        match &self.way {
            Way::Off => Ok(()),
            Way::Queue(queue) => {
                queue.push(record.line(self.hash_keys));
                Ok(())
            }
            Way::Direct(direct) => {
                let line = record.line(self.hash_keys);
                // Whole after each statement, so a panic elsewhere leaves nothing half done.
                direct.lock().unwrap_or_else(PoisonError::into_inner).write(&line)
            }
        }
    }

    /// Opens the file anew before the next line: it may have been moved away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// How many lines were lost so far because they came faster than they could be written.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        if let Way::Queue(queue) = &self.way { queue.dropped() } else { 0 }
    }

    /// Waits until all lines so far are written, but no longer than `within`.
    pub fn flush(&self, within: Duration) {
        if let Way::Queue(queue) = &self.way
            && !queue.flush(within)
        {
            tracing::error!("lines of the audit log are lost: they could not be written before the end");
        }
    }
}

impl Direct {
    fn write(&mut self, line: &[u8]) -> Result<(), AuditUnavailable> {
        let patience = if self.is_failing { Duration::ZERO } else { PATIENCE };
        match self.sink.write(line, patience) {
            Ok(()) => {
                if self.is_failing {
                    self.is_failing = false;
                    tracing::info!("the audit log is written again");
                }
                Ok(())
            }
            Err(error) => {
                if !self.is_failing {
                    self.is_failing = true;
                    tracing::error!("the audit log cannot be written, and nothing is answered without: {error}");
                }
                Err(AuditUnavailable)
            }
        }
    }
}
