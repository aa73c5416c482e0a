//! What URLs and calls are signed with, which may change while requests run.
//!
//! [`Signers`] holds one access key for everything, or one each for PUT, GET (with HEAD and the
//! probe) and DELETE. A request loads what is current, without a lock, and never waits for
//! anything newer. Replaced by one background task each:
//!
//! * `follow`: keys whose parts are in files, read again when those change;
//! * `refresh`: credentials that end, fetched again in time from a `source`.
//!
//! What `session` fetches is for callers: it signs nothing here.
//!
//! # Why two keys can be better than one
//!
//! Some servers honour an `x-amz-copy-source` that nobody signed: whoever may PUT one key reads
//! others with it. A PUT that is signed with a key that cannot read has nothing to copy (K24).

mod bridge;
mod follow;
mod refresh;
mod session;
mod source;
mod sts;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::{CredentialKind, CredentialSource, StaticKey, Storage};
use crate::domain::policy::{Action, Grant};
use crate::domain::route::StorageIndex;
use crate::domain::sigv4::{
    BucketAddress, Credentials, PostTerms, PresignError, Presigner, SignedPost, SignedUrl, Terms,
};
use crate::storage::StorageCounts;
pub use session::{SessionError, SessionOrder, UploadSession, UploadSessions};
use source::Source;

/// Credentials, and when they end.
#[derive(Debug, Clone, PartialEq)]
struct Issued {
    credentials: Credentials,
    /// Nothing when nobody says so.
    ends_at: Option<Timestamp>,
}

/// What signs for each action.
#[derive(Debug)]
pub struct Signers {
    storage: StorageIndex,
    put: Arc<Slot>,
    get: Arc<Slot>,
    delete: Arc<Slot>,
}

impl Signers {
    /// The signers as configured. What changes gets a task, which ends with the signers; `clock` is asked
    /// when credentials end.
    ///
    /// # Errors
    ///
    /// [`reqwest::Error`] when the platform gives no TLS roots.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, if anything is to be followed.
    pub fn start(storage: &Storage, clock: fn() -> Timestamp) -> Result<Arc<Self>, reqwest::Error> {
        Self::start_at(storage, &storage.public_address, clock)
    }

    /// The same for URLs at another address of the bucket.
    pub(crate) fn start_at(
        storage: &Storage,
        address: &BucketAddress,
        clock: fn() -> Timestamp,
    ) -> Result<Arc<Self>, reqwest::Error> {
        Self::start_counting(storage, address, clock, &Arc::default())
    }

    /// The same, adding to these counts.
    pub(crate) fn start_counting(
        storage: &Storage,
        address: &BucketAddress,
        clock: fn() -> Timestamp,
        counts: &Arc<StorageCounts>,
    ) -> Result<Arc<Self>, reqwest::Error> {
        let slot = || Arc::new(Slot::new(storage, address.clone(), Arc::clone(counts)));
        let access = &storage.access;
        let common = match &access.common {
            None => None,
            Some(source) => {
                let slot = slot();
                slot.start(source, clock)?;
                Some(slot)
            }
        };
        let of = |own: &Option<StaticKey>| match (own, &common) {
            (Some(key), _) => {
                let slot = slot();
                slot.start_fixed(key);
                slot
            }
            (None, Some(common)) => Arc::clone(common),
            // The configuration does not let this be; nothing is signed by such a slot.
            (None, None) => slot(),
        };
        let storage = storage.index;
        Ok(Arc::new(Self { storage, put: of(&access.put), get: of(&access.get), delete: of(&access.delete) }))
    }

    /// The storage that this signs for.
    #[must_use]
    pub fn storage(&self) -> StorageIndex {
        self.storage
    }

    fn slot(&self, action: Action) -> &Arc<Slot> {
        match action {
            Action::Get | Action::Head => &self.get,
            Action::Put
            | Action::CreateMultipart
            | Action::UploadPart
            | Action::ListParts
            | Action::CompleteMultipart
            | Action::AbortMultipart => &self.put,
            Action::Delete => &self.delete,
        }
    }

