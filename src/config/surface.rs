//! What of the settings shows in the description of the API.

use super::{Config, TokenPlaces};
use crate::domain::key::KeyRules;

/// What `/openapi.json` says differently from one deployment to another.
#[derive(Debug, Clone)]
pub struct Surface {
    /// `server.base_path`
    pub base_path: String,
    /// Where a token may stand.
    pub places: TokenPlaces,
    /// Whether the old gateway's paths are served.
    pub redirect: bool,
    /// Whether an old URL may stand in place of a key.
    pub takes_urls: bool,
    /// What is a key.
    pub key_rules: KeyRules,
}

impl From<&Config> for Surface {
    fn from(config: &Config) -> Self {
        Self {
            base_path: config.server.base_path.clone(),
            places: config.auth.places.clone(),
            redirect: config.files.redirect,
            takes_urls: !config.legacy_urls.is_empty(),
            key_rules: config.key_rules.clone(),
        }
    }
}
