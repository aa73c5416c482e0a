//! What a bucket sends: the body of a failure, the list of an object's versions, that of an upload's parts, and what
//! became of many deletes.
//!
//! Holds: an error code is short and plain, whatever the body, so that it may stand in a log;
//! an entry of a list of versions is taken for one key at the most, and so is an entry of a list of deletes.

use filesync_signer::domain::parts::PartChecksum;
use filesync_signer::storage::{deletes_of, error_code, parts_of, versions_of};

/// Those that the seeds name: a key, and its neighbours.
const KEYS: [&str; 4] = ["s1/a", "s1/ab", "s1/a/b", "s1/a b+c"];

pub fn run(data: &[u8]) {
    let code = error_code(data);
    assert!(code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{code:?}");
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(code.is_empty() || text.contains("<Code>"));
    let taken: usize = KEYS.iter().filter_map(|key| versions_of(text, key)).map(|versions| versions.len()).sum();
    // Whoever may delete `s1/a` must not delete its neighbours, whatever the list calls them.
    let entries = text.matches("<VersionId").count() + text.matches(":VersionId").count();
    assert!(taken <= entries, "{taken} taken of {entries}");
    if let Some((parts, _)) = parts_of(text, Some(PartChecksum::Sha256)) {
        let entries = text.matches("PartNumber").count();
        assert!(parts.len() <= entries, "{} parts of {entries} entries", parts.len());
        assert!(parts.iter().all(|part| part.etag.as_deref().is_none_or(|etag| !etag.is_empty())));
    }
    let Some(fates) = deletes_of(text, KEYS) else { return };
    assert_eq!(fates.len(), KEYS.len());
    let gone = fates.values().filter(|fate| fate.is_none()).count();
    let entries = text.matches("Deleted").count() + text.matches("Error").count();
    assert!(gone <= entries, "{gone} gone by {entries} entries");
    let plain = |fate: &str| fate.len() <= 64 && fate.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    assert!(fates.values().flatten().all(|fate| plain(fate)), "{fates:?}");
}
