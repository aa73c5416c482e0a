//! What a service manager hands over and wants to hear (systemd's `sd_notify(3)` and `sd_listen_fds(3)`).
//! Here, because it speaks through the environment. Without one, all of it does nothing.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// The socket that was opened for this process (`LISTEN_FDS`, `LISTEN_PID`), ready for tokio.
///
/// Takes the variables out of the environment, so it is called before there is a second thread.
///
/// # Errors
///
/// The system's, when what was handed over is no listening TCP socket, and when there is more than one.
pub fn inherited_listener() -> io::Result<Option<TcpListener>> {
    let mut handed = ListenFd::from_env();
    if handed.len() > 1 {
        return Err(io::Error::other(format!("{} sockets are handed over; there is use for one", handed.len())));
    }
    let Some(listener) = handed.take_tcp_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    Ok(Some(listener))
}

/// Whom to tell how the service is.
#[derive(Debug, Clone, Copy)]
pub struct Supervisor {
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    #[must_use]
    pub fn of_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }

    /// Nobody.
    #[must_use]
    pub fn none() -> Self {
        Self { watchdog: None }
    }

    /// How often it wants to hear that the service lives: twice as often as it would end it (`WATCHDOG_USEC`).
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit.div_f32(2.0)).filter(|half| !half.is_zero())
    }

    /// Requests are taken.
    pub fn ready(&self) {
        tell(NotifyState::Ready);
    }

    /// The service can still take requests.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            tell(NotifyState::Watchdog);
        }
    }

    /// It is about to end.
    pub fn stopping(&self) {
        tell(NotifyState::Stopping);
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("the service manager cannot be told: {error}");
    }
}
