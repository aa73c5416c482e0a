//! `make replicas`: two replicas behind nginx, as `deploy/nginx` configures it, are killed in turn while a client asks.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::bucket::Bucket;
use crate::goal;
use crate::load::{Pace, Verdict, open_loop_until};
use crate::process::{Signer, free_address, is_ready, token};
use crate::rolling::{BUCKET_LATENCY, Replica, ask};
use crate::wire::Client;

const CONFIG: &str = include_str!("../../deploy/nginx/signer.conf");
const KILLS: usize = 10;
const PER_SEC: f64 = 400.0;
/// As long as nginx waits for all its tries.
const PATIENCE: Duration = Duration::from_secs(20);
/// One replica is away for so long, and both are there for so long: nginx tries a failed one again after two seconds.
const AWAY: Duration = Duration::from_millis(1500);
const BOTH: Duration = Duration::from_millis(2500);
const AT_MOST: Duration = Duration::from_mins(2);

/// The shipped configuration with the addresses of this run, and nothing else changed.
struct Nginx {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Nginx {
    async fn start(upstreams: &[SocketAddr]) -> Self {
        let address = free_address();
        let folder = tempfile::tempdir().unwrap();
        let mut shipped = CONFIG.to_owned();
        let shipped_names = ["127.0.0.1:8787 ".to_owned(), "127.0.0.1:8788 ".to_owned(), "listen 80;".to_owned()];
        let names = [format!("{} ", upstreams[0]), format!("{} ", upstreams[1]), format!("listen {address};")];
        for (from, to) in shipped_names.iter().zip(&names) {
            assert_eq!(shipped.matches(from).count(), 1, "deploy/nginx/signer.conf has no `{from}`");
            shipped = shipped.replace(from, to);
        }
        // The rest is what a distribution ships: who runs it, and where it may write.
        let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let places = places.map(|place| format!("{place}_temp_path {place};\n")).concat();
        let main = format!(
            "daemon off;\nworker_processes 2;\npid pid;\nerror_log error.log warn;\n\
             events {{ worker_connections 4096; }}\nhttp {{\naccess_log off;\n{places}\n{shipped}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), main).unwrap();
        // Root's worker processes are another user's.
        let folder_mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), folder_mode).unwrap();
        let child = Self::spawn(folder.path());
        let nginx = Self { child, address, folder };
        let begun = Instant::now();
        while !is_ready(address).await {
            assert!(begun.elapsed() < Duration::from_secs(10), "nginx does not answer");
            sleep(Duration::from_millis(20)).await;
        }
        nginx
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn spawn(folder: &Path) -> Child {
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "error.log"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("nginx is installed")
    }
}

impl Drop for Nginx {
    /// At once, with its workers.
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
    }
}

pub(crate) async fn run(binary: &str) -> usize {
    let bucket = Bucket::start(BUCKET_LATENCY).await;
    let mut replicas = [Replica::start(binary, &bucket).await, Replica::start(binary, &bucket).await];
    let addresses = replicas.each_ref().map(|replica| replica.signer.address);
    let nginx = Nginx::start(&addresses).await;
    let client = Arc::new(Client::new(nginx.address, 2000));
    println!("2 replicas behind nginx, {PER_SEC} requests a second, {KILLS} kills");

    let over = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let load = {
        let (client, token, over) = (Arc::clone(&client), token("s1"), Arc::clone(&over));
        let pace = Pace { per_sec: PER_SEC, time: AT_MOST, patience: PATIENCE };
        let is_over = move || over.load(Ordering::Relaxed);
        let ask = move |number| ask(Arc::clone(&client), token.clone(), number);
        tokio::spawn(async move { open_loop_until(pace, is_over, ask).await })
    };
    let mut kills = Vec::new();
    for number in 0..KILLS {
        sleep(BOTH).await;
        let replica = &mut replicas[number % 2];
        let signal = if number / 2 % 2 == 0 { Signal::KILL } else { Signal::TERM };
        kills.push(format!("{} at {:.1} s", name_of(signal), begun.elapsed().as_secs_f64()));
        end(&mut replica.signer, signal).await;
        sleep(AWAY).await;
        replica.start_again().await;
    }
    sleep(BOTH).await;
    over.store(true, Ordering::Relaxed);
    let figures = load.await.unwrap();

    println!("         {}", figures.summary());
    println!("         killed: {}", kills.join(", "));
    let sent = figures.samples.len();
    let failed = sent - figures.good();
    println!("         p99 of good answers: {:.0} ms (the bucket takes 300)", figures.p99(&Verdict::Good));
    let mut missed = goal(failed == 0, "failed requests", "0", &format!("{failed} of {sent} sent"));
    let enough = sent as f64 > PER_SEC * (KILLS as f64) * (BOTH + AWAY).as_secs_f64() * 0.9;
    if failed > 0 {
        println!("{}", nginx.last_words());
    }
    missed += goal(enough, "requests went on meanwhile", "400 a second", &format!("{:.0}", figures.asked_per_sec()));
    missed
}

async fn end(signer: &mut Signer, signal: Signal) {
    let begun = Instant::now();
    signer.signal(signal);
    if signal == Signal::KILL {
        return signer.reap();
    }
    while !signer.has_ended() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the signer does not end");
        sleep(Duration::from_millis(5)).await;
    }
}

fn name_of(signal: Signal) -> &'static str {
    if signal == Signal::KILL { "SIGKILL" } else { "SIGTERM" }
}
