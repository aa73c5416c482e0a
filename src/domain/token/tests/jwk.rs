use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;

fn load(jwk: &Value) -> Result<VerifyKey, JwkError> {
    VerifyKey::from_jwk(jwk.to_string().as_bytes(), &[])
}

fn set(keys: &[Value], wanted: &[Algorithm]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes(), wanted, &Arc::default())
}

#[test]
fn a_jwk_verifies_what_its_pem_does() {
    for alg in issuer::ALL.iter().filter(|alg| !alg.starts_with("HS")) {
        let issuer = Issuer::new(alg);
        for members in [
            json!({"alg": alg}),
            json!({"alg": alg, "use": "sig", "key_ops": ["verify"], "kid": "k", "x5c": ["junk"], "x5t": 1}),
        ] {
            let key = load(&issuer.jwk(members)).unwrap();
            assert!(
                Verifier::new(vec![key], rules()).verify(&issuer.token(json!({"kid": "k"}), &claims()), now()).is_ok(),
                "{alg}"
            );
        }
    }
}

/// RFC 8725 section 3.1: one key, one algorithm, also where the set does not say which.
#[test]
fn a_key_without_alg_is_for_what_its_type_leaves() {
    for (alg, algorithm) in [
        ("ES256", Algorithm::ES256),
        ("ES384", Algorithm::ES384),
        ("EdDSA", Algorithm::EdDSA),
        ("PS384", Algorithm::RS256),
    ] {
        assert_eq!(load(&Issuer::new(alg).jwk(json!({}))).unwrap().algorithms(), [algorithm], "{alg}");
    }
    let rsa = Issuer::new("PS256").jwk(json!({}));
    let wanted = [Algorithm::PS256, Algorithm::RS512, Algorithm::ES256];
    assert_eq!(
        set(std::slice::from_ref(&rsa), &wanted).unwrap().keys[0].algorithms(),
        [Algorithm::RS512, Algorithm::PS256]
    );
    assert_eq!(set(&[rsa], &[Algorithm::ES256]).unwrap_err(), KeySetError::Empty);
}

/// What is for something else, or for nobody's eyes, is not used, and says why.
#[test]
fn keys_for_other_purposes_are_dropped() {
    let ec = Issuer::new("ES256");
    for (members, reason) in [
        (json!({"use": "enc"}), JwkError::Use),
        (json!({"use": 1}), JwkError::Use),
        (json!({"key_ops": ["sign"]}), JwkError::Use),
        (json!({"key_ops": "verify"}), JwkError::Use),
        (json!({"key_ops": []}), JwkError::Use),
        (json!({"d": "AAAA"}), JwkError::Private),
        (json!({"alg": "ES384"}), JwkError::Algorithm),
        (json!({"alg": "RS256"}), JwkError::Algorithm),
        (json!({"alg": "ES256K"}), JwkError::Algorithm),
        (json!({"alg": "HS256"}), JwkError::Algorithm),
        (json!({"alg": "none"}), JwkError::Algorithm),
        (json!({"alg": null}), JwkError::Malformed),
        (json!({"crv": "secp256k1"}), JwkError::Algorithm),
        (json!({"crv": "P-521"}), JwkError::Algorithm),
        (json!({"kty": "ECX"}), JwkError::Algorithm),
        (json!({"kty": 1}), JwkError::Malformed),
        (json!({"kid": 1}), JwkError::Malformed),
        (json!({"x": "!!"}), JwkError::Malformed),
        (json!({"x": null}), JwkError::Malformed),
    ] {
        assert_eq!(load(&ec.jwk(members.clone())).unwrap_err(), reason, "{members}");
    }
    // `oct` never comes from a set: everybody who can read it could sign.
    assert_eq!(load(&Issuer::new("HS256").jwk(json!({"alg": "HS256"}))).unwrap_err(), JwkError::Private);
    assert_eq!(load(&json!({"kty": "oct"})).unwrap_err(), JwkError::Algorithm);
    assert_eq!(load(&json!({"kty": "OKP", "crv": "X25519", "x": b64([1; 32])})).unwrap_err(), JwkError::Algorithm);
    assert_eq!(load(&json!({"kty": "OKP", "crv": "Ed448", "x": b64([1; 57])})).unwrap_err(), JwkError::Algorithm);
    assert_eq!(VerifyKey::from_jwk(b"[]", &[]).unwrap_err(), JwkError::Malformed);
}

