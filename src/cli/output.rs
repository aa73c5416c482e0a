//! What commands print, and where to.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

use filesync_signer::config::coloured;
use filesync_signer::doctor::Status;
use serde::Serialize;

use super::Failure;

/// One text and a newline on standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    written(writeln!(io::stdout(), "{text}"))
}

/// The same as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value).map_err(|error| Failure::Run(error.to_string()))?)
}

/// Who has read enough (`signer man | head`) closes the pipe, and nothing is wrong with that.
pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Lines of checks as they come; that nobody reads them ends no check.
pub(super) struct Lines {
    hidden: bool,
    coloured: bool,
    only_problems: bool,
}

impl Lines {
    /// None at all when they come as JSON later.
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        Self { hidden: json, coloured: coloured(&io::stdout()), only_problems: quiet }
    }

    /// A line that begins with its status.
    pub(super) fn tell(&self, status: Status, line: &impl Display) {
        if self.hidden || (self.only_problems && status == Status::Ok) {
            return;
        }
        let line = line.to_string();
        let word = status.to_string();
        let painted = line.strip_prefix(&word).filter(|_| self.coloured).map(|rest| paint(status, &word, rest));
        let _ = print(painted.as_ref().unwrap_or(&line));
    }

    /// What all of them come to.
    pub(super) fn conclude(&self, held: bool, verdict: &impl Display) {
        if self.hidden || (self.only_problems && held) {
            return;
        }
        let _ = print(&verdict.to_string());
    }
}

/// The colours that every terminal has.
fn paint(status: Status, word: &str, rest: &str) -> String {
    let colour = match status {
        Status::Ok => "32",
        Status::Warn => "33",
        Status::Fail => "1;31",
    };
    format!("\x1b[{colour}m{word}\x1b[0m{rest}")
}
