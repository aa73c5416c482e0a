//! A token as it comes in, against keys of three kinds.
//!
//! Holds: only the good token, byte for byte, is taken, whoever is asked first; the cache gives the
//! same verdict twice; what is taken has an algorithm.

use std::sync::LazyLock;

use filesync_signer::domain::token::{KeySet, TokenRules, Verifier, VerifyKey, claimed_algorithm};
use filesync_signer::identity::{Authenticator, CacheLimits};

use super::seeds::PUBLIC_KEYS;
use super::support::{SECRET, good_token, now};

struct Parts {
    good: String,
    verifier: Verifier,
    cached: Authenticator,
}

static PARTS: LazyLock<Parts> = LazyLock::new(|| {
    let mut keys = vec![VerifyKey::hs256(SECRET.as_bytes()).unwrap()];
    keys.extend(KeySet::parse(PUBLIC_KEYS.as_bytes(), &[], &std::sync::Arc::default()).unwrap().keys);
    assert_eq!(keys.len(), 4);
    let limits = CacheLimits { entries: 16, bytes: 1 << 16 };
    Parts {
        good: good_token(),
        verifier: Verifier::new(keys.clone(), TokenRules::default()),
        cached: Authenticator::new(keys, TokenRules::default(), limits),
    }
});

pub fn run(data: &[u8]) {
    let Ok(token) = std::str::from_utf8(data) else { return };
    let verdict = PARTS.verifier.verify(token, now());
    assert_eq!(verdict.is_ok(), token == PARTS.good, "a token that nobody signed: {token}");
    for _ in 0..2 {
        assert_eq!(PARTS.cached.authenticate(token, now()), verdict);
    }
    assert!(verdict.is_err() || claimed_algorithm(token).is_some());
}
