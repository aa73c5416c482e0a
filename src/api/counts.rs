//! What is counted of requests. Outlives a reload of the configuration.
//!
//! Every series is a place in an array, so that a request costs three additions, and no request can make a series: what
//! is not in a table is `other` (H27).

use std::time::Duration;

use hyper::{Method, StatusCode};

use super::{ApiError, CODES, Route, routes};
use crate::domain::token::TokenError;
use crate::telemetry::metrics::{Counter, Histogram};

/// What stands for all that has no name here.
pub(super) const OTHER: &str = "other";

const METHODS: [&str; 8] = ["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH", OTHER];

/// Those that answers have which are no failure; all others are `other`.
const SUCCESSES: [u16; 3] = [200, 204, 307];

/// Successes, the other ones, and the codes of failures, whose statuses the table has.
const ANSWERS: usize = SUCCESSES.len().saturating_add(1).saturating_add(CODES.len());

/// Why a token was not accepted, or that there was none.
const REASONS: [(Option<TokenError>, &str); 16] = [
    (None, "no_token"),
    (Some(TokenError::TooLong), "too_long"),
    (Some(TokenError::Format), "format"),
    (Some(TokenError::Header), "header"),
    (Some(TokenError::Algorithm), "algorithm"),
    (Some(TokenError::Type), "type"),
    (Some(TokenError::Critical), "critical"),
    (Some(TokenError::UnknownKey), "unknown_key"),
    (Some(TokenError::Signature), "signature"),
    (Some(TokenError::Claims), "claims"),
    (Some(TokenError::Issuer), "issuer"),
    (Some(TokenError::Audience), "audience"),
    (Some(TokenError::Expired), "expired"),
    (Some(TokenError::NotYetValid), "not_yet_valid"),
    (Some(TokenError::LivesTooLong), "lives_too_long"),
    (Some(TokenError::Revoked), "revoked"),
];

/// One counter for each way to be answered.
#[derive(Debug)]
struct Answers([Counter; ANSWERS]);

impl Default for Answers {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Answers {
    fn add(&self, status: StatusCode, code: &str) {
        let success = || SUCCESSES.iter().position(|known| *known == status.as_u16()).unwrap_or(SUCCESSES.len());
        let place = if code.is_empty() { Some(success()) } else { place_of(code) };
        if let Some(count) = place.and_then(|place| self.0.get(place)) {
            count.add();
        }
    }

    /// Those that there were, with status and code.
    fn seen(&self) -> impl Iterator<Item = (String, &'static str, u64)> {
        let successes = SUCCESSES.iter().map(|status| (status.to_string(), ""));
        let failures = CODES.iter().map(|(code, status, _)| (status.to_string(), *code));
        let names = successes.chain([(OTHER.to_owned(), "")]).chain(failures);
        let counted = names.zip(&self.0).map(|((status, code), count)| (status, code, count.get()));
        counted.filter(|(_, _, count)| *count > 0)
    }
}

/// The place of a failure.
fn place_of(code: &str) -> Option<usize> {
    let row = CODES.iter().position(|(known, ..)| *known == code)?;
    row.checked_add(SUCCESSES.len())?.checked_add(1)
}

/// The counts of one path.
#[derive(Debug)]
struct PathCounts {
    path: &'static str,
    took: Histogram,
    by_method: [Answers; METHODS.len()],
}

impl PathCounts {
    fn new(path: &'static str) -> Self {
        Self { path, took: Histogram::default(), by_method: std::array::from_fn(|_| Answers::default()) }
    }
}

/// The counts of all requests.
#[derive(Debug)]
pub struct RequestCounts {
    paths: Vec<PathCounts>,
    /// For each row of the tables, the place of its path.
    of_rows: Vec<(&'static Route, usize)>,
    /// Requests without a route.
    other: PathCounts,
    operations: Answers,
    failures: Answers,
    refused: [Counter; REASONS.len()],
}

impl Default for RequestCounts {
    fn default() -> Self {
        let mut paths: Vec<PathCounts> = Vec::new();
        let mut of_rows = Vec::new();
        for row in routes() {
            let known = paths.iter().position(|counts| counts.path == row.path);
            let place = known.unwrap_or(paths.len());
            if known.is_none() {
                paths.push(PathCounts::new(row.path));
            }
            of_rows.push((row, place));
        }
        Self {
            paths,
            of_rows,
            other: PathCounts::new(OTHER),
            operations: Answers::default(),
            failures: Answers::default(),
            refused: std::array::from_fn(|_| Counter::default()),
        }
    }
}

impl RequestCounts {
    /// A request was answered; `row` is any row of its path.
    pub(super) fn answered(
        &self,
        row: Option<&'static Route>,
        method: &Method,
        (status, code): (StatusCode, &str),
        took: Duration,
    ) {
        let counts = self.of(row);
        counts.took.observe(took);
        if let Some(answers) = counts.by_method.get(place_of_method(method)) {
            answers.add(status, code);
        }
    }

