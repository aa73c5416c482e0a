//! One store that floods with good tokens at 95 % of the capacity, and others beside it (H29).

use std::sync::Arc;
use std::time::Duration;

use super::cpu::{Asking, confined, sign};
use super::{PATIENCE, PEAK_TIME};
use crate::bucket::Bucket;
use crate::goal;
use crate::load::{Figures, Pace, Verdict, closed_loop, open_loop};
use crate::process::{Setting, Signer, token};
use crate::wire::{Client, get};

const TIME: Duration = Duration::from_secs(30);
const SHARE: f64 = 0.95;
const MAX_P99_RATIO: f64 = 2.0;
const OTHERS_PER_SEC: f64 = 20.0;
/// What one store may have; the flood is far beyond it, the others are not. The burst is less than the places to wait for
/// the bucket, or a burst alone would take them all.
const LIMITS: [Setting<'_>; 3] = [
    ("SIGNER__LIMITS__STORE_REQUESTS_PER_SEC", "50"),
    ("SIGNER__LIMITS__STORE_BURST", "10"),
    ("SIGNER__TELEMETRY__LOG", "warn"),
];

pub(super) async fn run(binary: &str) -> usize {
    calls(binary).await + signing(binary).await
}

/// The capacity is what a bucket of 50 ms with 16 places gives.
async fn calls(binary: &str) -> usize {
    let bucket = Bucket::start(Duration::from_millis(50)).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [&LIMITS[..], &[("SIGNER__LIMITS__MAX_BUCKET_CALLS", "16")]].concat();
    let signer = Signer::start(binary, folder.path(), &bucket.url(), &settings).await;
    let clients = [(); 2].map(|()| Arc::new(Client::new(signer.address, 1000)));
    let capacity = 16.0 / 0.05;
    let missed = beside("bucket calls", capacity, look(&clients[0], "others"), look(&clients[1], "flood")).await;
    signer.stop().await;
    missed
}

/// The capacity is what a part of one CPU gives.
async fn signing(binary: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    // The peak is that of one store, and so of a signer without limits.
    let Some((signer, slice)) = confined(binary, &folder, &[("SIGNER__TELEMETRY__LOG", "warn")]).await else {
        return goal(false, "CPU", "a control group", "none can be made here: run it as root");
    };
    let capacity = closed_loop(64, PEAK_TIME, sign(&Arc::new(Client::new(signer.address, 64)), "s1")).await;
    signer.stop().await;
    drop(slice);
    let Some((signer, slice)) = confined(binary, &folder, &LIMITS).await else { return 1 };
    let clients = [(); 2].map(|()| Arc::new(Client::new(signer.address, 1000)));
    let missed = beside("signing", capacity, sign(&clients[0], "others"), sign(&clients[1], "flood")).await;
    signer.stop().await;
    drop(slice);
    missed
}

async fn beside(what: &str, capacity: f64, others: impl Fn(u64) -> Asking, flood: impl Fn(u64) -> Asking) -> usize {
    let at = |per_sec| Pace { per_sec, time: TIME, patience: PATIENCE };
    let quiet = open_loop(at(OTHERS_PER_SEC), &others).await;
    let (under, flooding) =
        tokio::join!(open_loop(at(OTHERS_PER_SEC), &others), open_loop(at(SHARE * capacity), &flood));
    println!(
        "one store floods with {:.0} a second, 95 % of {capacity:.0} ({what}): {}",
        SHARE * capacity,
        flooding.summary()
    );
    report(&quiet, &under, &flooding)
}

fn report(quiet: &Figures, under: &Figures, flooding: &Figures) -> usize {
    let (before, during) = (quiet.p99(&Verdict::Good), under.p99(&Verdict::Good));
    let failed = under.samples.len() - under.good();
    let other = flooding.samples.len() - flooding.good() - flooding.shed();
    let measured = format!("{:.2} ({before:.1} ms, then {during:.1} ms)", during / before);
    goal(failed == 0, "failed requests of the others", "0", &format!("{failed} of {}", under.samples.len()))
        + goal(during <= MAX_P99_RATIO * before, "p99 of the others", "2 x quiet", &measured)
        + goal(
            flooding.shed() > 0 && other == 0,
            "the flood gets 429",
            "all beyond its rate",
            &format!("{} of {}", flooding.shed(), flooding.samples.len()),
        )
}

fn look(client: &Arc<Client>, store: &'static str) -> impl Fn(u64) -> Asking {
    let (client, token) = (Arc::clone(client), token(store));
    move |number| {
        let client = Arc::clone(&client);
        let request = get(&format!("/object?key={store}/file-{number}"), &token);
        Box::pin(async move { Verdict::of(client.ask(&request).await, 200) })
    }
}