    /// Mints the URL for what was granted, dated `now`, with the credentials of its action.
    ///
    /// A URL that would outlive them is cut to their end, and newer ones are asked for.
    ///
    /// # Errors
    ///
    /// Those of [`Presigner::presign`]; [`PresignError::NoCredentials`] also before the first ones came;
    /// [`PresignError::OtherStorage`] for a grant that this does not sign for.
    pub fn presign(&self, grant: &Grant, terms: &Terms<'_>, now: Timestamp) -> Result<SignedUrl, PresignError> {
        let sign = |presigner: &Presigner| presigner.presign(grant, terms, now);
        self.signed(grant, terms.expires_secs, sign, |signed| signed.expires_secs)
    }

    /// The same for a form that a page may post.
    ///
    /// # Errors
    ///
    /// Those of [`Presigner::presign_post`], and as [`Signers::presign`].
    pub fn presign_post(
        &self,
        grant: &Grant,
        terms: &PostTerms<'_>,
        now: Timestamp,
    ) -> Result<SignedPost, PresignError> {
        let sign = |presigner: &Presigner| presigner.presign_post(grant, terms, now);
        self.signed(grant, terms.expires_secs, sign, |signed| signed.expires_secs)
    }

    /// With the credentials of the grant's action, for a grant of this storage alone. `life_secs` is what came of the life
    /// that was `wanted_secs`.
    fn signed<T>(
        &self,
        grant: &Grant,
        wanted_secs: u32,
        sign: impl FnOnce(&Presigner) -> Result<T, PresignError>,
        life_secs: impl FnOnce(&T) -> u32,
    ) -> Result<T, PresignError> {
        if grant.storage() != self.storage {
            return Err(PresignError::OtherStorage);
        }
        let slot = self.slot(grant.action());
        let signed = slot.sign(sign);
        slot.want_longer(signed.as_ref().map(life_secs), wanted_secs);
        signed
    }

    /// Where clients find what was granted, without a signature; nothing before the first credentials came.
    #[must_use]
    pub fn location(&self, grant: &Grant) -> Option<String> {
        self.slot(grant.action()).current.load().as_ref().map(|held| held.presigner.location(grant))
    }

    /// What a call of our own is signed with as of `now`, or nothing.
    pub(super) fn for_call(&self, action: Action, now: Timestamp) -> Option<Arc<Held>> {
        self.slot(action).current.load_full().filter(|held| held.holds_at(now))
    }

    /// The same, for whoever signs by other rules: STS, and a check that tries names which are no keys.
    pub(crate) fn credentials(&self, action: Action, now: Timestamp) -> Option<Credentials> {
        let held = self.for_call(action, now)?;
        Some(Credentials {
            access_key_id: held.credentials().key().to_owned(),
            secret_access_key: held.credentials().secret().into(),
            session_token: held.credentials().token().map(Into::into),
        })
    }

    /// What signs for an action, for people. Nothing before the first credentials came.
    pub(crate) fn key_in_force(&self, action: Action) -> Option<KeyInForce> {
        let held = self.slot(action).current.load_full()?;
        let credentials = held.credentials();
        Some(KeyInForce {
            id: credentials.key().to_owned(),
            is_temporary: credentials.token().is_some(),
            ends_at: held.ends_at,
        })
    }

    /// When the first of the credentials in force ends, if any does.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        self.in_force().filter_map(|held| held.ends_at).min()
    }

    /// For how long the oldest of the credentials in force have been.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.in_force().map(|held| held.since.elapsed()).max()
    }

    fn in_force(&self) -> impl Iterator<Item = Arc<Held>> {
        [&self.put, &self.get, &self.delete].into_iter().filter_map(|slot| slot.current.load_full())
    }

    /// Whether everything can be signed as of `now`.
    #[must_use]
    pub fn is_ready(&self, now: Timestamp) -> bool {
        let holds = |slot: &Arc<Slot>| slot.current.load().as_ref().is_some_and(|held| held.holds_at(now));
        [&self.put, &self.get, &self.delete].into_iter().all(holds)
    }
}

