//! `traceparent`: the trace that a request is part of (<https://www.w3.org/TR/trace-context/>).
//!
//! Read strictly: what is not exactly as the standard has it is taken for nothing, and never passed on. `tracestate`, which
//! may hold anything, is not read and goes nowhere.

use std::fmt;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Serialize, Serializer};

/// The header that carries it.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

/// The name of a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// From its 32 digits.
    #[cfg(feature = "otlp")]
    pub(super) fn from_hex(digits: &str) -> Option<Self> {
        digits.as_bytes().try_into().ok().map(Self)
    }

    /// 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a caller says of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's own part of it: 16 hexadecimal digits.
    pub parent_id: [u8; 16],
    /// Whether the caller records its part.
    pub sampled: bool,
    /// The header as it came, or what a later version of it says in the words of this one.
    header: HeaderValue,
}

impl TraceContext {
    /// That of a request with these headers, if it has exactly one that can be read.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        Self::parse(value)
    }

    fn parse(value: &HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        let (known, rest) = bytes.split_at_checked(LENGTH)?;
        let [version, trace_id, parent_id, flags] = fields(known)?;
        // Later versions may say more behind this (section 3.2.4); `ff` is none.
        let ends_well = if version == b"00" { rest.is_empty() } else { rest.first().is_none_or(|byte| *byte == b'-') };
        let is_zero = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
        if !ends_well || version == b"ff" || is_zero(trace_id) || is_zero(parent_id) {
            return None;
        }
        let flags = u8::from_str_radix(std::str::from_utf8(flags).ok()?, 16).ok()?;
        let trace_id = TraceId(trace_id.try_into().ok()?);
        let parent_id = parent_id.try_into().ok()?;
        let sampled = flags & SAMPLED != 0;
        let header = if version == b"00" { value.clone() } else { header(&trace_id, &parent_id, sampled)? };
        Some(Self { trace_id, parent_id, sampled, header })
    }

    /// The header to pass on by who has no part of its own in the trace.
    #[must_use]
    pub fn header(&self) -> &HeaderValue {
        &self.header
    }
}

fn header(trace_id: &TraceId, parent_id: &[u8; 16], sampled: bool) -> Option<HeaderValue> {
    let parent_id = std::str::from_utf8(parent_id).ok()?;
    HeaderValue::from_str(&format!("00-{trace_id}-{parent_id}-{:02x}", u8::from(sampled))).ok()
}

/// The four fields of lower-case hexadecimal digits.
fn fields(known: &[u8]) -> Option<[&[u8]; 4]> {
    let mut fields = known.split(|byte| *byte == b'-');
    let mut next = |length: usize| {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        fields.next().filter(|field| field.len() == length && field.iter().all(is_digit))
    };
    Some([next(2)?, next(32)?, next(16)?, next(2)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn parse(text: &str) -> Option<TraceContext> {
        TraceContext::parse(&HeaderValue::from_str(text).unwrap())
    }

    #[test]
    fn what_the_standard_has_is_read() {
        let context = parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(
            (context.trace_id.as_str(), &context.parent_id, context.sampled),
            (TRACE, b"b7ad6b7169203331", true)
        );
        assert!(!parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe").unwrap().sampled);
        // Of a later version, what is known of it, in the words of this one.
        let later = parse("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09-what the future will be").unwrap();
        assert_eq!(later.header(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert!(parse("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").is_some());
    }

    #[test]
    fn all_else_is_nothing() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0G",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "000af7651916cd43dd8448eb211c80319c--b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c8031-9cb7ad6b7169203331--01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        let mut two = HeaderMap::new();
        let value = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        two.append(TRACEPARENT, value.clone());
        assert!(TraceContext::of(&two).is_some());
        two.append(TRACEPARENT, value);
        assert_eq!(TraceContext::of(&two), None);
    }
}
