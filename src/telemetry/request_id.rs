//! Request ids: one for each request, in its answer and in the log.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a request.
const MAX_BYTES: usize = 64;

/// The id of one request: the caller's own when it is plain, else a new one.
///
/// Kept as the header that carries it back.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id for a request with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let usable =
            |value: &&HeaderValue| (1..=MAX_BYTES).contains(&value.len()) && value.as_bytes().iter().all(plain);
        headers.get(X_REQUEST_ID).filter(usable).map_or_else(Self::new, |value| Self(value.clone()))
    }

    /// Unique, not secret: a random start for the process, and a count.
    fn new() -> Self {
        // The keys of a hasher are random, and unlike those of the crypto library need no
        // seed of their own, which takes 30 ms of the first request.
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request id"));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = (u128::from(*PROCESS) << 64) | u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
        // Hexadecimal digits are a header value.
        HeaderValue::from_bytes(&hex(id)).map_or(Self(HeaderValue::from_static("unknown")), Self)
    }

    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The header to answer with.
    #[must_use]
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

fn hex(id: u128) -> [u8; 32] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut rest = id;
    let mut text = [b'0'; 32];
    for digit in text.iter_mut().rev() {
        let nibble = usize::try_from(rest & 0xf).unwrap_or_default();
        *digit = DIGITS.get(nibble).copied().unwrap_or(b'0');
        rest >>= 4;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, value.parse().unwrap());
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn plain_ids_are_taken_over_and_others_replaced() {
        assert_eq!(id_for("abc-1.2_3"), "abc-1.2_3");
        for odd in ["", "a b", "a\",\"level\":\"", &"a".repeat(65)] {
            assert_ne!(id_for(odd), odd);
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
        assert_eq!(hex(0x0123_4567_89ab_cdef), *b"00000000000000000123456789abcdef");
    }
}
