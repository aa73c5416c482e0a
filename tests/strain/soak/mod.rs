//! `make soak`: moderate load on all routes while every 30 seconds something else goes wrong (H30, in as much time as is given).
//!
//! Every answer is held against what the service may say at that moment. Memory and descriptors are looked at in the
//! quiet before each fault; the first two rounds of faults, in quick succession, are the warm-up.

mod faults;
mod log;
mod parts;
mod requests;
mod signed;
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::bucket::Bucket;
use crate::goal;
use crate::load::{Figures, Pace, Verdict, open_loop};
use crate::process::{Signer, free_address};
use faults::{FAULTS, Fault};
pub(crate) use parts::Certificates;
use parts::IdentityProvider;
use world::World;

const PER_SEC: f64 = 250.0;
/// From one fault to the next, and how long one lasts; shorter in the warm-up.
const PERIOD: Duration = Duration::from_secs(30);
const LASTS: Duration = Duration::from_secs(10);
const WARM_PERIOD: Duration = Duration::from_secs(12);
const WARM_ROUNDS: usize = 2;
const WARM_LASTS: Duration = Duration::from_secs(4);
/// For an answer, the call to the bucket included.
const PATIENCE: Duration = Duration::from_secs(8);

const MAX_GROWTH_KIB: f64 = 1024.0;
const MAX_GROWTH_DESCRIPTORS: f64 = 3.0;

/// Seconds since the start, KiB, and descriptors beside those of the connections that the client keeps.
type Look = (f64, f64, f64);

fn settings(world: &World) -> Vec<(&'static str, String)> {
    let path = |name: &str| world.folder.path().join(name).to_str().unwrap().to_owned();
    vec![
        ("SIGNER__SERVER__TLS__CERTIFICATE_FILE", path("cert.pem")),
        ("SIGNER__SERVER__TLS__KEY_FILE", path("key.pem")),
        ("SIGNER__AUTH__JWKS_URL", world.identity.url()),
        ("SIGNER__AUTH__JWKS_MAX_AGE_SECS", "5".to_owned()),
        ("SIGNER__AUTH__JWKS_COOLDOWN_SECS", "1".to_owned()),
        ("SIGNER__AUTH__JWKS_TIMEOUT_SECS", "2".to_owned()),
        ("SIGNER__STORAGE__ENDPOINT", world.bucket.url()),
        ("SIGNER__STORAGE__ACCESS_KEY_ID_FILE", path("access-key")),
        ("SIGNER__STORAGE__SECRET_ACCESS_KEY_FILE", path("secret-key")),
        ("SIGNER__STORAGE__CALL_TIMEOUT_SECS", "2".to_owned()),
        ("SIGNER__STORAGE__PROBE_INTERVAL_SECS", "5".to_owned()),
        ("SIGNER__TELEMETRY__LOG", "trace".to_owned()),
        ("SIGNER__TELEMETRY__LOG_FORMAT", "json".to_owned()),
        ("SIGNER__TELEMETRY__AUDIT", "on".to_owned()),
        ("SIGNER__TELEMETRY__AUDIT_FILE", path("audit")),
    ]
}

pub(crate) async fn run(binary: &str, secs: u64) -> usize {
    let time = Duration::from_secs(secs);
    let certificates = Certificates::new(64);
    let world =
        World::new(Bucket::start(Duration::from_millis(20)).await, IdentityProvider::start().await, certificates);
    let settings = settings(&world);
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let address = free_address();
    let signer = Arc::new(Signer::spawn(binary, address, world.folder.path(), &settings));
    let world = Arc::new(world.at(address));
    requests::until_ready(&world).await;

    let warm = WARM_PERIOD * u32::try_from(FAULTS.len() * WARM_ROUNDS).unwrap();
    let load = {
        let world = Arc::clone(&world);
        let pace = Pace { per_sec: PER_SEC, time: warm + time, patience: PATIENCE };
        tokio::spawn(async move { open_loop(pace, move |number| requests::ask(Arc::clone(&world), number)).await })
    };
    let start = Instant::now();
    println!("warm-up: each fault twice in {} s, then {secs} s at {PER_SEC} requests a second", warm.as_secs());
    for (number, fault) in FAULTS.iter().cycle().take(FAULTS.len() * WARM_ROUNDS).enumerate() {
        fault_at(&world, &signer, fault, start + WARM_PERIOD * u32::try_from(number).unwrap(), WARM_LASTS).await;
    }
    let (measured, end) = (start + warm, start + warm + time);
    let mut looks = Vec::new();
    for number in 0.. {
        let due = measured + PERIOD * number;
        if due >= end {
            break;
        }
        look_until(&world, &signer, measured, due, &mut looks).await;
        let fault = &FAULTS[usize::try_from(number).unwrap() % FAULTS.len()];
        fault_at(&world, &signer, fault, due, LASTS).await;
    }
    look_until(&world, &signer, measured, end, &mut looks).await;
    let figures = load.await.unwrap();
    report(&world, signer, &figures, &looks).await
}

