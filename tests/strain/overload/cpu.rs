//! More to sign than a part of one CPU gives.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{
    AFTER, BACK_WITHIN_SECS, FACTOR, MAX_RSS_KIB, MIN_GOODPUT, PATIENCE, PEAK_TIME, QUIET, REFUSED_WITHIN_MS, peak_rss,
};
use crate::goal;
use crate::load::{Figures, Pace, Sample, Verdict, WARM_UP, closed_loop, open_loop};
use crate::process::{Setting, Signer, Slice, token};
use crate::wire::{Broken, Client, get};

pub(super) type Asking = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// A twentieth of one CPU, in microseconds; the period is short, so that what waits for the next one does not wait long.
const QUOTA: u32 = 1000;
const PERIOD: u32 = 20_000;
const ASKERS: usize = PROXY_CONNECTIONS;
/// One load generator's sockets.
const MOST_CONNECTIONS: usize = 8000;
/// What a proxy in front keeps to the signer.
const PROXY_CONNECTIONS: usize = 100;

/// A signer in a slice of a CPU, without a bucket.
pub(super) async fn confined(
    binary: &str,
    folder: &tempfile::TempDir,
    settings: &[Setting<'_>],
) -> Option<(Signer, Slice)> {
    let slice = Slice::new(QUOTA, PERIOD)?;
    // As many threads as it would have if it had been started in the slice: the least.
    let settings = [settings, &[("TOKIO_WORKER_THREADS", "1")]].concat();
    let signer = Signer::start(binary, folder.path(), "http://127.0.0.1:1", &settings).await;
    slice.confine(&signer);
    Some((signer, slice))
}

pub(super) async fn run(binary: &str, time: Duration) -> usize {
    let without = one(binary, "clients that lose patience and connect again", MOST_CONNECTIONS, time).await;
    without + one(binary, "behind a proxy with 100 connections, which refuses the rest", PROXY_CONNECTIONS, time).await
}

async fn one(binary: &str, name: &str, most: usize, time: Duration) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SIGNER__TELEMETRY__LOG", "warn")];
    let Some((signer, slice)) = confined(binary, &folder, &settings).await else {
        return goal(false, "CPU", "a control group", "none can be made here: run it as root");
    };
    let client = Arc::new(Client::new(signer.address, most));
    let estimate = closed_loop(ASKERS, QUIET / 2, sign(&client, "s1")).await;
    let before = most_signed(&client, estimate).await;
    let at = |per_sec, time| Pace { per_sec, time, patience: PATIENCE };
    let quiet = open_loop(at(before / 2.0, QUIET), sign(&client, "s1")).await;
    let used = signer.cpu_secs();
    let (over, rss) = peak_rss(&signer, open_loop(at(FACTOR * before, time), sign(&client, "s1"))).await;
    let used = signer.cpu_secs() - used;
    // Who came for the overload goes home, and hangs up.
    drop(client);
    let client = Arc::new(Client::new(signer.address, most));
    let after = open_loop(at(before / 2.0, AFTER), sign(&client, "s1")).await;
    // What the slice gives differs from one moment to the next.
    let peak = before.midpoint(most_signed(&client, estimate).await);
    signer.stop().await;
    drop(slice);
    println!("CPU, {name}: {QUOTA} of each {PERIOD} µs of one CPU: at most {peak:.0} signed a second");
    println!("  asked: {} ({:.1} x the peak), CPU {used:.1} s", over.summary(), over.asked_per_sec() / peak);
    report(peak, most == PROXY_CONNECTIONS, &quiet, &over, &after, rss)
}

/// The peak, beside a load generator that is as busy as in the overload, but asks nobody: it takes its part of the
/// caches and of the cores that this machine's CPUs share.
async fn most_signed(client: &Arc<Client>, estimate: f64) -> f64 {
    let nobody = Arc::new(Client::new(client.address, 0));
    let noise = Pace { per_sec: (FACTOR - 1.0) * estimate, time: PEAK_TIME + WARM_UP, patience: PATIENCE };
    tokio::join!(closed_loop(ASKERS, PEAK_TIME, sign(client, "s1")), open_loop(noise, sign(&nobody, "s1"))).0
}

fn report(peak: f64, proxy: bool, quiet: &Figures, over: &Figures, after: &Figures, rss: f64) -> usize {
    let goodput = over.good_per_sec() / peak;
    let excess = over.samples.len() - over.good();
    let is_refusal = |verdict: &Verdict| match verdict {
        Verdict::Shed => true,
        // By the proxy, which knows how many connections it has.
        Verdict::Broken(Broken::NoConnection) => proxy,
        _ => false,
    };
    let soon = |sample: &Sample| sample.took.as_secs_f64() * 1000.0 <= REFUSED_WITHIN_MS;
    let fast = over.samples.iter().filter(|sample| is_refusal(&sample.verdict) && soon(sample)).count();
    let normal = after.normal_from((4.0 * quiet.p99(&Verdict::Good)).max(50.0));
    println!(
        "         p99 quiet {:.1} ms, of those answered in overload {:.1} ms",
        quiet.p99(&Verdict::Good),
        over.p99(&Verdict::Good)
    );
    goal(goodput >= MIN_GOODPUT, "goodput within a second", "90 % of the peak", &format!("{:.1} %", goodput * 100.0))
        + goal(fast * 100 >= excess * 99, "excess refused within 50 ms", "99 %", &format!("{fast} of {excess}"))
        + goal(rss <= MAX_RSS_KIB, "RSS at the most", "64 MiB", &format!("{:.1} MiB", rss / 1024.0))
        + goal(normal <= BACK_WITHIN_SECS, "back to normal after", "5 s", &format!("{normal:.1} s"))
}

pub(super) fn sign(client: &Arc<Client>, store: &str) -> impl Fn(u64) -> Asking + Clone + Send + Sync + 'static {
    let (client, token, store) = (Arc::clone(client), token(store), store.to_owned());
    move |number| {
        let client = Arc::clone(&client);
        let request = get(&format!("/download-url?key={store}/file-{number}"), &token);
        Box::pin(async move { Verdict::of(client.ask(&request).await, 200) })
    }
}
