//! Where the lines go: a file that may be moved away under us, or standard output. A line is written by one call, whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// How often it is looked whether the file is still where it was.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// For its owner alone: it says who does what.
const MODE: u32 = 0o600;

/// One place for lines.
#[derive(Debug)]
pub(super) struct Sink {
    /// Nothing: standard output.
    path: Option<PathBuf>,
    file: File,
    /// Which file it is: device and number.
    identity: (u64, u64),
    /// Writing to it never waits for a reader.
    is_regular: bool,
    looked: Instant,
    /// Somebody has asked for the file to be opened anew.
    reopen: Arc<AtomicBool>,
    /// What was written last has no end.
    is_torn: bool,
}

impl Sink {
    /// Opens the file, or standard output where there is none; a new file is for its owner alone. It is opened again
    /// when `reopen` says so, and when another file, or none, has its name.
    pub(super) fn open(path: Option<&Path>, reopen: Arc<AtomicBool>) -> io::Result<Self> {
        let (file, identity, is_regular) = open(path)?;
        let path = path.map(Path::to_owned);
        Ok(Self { path, file, identity, is_regular, looked: Instant::now(), reopen, is_torn: false })
    }

    /// Writes a line, waiting at most for `patience` until whoever reads has made room.
    ///
    /// When it fails nothing of the line is there, or a piece of it on a line of its own.
    pub(super) fn write(&mut self, line: &[u8], patience: Duration) -> io::Result<()> {
        self.follow()?;
        self.wait(patience)?;
        if self.is_torn {
            let mut ended = Vec::with_capacity(line.len().saturating_add(1));
            ended.push(b'\n');
            ended.extend_from_slice(line);
            return self.write_whole(&ended);
        }
        self.write_whole(line)
    }

    fn write_whole(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Goes on in the file that has the name now.
    fn follow(&mut self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let is_asked = self.reopen.load(Ordering::Relaxed);
        if !is_asked && self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        if is_asked || !std::fs::metadata(path).is_ok_and(|found| self.identity == (found.dev(), found.ino())) {
            (self.file, self.identity, self.is_regular) = open(Some(path))?;
            self.is_torn = false;
            self.reopen.store(false, Ordering::Relaxed);
        }
        self.looked = Instant::now();
        Ok(())
    }

    /// A pipe that nobody reads takes a line only by keeping us.
    fn wait(&self, patience: Duration) -> io::Result<()> {
        if self.is_regular {
            return Ok(());
        }
        let mut polled = [PollFd::new(&self.file, PollFlags::OUT)];
        let patience = Timespec::try_from(patience).unwrap_or_default();
        match poll(&mut polled, Some(&patience)) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads what was written before")),
            // Broken or not, the call that follows says so. So it is when a signal came.
            _ => Ok(()),
        }
    }
}

fn open(path: Option<&Path>) -> io::Result<(File, (u64, u64), bool)> {
    let file = match path {
        None => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        Some(path) => {
            // A named pipe without a reader is an error and not a wait.
            let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
            OpenOptions::new().append(true).create(true).mode(MODE).custom_flags(flags).open(path)?
        }
    };
    let found = file.metadata()?;
    Ok((file, (found.dev(), found.ino()), found.is_file()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOT_AT_ALL: Duration = Duration::ZERO;

    fn sink(path: &Path) -> (Sink, Arc<AtomicBool>) {
        let reopen = Arc::new(AtomicBool::new(false));
        (Sink::open(Some(path), Arc::clone(&reopen)).unwrap(), reopen)
    }

    #[test]
    fn a_file_is_appended_to_by_its_owner_alone_and_followed_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let [path, moved] = ["log", "log.1"].map(|name| folder.path().join(name));
        let (mut sink, reopen) = sink(&path);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        sink.write(b"one\n", NOT_AT_ALL).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        sink.write(b"two\n", NOT_AT_ALL).unwrap();
        reopen.store(true, Ordering::Relaxed);
        sink.write(b"three\n", NOT_AT_ALL).unwrap();
        // Moved again, and nobody says so.
        std::fs::remove_file(&path).unwrap();
        sink.looked = Instant::now().checked_sub(LOOK_EVERY).unwrap();
        sink.write(b"four\n", NOT_AT_ALL).unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
    }

    #[test]
    fn what_was_cut_off_does_not_spoil_the_next_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut sink, _) = sink(&path);
        sink.write(b"{\"whole\":1", NOT_AT_ALL).unwrap();
        sink.is_torn = true;
        sink.write(b"{}\n", NOT_AT_ALL).unwrap();
        sink.write(b"{}\n", NOT_AT_ALL).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"whole\":1\n{}\n{}\n");
    }

    #[test]
    fn a_full_disk_and_a_pipe_without_a_reader_are_errors() {
        let (mut full, _) = sink(Path::new("/dev/full"));
        assert_eq!(full.write(b"{}\n", NOT_AT_ALL).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(MODE)).unwrap();
        assert!(Sink::open(Some(&path), Arc::default()).is_err());
        let reader =
            OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&path).unwrap();
        let (mut pipe, _) = sink(&path);
        let line = [b'x'; 4096];
        let mut written = 0;
        let stuck = loop {
            match pipe.write(&line, NOT_AT_ALL) {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert!(written > 0);
        assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
        drop(reader);
        assert_eq!(pipe.write(&line, NOT_AT_ALL).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
