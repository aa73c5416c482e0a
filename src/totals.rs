//! What is counted for as long as the process runs. A reload of the configuration makes a new service, which goes on with
//! these, so that no counter falls back to nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::api::RequestCounts;
use crate::build_info;
use crate::identity::IdentityCounts;
use crate::storage::StorageCounts;
use crate::telemetry::metrics::families::{BUILD, CONFIG_TIME, RELOAD_GOOD, RELOADS};
use crate::telemetry::metrics::{Counter, Gauge, Text, describe_process};

/// All of it.
#[derive(Debug)]
pub(crate) struct Totals {
    started: Timestamp,
    pub(crate) requests: Arc<RequestCounts>,
    pub(crate) identity: Arc<IdentityCounts>,
    /// By the names of the configurations that there were.
    storages: Mutex<BTreeMap<String, Arc<StorageCounts>>>,
    reloads: Reloads,
}

/// Of the configuration.
#[derive(Debug, Default)]
struct Reloads {
    good: Counter,
    refused: Counter,
    last_was_refused: AtomicBool,
    /// Since 1970, of the one in force.
    at_secs: Gauge,
}

impl Totals {
    /// Nothing yet, in a process that began at this moment.
    pub(crate) fn new(started: Timestamp) -> Self {
        let reloads = Reloads::default();
        reloads.at_secs.set(started.as_second());
        Self { started, requests: Arc::default(), identity: Arc::default(), storages: Mutex::default(), reloads }
    }

    /// The counts of the storage of this name.
    pub(crate) fn storage(&self, name: &str) -> Arc<StorageCounts> {
        let mut storages = self.storages.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(storages.entry(name.to_owned()).or_default())
    }

    /// A configuration came in force; how many have by now.
    pub(crate) fn reloaded(&self, now: Timestamp) -> u64 {
        self.reloads.good.add();
        self.reloads.last_was_refused.store(false, Ordering::Relaxed);
        self.reloads.at_secs.set(now.as_second());
        self.reloads.good.get()
    }

    /// A configuration was refused; how many have been by now.
    pub(crate) fn reload_refused(&self) -> u64 {
        self.reloads.refused.add();
        self.reloads.last_was_refused.store(true, Ordering::Relaxed);
        self.reloads.refused.get()
    }

    /// Writes what is known of the configuration and of the process.
    #[allow(clippy::cast_precision_loss, reason = "no date is that far off")]
    pub(crate) fn describe(&self, text: &mut Text) {
        let Reloads { good, refused, last_was_refused, at_secs } = &self.reloads;
        let mut reloads = text.family(&RELOADS);
        reloads.count(&[("outcome", "in_force")], good.get());
        reloads.count(&[("outcome", "refused")], refused.get());
        text.family(&RELOAD_GOOD).flag(&[], !last_was_refused.load(Ordering::Relaxed));
        text.family(&CONFIG_TIME).sample(&[], at_secs.get().unwrap_or_default() as f64);
        let features = if cfg!(feature = "dev") { "dev" } else { "" };
        let labels = [("version", build_info::VERSION), ("commit", build_info::COMMIT), ("features", features)];
        text.family(&BUILD).flag(&labels, true);
        describe_process(text, self.started.as_millisecond() as f64 / 1000.0);
    }
}
