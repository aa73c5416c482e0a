//! From a configuration to a running service.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::App;
use crate::build_info;
use crate::config::{self, Config, Server, Storage, Supervisor, Verify};
use crate::doctor::{self, DoctorError, Line, Status};
use crate::identity::{Authenticator, FetchError};
use crate::reload::Reloader;
use crate::server::{Service, TlsError, descriptors_for, system_clock};
use crate::storage::{Backend, ClientError};
use crate::telemetry::audit::Audit;
use crate::totals::Totals;

/// How long lines of the audit log are waited for at the end, and then traces.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {reason}")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// In words.
        reason: String,
    },
    /// The runtime or the signal handlers could not be set up.
    #[error("the runtime cannot be started: {0}")]
    Runtime(#[from] io::Error),
    /// The client for key sets could not be set up.
    #[error("keys cannot be fetched: {0}")]
    Keys(#[from] FetchError),
    /// The audit log cannot be opened.
    #[error("{place} cannot be opened for the audit log: {reason}")]
    Audit {
        /// The configured file, or standard output.
        place: String,
        /// In words.
        reason: String,
    },
    /// This machine lacks what it takes to try the bucket.
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    /// The bucket was tried, and does not hold.
    #[error("storage.verify is strict, and the bucket does not hold:\n{0}")]
    Verify(String),
    /// TLS could not be set up.
    #[error("server.tls cannot be used: {0}")]
    Tls(#[from] TlsError),
    /// The client for the bucket could not be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Takes an address, with a sentence that tells what to do when it is taken.
///
/// # Errors
///
/// [`StartError::Bind`].
pub async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => "it is in use; stop what uses it or choose another address".to_owned(),
            io::ErrorKind::PermissionDenied => "it needs more rights; choose a port from 1024 on".to_owned(),
            _ => error.to_string(),
        };
        StartError::Bind { address, reason }
    })
}

/// The socket that a service manager opened for this process, or else [`bind`].
///
/// # Errors
///
/// [`StartError::Bind`], and the runtime's when the socket is not usable.
pub async fn listen(inherited: Option<std::net::TcpListener>, address: SocketAddr) -> Result<TcpListener, StartError> {
    match inherited {
        Some(listener) => Ok(TcpListener::from_std(listener)?),
        None => bind(address).await,
    }
}

/// The service over a bound listener, until a signal ends it. With a `source` the configuration is read
/// again from there at SIGHUP, and when its files change.
///
/// # Errors
///
/// [`StartError`] when a part cannot be set up.
pub async fn run(config: &Config, source: Option<config::Source>, listener: TcpListener) -> Result<(), StartError> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let totals = Arc::new(Totals::new(system_clock()));
    let audit = Arc::new(Audit::start(&config.telemetry.audit).map_err(|error| no_audit(config, &error))?);
    serve_app(start_app(config, audit, &totals).await?, config, totals, source, listener).await
}

/// The same with a service that was set up before.
pub(crate) async fn serve_app(
    app: App,
    config: &Config,
    totals: Arc<Totals>,
    source: Option<config::Source>,
    listener: TcpListener,
) -> Result<(), StartError> {
    let app = Arc::new(app);
    let settings = within_descriptors(&config.server);
    let service = Service::new(app, &settings, system_clock)?
        .told_to(Supervisor::of_environment())
        .counting_in(Arc::clone(&totals));
    let audit = service.live().app().audit();
    let stop = stop_signal()?;
    ignore(SignalKind::user_defined1(), "SIGUSR1")?;
    ignore(SignalKind::user_defined2(), "SIGUSR2")?;
    match source {
        Some(source) => _ = tokio::spawn(Reloader::new(source, service.live(), config.clone(), totals)?.follow()),
        None => ignore(SignalKind::hangup(), "SIGHUP")?,
    }
    if let Some(address) = config.telemetry.metrics_listen {
        let listener = bind(address).await?;
        tracing::info!(address = %listener.local_addr()?, "metrics are told");
        // Not ended by the signal: while the service drains, it is asked how that goes.
        tokio::spawn(service.scrape().serve(listener));
    }
    let tls = settings.tls.is_some();
    if settings.cors.origins.is_empty() {
        tracing::info!("pages of other origins may not call: server.cors_origins is empty");
    }
    let (version, commit) = (build_info::VERSION, build_info::COMMIT);
    tracing::info!(address = %listener.local_addr()?, tls, version, commit, "listening");
    // As a task among the others, so that taking connections and serving them have their turns on the same threads.
    if let Err(error) = tokio::spawn(service.serve(listener, stop)).await {
        return Err(io::Error::other(error).into());
    }
    // Whoever waits here is this process alone.
    audit.flush(LAST_LINES);
    #[cfg(feature = "otlp")]
    crate::telemetry::otlp::finish(LAST_LINES);
    tracing::info!("stopped");
    Ok(())
}

