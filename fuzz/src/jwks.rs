//! A key set as somebody else's server gives it.
//!
//! Holds: a set has no more keys than its bound, each accounted for; no shared secret becomes a
//! key; each is of algorithms that are wanted; and none of them takes a token that nobody signed.

use std::sync::Arc;

use filesync_signer::domain::token::{Expected, KeySet, MAX_KEYS_IN_SET, TokenRules, Verifier, is_symmetric};
use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::support::{good_token, now};

pub fn run(data: &[u8]) {
    for wanted in [&[][..], &[Algorithm::ES256, Algorithm::PS256]] {
        let expected = Arc::new(Expected { issuer: Some("https://idp.test".to_owned()), audiences: Vec::new() });
        let Ok(set) = KeySet::parse(data, wanted, &expected) else { continue };
        let document: Value = serde_json::from_slice(data).expect("a key set is JSON");
        let entries = document["keys"].as_array().unwrap();
        assert!(entries.len() <= MAX_KEYS_IN_SET && !set.keys.is_empty());
        assert_eq!(set.keys.len() + set.dropped.len(), entries.len());
        for key in &set.keys {
            assert_eq!(key.expected(), &*expected);
            assert!(!key.algorithms().is_empty() && !key.algorithms().iter().any(|a| is_symmetric(*a)));
            assert!(wanted.is_empty() || key.algorithms().iter().all(|a| wanted.contains(a)));
        }
        let secrets = entries.iter().filter(|entry| entry.get("d").is_some() || entry.get("k").is_some()).count();
        assert!(set.dropped.len() >= secrets, "a private key is taken");
        let verifier = Verifier::new(set.keys, TokenRules::default());
        assert!(verifier.verify(&good_token(), now()).is_err(), "a token of another key is taken");
    }
}
