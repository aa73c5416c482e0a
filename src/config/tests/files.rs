//! `[files]` and `[migration]`.

use super::*;

#[test]
fn stored_paths_need_a_root_with_one_spelling() {
    for root in ["a", "a/b.c", "livestore-filesync-files"] {
        let config = load_with(&format!("{GOOD}[files]\nredirect = true\n[keys]\nfiles_root = \"{root}\"\n"), &[]);
        assert!(config.unwrap().files.redirect);
    }
    for root in ["", "a b", "é", "a+b", "a%b", "a?b"] {
        let keys = format!("{GOOD}[keys]\nfiles_root = \"{root}\"\n");
        assert!(!load_with(&keys, &[]).unwrap().files.redirect, "{root}");
        let found = problems(&(keys + "[files]\nredirect = true\n"), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("files.redirect: is on, and `keys.files_root` is"), "{found:?}");
    }
}

#[test]
fn legacy_urls_are_prefixes() {
    let with = |urls: &str| format!("{GOOD}[migration]\nlegacy_urls = {urls}\n");
    assert!(load_with(GOOD, &[]).unwrap().legacy_urls.is_empty());
    let config = load_with(&with(r#"["https://old.test/livestore-filesync-files/"]"#), &[]).unwrap();
    let key = config.legacy_urls.key("https://old.test/livestore-filesync-files/s1/f", &config.key_rules);
    assert_eq!(key.unwrap().as_str(), "s1/f");
    for (urls, message) in [
        (r#"["https://old.test/*"]"#, "write it as `https://old.test/*/`"),
        (r#"["*"]"#, "write a URL such as"),
        (r#"["https://a.test/", "https://a.test/x/"]"#, "keep one of them"),
    ] {
        let found = problems(&with(urls), &[]);
        assert!(found.len() == 1 && found[0].contains(message), "{urls} {found:?}");
        assert!(found[0].contains("migration.legacy_urls: holds"), "{found:?}");
    }
}

/// `signer migrate-keys` runs where nothing else of the service is.
#[test]
fn a_migration_needs_its_own_sections_only() {
    let migration = |text: &str| {
        let file = File::new(text);
        let loaded = read_from(Some(&file.0), &[], &[]).unwrap();
        loaded.check_migration().map_err(|error| error.to_string())
    };
    let urls = "[migration]\nlegacy_urls = [\"https://old.test/\"]\n";
    let rules = migration(&format!("{urls}[server]\nlisten = 7\nx = 1\n[storage]\nprefix = \"a/\"\n")).unwrap();
    assert_eq!(rules.key_rules.max_bytes, 1022);
    assert!(migration(&format!("{urls}x = 1\n")).unwrap_err().contains("migration.x: unknown key"));
    assert!(migration(&format!("{urls}[keys]\nformat = \"x\"\n")).unwrap_err().contains("keys.format"));
    assert!(migration("[migration]\nlegacy_urls = \"x\"\n").unwrap_err().contains("migration.legacy_urls: is a text"));
}
