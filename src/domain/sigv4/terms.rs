//! What a URL is bound to besides method, host and key.

use std::fmt;

use serde::{Serialize, Serializer};

/// How many headers a URL can bind besides `host`.
pub const MAX_BOUND_HEADERS: usize = 11;

/// What a URL is bound to besides method, host and key. In any order, each name once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// Seconds until the URL ends, 1 to [`super::MAX_EXPIRES_SECS`].
    pub expires_secs: u32,
    /// With more than 0, all that are minted within the same so many seconds since 1970 are dated to the first of
    /// them, and so are one URL. Each lives so much longer: the last of them has the life that was promised, too.
    pub window_secs: u32,
    /// Headers that the client must send, names in lower case, `host` excepted.
    pub headers: &'a [(&'static str, &'a str)],
    /// Query parameters that are signed too, such as `response-content-disposition`.
    pub query: &'a [(&'static str, &'a str)],
}

impl<'a> Terms<'a> {
    /// The headers and `host`, sorted by name, or nothing when they are too many.
    pub(super) fn headers_with(&self, host: &'a str) -> Option<Sorted<'a>> {
        let mut sorted = Sorted { entries: [("", ""); MAX_BOUND_HEADERS + 1], len: 0 };
        for header in self.headers.iter().chain(&[("host", host)]) {
            *sorted.entries.get_mut(sorted.len)? = *header;
            sorted.len = sorted.len.saturating_add(1);
        }
        sorted.entries.get_mut(..sorted.len)?.sort_unstable();
        Some(sorted)
    }

    pub(super) fn sorted_query(&self) -> Vec<(&'static str, &'a str)> {
        // An empty list does not allocate.
        let mut query = self.query.to_vec();
        query.sort_unstable();
        query
    }
}

/// Headers in the order of the canonical request, on the stack.
pub(super) struct Sorted<'a> {
    entries: [(&'static str, &'a str); MAX_BOUND_HEADERS + 1],
    len: usize,
}

impl<'a> Sorted<'a> {
    pub(super) fn as_slice(&self) -> &[(&'static str, &'a str)] {
        self.entries.get(..self.len).unwrap_or_default()
    }
}

/// Names of the headers that a signature covers, sorted, in lower case.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct BoundHeaders {
    names: [&'static str; MAX_BOUND_HEADERS + 1],
    len: usize,
}

impl BoundHeaders {
    pub(super) fn of(headers: &[(&'static str, &str)]) -> Self {
        let mut names = [""; MAX_BOUND_HEADERS + 1];
        for (slot, (name, _)) in names.iter_mut().zip(headers) {
            *slot = name;
        }
        Self { names, len: headers.len() }
    }

    /// The names.
    #[must_use]
    pub fn as_slice(&self) -> &[&'static str] {
        self.names.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for BoundHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl Serialize for BoundHeaders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}