/// All that answers requests, and what runs beside it, adding to what was counted before.
pub(crate) async fn start_app(config: &Config, audit: Arc<Audit>, totals: &Totals) -> Result<App, StartError> {
    let mut storages = Vec::new();
    for storage in config.all_storages() {
        storages.push(Backend::start_counting(storage, system_clock, totals.storage(&storage.name))?);
        verify(config, storage).await?;
    }
    let identity = Authenticator::start_counting(&config.auth, Arc::clone(&totals.identity))?;
    Ok(App::new(config, identity, storages).audited_by(audit).counting_in(Arc::clone(&totals.requests)))
}

fn no_audit(config: &Config, error: &io::Error) -> StartError {
    let place = config.telemetry.audit.file.as_ref().map(|file| format!("telemetry.audit_file `{}`", file.display()));
    StartError::Audit { place: place.unwrap_or_else(|| "standard output".to_owned()), reason: error.to_string() }
}

async fn verify(config: &Config, storage: &Storage) -> Result<(), StartError> {
    match storage.verify {
        Verify::Off => Ok(()),
        Verify::Warn => {
            let (config, storage) = (config.clone(), storage.clone());
            tokio::spawn(async move { log_verdict(doctor::verify(&config, &storage, system_clock).await) });
            Ok(())
        }
        Verify::Strict => {
            let lines = doctor::verify(config, storage, system_clock).await?;
            refuse_failures(&lines)?;
            log_verdict(Ok(lines));
            Ok(())
        }
    }
}

/// No more connections than the system gives descriptors for: calls to the bucket need some, too.
fn within_descriptors(settings: &Server) -> Server {
    let max_connections = descriptors_for(settings.max_connections);
    if max_connections < settings.max_connections {
        tracing::warn!(
            max_connections,
            "the limit of open files (RLIMIT_NOFILE) allows fewer connections than server.max_connections"
        );
    }
    Server { max_connections, ..settings.clone() }
}

fn log_verdict(verdict: Result<Vec<Line>, DoctorError>) {
    match verdict {
        Err(error) => tracing::warn!("the bucket could not be tried: {error}"),
        Ok(lines) => {
            for line in lines.iter().filter(|line| line.status != Status::Ok) {
                tracing::warn!("the bucket, at the start: {line}");
            }
        }
    }
}

fn refuse_failures(lines: &[Line]) -> Result<(), StartError> {
    let failed: Vec<_> = lines.iter().filter(|line| line.status == Status::Fail).map(Line::to_string).collect();
    if failed.is_empty() { Ok(()) } else { Err(StartError::Verify(failed.join("\n"))) }
}

/// Ends at the first SIGTERM or SIGINT; the second ends the process.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; a second signal stops at once");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(130);
        });
    })
}

/// Without this the signal would end the process. A terminal that closes sends SIGHUP (H13), and SIGUSR1 is what
/// those who rotate logs send to servers of other makes.
fn ignore(kind: SignalKind, name: &'static str) -> io::Result<()> {
    let mut received = signal(kind)?;
    tokio::spawn(async move {
        while received.recv().await.is_some() {
            tracing::info!("{name} means nothing here and is ignored");
        }
    });
    Ok(())
}