async fn fault_at(world: &Arc<World>, signer: &Signer, fault: &Fault, due: Instant, lasts: Duration) {
    sleep_until(due).await;
    println!("  {:<28} RSS {:>7.0} KiB, {} descriptors", fault.name, signer.rss_kib(), signer.descriptors());
    (fault.run)(Arc::clone(world), signer.pid(), lasts).await;
}

/// Looks once a second in the last five seconds before `due`: what the last fault held is given back by then.
async fn look_until(world: &World, signer: &Signer, from: Instant, due: Instant, looks: &mut Vec<Look>) {
    sleep_until(due - Duration::from_secs(5)).await;
    while Instant::now() < due {
        let own = signer.descriptors() as f64 - world.kept.len() as f64;
        looks.push((from.elapsed().as_secs_f64(), signer.rss_kib(), own));
        sleep(Duration::from_secs(1)).await;
    }
}

/// Least squares: how much it grows in a second.
fn slope(looks: &[Look], value: impl Fn(&Look) -> f64) -> f64 {
    let count = looks.len() as f64;
    let mean_time = looks.iter().map(|look| look.0).sum::<f64>() / count;
    let mean = looks.iter().map(&value).sum::<f64>() / count;
    let together: f64 = looks.iter().map(|look| (look.0 - mean_time) * (value(look) - mean)).sum();
    let alone: f64 = looks.iter().map(|look| (look.0 - mean_time).powi(2)).sum();
    if alone > 0.0 { together / alone } else { 0.0 }
}

async fn report(world: &World, signer: Arc<Signer>, figures: &Figures, looks: &[Look]) -> usize {
    let lives = Arc::into_inner(signer).expect("nobody else holds it");
    let drained = lives.stop().await;
    let found = log::search(&["log", "audit"].map(|name| world.folder.path().join(name)), &world.secrets());
    println!("{} ({:.0} a second)", figures.summary(), figures.asked_per_sec());
    println!("checked: {}", world.checked());
    println!(
        "log: {} lines, {} MB; SIGTERM to end {:.1} s",
        found.lines,
        found.bytes / 1_000_000,
        drained.as_secs_f64()
    );

    let quarter = 900.0;
    let (rss, open) = (slope(looks, |look| look.1), slope(looks, |look| look.2));
    let wrong = figures.count(|verdict| !matches!(verdict, Verdict::Good));
    let signatures = world.signatures.lock().unwrap().len();
    let mut missed =
        goal(wrong == 0, "wrong, late or missing answers", "0", &format!("{wrong} of {}", figures.samples.len()));
    for verdict in figures.samples.iter().filter(|sample| sample.verdict != Verdict::Good).take(10) {
        println!("         at {:.1} s: {:?}", verdict.due.as_secs_f64(), verdict.verdict);
    }
    missed += goal(
        rss.abs() * quarter < MAX_GROWTH_KIB,
        "RSS slope",
        "less than 1 MiB in the time",
        &format!("{:+.0} KiB an hour, {:+.0} KiB in {quarter} s", rss * 3600.0, rss * quarter),
    );
    missed += goal(
        open.abs() * quarter < MAX_GROWTH_DESCRIPTORS,
        "descriptor slope",
        "less than 3 in the time",
        &format!("{:+.1} an hour, {:+.2} in {quarter} s", open * 3600.0, open * quarter),
    );
    missed += goal(found.panics == 0, "panics", "0", &found.panics.to_string());
    missed += goal(
        found.secrets.is_empty() && found.files == 2,
        "secrets in the log at trace level, and in the audit log",
        "0",
        &format!(
            "{} of {} and {signatures} signatures {:?}",
            found.secrets.len(),
            world.secrets().needles.len(),
            found.secrets
        ),
    );
    let unused = world.faults_unseen();
    missed += goal(
        unused.is_empty(),
        "faults that showed",
        "all",
        &if unused.is_empty() { "all".to_owned() } else { format!("not {unused:?}") },
    );
    missed
        + goal(
            world.stale.load(Ordering::Relaxed) > 0,
            "removed keys that were tried and refused",
            "> 0",
            &world.stale.load(Ordering::Relaxed).to_string(),
        )
}
