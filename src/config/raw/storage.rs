//! `[storage]` and `[[storage_routes]]`.

use serde::{Deserialize, Serialize};

use super::Secret;

/// `[storage]` and `[storages.NAME]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawStorage {
    pub endpoint: String,
    pub public_endpoint: String,
    pub region: String,
    pub bucket: String,
    pub prefix: String,
    pub addressing: String,
    pub provider: String,
    pub delete_all_versions: bool,
    pub access_key_id: String,
    pub access_key_id_file: String,
    pub secret_access_key: Secret,
    pub secret_access_key_file: String,
    pub session_token: Secret,
    pub session_token_file: String,
    pub credentials: String,
    pub credentials_profile: String,
    pub credential_process: Vec<String>,
    pub assume_role_arn: String,
    pub assume_role_external_id: String,
    pub assume_role_session_name: String,
    pub sts_endpoint: String,
    pub upload_role_arn: String,
    pub upload_role_external_id: String,
    pub put: RawAccessKey,
    pub get: RawAccessKey,
    pub delete: RawAccessKey,
    pub connect_timeout_secs: u64,
    pub first_byte_timeout_secs: u64,
    pub call_timeout_secs: u64,
    pub probe_interval_secs: u64,
    pub verify: String,
}

impl Default for RawStorage {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            public_endpoint: String::new(),
            region: "us-east-1".to_owned(),
            bucket: String::new(),
            prefix: String::new(),
            addressing: "path".to_owned(),
            provider: "auto".to_owned(),
            delete_all_versions: false,
            access_key_id: String::new(),
            access_key_id_file: String::new(),
            secret_access_key: Secret::default(),
            secret_access_key_file: String::new(),
            session_token: Secret::default(),
            session_token_file: String::new(),
            credentials: "static".to_owned(),
            credentials_profile: String::new(),
            credential_process: Vec::new(),
            assume_role_arn: String::new(),
            assume_role_external_id: String::new(),
            assume_role_session_name: "filesync-signer".to_owned(),
            sts_endpoint: String::new(),
            upload_role_arn: String::new(),
            upload_role_external_id: String::new(),
            put: RawAccessKey::default(),
            get: RawAccessKey::default(),
            delete: RawAccessKey::default(),
            connect_timeout_secs: 2,
            first_byte_timeout_secs: 4,
            call_timeout_secs: 5,
            probe_interval_secs: 15,
            verify: "warn".to_owned(),
        }
    }
}

impl RawStorage {
    /// The key that stands in `[storage]` itself.
    pub(in crate::config) fn access_key(&self) -> RawAccessKey {
        RawAccessKey {
            access_key_id: self.access_key_id.clone(),
            access_key_id_file: self.access_key_id_file.clone(),
            secret_access_key: self.secret_access_key.clone(),
            secret_access_key_file: self.secret_access_key_file.clone(),
            session_token: self.session_token.clone(),
            session_token_file: self.session_token_file.clone(),
        }
    }
}

/// `[storage.put]`, `[storage.get]` and `[storage.delete]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawAccessKey {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_key_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_key_id_file: String,
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub secret_access_key: Secret,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_access_key_file: String,
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub session_token: Secret,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session_token_file: String,
}

impl RawAccessKey {
    /// Whether nothing of it is written.
    pub(in crate::config) fn is_empty(&self) -> bool {
        let texts =
            [&self.access_key_id, &self.access_key_id_file, &self.secret_access_key_file, &self.session_token_file];
        texts.iter().all(|text| text.is_empty()) && self.secret_access_key.is_empty() && self.session_token.is_empty()
    }
}

/// `[[storage_routes]]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawRoute {
    pub stores: Vec<String>,
    pub claim: String,
    pub value: String,
    pub storage: String,
}
