//! H34: a token with any one character changed is another token, and nobody's.

use filesync_signer::domain::token::{KeySet, TokenRules, Verifier, VerifyKey};
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::json;

use crate::issuer::{self, Issuer};
use crate::run::{check_counted, say};
use crate::targets::support::now;

/// What may stand in a token, and what other encodings would put there.
const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ~%\0\n?";

fn verifier(issuers: &[Issuer]) -> Verifier {
    let mut keys = Vec::new();
    for (algorithm, issuer) in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512].into_iter().zip(issuers) {
        assert_eq!(format!("{algorithm:?}"), issuer.alg);
        keys.push(VerifyKey::hmac(algorithm, issuer::SECRET).unwrap());
    }
    let public: Vec<_> = issuers[3..].iter().map(|issuer| issuer.jwk(json!({"alg": issuer.alg}))).collect();
    let set = json!({ "keys": public }).to_string();
    keys.extend(KeySet::parse(set.as_bytes(), &[], &std::sync::Arc::default()).unwrap().keys);
    assert_eq!(keys.len(), issuers.len());
    Verifier::new(keys, TokenRules::default())
}

/// Replaced, left out, put in twice or swapped with its neighbour, at any place, for all twelve algorithms.
#[test]
fn a_token_with_one_character_changed_is_refused() {
    let issuers: Vec<_> = issuer::ALL.map(Issuer::new).into();
    let verifier = verifier(&issuers);
    let stores = ["s1", "store-two", "x"];
    let tokens: Vec<_> = issuers
        .iter()
        .flat_map(|issuer| stores.map(|store| (issuer.alg, issuer.token(json!({"typ": "JWT"}), &claims(store)))))
        .collect();
    for (alg, token) in &tokens {
        assert!(verifier.verify(token, now()).is_ok(), "{alg}");
    }
    // A third each for HMAC, RSA and curves would be fair; but an elliptic signature takes fifty times as long.
    let which = prop_oneof![8 => 0..9_usize, 3 => 9..27_usize, 1 => 27..36_usize];
    let places = (which, any::<prop::sample::Index>(), 0..CHARACTERS.len(), 0..8_u8);
    check_counted("one character of a token changed", places, |(which, place, character, how)| {
        let (alg, token) = &tokens[which];
        let changed = changed(token, place.index(token.len()), CHARACTERS[character], how);
        prop_assert!(&changed == token || verifier.verify(&changed, now()).is_err(), "{alg}: {changed}");
        Ok(&changed != token)
    });
}

/// Every place of one token by every character: nothing is left to chance.
#[test]
fn an_hs256_token_is_refused_with_any_character_at_any_place() {
    let issuers: Vec<_> = issuer::ALL.map(Issuer::new).into();
    let verifier = verifier(&issuers);
    let token = issuers[0].token(json!({}), &claims("s1"));
    let mut tried = 0;
    for (place, character) in (0..token.len()).flat_map(|place| CHARACTERS.iter().map(move |c| (place, *c))) {
        let changed = changed(&token, place, character, 0);
        if changed != token {
            assert!(verifier.verify(&changed, now()).is_err(), "{changed}");
            tried += 1;
        }
    }
    assert!(tried > token.len() * 70);
    say(&format!("property every change of one token: {tried} cases, {tried} of interest, 0 failed"));
}

fn claims(store: &str) -> serde_json::Value {
    json!({"storeId": store, "exp": now().as_second() + 600, "iat": now().as_second()})
}

fn changed(token: &str, place: usize, character: u8, how: u8) -> String {
    let mut bytes = token.as_bytes().to_vec();
    match how {
        5 => drop(bytes.remove(place)),
        6 => bytes.insert(place, character),
        7 => bytes.swap(place, (place + 1) % token.len()),
        _ => bytes[place] = character,
    }
    String::from_utf8(bytes).unwrap()
}