/// J34: points are on their curve, and of its length.
#[test]
fn points_off_the_curve_are_refused_at_load() {
    let point = Err(JwkError::Key(KeyLoadError::Point));
    for alg in ["ES256", "ES384"] {
        let ec = Issuer::new(alg);
        let jwk = ec.jwk(json!({}));
        let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
        let with_x = |x: &[u8]| load(&ec.jwk(json!({"x": b64(x)}))).map(|_| ());
        let mut off = x.clone();
        off[0] ^= 1;
        let verdict = with_x(&off);
        // One x in two has a point; the y of the old one is not it.
        assert_eq!(verdict, point, "{alg}");
        assert_eq!(with_x(&x[1..]), point);
        assert_eq!(with_x(&[&[0], x.as_slice()].concat()), point);
        assert_eq!(with_x(&[]), point);
        assert_eq!(with_x(&vec![0; x.len()]), point);
    }
    for x in [[1; 31].as_slice(), &[1; 33], &[]] {
        assert_eq!(load(&Issuer::new("EdDSA").jwk(json!({"x": b64(x)}))).map(|_| ()), point);
    }
    // The same point in the form of a certificate's key (RFC 8410 section 4), which the library would take.
    let jwk: Value = serde_json::from_str(&Issuer::new("EdDSA").jwk(json!({})).to_string()).unwrap();
    let bare = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let wrapped = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), &bare].concat();
    assert_eq!(load(&Issuer::new("EdDSA").jwk(json!({"x": b64(wrapped)}))).map(|_| ()), point);
}

/// One odd entry never spoils the set.
#[test]
fn a_set_keeps_its_good_keys_whatever_stands_beside_them() {
    let good = Issuer::new("ES256");
    let odd = [
        json!(null),
        json!(1),
        json!([]),
        json!({}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        good.jwk(json!({"use": "enc"})),
        json!({"kty": "AKP", "alg": "ML-DSA-44"}),
    ];
    let mut keys = odd.to_vec();
    keys.insert(3, good.jwk(json!({"kid": "good"})));
    let set = set(&keys, &[]).unwrap();
    assert_eq!(set.keys.len(), 1);
    assert_eq!(set.keys[0].id(), Some("good"));
    assert_eq!(set.dropped.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 1, 2, 4, 5, 6, 7, 8]);
}

/// J36: what a key set could bring is never a shared secret, and no more than was asked for.
#[test]
fn a_key_set_brings_public_keys_of_the_wanted_algorithms() {
    let of = |wanted: &[Algorithm]| algorithms_of_key_sets(wanted);
    let all = of(&[]);
    for (_, algorithm) in ALGORITHMS {
        assert_eq!(all.contains(algorithm), !is_symmetric(*algorithm), "{algorithm:?}");
    }
    assert_eq!(of(&[Algorithm::ES256, Algorithm::HS256]), [Algorithm::ES256]);
    assert_eq!(of(&[Algorithm::HS256]), []);
}

#[test]
fn what_is_no_set_is_an_error() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, "<html></html>", r#"{"keys":[],"keys":[]}"#, r#"{"keys":"#] {
        assert_eq!(KeySet::parse(text.as_bytes(), &[], &Arc::default()).unwrap_err(), KeySetError::Malformed, "{text}");
    }
    assert_eq!(set(&[], &[]).unwrap_err(), KeySetError::Empty);
    assert_eq!(set(&[json!({})], &[]).unwrap_err(), KeySetError::Empty);
    let key = Issuer::new("EdDSA").jwk(json!({}));
    assert!(set(&vec![key.clone(); MAX_KEYS_IN_SET], &[]).is_ok());
    assert_eq!(set(&vec![key; MAX_KEYS_IN_SET + 1], &[]).unwrap_err(), KeySetError::TooMany);
}

proptest! {
    /// Whatever a provider answers, it is read or refused.
    #[test]
    fn any_document_gets_an_answer(kty in "RSA|EC|OKP|oct|\\PC{0,4}", crv in "P-256|Ed25519|\\PC{0,6}", n in "[A-Za-z0-9_-]{0,60}", alg in "RS256|ES256|EdDSA|\\PC{0,6}") {
        let key = json!({"kty": kty, "crv": crv, "n": n, "e": n, "x": n, "y": n, "alg": alg});
        let _ = set(&[key], &[]);
    }
}
