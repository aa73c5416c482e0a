//! Store identifiers: the folder of the bucket that a caller owns.

/// How a `storeId` claim becomes a folder name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreIdRule {
    /// A claim outside `[A-Za-z0-9._-]+` is refused. Two claims never share a folder.
    Strict,
    /// The published client's own mapping: every UTF-16 unit outside
    /// `[A-Za-z0-9._-]` becomes `_`. `a/b` and `a_b` then **share** a folder.
    Lossy,
}

/// The name of one store: the first segment of every key it owns.
///
/// Always one non-empty path segment of `[A-Za-z0-9._-]`, never `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoreId(String);

/// Why a claim names no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreIdError {
    /// The claim is the empty string.
    #[error("the store name is empty")]
    Empty,
    /// The claim is `.` or `..`, which name folders, not stores.
    #[error("the store name is a dot segment")]
    DotSegment,
    /// The claim has a character outside `[A-Za-z0-9._-]` and the rule is strict.
    #[error("the store name has a character outside A-Z a-z 0-9 . _ -")]
    Character,
}

impl StoreId {
    /// Reads a store name from a claim.
    ///
    /// # Errors
    ///
    /// [`StoreIdError`] when the claim is empty, a dot segment, or, under
    /// [`StoreIdRule::Strict`], anything the published client would rewrite.
    pub fn parse(claim: &str, rule: StoreIdRule) -> Result<Self, StoreIdError> {
        let name = match rule {
            StoreIdRule::Strict if claim.chars().all(is_plain) => claim.to_owned(),
            StoreIdRule::Strict => return Err(StoreIdError::Character),
            StoreIdRule::Lossy => sanitize_utf16(claim.encode_utf16()),
        };
        match name.as_str() {
            "" => Err(StoreIdError::Empty),
            "." | ".." => Err(StoreIdError::DotSegment),
            _ => Ok(Self(name)),
        }
    }

    /// The folder name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The published client's `replace(/[^A-Za-z0-9._-]/g, "_")`, over UTF-16 units.
///
/// JavaScript strings are UTF-16 and that expression has no `u` flag, so a
/// character outside the basic plane, such as 😀, becomes two underscores.
pub fn sanitize_utf16(units: impl Iterator<Item = u16>) -> String {
    units
        .map(|unit| {
            let plain = u8::try_from(unit).map(char::from).ok();
            plain.filter(|c| is_plain(*c)).unwrap_or('_')
        })
        .collect()
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_kept_under_both_rules() {
        for name in ["s1", "Store_1", "a.b-c", "...", "-"] {
            for rule in [StoreIdRule::Strict, StoreIdRule::Lossy] {
                assert_eq!(StoreId::parse(name, rule).unwrap().as_str(), name);
            }
        }
    }

    /// K11: look-alikes, joiners and overrides are refused, never normalised.
    #[test]
    fn strict_refuses_whatever_the_client_would_rewrite() {
        for name in ["a/b", "a b", "é", "e\u{301}", "ＡＢ", "а", "a\u{200d}b", "\u{202e}ab", "*", "a\0"] {
            assert_eq!(StoreId::parse(name, StoreIdRule::Strict), Err(StoreIdError::Character), "{name:?}");
        }
    }

    #[test]
    fn empty_and_dot_segments_name_no_store() {
        for rule in [StoreIdRule::Strict, StoreIdRule::Lossy] {
            assert_eq!(StoreId::parse("", rule), Err(StoreIdError::Empty));
            assert_eq!(StoreId::parse(".", rule), Err(StoreIdError::DotSegment));
            assert_eq!(StoreId::parse("..", rule), Err(StoreIdError::DotSegment));
        }
    }

    /// K10: one underscore for each UTF-16 unit, as JavaScript counts.
    #[test]
    fn lossy_counts_utf16_units() {
        let lossy = |s: &str| StoreId::parse(s, StoreIdRule::Lossy).unwrap().0;
        assert_eq!(lossy("😀"), "__");
        assert_eq!(lossy("é"), "_");
        assert_eq!(lossy("e\u{301}"), "e_");
        assert_eq!(lossy("a/b"), "a_b");
        assert_eq!(sanitize_utf16([0xd800].into_iter()), "_");
    }

    /// K10: 2,000 strings whose answers JavaScript itself gave
    /// (`tests/e2e/vectors.mjs` writes the file).
    #[test]
    fn lossy_agrees_with_javascript() {
        let vectors: Vec<(Vec<u16>, String)> =
            serde_json::from_str(include_str!("../../tests/vectors/store_ids.json")).unwrap();
        assert!(vectors.len() >= 2_000);
        for (units, expected) in vectors {
            assert_eq!(sanitize_utf16(units.iter().copied()), expected, "{units:?}");
        }
    }
}
