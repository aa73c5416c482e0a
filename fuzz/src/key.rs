//! A key, under the rules that the first byte chooses.
//!
//! Holds of a key that is taken: it is the end of what was sent, and only `/` and the files
//! root stood before it; it keeps every rule of DESIGN's keys; it is taken again as it is;
//! it opens for its own store alone.

use std::sync::{Arc, LazyLock};

use filesync_signer::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES, ObjectKey};
use filesync_signer::domain::policy::{Action, Caller, decide};
use filesync_signer::domain::token::{TokenRules, Verifier, VerifyKey};

use super::support::{SECRET, good_token, now};

/// The bearer of store `s1`.
pub static CALLER: LazyLock<Arc<Caller>> = LazyLock::new(|| {
    let key = VerifyKey::hs256(SECRET.as_bytes()).unwrap();
    Verifier::new(vec![key], TokenRules::default()).verify(&good_token(), now()).unwrap()
});

const ROOTS: [&str; 4] = ["livestore-filesync-files", "", "a/b", "s1"];

pub fn run(data: &[u8]) {
    let Some((choice, sent)) = data.split_first() else { return };
    let Ok(sent) = std::str::from_utf8(sent) else { return };
    let root = ROOTS[usize::from(choice / 2) % ROOTS.len()];
    let format = if choice % 2 == 0 { KeyFormat::Path } else { KeyFormat::ContentAddressed };
    check(sent, &KeyRules { files_root: root.to_owned(), format, max_bytes: MAX_KEY_BYTES });
}

pub fn check(sent: &str, rules: &KeyRules) {
    let Ok(key) = ObjectKey::parse(sent, rules) else { return };
    let text = key.as_str();
    let dropped = sent.strip_suffix(text).expect("a key is the end of what was sent");
    let (slash, root) = (dropped.strip_prefix('/').unwrap_or(dropped), format!("{}/", rules.files_root));
    assert!(slash.is_empty() || (!rules.files_root.is_empty() && slash == root), "{dropped:?} was dropped");

    assert!(text.len() <= MAX_KEY_BYTES && !text.contains('\\'));
    assert!(!text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')));
    let segments: Vec<_> = text.split('/').collect();
    assert!(segments.len() >= 2 && !segments.iter().any(|s| matches!(*s, "" | "." | "..")), "{text:?}");
    // What a server that decodes once more would read is the same.
    assert_eq!(percent_encoding::percent_decode_str(text).decode_utf8_lossy(), text);
    if rules.format == KeyFormat::ContentAddressed {
        let hash = segments[1];
        assert!(segments.len() == 2 && hash.len() == 64 && !hash.contains(|c| !matches!(c, '0'..='9' | 'a'..='f')));
    }

    let as_it_is = KeyRules { files_root: String::new(), ..rules.clone() };
    assert_eq!(ObjectKey::parse(text, &as_it_is).as_ref(), Ok(&key));
    assert_eq!(decide(&CALLER, Action::Get, key.clone()).is_ok(), segments[0] == "s1", "{text:?}");
}
