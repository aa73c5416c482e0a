//! Reading files that others write while we run.

use std::io::{self, Read as _};
use std::path::Path;

/// More than this is a mistake.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a file of at most 4 MiB.
///
/// # Errors
///
/// The system's, or [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

/// What files held when they were last judged. Something else counts when two looks in a row have found it: whoever
/// writes slowly, or replaces one of several files after the other, is not caught half way.
pub(crate) struct Settled<T> {
    judged: T,
    seen: Option<T>,
}

impl<T: PartialEq> Settled<T> {
    /// They held this.
    pub(crate) fn new(judged: T) -> Self {
        Self { judged, seen: None }
    }

    /// Takes note of a look. Gives what is to be judged now, if anything is; it then counts as judged.
    pub(crate) fn look(&mut self, found: T) -> Option<&T> {
        if found != self.judged && self.seen.as_ref() == Some(&found) {
            self.judge(found);
            return Some(&self.judged);
        }
        self.seen = Some(found);
        None
    }

    /// They are judged as they are now, settled or not.
    pub(crate) fn judge(&mut self, found: T) {
        self.judged = found;
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_twice_in_a_row_is_judged_once() {
        let mut settled = Settled::new(0);
        let given: Vec<_> = [0, 1, 2, 1, 1, 1, 0, 1, 0, 0, 2].into_iter().map(|n| settled.look(n).copied()).collect();
        let none = None;
        assert_eq!(given, [none, none, none, none, Some(1), none, none, none, none, Some(0), none]);
        settled.judge(2);
        assert!(settled.look(2).is_none());
        assert!(settled.look(2).is_none());
    }
}
