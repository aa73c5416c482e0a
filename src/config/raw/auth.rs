//! `[auth]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Secret;

/// `[auth]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawAuth {
    pub hs256_secret: Secret,
    pub hs256_secret_file: String,
    pub keys: Vec<RawKey>,
    pub issuer: String,
    pub audience: Vec<String>,
    pub jwks_url: String,
    pub jwks_file: String,
    pub algorithms: Vec<String>,
    pub issuers: Vec<RawIssuer>,
    pub jwks_cooldown_secs: u64,
    pub jwks_max_age_secs: u64,
    pub jwks_max_stale_secs: u64,
    pub jwks_timeout_secs: u64,
    pub jwks_allow_http: bool,
    pub token_typ: String,
    pub leeway_secs: u64,
    pub max_token_ttl_secs: u64,
    pub store_claim: String,
    pub store_template: String,
    pub store_template_encode: String,
    pub store_ids: String,
    pub scope_claims: Vec<String>,
    pub scopes: BTreeMap<String, Vec<String>>,
    pub require_scope: bool,
    pub denied_file: String,
    pub worker_header: bool,
    pub cookie: String,
    pub cache_entries: u32,
    pub cache_bytes: u64,
}

impl Default for RawAuth {
    fn default() -> Self {
        Self {
            hs256_secret: Secret::default(),
            hs256_secret_file: String::new(),
            keys: Vec::new(),
            issuer: String::new(),
            audience: Vec::new(),
            jwks_url: String::new(),
            jwks_file: String::new(),
            algorithms: Vec::new(),
            issuers: Vec::new(),
            jwks_cooldown_secs: 30,
            jwks_max_age_secs: 300,
            jwks_max_stale_secs: 86_400,
            jwks_timeout_secs: 5,
            jwks_allow_http: false,
            token_typ: String::new(),
            leeway_secs: 30,
            max_token_ttl_secs: 86_400,
            store_claim: "storeId".to_owned(),
            store_template: String::new(),
            store_template_encode: "none".to_owned(),
            store_ids: "strict".to_owned(),
            scope_claims: vec!["scope".to_owned(), "scp".to_owned()],
            scopes: BTreeMap::new(),
            require_scope: false,
            denied_file: String::new(),
            worker_header: false,
            cookie: String::new(),
            cache_entries: 10_000,
            cache_bytes: 16 * 1024 * 1024,
        }
    }
}

/// `[[auth.keys]]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawKey {
    pub id: String,
    pub algorithm: String,
    pub public_key: String,
    pub public_key_file: String,
    pub secret: Secret,
    pub secret_file: String,
    pub issuer: String,
}

/// `[[auth.issuers]]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "see RawConfig")]
pub struct RawIssuer {
    pub issuer: String,
    pub audience: Vec<String>,
    pub jwks_url: String,
    pub jwks_file: String,
    pub algorithms: Vec<String>,
}
