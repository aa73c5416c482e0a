//! URLs that are the same for a while. Case numbers K.. are those of the security study.

use proptest::prelude::*;
use url::Url;

use super::tests::{address, at, credentials, grant};
use super::*;
use crate::domain::policy::Action;

fn presigner(end: Option<i64>) -> Presigner {
    let end = end.map(|second| Timestamp::from_second(second).unwrap());
    Presigner::new(address(), "us-east-1", credentials(None)).ending_at(end)
}

fn sign(presigner: &Presigner, expires_secs: u32, window_secs: u32, now: i64) -> Result<SignedUrl, PresignError> {
    let terms = Terms { expires_secs, window_secs, ..Terms::default() };
    presigner.presign(&grant(Action::Get, "s1/f").unwrap(), &terms, Timestamp::from_second(now).unwrap())
}

/// `X-Amz-Date`, in seconds since 1970, and `X-Amz-Expires`.
fn read_back(signed: &SignedUrl) -> (i64, i64) {
    let url = Url::parse(signed.url.expose()).unwrap();
    let value = |name: &str| url.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
    let date = value("X-Amz-Date");
    assert!(value("X-Amz-Credential").contains(&format!("/{}/", &date[..8])));
    let start = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &date).unwrap();
    let start = jiff::tz::Offset::UTC.to_timestamp(start).unwrap().as_second();
    (start, value("X-Amz-Expires").parse().unwrap())
}

#[test]
fn a_window_has_one_url_and_the_next_has_another() {
    let presigner = presigner(None);
    let [first, middle, last, next] =
        ["15:00:00", "15:07:30", "15:14:59", "15:15:00"].map(|time| at(&format!("2026-11-22T{time}Z")).as_second());
    let text = |now| sign(&presigner, 60, 900, now).unwrap().url.expose().to_owned();
    assert!(text(first) == text(middle) && text(middle) == text(last));
    assert_ne!(text(last), text(next));
    // A whole life is left to the one that comes last.
    let signed = sign(&presigner, 60, 900, last).unwrap();
    assert_eq!(read_back(&signed), (first, 960));
    assert_eq!((signed.expires_secs, signed.expires_at.unix()), (61, first + 960));
    assert_eq!(signed.same_until.map(UtcSecond::unix), Some(next));
    // Another life is another URL.
    assert_ne!(text(first), sign(&presigner, 61, 900, first).unwrap().url.expose());
    assert_eq!(sign(&presigner, 60, 0, first).unwrap().same_until, None);
}

/// The scope's day is the one that the URL is dated to, on either side of midnight.
#[test]
fn a_window_may_span_midnight() {
    let presigner = presigner(None);
    let midnight = at("2026-11-23T00:00:00Z").as_second();
    // So many do not divide a day.
    let begin = midnight - midnight % 7000;
    assert!(begin < midnight && midnight + 100 < begin + 7000);
    let before = sign(&presigner, 60, 7000, midnight - 1).unwrap();
    let plain = sign(&presigner, 60, 0, midnight + 100).unwrap();
    let after = sign(&presigner, 60, 7000, midnight + 100).unwrap();
    assert_eq!(before.url.expose(), after.url.expose());
    assert!(after.url.expose().contains("%2F20261122%2F") && plain.url.expose().contains("%2F20261123%2F"));
    // As good as one that was minted at that time.
    assert_eq!(after.url.expose(), sign(&presigner, 7060, 0, begin).unwrap().url.expose());
}

#[test]
fn a_life_and_a_window_that_are_longer_than_s3_allows_are_refused() {
    let presigner = presigner(None);
    assert!(sign(&presigner, MAX_EXPIRES_SECS - 900, 900, 0).is_ok());
    for (life, window) in [(MAX_EXPIRES_SECS - 899, 900), (0, 900), (1, u32::MAX), (u32::MAX, u32::MAX)] {
        assert_eq!(sign(&presigner, life, window, 0).unwrap_err(), PresignError::Expires, "{life} {window}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// K34, K35: whatever the window, a URL is dated to the past, holds what it promises or as much of it as the
    /// credentials have left, says so, and is the same for all who ask until it says.
    #[test]
    fn a_window_promises_nothing_that_the_url_does_not_hold(
        now in 0_i64..4_102_444_800,
        window in prop_oneof![1_u32..120, 1_u32..=86_400],
        life in prop_oneof![1_u32..120, 1_u32..=MAX_EXPIRES_SECS - 86_400],
        credentials_left in proptest::option::of(prop_oneof![-5_i64..200, -5_i64..1_000_000]),
        // Of the rest of the window.
        later in 0.0_f64..1.0,
    ) {
        let end_of_credentials = credentials_left.map(|left| now + left);
        let presigner = presigner(end_of_credentials.filter(|end| *end >= 0));
        if end_of_credentials.is_some_and(|end| end < 0) { return Ok(()) }
        let signed = match sign(&presigner, life, window, now) {
            Ok(signed) => signed,
            Err(error) => {
                prop_assert!(error == PresignError::NoCredentials && credentials_left.unwrap() <= 0);
                return Ok(());
            }
        };
        let (begin, expires) = read_back(&signed);
        let (life, window) = (i64::from(life), i64::from(window));
        prop_assert!(begin <= now && now < begin + window && begin % window == 0);
        prop_assert!(expires <= i64::from(MAX_EXPIRES_SECS));
        let end = begin + expires;
        prop_assert_eq!(end, signed.expires_at.unix());
        prop_assert_eq!(end - now, i64::from(signed.expires_secs));
        prop_assert_eq!(end, end_of_credentials.unwrap_or(i64::MAX).min(begin + window + life));
        prop_assert!(end - now >= credentials_left.unwrap_or(i64::MAX).min(life));
        let same_until = signed.same_until.unwrap().unix();
        prop_assert!(now < same_until && same_until <= end && same_until <= begin + window);

        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any second of the rest will do")]
        let again = now + ((same_until - 1 - now) as f64 * later) as i64;
        let terms = (u32::try_from(life).unwrap(), u32::try_from(window).unwrap());
        let second = sign(&presigner, terms.0, terms.1, again).unwrap();
        prop_assert_eq!(second.url.expose(), signed.url.expose());
        prop_assert_eq!(second.same_until, signed.same_until);
        match sign(&presigner, terms.0, terms.1, same_until) {
            Ok(next) => prop_assert_ne!(next.url.expose(), signed.url.expose()),
            Err(error) => prop_assert!(error == PresignError::NoCredentials && same_until == end),
        }
    }
}
