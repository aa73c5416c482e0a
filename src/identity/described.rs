//! Tokens and keys in numbers.

use std::collections::BTreeMap;

use super::Authenticator;
use super::remote::Remote;
use crate::telemetry::metrics::Text;
use crate::telemetry::metrics::families::{CACHE_HITS, CACHE_MISSES, KEY_AGE, KEY_FAILURES, KEY_FETCHES, KEYS};

impl Authenticator {
    pub(crate) fn describe(&self, text: &mut Text) {
        text.one(&CACHE_HITS, self.counts.cache_hits.get());
        text.one(&CACHE_MISSES, self.counts.cache_misses.get());
        let keys = self.current.load().verifier.keys().len();
        text.one(&KEYS, u64::try_from(keys).unwrap_or(u64::MAX));

        // Two that the configuration calls the same are counted as one.
        let sources: BTreeMap<&str, &Remote> =
            self.remotes.iter().map(|remote| (remote.name.as_str(), remote.as_ref())).collect();
        let mut fetches = text.family(&KEY_FETCHES);
        for (name, remote) in &sources {
            fetches.count(&[("source", name)], remote.counts.refreshes.get());
        }
        let mut failures = text.family(&KEY_FAILURES);
        for (name, remote) in &sources {
            failures.count(&[("source", name)], remote.counts.failures.get());
        }
        let mut ages = text.family(&KEY_AGE);
        for (name, remote) in &sources {
            if let Some(age) = remote.age() {
                ages.sample(&[("source", name)], age.as_secs_f64());
            }
        }
    }
}
