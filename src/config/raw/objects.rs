//! What objects are called, and how they go up and down: `[keys]`, `[upload]`, `[download]`, `[files]`, `[migration]`.

use serde::{Deserialize, Serialize};

use super::RawDuration;

/// `[keys]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawKeys {
    pub files_root: String,
    pub format: String,
}

impl Default for RawKeys {
    fn default() -> Self {
        Self { files_root: "livestore-filesync-files".to_owned(), format: "path".to_owned() }
    }
}

/// `[upload]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawUpload {
    pub expires_secs: u64,
    pub max_expires_secs: u64,
    pub max_bytes: u64,
    pub content_types: Vec<String>,
    pub checksum: String,
    pub write_once: bool,
    pub cache_control: String,
    pub storage_class: String,
    pub server_side_encryption: String,
    pub kms_key_id: String,
}

impl Default for RawUpload {
    fn default() -> Self {
        let RawLife { expires_secs, max_expires_secs } = RawLife::default();
        Self {
            expires_secs,
            max_expires_secs,
            max_bytes: 0,
            content_types: Vec::new(),
            checksum: "auto".to_owned(),
            write_once: false,
            cache_control: String::new(),
            storage_class: String::new(),
            server_side_encryption: String::new(),
            kms_key_id: String::new(),
        }
    }
}

/// The two keys that `[upload]` and `[download]` have in common.
pub(in crate::config) struct RawLife {
    pub(in crate::config) expires_secs: u64,
    pub(in crate::config) max_expires_secs: u64,
}

impl Default for RawLife {
    fn default() -> Self {
        Self { expires_secs: 900, max_expires_secs: 3600 }
    }
}

/// `[download]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawDownload {
    pub expires_secs: u64,
    pub max_expires_secs: u64,
    pub cache_window: RawDuration,
    pub cache_control: String,
    pub force_attachment: bool,
    pub response_content_types: Vec<String>,
    pub mode: String,
    pub public_base_url: String,
}

impl Default for RawDownload {
    fn default() -> Self {
        let RawLife { expires_secs, max_expires_secs } = RawLife::default();
        // What no browser runs, and what people look at and listen to.
        let plain = [
            "application/json",
            "application/octet-stream",
            "application/pdf",
            "application/zip",
            "audio/*",
            "image/avif",
            "image/gif",
            "image/jpeg",
            "image/png",
            "image/webp",
            "text/csv",
            "text/plain",
            "video/*",
        ];
        Self {
            expires_secs,
            max_expires_secs,
            cache_window: RawDuration::default(),
            cache_control: "auto".to_owned(),
            force_attachment: true,
            response_content_types: plain.map(str::to_owned).into(),
            mode: "signed".to_owned(),
            public_base_url: String::new(),
        }
    }
}

/// `[files]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawFiles {
    pub redirect: bool,
}

/// `[migration]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawMigration {
    pub legacy_urls: Vec<String>,
}
