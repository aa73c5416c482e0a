//! `make rolling`: three replicas behind a balancer are restarted in turn, fifty times in all, while a client asks.

mod balancer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::bucket::Bucket;
use crate::goal;
use crate::issuer::SECRET;
use crate::load::{Pace, Verdict, open_loop_until, percentile};
use crate::process::{ACCESS_KEY, S3_SECRET, Signer, free_address, is_ready, token};
use crate::wire::{Client, bare, get, post};
use balancer::{Balancer, HEALTH_INTERVAL};

const REPLICAS: usize = 3;
const RESTARTS: usize = 50;
const PER_SEC: f64 = 400.0;
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than it takes to drain a replica: some calls are always under way.
pub(crate) const BUCKET_LATENCY: Duration = Duration::from_millis(300);
/// All of it, however long the restarts take.
const AT_MOST: Duration = Duration::from_mins(5);

pub(crate) struct Replica<'a> {
    binary: &'a str,
    folder: tempfile::TempDir,
    settings: Vec<(&'static str, String)>,
    pub(crate) signer: Signer,
}

impl<'a> Replica<'a> {
    pub(crate) async fn start(binary: &'a str, bucket: &Bucket) -> Self {
        let settings = vec![
            ("SIGNER__AUTH__HS256_SECRET", String::from_utf8(SECRET.to_vec()).unwrap()),
            ("SIGNER__STORAGE__ENDPOINT", bucket.url()),
            ("SIGNER__STORAGE__ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("SIGNER__STORAGE__SECRET_ACCESS_KEY", S3_SECRET.to_owned()),
            ("SIGNER__SERVER__DRAIN_DELAY_SECS", "1".to_owned()),
        ];
        let folder = tempfile::tempdir().unwrap();
        let signer = spawn(binary, free_address(), &folder, &settings);
        signer.ready().await;
        Self { binary, folder, settings, signer }
    }

    /// SIGTERM, the end, the next one at the same address: how long draining took, and then being ready.
    async fn restart(&mut self) -> (Duration, Duration) {
        let begun = Instant::now();
        self.signer.signal(Signal::TERM);
        while !self.signer.has_ended() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the signer does not end");
            sleep(Duration::from_millis(5)).await;
        }
        let drained = begun.elapsed();
        let begun = Instant::now();
        self.start_again().await;
        (drained, begun.elapsed())
    }

    /// The next one at the same address, once there is none.
    pub(crate) async fn start_again(&mut self) {
        self.signer = spawn(self.binary, self.signer.address, &self.folder, &self.settings);
        self.signer.ready().await;
    }
}

fn spawn(
    binary: &str,
    address: std::net::SocketAddr,
    folder: &tempfile::TempDir,
    settings: &[(&'static str, String)],
) -> Signer {
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    Signer::spawn(binary, address, folder.path(), &settings)
}

pub(crate) async fn run(binary: &str) -> usize {
    let bucket = Bucket::start(BUCKET_LATENCY).await;
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Replica::start(binary, &bucket).await);
    }
    let addresses: Vec<_> = replicas.iter().map(|replica| replica.signer.address).collect();
    let balancer = Balancer::start(&addresses).await;
    let client = Arc::new(Client::new(balancer.address, 1000));
    println!(
        "{RESTARTS} restarts of {REPLICAS} replicas, {PER_SEC} requests a second, health asked each {HEALTH_INTERVAL:?}"
    );

    let over = Arc::new(AtomicBool::new(false));
    let load = {
        let (client, token, over) = (Arc::clone(&client), token("s1"), Arc::clone(&over));
        let pace = Pace { per_sec: PER_SEC, time: AT_MOST, patience: PATIENCE };
        let is_over = move || over.load(Ordering::Relaxed);
        let ask = move |number| ask(Arc::clone(&client), token.clone(), number);
        tokio::spawn(async move { open_loop_until(pace, is_over, ask).await })
    };
    let (mut drains, mut starts) = (Vec::new(), Vec::new());
    for number in 0..RESTARTS {
        let (drained, started) = replicas[number % REPLICAS].restart().await;
        drains.push(drained);
        starts.push(started);
        // The next one only when this one is back, as a rolling deploy does it.
        while balancer.healthy() < REPLICAS {
            sleep(Duration::from_millis(20)).await;
        }
    }
    over.store(true, Ordering::Relaxed);
    let figures = load.await.unwrap();
    let ready = is_ready(replicas[0].signer.address).await;

    println!("{}; never sent and so sent elsewhere: {}", figures.summary(), balancer.retried());
    println!("taken by each replica's address: {:?}", balancer.taken());
    let failed = figures.samples.len() - figures.good();
    let millis = |times: &[Duration], percent| percentile(times.to_vec(), percent);
    let mut missed =
        goal(failed == 0 && ready, "failed requests", "0", &format!("{failed} of {}", figures.samples.len()));
    println!("         start to ready: median {:.1} ms, max {:.1} ms", millis(&starts, 50), millis(&starts, 100));
    println!("         SIGTERM to end: median {:.0} ms, max {:.0} ms", millis(&drains, 50), millis(&drains, 100));
    println!(
        "         p99 of good answers through the balancer: {:.0} ms (the bucket takes 300)",
        figures.p99(&Verdict::Good)
    );
    missed += goal(drains.len() == RESTARTS, "restarts", "50", &drains.len().to_string());
    missed
}

/// Signing and calls to the bucket, each with what it must say.
pub(crate) async fn ask(client: Arc<Client>, token: String, number: u64) -> Verdict {
    let key = format!("s1/file-{number}");
    let body = json!({"key": key});
    let (request, good) = match number % 8 {
        0 => (bare("DELETE", &format!("/object?key={key}"), &token), 204),
        1 => (get(&format!("/object?key={key}"), &token), 200),
        2 => (post("/v1/delete", &token, &body), 204),
        3 | 4 => (post("/upload-url", &token, &body), 200),
        _ => (get(&format!("/download-url?key={key}"), &token), 200),
    };
    match client.ask(&request).await {
        Ok(answer) if good == 200 && answer.status == 200 && answer.json()["key"] != key => {
            Verdict::Wrong("the key".to_owned())
        }
        answer => Verdict::of(answer, good),
    }
}
