//! Object keys: what a caller asks for becomes a key here, or nowhere.
//!
//! # Why a type
//!
//! A URL library resolves `..`, some S3 servers fold `a//b` into `a/b`, others
//! read `\` as `/` or decode `%2F` once more than they should. Each of those
//! turns an allowed string into another tenant's object. So a string becomes an
//! [`ObjectKey`] once, by one rule that refuses everything that any of them
//! would read differently, and nothing downstream takes a string.

/// The longest object key that S3 takes, in bytes of UTF-8.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
pub const MAX_KEY_BYTES: usize = 1024;

/// Length of a lower-case hexadecimal SHA-256.
const SHA256_HEX_LEN: usize = 64;

/// Which keys exist in this deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// `<store>/<segment>[/<segment>…]`.
    Path,
    /// `<store>/<64 lower-case hex>` and nothing else.
    ContentAddressed,
}

/// What [`ObjectKey::parse`] is told by the configuration.
#[derive(Debug, Clone)]
pub struct KeyRules {
    /// The folder that stored paths begin with, without slashes at its ends.
    pub files_root: String,
    /// Which shapes are keys.
    pub format: KeyFormat,
    /// The longest key in bytes: [`MAX_KEY_BYTES`] less what precedes keys in their buckets.
    pub max_bytes: usize,
}

/// A key that every S3 server reads as the same object.
///
/// UTF-8, at most [`KeyRules::max_bytes`], two or more segments, none of them empty
/// or a dot segment, no control character, no backslash, nothing that looks
/// percent-encoded. Which store it belongs to is its first segment; whether the
/// caller may touch it is for [`super::policy::decide`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

/// Why a string is no object key. The text is safe to show to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is left after the files root.
    #[error("the key is empty")]
    Empty,
    /// More bytes than [`KeyRules::max_bytes`].
    #[error("the key is longer than {limit} bytes of UTF-8")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Two slashes in a row, or one at an end.
    #[error("the key has an empty segment")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("the key has a dot segment")]
    DotSegment,
    /// A control character, a line or paragraph separator.
    #[error("the key has a control character")]
    ControlCharacter,
    /// A backslash, which some servers read as `/`.
    #[error("the key has a backslash")]
    Backslash,
    /// `%` and two hexadecimal digits, which some servers decode once more.
    #[error("the key looks percent-encoded: send it decoded")]
    PercentEncoded,
    /// In a path of a URL: a `%` that begins no escape, or escapes of what is no UTF-8.
    #[error("the path is not percent-encoded UTF-8")]
    Escape,
    /// In a path of a URL: `%2f`, a slash that is no border of segments.
    #[error("the path has an encoded slash")]
    EncodedSlash,
    /// One segment only: a store, not a file in it.
    #[error("the key names no file: it must be <store>/<name>")]
    NoName,
    /// `keys.format = "content-addressed"` and the key is of another shape.
    #[error("the key must be <store>/<64 lower-case hexadecimal digits>")]
    NotContentAddressed,
}

impl ObjectKey {
    /// Turns what a caller sent into the key it means.
    ///
    /// Applies [`strip_files_root`] once. What is left is kept byte for byte:
    /// never decoded, normalised or cut.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that is broken.
    pub fn parse(path: &str, rules: &KeyRules) -> Result<Self, KeyError> {
        let key = strip_files_root(path, &rules.files_root);
        if key.len() > rules.max_bytes {
            return Err(KeyError::TooLong { limit: rules.max_bytes });
        }
        check_key(key)?;
        match rules.format {
            KeyFormat::ContentAddressed if !is_content_addressed(key) => Err(KeyError::NotContentAddressed),
            KeyFormat::Path | KeyFormat::ContentAddressed => Ok(Self(key.to_owned())),
        }
    }

