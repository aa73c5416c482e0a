//! What one process takes on at once, and what one caller and one store may ask of it.
//!
//! # What is charged to whom
//!
//! * Every request with a good token is charged to its subject, also one that is then refused. Of a batch, so is every
//!   operation after the first.
//! * A store is charged when a key of it was granted, and only then. A request for a foreign key is refused before, so
//!   nobody can use up the rate of a store that their token does not name. A token of many stores is charged at the one
//!   that the key is in.
//! * A body that is still on its way is charged to its subject, who may hold a quarter of `limits.max_in_flight` by such:
//!   a request that is sent a byte a second keeps its place for long, and costs who sends it nothing.
//! * Upload bytes are charged to the store when a URL for them is signed, by the length that the URL is bound to.
//!   Whether it is used is never known here.
//!
//! # What is remembered
//!
//! A count for each of at most `limits.max_tracked` stores and subjects, by a keyed hash of their names, so that memory
//! does not grow with names or with their number. Who was seen least is forgotten first, and begins anew. Nothing is
//! shared between processes.

mod gate;
mod rates;

use std::hash::Hash;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use governor::Quota;

pub use gate::Permit;
use gate::{Gate, Shares};
use rates::Rates;

use crate::domain::key::ObjectKey;
use crate::domain::policy::Caller;

/// How often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run, a second.
    pub per_sec: NonZeroU32,
    /// At once, after a quiet time.
    pub burst: NonZeroU32,
}

/// `[limits]`
#[derive(Debug, Clone)]
pub struct LimitRules {
    /// Requests that are being answered at once, those that need no token aside.
    pub max_in_flight: usize,
    /// Those among them that wait for the bucket.
    pub max_bucket_calls: usize,
    /// Granted requests of one store.
    pub store: Option<Rate>,
    /// Requests of one subject.
    pub subject: Option<Rate>,
    /// Bytes that one store may begin to upload at once, and again within an hour.
    pub store_upload_bytes_per_hour: Option<NonZeroU64>,
    /// Stores, and subjects, that are remembered.
    pub max_tracked: usize,
}

/// Too much of something. The texts are safe to show to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limited {
    /// The process has enough to do.
    #[error("the service is busy")]
    Overloaded,
    /// The subject asks too often.
    #[error("these are too many requests of one subject")]
    Subject {
        /// Until the next request is taken.
        wait: Duration,
    },
    /// The store is asked for too often.
    #[error("these are too many requests for one store")]
    Store {
        /// Until the next request is taken.
        wait: Duration,
    },
    /// The store has signed uploads of so many bytes lately that this one does not fit.
    #[error("the store has used up the bytes that it may upload for now")]
    Quota {
        /// Until an upload of this length fits.
        wait: Duration,
    },
}

/// The part of all places, one in so many, that the slow bodies of one subject may hold.
const SUBJECTS_SHARE: usize = 4;

/// The limits in force, and what is used up of them. What is not limited costs nothing but one count of the requests.
#[derive(Debug)]
pub struct Limits {
    requests: Gate,
    bucket_calls: Gate,
    slow_bodies: Shares,
    subjects: Option<Rates>,
    stores: Option<Rates>,
    uploads: Option<UploadBytes>,
}

impl Limits {
    /// Nothing used up.
    #[must_use]
    pub fn new(rules: &LimitRules) -> Self {
        let rates = |rate: Option<Rate>| {
            rate.map(|rate| Rates::new(Quota::per_second(rate.per_sec).allow_burst(rate.burst), rules.max_tracked))
        };
        Self {
            requests: Gate::new(rules.max_in_flight),
            bucket_calls: Gate::new(rules.max_bucket_calls),
            slow_bodies: Shares::new(rules.max_in_flight.div_ceil(SUBJECTS_SHARE)),
            subjects: rates(rules.subject),
            stores: rates(rules.store),
            uploads: rules.store_upload_bytes_per_hour.map(|most| UploadBytes::new(most, rules.max_tracked)),
        }
    }

