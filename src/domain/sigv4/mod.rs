//! AWS Signature Version 4 in the query string, for service `s3`.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
//!
//! # Why our own
//!
//! A general library signs what a URL library made of the key, and a URL library
//! resolves `..`. Here the text that is signed and the text that is sent are one
//! buffer: the key is percent-encoded once, into the URL, and the canonical
//! request is copied from there. rusty-s3 and botocore are the oracles in the tests.
//!
//! # Why it is fast
//!
//! What does not change between calls is written once, when the presigner is
//! made; the signing key changes with the day and is kept (`signing_key`). What is
//! left is one SHA-256 of the canonical request, one HMAC, and two allocations.

mod encode;
mod form;
mod post;
mod signing_key;
mod span;
mod terms;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;
#[cfg(test)]
pub(in crate::domain) use tests::grant as test_grant;

use std::fmt;

use aws_lc_rs::digest;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::policy::Grant;
use super::utc::{BasicText, OutOfRange, UtcSecond};
pub(in crate::domain) use encode::{encode_path, encoded_path_len, push_hex};
use encode::{encode_value, encoded_value_len};
use signing_key::DayKeys;
use span::Span;

pub use form::{FORM_TYPE, FormHeaders, sign_form};
pub use post::{PostFields, PostTerms, SignedPost};
pub use terms::{BoundHeaders, MAX_BOUND_HEADERS, Terms};

/// The longest life that S3 gives a presigned URL: seven days, in seconds.
pub const MAX_EXPIRES_SECS: u32 = 604_800;

/// `&X-Amz-Signature=` and the hexadecimal digits of a SHA-256.
const SIGNATURE_LEN: usize = 17 + 64;
/// Day, date, and a life with its name.
const DATES_LEN: usize = 8 + 16 + 15 + 6;
/// What a canonical request usually has besides path and query.
const CANONICAL_LEN: usize = 256;

/// An access key for the bucket.
#[derive(Clone)]
pub struct Credentials {
    /// The public half, which stands in every URL.
    pub access_key_id: String,
    /// The secret half, which never leaves this process.
    pub secret_access_key: SecretString,
    /// The token that goes with temporary credentials; it stands in every URL.
    pub session_token: Option<SecretString>,
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        let [token, others] = [self, other].map(|of| of.session_token.as_ref().map(SecretString::expose_secret));
        self.access_key_id == other.access_key_id
            && self.secret_access_key.expose_secret() == other.secret_access_key.expose_secret()
            && token == others
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Where the bucket answers, split as a signature needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    /// `http` or `https`.
    pub scheme: String,
    /// The `Host` header: name and, unless it is the scheme's own, port.
    pub host: String,
    /// What precedes `/<key>` in the path: `/<bucket>` in path style, else empty.
    pub path: String,
}

/// A URL that was signed, and what the signature covers.
#[derive(Debug)]
pub struct SignedUrl {
    /// The HTTP method that the URL is good for.
    pub method: &'static str,
    /// The URL, which is a credential.
    pub url: PresignedUrl,
    /// Names of the headers that the signature covers, sorted, in lower case.
    pub bound_headers: BoundHeaders,
    /// Seconds from the time of the call to the end: what was asked for, in a window up to a window more, and less
    /// when the credentials end sooner.
    pub expires_secs: u32,
    /// The first second at which the URL is no longer good: `X-Amz-Date + X-Amz-Expires`.
    pub expires_at: UtcSecond,
    /// Until then the same call gives the same text, as long as the credentials are the same; with a window only.
    pub same_until: Option<UtcSecond>,
}

/// The text of a presigned URL. `Debug` and `Display` hide the query, because
/// whoever reads it can use it until it ends.
pub struct PresignedUrl(String);

