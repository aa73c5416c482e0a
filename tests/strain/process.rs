//! The signer as a process of its own: started as it is shipped, confined where that is asked for, looked at from outside.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::issuer::{Issuer, SECRET};
use crate::wire::{Connection, bare};

pub(crate) const ACCESS_KEY: &str = "AKIDSTRAIN";
pub(crate) const S3_SECRET: &str = "strain-secret-of-the-access-key";
/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) type Setting<'a> = (&'a str, &'a str);

pub(crate) struct Signer {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// An address of this machine that is free now.
pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Signer {
    /// Starts it in `folder`, its log in `log` there, and does not wait.
    pub(crate) fn spawn(binary: &str, address: SocketAddr, folder: &Path, settings: &[Setting<'_>]) -> Self {
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let common = [
            ("SIGNER__SERVER__ALLOW_ROOT", "true"),
            ("SIGNER__STORAGE__BUCKET", "files"),
            ("SIGNER__STORAGE__VERIFY", "off"),
        ];
        let child = Command::new(binary)
            .args(["serve", "--listen", &address.to_string()])
            .env_clear()
            .envs(common.iter().chain(settings).copied())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, address }
    }

    /// Starts it with a shared secret and a static key, as most of these tests do, and waits until it is ready.
    pub(crate) async fn start(binary: &str, folder: &Path, bucket: &str, settings: &[Setting<'_>]) -> Self {
        let secret = String::from_utf8(SECRET.to_vec()).unwrap();
        let settings = [
            &[
                ("SIGNER__AUTH__HS256_SECRET", secret.as_str()),
                ("SIGNER__STORAGE__ENDPOINT", bucket),
                ("SIGNER__STORAGE__ACCESS_KEY_ID", ACCESS_KEY),
                ("SIGNER__STORAGE__SECRET_ACCESS_KEY", S3_SECRET),
            ],
            settings,
        ]
        .concat();
        let signer = Self::spawn(binary, free_address(), folder, &settings);
        signer.ready().await;
        signer
    }

    pub(crate) async fn ready(&self) {
        let patience = Instant::now() + PATIENCE;
        while !is_ready(self.address).await {
            assert!(Instant::now() < patience, "the signer is not ready");
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }

    /// Resident memory, in KiB.
    pub(crate) fn rss_kib(&self) -> f64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("the signer lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the signer lives");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("the signer lives").count()
    }

    /// CPU time so far, in seconds: user and system of `/proc/PID/stat`, in the kernel's hundredths.
    pub(crate) fn cpu_secs(&self) -> f64 {
        let stat = std::fs::read_to_string(self.proc("stat")).expect("the signer lives");
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).expect("the signer lives");
    }

    /// Whether it has ended: in order, or this does, too.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none_or(|status| status.success()), "the signer ended in disorder");
        ended.is_some()
    }

    /// Until it is gone, however it ends.
    pub(crate) fn reap(&mut self) {
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how long it took to end with 0.
    pub(crate) async fn stop(mut self) -> Duration {
        let start = Instant::now();
        self.signal(Signal::TERM);
        while !self.has_ended() {
            assert!(start.elapsed() < Duration::from_secs(30), "the signer does not end");
            sleep(Duration::from_millis(5)).await;
        }
        start.elapsed()
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asked over a connection of its own, as load balancers do.
pub(crate) async fn is_ready(address: SocketAddr) -> bool {
    let Some(mut connection) = Connection::open(address, None).await else { return false };
    connection.exchange(&bare("GET", "/readyz", "")).await.is_some_and(|(answer, _)| answer.status == 200)
}

pub(crate) fn unix_now() -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    i64::try_from(now).unwrap()
}

/// Claims of a token for one store, for longer than any of this takes.
pub(crate) fn claims(store: &str) -> serde_json::Value {
    json!({"storeId": store, "sub": store, "iat": unix_now(), "exp": unix_now() + 7200})
}

pub(crate) fn token(store: &str) -> String {
    Issuer::new("HS256").token(json!({}), &claims(store))
}

/// A part of one CPU: a control group that takes so much of each period, in microseconds.
pub(crate) struct Slice(PathBuf);

impl Slice {
    /// Of version 1 or 2; nothing where neither can be written, or is not there.
    pub(crate) fn new(quota: u32, period: u32) -> Option<Self> {
        let name = format!("signer-strain-{}", std::process::id());
        let v1 = Path::new("/sys/fs/cgroup/cpu");
        let folder = if v1.is_dir() { v1.join(name) } else { Path::new("/sys/fs/cgroup").join(name) };
        std::fs::create_dir(&folder).ok()?;
        let slice = Self(folder);
        let write = |file: &str, value: String| std::fs::write(slice.0.join(file), value).is_ok();
        let set = if v1.is_dir() {
            write("cpu.cfs_period_us", period.to_string()) && write("cpu.cfs_quota_us", quota.to_string())
        } else {
            write("cpu.max", format!("{quota} {period}"))
        };
        set.then_some(slice)
    }

    pub(crate) fn confine(&self, signer: &Signer) {
        std::fs::write(self.0.join("cgroup.procs"), signer.pid().to_string()).unwrap();
    }
}

impl Drop for Slice {
    /// After its process, or it is not empty.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}