    /// Room for one more request, until the permit is dropped.
    ///
    /// # Errors
    ///
    /// [`Limited::Overloaded`] when there is none.
    pub fn admit(&self) -> Result<Permit<'_>, Limited> {
        self.requests.enter().ok_or(Limited::Overloaded)
    }

    /// Room for one more request that waits for the bucket, until the permit is dropped.
    ///
    /// # Errors
    ///
    /// [`Limited::Overloaded`] when there is none.
    pub fn admit_to_bucket(&self) -> Result<Permit<'_>, Limited> {
        self.bucket_calls.enter().ok_or(Limited::Overloaded)
    }

    /// Room for one more body of this caller that is still on its way, until the permit is dropped.
    ///
    /// # Errors
    ///
    /// [`Limited::Overloaded`] when the caller's share is used up.
    pub fn admit_slow_body(&self, caller: &Caller) -> Result<Permit<'_>, Limited> {
        self.slow_bodies.enter(&subject_of(caller)).ok_or(Limited::Overloaded)
    }

    /// Charges one request, or one operation of a batch, to who makes it. Tokens without a subject share that of their first store.
    ///
    /// # Errors
    ///
    /// [`Limited::Subject`].
    pub fn charge_subject(&self, caller: &Caller) -> Result<(), Limited> {
        let Some(rates) = &self.subjects else { return Ok(()) };
        rates.charge(&subject_of(caller), NonZeroU32::MIN).map_err(|wait| Limited::Subject { wait })
    }

    /// Charges one request to the store of a key that was granted.
    ///
    /// # Errors
    ///
    /// [`Limited::Store`].
    pub fn charge_store(&self, store: &str) -> Result<(), Limited> {
        let Some(rates) = &self.stores else { return Ok(()) };
        rates.charge(store, NonZeroU32::MIN).map_err(|wait| Limited::Store { wait })
    }

    /// The longest upload of a caller with this limit of its own: what could never be charged is not signed either.
    #[must_use]
    pub fn longest_upload(&self, own: Option<u64>) -> Option<u64> {
        let quota = self.uploads.as_ref().map(|uploads| uploads.most.get());
        own.into_iter().chain(quota).min()
    }

    /// Whether uploads are charged, and so must say their length.
    #[must_use]
    pub fn has_quota(&self) -> bool {
        self.uploads.is_some()
    }

    /// Charges the bytes of an upload to the store of its key.
    ///
    /// # Errors
    ///
    /// [`Limited::Quota`].
    pub fn charge_upload(&self, key: &ObjectKey, bytes: u64) -> Result<(), Limited> {
        let Some(uploads) = &self.uploads else { return Ok(()) };
        uploads.charge(key, bytes).map_err(|wait| Limited::Quota { wait })
    }

    /// How many requests are being answered, and how many may be.
    #[must_use]
    pub fn in_flight(&self) -> (usize, usize) {
        self.requests.taken()
    }

    /// How many of them wait for the bucket, and how many may.
    #[must_use]
    pub fn at_bucket(&self) -> (usize, usize) {
        self.bucket_calls.taken()
    }

    /// How many stores and subjects are remembered, each limit counted by itself.
    #[must_use]
    pub fn tracked(&self) -> usize {
        let uploads = self.uploads.as_ref().map(|uploads| &uploads.rates);
        [self.subjects.as_ref(), self.stores.as_ref(), uploads].into_iter().flatten().map(Rates::len).sum()
    }
}

/// Who is charged. The same name at another issuer is somebody else.
fn subject_of(caller: &Caller) -> impl Hash + use<'_> {
    let first_store = || caller.stores().first().map(|placed| &placed.store);
    (caller.issuer(), caller.subject().ok_or_else(first_store))
}

/// Upload bytes by store. Counted in units, because `governor` counts in 32 bits: below 4 GiB an hour the unit is a byte.
#[derive(Debug)]
struct UploadBytes {
    rates: Rates,
    most: NonZeroU64,
    unit: u64,
}

const NANOS_AN_HOUR: u64 = 3600 * 1_000_000_000;

impl UploadBytes {
    fn new(most: NonZeroU64, max_tracked: usize) -> Self {
        let unit = most.get().div_ceil(u64::from(u32::MAX));
        let units = in_units(most.get(), unit).unwrap_or(NonZeroU32::MIN);
        // Rounded up, so that no more than was configured comes back.
        let period = Duration::from_nanos(NANOS_AN_HOUR.div_ceil(u64::from(units.get())));
        let quota = Quota::with_period(period).unwrap_or(Quota::per_hour(units)).allow_burst(units);
        Self { rates: Rates::new(quota, max_tracked), most, unit }
    }