    /// The key, as authorised and as signed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the object below its folders.
    #[must_use]
    pub fn last_segment(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Whether the object is named by the SHA-256 of its bytes, and so does not change.
    #[must_use]
    pub fn is_content_addressed(&self) -> bool {
        is_sha256_hex(self.last_segment())
    }

    /// The store that the key is in.
    #[must_use]
    pub fn first_segment(&self) -> &str {
        first_segment(&self.0)
    }
}

/// A folder of keys, by the same rules: a store, or segments below one. No slash at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFolder(String);

impl KeyFolder {
    /// Turns what a caller sent into the folder that it means, as [`ObjectKey::parse`] does with a key in it.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that is broken; a folder that leaves no room for a name is too long.
    pub fn parse(path: &str, rules: &KeyRules) -> Result<Self, KeyError> {
        let folder = strip_files_root(path, &rules.files_root);
        // A slash and one character, at the least.
        if folder.len().saturating_add(2) > rules.max_bytes {
            return Err(KeyError::TooLong { limit: rules.max_bytes.saturating_sub(2) });
        }
        check_segments(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// The folder, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The store that the folder is, or is in.
    #[must_use]
    pub fn first_segment(&self) -> &str {
        first_segment(&self.0)
    }
}

fn first_segment(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// Whether a key or a folder is `prefix`, such as a store, or lies below it, cut at a `/`; of a folder, then so does every
/// key in it.
///
/// `s1/a` holds `s1/a` and `s1/a/b`, and not `s1/ab`.
pub(super) fn is_under(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// Drops one leading `/`, then one leading `<root>/`, each at most once.
///
/// The mapping from a stored path (`/livestore-filesync-files/s1/…`) to a key
/// (`s1/…`). Case matters, and an empty `root` drops only the slash.
#[must_use]
pub fn strip_files_root<'a>(path: &'a str, root: &str) -> &'a str {
    let path = path.strip_prefix('/').unwrap_or(path);
    if root.is_empty() {
        return path;
    }
    path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path)
}

/// The rules for the characters and segments of a key or of a key prefix.
///
/// # Errors
///
/// [`KeyError`] names the first rule that is broken.
pub(crate) fn check_segments(key: &str) -> Result<(), KeyError> {
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(KeyError::TooLong { limit: MAX_KEY_BYTES });
    }
    if key.chars().any(is_control) {
        return Err(KeyError::ControlCharacter);
    }
    if key.contains('\\') {
        return Err(KeyError::Backslash);
    }
    if has_percent_escape(key) {
        return Err(KeyError::PercentEncoded);
    }
    for segment in key.split('/') {
        match segment {
            "" => return Err(KeyError::EmptySegment),
            "." | ".." => return Err(KeyError::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), KeyError> {
    check_segments(key)?;
    if key.contains('/') { Ok(()) } else { Err(KeyError::NoName) }
}

/// U+2028 and U+2029 break lines in logs and scripts as a newline does (K13).
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// SECURITY: not only `%2e %2f %5c %00`: `%252e` becomes `%2e` at a server that
/// decodes twice, and `%c0%af` an overlong slash. A lone `%` is a character.
fn has_percent_escape(key: &str) -> bool {
    key.as_bytes()
        .windows(3)
        .any(|w| matches!(w, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

fn is_content_addressed(key: &str) -> bool {
    key.split_once('/').is_some_and(|(_, name)| is_sha256_hex(name))
}

fn is_sha256_hex(name: &str) -> bool {
    name.len() == SHA256_HEX_LEN && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::store::{StoreId, StoreIdRule};
    use proptest::prelude::*;

    /// A folder is what a key in it makes of it, to the byte.
    #[test]
    fn a_folder_is_parsed_as_the_keys_in_it_are() {
        let rules = KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: 20 };
        for text in [
            "s1",
            "/s1",
            "s1/a",
            "root/s1",
            "",
            "/",
            "//s1",
            "s1/",
            "s1//a",
            "s1/..",
            ".",
            "s1/%2f",
            "s1\\a",
            "s1/\0",
            "s1/\u{2028}",
            "s1/é",
            "s1/*",
            "s1/567890123456789",
            "s1/5678901234567890",
        ] {
            let folder = KeyFolder::parse(text, &rules);
            match (ObjectKey::parse(&format!("{text}/f"), &rules), &folder) {
                (Ok(key), Ok(folder)) => assert_eq!(key.as_str(), format!("{}/f", folder.as_str())),
                (key, folder) => assert_eq!(key.is_ok(), folder.is_ok(), "{text}: {key:?} {folder:?}"),
            }
        }
        let folder = KeyFolder::parse("s1/a", &rules).unwrap();
        let is_under = |prefix| is_under(folder.as_str(), prefix);
        assert_eq!((folder.first_segment(), is_under("s1"), is_under("s1/a")), ("s1", true, true));
        assert!(!is_under("s1/a/b") && !is_under("s") && !is_under("s1/"));
        assert_eq!(KeyFolder::parse(&"x".repeat(19), &rules), Err(KeyError::TooLong { limit: 18 }));
        assert!(KeyFolder::parse(&"x".repeat(18), &rules).is_ok());
    }

    const HASH: &str = "3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a3b1f5c2a";

    fn rules(format: KeyFormat) -> KeyRules {
        KeyRules { files_root: "livestore-filesync-files".into(), format, max_bytes: MAX_KEY_BYTES }
    }

    fn parse(path: &str) -> Result<String, KeyError> {
        ObjectKey::parse(path, &rules(KeyFormat::Path)).map(|key| key.0)
    }

    /// K07: one leading slash, then one files root, each once.
    #[test]
    fn files_root_is_stripped_once() {
        let key = format!("s1/{HASH}");
        for path in [
            key.clone(),
            format!("/{key}"),
            format!("livestore-filesync-files/{key}"),
            format!("/livestore-filesync-files/{key}"),
        ] {
            assert_eq!(parse(&path).unwrap(), key);
        }
        assert_eq!(parse(&format!("//livestore-filesync-files/{key}")), Err(KeyError::EmptySegment));
        // Stripped once: what is left belongs to a store of that name, so that no other caller gets it.
        assert_eq!(
            parse(&format!("livestore-filesync-files/livestore-filesync-files/{key}")).unwrap(),
            format!("livestore-filesync-files/{key}")
        );
        assert_eq!(
            parse(&format!("Livestore-filesync-files/{key}")).unwrap(),
            format!("Livestore-filesync-files/{key}")
        );
    }

    /// K03, K04, K05: whatever a server might resolve, decode or fold.
    #[test]
    fn ambiguous_keys_are_refused() {
        for (path, error) in [
            ("../s2/f", KeyError::DotSegment),
            ("s1/../s2/f", KeyError::DotSegment),
            ("s1/..", KeyError::DotSegment),
            ("./s1/f", KeyError::DotSegment),
            ("s1/./f", KeyError::DotSegment),
            ("s1//f", KeyError::EmptySegment),
            ("s1/", KeyError::EmptySegment),
            ("s1/%2e%2e/s2/f", KeyError::PercentEncoded),
            ("s1%2f..%2fs2/f", KeyError::PercentEncoded),
            ("s1/%252e%252e/f", KeyError::PercentEncoded),
            ("s1/%00", KeyError::PercentEncoded),
            ("s1/%2E", KeyError::PercentEncoded),
            ("s1/..%c0%af", KeyError::PercentEncoded),
            ("s1\\..\\s2\\f", KeyError::Backslash),
            ("s1\\f", KeyError::Backslash),
            ("", KeyError::Empty),
            ("/", KeyError::Empty),
            ("s1", KeyError::NoName),
        ] {
            assert_eq!(parse(path), Err(error), "{path:?}");
        }
    }

    /// K13: nothing that could break a log line or a header.
    #[test]
    fn control_characters_are_refused() {
        for c in ['\0', '\r', '\n', '\t', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{1b}'] {
            assert_eq!(parse(&format!("s1/a{c}b")), Err(KeyError::ControlCharacter), "{c:?}");
        }
    }

    /// K15: S3's own limit, in bytes.
    #[test]
    fn keys_end_at_1024_bytes() {
        assert!(parse(&format!("s1/{}", "a".repeat(1021))).is_ok());
        assert_eq!(parse(&format!("s1/{}", "a".repeat(1022))), Err(KeyError::TooLong { limit: 1024 }));
        assert_eq!(parse(&format!("s1/{}", "é".repeat(511))), Err(KeyError::TooLong { limit: 1024 }));
    }

    /// K16: in the content-addressed format no extra character is a key.
    #[test]
    fn content_addressed_takes_a_hash_and_nothing_else() {
        let parse = |path: &str| ObjectKey::parse(path, &rules(KeyFormat::ContentAddressed)).map(|key| key.0);
        assert!(parse(&format!("s1/{HASH}")).is_ok());
        for tail in ["?uploadId=x", "#frag", "&acl", ";x", " ", "+", "/x", "0"] {
            assert_eq!(parse(&format!("s1/{HASH}{tail}")), Err(KeyError::NotContentAddressed), "{tail}");
        }
        assert_eq!(parse(&format!("s1/{}", HASH.to_uppercase())), Err(KeyError::NotContentAddressed));
        assert_eq!(parse(&format!("s1/a/{HASH}")), Err(KeyError::NotContentAddressed));
    }

    #[test]
    fn unusual_but_unambiguous_names_are_keys() {
        for key in
            ["s1/a b", "s1/a+b", "s1/100%", "s1/%zz", "s1/é/😀", "s1/a?b#c&d", "s1/...", "s1/.hidden", "s1/'(x)*!"]
        {
            assert_eq!(parse(key).unwrap(), key);
        }
    }

    /// `store1` never opens `store10` (peer defect P3).
    #[test]
    fn prefixes_are_cut_at_segments() {
        let key = ObjectKey::parse("store10/f", &rules(KeyFormat::Path)).unwrap();
        assert!(is_under(key.as_str(), "store10"));
        assert!(is_under(key.as_str(), "store10/f"));
        assert!(!is_under(key.as_str(), "store1"));
        assert!(!is_under(key.as_str(), "store10/"));
        assert!(!is_under(key.as_str(), "store10/f/g"));
        assert!(is_under(key.as_str(), StoreId::parse("store10", StoreIdRule::Strict).unwrap().as_str()));
        assert!(!is_under(key.as_str(), StoreId::parse("store1", StoreIdRule::Strict).unwrap().as_str()));
    }

    proptest! {
        /// An accepted key is the tail of what was sent, byte for byte, and
        /// survives being parsed again unless it begins with the root itself.
        #[test]
        fn accepted_keys_are_what_was_sent(path in "\\PC{0,40}|(/|livestore-filesync-files/|s1|\\.\\.?|[a-z%/\\\\]{1,4}){0,12}") {
            if let Ok(key) = parse(&path) {
                prop_assert!(path.ends_with(&key));
                let dropped = path.strip_suffix(&key).unwrap();
                prop_assert!(["", "/", "livestore-filesync-files/", "/livestore-filesync-files/"].contains(&dropped));
                prop_assert!(key.split('/').count() >= 2);
                prop_assert!(key.split('/').all(|s| !s.is_empty() && s != "." && s != ".."));
            }
        }
    }
}
