//! AWS Signature Version 4 in the query string, for service `s3`.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
//!
//! # Why our own
//!
//! A general library signs what a URL library made of the key, and a URL library
//! resolves `..`. Here the text that is signed and the text that is sent are one
//! buffer: the key is percent-encoded once, into the URL, and the canonical
//! request is cut from it. rusty-s3 and botocore are the oracles in the tests.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::policy::Grant;

/// The longest life that S3 gives a presigned URL: seven days, in seconds.
pub const MAX_EXPIRES_SECS: u32 = 604_800;

/// The longest URL host, bucket path and query that is written without growing the buffer.
const URL_CAPACITY: usize = 640;

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

/// What a URL is bound to besides method, host and key.
#[derive(Debug, Clone, Default)]
pub struct Terms<'a> {
    /// Seconds until the URL ends, 1 to [`MAX_EXPIRES_SECS`].
    pub expires_secs: u32,
    /// Headers that the client must send, names in lower case, `host` excepted.
    pub headers: Vec<(&'static str, &'a str)>,
    /// Query parameters that are signed too, such as `response-content-disposition`.
    pub query: Vec<(&'static str, &'a str)>,
}

/// A URL that was signed, and what the signature covers.
#[derive(Debug)]
pub struct SignedUrl {
    /// The HTTP method that the URL is good for.
    pub method: &'static str,
    /// The URL, which is a credential.
    pub url: PresignedUrl,
    /// Names of the headers that the signature covers, sorted, in lower case.
    pub bound_headers: Vec<&'static str>,
    /// The first second at which the URL is no longer good: `X-Amz-Date + X-Amz-Expires`.
    pub expires_at: Timestamp,
}

/// The text of a presigned URL. `Debug` and `Display` hide the query, because
/// whoever reads it can use it until it ends.
pub struct PresignedUrl(Zeroizing<String>);

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
}

/// Mints presigned URLs for one bucket with one credential.
#[derive(Debug)]
pub struct Presigner {
    address: BucketAddress,
    region: String,
    credentials: Credentials,
}

impl Presigner {
    /// A presigner for the bucket at `address`. `region` is the credential scope's, such as `us-east-1` or `auto`.
    #[must_use]
    pub fn new(address: BucketAddress, region: String, credentials: Credentials) -> Self {
        Self { address, region, credentials }
    }

    /// Mints the URL for what was granted, dated `now` (fractions of a second dropped).
    ///
    /// # Errors
    ///
    /// [`PresignError`] when the clock or the life is out of range.
    pub fn presign(&self, grant: &Grant, terms: &Terms<'_>, now: Timestamp) -> Result<SignedUrl, PresignError> {
        let date = SigningDate::new(now)?;
        let expires_at = date.plus_seconds(terms.expires_secs)?;
        let mut headers = terms.headers.clone();
        headers.push(("host", &self.address.host));
        headers.sort_unstable();
        let bound_headers: Vec<&'static str> = headers.iter().map(|(name, _)| *name).collect();
        let signed_headers = bound_headers.join(";");

        let mut url = Zeroizing::new(String::with_capacity(URL_CAPACITY));
        url.push_str(&self.address.scheme);
        url.push_str("://");
        url.push_str(&self.address.host);
        let path_start = url.len();
        url.push_str(&self.address.path);
        url.push('/');
        encode_into(&mut url, grant.key().as_str(), Slash::Keep);
        let path_end = url.len();
        url.push('?');
        self.write_query(&mut url, &date, &signed_headers, terms);

        let (address, query) = url.split_at(path_end);
        let (path, query) = (tail(address, path_start), tail(query, 1));
        let method = grant.action().method();
        let request = canonical_request(method, path, query, &headers, &signed_headers);
        let signature = self.sign(&date, &request);
        url.push_str("&X-Amz-Signature=");
        push_hex(&mut url, signature.as_ref());

        Ok(SignedUrl { method, url: PresignedUrl(url), bound_headers, expires_at })
    }

    /// The canonical query: names in byte order, each once. Ours begin with an
    /// upper-case `X` and so precede every lower-case name in `terms.query`.
    fn write_query(&self, url: &mut String, date: &SigningDate, signed_headers: &str, terms: &Terms<'_>) {
        url.push_str("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=");
        encode_into(url, &self.credentials.access_key_id, Slash::Encode);
        url.push_str("%2F");
        url.push_str(date.day());
        url.push_str("%2F");
        encode_into(url, &self.region, Slash::Encode);
        url.push_str("%2Fs3%2Faws4_request&X-Amz-Date=");
        url.push_str(date.basic());
        url.push_str("&X-Amz-Expires=");
        url.push_str(&terms.expires_secs.to_string());
        if let Some(token) = &self.credentials.session_token {
            url.push_str("&X-Amz-Security-Token=");
            encode_into(url, token.expose_secret(), Slash::Encode);
        }
        url.push_str("&X-Amz-SignedHeaders=");
        encode_into(url, signed_headers, Slash::Encode);
        let mut extra = terms.query.clone();
        extra.sort_unstable();
        for (name, value) in extra {
            url.push('&');
            url.push_str(name);
            url.push('=');
            encode_into(url, value, Slash::Encode);
        }
    }

