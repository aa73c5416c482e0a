//! Case numbers J.. are those of the security study.

#[path = "../../../../tests/support/issuer.rs"]
mod issuer;

mod claims;
mod corpus;
mod header;
mod jwk;
mod keys;
mod opens;
mod revoked;
mod times;
mod vectors;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES, ObjectKey};
use crate::domain::policy::{Action, Denied, decide};
use issuer::{Issuer, b64};

const SECRET: &[u8] = b"correct horse battery staple 32 b";
const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn rules() -> TokenRules {
    TokenRules::default()
}

fn verifier_with(rules: TokenRules) -> Verifier {
    Verifier::new(vec![VerifyKey::hs256(SECRET).unwrap()], rules)
}

fn verify(token: &str) -> Result<Arc<Caller>, TokenError> {
    verifier_with(rules()).verify(token, now())
}

/// The key that takes the issuer's tokens.
fn key_of(issuer: &Issuer) -> VerifyKey {
    let algorithm = algorithm_named(issuer.alg).unwrap();
    if is_symmetric(algorithm) {
        VerifyKey::hmac(algorithm, issuer::SECRET).unwrap()
    } else {
        VerifyKey::from_pem(algorithm, issuer.pem.as_bytes()).unwrap()
    }
}

fn claims() -> Value {
    json!({"storeId": "s1", "exp": NOW + 60})
}

/// Signs whatever header and payload, well-formed or not, with the right key.
fn sign_raw(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}

fn with_header(header: &str) -> String {
    sign_raw(header, &claims().to_string())
}

fn with_claims(payload: &str) -> String {
    sign_raw(r#"{"alg":"HS256","typ":"JWT"}"#, payload)
}

fn with_exp(exp: &str) -> String {
    with_claims(&format!(r#"{{"storeId":"s1","exp":{exp}}}"#))
}

fn good() -> String {
    with_exp(&(NOW + 60).to_string())
}

#[test]
fn a_verifier_tells_its_keys_and_rules() {
    let verifier = verifier_with(TokenRules { leeway: Duration::from_secs(7), ..rules() });
    assert_eq!(verifier.rules().leeway, Duration::from_secs(7));
    assert_eq!(
        verifier.keys().iter().map(VerifyKey::algorithms).collect::<Vec<_>>(),
        [[jsonwebtoken::Algorithm::HS256]]
    );
}

/// Only for these is it worth asking an identity provider whether it has newer keys: the rest would be as bad with them.
#[test]
fn only_a_missing_key_is_a_reason_to_ask_for_keys() {
    for error in [TokenError::Algorithm, TokenError::UnknownKey, TokenError::Signature] {
        assert!(error.is_for_want_of_a_key(), "{error}");
    }
    for error in [TokenError::Format, TokenError::Expired, TokenError::Issuer, TokenError::Revoked, TokenError::TooLong]
    {
        assert!(!error.is_for_want_of_a_key(), "{error}");
    }
}

/// J29: the limit itself is within it.
#[test]
fn tokens_end_at_8192_bytes() {
    let of_length = |length: usize| {
        let paddings = (0..3_usize).flat_map(|header| (5900..6200_usize).map(move |payload| (header, payload)));
        let token = |(header, payload)| {
            let (h, p) = ("h".repeat(header), "p".repeat(payload));
            let claims = format!(r#"{{"storeId":"s1","exp":{},"p":"{p}"}}"#, NOW + 60);
            sign_raw(&format!(r#"{{"alg":"HS256","x":"{h}"}}"#), &claims)
        };
        paddings.map(token).find(|token| token.len() == length).unwrap()
    };
    assert!(verify(&of_length(MAX_TOKEN_BYTES)).is_ok());
    assert_eq!(verify(&of_length(MAX_TOKEN_BYTES + 1)), Err(TokenError::TooLong));
}

/// Which identity provider may have the key is told by it, before anything is verified.
#[test]
fn the_claimed_algorithm_is_that_of_the_header() {
    assert_eq!(claimed_algorithm(&with_header(r#"{"alg":"ES384"}"#)), Some(jsonwebtoken::Algorithm::ES384));
    for odd in ["", "a.b.c", &with_header(r#"{"alg":"none"}"#), &with_header(r#"{"alg":"ES256","crit":[]}"#)] {
        assert_eq!(claimed_algorithm(odd), None, "{odd}");
    }
}

fn allowed(caller: &Caller, action: Action, key: &str) -> Result<(), Denied> {
    let rules = KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
    decide(caller, action, ObjectKey::parse(key, &rules).unwrap()).map(|_| ())
}

proptest! {
    /// Whatever the string, the verifier answers.
    #[test]
    fn any_string_gets_an_answer(token in "\\PC{0,200}|[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,80}){0,4}") {
        prop_assert!(verify(&token).is_err());
    }

    /// Whatever the claims, a signed token opens at most the store that it names.
    #[test]
    fn claims_never_open_another_store(store in "\\PC{0,8}", prefix in "\\PC{0,8}", scope in "\\PC{0,20}") {
        let claims = json!({"storeId": store, "prefixes": [prefix], "scope": scope, "exp": NOW + 60});
        let caller = verify(&with_claims(&claims.to_string())).unwrap();
        prop_assert!(store == "victim" || allowed(&caller, Action::Get, "victim/f").is_err());
    }
}
