//! The service in numbers.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::App;
use crate::storage;
use crate::telemetry::metrics::Text;
use crate::telemetry::metrics::families::{
    AT_BUCKET, AT_BUCKET_LIMIT, AUDIT_DROPPED, BATCH_OPERATIONS, DENIALS, DRAINING, IN_FLIGHT, IN_FLIGHT_LIMIT, READY,
    REQUEST_SECONDS, REQUESTS, SHED, TOKENS_REFUSED, TRACKED,
};

/// The statuses of a caller who may not, or not so often.
const DENIED: [u16; 3] = [401, 403, 429];

impl App {
    /// Writes what is known of requests, keys and storages as of `now`.
    pub(crate) fn describe(&self, now: Timestamp, text: &mut Text) {
        self.describe_requests(text);
        self.describe_state(now, text);
        text.one(&AUDIT_DROPPED, self.audit.dropped());
        self.identity.describe(text);
        storage::describe(&self.storages, now, text);
    }

    fn describe_requests(&self, text: &mut Text) {
        let counts = &self.counts;
        let mut requests = text.family(&REQUESTS);
        for (route, method, status, code, count) in counts.requests() {
            requests.count(&[("route", route), ("method", method), ("status", &status), ("code", code)], count);
        }
        let mut took = text.family(&REQUEST_SECONDS);
        for (route, histogram) in counts.took() {
            took.histogram(&[("route", route)], histogram);
        }
        let mut operations = text.family(&BATCH_OPERATIONS);
        for (status, code, count) in counts.operations() {
            operations.count(&[("status", &status), ("code", code)], count);
        }
        let mut denials = text.family(&DENIALS);
        for (code, count) in counts.failures(&DENIED) {
            denials.count(&[("code", code)], count);
        }
        let mut refused = text.family(&TOKENS_REFUSED);
        for (reason, count) in counts.refused() {
            refused.count(&[("reason", reason)], count);
        }
        text.one(&SHED, counts.failures_of("overloaded"));
    }

    fn describe_state(&self, now: Timestamp, text: &mut Text) {
        let mut gate = |now, limit, (taken, most): (usize, usize)| {
            text.one(now, u64::try_from(taken).unwrap_or(u64::MAX));
            text.one(limit, u64::try_from(most).unwrap_or(u64::MAX));
        };
        gate(&IN_FLIGHT, &IN_FLIGHT_LIMIT, self.limits.in_flight());
        gate(&AT_BUCKET, &AT_BUCKET_LIMIT, self.limits.at_bucket());
        text.one(&TRACKED, u64::try_from(self.limits.tracked()).unwrap_or(u64::MAX));
        let can_sign = self.identity.is_ready() && self.storages.iter().all(|storage| storage.signers.is_ready(now));
        text.family(&READY).flag(&[], can_sign);
        text.family(&DRAINING).flag(&[], self.draining.load(Ordering::Relaxed));
    }
}
