//! An answer of the bucket, read up to a cap, and what its words mean. No XML is interpreted here, so no entity is.

use std::borrow::Cow;

use jiff::Timestamp;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::client::{BucketError, bucket_error};
use super::retry::{self, Outcome};

/// An error body is read up to here; what a code needs is in the first lines.
pub(super) const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;

/// In place of an S3 error code, for an answer that is nobody's S3.
pub(super) const NOT_S3: &str = "NotS3";

/// Status, headers and body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The body was longer than what was read of it.
    pub(super) cut: bool,
}

/// An answer that is no success.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: String,
}

impl From<Refusal> for BucketError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { status: refusal.status.as_u16(), code: refusal.code }
    }
}

impl Answer {
    /// Reads a body up to `most` bytes when the status says yes, up to [`MAX_ERROR_BODY_BYTES`] otherwise.
    pub(super) async fn read(mut answer: Response, most: usize) -> Result<Self, reqwest::Error> {
        let status = answer.status();
        let most = if status.is_success() { most } else { MAX_ERROR_BODY_BYTES };
        let (body, cut) = read_up_to(&mut answer, most).await?;
        Ok(Self { status, headers: std::mem::take(answer.headers_mut()), body, cut })
    }

    /// The S3 error code, or nothing; [`NOT_S3`] when somebody else answered.
    pub(super) fn code(&self) -> String {
        if self.is_of_another_server() { NOT_S3.to_owned() } else { error_code(&self.body) }
    }

    /// Whether this is a page, or a document of another API: the name leads elsewhere, or somebody stands in between.
    /// Of such an answer not even "there is no such object" is to be believed. S3 has an id on its answers, an etag on
    /// its objects, and says the rest in XML, or in nothing but a status.
    pub(super) fn is_of_another_server(&self) -> bool {
        if self.headers.contains_key(ETAG) || self.headers.contains_key("x-amz-request-id") {
            return false;
        }
        let media_type = self.headers.get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
        let start = self.start();
        let text = start.trim_start().trim_start_matches('\u{feff}');
        let begins = |word: &str| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
        let is_page = begins("<!doctype") || begins("<html");
        media_type.starts_with(b"text/html") || is_page || !(text.is_empty() || text.starts_with('<'))
    }

    /// Whether nothing is said beyond status and headers.
    pub(super) fn is_blank(&self) -> bool {
        !self.cut && self.body.trim_ascii().is_empty()
    }

    /// H18: whether it says yes, and no error in the same breath. A body that was not read to its end, or is packed,
    /// may say anything.
    pub(super) fn is_plain_success(&self) -> bool {
        let packed = self.headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity");
        self.status.is_success()
            && !self.cut
            && (!packed || self.body.is_empty())
            && self.code().is_empty()
            && !self.start().contains("<Error")
    }

    /// What it means for another attempt. What became of each key of many is no word about the bucket.
    pub(super) fn outcome(&self) -> Outcome {
        if self.status == StatusCode::OK && !self.is_of_another_server() && self.start().contains("<DeleteResult") {
            return Outcome::Answered;
        }
        Outcome::of_answer(self.status.as_u16(), &self.code())
    }

    pub(super) fn retry_after(&self) -> Option<std::time::Duration> {
        retry::retry_after(self.headers.get(RETRY_AFTER)?.to_str().ok()?)
    }

    /// As a failure, `what` in place of a code that it does not have.
    pub(super) fn into_error(self, what: &str) -> BucketError {
        let code = Some(self.code()).filter(|code| !code.is_empty());
        Refusal { status: self.status, code: code.unwrap_or_else(|| what.to_owned()) }.into()
    }

    fn start(&self) -> Cow<'_, str> {
        start_of(&self.body)
    }
}

/// Status and error code of an answer, its body read up to the cap.
pub(super) async fn refusal(answer: Response) -> Result<Refusal, BucketError> {
    let answer = Answer::read(answer, MAX_ERROR_BODY_BYTES).await.map_err(bucket_error)?;
    Ok(Refusal { status: answer.status, code: answer.code() })
}

/// A body up to the cap; the rest of a longer one is left.
pub(crate) async fn read_body(answer: &mut Response) -> Result<Vec<u8>, BucketError> {
    let (body, _) = read_up_to(answer, MAX_ERROR_BODY_BYTES).await.map_err(bucket_error)?;
    Ok(body)
}

