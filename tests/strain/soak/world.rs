//! What is true at the moment, what was just before, and so what the service may say.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::log::Secrets;
use super::parts::{Certificates, IdentityProvider, Signed};
use crate::bucket::Bucket;
use crate::wire::Kept;

/// How long a change may take to be in force: files are looked at twice within a second, the bucket has 5 s to be believed.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// A value that changes, and what it was before.
pub(super) struct Changing<T> {
    now: T,
    before: T,
    changed: Option<Instant>,
}

impl<T: Clone> Changing<T> {
    fn new(value: T) -> Self {
        Self { now: value.clone(), before: value, changed: None }
    }

    pub(super) fn set(&mut self, value: T) {
        self.before = std::mem::replace(&mut self.now, value);
        self.changed = Some(Instant::now());
    }

    pub(super) fn latest(&self) -> T {
        self.now.clone()
    }

    pub(super) fn has_changed(&self) -> bool {
        self.changed.is_some()
    }

    /// What may be seen by a request that was sent then.
    pub(super) fn allowed(&self, sent: Instant) -> Vec<T> {
        let mut allowed = vec![self.now.clone()];
        if self.changed.is_some_and(|changed| sent < changed + GRACE) {
            allowed.push(self.before.clone());
        }
        allowed
    }
}

#[derive(Clone, PartialEq)]
pub(super) struct AccessKey {
    pub(super) id: String,
    pub(super) secret: String,
}

impl AccessKey {
    fn new(number: u64) -> Self {
        Self { id: format!("AKIDSOAK{number:08}"), secret: format!("soak-secret-number-{number:08}-of-the-access-key") }
    }
}

pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) address: SocketAddr,
    pub(super) tls: TlsConnector,
    pub(super) kept: Kept,
    pub(super) bucket: Bucket,
    pub(super) identity: IdentityProvider,
    certificates: Certificates,
    pub(super) certificate: Mutex<Changing<CertificateDer<'static>>>,
    pub(super) access_key: Mutex<Changing<AccessKey>>,
    access_keys: AtomicU64,
    /// `upload.expires_secs` and `download.expires_secs`.
    pub(super) life: Mutex<Changing<u32>>,
    pub(super) bucket_is_well: Mutex<Changing<bool>>,
    pub(super) identity_is_well: Mutex<Changing<bool>>,
    pub(super) signed: Mutex<Signed>,
    /// Of a key that is gone for long.
    pub(super) removed: Mutex<Option<Signed>>,
    pub(super) stale: AtomicU64,
    pub(super) signatures: Mutex<HashSet<String>>,
    tokens: Mutex<Vec<String>>,
    checked: Mutex<BTreeMap<String, u64>>,
    seen: Mutex<HashSet<&'static str>>,
}

impl World {
    pub(super) fn new(bucket: Bucket, identity: IdentityProvider, certificates: Certificates) -> Self {
        let (folder, signed, key) = (tempfile::tempdir().unwrap(), identity.first(), AccessKey::new(0));
        let world = Self {
            address: bucket.address,
            tls: certificates.connector(),
            kept: Kept::default(),
            bucket,
            identity,
            certificate: Mutex::new(Changing::new(certificates.replace(folder.path()))),
            certificates,
            access_key: Mutex::new(Changing::new(key.clone())),
            access_keys: AtomicU64::new(1),
            life: Mutex::new(Changing::new(900)),
            bucket_is_well: Mutex::new(Changing::new(true)),
            identity_is_well: Mutex::new(Changing::new(true)),
            tokens: Mutex::new(vec![signed.token.clone()]),
            signed: Mutex::new(signed),
            removed: Mutex::new(None),
            stale: AtomicU64::new(0),
            signatures: Mutex::default(),
            checked: Mutex::default(),
            seen: Mutex::default(),
            folder,
        };
        world.write_access_key(&key);
        world.write_config(900);
        world
    }

    pub(super) fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Under another name first, so that nobody reads half of it.
    pub(super) fn write(&self, name: &str, content: &str) {
        let (new, path) = (self.folder.path().join("new"), self.folder.path().join(name));
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    pub(super) fn write_config(&self, life: u32) {
        self.write("signer.toml", &format!("[upload]\nexpires_secs = {life}\n[download]\nexpires_secs = {life}\n"));
    }

    fn write_access_key(&self, key: &AccessKey) {
        self.write("access-key", &key.id);
        self.write("secret-key", &key.secret);
    }

    pub(super) fn replace_access_key(&self) {
        let key = AccessKey::new(self.access_keys.fetch_add(1, Ordering::Relaxed));
        self.access_key.lock().unwrap().set(key.clone());
        self.write_access_key(&key);
    }

    pub(super) fn replace_certificate(&self) {
        let mut certificate = self.certificate.lock().unwrap();
        certificate.set(self.certificates.replace(self.folder.path()));
    }

    /// From now on tokens are signed with this key.
    pub(super) fn sign_with(&self, signed: Signed) {
        self.tokens.lock().unwrap().push(signed.token.clone());
        *self.signed.lock().unwrap() = signed;
    }

    pub(super) fn count(&self, what: &str) {
        *self.checked.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn checked(&self) -> String {
        let checked = self.checked.lock().unwrap();
        checked.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
    }

    /// A fault was noticed by a client: it was one.
    pub(super) fn saw(&self, what: &'static str) {
        self.seen.lock().unwrap().insert(what);
    }

    pub(super) fn faults_unseen(&self) -> Vec<&'static str> {
        let seen = self.seen.lock().unwrap();
        let wanted = ["bucket_failed", "bucket_unavailable", "bucket_timeout", "new certificate", "new access key"];
        let further = ["other life", "new token key", "identity provider asked in vain", "flood", "slow clients"];
        wanted.into_iter().chain(further).filter(|what| !seen.contains(what)).collect()
    }

    pub(super) fn secrets(&self) -> Secrets {
        let mut needles = vec!["X-Amz-Signature=".to_owned(), "X-Amz-Credential=".to_owned()];
        needles.extend((0..self.access_keys.load(Ordering::Relaxed)).map(|number| AccessKey::new(number).secret));
        for token in self.tokens.lock().unwrap().iter() {
            // Whole, and its signature alone.
            needles.push(token.clone());
            needles.push(token.rsplit('.').next().unwrap().to_owned());
        }
        needles.extend(self.certificates.keys());
        Secrets { needles, signatures: self.signatures.lock().unwrap().clone() }
    }
}
