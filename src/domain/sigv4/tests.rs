//! Case numbers K.. are those of the security study.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use proptest::prelude::*;
use rusty_s3::S3Action as _;
use url::Url;

use super::*;
use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES, ObjectKey};
use crate::domain::policy::{Action, Caller, Permissions, PlacedStore, decide};
use crate::domain::route::StorageIndex;
use crate::domain::store::{StoreId, StoreIdRule};

/// A grant for `key` to the caller of store `s1`, by way of the one door.
pub(in crate::domain) fn grant(action: Action, key: &str) -> Option<Grant> {
    let rules = KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
    let key = ObjectKey::parse(key, &rules).ok()?;
    let caller = Caller {
        issuer: None,
        subject: None,
        token_id: None,
        stores: vec![PlacedStore {
            store: StoreId::parse("s1", StoreIdRule::Strict).unwrap(),
            storage: StorageIndex::default(),
        }],
        permissions: Permissions::ALL,
        prefixes: None,
        max_upload_bytes: None,
    };
    decide(&caller, action, key).ok()
}

pub(super) fn credentials(session_token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: session_token.map(SecretString::from),
    }
}

pub(super) fn address() -> BucketAddress {
    BucketAddress { scheme: "https".into(), host: "s3.test:9000".into(), path: "/files".into() }
}

fn presigner() -> Presigner {
    Presigner::new(address(), "us-east-1", credentials(None))
}

fn terms(expires_secs: u32) -> Terms<'static> {
    Terms { expires_secs, ..Terms::default() }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// K31: AWS's published example. Its key has one segment, which no key of ours has, so it is signed in parts.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
