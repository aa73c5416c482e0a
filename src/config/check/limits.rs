//! `[limits]`.

use std::num::{NonZeroU32, NonZeroU64};

use super::Report;
use crate::config::raw::RawLimits;
use crate::limits::{LimitRules, Rate};

/// More at once is more than one process has descriptors for.
const MAX_IN_FLIGHT: usize = 100_000;
/// A cell of `governor` is a nanosecond at the least, and this is far from it.
const MAX_PER_SEC: u32 = 1_000_000;
/// An entry takes 140 to 175 bytes, so this is up to 175 MB for each limit.
const MAX_TRACKED: usize = 1_000_000;

pub(super) fn limits(raw: &RawLimits, r: &mut Report<'_>) -> Option<LimitRules> {
    let max_in_flight = r.size("limits.max_in_flight", raw.max_in_flight, 1, MAX_IN_FLIGHT);
    let max_bucket_calls = Some(raw.max_bucket_calls).filter(|calls| (1..=raw.max_in_flight).contains(calls));
    let max_bucket_calls = r.require("limits.max_bucket_calls", max_bucket_calls, || {
        format!("is {}; it must be 1 to `max_in_flight` = {}", raw.max_bucket_calls, raw.max_in_flight)
    });
    let store = rate("store", raw.store_requests_per_sec, raw.store_burst, r);
    let subject = rate("subject", raw.subject_requests_per_sec, raw.subject_burst, r);
    let max_tracked = r.size("limits.max_tracked", raw.max_tracked, 1, MAX_TRACKED);
    Some(LimitRules {
        max_in_flight: max_in_flight?,
        max_bucket_calls: max_bucket_calls?,
        store,
        subject,
        store_upload_bytes_per_hour: NonZeroU64::new(raw.store_upload_bytes_per_hour),
        max_tracked: max_tracked?,
    })
}

/// The rate, if one is set; a burst that is not is what one second gives. What is wrong with it is reported, and then
/// nothing is served.
fn rate(of: &str, per_sec: u32, burst: u32, r: &mut Report<'_>) -> Option<Rate> {
    for (key, value) in [("requests_per_sec", per_sec), ("burst", burst)] {
        if value > MAX_PER_SEC {
            r.problem(&format!("limits.{of}_{key}"), format!("is {value}; it must be 0 to {MAX_PER_SEC}"));
        }
    }
    if per_sec == 0 && burst > 0 {
        r.problem(&format!("limits.{of}_burst"), format!("is {burst}, and `{of}_requests_per_sec` is 0, no limit"));
    }
    NonZeroU32::new(per_sec).map(|per_sec| Rate { per_sec, burst: NonZeroU32::new(burst).unwrap_or(per_sec) })
}