impl PresignedUrl {
    /// The whole URL, for the answer to the caller it was minted for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, _) = self.0.split_once('?').unwrap_or((&self.0, ""));
        write!(f, "{path}?<redacted>")
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a grant could not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PresignError {
    /// The clock is outside the years 1970 to 9999, so no date can be signed.
    #[error("the clock is outside the years 1970 to 9999")]
    Clock,
    /// The life is not 1 to [`MAX_EXPIRES_SECS`] seconds.
    #[error("a URL lives 1 to {MAX_EXPIRES_SECS} seconds")]
    Expires,
    /// More than [`MAX_BOUND_HEADERS`] headers are to be bound.
    #[error("a URL binds at most {MAX_BOUND_HEADERS} headers")]
    TooManyHeaders,
    /// The credentials have ended, or none have come yet.
    #[error("there are no credentials that hold now")]
    NoCredentials,
    /// The grant is for an object in another storage. Never seen unless a handler is wrong.
    #[error("the grant is for another storage")]
    OtherStorage,
    /// The query makes another call of what was granted. Never seen unless a handler is wrong.
    #[error("the query is not that of the call that was granted")]
    OtherCall,
    /// A form would put the name of its file into the key.
    #[error("the key holds `${{`, which a form does not keep as it is")]
    KeyTemplate,
}

impl From<OutOfRange> for PresignError {
    fn from(_: OutOfRange) -> Self {
        Self::Clock
    }
}

/// Mints presigned URLs for one bucket with one credential.
pub struct Presigner {
    /// `https://host`, then the path before the key, with the slash in front of it.
    origin: String,
    path: String,
    host: String,
    /// The query in the order of the canonical request, cut where it changes:
    /// … day … date … life … names of headers.
    until_day: String,
    until_date: String,
    until_headers: SecretString,
    /// `/<region>/s3/aws4_request\n`, the rest of the scope after the day.
    scope: String,
    key: DayKeys,
    /// As they stand in forms.
    key_id: String,
    session_token: Option<SecretString>,
    /// The first second of which the credentials no longer hold, since 1970.
    ends_at: Option<i64>,
}

impl fmt::Debug for Presigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presigner").field("origin", &self.origin).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Presigner {
    /// A presigner for the bucket at `address`. `region` is the credential scope's, such as `us-east-1` or `auto`.
    #[must_use]
    pub fn new(address: BucketAddress, region: &str, credentials: Credentials) -> Self {
        let mut until_day = String::from("?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=");
        encode_value(&mut until_day, &credentials.access_key_id);
        until_day.push_str("%2F");
        let mut until_date = String::from("%2F");
        encode_value(&mut until_date, region);
        until_date.push_str("%2Fs3%2Faws4_request&X-Amz-Date=");
        let mut until_headers = String::new();
        if let Some(token) = &credentials.session_token {
            until_headers.push_str("&X-Amz-Security-Token=");
            encode_value(&mut until_headers, token.expose_secret());
        }
        until_headers.push_str("&X-Amz-SignedHeaders=");
        Self {
            origin: format!("{}://{}", address.scheme, address.host),
            path: address.path + "/",
            host: address.host,
            until_day,
            until_date,
            until_headers: until_headers.into(),
            scope: format!("/{region}/s3/aws4_request\n"),
            key: DayKeys::new(credentials.secret_access_key, region.to_owned()),
            key_id: credentials.access_key_id,
            session_token: credentials.session_token,
            ends_at: None,
        }
    }

    /// The same for credentials that end: no URL outlives them, and from then on none is signed (K34).
    #[must_use]
    pub fn ending_at(mut self, end: Option<Timestamp>) -> Self {
        self.ends_at = end.map(Timestamp::as_second);
        self
    }

    /// Mints the URL for what was granted, dated `now` (fractions of a second dropped) or to the begin of the window
    /// that `now` lies in.
    ///
    /// # Errors
    ///
    /// [`PresignError`] when the clock, the life or the number of headers is out of range, or the query is of another
    /// call.
    pub fn presign(&self, grant: &Grant, terms: &Terms<'_>, now: Timestamp) -> Result<SignedUrl, PresignError> {
        if !grant.action().fits(terms.query) {
            return Err(PresignError::OtherCall);
        }
        let now = UtcSecond::new(now)?;
        let span = Span::new(now, terms, self.ends_at)?;
        let headers = terms.headers_with(&self.host).ok_or(PresignError::TooManyHeaders)?;
        let headers = headers.as_slice();
        let method = grant.action().method();

        let date = span.begin.basic();
        let key = grant.key().as_str();
        let key_len = encoded_path_len(key);

        let mut url = String::with_capacity(self.url_len(key_len, terms, headers));
        url.push_str(&self.origin);
        url.push_str(&self.path);
        encode_path(&mut url, key, key_len);
        let path_end = url.len();
        self.write_query(&mut url, &date, span.life_secs, headers, terms);

        // Canonical request and string to sign share a buffer, which neither outgrows.
        let mut scratch = String::with_capacity(url.len().saturating_add(CANONICAL_LEN));
        let path = url.get(self.origin.len()..path_end).unwrap_or_default();
        let query = url.get(path_end..).and_then(|query| query.get(1..)).unwrap_or_default();
        write_canonical_request(&mut scratch, method, path, query, headers);
        let hash = digest::digest(&digest::SHA256, scratch.as_bytes());
        scratch.clear();
        self.write_string_to_sign(&mut scratch, &date, &hash);
        let signature = self.key.sign(span.begin, date.day(), scratch.as_bytes());

        url.push_str("&X-Amz-Signature=");
        push_hex(&mut url, signature.as_ref());
        Ok(SignedUrl {
            method,
            url: PresignedUrl(url),
            bound_headers: BoundHeaders::of(headers),
            expires_secs: span.left_secs(now),
            expires_at: span.end,
            same_until: span.same_until,
        })
    }

