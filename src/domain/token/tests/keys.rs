use super::*;
use jsonwebtoken::Algorithm;

/// J03, J05: every algorithm, beside a secret and alone; each key takes its own tokens.
#[test]
fn keys_verify_tokens_of_their_own_algorithm_only() {
    for alg in issuer::ALL {
        let (ours, other) = (Issuer::new(alg), Issuer::new(alg));
        let verifier = Verifier::new(
            vec![VerifyKey::hs256(SECRET).unwrap().with_id("s".into()), key_of(&ours).with_id("k".into())],
            rules(),
        );
        let verify = |token: &str| verifier.verify(token, now()).map(|_| ());
        assert_eq!(verify(&ours.token(json!({"kid": "k"}), &claims())), Ok(()), "{alg}");
        assert_eq!(verify(&good()), Ok(()), "{alg}");
        // The other key's `kid`.
        assert!(verify(&ours.token(json!({"kid": "s"}), &claims())).is_err(), "{alg}");
        if !alg.starts_with("HS") {
            assert_eq!(verify(&other.token(json!({"kid": "k"}), &claims())), Err(TokenError::Signature), "{alg}");
            // The public key, which anybody has, is not a secret.
            let confused = jsonwebtoken::EncodingKey::from_secret(ours.pem.as_bytes());
            let signed = format!("{}.{}", b64(r#"{"alg":"HS256"}"#), b64(claims().to_string()));
            let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &confused, Algorithm::HS256).unwrap();
            let only_public = Verifier::new(vec![key_of(&ours)], rules());
            assert_eq!(only_public.verify(&format!("{signed}.{signature}"), now()), Err(TokenError::Algorithm));
        }
    }
}

/// J04: the allow list is exact. The same RSA key under another algorithm of its family is another key.
#[test]
fn a_key_is_for_one_algorithm_of_its_family() {
    for (ours, other) in
        [("RS256", "RS384"), ("RS256", "RS512"), ("RS256", "PS256"), ("PS256", "RS256"), ("PS384", "PS512")]
    {
        let [ours, other] = Issuer::rsa_pair(ours, other);
        let verifier = Verifier::new(vec![key_of(&ours)], rules());
        assert!(verifier.verify(&ours.token(json!({}), &claims()), now()).is_ok());
        assert_eq!(
            verifier.verify(&other.token(json!({}), &claims()), now()),
            Err(TokenError::Algorithm),
            "{}",
            other.alg
        );
        // Nor does the other's signature hold under our algorithm's name.
        assert_eq!(
            verifier.verify(&other.token(json!({"alg": ours.alg}), &claims()), now()),
            Err(TokenError::Signature)
        );
    }
    let hs = Verifier::new(vec![VerifyKey::hmac(Algorithm::HS512, issuer::SECRET).unwrap()], rules());
    assert_eq!(hs.verify(&Issuer::new("HS256").token(json!({}), &claims()), now()), Err(TokenError::Algorithm));
}

/// RFC 9864: `Ed25519` is `EdDSA` with that curve, and nothing else is.
#[test]
fn the_newer_name_of_eddsa_is_the_same_algorithm() {
    let ed = Issuer::new("EdDSA");
    let verifier = Verifier::new(vec![key_of(&ed)], rules());
    assert!(verifier.verify(&ed.token(json!({"alg": "Ed25519"}), &claims()), now()).is_ok());
    for alg in ["Ed448", "ed25519", "EDDSA"] {
        assert!(verifier.verify(&ed.token(json!({"alg": alg}), &claims()), now()).is_err(), "{alg}");
    }
}

#[test]
fn a_kid_chooses_among_keys_and_its_absence_tries_few() {
    let (a, b) = (Issuer::new("ES256"), Issuer::new("ES256"));
    let verifier = Verifier::new(vec![key_of(&a).with_id("a".into()), key_of(&b).with_id("b".into())], rules());
    let verify = |issuer: &Issuer, header: Value| verifier.verify(&issuer.token(header, &claims()), now()).map(|_| ());
    assert_eq!(verify(&a, json!({"kid": "a"})), Ok(()));
    assert_eq!(verify(&a, json!({"kid": "b"})), Err(TokenError::Signature));
    assert_eq!(verify(&a, json!({"kid": "c"})), Err(TokenError::UnknownKey));
    assert_eq!(verify(&b, json!({})), Ok(()));
    // J12: bounded work, however many keys there are: the one that signed is not reached.
    let mut many: Vec<_> = (0..200).map(|i| key_of(&a).with_id(i.to_string())).collect();
    many.push(key_of(&b).with_id("b".into()));
    let verifier = Verifier::new(many, rules());
    assert_eq!(verifier.verify(&b.token(json!({}), &claims()), now()), Err(TokenError::Signature));
    assert!(verifier.verify(&b.token(json!({"kid": "b"}), &claims()), now()).is_ok());
}

#[test]
fn no_keys_means_no_token_passes() {
    assert_eq!(Verifier::new(vec![], rules()).verify(&good(), now()), Err(TokenError::Algorithm));
}

/// J36: short secrets are no keys.
#[test]
fn short_hmac_secrets_are_refused() {
    for secret in ["", "secret", "0123456789012345678901234567890"] {
        assert_eq!(VerifyKey::hs256(secret.as_bytes()).unwrap_err(), KeyLoadError::WeakSecret);
    }
    let key = VerifyKey::hs256(&[1; 32]).unwrap();
    assert!(!key.is_shorter_than_its_hash(&[1; 32]));
    assert!(VerifyKey::hmac(Algorithm::HS384, &[1; 47]).unwrap().is_shorter_than_its_hash(&[1; 47]));
    assert!(!VerifyKey::hmac(Algorithm::HS512, &[1; 64]).unwrap().is_shorter_than_its_hash(&[1; 64]));
    assert_eq!(VerifyKey::hmac(Algorithm::RS256, &[1; 64]).unwrap_err(), KeyLoadError::Kind);
}

/// J34: a key for one curve is none for another.
#[test]
fn what_is_no_public_key_is_refused_at_load() {
    for alg in ["ES256", "ES384", "EdDSA", "RS256"] {
        let pem = Issuer::new(alg).pem;
        for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS512] {
            let own = algorithm_named(alg).unwrap().family() == algorithm.family()
                && (!alg.starts_with("ES") || algorithm_name(algorithm) == alg);
            assert_eq!(VerifyKey::from_pem(algorithm, pem.as_bytes()).is_ok(), own, "{alg} {algorithm:?}");
        }
        assert_eq!(VerifyKey::from_pem(Algorithm::HS256, pem.as_bytes()).unwrap_err(), KeyLoadError::Kind);
    }
    assert_eq!(VerifyKey::from_pem(Algorithm::ES256, b"rubbish").unwrap_err(), KeyLoadError::Pem);
}

