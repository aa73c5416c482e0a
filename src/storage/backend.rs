//! One storage with all that belongs to it: what signs for it, what calls it, and whether it answers.

use std::sync::Arc;

use jiff::Timestamp;

use super::{BucketClient, ClientError, HealthMonitor, Provider, Signers, StorageCounts, UploadSessions};
use crate::config::Storage;
use crate::domain::policy::Grant;
use crate::domain::sigv4::{PostTerms, PresignError, SignedPost};
use crate::domain::upload::UploadRules;
use crate::domain::upload_form::FormBounds;

/// One storage. Nothing in it is shared with another, so that none suffers from another's failures.
#[derive(Debug)]
pub struct Backend {
    /// The NAME of `[storages.NAME]`, or `default`.
    pub name: String,
    /// Whose it is, and so what it can do.
    pub provider: &'static Provider,
    /// The bucket's name.
    pub bucket_name: String,
    /// What precedes keys in it: empty, or folders with a slash at the end.
    pub prefix: String,
    /// What a PUT is held to.
    pub upload_rules: UploadRules,
    /// Bounds that are not set because the storage would not keep them.
    pub left_out: Vec<&'static str>,
    /// What signs URLs and calls.
    pub signers: Arc<Signers>,
    /// What makes temporary credentials for callers, if a role is set for it.
    pub sessions: Option<UploadSessions>,
    /// What calls the bucket.
    pub bucket: Arc<BucketClient>,
    /// The bucket's last answer to the probe.
    pub health: HealthMonitor,
    /// What is counted of it.
    pub counts: Arc<StorageCounts>,
}

impl Backend {
    /// A form for what was granted, dated `now`, good for `expires_secs`.
    ///
    /// # Errors
    ///
    /// Those of [`Signers::presign_post`].
    pub fn presign_post(
        &self,
        grant: &Grant,
        bounds: &FormBounds,
        expires_secs: u32,
        now: Timestamp,
    ) -> Result<SignedPost, PresignError> {
        let terms = PostTerms {
            expires_secs,
            bucket: &self.bucket_name,
            prefix: &self.prefix,
            bytes: bounds.bytes.clone(),
            fields: &bounds.fields.borrowed(),
        };
        self.signers.presign_post(grant, &terms, now)
    }

    /// The storage as configured, its probe and all that keeps its credentials fresh running.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the platform gives no TLS roots, or the address cannot be built.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(storage: &Storage, clock: fn() -> Timestamp) -> Result<Self, ClientError> {
        Self::start_counting(storage, clock, Arc::default())
    }

    /// The same, adding to these counts.
    pub(crate) fn start_counting(
        storage: &Storage,
        clock: fn() -> Timestamp,
        counts: Arc<StorageCounts>,
    ) -> Result<Self, ClientError> {
        let monitor = |bucket| HealthMonitor::start(bucket, storage.probe_interval, clock);
        Self::with(storage, clock, counts, monitor)
    }

    /// The same with another monitor.
    ///
    /// # Errors
    ///
    /// As [`Backend::start`].
    pub fn with_health(
        storage: &Storage,
        clock: fn() -> Timestamp,
        monitor: impl FnOnce(Arc<BucketClient>) -> HealthMonitor,
    ) -> Result<Self, ClientError> {
        Self::with(storage, clock, Arc::default(), monitor)
    }

    fn with(
        storage: &Storage,
        clock: fn() -> Timestamp,
        counts: Arc<StorageCounts>,
        monitor: impl FnOnce(Arc<BucketClient>) -> HealthMonitor,
    ) -> Result<Self, ClientError> {
        let signers = Signers::start_counting(storage, &storage.public_address, clock, &counts)?;
        let client = BucketClient::new(storage, Arc::clone(&signers))?;
        let bucket = Arc::new(client.counting_in(Arc::clone(&counts)));
        Ok(Self {
            name: storage.name.clone(),
            provider: storage.provider,
            bucket_name: storage.bucket.clone(),
            prefix: storage.prefix.clone(),
            upload_rules: storage.upload_rules.clone(),
            left_out: storage.left_out.clone(),
            sessions: UploadSessions::of(storage, &signers)?,
            signers,
            health: monitor(Arc::clone(&bucket)),
            bucket,
            counts,
        })
    }
}
