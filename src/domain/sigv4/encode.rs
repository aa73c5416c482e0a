//! Percent-encoding as `SigV4` wants it, and hexadecimal.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986 section 2.3.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a path, in which `/` stays.
const PATH: &AsciiSet = &VALUE.remove(b'/');

pub(super) fn encode_value(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, VALUE));
}

/// `encoded_len` is what [`encoded_path_len`] said: a key that needs no encoding, as a hash does, is copied.
pub(in crate::domain) fn encode_path(out: &mut String, text: &str, encoded_len: usize) {
    if encoded_len == text.len() {
        out.push_str(text);
    } else {
        out.extend(utf8_percent_encode(text, PATH));
    }
}

pub(super) fn encoded_value_len(text: &str) -> usize {
    encoded_len(text, |byte| !is_unreserved(byte))
}

pub(in crate::domain) fn encoded_path_len(text: &str) -> usize {
    encoded_len(text, |byte| !is_unreserved(byte) && byte != b'/')
}

/// A byte that is encoded becomes three characters.
fn encoded_len(text: &str, is_encoded: impl Fn(u8) -> bool) -> usize {
    text.bytes().map(|byte| if is_encoded(byte) { 3 } else { 1 }).sum()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The 64 lower-case digits of a SHA-256 or an HMAC of one.
pub(in crate::domain) fn push_hex(out: &mut String, bytes: &[u8]) {
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            *high = hex_digit(byte >> 4);
            *low = hex_digit(byte & 0x0f);
        }
    }
    out.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

/// Without a table, so that the compiler does sixteen at once.
fn hex_digit(nibble: u8) -> u8 {
    const LETTERS_AFTER_DIGITS: u8 = b'a' - b'0' - 10;
    let letter = if nibble > 9 { LETTERS_AFTER_DIGITS } else { 0 };
    nibble.wrapping_add(b'0').wrapping_add(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_unreserved_characters_are_kept() {
        let mut out = String::new();
        let text = "aZ09-._~/ +%é😀!'()*";
        encode_path(&mut out, text, encoded_path_len(text));
        assert_eq!(out, "aZ09-._~/%20%2B%25%C3%A9%F0%9F%98%80%21%27%28%29%2A");
        let mut out = String::new();
        encode_value(&mut out, "a/b");
        assert_eq!(out, "a%2Fb");
    }

    proptest! {
        #[test]
        fn the_length_is_known_before(text in "\\PC{0,40}") {
            let (mut path, mut value) = (String::new(), String::new());
            encode_path(&mut path, &text, encoded_path_len(&text));
            encode_value(&mut value, &text);
            prop_assert_eq!(path.len(), encoded_path_len(&text));
            prop_assert_eq!(value.len(), encoded_value_len(&text));
        }

        #[test]
        fn hex_is_what_the_formatter_prints(bytes: [u8; 32]) {
            let mut out = String::new();
            push_hex(&mut out, &bytes);
            prop_assert_eq!(out, bytes.map(|byte| format!("{byte:02x}")).concat());
        }
    }
}
