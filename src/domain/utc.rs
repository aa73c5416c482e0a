//! Whole seconds in UTC, as signatures and answers write them.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Serialize, Serializer};

/// One whole second of the years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtcSecond(Timestamp);

/// An instant that no signature and no answer can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time is outside the years 1970 to 9999")]
pub struct OutOfRange;

impl UtcSecond {
    /// The second that `instant` lies in.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] before 1970.
    pub fn new(instant: Timestamp) -> Result<Self, OutOfRange> {
        Self::from_unix(instant.as_second())
    }

    /// The second this many after 1970 began.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] when it is negative or after the year 9999.
    pub fn from_unix(seconds: i64) -> Result<Self, OutOfRange> {
        Timestamp::from_second(seconds).ok().filter(|t| *t >= Timestamp::UNIX_EPOCH).map(Self).ok_or(OutOfRange)
    }

    /// Seconds since 1970, UTC.
    #[must_use]
    pub fn unix(self) -> i64 {
        self.0.as_second()
    }

    /// The second as signatures write it.
    pub(super) fn basic(self) -> BasicText {
        let t = self.civil();
        let mut text = *b"00000000T000000Z";
        for (slot, number) in [
            (0, t.year().unsigned_abs() / 100),
            (2, t.year().unsigned_abs()),
            (4, t.month().unsigned_abs().into()),
            (6, t.day().unsigned_abs().into()),
            (9, t.hour().unsigned_abs().into()),
            (11, t.minute().unsigned_abs().into()),
            (13, t.second().unsigned_abs().into()),
        ] {
            put_pair(&mut text, slot, number);
        }
        BasicText(text)
    }

    fn civil(self) -> DateTime {
        Offset::UTC.to_datetime(self.0)
    }
}

/// `20261122T150405Z` (ISO 8601 basic), as `X-Amz-Date` has it.
#[derive(Clone, Copy)]
pub(super) struct BasicText([u8; 16]);

impl BasicText {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The day of a credential scope: the first eight characters.
    pub(super) fn day(&self) -> &str {
        self.as_str().get(..8).unwrap_or_default()
    }
}

/// RFC 3339: `2026-11-22T15:04:05Z`.
impl fmt::Display for UtcSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let basic = self.basic();
        let mut text = *b"0000-00-00T00:00:00Z";
        for (to, from) in [(0, 0), (2, 2), (5, 4), (8, 6), (11, 9), (14, 11), (17, 13)] {
            let pair = basic.0.get(from..).and_then(|rest| rest.first_chunk());
            put(&mut text, to, *pair.unwrap_or(b"00"));
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Serialize for UtcSecond {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Writes the last two digits of a number at `slot`. Their codes share no bit with `0`'s, so `^` would do as well.
fn put_pair(text: &mut [u8], slot: usize, number: u16) {
    let digit = |number: u16| b'0' | u8::try_from(number % 10).unwrap_or_default();
    put(text, slot, [digit(number / 10), digit(number)]);
}

fn put(text: &mut [u8], slot: usize, pair: [u8; 2]) {
    if let Some(place) = text.get_mut(slot..).and_then(|rest| rest.first_chunk_mut()) {
        *place = pair;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seconds_outside_the_calendar_are_refused() {
        for instant in [Timestamp::MIN, Timestamp::from_second(-1).unwrap()] {
            assert_eq!(UtcSecond::new(instant), Err(OutOfRange));
        }
        assert_eq!(UtcSecond::from_unix(i64::MAX), Err(OutOfRange));
        assert_eq!(UtcSecond::from_unix(0).unwrap().to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(UtcSecond::new(Timestamp::MAX).unwrap().to_string().len(), 20);
    }

    proptest! {
        /// jiff's own printers are the oracle.
        #[test]
        fn both_forms_are_what_jiff_prints(second in 0_i64..253_402_207_200, nanosecond in 0_i32..1_000_000_000) {
            let utc = UtcSecond::new(Timestamp::new(second, nanosecond).unwrap()).unwrap();
            let whole = Timestamp::from_second(second).unwrap();
            prop_assert_eq!(utc.to_string(), whole.to_string());
            let basic = utc.basic();
            prop_assert_eq!(basic.as_str(), whole.strftime("%Y%m%dT%H%M%SZ").to_string());
            prop_assert_eq!(basic.day(), whole.strftime("%Y%m%d").to_string());
        }
    }
}