/// An access key, without its secret.
pub(crate) struct KeyInForce {
    pub(crate) id: String,
    /// It has a session token.
    pub(crate) is_temporary: bool,
    /// Known for those that are renewed in time.
    pub(crate) ends_at: Option<Timestamp>,
}

/// The place of one access key.
struct Slot {
    /// The name, for the log.
    storage: String,
    address: BucketAddress,
    region: String,
    current: ArcSwapOption<Held>,
    /// Newer credentials are wanted, or the slot is gone.
    wanted: Arc<Notify>,
    counts: Arc<StorageCounts>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&*self.current.load()).finish()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.wanted.notify_one();
    }
}

impl Slot {
    fn new(storage: &Storage, address: BucketAddress, counts: Arc<StorageCounts>) -> Self {
        let (storage, region) = (storage.name.clone(), storage.region.clone());
        Self { storage, address, region, current: ArcSwapOption::empty(), wanted: Arc::default(), counts }
    }

    fn sign<T>(&self, sign: impl FnOnce(&Presigner) -> Result<T, PresignError>) -> Result<T, PresignError> {
        self.current.load().as_ref().map_or(Err(PresignError::NoCredentials), |held| sign(&held.presigner))
    }

    /// Asks for newer credentials when these are none, or give a life shorter than the one that was `wanted`.
    fn want_longer(&self, signed: Result<u32, &PresignError>, wanted_secs: u32) {
        if signed.map_or_else(|error| *error == PresignError::NoCredentials, |secs| secs < wanted_secs) {
            self.wanted.notify_one();
        }
    }

    fn start(self: &Arc<Self>, source: &CredentialSource, clock: fn() -> Timestamp) -> Result<(), reqwest::Error> {
        match &source.kind {
            CredentialKind::Static(key) if source.role.is_none() => self.start_fixed(key),
            CredentialKind::Environment(credentials, ends_at) if source.role.is_none() => {
                self.put_in_force(Issued { credentials: credentials.clone(), ends_at: *ends_at });
            }
            _ => {
                let source = Source::new(source.clone())?;
                tokio::spawn(refresh::keep_fresh(Arc::downgrade(self), Arc::clone(&self.wanted), source, clock));
            }
        }
        Ok(())
    }

    fn start_fixed(self: &Arc<Self>, key: &StaticKey) {
        self.put_in_force(Issued { credentials: key.credentials.clone(), ends_at: None });
        if !key.files.is_empty() {
            tokio::spawn(follow::follow(Arc::downgrade(self), key.clone()));
        }
    }

    /// Signs with these from the next request on.
    fn put_in_force(&self, Issued { credentials, ends_at }: Issued) {
        let secret = credentials.secret_access_key.expose_secret();
        let for_calls = match &credentials.session_token {
            Some(token) => {
                rusty_s3::Credentials::new_with_token(&credentials.access_key_id, secret, token.expose_secret())
            }
            None => rusty_s3::Credentials::new(&credentials.access_key_id, secret),
        };
        let presigner = Presigner::new(self.address.clone(), &self.region, credentials).ending_at(ends_at);
        self.current.store(Some(Arc::new(Held { presigner, for_calls, ends_at, since: Instant::now() })));
        self.counts.credentials.add();
    }
}

/// What is in force, in the forms it is used in.
pub(super) struct Held {
    presigner: Presigner,
    for_calls: rusty_s3::Credentials,
    ends_at: Option<Timestamp>,
    since: Instant,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("ends_at", &self.ends_at).finish_non_exhaustive()
    }
}

impl Held {
    fn holds_at(&self, now: Timestamp) -> bool {
        // In whole seconds, as signatures count.
        self.ends_at.is_none_or(|end| end.as_second() > now.as_second())
    }

    /// For rusty-s3.
    pub(super) fn credentials(&self) -> &rusty_s3::Credentials {
        &self.for_calls
    }

    /// `life`, or what is left of it before the credentials end.
    pub(super) fn life(&self, life: Duration, now: Timestamp) -> Duration {
        let Some(end) = self.ends_at else { return life };
        let left = end.as_second().saturating_sub(now.as_second());
        life.min(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
    }
}
