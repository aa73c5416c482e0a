//! Paths with parameters, such as `/s3/multipart/:uploadId/:partNumber`.
//!
//! A parameter is one whole segment and not empty. The path is cut at its slashes before anything is decoded, so an
//! escaped slash never makes one segment two; then each parameter is decoded once.

use std::borrow::Cow;

use super::{ApiError, Route};
use crate::domain::path::decode_path;

/// The rows whose pattern fits this path best: those of the first that fits, so a table names `/x/all` before `/x/:id`.
pub(super) fn rows_at<'p>(table: &'static [Route], path: &'p str) -> impl Iterator<Item = &'static Route> + use<'p> {
    let best = table.iter().find(|row| fits(row.path, path)).map(|row| row.path);
    table.iter().filter(move |row| Some(row.path) == best)
}

fn fits(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let each = pattern.split('/').all(|wanted| {
        segments.next().is_some_and(|given| if wanted.starts_with(':') { !given.is_empty() } else { given == wanted })
    });
    each && segments.next().is_none()
}

/// What stands in the path where its pattern has `:name`.
pub(super) fn parameter<'p>(pattern: &str, path: &'p str, name: &str) -> Result<Cow<'p, str>, ApiError> {
    let pairs = pattern.split('/').zip(path.split('/'));
    let mut found = pairs.filter(|(wanted, _)| wanted.strip_prefix(':') == Some(name)).map(|(_, given)| given);
    // Dispatch has matched them, and the table is ours.
    let given = found.next().ok_or(ApiError::Internal)?;
    decode_path(given).map_err(|error| ApiError::InvalidRequest(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: &str = "/s3/multipart/:uploadId/:partNumber";

    #[test]
    fn a_pattern_fits_as_many_segments_as_it_has() {
        for path in ["/s3/multipart/a/1", "/s3/multipart/a%2Fb/x", "/s3/multipart/:uploadId/:partNumber"] {
            assert!(fits(PART, path), "{path}");
        }
        for path in [
            "/s3/multipart/a",
            "/s3/multipart/a/",
            "/s3/multipart//1",
            "/s3/multipart/a/1/",
            "/s3/multipart/a/1/2",
            "/S3/multipart/a/1",
            "s3/multipart/a/1",
            "",
        ] {
            assert!(!fits(PART, path), "{path}");
        }
    }

    /// K04: decoded once, and an escaped slash is no slash.
    #[test]
    fn a_parameter_is_decoded_once_and_strictly() {
        let get = |path, name| parameter(PART, path, name).map(Cow::into_owned).map_err(|error| error.code());
        assert_eq!(get("/s3/multipart/a%2Bb+c%2520/7", "uploadId").unwrap(), "a+b+c%20");
        assert_eq!(get("/s3/multipart/a/7", "partNumber").unwrap(), "7");
        for path in ["/s3/multipart/a%2Fb/7", "/s3/multipart/%/7", "/s3/multipart/%ff/7", "/s3/multipart/%zz/7"] {
            assert_eq!(get(path, "uploadId"), Err("invalid_request"), "{path}");
        }
        assert_eq!(get("/s3/multipart/a/7", "other"), Err("internal"));
    }

    #[test]
    fn a_word_is_taken_before_a_parameter() {
        let at = |path| rows_at(super::super::uppy::ROUTES, path).map(|row| (row.method, row.path)).collect::<Vec<_>>();
        assert_eq!(at("/s3/multipart/a/7"), [("GET", PART)]);
        assert_eq!(at("/s3/multipart/a/batch"), [("GET", "/s3/multipart/:uploadId/batch")]);
        assert_eq!(at("/s3/multipart/a/complete"), [("POST", "/s3/multipart/:uploadId/complete")]);
        assert_eq!(at("/s3/multipart/a").len(), 2);
        assert_eq!(at("/s3/sign"), [("POST", "/s3/sign")]);
        assert_eq!(at("/s3/other"), []);
    }
}
