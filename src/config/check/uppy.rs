//! `[uppy]`: Uppy's routes, for which the service names objects itself.

use super::Report;
use crate::config::raw::RawConfig;
use crate::config::used::Uppy;
use crate::domain::key::{KeyFormat, KeyRules};

pub(super) fn uppy(raw: &RawConfig, rules: &KeyRules, r: &mut Report<'_>) -> Option<Uppy> {
    let enabled = raw.uppy.enabled;
    upload_roles(raw, r);
    if enabled && !raw.multipart.is_on() {
        r.problem("uppy.enabled", "is on, and `multipart.secret` is not set, which seals the ids of Uppy's uploads");
        return None;
    }
    // Nobody knows the hash of a file before its upload begins, so a key that is made from its name cannot hold it.
    let named = !enabled || rules.format == KeyFormat::Path;
    r.require("uppy.enabled", named.then_some(Uppy { enabled }), || {
        "is on, and `keys.format` is `content-addressed`; objects of Uppy are named after their files, which needs `path`"
            .to_owned()
    })
}

/// Temporary credentials are given by a route of Uppy's, and nobody counts what is uploaded with them.
fn upload_roles(raw: &RawConfig, r: &mut Report<'_>) {
    let named = raw.storages.iter().map(|(name, storage)| (format!("storages.{name}"), storage));
    for (section, storage) in [("storage".to_owned(), &raw.storage)].into_iter().chain(named) {
        let key = format!("{section}.upload_role_arn");
        if storage.upload_role_arn.is_empty() {
            continue;
        }
        if !raw.uppy.enabled {
            r.problem(&key, "is set, and `uppy.enabled` is not, so nobody could ask for its credentials");
        }
        if raw.limits.store_upload_bytes_per_hour > 0 {
            let why = "which temporary credentials would not hold their bearer to";
            r.problem(&key, format!("is set, and so is limits.store_upload_bytes_per_hour, {why}"));
        }
    }
}
