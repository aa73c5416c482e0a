//! The configuration as it is written. `Default` here is the only place a default is stated;
//! the shipped `signer.toml` documents each key and is tested to be equal.

mod auth;
mod multipart;
mod objects;
mod server;
mod storage;
mod uppy;
mod value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use auth::{RawAuth, RawIssuer, RawKey};
pub(super) use multipart::RawMultipart;
pub(super) use objects::RawLife;
pub(super) use objects::{RawDownload, RawFiles, RawKeys, RawMigration, RawUpload};
pub(super) use server::{RawLimits, RawServer, RawTelemetry, RawTls};
pub(super) use storage::{RawAccessKey, RawRoute, RawStorage};
pub(super) use uppy::RawUppy;
pub(super) use value::RawDuration;
pub use value::Secret;

/// Everything that can be configured. Each field is a key of `signer.toml`, which documents it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "signer.toml documents every key, and a test proves it names them all")]
pub struct RawConfig {
    pub server: RawServer,
    pub auth: RawAuth,
    pub storage: RawStorage,
    pub storages: BTreeMap<String, RawStorage>,
    pub storage_routes: Vec<RawRoute>,
    pub keys: RawKeys,
    pub upload: RawUpload,
    pub files: RawFiles,
    pub uppy: RawUppy,
    pub migration: RawMigration,
    pub multipart: RawMultipart,
    pub download: RawDownload,
    pub limits: RawLimits,
    pub telemetry: RawTelemetry,
}
