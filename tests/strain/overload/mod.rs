//! `make overload`: five times as much as the signer can do, by a schedule that does not wait for answers.
//!
//! What can be short is tried apart, because it ends differently. Places to wait for the bucket: what is beyond them is
//! refused at once, which costs little. CPU time: refusing a request takes most of what signing takes, so no refusal can
//! win it back; here the part of one CPU that a control group gives is the capacity. And a store that floods.

mod bucket_calls;
mod cpu;
mod flood;

use std::time::Duration;

use crate::process::Signer;

const PEAK_TIME: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_secs(10);
/// After the overload: how long to look, and when all is to be as before.
const AFTER: Duration = Duration::from_secs(12);
const BACK_WITHIN_SECS: f64 = 5.0;
const FACTOR: f64 = 5.0;
/// What a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
const MAX_RSS_KIB: f64 = 64.0 * 1024.0;
const REFUSED_WITHIN_MS: f64 = 50.0;
const MIN_GOODPUT: f64 = 0.9;

pub(crate) async fn run(binary: &str, secs: u64) -> usize {
    let time = Duration::from_secs(secs);
    bucket_calls::run(binary, time).await + cpu::run(binary, time).await + run_flood(binary).await
}

/// The second part alone.
pub(crate) async fn run_cpu(binary: &str, secs: u64) -> usize {
    cpu::run(binary, Duration::from_secs(secs)).await
}

/// The last part alone.
pub(crate) async fn run_flood(binary: &str) -> usize {
    flood::run(binary).await
}

/// What the work gives, and the most memory the signer held until then, in KiB.
async fn peak_rss<T>(signer: &Signer, work: impl Future<Output = T>) -> (T, f64) {
    let mut work = std::pin::pin!(work);
    let mut peak: f64 = 0.0;
    loop {
        peak = peak.max(signer.rss_kib());
        tokio::select! {
            done = &mut work => return (done, peak.max(signer.rss_kib())),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}