    /// A request ended in a panic, of which nothing is known.
    pub(super) fn panicked(&self) {
        if let Some(answers) = self.other.by_method.last() {
            answers.add(StatusCode::INTERNAL_SERVER_ERROR, ApiError::Internal.code());
        }
    }

    /// A request failed, or an operation of a batch.
    pub(super) fn failed(&self, error: &ApiError) {
        self.failures.add(StatusCode::OK, error.code());
        if let ApiError::Unauthorized(reason) = error {
            let place = REASONS.iter().position(|(known, _)| known == reason);
            if let Some(count) = place.and_then(|place| self.refused.get(place)) {
                count.add();
            }
        }
    }

    /// An operation of a batch was answered.
    pub(super) fn operation(&self, status: StatusCode, failure: Option<&ApiError>) {
        self.operations.add(status, failure.map_or("", ApiError::code));
        if let Some(error) = failure {
            self.failed(error);
        }
    }

    fn of(&self, row: Option<&'static Route>) -> &PathCounts {
        let place = row.and_then(|row| self.of_rows.iter().find(|(known, _)| std::ptr::eq(*known, row)));
        place.and_then(|(_, place)| self.paths.get(*place)).unwrap_or(&self.other)
    }

    fn all_paths(&self) -> impl Iterator<Item = &PathCounts> {
        self.paths.iter().chain([&self.other])
    }

    /// How long requests took, by path.
    pub(super) fn took(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        self.all_paths().map(|counts| (counts.path, &counts.took)).filter(|(_, took)| !took.is_empty())
    }

    /// Requests by path, method, status and code.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&'static str, &'static str, String, &'static str, u64)> {
        self.all_paths().flat_map(|counts| {
            METHODS.iter().zip(&counts.by_method).flat_map(|(method, answers)| {
                answers.seen().map(|(status, code, count)| (counts.path, *method, status, code, count))
            })
        })
    }

    /// Operations of batches by status and code.
    pub(super) fn operations(&self) -> impl Iterator<Item = (String, &'static str, u64)> {
        self.operations.seen()
    }

    /// How often anything failed with one of the codes of these statuses.
    pub(super) fn failures(&self, statuses: &[u16]) -> impl Iterator<Item = (&'static str, u64)> {
        let of_statuses = CODES.iter().filter(move |(_, status, _)| statuses.contains(status));
        of_statuses.map(|(code, ..)| (*code, self.failures_of(code)))
    }

    pub(super) fn failures_of(&self, code: &str) -> u64 {
        place_of(code).and_then(|place| self.failures.0.get(place)).map_or(0, Counter::get)
    }

    /// 401s by what their callers are not told.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.iter().zip(&self.refused).map(|((_, reason), count)| (*reason, count.get()))
    }
}

fn place_of_method(method: &Method) -> usize {
    let last = METHODS.len().saturating_sub(1);
    METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_the_counts_of_its_path() {
        let counts = RequestCounts::default();
        for row in routes() {
            counts.answered(Some(row), &Method::GET, (StatusCode::OK, ""), Duration::ZERO);
            assert!(counts.of(Some(row)).path == row.path && !counts.of(Some(row)).took.is_empty(), "{}", row.path);
        }
        assert!(counts.of(None).took.is_empty());
    }

    #[test]
    fn what_is_in_no_table_is_other() {
        let counts = RequestCounts::default();
        let brew = Method::from_bytes(b"BREW").unwrap();
        counts.answered(None, &brew, (StatusCode::IM_A_TEAPOT, ""), Duration::ZERO);
        counts.answered(None, &brew, (StatusCode::IM_A_TEAPOT, "no_such_code"), Duration::ZERO);
        assert_eq!(counts.requests().collect::<Vec<_>>(), [(OTHER, OTHER, OTHER.to_owned(), "", 1)]);
    }

    #[test]
    fn every_code_has_a_place_of_its_own() {
        let answers = Answers::default();
        for (code, ..) in CODES {
            answers.add(StatusCode::OK, code);
        }
        let seen: Vec<_> = answers.seen().collect();
        let wanted: Vec<_> = CODES.iter().map(|(code, status, _)| (status.to_string(), *code, 1)).collect();
        assert_eq!(seen, wanted);
    }
}
