//! `signer check`: asks the configured bucket for all that the service will rely on.
//!
//! Every request but three is presigned by the service's own presigner, or made by its own client, for a caller
//! of the store `.signer-check`, whose token is signed with a secret of this run.
//! The three read and replace the bucket's CORS document, for `--fix-cors`, and read its lifecycle document.
//!
//! ```text
//! reach    dns, connection, clock, credentials, region, addressing
//! bucket   each right; the address of clients; what a client does
//! bounds   what a URL does not allow is refused
//! copies   whoever may write one key reads no other
//! parts    an upload in parts, where they are on
//! sessions temporary credentials do no more than they should, where they are given
//! cors     what browsers ask first
//! ```
//!
//! A step that fails ends those after it that need it, with one line that says so.
//! What was put is deleted at the end, also after Ctrl-C, SIGTERM and a closed terminal. No line holds a secret,
//! the query of a URL, or text of the server besides its error code.

mod bench;
mod bounds;
mod bucket;
mod copies;
mod cors;
mod escapes;
mod parts;
mod reach;
mod report;
mod rule;
mod sessions;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, Storage};
use crate::random::NoRandomness;
use bench::Bench;
use report::{Report, Stopped};

pub use report::{Line, Status};
pub use rule::{CorsFormat, Pages, cors_document};

/// Why no check could be made.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// No client.
    #[error("the HTTP client cannot be built")]
    Client(#[from] reqwest::Error),
    /// No random numbers.
    #[error("this machine gives no randomness")]
    Randomness,
    /// The token for ourselves does not hold. Never seen unless this module or the clock is wrong.
    #[error("the check cannot let itself in: {0}")]
    Caller(String),
}

impl From<NoRandomness> for DoctorError {
    fn from(_: NoRandomness) -> Self {
        Self::Randomness
    }
}

/// Checks one bucket of `config`, telling each line as it comes; with `fix_cors` adds the CORS rule where it is missing.
///
/// # Errors
///
/// [`DoctorError`] when this machine lacks something. A bucket that fails is no error but a line.
pub async fn check(
    config: &Config,
    storage: &Storage,
    fix_cors: bool,
    clock: fn() -> Timestamp,
    tell: &mut (dyn FnMut(&Line) + Send),
) -> Result<Vec<Line>, DoctorError> {
    let bench = Bench::new(storage, clock)?;
    let mut report = Report::new(shown_name(config, storage), tell);
    let ended = tokio::select! {
        ended = examine(&bench, config, fix_cors, &mut report) => Some(ended),
        () = interrupted() => None,
    };
    match ended {
        Some(Ok(())) => {}
        Some(Err(stopped)) => report.left_out(stopped),
        None => report.fail("interrupted", "the checks are not complete", "let them end"),
    }
    clean_up(&bench, &mut report).await;
    Ok(report.into_lines())
}

async fn clean_up(bench: &Bench<'_>, report: &mut Report<'_>) {
    if let Some((count, reason)) = bench.clean_up().await {
        let evidence = format!("{count} small objects below {}/ cannot be deleted: {reason}", bench.folder());
        report.warn("clean up", evidence, "delete them, and their versions if the bucket keeps some");
    }
}

/// Ends at a signal that would end the process, whose objects would then stay.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// The cheap part of [`check`], for the start: one request, which changes nothing. A strict start also tries whether
/// whoever may PUT one key can read others with it, unless the provider is known to refuse that.
///
/// # Errors
///
/// [`DoctorError`] when this machine lacks something. A bucket that fails is no error but a line.
pub async fn verify(config: &Config, storage: &Storage, clock: fn() -> Timestamp) -> Result<Vec<Line>, DoctorError> {
    let bench = Bench::new(storage, clock)?;
    let mut nobody = |_: &Line| {};
    let mut report = Report::new(shown_name(config, storage), &mut nobody);
    // What stopped it is a line of its own.
    if reach::reach(&bench, &mut report).await.is_ok() && copies::is_tried_at_start(storage) {
        copies::copies(&bench, &bench.own, config.multipart.is_some(), &mut report).await;
        clean_up(&bench, &mut report).await;
    }
    Ok(report.into_lines())
}

/// The storage's name where there are several.
fn shown_name(config: &Config, storage: &Storage) -> Option<String> {
    (!config.storages.is_empty()).then(|| storage.name.clone())
}

async fn examine(bench: &Bench<'_>, config: &Config, fix_cors: bool, report: &mut Report<'_>) -> Result<(), Stopped> {
    reach::reach(bench, report).await?;
    bucket::permissions(bench, report).await?;
    let site = bucket::public(bench, report).await;
    bucket::round_trip(bench, site, report).await?;
    bounds::bounds(bench, site, (&bench.storage.upload_rules, config.multipart.is_some()), report).await;
    if let Some(multipart) = &config.multipart {
        parts::parts(bench, site, multipart, report).await;
    }
    sessions::sessions(bench, site, report).await;
    cors::cors(bench, site, &Pages::of(config, bench.storage), fix_cors, report).await
}
