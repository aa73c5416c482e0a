//! The only listener: accept, deadlines, caps, TLS, drain. And the one reading of the clock for each request.
//!
//! ```text
//! accept      the loop: admits or closes, backs off when descriptors run out, drains
//! caps        how many connections, in all and from one address
//! door, lag   who comes in when there is too little CPU
//! tls         the handshake, and the files that are followed
//! connection  HTTP/1 and HTTP/2 over one connection; a panic is the caller's alone
//! live        the service itself, which may be replaced
//! scrape      `/metrics`, the one other listener
//! phases      what a connection is doing and how long it may
//! watched     tells the phases what happens on the socket
//! process     what the process may do, and root
//! ```

mod accept;
mod caps;
mod connection;
mod counts;
mod door;
mod lag;
mod live;
mod phases;
mod process;
mod scrape;
mod tls;
mod watched;

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::api::App;
use crate::config::{Server, Supervisor};
use crate::totals::Totals;

pub use counts::Counts;
pub use live::Live;
pub use process::{descriptors_for, harden, is_root, log_panics};
pub use scrape::Scrape;
pub(crate) use tls::read_pair;
pub use tls::{FollowedTls, TlsError};

/// What the system's clock says. A clock that no calendar holds is the end of time,
/// so that every token has expired and nothing is signed (J47).
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one reading of the clock")]
pub fn system_clock() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::MAX)
}

/// A service that can be put behind a listener.
#[derive(Debug)]
pub struct Service {
    live: Arc<Live>,
    settings: Server,
    clock: fn() -> Timestamp,
    supervisor: Supervisor,
    tls: Option<Arc<FollowedTls>>,
    counts: Arc<Counts>,
    totals: Arc<Totals>,
}

impl Service {
    /// `app` as `[server]` says, with this clock, told to nobody.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when the files of `server.tls` cannot be used.
    pub fn new(app: Arc<App>, settings: &Server, clock: fn() -> Timestamp) -> Result<Self, TlsError> {
        let tls = settings.tls.as_ref().map(|files| FollowedTls::start(files, settings.http2_max_streams.is_some()));
        Ok(Self {
            live: Arc::new(Live::new(app)),
            settings: settings.clone(),
            clock,
            supervisor: Supervisor::none(),
            tls: tls.transpose()?,
            counts: Arc::default(),
            totals: Arc::new(Totals::new(clock())),
        })
    }

    /// Tells this service manager how it is.
    #[must_use]
    pub fn told_to(self, supervisor: Supervisor) -> Self {
        Self { supervisor, ..self }
    }

    /// Adds to these counts.
    #[must_use]
    pub(crate) fn counting_in(self, totals: Arc<Totals>) -> Self {
        Self { totals, ..self }
    }

    /// The service in numbers.
    #[must_use]
    pub fn scrape(&self) -> Scrape {
        Scrape {
            live: self.live(),
            counts: self.counts(),
            totals: Arc::clone(&self.totals),
            clock: self.clock,
            max_connections: self.settings.max_connections,
        }
    }

    /// Where the service can be replaced.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// What happened to connections so far.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves until `stop` ends; then `/readyz` is 503 while new connections are still taken for
    /// `server.drain_delay_secs`, and what is in flight may end within `server.shutdown_grace_secs`.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        accept::serve(self, listener, stop).await;
    }
}
