//! Percent-encoded paths, decoded once.

use std::borrow::Cow;
use std::str::Bytes;

use super::key::KeyError;

/// The text of a path as it stands in a URL or a request line. `+` is a plus there.
///
/// What it says is for [`super::key::ObjectKey::parse`] to judge.
///
/// # Errors
///
/// [`KeyError::Escape`] for a `%` that begins no escape, and for bytes that are no UTF-8, overlong
/// ones among them; [`KeyError::EncodedSlash`] for a slash that is no border of segments.
pub fn decode_path(path: &str) -> Result<Cow<'_, str>, KeyError> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { escaped_byte(&mut bytes).ok_or(KeyError::Escape)? } else { byte });
        // SECURITY: `s1%2f..%2fs2` is one name to whoever wrote it, and three folders to S3.
        if byte == b'%' && decoded.last() == Some(&b'/') {
            return Err(KeyError::EncodedSlash);
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| KeyError::Escape)
}

/// The byte that two hexadecimal digits after a `%` stand for (RFC 3986 section 2.1).
pub(crate) fn escaped_byte(after_percent: &mut Bytes<'_>) -> Option<u8> {
    let mut digit = || char::from(after_percent.next()?).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (high, low) = (digit()?, digit()?);
    Some(high << 4 | low)
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_decoded_once() {
        for (path, text) in [
            ("/s1/f", "/s1/f"),
            ("s1/%c3%A9%20a+b", "s1/é a+b"),
            ("s1/é", "s1/é"),
            ("s1/100%25", "s1/100%"),
            ("s1/%252e%252e", "s1/%2e%2e"),
            ("s1/%2e%2e", "s1/.."),
            ("s1/%5c%00", "s1/\\\0"),
        ] {
            assert_eq!(decode_path(path).unwrap(), text);
        }
    }

    /// K04, K14: nothing is repaired.
    #[test]
    fn what_is_no_escape_or_no_utf8_is_refused() {
        for path in
            ["%", "s1/%2", "s1/%zz", "s1/%+1", "s1/% 1", "s1/%ff", "s1/..%c0%af", "s1/%e0%80%af", "s1/%ed%a0%80"]
        {
            assert_eq!(decode_path(path), Err(KeyError::Escape), "{path}");
        }
        for path in ["s1%2ff", "s1/..%2F..%2fs2", "%2f"] {
            assert_eq!(decode_path(path), Err(KeyError::EncodedSlash), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back_and_slashes_stay_where_they_are(path in "\\PC{0,20}(/\\PC{0,8}){0,4}", any in "[%/a-f0-9é]{0,20}") {
            let segments = path.split('/').map(|segment| utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string());
            let encoded = segments.collect::<Vec<_>>().join("/");
            let decoded = decode_path(&encoded).unwrap();
            prop_assert_eq!(decoded.as_ref(), path.as_str());
            if let Ok(decoded) = decode_path(&any) {
                prop_assert_eq!(decoded.matches('/').count(), any.matches('/').count());
            }
        }
    }
}
