//! What `signer check` says: one line a check.

use std::fmt;

use serde::Serialize;

/// The name of the line that stands for all checks that could not be made.
const THE_REST: &str = "the rest";

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Status {
    /// As it should be.
    #[serde(rename = "ok")]
    Ok,
    /// The main job is done, something is not: worth knowing.
    #[serde(rename = "warn")]
    Warn,
    /// The main job cannot be done.
    #[serde(rename = "FAIL")]
    Fail,
}

impl fmt::Display for Status {
    /// Four characters, so that lines stand below one another.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok  ",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

/// One check: what was found, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The storage, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Its name, the same in every run.
    pub check: String,
    /// How it went.
    pub status: Status,
    /// What was seen.
    pub evidence: String,
    /// What to do about it, unless all is well.
    pub fix: Option<String>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        let storage = self.storage.as_ref().map(|name| format!("[{name}] ")).unwrap_or_default();
        write!(f, "{status} {storage}{}: {}", self.check, self.evidence)?;
        match &self.fix {
            Some(fix) => write!(f, "; fix: {fix}"),
            None => Ok(()),
        }
    }
}

/// What one check found; the second text says what to do.
pub(super) enum Verdict {
    Ok(String),
    Warn(String, String),
    Fail(String, String),
}

impl Verdict {
    /// What is only worth a word is a failure where the configuration promises it.
    pub(super) fn if_promised(self, promised: bool) -> Self {
        match self {
            Self::Warn(evidence, fix) if promised => Self::Fail(evidence, fix),
            other => other,
        }
    }
}

/// A check that all later ones need has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped(pub(super) &'static str);

/// The lines so far; each is told as it comes.
pub(super) struct Report<'a> {
    storage: Option<String>,
    lines: Vec<Line>,
    tell: &'a mut (dyn FnMut(&Line) + Send),
}

impl<'a> Report<'a> {
    pub(super) fn new(storage: Option<String>, tell: &'a mut (dyn FnMut(&Line) + Send)) -> Self {
        Self { storage, lines: Vec::new(), tell }
    }

    pub(super) fn ok(&mut self, check: &str, evidence: impl Into<String>) {
        self.line(check, Status::Ok, evidence.into(), None);
    }

    pub(super) fn warn(&mut self, check: &str, evidence: impl Into<String>, fix: impl Into<String>) {
        self.line(check, Status::Warn, evidence.into(), Some(fix.into()));
    }

    pub(super) fn fail(&mut self, check: &str, evidence: impl Into<String>, fix: impl Into<String>) {
        self.line(check, Status::Fail, evidence.into(), Some(fix.into()));
    }

    /// The line for a verdict, or for the reason why there was no answer. True unless it is a failure.
    pub(super) fn verdict(&mut self, check: &str, verdict: Result<Verdict, String>) -> bool {
        match verdict {
            Ok(Verdict::Ok(evidence)) => self.ok(check, evidence),
            Ok(Verdict::Warn(evidence, fix)) => self.warn(check, evidence, fix),
            Ok(Verdict::Fail(evidence, fix)) => self.fail(check, evidence, fix),
            Err(reason) => self.fail(check, reason, "run the check again; if it stays, look at the S3 server's log"),
        }
        self.lines.last().is_some_and(|line| line.status != Status::Fail)
    }

    /// [`Report::fail`], for a check without which the later ones mean nothing.
    pub(super) fn stop(&mut self, check: &'static str, evidence: impl Into<String>, fix: impl Into<String>) -> Stopped {
        self.fail(check, evidence, fix);
        Stopped(check)
    }

    pub(super) fn left_out(&mut self, Stopped(check): Stopped) {
        self.line(THE_REST, Status::Warn, format!("left out, because it waits for `{check}`"), None);
    }

    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    fn line(&mut self, check: &str, status: Status, evidence: String, fix: Option<String>) {
        let line = Line { storage: self.storage.clone(), check: check.to_owned(), status, evidence, fix };
        (self.tell)(&line);
        self.lines.push(line);
    }
}
