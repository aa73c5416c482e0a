//! Too little CPU: how late the service is, and what then becomes of those who wait to be connected.
//!
//! Signing never waits, so no place runs out when there is more to sign than the CPU gives: the requests wait for their
//! turn, all alike, until clients lose patience and what is answered is asked by nobody any more. To refuse a request
//! that was read costs most of what signing it costs, so refusing cannot win it back either. What can: those who are
//! connected are served, and new ones wait in the system's queue, which costs nothing, is short, and turns away what it does not hold.
//! Of that queue a few are taken each turn, so that probes of `/livez` and the like are answered, and whoever has left is dropped.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, listen, recv, send};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::Service;
use super::counts::{Counts, Occasionally};
use super::lag::Lag;
use super::live::Live;

/// How many may wait in the system's queue; and when it has not been empty for long, and to wait longer is of no use.
const QUEUE: i32 = 1024;
const SHORT_QUEUE: i32 = 32;

/// What is looked at to find what is asked for, and what is taken of a request that is refused: a whole one, as a rule.
const START_BYTES: usize = 256;
const REQUEST_BYTES: usize = 4096;

/// The whole answer to who is not served. Without the headers for a page, whose origin would have to be read.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 63\r\n\r\n\
    {\"error\":\"too much to do; try again later\",\"code\":\"overloaded\"}";

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is served.
    Enter,
    /// Its client has left.
    Gone,
    /// It was refused.
    Refused,
}

/// Since when somebody was found in the system's queue each time that it was looked into. Not since when it was seen empty:
/// while nobody comes, nobody looks.
#[derive(Debug, Default)]
struct Waiting(Option<Instant>);

impl Waiting {
    fn found(&mut self) {
        self.0.get_or_insert_with(Instant::now);
    }

    fn lasts(&self) -> Duration {
        self.0.map(|since| since.elapsed()).unwrap_or_default()
    }
}

/// Decides who comes in.
pub(super) struct Door {
    /// How long work may wait, if there is a limit.
    most: Option<Duration>,
    lag: Arc<Lag>,
    waiting: Waiting,
    queue_is_short: bool,
    said: Occasionally,
    counts: Arc<Counts>,
    live: Arc<Live>,
    /// What is asked can be read, and a refusal be written.
    is_plain: bool,
}

impl Door {
    pub(super) fn new(service: &Service) -> Self {
        Self {
            most: service.settings.max_lag,
            lag: Lag::start(service.settings.max_lag),
            waiting: Waiting::default(),
            queue_is_short: false,
            said: Occasionally::default(),
            counts: Arc::clone(&service.counts),
            live: Arc::clone(&service.live),
            is_plain: service.tls.is_none(),
        }
    }

    /// Nobody waits now.
    pub(super) fn seen_empty(&mut self) {
        self.waiting = Waiting::default();
    }

    /// What becomes of one that was just taken from the queue.
    pub(super) fn judge(&mut self, stream: &TcpStream) -> Verdict {
        let Some(most) = self.most else { return Verdict::Enter };
        self.waiting.found();
        // There is time, and nobody waited for so long that patience could be lost. Then a client that has closed its half is
        // one that has said all it wants to say.
        if !self.queue_is_short && self.lag.now() < most.div_f32(2.0) {
            return Verdict::Enter;
        }
        if has_left(stream) {
            self.counts.gone.add();
            return Verdict::Gone;
        }
        if !self.lag.stands() || self.is_probe(stream) {
            return Verdict::Enter;
        }
        self.refuse(stream);
        Verdict::Refused
    }

    /// Gives the system's queue the length that is of use now. A socket that listens may be told again.
    pub(super) fn fit_queue(&mut self, listener: &TcpListener) {
        let is_behind = self.most.is_some_and(|most| {
            // A short queue is empty now and then also while there is too much to do.
            let goes_on = self.queue_is_short && self.lag.now() > most.div_f32(2.0);
            goes_on || self.waiting.lasts() > most.saturating_mul(2)
        });
        if is_behind != self.queue_is_short {
            self.queue_is_short = is_behind;
            // Where the system refuses, the queue stays as it was.
            let _ = listen(listener, if is_behind { SHORT_QUEUE } else { QUEUE });
        }
    }

    fn is_probe(&self, stream: &TcpStream) -> bool {
        self.is_plain && first_words(stream).is_some_and(|(method, target)| self.live.app().is_open(&method, &target))
    }

    fn refuse(&mut self, stream: &TcpStream) {
        if self.is_plain {
            answer(stream);
        }
        let refused = self.counts.refused.add();
        if self.said.is_due(Instant::now()) {
            tracing::warn!(
                refused,
                "new connections are refused: what there is to do waits longer than server.max_lag_ms"
            );
        }
    }
}

/// Whether the client of a new connection has closed it, or its half of it, in the meantime.
fn has_left(stream: &TcpStream) -> bool {
    let ends = PollFlags::HUP | PollFlags::ERR;
    #[cfg(target_os = "linux")]
    let ends = ends | PollFlags::RDHUP;
    let mut polled = [PollFd::from_borrowed_fd(stream.as_fd(), ends)];
    matches!(poll(&mut polled, Some(&Timespec::default())), Ok(1))
        && polled.iter().any(|one| one.revents().intersects(ends))
}

/// Method and target that a new connection asks for first, when they have come.
fn first_words(stream: &TcpStream) -> Option<(String, String)> {
    let mut start = [0; START_BYTES];
    let (_, length) = recv(stream, &mut start, RecvFlags::PEEK | RecvFlags::DONTWAIT).ok()?;
    let start = std::str::from_utf8(start.get(..length)?).ok()?;
    let mut words = start.split(' ');
    let found = (words.next()?.to_owned(), words.next()?.to_owned());
    // The target has ended.
    words.next().map(|_| found)
}

/// Answers without reading what is asked, as far as that takes no waiting, and closes.
fn answer(stream: &TcpStream) {
    let mut request = [0; REQUEST_BYTES];
    // Taken, because the system resets a connection that is closed with something unread, and takes the answer back.
    if recv(stream, &mut request, RecvFlags::DONTWAIT).is_ok_and(|(_, length)| length > 0) {
        let _ = send(stream, REFUSAL, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_after_a_quiet_hour_has_not_waited_for_an_hour() {
        let mut waiting = Waiting::default();
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(waiting.lasts(), Duration::ZERO);
        waiting.found();
        tokio::time::advance(Duration::from_millis(5)).await;
        waiting.found();
        assert_eq!(waiting.lasts(), Duration::from_millis(5));
    }
}
