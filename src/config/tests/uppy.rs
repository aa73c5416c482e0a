//! `[uppy]`.

use super::*;

#[test]
fn uploads_of_uppy_need_a_secret_to_seal_their_ids_with() {
    let found = problems(&format!("{GOOD}[uppy]\nenabled = true\n"), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("uppy.enabled: is on, and `multipart.secret` is not set"), "{found:?}");
}

#[test]
fn keys_are_made_of_names_only_where_they_may_be() {
    let on = "[uppy]\nenabled = true\n[multipart]\nsecret = \"0123456789abcdef0123456789abcdef\"\n";
    let content_addressed = "[keys]\nformat = \"content-addressed\"\n";
    assert!(!load_with(GOOD, &[]).unwrap().uppy.enabled);
    assert!(load_with(&format!("{GOOD}{on}"), &[]).unwrap().uppy.enabled);
    assert!(!load_with(&format!("{GOOD}{content_addressed}"), &[]).unwrap().uppy.enabled);
    let found = problems(&format!("{GOOD}{on}{content_addressed}"), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("uppy.enabled: is on, and `keys.format` is `content-addressed`"), "{found:?}");
}
