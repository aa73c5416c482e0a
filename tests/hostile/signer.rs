//! The signer under attack, as it is shipped.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::attacks::Target;

/// Signing needs no bucket: nothing listens at its address.
const SETTINGS: [(&str, &str); 7] = [
    ("SIGNER__SERVER__ALLOW_ROOT", "true"),
    ("SIGNER__AUTH__HS256_SECRET", "hostile-hostile-hostile-hostile-hostile"),
    ("SIGNER__STORAGE__ENDPOINT", "http://127.0.0.1:1"),
    ("SIGNER__STORAGE__BUCKET", "files"),
    ("SIGNER__STORAGE__ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("SIGNER__STORAGE__SECRET_ACCESS_KEY", "hostile-secret"),
    ("SIGNER__STORAGE__VERIFY", "off"),
];

pub(crate) struct Signer {
    child: Child,
    target: Target,
}

impl Signer {
    pub(crate) async fn start(binary: &str, settings: &[(&str, &str)]) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let environment = SETTINGS.iter().chain(settings).copied();
        let folder = std::env::temp_dir();
        let mut minted = Command::new(binary);
        let minted = minted.args(["token", "--store-id", "s1"]).env_clear().envs(environment.clone());
        let minted = minted.current_dir(&folder).output().unwrap();
        assert!(minted.status.success(), "{}", String::from_utf8_lossy(&minted.stderr));
        let token = String::from_utf8(minted.stdout).unwrap().trim().to_owned();
        let child = Command::new(binary)
            .args(["serve", "--listen", &free.to_string()])
            .env_clear()
            .envs(environment)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let signer = Self { child, target: Target { address: free, token: Arc::from(token) } };
        signer.listens().await;
        signer
    }

    async fn listens(&self) {
        let patience = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.target.address).await.is_err() {
            assert!(Instant::now() < patience, "the signer does not listen");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn target(&self) -> Target {
        self.target.clone()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.target.address
    }

    /// The most memory that it held until then, in MB, looked at four times a second.
    pub(crate) async fn peak_rss_until(&self, end: Instant) -> f64 {
        let mut peak: f64 = 0.0;
        while Instant::now() < end {
            peak = peak.max(self.rss());
            sleep(Duration::from_millis(250)).await;
        }
        peak
    }

    fn rss(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the signer lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes * 1024.0 / 1e6
    }

    pub(crate) async fn stop(mut self) {
        // The process itself must still be the one that was started.
        assert!(self.child.try_wait().unwrap().is_none(), "the signer ended under attack");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        sleep(Duration::from_millis(100)).await;
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
