//! Uploads in parts: `[multipart]`.

use serde::{Deserialize, Serialize};

use super::Secret;

/// `[multipart]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawMultipart {
    pub secret: Secret,
    pub secret_file: String,
    pub old_secrets: Vec<Secret>,
    pub old_secrets_file: String,
    pub max_age_secs: u64,
    pub part_bytes: u64,
    pub complete_timeout_secs: u64,
}

impl RawMultipart {
    /// Whether uploads in parts are wanted.
    pub fn is_on(&self) -> bool {
        !self.secret.is_empty() || !self.secret_file.is_empty()
    }
}

impl Default for RawMultipart {
    fn default() -> Self {
        Self {
            secret: Secret::default(),
            secret_file: String::new(),
            old_secrets: Vec::new(),
            old_secrets_file: String::new(),
            max_age_secs: 604_800,
            part_bytes: 8 * 1024 * 1024,
            complete_timeout_secs: 12,
        }
    }
}
