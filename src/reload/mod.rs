//! Reading the configuration again while requests run: at SIGHUP, and when its file, or a file with a
//! key that it names, has changed.
//!
//! The new service is made beside the old one and takes over in one step when it can do all that the
//! old one could: it has keys and credentials, and its buckets have been asked. A configuration with a
//! mistake, or one that gets no keys, is refused as a whole and the old one stays. A request keeps the
//! service it began with, so no answer mixes two configurations, and no connection is closed.
//!
//! A mistake is one until somebody mends it. What was refused because others were not ready, such as an
//! identity provider, may be good in a while, and is tried again without being asked.
//!
//! Files of access keys, key sets, revoked tokens and certificates are followed by those who use them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::api::App;
use crate::config::{self, Config, ConfigError};
use crate::files::{Settled, read_bounded};
use crate::outbound::doubled;
use crate::run::{StartError, start_app};
use crate::server::{Live, system_clock};
use crate::totals::Totals;

/// How long everything takes.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How often files are looked at. What has changed must be the same twice, so that a file is not read half written.
    look: Duration,
    /// How long a new service may take to get its keys, its credentials, and a word of its buckets.
    ready_within: Duration,
    /// From a refusal that may pass to the next try; twice as long after the next, and so on.
    again: Duration,
    most: Duration,
}

const PACE: Pace = Pace {
    look: Duration::from_millis(500),
    ready_within: Duration::from_secs(30),
    // A try asks others for keys, credentials and objects, who may have trouble enough.
    again: Duration::from_mins(1),
    most: Duration::from_mins(5),
};
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Why the last configuration stays in force.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("it had no {missing} within {} seconds", .within.as_secs())]
    NotReady { missing: &'static str, within: Duration },
    #[error("the runtime ends")]
    Ending,
}

impl ReloadError {
    /// Whether the very same configuration may be good in a while.
    const fn may_pass(&self) -> bool {
        matches!(self, Self::Start(_) | Self::NotReady { .. })
    }
}

/// When the configuration that was refused is tried again.
#[derive(Debug, Default)]
struct Again {
    refused: u32,
    due: Option<Instant>,
}

impl Again {
    fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// In how long.
    fn after_refusal(&mut self, pace: &Pace) -> Duration {
        let pause = doubled(pace.again, self.refused, pace.most);
        self.refused = self.refused.saturating_add(1);
        self.due = Instant::now().checked_add(pause);
        pause
    }
}

/// What the followed files hold, as a digest: some of it is secret.
type Seen = Vec<u8>;

/// Follows the configuration for as long as the service runs.
pub(crate) struct Reloader {
    source: config::Source,
    live: Arc<Live>,
    in_force: Config,
    hangup: Signal,
    totals: Arc<Totals>,
    again: Again,
    pace: Pace,
}

impl Reloader {
    /// # Errors
    ///
    /// The system's, when SIGHUP cannot be caught.
    pub(crate) fn new(
        source: config::Source,
        live: Arc<Live>,
        in_force: Config,
        totals: Arc<Totals>,
    ) -> std::io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        Ok(Self { source, live, in_force, hangup, totals, again: Again::default(), pace: PACE })
    }

    pub(crate) async fn follow(self) {
        let seen = self.look().await;
        self.follow_from(seen).await;
    }

    async fn follow_from(mut self, seen: Seen) {
        let mut settled = Settled::new(seen);
        loop {
            let is_asked = tokio::select! {
                _ = self.hangup.recv() => true,
                () = sleep(self.pace.look) => false,
            };
            let seen = self.look().await;
            let is_new = if is_asked {
                // Whether the configuration is good or not: the file may have been moved away.
                self.live.app().audit().reopen();
                settled.judge(seen);
                true
            } else {
                settled.look(seen).is_some()
            };
            if is_new {
                self.again = Again::default();
            }
            if is_new || self.again.is_due() {
                self.reload().await;
            }
        }
    }

    async fn look(&self) -> Seen {
        let files: Vec<_> =
            std::iter::once(self.source.file()).chain(self.in_force.key_files.iter().cloned()).collect();
        tokio::task::spawn_blocking(move || digest(&files)).await.unwrap_or_default()
    }

    async fn reload(&mut self) {
        match self.replacement().await {
            Ok((config, app)) => {
                for key in needs_restart(&self.in_force, &config) {
                    tracing::warn!("{key} has changed, which counts after a restart");
                }
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                self.live.replace(app);
                self.in_force = config;
                self.again = Again::default();
                let reloaded = self.totals.reloaded(system_clock());
                tracing::info!(reloaded, "the configuration was read again and is in force");
            }
            Err(error) => {
                let refused = self.totals.reload_refused();
                let reason = error.to_string().replace('\n', "; ");
                let again = error.may_pass().then(|| self.again.after_refusal(&self.pace));
                if again.is_none() {
                    self.again = Again::default();
                }
                let again_in_secs = again.map(|pause| pause.as_secs());
                tracing::error!(
                    refused,
                    again_in_secs,
                    "the configuration is not used, the last one stays in force: {reason}"
                );
            }
        }
    }

    async fn replacement(&self) -> Result<(Config, Arc<App>), ReloadError> {
        let source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || source.load()).await;
        let config = read.map_err(|_| ReloadError::Ending)??;
        let app = Arc::new(start_app(&config, self.live.app().audit(), &self.totals).await?);
        settle(&app, self.pace.ready_within).await?;
        Ok((config, app))
    }
}

async fn settle(app: &App, within: Duration) -> Result<(), ReloadError> {
    let started = Instant::now();
    loop {
        match app.wants(system_clock()) {
            None => return Ok(()),
            Some(missing) if started.elapsed() >= within => return Err(ReloadError::NotReady { missing, within }),
            Some(_) => sleep(BETWEEN_LOOKS).await,
        }
    }
}

fn digest(files: &[PathBuf]) -> Seen {
    let mut hash = Context::new(&SHA256);
    for file in files {
        let content = read_bounded(file);
        // One that cannot be read is not the same as an empty one.
        hash.update(&[u8::from(content.is_ok())]);
        let content = content.unwrap_or_default();
        hash.update(&u64::try_from(content.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(&content);
    }
    hash.finish().as_ref().to_vec()
}

/// What the listener was made with, and does not change.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    same_settings(old, new).into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

/// Each of them, and whether it is the same.
fn same_settings(old: &Config, new: &Config) -> [(&'static str, bool); 15] {
    let (a, b) = (&old.server, &new.server);
    [
        ("server.listen", a.listen == b.listen),
        ("server.tls", a.tls == b.tls),
        ("server.http2", a.http2_max_streams == b.http2_max_streams),
        ("server.first_byte_timeout_secs", a.first_byte_timeout == b.first_byte_timeout),
        ("server.head_timeout_secs", a.head_timeout == b.head_timeout),
        ("server.write_timeout_secs", a.write_timeout == b.write_timeout),
        ("server.keep_alive_secs", a.keep_alive == b.keep_alive),
        ("server.drain_delay_secs", a.drain_delay == b.drain_delay),
        ("server.shutdown_grace_secs", a.shutdown_grace == b.shutdown_grace),
        ("server.max_connections", a.max_connections == b.max_connections),
        ("server.max_lag_ms", a.max_lag == b.max_lag),
        ("server.max_connections_per_address", a.max_connections_per_address == b.max_connections_per_address),
        ("server.max_head_bytes", a.max_head_bytes == b.max_head_bytes),
        ("server.max_headers", a.max_headers == b.max_headers),
        ("telemetry", old.telemetry == new.telemetry),
    ]
}

#[cfg(test)]
mod tests;
