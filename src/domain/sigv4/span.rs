//! When a URL begins and when it ends.

use super::{MAX_EXPIRES_SECS, PresignError, Terms};
use crate::domain::utc::UtcSecond;

/// From one second to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// `X-Amz-Date`.
    pub(super) begin: UtcSecond,
    /// `X-Amz-Expires`, in seconds.
    pub(super) life_secs: u32,
    /// The first second after it.
    pub(super) end: UtcSecond,
    /// Until then the same call gives the same span, if it is asked for in a window.
    pub(super) same_until: Option<UtcSecond>,
}

impl Span {
    /// What `terms` ask for as of `now`, and no longer than the credentials hold, which end at `credentials_end`
    /// (seconds since 1970).
    pub(super) fn new(now: UtcSecond, terms: &Terms<'_>, credentials_end: Option<i64>) -> Result<Self, PresignError> {
        let life_secs = terms.expires_secs.saturating_add(terms.window_secs);
        if terms.expires_secs == 0 || life_secs > MAX_EXPIRES_SECS {
            return Err(PresignError::Expires);
        }
        let begin = match i64::from(terms.window_secs) {
            0 => now,
            // Counted from 1970 and not from our start, so that all copies of this process agree.
            window => UtcSecond::from_unix(now.unix().saturating_sub(now.unix().checked_rem(window).unwrap_or(0)))?,
        };
        let after_begin = |secs: u32| begin.unix().saturating_add(i64::from(secs));
        let mut end = after_begin(life_secs);
        if let Some(credentials_end) = credentials_end {
            if credentials_end <= now.unix() {
                return Err(PresignError::NoCredentials);
            }
            // Depends on the window alone, so the shorter URL is one URL, too.
            end = end.min(credentials_end);
        }
        let same_until = match terms.window_secs {
            0 => None,
            window => Some(UtcSecond::from_unix(after_begin(window).min(end))?),
        };
        let life_secs = u32::try_from(end.saturating_sub(begin.unix())).unwrap_or(life_secs);
        Ok(Self { begin, life_secs, end: UtcSecond::from_unix(end)?, same_until })
    }

    /// Seconds from `now` to the end.
    pub(super) fn left_secs(&self, now: UtcSecond) -> u32 {
        u32::try_from(self.end.unix().saturating_sub(now.unix())).unwrap_or(0)
    }
}
