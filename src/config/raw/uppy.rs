//! `[uppy]`

use serde::{Deserialize, Serialize};

/// `[uppy]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawUppy {
    pub enabled: bool,
}
