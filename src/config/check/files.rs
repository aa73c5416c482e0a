//! `[files]` and `[migration]`: the old gateway's paths and addresses.

use super::Report;
use crate::config::raw::{RawConfig, RawMigration};
use crate::config::used::Files;
use crate::domain::key::KeyRules;
use crate::domain::legacy::LegacyUrls;

pub(super) fn files(raw: &RawConfig, r: &mut Report<'_>) -> Option<Files> {
    let root = &raw.keys.files_root;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '.' | '_' | '~');
    // What needs no encoding has one spelling in a path.
    let held = Some(Files { redirect: raw.files.redirect })
        .filter(|files| !files.redirect || (!root.is_empty() && root.chars().all(plain)));
    r.require("files.redirect", held, || {
        format!("is on, and `keys.files_root` is `{root}`; a path needs a root of letters, digits and `-._~/`")
    })
}

pub(super) fn legacy_urls(raw: &RawMigration, rules: &KeyRules, r: &mut Report<'_>) -> Option<LegacyUrls> {
    match LegacyUrls::new(&raw.legacy_urls, &rules.files_root) {
        Ok(urls) => Some(urls),
        Err(error) => {
            r.problem("migration.legacy_urls", error.to_string());
            None
        }
    }
}
