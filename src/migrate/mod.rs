//! `signer migrate-keys`: stored rows with an old URL get the key that it names.
//!
//! One line in, one line out, in the same order, whatever is in it: a row that gets no key is written as it
//! came, and told. So nothing is lost, and a second run over the outcome changes nothing.

mod row;
mod tell;

use std::io::{self, BufRead, BufWriter, Read as _, Write};

use crate::config::Migration;
use crate::domain::legacy::LegacyError;
use row::Outcome;
use tell::Teller;

/// A longer line is no row: it is passed on without being held.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// What the members of a row are called.
#[derive(Debug, Clone)]
pub struct Members {
    /// The one that holds the old URL.
    pub url: String,
    /// The one that gets the key.
    pub key: String,
}

/// What became of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them; lines without anything in them are none.
    pub rows: u64,
    /// Got a key.
    pub mapped: u64,
    /// Had one.
    pub had_key: u64,
    /// Have no URL, as files that were never uploaded.
    pub without_url: u64,
    /// Have a URL that names no key here, or are no rows.
    pub unmapped: u64,
}

/// Why a line gets no key. The text does not show what is in it: an old URL may hold a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unmapped {
    #[error("is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    #[error("is not a JSON object in UTF-8")]
    NoRow,
    #[error("has two members `{0}`")]
    Doubled(String),
    #[error("has no text in `{0}`")]
    NoText(String),
    #[error("{0}")]
    Url(#[from] LegacyError),
}

/// Why the rows were not read to their end.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No more rows come.
    #[error("the rows cannot be read: {0}")]
    Input(io::Error),
    /// Nobody takes the rows.
    #[error("the output is closed: {0}")]
    Output(io::Error),
}

/// Passes the rows of standard input on to standard output, and tells on standard error what became of them.
///
/// # Errors
///
/// [`MigrateError`] when either end fails.
pub fn migrate_keys(rules: &Migration, members: &Members) -> Result<Counts, MigrateError> {
    let mut teller = Teller::start();
    let output = BufWriter::new(io::stdout().lock());
    let counts = migrate(rules, members, io::stdin().lock(), output, &mut |seen| teller.tell(&seen))?;
    teller.finish(&counts);
    Ok(counts)
}

/// A line that was passed on.
struct Seen<'a> {
    /// From 1.
    line: u64,
    /// In the input.
    bytes: u64,
    unmapped: Option<&'a Unmapped>,
}

fn migrate(
    rules: &Migration,
    members: &Members,
    mut input: impl BufRead,
    mut output: impl Write,
    tell: &mut dyn FnMut(Seen<'_>),
) -> Result<Counts, MigrateError> {
    let mut counts = Counts::default();
    let mut line = Vec::new();
    let mut number = 0_u64;
    while read_line(&mut input, &mut line).map_err(MigrateError::Input)? {
        number = number.saturating_add(1);
        let mut bytes = count(line.len());
        let is_whole = line.pop_if(|last| *last == b'\n').is_some() || line.len() <= MAX_LINE_BYTES;
        let outcome = if is_whole { row::outcome(&line, rules, members) } else { Err(Unmapped::TooLong) };
        let row = if let Ok(Outcome::Mapped(row)) = &outcome { row } else { &line };
        output.write_all(row).map_err(MigrateError::Output)?;
        if !is_whole {
            bytes = bytes.saturating_add(copy_rest(&mut input, &mut output)?);
        }
        output.write_all(b"\n").map_err(MigrateError::Output)?;
        counts.add(&outcome);
        tell(Seen { line: number, bytes, unmapped: outcome.as_ref().err() });
    }
    output.flush().map_err(MigrateError::Output)?;
    Ok(counts)
}

impl Counts {
    fn add(&mut self, outcome: &Result<Outcome, Unmapped>) {
        let counter = match outcome {
            Ok(Outcome::Blank) => return,
            Ok(Outcome::Mapped(_)) => &mut self.mapped,
            Ok(Outcome::HadKey) => &mut self.had_key,
            Ok(Outcome::WithoutUrl) => &mut self.without_url,
            Err(_) => &mut self.unmapped,
        };
        *counter = counter.saturating_add(1);
        self.rows = self.rows.saturating_add(1);
    }
}

/// The next line with its end, or as much of it as may be held. False at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    // One for the end of the line, one to see that it does not come.
    let most = count(MAX_LINE_BYTES).saturating_add(1);
    Ok(input.take(most).read_until(b'\n', line)? > 0)
}

/// What is left of a line, without its end. How much was read.
fn copy_rest(input: &mut impl BufRead, output: &mut impl Write) -> Result<u64, MigrateError> {
    let mut copied = 0_u64;
    loop {
        let held = input.fill_buf().map_err(MigrateError::Input)?;
        let end = held.iter().position(|byte| *byte == b'\n');
        let rest = end.and_then(|end| held.get(..end)).unwrap_or(held);
        output.write_all(rest).map_err(MigrateError::Output)?;
        let taken = rest.len().saturating_add(usize::from(end.is_some()));
        input.consume(taken);
        copied = copied.saturating_add(count(taken));
        if end.is_some() || taken == 0 {
            return Ok(copied);
        }
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