/// A real key of 1024 bits.
const WEAK: &str = "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCn/BNE8quW216uhFbdH8zAPFzp\n23j1BsUcAvCd/aVxFayuLXxrReuCONMzT1lXjmrT+/wLvBFtgJOREPgxHN40b4HC\nQQoWB46aM3SRFaUojc3AMVV9D6p0xFzEDOuQYmrFOhaDvKnDvHRJGI/g13AiwSxc\nBEsJv3/MHV9ymIfokQIDAQAB\n-----END PUBLIC KEY-----\n";

/// J35: what can be factored is no key, and neither is what is only slow.
#[test]
fn rsa_keys_have_2048_to_8192_bits() {
    let n = |bits: usize| {
        let mut n = vec![0xff; bits.div_ceil(8)];
        n[0] >>= (8 - bits % 8) % 8;
        n
    };
    for (bits, verdict) in [
        (512, Err(KeyLoadError::RsaSize(512))),
        (1024, Err(KeyLoadError::RsaSize(1024))),
        (2047, Err(KeyLoadError::RsaSize(2047))),
        (2048, Ok(())),
        (4096, Ok(())),
        (8192, Ok(())),
        (8193, Err(KeyLoadError::RsaSize(8193))),
        (16384, Err(KeyLoadError::RsaSize(16384))),
    ] {
        let loaded = VerifyKey::rsa(vec![Algorithm::RS256], &n(bits), &[1, 0, 1]).map(|_| ());
        assert_eq!(loaded, verdict, "{bits}");
        // Zeros in front are no bits.
        let padded = [&[0, 0], n(bits).as_slice()].concat();
        assert_eq!(VerifyKey::rsa(vec![Algorithm::RS256], &padded, &[1, 0, 1]).map(|_| ()), verdict, "{bits}");
    }
    for e in [&[][..], &[0], &[1], &[0, 1], &[2], &[1, 0, 0]] {
        assert_eq!(
            VerifyKey::rsa(vec![Algorithm::RS256], &n(2048), e).unwrap_err(),
            KeyLoadError::RsaExponent,
            "{e:?}"
        );
    }
    assert!(VerifyKey::rsa(vec![Algorithm::RS256], &n(2048), &[3]).is_ok());
    // The same through PEM.
    assert_eq!(VerifyKey::from_pem(Algorithm::RS256, WEAK.as_bytes()).unwrap_err(), KeyLoadError::RsaSize(1024));
    let large = Issuer::rsa("RS256", aws_lc_rs::rsa::KeySize::Rsa4096);
    let verifier = Verifier::new(vec![key_of(&large)], rules());
    assert!(verifier.verify(&large.token(json!({}), &claims()), now()).is_ok());
}