    fn charge(&self, key: &ObjectKey, bytes: u64) -> Result<(), Duration> {
        // No bytes cost nothing.
        let Some(units) = in_units(bytes, self.unit) else { return Ok(()) };
        self.rates.charge(key.first_segment(), units)
    }
}

/// Rounded up; nothing for nothing.
fn in_units(bytes: u64, unit: u64) -> Option<NonZeroU32> {
    let units = bytes.div_ceil(unit.max(1));
    NonZeroU32::new(u32::try_from(units).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES};

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(
            text,
            &KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES },
        )
        .unwrap()
    }

    fn rules() -> LimitRules {
        LimitRules {
            max_in_flight: 10,
            max_bucket_calls: 2,
            store: None,
            subject: None,
            store_upload_bytes_per_hour: None,
            max_tracked: 1000,
        }
    }

    fn per_hour(bytes: u64) -> Limits {
        Limits::new(&LimitRules { store_upload_bytes_per_hour: NonZeroU64::new(bytes), ..rules() })
    }

    #[test]
    fn without_limits_nothing_is_refused_or_remembered() {
        let limits = Limits::new(&rules());
        for i in 0..10_000 {
            let key = key(&format!("s{i}/f"));
            assert_eq!(
                (limits.charge_store(key.first_segment()), limits.charge_upload(&key, u64::MAX)),
                (Ok(()), Ok(()))
            );
        }
        assert_eq!((limits.tracked(), limits.longest_upload(None)), (0, None));
    }

    #[test]
    fn a_slow_bucket_leaves_room_for_the_others() {
        let limits = Limits::new(&rules());
        let waiting: Vec<_> = (0..2).map(|_| (limits.admit().unwrap(), limits.admit_to_bucket().unwrap())).collect();
        assert!(limits.admit_to_bucket().is_err());
        let signing: Vec<_> = std::iter::from_fn(|| limits.admit().ok()).collect();
        assert_eq!(signing.len(), 8);
        drop((waiting, signing));
        assert!(limits.admit().is_ok() && limits.admit_to_bucket().is_ok());
    }

    #[test]
    fn upload_bytes_are_counted_to_the_byte_and_by_store() {
        let limits = per_hour(1_000_000);
        assert_eq!(limits.charge_upload(&key("s1/a"), 999_999), Ok(()));
        assert_eq!(limits.charge_upload(&key("s1/empty"), 0), Ok(()));
        let Err(Limited::Quota { wait }) = limits.charge_upload(&key("s1/b"), 500_000) else { panic!("charged") };
        // Half of it is back in half an hour.
        assert!((1700..=1800).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(limits.charge_upload(&key("s2/b"), 500_000), Ok(()), "of another store");
        assert_eq!((limits.longest_upload(None), limits.longest_upload(Some(5))), (Some(1_000_000), Some(5)));
    }

    /// More than 32 bits of bytes.
    #[test]
    fn large_quotas_are_kept_to_a_part_in_a_billion() {
        let tib = 1024_u64.pow(4);
        for most in [u64::from(u32::MAX), u64::from(u32::MAX) + 1, 10 * tib, u64::MAX] {
            let limits = per_hour(most);
            assert_eq!(limits.charge_upload(&key("s1/a"), most), Ok(()), "{most}");
            assert!(limits.charge_upload(&key("s1/a"), most / 1_000).is_err(), "{most}");
        }
        let limits = per_hour(10 * tib);
        assert_eq!(limits.charge_upload(&key("s1/a"), 9 * tib), Ok(()));
        assert!(limits.charge_upload(&key("s1/a"), tib + tib / 100).is_err());
        assert_eq!(limits.charge_upload(&key("s1/a"), tib - tib / 100), Ok(()));
    }

    /// H29: memory does not grow with the number of stores.
    #[test]
    fn a_hundred_thousand_stores_are_held_in_a_thousand_entries() {
        let rate = Rate { per_sec: NonZeroU32::MIN, burst: NonZeroU32::MIN };
        let limits =
            Limits::new(&LimitRules { store: Some(rate), store_upload_bytes_per_hour: NonZeroU64::new(10), ..rules() });
        for i in 0..100_000 {
            let key = key(&format!("{}{i}/f", "s".repeat(100)));
            assert_eq!((limits.charge_store(key.first_segment()), limits.charge_upload(&key, 10)), (Ok(()), Ok(())));
        }
        assert!((1000..=2000).contains(&limits.tracked()), "{}", limits.tracked());
    }
}