    fn sign(&self, date: &SigningDate, canonical_request: &str) -> hmac::Tag {
        let mut to_sign = String::with_capacity(192);
        to_sign.push_str("AWS4-HMAC-SHA256\n");
        to_sign.push_str(date.basic());
        to_sign.push('\n');
        to_sign.push_str(date.day());
        to_sign.push('/');
        to_sign.push_str(&self.region);
        to_sign.push_str("/s3/aws4_request\n");
        push_hex(&mut to_sign, digest::digest(&digest::SHA256, canonical_request.as_bytes()).as_ref());
        hmac::sign(&self.signing_key(date), to_sign.as_bytes())
    }

    /// `HMAC(HMAC(HMAC(HMAC("AWS4" + secret, day), region), "s3"), "aws4_request")`.
    fn signing_key(&self, date: &SigningDate) -> hmac::Key {
        let secret = Zeroizing::new(format!("AWS4{}", self.credentials.secret_access_key.expose_secret()));
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        for part in [date.day(), &self.region, "s3", "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        key
    }
}

/// One instant as `YYYYMMDD'T'HHMMSS'Z'`, whose first eight bytes are the day of the credential scope.
struct SigningDate {
    instant: Timestamp,
    text: String,
}

impl SigningDate {
    fn new(now: Timestamp) -> Result<Self, PresignError> {
        let instant = Timestamp::from_second(now.as_second()).map_err(|_| PresignError::Clock)?;
        if instant < Timestamp::UNIX_EPOCH {
            return Err(PresignError::Clock);
        }
        let t: DateTime = Offset::UTC.to_datetime(instant);
        let text =
            format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", t.year(), t.month(), t.day(), t.hour(), t.minute(), t.second());
        Ok(Self { instant, text })
    }

    fn basic(&self) -> &str {
        &self.text
    }

    fn day(&self) -> &str {
        self.text.split_once('T').map_or("", |(day, _)| day)
    }

    fn plus_seconds(&self, seconds: u32) -> Result<Timestamp, PresignError> {
        if !(1..=MAX_EXPIRES_SECS).contains(&seconds) {
            return Err(PresignError::Expires);
        }
        let end = self.instant.as_second().checked_add(i64::from(seconds)).ok_or(PresignError::Clock)?;
        Timestamp::from_second(end).map_err(|_| PresignError::Clock)
    }
}

fn canonical_request(method: &str, path: &str, query: &str, headers: &[(&str, &str)], signed_headers: &str) -> String {
    let mut request = String::with_capacity(URL_CAPACITY);
    for line in [method, path, query] {
        request.push_str(line);
        request.push('\n');
    }
    for (name, value) in headers {
        request.push_str(name);
        request.push(':');
        push_canonical_value(&mut request, value);
        request.push('\n');
    }
    request.push('\n');
    request.push_str(signed_headers);
    // The body is not known when its URL is signed.
    request.push_str("\nUNSIGNED-PAYLOAD");
    request
}

/// Header values are trimmed, and runs of spaces become one.
fn push_canonical_value(out: &mut String, value: &str) {
    for (i, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// Whether `/` stays, as in a path, or becomes `%2F`, as in a query.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Keep,
    Encode,
}

/// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3.
fn encode_into(out: &mut String, text: &str, slash: Slash) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if slash == Slash::Keep => out.push('/'),
            _ => {
                out.push('%');
                push_hex_byte(out, byte, b"0123456789ABCDEF");
            }
        }
    }
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        push_hex_byte(out, *byte, b"0123456789abcdef");
    }
}

/// The two digits of a byte. `& 0x0f` keeps every index inside the table.
#[allow(clippy::indexing_slicing, reason = "an index below 16 into a table of 16")]
fn push_hex_byte(out: &mut String, byte: u8, digits: &[u8; 16]) {
    out.push(char::from(digits[usize::from(byte >> 4)]));
    out.push(char::from(digits[usize::from(byte & 0x0f)]));
}

/// `text` from `start`, which is a boundary that was written by this module.
fn tail(text: &str, start: usize) -> &str {
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
