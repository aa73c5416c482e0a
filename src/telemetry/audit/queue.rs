//! Lines on their way to a thread of their own, so that no request waits for a disk.
//!
//! The queue is bounded. What it cannot take is counted, and a line says how many are missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::record::dropped_line;
use super::sink::Sink;

/// Lines that may wait: at most 32 MiB, as a rule three.
const CAPACITY: usize = 8192;

/// How long one line may keep the thread before the sink counts as failing, and how long it then rests.
const PATIENCE: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_millis(200);

enum Message {
    Line(Vec<u8>),
    /// All before it is to be written.
    Flush(Sender<()>),
}

/// The queue's open end.
#[derive(Debug)]
pub(super) struct Queue {
    sender: SyncSender<Message>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since the last line that told of it.
    dropped: AtomicU64,
    dropped_in_all: AtomicU64,
    /// Nobody waits for the rest any more.
    closed: AtomicBool,
}

impl Queue {
    /// Starts the thread that writes to `sink`.
    pub(super) fn start(sink: Sink) -> std::io::Result<Self> {
        Self::of(sink, CAPACITY)
    }

    fn of(sink: Sink, capacity: usize) -> std::io::Result<Self> {
        let (sender, lines) = sync_channel(capacity);
        let state = Arc::new(State::default());
        let writer = Writer { lines, sink, state: Arc::clone(&state), is_failing: false, since_told: 0, capacity };
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        Ok(Self { sender, state })
    }

    /// Never waits.
    pub(super) fn push(&self, line: Vec<u8>) {
        if self.sender.try_send(Message::Line(line)).is_err() {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
            self.state.dropped_in_all.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.state.dropped_in_all.load(Ordering::Relaxed)
    }

    /// Waits until all lines so far are written, but no longer than `within`. Whether they are.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let begun = Instant::now();
        let (done, is_done) = channel();
        let mut message = Message::Flush(done);
        loop {
            match self.sender.try_send(message) {
                Ok(()) => return is_done.recv_timeout(within.saturating_sub(begun.elapsed())).is_ok(),
                Err(TrySendError::Full(back)) if begun.elapsed() < within => message = back,
                Err(_) => return false,
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::Relaxed);
    }
}

struct Writer {
    lines: Receiver<Message>,
    sink: Sink,
    state: Arc<State>,
    is_failing: bool,
    /// Lines written since it was told how many are missing.
    since_told: usize,
    capacity: usize,
}

impl Writer {
    fn run(mut self) {
        loop {
            let message = match self.lines.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    // What was dropped came after all that waited, so here is its place.
                    self.tell_dropped();
                    let Ok(message) = self.lines.recv() else { return };
                    message
                }
            };
            match message {
                Message::Line(line) => self.write(&line),
                Message::Flush(done) => {
                    self.tell_dropped();
                    // Who asked may have lost patience.
                    let _ = done.send(());
                }
            }
            self.since_told = self.since_told.saturating_add(1);
            if self.since_told >= self.capacity {
                // The queue is never empty under such a load.
                self.tell_dropped();
            }
        }
    }

    fn tell_dropped(&mut self) {
        self.since_told = 0;
        let dropped = self.state.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::error!(
                dropped,
                "lines of the audit log were dropped: they came faster than they could be written"
            );
            self.write(&dropped_line(dropped));
        }
    }

    /// Until it is written, or nobody is there any more to whom it matters.
    fn write(&mut self, line: &[u8]) {
        while let Err(error) = self.sink.write(line, PATIENCE) {
            if !self.is_failing {
                self.is_failing = true;
                tracing::error!("the audit log cannot be written, lines wait: {error}");
            }
            if self.state.closed.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(REST);
        }
        if self.is_failing {
            self.is_failing = false;
            tracing::info!("the audit log is written again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A sink that fails until it is told to look at its name again, behind which then is a file.
    fn broken(folder: &Path, capacity: usize) -> (Queue, Arc<AtomicBool>, std::path::PathBuf) {
        let path = folder.join("log");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let reopen = Arc::new(AtomicBool::new(false));
        let queue = Queue::of(Sink::open(Some(&path), Arc::clone(&reopen)).unwrap(), capacity).unwrap();
        (queue, reopen, path)
    }

    #[test]
    fn what_waits_while_the_disk_is_full_is_written_later_and_the_rest_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (queue, reopen, path) = broken(folder.path(), 3);
        queue.push(b"0\n".to_vec());
        assert!(!queue.flush(Duration::from_millis(50)));
        // One is in the writer's hand, the question of before waits, and two more fit.
        for line in 1..=7 {
            queue.push(format!("{line}\n").into_bytes());
        }
        assert_eq!(queue.dropped(), 5);
        std::fs::remove_file(&path).unwrap();
        reopen.store(true, Ordering::Relaxed);
        assert!(queue.flush(Duration::from_secs(20)));
        queue.push(b"8\n".to_vec());
        assert!(queue.flush(Duration::from_secs(20)));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.replace("{\"dropped\":5}\n", ""), "0\n1\n2\n8\n");
        assert!(text.contains("{\"dropped\":5}\n"), "{text}");
    }

    #[test]
    fn a_queue_that_is_let_go_ends_its_thread_also_when_nothing_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let (queue, _, _) = broken(folder.path(), 2);
        queue.push(b"0\n".to_vec());
        let state = Arc::downgrade(&queue.state);
        drop(queue);
        let end = Instant::now() + Duration::from_secs(20);
        while state.strong_count() > 0 {
            assert!(Instant::now() < end, "the thread goes on");
            thread::sleep(Duration::from_millis(10));
        }
    }
}
