//! What is told of a token: step by step, and in the end.

use std::fmt;

use serde::Serialize;

use crate::doctor::Status;
use crate::domain::token::TokenError;

/// One step of the way to the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// How it went.
    pub status: Status,
    /// Its name, the same in every run.
    pub step: &'static str,
    /// What was found.
    pub evidence: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.step, self.evidence)
    }
}

/// What the service says to the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It opens something.
    Accepted,
    /// It is good, and opens nothing.
    OpensNothing,
    /// 401.
    Refused(TokenError),
    /// 503: the key that signed it may be among those that could not be fetched.
    Undecided,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::OpensNothing => f.write_str("accepted, and opens nothing"),
            Self::Refused(error) => write!(f, "refused: {error}"),
            Self::Undecided => f.write_str("undecided: the service answers 503 keys_unavailable"),
        }
    }
}

/// Tells the steps, and remembers whether all of them held.
pub(super) struct Report<'a> {
    tell: &'a mut (dyn FnMut(&Step) + Send),
    pub(super) held: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(tell: &'a mut (dyn FnMut(&Step) + Send)) -> Self {
        Self { tell, held: true }
    }

    pub(super) fn line(&mut self, held: bool, step: &'static str, text: &str) {
        self.held &= held;
        self.tell(if held { Status::Ok } else { Status::Fail }, step, text.to_owned());
    }

    pub(super) fn tell(&mut self, status: Status, step: &'static str, evidence: String) {
        (self.tell)(&Step { status, step, evidence });
    }
}
