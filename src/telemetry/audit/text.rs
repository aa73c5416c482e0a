//! Texts of others, as a line of the audit log may hold them.

use serde::{Serialize, Serializer};

/// Stands at the end of a text that is not whole.
const MARK: char = '…';

/// Controls beyond ASCII's, ends of lines that JSON does not know of, and marks that turn the direction of what follows.
pub(super) fn is_odd(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A text of which at most `MOST` bytes are written, escapes included; one that was cut ends in `…`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut<'a, const MOST: usize>(pub(crate) &'a str);

impl<const MOST: usize> Serialize for Cut<'_, MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.cut_at() {
            None => serializer.serialize_str(self.0),
            Some(end) => {
                let mut start = self.0.get(..end).unwrap_or_default().to_owned();
                start.push(MARK);
                serializer.serialize_str(&start)
            }
        }
    }
}

impl<const MOST: usize> Cut<'_, MOST> {
    /// Where it has to be cut, if it has to.
    fn cut_at(&self) -> Option<usize> {
        // No character takes more than six times its bytes.
        if self.0.len() <= MOST / 6 {
            return None;
        }
        let mut written: usize = 0;
        let mut fitting = 0;
        for (at, c) in self.0.char_indices() {
            written = written.saturating_add(written_len(c));
            if written > MOST {
                return Some(fitting);
            }
            if written.saturating_add(MARK.len_utf8()) <= MOST {
                fitting = at.saturating_add(c.len_utf8());
            }
        }
        None
    }
}

/// How many bytes a character takes in a line.
fn written_len(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if c.is_ascii_control() || is_odd(c) => 6,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> String {
        serde_json::to_string(&Cut::<12>(text)).unwrap()
    }

    #[test]
    fn texts_are_cut_by_what_they_take_when_written() {
        assert_eq!(cut("twelve bytes"), "\"twelve bytes\"");
        assert_eq!(cut("thirteen byte"), "\"thirteen …\"");
        assert_eq!(cut("\"\"\"\"\"\""), r#""\"\"\"\"\"\"""#);
        assert_eq!(cut("\"\"\"\"\"\"\""), r#""\"\"\"\"…""#);
        assert_eq!(cut("\u{1}\u{1}"), r#""\u0001\u0001""#);
        assert_eq!(cut("\u{1}\u{1}\u{1}"), r#""\u0001…""#);
        assert_eq!(cut("ééééééé"), "\"éééé…\"");
        assert_eq!(cut(""), "\"\"");
    }
}
