//! Request ids: one for each request, in its answer and in the log.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{HeaderMap, HeaderName};

/// The header that carries the id, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a request.
const MAX_CHARS: usize = 64;

/// The id of one request: the caller's own when it is plain, else a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The id for a request with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let usable = |text: &&str| (1..=MAX_CHARS).contains(&text.len()) && text.chars().all(plain);
        match headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(usable) {
            Some(text) => Self(text.to_owned()),
            None => Self::new(),
        }
    }

    /// Unique, not secret: a random start for the process, and a count.
    fn new() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| {
            let mut bytes = [0; 8];
            // Without randomness ids repeat after a restart, and nothing else happens.
            let _ = aws_lc_rs::rand::fill(&mut bytes);
            u64::from_be_bytes(bytes)
        });
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(format!("{:016x}{:08x}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, value.parse().unwrap());
        RequestId::of(&headers).0
    }

    #[test]
    fn plain_ids_are_taken_over_and_others_replaced() {
        assert_eq!(id_for("abc-1.2_3"), "abc-1.2_3");
        for odd in ["", "a b", "a\",\"level\":\"", &"a".repeat(65)] {
            assert_ne!(id_for(odd), odd);
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
