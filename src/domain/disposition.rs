//! `Content-Disposition` values for downloads (RFC 6266, RFC 8187).

use std::fmt::Write as _;

/// What a browser should do with a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Save it.
    Attachment,
    /// Show it.
    Inline,
}

impl Disposition {
    /// The disposition type as it is written in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attachment => "attachment",
            Self::Inline => "inline",
        }
    }
}

/// The longest file name that is signed, in bytes of UTF-8.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// A file name that cannot be put into a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file name must be 1 to {MAX_FILE_NAME_BYTES} bytes without control characters, slashes or backslashes")]
pub struct FileNameError;

/// The header value for a disposition and a file name.
///
/// The name stands twice: as `filename*` in UTF-8, which current browsers read,
/// and, with `_` for all that is not plain, as `filename` for those that do not.
///
/// # Errors
///
/// [`FileNameError`] for a name that is empty, too long, a path, or has control
/// characters: Ceph answers a line break in this header with a broken response.
pub fn content_disposition(disposition: Disposition, file_name: Option<&str>) -> Result<String, FileNameError> {
    let Some(name) = file_name else { return Ok(disposition.as_str().to_owned()) };
    let forbidden = |c: char| c.is_control() || matches!(c, '/' | '\\' | '\u{2028}' | '\u{2029}');
    if name.is_empty() || name.len() > MAX_FILE_NAME_BYTES || name.contains(forbidden) {
        return Err(FileNameError);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | '(' | ')');
    let fallback: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let mut value = format!("{}; filename=\"{fallback}\"", disposition.as_str());
    if fallback != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') {
                value.push(char::from(byte));
            } else {
                // Writing to a String does not fail.
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_both_forms() {
        let value = |name| content_disposition(Disposition::Attachment, Some(name)).unwrap();
        assert_eq!(value("a b.txt"), "attachment; filename=\"a b.txt\"");
        assert_eq!(value("é\".png"), "attachment; filename=\"__.png\"; filename*=UTF-8''%C3%A9%22.png");
        assert_eq!(content_disposition(Disposition::Inline, None).unwrap(), "inline");
        assert_eq!(
            value(&"a".repeat(MAX_FILE_NAME_BYTES)).len(),
            "attachment; filename=\"\"".len() + MAX_FILE_NAME_BYTES
        );
    }

    #[test]
    fn names_that_break_headers_are_refused() {
        for name in ["", "a\r\nX: 1", "a/b", "a\\b", "\u{2028}", &"a".repeat(256)] {
            assert_eq!(content_disposition(Disposition::Attachment, Some(name)), Err(FileNameError), "{name:?}");
        }
    }
}
