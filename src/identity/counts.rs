//! What is counted of tokens and of where keys come from. Outlives a reload of the configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::telemetry::metrics::Counter;

/// The counts of all tokens and all sources of keys.
#[derive(Debug, Default)]
pub struct IdentityCounts {
    pub(super) cache_hits: Counter,
    pub(super) cache_misses: Counter,
    /// By the names of the configurations that there were.
    sources: Mutex<BTreeMap<String, Arc<SourceCounts>>>,
}

/// The counts of one source.
#[derive(Debug, Default)]
pub(super) struct SourceCounts {
    pub(super) refreshes: Counter,
    pub(super) failures: Counter,
}

impl IdentityCounts {
    pub(super) fn source(&self, name: &str) -> Arc<SourceCounts> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sources.entry(name.to_owned()).or_default())
    }
}
