use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::domain::token::{MintClaims, Verified, mint_hs256};

const SECRET: &[u8] = b"correct horse battery staple 32 b";
const OTHER: &[u8] = b"another secret of thirty-two bytes";
const NOW: i64 = 1_800_000_000;

const LIMITS: CacheLimits = CacheLimits { entries: 64, bytes: 64 * 1024 };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn keys(secrets: &[&[u8]]) -> Vec<VerifyKey> {
    secrets.iter().map(|secret| VerifyKey::hs256(secret).unwrap()).collect()
}

fn rules() -> TokenRules {
    TokenRules { leeway: Duration::ZERO, ..TokenRules::default() }
}

fn verifier(secrets: &[&[u8]]) -> Verifier {
    Verifier::new(keys(secrets), rules())
}

fn token(secret: &[u8], store: &str, ttl_secs: u32) -> String {
    mint_hs256(secret, "storeId", &[store.to_owned()], &MintClaims::default(), ttl_secs, at(NOW)).unwrap()
}

/// Whether the cache answers for a token without asking for it to be verified.
fn remembered(cache: &TokenCache, token: &str, generation: u64) -> bool {
    cache.get_or_insert(token, generation, &IdentityCounts::default(), || Err(TokenError::Signature)).is_ok()
}

fn cache_of(authenticator: &Authenticator) -> &TokenCache {
    authenticator.cache.as_ref().unwrap()
}

#[test]
fn a_good_token_is_remembered_and_a_refused_one_is_not() {
    let authenticator = Authenticator::new(keys(&[SECRET]), rules(), LIMITS);
    let (good, forged) = (token(SECRET, "s1", 60), token(OTHER, "s1", 60));
    for _ in 0..2 {
        assert_eq!(authenticator.authenticate(&good, at(NOW)).unwrap().stores()[0].store.as_str(), "s1");
        assert_eq!(authenticator.authenticate(&forged, at(NOW)), Err(TokenError::Signature));
    }
    // Expired from the start: a refusal, although its signature holds.
    let late = token(SECRET, "s2", 1);
    assert_eq!(authenticator.authenticate(&late, at(NOW + 60)), Err(TokenError::Expired));
    assert_eq!(cache_of(&authenticator).size().0, 1);
    assert!(remembered(cache_of(&authenticator), &good, 0));
    assert!(!remembered(cache_of(&authenticator), &forged, 0));
    assert!(!remembered(cache_of(&authenticator), &late, 0));
}

#[test]
fn a_remembered_token_is_refused_from_the_second_it_expires() {
    let authenticator = Authenticator::new(keys(&[SECRET]), rules(), LIMITS);
    let token = token(SECRET, "s1", 60);
    assert!(authenticator.authenticate(&token, at(NOW)).is_ok());
    assert!(authenticator.authenticate(&token, at(NOW + 59)).is_ok());
    assert_eq!(authenticator.authenticate(&token, at(NOW + 60)), Err(TokenError::Expired));
    // J47: a clock that is set back does not bring back what is not valid yet.
    assert_eq!(authenticator.authenticate(&token, at(NOW - 1)), Err(TokenError::NotYetValid));
}

#[test]
fn a_remembered_token_is_refused_as_soon_as_its_key_is_removed() {
    let authenticator = Authenticator::new(keys(&[SECRET, OTHER]), rules(), LIMITS);
    let (removed, kept) = (token(SECRET, "s1", 60), token(OTHER, "s2", 60));
    for token in [&removed, &kept] {
        assert!(authenticator.authenticate(token, at(NOW)).is_ok());
    }
    assert_eq!(cache_of(&authenticator).size().0, 2);
    authenticator.change(|parts| parts.fixed = keys(&[OTHER]));
    // Its place is free at once, too.
    assert_eq!(cache_of(&authenticator).size().0, 0);
    assert_eq!(authenticator.authenticate(&removed, at(NOW)), Err(TokenError::Signature));
    assert!(authenticator.authenticate(&kept, at(NOW)).is_ok());
}