#[test]
fn the_published_example_is_reproduced() {
    let host = "examplebucket.s3.amazonaws.com";
    let address = BucketAddress { scheme: "https".into(), host: host.into(), path: String::new() };
    let presigner = Presigner::new(address, "us-east-1", credentials(None));
    let now = UtcSecond::new(at("2013-05-24T00:00:00Z")).unwrap();
    let headers = [("host", host)];
    let date = now.basic();
    let (mut query, mut request, mut to_sign) = (String::new(), String::new(), String::new());
    presigner.write_query(&mut query, &date, 86400, &headers, &terms(86400));
    write_canonical_request(&mut request, "GET", "/test.txt", &query[1..], &headers);
    presigner.write_string_to_sign(&mut to_sign, &date, &digest::digest(&digest::SHA256, request.as_bytes()));
    let mut signature = String::new();
    push_hex(&mut signature, presigner.key.sign(now, date.day(), to_sign.as_bytes()).as_ref());
    assert_eq!(signature, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

/// K35: the end is read back from the URL itself, around the end of a day and of a year.
#[test]
fn the_end_is_what_the_url_says() {
    for text in ["2026-11-22T23:59:59.999Z", "2026-12-31T23:59:59Z", "2028-02-29T00:00:00Z", "2027-01-01T00:00:00Z"] {
        let signed = presigner().presign(&grant(Action::Get, "s1/f").unwrap(), &terms(900), at(text)).unwrap();
        let url = Url::parse(signed.url.expose()).unwrap();
        let value = |name: &str| url.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
        let date = value("X-Amz-Date");
        let start = DateTime::strptime("%Y%m%dT%H%M%SZ", &date).unwrap();
        let start = Offset::UTC.to_timestamp(start).unwrap();
        let life: i64 = value("X-Amz-Expires").parse().unwrap();
        assert_eq!(signed.expires_at.unix(), start.as_second() + life);
        assert!(value("X-Amz-Credential").contains(&format!("/{}/", &date[..8])));
    }
}

/// K34, K47: a life or a clock that cannot be signed truthfully is an error.
#[test]
fn lives_and_clocks_out_of_range_are_refused() {
    let sign = |expires, now| presigner().presign(&grant(Action::Get, "s1/f").unwrap(), &terms(expires), now);
    let now = at("2026-11-22T00:00:00Z");
    assert!(sign(1, now).is_ok() && sign(604_800, now).is_ok());
    assert_eq!(sign(0, now).unwrap_err(), PresignError::Expires);
    assert_eq!(sign(604_801, now).unwrap_err(), PresignError::Expires);
    assert_eq!(sign(900, Timestamp::MIN).unwrap_err(), PresignError::Clock);
    assert_eq!(sign(900, Timestamp::MAX).unwrap_err(), PresignError::Clock);
}

#[test]
fn more_headers_than_fit_are_an_error() {
    let headers = [("x-amz-meta-a", "b"); MAX_BOUND_HEADERS + 1];
    let sign = |headers| {
        let terms = Terms { headers, ..terms(60) };
        presigner().presign(&grant(Action::Put, "s1/f").unwrap(), &terms, at("2026-11-22T00:00:00Z"))
    };
    assert_eq!(sign(&headers).unwrap_err(), PresignError::TooManyHeaders);
    assert!(sign(&headers[1..]).is_ok());
}

#[test]
fn secrets_do_not_show_in_debug() {
    let presigner = Presigner::new(address(), "us-east-1", credentials(Some("session-token")));
    let signed =
        presigner.presign(&grant(Action::Get, "s1/f").unwrap(), &terms(60), at("2026-11-22T00:00:00Z")).unwrap();
    let shown = format!("{presigner:?} {signed:?} {}", signed.url);
    for secret in ["wJalrXUtn", "session-token", "X-Amz-Signature"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("/files/s1/f?<redacted>"));
}

/// K33: a session token is encoded once and signed.
#[test]
fn the_session_token_stands_once_in_the_query() {
    let presigner = Presigner::new(address(), "auto", credentials(Some("a+b/c=")));
    let signed =
        presigner.presign(&grant(Action::Put, "s1/f").unwrap(), &terms(60), at("2026-11-22T00:00:00Z")).unwrap();
    assert_eq!(signed.url.expose().matches("&X-Amz-Security-Token=a%2Bb%2Fc%3D&").count(), 1);
}

/// The same call made by rusty-s3, on the addresses and keys that both can sign.
fn by_rusty_s3(action: Action, key: &str, terms: &Terms<'_>, region: &str, token: Option<&str>, now: Timestamp) -> Url {
    let endpoint = Url::parse("https://s3.test:9000").unwrap();
    let bucket = rusty_s3::Bucket::new(endpoint, rusty_s3::UrlStyle::Path, "files", region.to_owned()).unwrap();
    let ours = credentials(token);
    let secret = ours.secret_access_key.expose_secret();
    let theirs = match token {
        Some(token) => rusty_s3::Credentials::new_with_token(&ours.access_key_id, secret, token),
        None => rusty_s3::Credentials::new(&ours.access_key_id, secret),
    };
    let life = Duration::from_secs(u64::from(terms.expires_secs));
    macro_rules! sign {
        ($call:ident) => {{
            let mut call = bucket.$call(Some(&theirs), key);
            for (name, value) in terms.headers {
                call.headers_mut().insert(*name, *value);
            }
            for (name, value) in terms.query {
                call.query_mut().insert(*name, *value);
            }
            call.sign_with_time(life, &now)
        }};
    }
    match action {
        Action::Get => sign!(get_object),
        Action::Head => sign!(head_object),
        Action::Put => sign!(put_object),
        Action::Delete => sign!(delete_object),
        _ => unreachable!("not drawn: the oracle ring has the others"),
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![Just(Action::Get), Just(Action::Head), Just(Action::Put), Just(Action::Delete)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// K32: byte for byte what rusty-s3 signs.
    #[test]
    fn urls_equal_those_of_rusty_s3(
        action in action(),
        name in "[a-zA-Z0-9 !-.:-@_~éß😀^{|}]{1,40}(/[a-z+*'()%]{1,5}){0,3}",
        second in 0_i64..4_102_444_800,
        expires_secs in 1_u32..=604_800,
        region in "us-east-1|auto|eu-central-003",
        token in proptest::option::of("[A-Za-z0-9+/=]{1,60}"),
        length in proptest::option::of(0_u64..5_000_000_000),
        file_name in proptest::option::of("[a-z \"é]{1,12}"),
    ) {
        let key = format!("s1/{name}");
        let Some(grant) = grant(action, &key) else { return Ok(()) };
        let length = length.map(|n| n.to_string());
        let headers: Vec<_> = length.iter().map(|n| ("content-length", n.as_str())).collect();
        let query: Vec<_> = file_name.iter().map(|n| ("response-content-disposition", n.as_str())).collect();
        let terms = Terms { headers: &headers, query: &query, ..terms(expires_secs) };
        let now = Timestamp::from_second(second).unwrap();
        let presigner = Presigner::new(address(), &region, credentials(token.as_deref()));
        let ours = presigner.presign(&grant, &terms, now).unwrap();
        let theirs = by_rusty_s3(action, &key, &terms, &region, token.as_deref(), now);
        prop_assert_eq!(ours.url.expose(), theirs.as_str());
        let capacity = ours.url.0.capacity();
        prop_assert!(capacity - ours.url.0.len() <= 16, "one allocation, and no more than needed");
    }

    /// K01, K03, K16: whatever the input, an accepted key is signed inside the caller's
    /// store, on our host and bucket, byte for byte as it was authorised.
    #[test]
    fn a_signed_url_never_leaves_the_store(
        action in action(),
        key in "s1/\\PC{1,64}|(\\.\\./|/|s1|%2e|\\\\|[a-z./?#&;+ ]{1,4}){0,12}",
    ) {
        let Some(grant) = grant(action, &key) else { return Ok(()) };
        let signed = presigner().presign(&grant, &terms(900), at("2026-11-22T15:00:00Z")).unwrap();
        // A browser's URL parser must not read another object out of it than S3's server does.
        let url = Url::parse(signed.url.expose()).unwrap();
        prop_assert_eq!(url.as_str(), signed.url.expose());
        prop_assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some("s3.test"), Some(9000)));
        let path = url.path().strip_prefix("/files/").unwrap();
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
        prop_assert_eq!(decoded, grant.key().as_str().as_bytes());
        prop_assert!(path.starts_with("s1/"));
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        prop_assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        prop_assert_eq!(names, ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"]);
    }
}

/// K34: what a URL says of its life, what the answer says, and the end of the credentials agree; after it nothing is signed.
#[test]
fn no_url_outlives_its_credentials() {
    let end = at("2026-11-22T15:10:00.9Z");
    let presigner = Presigner::new(address(), "us-east-1", credentials(Some("t"))).ending_at(Some(end));
    let grant = grant(Action::Get, "s1/f").unwrap();
    for (now, asked, given) in [
        ("2026-11-22T15:00:00Z", 600, 600),
        ("2026-11-22T15:00:00Z", 599, 599),
        ("2026-11-22T15:00:00Z", 900, 600),
        ("2026-11-22T15:09:59.999Z", MAX_EXPIRES_SECS, 1),
    ] {
        let signed = presigner.presign(&grant, &terms(asked), at(now)).unwrap();
        assert_eq!(signed.expires_secs, given, "{now} {asked}");
        assert!(signed.url.expose().contains(&format!("&X-Amz-Expires={given}&")));
        assert!(signed.expires_at.unix() <= end.as_second());
        // The cap is as good as having asked for less.
        let plain = Presigner::new(address(), "us-east-1", credentials(Some("t")));
        let less = plain.presign(&grant, &terms(given), at(now)).unwrap();
        assert_eq!(less.url.expose(), signed.url.expose());
    }
    for now in ["2026-11-22T15:10:00Z", "2026-11-22T15:10:01Z", "2027-01-01T00:00:00Z"] {
        assert_eq!(presigner.presign(&grant, &terms(900), at(now)).unwrap_err(), PresignError::NoCredentials, "{now}");
    }
    // A life that was asked for wrongly is not made right by the cap.
    assert_eq!(presigner.presign(&grant, &terms(0), at("2026-11-22T15:00:00Z")).unwrap_err(), PresignError::Expires);
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>: `Trim`, and one space for many.
#[test]
fn header_values_are_trimmed_and_their_spaces_are_one() {
    for (value, canonical) in
        [("a", "a"), ("a b", "a b"), ("  a   b  ", "a b"), ("  ", ""), ("", ""), (" a", "a"), ("a\tb", "a\tb")]
    {
        let mut out = String::new();
        push_canonical_value(&mut out, value);
        assert_eq!(out, canonical, "{value:?}");
    }
}

/// An abort that lost its upload id would delete the object, and a part without its number would be the object.
#[test]
fn a_query_of_another_call_is_not_signed() {
    let id = ("uploadId", "u1");
    let queries: [&[(&'static str, &str)]; 5] =
        [&[], &[id], &[("partNumber", "1"), id], &[("partNumber", "1")], &[("uploads", "")]];
    for (action, fitting) in [
        (Action::Get, queries[0]),
        (Action::Delete, queries[0]),
        (Action::AbortMultipart, queries[1]),
        (Action::ListParts, queries[1]),
        (Action::UploadPart, queries[2]),
        (Action::CreateMultipart, queries[4]),
    ] {
        let grant = grant(action, "s1/f").unwrap();
        for query in queries {
            let signed = presigner().presign(&grant, &Terms { query, ..terms(60) }, at("2026-11-22T15:00:00Z"));
            assert_eq!(signed.err(), (query != fitting).then_some(PresignError::OtherCall), "{action:?} {query:?}");
        }
    }
}

/// The address of `location` is the URL's without its query.
#[test]
fn a_location_is_the_url_without_a_signature() {
    let grant = grant(Action::Put, "s1/a b/é+").unwrap();
    let signed = presigner().presign(&grant, &terms(60), at("2026-11-22T15:00:00Z")).unwrap();
    assert_eq!(presigner().location(&grant), signed.url.expose().split('?').next().unwrap());
}

/// `boundHeaders` of every answer.
#[test]
fn the_names_of_bound_headers_are_told_in_order() {
    let headers = [("x-amz-checksum-sha256", "a"), ("content-type", "b"), ("content-length", "1")];
    let grant = grant(Action::Put, "s1/f").unwrap();
    let terms = Terms { headers: &headers, ..terms(60) };
    let signed = presigner().presign(&grant, &terms, at("2026-11-22T15:00:00Z")).unwrap();
    assert_eq!(signed.bound_headers.as_slice(), ["content-length", "content-type", "host", "x-amz-checksum-sha256"]);
}
