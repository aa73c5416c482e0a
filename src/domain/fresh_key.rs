//! Keys that the service makes, for clients that have a file and no key.
//!
//! # The rule
//!
//! `<folder>/<32 hexadecimal digits>-<name>`. The digits are random, so no key meets another one, whoever made it and
//! whatever the file is called, and an upload to it replaces nothing. The name is for people only, made of the file's:
//!
//! 1. what follows the last `/` or `\`;
//! 2. ASCII other than letters, digits, space and `!'()+,-.=@_` becomes `_`: all that AWS advises against, `%`, which
//!    some servers decode, and `$`, which forms and policies read as the begin of a variable;
//! 3. so does what cannot be seen: control characters, U+2028, U+2029, and the marks that turn the direction of a text,
//!    by which `gpj.exe` shows as `exe.jpg`; other Unicode stays as it was sent, not normalised;
//! 4. spaces and dots at either end go, and a name without a rest is `file`;
//! 5. at most [`MAX_NAME_BYTES`] of UTF-8, and what a key has room for: cut before its extension.
//!
//! What comes of it is text still: [`super::key::ObjectKey::parse`] and the policy judge it as any key.

use std::borrow::Cow;

/// The longest name in bytes, as file systems have it.
pub const MAX_NAME_BYTES: usize = 200;

/// Random bytes in a key.
pub const RANDOM_BYTES: usize = 16;

/// What is longer behind a dot is no extension, in bytes.
const MAX_EXTENSION_BYTES: usize = 16;

const UNNAMED: &str = "file";

/// A key below `folder` for a file of this name, of at most `max_bytes` if that has room for a name.
#[must_use]
pub fn fresh_key(folder: &str, random: [u8; RANDOM_BYTES], file_name: &str, max_bytes: usize) -> String {
    let random = u128::from_be_bytes(random);
    let mut key = format!("{folder}/{random:032x}-");
    let room = max_bytes.saturating_sub(key.len()).min(MAX_NAME_BYTES);
    key.push_str(&cut(&plain_name(file_name), room));
    key
}

/// Rules 1 to 4.
fn plain_name(file_name: &str) -> String {
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = base.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    match plain.trim_matches([' ', '.']) {
        "" => UNNAMED.to_owned(),
        name => name.to_owned(),
    }
}

/// The ASCII of rule 2, which no server, form or policy reads in a way of its own.
pub(super) fn is_plain_ascii(c: char) -> bool {
    c.is_ascii_alphanumeric() || " !'()+,-.=@_".contains(c)
}

fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return is_plain_ascii(c);
    }
    let turns = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !turns && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')
}

/// Rule 5.
fn cut(name: &str, room: usize) -> Cow<'_, str> {
    if name.len() <= room {
        return Cow::Borrowed(name);
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= MAX_EXTENSION_BYTES.min(room / 2) => {
            (stem, format!(".{extension}"))
        }
        _ => (name, String::new()),
    };
    let most = room.saturating_sub(extension.len());
    let end = (0..=most.min(stem.len())).rev().find(|end| stem.is_char_boundary(*end)).unwrap_or(0);
    Cow::Owned(format!("{}{extension}", stem.get(..end).unwrap_or_default().trim_end_matches([' ', '.'])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES, ObjectKey};

    const RANDOM: [u8; RANDOM_BYTES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];
    const HEX: &str = "000102030405060708090a0b0c0d0eff";

    fn name(file_name: &str) -> String {
        let key = fresh_key("s1", RANDOM, file_name, MAX_KEY_BYTES);
        key.strip_prefix(&format!("s1/{HEX}-")).unwrap().to_owned()
    }

    #[test]
    fn the_name_of_the_file_stays_readable() {
        for (file, expected) in [
            ("photo.png", "photo.png"),
            ("Été à la plage (1).jpeg", "Été à la plage (1).jpeg"),
            ("e\u{301}.txt", "e\u{301}.txt"),
            ("日本 😀.txt", "日本 😀.txt"),
            ("a+b=c@d,e!'_.tar.gz", "a+b=c@d,e!'_.tar.gz"),
            (".htaccess", "htaccess"),
            (" a . ", "a"),
        ] {
            assert_eq!(name(file), expected, "{file}");
        }
    }

    /// K03, K04, K05, K13, K16: nothing of it is a folder, an escape or a control.
    #[test]
    fn what_could_be_read_in_two_ways_is_replaced() {
        for (file, expected) in [
            ("../../s2/x", "x"),
            ("..\\..\\s2\\x", "x"),
            ("s2/", "file"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("%2e%2e%2fs2", "_2e_2e_2fs2"),
            ("a\0b\r\nc\u{7f}\u{85}\u{2028}", "a_b__c___"),
            ("exe.\u{202e}gpj", "exe._gpj"),
            ("a?uploadId=x&acl#f;$b", "a_uploadId=x_acl_f__b"),
            ("${filename}", "__filename_"),
            ("<a href=\"x\">*|:", "_a href=_x_____"),
        ] {
            assert_eq!(name(file), expected, "{file}");
        }
    }

    #[test]
    fn long_names_are_cut_before_their_extension() {
        let long = name(&format!("{}.jpeg", "é".repeat(300)));
        assert_eq!(long, format!("{}.jpeg", "é".repeat(97)));
        assert_eq!(long.len(), 199, "no half of a character");
        assert_eq!(name(&"x".repeat(300)), "x".repeat(200));
        assert_eq!(name(&format!("a.{}", "x".repeat(300))).len(), 200);
        assert_eq!(name(&format!("{}. .png", "x".repeat(199))), format!("{}.png", "x".repeat(196)));
        let room = 3 + 33 + 10;
        assert_eq!(fresh_key("s1", RANDOM, "abcdefghijkl.png", room), format!("s1/{HEX}-abcdef.png"));
        // An extension may take half of the room and no more.
        assert_eq!(fresh_key("s1", RANDOM, "abcdefghijkl.jpeg1", room), format!("s1/{HEX}-abcd.jpeg1"));
        assert_eq!(fresh_key("s1", RANDOM, "abcdefghijkl.jpeg12", room), format!("s1/{HEX}-abcdefghij"));
        assert_eq!(fresh_key("s1", RANDOM, "abc.png", 20), format!("s1/{HEX}-"), "no room: the key is too long");
    }

    proptest! {
        /// Whatever a file is called, the key lies in the folder and is a key, as it is.
        #[test]
        fn every_name_makes_a_key_in_its_folder(file in any::<String>(), odd in "[./\\\\%$\u{0}-\u{1f} \u{200e}a2Fe]{0,40}") {
            let rules = KeyRules { files_root: "root".into(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
            for file in [file, odd] {
                let text = fresh_key("s1/photos", RANDOM, &file, rules.max_bytes);
                let key = ObjectKey::parse(&text, &rules).unwrap();
                prop_assert_eq!(key.as_str(), &text);
                let name = text.strip_prefix(&format!("s1/photos/{HEX}-")).unwrap();
                prop_assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.contains(['/', '%', '$']));
            }
        }
    }
}
