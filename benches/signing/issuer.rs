//! Somebody who signs tokens, with a fresh key of each algorithm.

use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use filesync_signer::domain::store::StoreIdRule;
use filesync_signer::domain::token::{MintClaims, TokenRules, Verifier, VerifyKey, mint_hs256};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::json;

const SECRET: &[u8] = b"a bench secret of more than thirty-two bytes";

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

pub(crate) struct Issuer {
    pub(crate) name: &'static str,
    pub(crate) algorithm: Algorithm,
    /// The key as the library alone takes it.
    pub(crate) decoding: DecodingKey,
    verify: VerifyKey,
    /// Absent for HS256, whose tokens are minted.
    sign: Option<Sign>,
}

impl Issuer {
    pub(crate) fn all() -> [Self; 4] {
        [Self::hs256(), Self::rs256(), Self::es256(), Self::eddsa()]
    }

    pub(crate) fn hs256() -> Self {
        Self {
            name: "hs256",
            algorithm: Algorithm::HS256,
            decoding: DecodingKey::from_secret(SECRET),
            verify: VerifyKey::hs256(SECRET).unwrap(),
            sign: None,
        }
    }

    fn rs256() -> Self {
        let pair = RsaKeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        let sign: Sign = Box::new(move |message| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        });
        let decoding = DecodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        Self::of("rs256", "RS256", Algorithm::RS256, &pem, decoding, sign)
    }

    fn es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        let sign: Sign = Box::new(move |message| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec());
        let decoding = DecodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        Self::of("es256", "ES256", Algorithm::ES256, &pem, decoding, sign)
    }

    fn eddsa() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        let sign: Sign = Box::new(move |message| pair.sign(message).as_ref().to_vec());
        let decoding = DecodingKey::from_ed_pem(pem.as_bytes()).unwrap();
        Self::of("eddsa", "EdDSA", Algorithm::EdDSA, &pem, decoding, sign)
    }

    fn of(
        name: &'static str,
        alg: &'static str,
        algorithm: Algorithm,
        pem: &str,
        decoding: DecodingKey,
        sign: Sign,
    ) -> Self {
        assert_eq!(filesync_signer::domain::token::algorithm_named(alg), Some(algorithm));
        let verify = VerifyKey::from_pem(algorithm, pem.as_bytes()).unwrap();
        Self { name, algorithm, decoding, verify, sign: Some(sign) }
    }

    pub(crate) fn verifier(&self) -> Verifier {
        let rules = TokenRules {
            leeway: Duration::from_secs(30),
            max_ttl: Duration::from_hours(24),
            store_claim: "storeId".into(),
            store_rule: StoreIdRule::Strict,
            require_scope: false,
        };
        Verifier::new(vec![self.verify.clone()], rules)
    }

    /// A token for store `s1`, good for an hour.
    pub(crate) fn token(&self, now: Timestamp) -> String {
        let Some(sign) = &self.sign else {
            return mint_hs256(SECRET, "storeId", &["s1".into()], &MintClaims::default(), 3600, now).unwrap();
        };
        let header = json!({"typ": "JWT", "alg": self.name.to_uppercase().replace("EDDSA", "EdDSA")});
        let claims = json!({"storeId": ["s1"], "iat": now.as_second(), "exp": now.as_second() + 3600});
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}
