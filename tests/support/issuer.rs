//! Somebody who issues tokens: a fresh key of any algorithm, its public half as PEM and as JWK,
//! and tokens signed with it. Knows nothing of the service, so that unit tests, the in-process
//! tests and the benches can all include this file.
#![allow(
    dead_code,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of tests"
)]

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Every algorithm that the service takes.
pub(crate) const ALL: [&str; 12] =
    ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// The shared secret of the HMAC algorithms: long enough for all three.
pub(crate) const SECRET: &[u8] = b"a secret for tests of no fewer than sixty-four bytes, for HS512 too";

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

pub(crate) struct Issuer {
    pub(crate) alg: &'static str,
    /// Empty for HMAC.
    pub(crate) pem: String,
    jwk: Value,
    sign: Sign,
}

impl Issuer {
    pub(crate) fn new(alg: &'static str) -> Self {
        match alg {
            "HS256" => Self::hmac(alg, hmac::HMAC_SHA256),
            "HS384" => Self::hmac(alg, hmac::HMAC_SHA384),
            "HS512" => Self::hmac(alg, hmac::HMAC_SHA512),
            "ES256" => Self::ec(alg, "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => Self::ec(alg, "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            "EdDSA" => Self::ed(),
            _ => Self::rsa(alg, rsa::KeySize::Rsa2048),
        }
    }

    fn hmac(alg: &'static str, algorithm: hmac::Algorithm) -> Self {
        let key = hmac::Key::new(algorithm, SECRET);
        let jwk = json!({"kty": "oct", "k": b64(SECRET)});
        Self {
            alg,
            pem: String::new(),
            jwk,
            sign: Box::new(move |message| hmac::sign(&key, message).as_ref().to_vec()),
        }
    }

    fn ec(alg: &'static str, crv: &str, algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let point = pair.public_key().as_ref()[1..].to_vec();
        let (x, y) = point.split_at(point.len() / 2);
        let jwk = json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)});
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        let sign = move |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        Self { alg, pem, jwk, sign: Box::new(sign) }
    }

    fn ed() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref())});
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        Self { alg: "EdDSA", pem, jwk, sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()) }
    }

    pub(crate) fn rsa(alg: &'static str, size: rsa::KeySize) -> Self {
        Self::of_rsa_pair(alg, std::sync::Arc::new(RsaKeyPair::generate(size).unwrap()))
    }

    fn of_rsa_pair(alg: &'static str, pair: std::sync::Arc<RsaKeyPair>) -> Self {
        let encoding: &'static dyn RsaEncoding = match alg {
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            "PS256" => &RSA_PSS_SHA256,
            "PS384" => &RSA_PSS_SHA384,
            "PS512" => &RSA_PSS_SHA512,
            other => panic!("no such algorithm: {other}"),
        };
        let (n, e) = rsa_components(pair.public_key().as_ref());
        let jwk = json!({"kty": "RSA", "n": b64(n), "e": b64(e)});
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        let sign = move |message: &[u8]| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        };
        Self { alg, pem, jwk, sign: Box::new(sign) }
    }

    /// Two issuers of one RSA key, for what two algorithms of one family make of it.
    pub(crate) fn rsa_pair(first: &'static str, second: &'static str) -> [Self; 2] {
        let pair = std::sync::Arc::new(RsaKeyPair::generate(rsa::KeySize::Rsa2048).unwrap());
        [first, second].map(|alg| Self::of_rsa_pair(alg, std::sync::Arc::clone(&pair)))
    }

    /// The public JWK, or the secret one of an HMAC key, with these further members.
    pub(crate) fn jwk(&self, further: Value) -> Value {
        let mut jwk = self.jwk.clone();
        for (name, value) in further.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    /// A token with `alg` and these further header members.
    pub(crate) fn token(&self, header: Value, claims: &Value) -> String {
        let mut all = json!({"alg": self.alg});
        for (name, value) in header.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.sign_raw(&all.to_string(), &claims.to_string())
    }

    /// Whatever header and payload, well-formed or not, signed.
    pub(crate) fn sign_raw(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(payload));
        format!("{signed}.{}", b64((self.sign)(signed.as_bytes())))
    }
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 appendix A.1.1): a sequence of two integers.
fn rsa_components(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (_, sequence, _) = element(der);
    let (_, n, rest) = element(sequence);
    let (_, e, _) = element(rest);
    let unsigned = |bytes: &[u8]| bytes.iter().skip_while(|byte| **byte == 0).copied().collect();
    (unsigned(n), unsigned(e))
}

/// Tag, content and what follows of the first DER element.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (head, length) = match der[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        long => {
            let digits = usize::from(long & 0x7f);
            (2 + digits, der[2..2 + digits].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
    };
    (der[0], &der[head..head + length], &der[head + length..])
}
