//! The keys that sign, each derived once for its UTC day.
//!
//! Deriving one is four HMACs, more than all the rest of a signature. It depends
//! on secret, region and day only, so two are kept: after midnight an upload is
//! dated today, and a download whose window began before midnight yesterday.
//! Readers take them without a lock, and whoever first sees another day puts the
//! next one in the place of the one before last. Two that see it at once derive
//! the same key. A key that is dropped is wiped by aws-lc (`HMAC_CTX_cleanup`).

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::domain::utc::UtcSecond;

const SECS_PER_DAY: i64 = 86_400;
const HMAC_LEN: usize = 32;

/// A secret, and the keys derived from it for the even and the odd day that were last asked for.
pub(super) struct DayKeys {
    secret: SecretString,
    region: String,
    even: ArcSwap<DayKey>,
    odd: ArcSwap<DayKey>,
}

struct DayKey {
    /// Days since 1970.
    day: i64,
    key: hmac::Key,
}

impl DayKeys {
    pub(super) fn new(secret: SecretString, region: String) -> Self {
        // A first one, so that there always is one. No odd day is its.
        let first = Arc::new(DayKey { day: 0, key: derive(&secret, "19700101", &region, "s3") });
        Self { secret, region, even: ArcSwap::new(Arc::clone(&first)), odd: ArcSwap::new(first) }
    }

    /// Signs with the key of the day that `date` lies in; `day` is its text, such as `20261122`.
    pub(super) fn sign(&self, date: UtcSecond, day: &str, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.of(date, day).key, message)
    }

    fn of(&self, date: UtcSecond, day: &str) -> Guard<Arc<DayKey>> {
        let number = date.unix() / SECS_PER_DAY;
        let place = if number & 1 == 0 { &self.even } else { &self.odd };
        let kept = place.load();
        if kept.day == number {
            return kept;
        }
        let next = Arc::new(DayKey { day: number, key: derive(&self.secret, day, &self.region, "s3") });
        place.store(Arc::clone(&next));
        Guard::from_inner(next)
    }
}

/// `HMAC(HMAC(HMAC(HMAC("AWS4" + secret, day), region), service), "aws4_request")`.
pub(super) fn derive(secret: &SecretString, day: &str, region: &str, service: &str) -> hmac::Key {
    let secret = Zeroizing::new(format!("AWS4{}", secret.expose_secret()));
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    for part in [day, region, service, "aws4_request"] {
        let mut next = Zeroizing::new([0; HMAC_LEN]);
        // Into a buffer of its own length, which cannot fail, and which is wiped.
        let _ = hmac::sign_to_buffer(&key, part.as_bytes(), next.as_mut_slice());
        key = hmac::Key::new(hmac::HMAC_SHA256, next.as_slice());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> UtcSecond {
        UtcSecond::from_unix(second).unwrap()
    }

    #[test]
    fn the_key_changes_with_the_utc_day_and_comes_back() {
        let key = DayKeys::new("secret".into(), "us-east-1".into());
        let sign = |second, day| key.sign(at(second), day, b"message").as_ref().to_vec();
        let (first, last) = (sign(86_400, "19700102"), sign(172_799, "19700102"));
        assert_eq!(first, last);
        let next = sign(172_800, "19700103");
        assert_ne!(last, next);
        // A clock that is set back signs for the day that it shows.
        assert_eq!(sign(172_799, "19700102"), first);
        assert_eq!(sign(0, "19700101"), sign(1, "19700101"));
    }

    #[test]
    fn the_key_of_a_day_is_derived_once() {
        let key = DayKeys::new("secret".into(), "us-east-1".into());
        let (first, last) = (key.of(at(86_400), "19700102"), key.of(at(172_799), "19700102"));
        assert!(Arc::ptr_eq(&first, &last));
    }

    /// A window that spans midnight: the days on either side of it do not drive each other out.
    #[test]
    fn yesterdays_key_stays_beside_todays() {
        let key = DayKeys::new("secret".into(), "us-east-1".into());
        for (yesterday, today) in
            [((86_399, "19700101"), (86_400, "19700102")), ((172_799, "19700102"), (172_800, "19700103"))]
        {
            let of = |(second, day): (i64, &str)| Arc::clone(&key.of(at(second), day));
            let (first_yesterday, first_today) = (of(yesterday), of(today));
            assert!(Arc::ptr_eq(&first_yesterday, &of(yesterday)) && Arc::ptr_eq(&first_today, &of(today)));
            assert!(!Arc::ptr_eq(&first_yesterday, &first_today));
        }
    }

    #[test]
    fn many_threads_at_midnight_all_sign_for_their_own_day() {
        let key = DayKeys::new("secret".into(), "us-east-1".into());
        let expected = [(0, "19700101"), (86_400, "19700102")]
            .map(|(second, day)| (second, day, key.sign(at(second), day, b"m").as_ref().to_vec()));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        for (second, day, signature) in &expected {
                            assert_eq!(key.sign(at(*second), day, b"m").as_ref(), signature);
                        }
                    }
                });
            }
        });
    }
}
