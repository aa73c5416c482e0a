//! `[uppy]`: Uppy's routes, for which the service names objects itself.

use super::Report;
use crate::config::raw::RawConfig;
use crate::config::used::Uppy;
use crate::domain::key::{KeyFormat, KeyRules};

pub(super) fn uppy(raw: &RawConfig, rules: &KeyRules, r: &mut Report<'_>) -> Option<Uppy> {
    let enabled = raw.uppy.enabled;
    if enabled && raw.multipart.secret.is_empty() && raw.multipart.secret_file.is_empty() {
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
