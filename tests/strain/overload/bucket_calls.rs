//! More calls to the bucket than `limits.max_bucket_calls` lets wait, while others sign.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::{
    AFTER, BACK_WITHIN_SECS, FACTOR, MAX_RSS_KIB, MIN_GOODPUT, PATIENCE, PEAK_TIME, QUIET, REFUSED_WITHIN_MS, peak_rss,
};
use crate::bucket::Bucket;
use crate::goal;
use crate::load::{Figures, Pace, Verdict, closed_loop, open_loop};
use crate::process::{Signer, token};
use crate::wire::{Client, bare, get};

const PLACES: usize = 16;
const LATENCY: Duration = Duration::from_millis(50);
const SIGNING_PER_SEC: f64 = 300.0;

pub(super) async fn run(binary: &str, time: Duration) -> usize {
    let bucket = Bucket::start(LATENCY).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SIGNER__LIMITS__MAX_BUCKET_CALLS", "16"), ("SIGNER__TELEMETRY__LOG", "warn")];
    let signer = Signer::start(binary, folder.path(), &bucket.url(), &settings).await;
    let callers = Arc::new(Client::new(signer.address, 5000));
    let signers = Arc::new(Client::new(signer.address, 1000));

    let peak = closed_loop(PLACES, PEAK_TIME, act(&callers)).await;
    println!("bucket calls: a bucket that takes {LATENCY:?}, max_bucket_calls = {PLACES}: at most {peak:.0} a second");
    let at = |per_sec, time| Pace { per_sec, time, patience: PATIENCE };
    let quiet = open_loop(at(SIGNING_PER_SEC, QUIET), sign(&signers)).await;
    let both = async {
        tokio::join!(
            open_loop(at(FACTOR * peak, time), act(&callers)),
            open_loop(at(SIGNING_PER_SEC, time), sign(&signers))
        )
    };
    let ((over, signing), rss) = peak_rss(&signer, both).await;
    let after = open_loop(at(peak / 2.0, AFTER), act(&callers)).await;
    signer.stop().await;
    sleep(Duration::from_millis(100)).await;
    println!("  asked: {} ({:.1} x the peak)", over.summary(), over.asked_per_sec() / peak);
    report(peak, &over, &after, rss) + undisturbed("signing beside it", &quiet, &signing)
}

fn report(peak: f64, over: &Figures, after: &Figures, rss: f64) -> usize {
    let goodput = over.good_per_sec() / peak;
    let other = over.samples.len() - over.good() - over.shed();
    let refused = over.p99(&Verdict::Shed);
    let normal = after.normal_from(2.0 * LATENCY.as_secs_f64() * 1000.0 + 50.0);
    goal(goodput >= MIN_GOODPUT, "goodput", "90 % of the peak", &format!("{:.1} %", goodput * 100.0))
        + goal(
            over.shed() > 0 && refused <= REFUSED_WITHIN_MS,
            "p99 of 503 overloaded with Retry-After",
            "50 ms",
            &format!("{refused:.1} ms of {}", over.shed()),
        )
        + goal(other == 0, "neither done nor refused", "0", &other.to_string())
        + goal(rss <= MAX_RSS_KIB, "RSS at the most", "64 MiB", &format!("{:.1} MiB", rss / 1024.0))
        + goal(normal <= BACK_WITHIN_SECS, "back to normal after", "5 s", &format!("{normal:.1} s"))
}

/// Others, who are to notice nothing.
fn undisturbed(who: &str, quiet: &Figures, under: &Figures) -> usize {
    let (before, during) = (quiet.p99(&Verdict::Good), under.p99(&Verdict::Good));
    let failed = under.samples.len() - under.good();
    let measured = format!("{failed} of {} failed, p99 {during:.1} ms ({before:.1} ms quiet)", under.samples.len());
    goal(failed == 0, who, "none fails", &measured)
}

fn act(client: &Arc<Client>) -> impl Fn(u64) -> super::cpu::Asking + Clone + Send + Sync + 'static {
    let (client, token) = (Arc::clone(client), token("s1"));
    move |number| {
        let (client, target) = (Arc::clone(&client), format!("/object?key=s1/file-{number}"));
        let (request, good) =
            if number % 2 == 0 { (bare("DELETE", &target, &token), 204) } else { (get(&target, &token), 200) };
        Box::pin(async move { Verdict::of(client.ask(&request).await, good) })
    }
}

fn sign(client: &Arc<Client>) -> impl Fn(u64) -> super::cpu::Asking + Clone + Send + Sync + 'static {
    super::cpu::sign(client, "s2")
}