/// A request that began under the old keys may end after they are gone; what it
/// verified must not count under the new ones.
#[test]
fn an_entry_of_older_keys_does_not_count() {
    let cache = TokenCache::new(LIMITS).unwrap();
    let token = token(SECRET, "s1", 60);
    let verify = || verifier(&[SECRET]).verify_signed(&token);
    cache.get_or_insert(&token, 0, &IdentityCounts::default(), verify).unwrap();
    assert!(!remembered(&cache, &token, 1));
    cache.get_or_insert(&token, 1, &IdentityCounts::default(), verify).unwrap();
    assert!(remembered(&cache, &token, 1));
}

#[test]
fn entries_and_bytes_are_bounded() {
    for limits in
        [CacheLimits { entries: 64, bytes: 1024 * 1024 }, CacheLimits { entries: 1_000_000, bytes: 256 * 1024 }]
    {
        let authenticator = Authenticator::new(keys(&[SECRET]), rules(), limits);
        for i in 0..2_000 {
            let token = token(SECRET, &format!("s{i}"), 60);
            authenticator.authenticate(&token, at(NOW)).unwrap();
        }
        let (entries, bytes) = cache_of(&authenticator).size();
        assert!(entries > 0 && entries <= usize::try_from(limits.entries).unwrap(), "{entries}");
        assert!(bytes <= limits.bytes, "{bytes}");
    }
}

#[test]
fn size_zero_switches_it_off() {
    for limits in [CacheLimits { entries: 0, bytes: 1 << 20 }, CacheLimits { entries: 100, bytes: 0 }] {
        let authenticator = Authenticator::new(keys(&[SECRET]), rules(), limits);
        assert!(authenticator.cache.is_none());
        assert!(authenticator.authenticate(&token(SECRET, "s1", 60), at(NOW)).is_ok());
    }
}

#[test]
fn many_first_uses_at_once_are_one_verification() {
    const THREADS: usize = 8;
    let cache = TokenCache::new(LIMITS).unwrap();
    let (verifier, token) = (verifier(&[SECRET]), token(SECRET, "s1", 60));
    let (verifications, start) = (AtomicUsize::new(0), Barrier::new(THREADS));
    let verify = || -> Result<Verified, TokenError> {
        verifications.fetch_add(1, Ordering::SeqCst);
        // Long enough that every other thread is waiting.
        std::thread::sleep(Duration::from_millis(50));
        verifier.verify_signed(&token)
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                assert!(cache.get_or_insert(&token, 0, &IdentityCounts::default(), verify).is_ok());
            });
        }
    });
    assert_eq!(verifications.load(Ordering::SeqCst), 1);
}

#[test]
fn many_uses_of_a_bad_token_at_once_all_end() {
    let authenticator = Authenticator::new(keys(&[SECRET]), rules(), LIMITS);
    let forged = token(OTHER, "s1", 60);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(authenticator.authenticate(&forged, at(NOW)), Err(TokenError::Signature)));
        }
    });
    assert_eq!(cache_of(&authenticator).size().0, 0);
}

/// Counters outlive a reload, because the next authenticator is given the same ones.
#[tokio::test]
async fn what_is_counted_goes_to_the_counts_that_were_given() {
    let flags = [
        ("auth.hs256_secret", std::str::from_utf8(SECRET).unwrap()),
        ("storage.endpoint", "http://127.0.0.1:9"),
        ("storage.bucket", "files"),
        ("storage.access_key_id", "a"),
        ("storage.secret_access_key", "b"),
    ];
    let flags = flags.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = crate::config::from_flags_in(&[], &flags).unwrap();
    let counts = Arc::new(IdentityCounts::default());
    for looked_at in 1..=2 {
        let authenticator = Authenticator::start_counting(&config.auth, Arc::clone(&counts)).unwrap();
        assert!(authenticator.authenticate(&token(SECRET, "s1", 60), at(NOW)).is_ok());
        assert_eq!(counts.cache_misses.get(), looked_at);
    }
    let (one, other) = (counts.source("https://idp.test/jwks"), counts.source("https://other.test/jwks"));
    assert!(Arc::ptr_eq(&one, &counts.source("https://idp.test/jwks")) && !Arc::ptr_eq(&one, &other));
}