    /// Where the object is, without a signature: an address to show, which opens nothing.
    #[must_use]
    pub fn location(&self, grant: &Grant) -> String {
        let key = grant.key().as_str();
        let key_len = encoded_path_len(key);
        let lens = [self.origin.len(), self.path.len(), key_len];
        let mut url = String::with_capacity(lens.into_iter().fold(0, usize::saturating_add));
        url.push_str(&self.origin);
        url.push_str(&self.path);
        encode_path(&mut url, key, key_len);
        url
    }

    /// The exact length of the URL, so that its buffer is allocated once.
    fn url_len(&self, key_len: usize, terms: &Terms<'_>, headers: &[(&'static str, &str)]) -> usize {
        let fixed = [
            self.origin.len(),
            self.path.len(),
            self.until_day.len(),
            self.until_date.len(),
            self.until_headers.expose_secret().len(),
            DATES_LEN,
            SIGNATURE_LEN,
        ];
        // `;` between two names is three characters.
        let names = headers.iter().map(|(name, _)| name.len().saturating_add(3));
        let query = terms
            .query
            .iter()
            .map(|(name, value)| name.len().saturating_add(encoded_value_len(value)).saturating_add(2));
        fixed.into_iter().chain(names).chain(query).fold(key_len, usize::saturating_add)
    }

    /// The canonical query: names in byte order, each once. Ours begin with an
    /// upper-case `X` and so precede every lower-case name in `terms.query`.
    fn write_query(
        &self,
        url: &mut String,
        date: &BasicText,
        life_secs: u32,
        headers: &[(&'static str, &str)],
        terms: &Terms<'_>,
    ) {
        url.push_str(&self.until_day);
        url.push_str(date.day());
        url.push_str(&self.until_date);
        url.push_str(date.as_str());
        url.push_str("&X-Amz-Expires=");
        push_number(url, life_secs);
        url.push_str(self.until_headers.expose_secret());
        push_names(url, headers, "%3B");
        for (name, value) in terms.sorted_query() {
            url.push('&');
            url.push_str(name);
            url.push('=');
            encode_value(url, value);
        }
    }

    fn write_string_to_sign(&self, out: &mut String, date: &BasicText, request: &digest::Digest) {
        out.push_str("AWS4-HMAC-SHA256\n");
        out.push_str(date.as_str());
        out.push('\n');
        out.push_str(date.day());
        out.push_str(&self.scope);
        push_hex(out, request.as_ref());
    }
}

fn write_canonical_request(out: &mut String, method: &str, path: &str, query: &str, headers: &[(&'static str, &str)]) {
    for line in [method, path, query] {
        out.push_str(line);
        out.push('\n');
    }
    for (name, value) in headers {
        out.push_str(name);
        out.push(':');
        push_canonical_value(out, value);
        out.push('\n');
    }
    out.push('\n');
    push_names(out, headers, ";");
    // The body is not known when its URL is signed.
    out.push_str("\nUNSIGNED-PAYLOAD");
}

fn push_names(out: &mut String, headers: &[(&'static str, &str)], separator: &str) {
    for (i, (name, _)) in headers.iter().enumerate() {
        if i > 0 {
            out.push_str(separator);
        }
        out.push_str(name);
    }
}

/// Header values are trimmed, and runs of spaces become one.
fn push_canonical_value(out: &mut String, value: &str) {
    if !value.contains(' ') {
        out.push_str(value);
        return;
    }
    for (i, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

fn push_number(out: &mut String, number: u32) {
    let mut digits = [0_u8; 10];
    let mut rest = number;
    let mut start = digits.len();
    for (i, digit) in digits.iter_mut().enumerate().rev() {
        // The digits' codes share no bit with `0`'s, so `^` would do as well.
        *digit = b'0' | u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        start = i;
        if rest == 0 {
            break;
        }
    }
    out.push_str(digits.get(start..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default());
}
