//! One decision as one line of JSON: the same members in the same order always, on one line whatever is in them (H26).
//!
//! `deploy/audit.schema.json` says what each member is.

use std::fmt;
use std::io;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use super::text::{Cut, is_odd};
use crate::domain::utc::UtcSecond;
use crate::telemetry::trace_context::TraceId;

/// Room for a usual line.
const USUAL_LINE_BYTES: usize = 640;

/// The most of each text that a line holds, in bytes as they are written. Together they keep every line within what a
/// pipe takes in one piece: 4,096 bytes (`PIPE_BUF` of Linux). A key is never cut: its 1,024 bytes are at most twice as many here.
const MAX_KEY_BYTES: usize = 2100;
const MAX_NAME_BYTES: usize = 256;
const MAX_ID_BYTES: usize = 128;

/// What an upload was bound to.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bounds<'a> {
    pub(crate) content_length: Option<u64>,
    pub(crate) content_type: Option<Cut<'a, MAX_NAME_BYTES>>,
    /// Whether the bytes are, by their SHA-256.
    pub(crate) checksum_sha256: bool,
    pub(crate) write_once: bool,
}

/// Yes or no, and what was said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    /// With the status of the answer, where that is known already: what is done at the bucket is not done yet.
    Allow(Option<u16>),
    /// With code and status of the refusal.
    Deny(&'static str, u16),
}

/// The object of an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named<'a> {
    /// By its key.
    Key(&'a str),
    /// By something that is no key. It may be anything, a token or a URL too, so only its hash is written.
    NoKey(&'a str),
}

/// A decision, and what led to it. Holds no token, no URL and no signature, so that it cannot tell one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// The request's one reading of the clock.
    pub(crate) time: Timestamp,
    pub(crate) request_id: &'a str,
    pub(crate) trace_id: Option<TraceId>,
    /// Method and path of the row that took the request.
    pub(crate) route: (&'static str, &'static str),
    pub(crate) issuer: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) token_id: Option<&'a str>,
    pub(crate) operation: Option<&'static str>,
    pub(crate) store: Option<&'a str>,
    pub(crate) storage: Option<&'a str>,
    pub(crate) named: Option<Named<'a>>,
    pub(crate) bounds: Option<Bounds<'a>>,
    pub(crate) expires_at: Option<UtcSecond>,
    pub(crate) verdict: Verdict,
}

/// The line as it is written. The order here is the order there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: Shown<'a>,
    request_id: &'a str,
    trace_id: Option<TraceId>,
    route: Shown<'a>,
    issuer: Option<Cut<'a, MAX_NAME_BYTES>>,
    subject: Option<Cut<'a, MAX_NAME_BYTES>>,
    token_id: Option<Cut<'a, MAX_ID_BYTES>>,
    operation: Option<&'static str>,
    store: Option<Cut<'a, MAX_NAME_BYTES>>,
    storage: Option<Cut<'a, MAX_ID_BYTES>>,
    key: Option<Cut<'a, MAX_KEY_BYTES>>,
    key_sha256: Option<Shown<'a>>,
    bounds: Option<Bounds<'a>>,
    expires_at: Option<UtcSecond>,
    decision: &'static str,
    code: Option<&'static str>,
    status: Option<u16>,
}

impl Record<'_> {
    /// The line, with its end. With `hashed` the SHA-256 of the key stands in the key's place.
    pub(crate) fn line(&self, hashed: bool) -> Vec<u8> {
        let (decision, code, status) = match self.verdict {
            Verdict::Allow(status) => ("allow", None, status),
            Verdict::Deny(code, status) => ("deny", Some(code), Some(status)),
        };
        let (key, hashed) = match self.named {
            Some(Named::Key(key)) if !hashed => (Some(key), None),
            Some(Named::Key(text) | Named::NoKey(text)) => (None, Some(Sha256(text))),
            None => (None, None),
        };
        write_line(&Line {
            time: Shown(&format_args!("{:.3}", self.time)),
            request_id: self.request_id,
            trace_id: self.trace_id,
            route: Shown(&format_args!("{} {}", self.route.0, self.route.1)),
            issuer: self.issuer.map(Cut),
            subject: self.subject.map(Cut),
            token_id: self.token_id.map(Cut),
            operation: self.operation,
            store: self.store.map(Cut),
            storage: self.storage.map(Cut),
            key: key.map(Cut),
            key_sha256: hashed.as_ref().map(|hash| Shown(hash)),
            bounds: self.bounds,
            expires_at: self.expires_at,
            decision,
            code,
            status,
        })
    }
}

/// The line that stands for `dropped` others.
pub(super) fn dropped_line(dropped: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct Dropped {
        dropped: u64,
    }
    write_line(&Dropped { dropped })
}

fn write_line(line: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_LINE_BYTES);
    // Our own types have string keys and no failing serializer, and memory takes every byte.
    let _ = line.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, OneLine));
    bytes.push(b'\n');
    bytes
}

/// A text that is made while it is written.
struct Shown<'a>(&'a dyn fmt::Display);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

struct Sha256<'a>(&'a str);

impl fmt::Display for Sha256<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digest(&SHA256, self.0.as_bytes()).as_ref().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// JSON without white space, as `serde_json` writes it, which leaves only some control characters escaped. Here all are, and
/// all that some reader takes for the end of a line, or that turns what a terminal shows.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.is_ascii() && !fragment.contains('\u{7f}') {
            return writer.write_all(fragment.as_bytes());
        }
        for part in fragment.split_inclusive(is_odd) {
            match (part.strip_suffix(is_odd), part.chars().next_back()) {
                // All of them are in the first plane.
                (Some(plain), Some(odd)) => write!(writer, "{plain}\\u{:04x}", u32::from(odd))?,
                _ => writer.write_all(part.as_bytes())?,
            }
        }
        Ok(())
    }
}
