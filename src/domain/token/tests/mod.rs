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