/// At most `most` bytes of a body, and whether there were more.
async fn read_up_to(answer: &mut Response, most: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        let room = most.saturating_sub(body.len());
        if let Some(fitting) = chunk.get(..room)
            && chunk.len() > room
        {
            body.extend_from_slice(fitting);
            return Ok((body, true));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, false))
}

/// The code that an S3 error document names, cut to what may stand in a log. Empty when it names none.
#[must_use]
pub fn error_code(body: &[u8]) -> String {
    element(&start_of(body), "Code")
}

/// As much of a body as an error document may have.
fn start_of(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.get(..MAX_ERROR_BODY_BYTES).unwrap_or(body))
}

/// The text of the first such element, as `Code` in an S3 error document.
pub(crate) fn element(body: &str, name: &str) -> String {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    loggable_code(body.split_once(&start).and_then(|(_, rest)| rest.split_once(&end)).map_or("", |(text, _)| text))
}

/// A code, cut to what may stand in a log.
pub(super) fn loggable_code(text: &str) -> String {
    const MAX_CHARS: usize = 64;
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(MAX_CHARS).collect()
}

/// The preferred form of an HTTP date (RFC 9110 section 5.6.7), which RFC 2822's reader takes.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_cut_from_the_body() {
        assert_eq!(
            element("<?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message/></Error>", "Code"),
            "NoSuchBucket"
        );
        assert_eq!(element("<Error><Code>A&amp;\n\u{1b}[31mB</Code>", "Code"), "Aamp31mB");
        for body in ["", "<Code>", "</Code><Code>", "not XML"] {
            assert_eq!(element(body, "Code"), "");
        }
    }

    /// H18.
    #[test]
    fn a_success_that_carries_an_error_or_cannot_be_read_is_none() {
        let answer = |status: u16, coding: Option<&str>, body: &str, cut| Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: coding.map(|coding| (CONTENT_ENCODING, coding.parse().unwrap())).into_iter().collect(),
            body: body.as_bytes().to_vec(),
            cut,
        };
        for (status, coding, body) in
            [(200, None, ""), (204, None, ""), (200, Some("gzip"), ""), (200, Some("identity"), "<DeleteResult/>")]
        {
            assert!(answer(status, coding, body, false).is_plain_success(), "{status} {coding:?} {body}");
        }
        for (status, coding, body, cut) in [
            (200, None, "<Error><Code>AccessDenied</Code></Error>", false),
            (200, None, "<Error/>", false),
            (200, None, " ", true),
            (200, Some("gzip"), "\u{1f}\u{8b}", false),
            (301, None, "", false),
            (404, None, "", false),
        ] {
            assert!(!answer(status, coding, body, cut).is_plain_success(), "{status} {coding:?} {body}");
        }
    }

    #[test]
    fn a_page_or_another_api_is_not_taken_for_s3() {
        let answer = |headers: &[(&'static str, &str)], body: &str| Answer {
            status: StatusCode::NOT_FOUND,
            headers: headers
                .iter()
                .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap()))
                .collect(),
            body: body.as_bytes().to_vec(),
            cut: false,
        };
        for (headers, body) in [
            (&[][..], ""),
            (&[("content-type", "application/xml")], ""),
            (&[], "\n<?xml version=\"1.0\"?><Error/>"),
            (&[("content-type", "text/html"), ("x-amz-request-id", "1")], "<html>"),
            // An object that is a page.
            (&[("content-type", "text/html"), ("etag", "\"a\"")], ""),
        ] {
            assert!(!answer(headers, body).is_of_another_server(), "{headers:?} {body}");
        }
        for (headers, body) in [
            (&[("content-type", "text/html; charset=utf-8")][..], ""),
            (&[], "<!DOCTYPE html><title>Sign in</title>"),
            (&[], "<HTML>"),
            (&[("content-type", "application/json")], r#"{"error":"no such route"}"#),
            (&[], "not found"),
        ] {
            assert_eq!(answer(headers, body).code(), NOT_S3, "{headers:?} {body}");
        }
    }

    #[test]
    fn http_dates_are_read() {
        let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(date.to_string(), "1994-11-06T08:49:37Z");
        assert!(http_date("yesterday").is_none());
    }
}
