//! Case numbers J.. are those of the security study.

use super::*;
use crate::domain::key::{KeyFormat, KeyRules, ObjectKey};
use crate::domain::policy::{Action, Denied, decide};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::KeyPair as _;
use proptest::prelude::*;
use serde_json::json;

const SECRET: &[u8] = b"correct horse battery staple 32 b";
const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn rules() -> TokenRules {
    TokenRules {
        leeway: Duration::from_secs(30),
        max_ttl: Duration::from_hours(24),
        store_claim: "storeId".into(),
        store_rule: StoreIdRule::Strict,
        require_scope: false,
    }
}

fn verifier_with(rules: TokenRules) -> Verifier {
    Verifier::new(vec![VerifyKey::hs256(SECRET).unwrap()], rules)
}

fn verify(token: &str) -> Result<Arc<Caller>, TokenError> {
    verifier_with(rules()).verify(token, now())
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs whatever header and payload, well-formed or not, with the right key.
fn sign_raw(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}

fn with_header(header: &str) -> String {
    sign_raw(header, &json!({"storeId": "s1", "exp": NOW + 60}).to_string())
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
    let rules = KeyRules { files_root: String::new(), format: KeyFormat::Path };
    decide(caller, action, ObjectKey::parse(key, &rules).unwrap()).map(|_| ())
}

#[test]
fn a_good_token_gives_its_store() {
    let caller = verify(&good()).unwrap();
    assert_eq!(allowed(&caller, Action::Put, "s1/f"), Ok(()));
    assert_eq!(allowed(&caller, Action::Put, "s2/f"), Err(Denied::OutsideStore));
}

/// J01, J03, J06: the algorithm is on an exact list.
#[test]
fn only_the_configured_algorithm_passes() {
    for alg in [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""RS256""#,
        r#""ES256""#,
        r#""EdDSA""#,
        r#""HS384""#,
        r#""hs256""#,
        r#""HS256 ""#,
        r#"["HS256"]"#,
        r#""HS256\u0000""#,
        "null",
        "256",
    ] {
        assert!(verify(&with_header(&format!(r#"{{"alg":{alg}}}"#))).is_err(), "{alg}");
    }
    assert_eq!(verify(&with_header(r#"{"typ":"JWT"}"#)), Err(TokenError::Header));
    let unsigned = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(r#"{"storeId":"s1","exp":9999999999}"#));
    assert_eq!(verify(&unsigned), Err(TokenError::Format));
    assert!(verify(&format!("{unsigned}AAAA")).is_err());
}

/// J07: two readers could choose a different one of two members.
#[test]
fn duplicate_members_are_refused() {
    for header in
        [r#"{"alg":"HS256","alg":"none"}"#, r#"{"alg":"none","alg":"HS256"}"#, r#"{"alg":"HS256","\u0061lg":"HS256"}"#]
    {
        assert_eq!(verify(&with_header(header)), Err(TokenError::Header), "{header}");
    }
    let twice = format!(r#"{{"storeId":"s1","storeId":"s2","exp":{}}}"#, NOW + 60);
    assert_eq!(verify(&with_claims(&twice)), Err(TokenError::Claims));
}

/// J08: a key that travels in the token is not a key.
#[test]
fn embedded_keys_are_never_used() {
    let other = jsonwebtoken::EncodingKey::from_secret(b"an attacker's own thirty-two bytes");
    let header = format!(
        r#"{{"alg":"HS256","kid":"a","jwk":{{"kty":"oct","k":"{}"}}}}"#,
        b64("an attacker's own thirty-two bytes")
    );
    let signed = format!("{}.{}", b64(header), b64(format!(r#"{{"storeId":"s1","exp":{}}}"#, NOW + 60)));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &other, Algorithm::HS256).unwrap();
    assert_eq!(verify(&format!("{signed}.{signature}")), Err(TokenError::Signature));
}

/// J14: tokens for another purpose, and extensions that nobody here understands.
#[test]
fn other_token_types_and_extensions_are_refused() {
    for typ in [r#""JWT""#, r#""jwt""#, r#""at+jwt""#, r#""application/at+jwt""#] {
        assert!(verify(&with_header(&format!(r#"{{"alg":"HS256","typ":{typ}}}"#))).is_ok(), "{typ}");
    }
    for typ in [r#""dpop+jwt""#, r#""secevent+jwt""#, r#""""#, "1", "null"] {
        assert_eq!(verify(&with_header(&format!(r#"{{"alg":"HS256","typ":{typ}}}"#))), Err(TokenError::Type), "{typ}");
    }
    assert_eq!(verify(&with_header(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#)), Err(TokenError::Critical));
    for kid in ["1", "[]", "{}", "null"] {
        assert_eq!(
            verify(&with_header(&format!(r#"{{"alg":"HS256","kid":{kid}}}"#))),
            Err(TokenError::Header),
            "{kid}"
        );
    }
}

/// J18: `exp` is required, and a number.
#[test]
fn exp_is_required_and_a_number() {
    assert_eq!(verify(&with_claims(r#"{"storeId":"s1"}"#)), Err(TokenError::Claims));
    for exp in ["null", "\"9999999999\"", "true", "[9999999999]", "{}", "NaN", "1e400"] {
        assert_eq!(verify(&with_exp(exp)), Err(TokenError::Claims), "{exp}");
    }
    assert_eq!(verify(&with_exp("-1")), Err(TokenError::Expired));
    assert_eq!(verify(&with_exp("-1e300")), Err(TokenError::Expired));
}

/// J19: no overflow, and milliseconds are not seconds.
#[test]
fn an_exp_far_ahead_lives_too_long() {
    for exp in ["1e19", "18446744073709551615", "9223372036854775808", "9999999999999", "1e300"] {
        assert_eq!(verify(&with_exp(exp)), Err(TokenError::LivesTooLong), "{exp}");
        let unlimited = verifier_with(TokenRules { max_ttl: Duration::ZERO, ..rules() });
        assert!(unlimited.verify(&with_exp(exp), now()).is_ok(), "{exp}");
    }
}

/// J20: both edges of `exp`, for each leeway.
#[test]
fn a_token_is_refused_from_the_second_it_expires() {
    for leeway in [0, 30, 60] {
        let verifier = verifier_with(TokenRules { leeway: Duration::from_secs(leeway), ..rules() });
        let verify = |exp: i64| verifier.verify(&with_exp(&exp.to_string()), now());
        let leeway = i64::try_from(leeway).unwrap();
        assert!(verify(NOW + 1).is_ok());
        assert!(verify(NOW - leeway + 1).is_ok());
        assert_eq!(verify(NOW - leeway), Err(TokenError::Expired));
        assert_eq!(verify(NOW - leeway - 1), Err(TokenError::Expired));
    }
    assert!(verify(&with_exp(&format!("{}.5", NOW + 1))).is_ok());
}

/// J21: a `nbf` of the wrong type is not "no nbf" (CVE-2026-25537).
#[test]
fn nbf_in_the_future_is_refused_whatever_its_type() {
    let verify = |nbf: &str| verify(&with_claims(&format!(r#"{{"storeId":"s1","exp":{},"nbf":{nbf}}}"#, NOW + 60)));
    assert_eq!(verify(&(NOW + 31).to_string()), Err(TokenError::NotYetValid));
    assert_eq!(verify("1e300"), Err(TokenError::NotYetValid));
    assert_eq!(verify("\"99999999999\""), Err(TokenError::Claims));
    assert_eq!(verify("null"), Err(TokenError::Claims));
    assert!(verify(&(NOW + 30).to_string()).is_ok());
    assert!(verify("0").is_ok());
}

/// J22: `iat` ahead of time, and lives over the limit.
#[test]
fn iat_bounds_the_life() {
    let verify = |iat: i64, exp: i64| verify(&with_claims(&format!(r#"{{"storeId":"s1","exp":{exp},"iat":{iat}}}"#)));
    assert!(verify(NOW, NOW + 86_400).is_ok());
    assert_eq!(verify(NOW, NOW + 86_401), Err(TokenError::LivesTooLong));
    assert_eq!(verify(NOW + 3600, NOW + 7200), Err(TokenError::NotYetValid));
    assert_eq!(verify(NOW - 315_360_000, NOW + 31_536_000), Err(TokenError::LivesTooLong));
    assert_eq!(verify(i64::MIN, NOW + 60), Err(TokenError::LivesTooLong));
}

/// J28: what is not a store name, or a list of them, opens nothing.
#[test]
fn a_claim_that_names_no_store_opens_nothing() {
    for store in
        ["null", "\"\"", "1", "true", "{}", "\"*\"", "[]", "[\"s1\",1]", "[\"s1\",\"a/b\"]", "[[\"s1\"]]", "\"..\""]
    {
        let caller = verify(&with_claims(&format!(r#"{{"storeId":{store},"exp":{}}}"#, NOW + 60))).unwrap();
        assert_eq!(allowed(&caller, Action::Get, "s1/f"), Err(Denied::NoStore), "{store}");
    }
    let absent = verify(&with_claims(&format!(r#"{{"exp":{}}}"#, NOW + 60))).unwrap();
    assert_eq!(allowed(&absent, Action::Get, "s1/f"), Err(Denied::NoStore));
    let both = verify(&with_claims(&format!(r#"{{"storeId":["s1","s2"],"exp":{}}}"#, NOW + 60))).unwrap();
    assert_eq!(allowed(&both, Action::Get, "s2/f"), Ok(()));
    assert_eq!(allowed(&both, Action::Get, "s3/f"), Err(Denied::OutsideStore));
}

#[test]
fn scope_words_of_others_are_ignored() {
    let permissions = |scope: &str, require_scope: bool| {
        let token = with_claims(&format!(r#"{{"storeId":"s1","exp":{},"scope":{scope}}}"#, NOW + 60));
        let caller = verifier_with(TokenRules { require_scope, ..rules() }).verify(&token, now()).unwrap();
        [Action::Get, Action::Put, Action::Delete].map(|action| allowed(&caller, action, "s1/f").is_ok())
    };
    assert_eq!(permissions("\"openid files:read\"", false), [true, false, false]);
    assert_eq!(permissions("[\"files:write\",\"files:delete\"]", false), [false, true, true]);
    assert_eq!(permissions("\"openid offline_access\"", false), [true; 3]);
    assert_eq!(permissions("\"openid offline_access\"", true), [false; 3]);
    assert_eq!(permissions("\"\"", true), [false; 3]);
    // A scope that cannot be read is not "no scope".
    for scope in ["1", "null", "{}", "[1]"] {
        assert_eq!(permissions(scope, false), [false; 3], "{scope}");
    }
}

#[test]
fn prefixes_narrow_and_odd_ones_match_nothing() {
    let caller = |prefixes: &str| {
        verify(&with_claims(&format!(r#"{{"storeId":"s1","exp":{},"prefixes":{prefixes}}}"#, NOW + 60))).unwrap()
    };
    let photos = caller(r#"["s1/photos/","s1/doc.txt"]"#);
    for (key, verdict) in [
        ("s1/photos/a", Ok(())),
        ("s1/photos", Ok(())),
        ("s1/doc.txt", Ok(())),
        ("s1/photosx", Err(Denied::OutsidePrefixes)),
        ("s1/doc.txt2", Err(Denied::OutsidePrefixes)),
    ] {
        assert_eq!(allowed(&photos, Action::Get, key), verdict, "{key}");
    }
    for odd in ["[]", "[\"\"]", "[\"/\"]", "[\"../\"]", "\"s1\"", "null", "1", "[1]"] {
        assert_eq!(allowed(&caller(odd), Action::Get, "s1/f"), Err(Denied::OutsidePrefixes), "{odd}");
    }
}

/// J29: size is checked before anything is decoded.
#[test]
fn long_tokens_are_refused_unread() {
    let padded =
        |len: usize| with_claims(&format!(r#"{{"storeId":"s1","exp":{},"pad":"{}"}}"#, NOW + 60, "a".repeat(len)));
    assert!(verify(&padded(5_000)).is_ok());
    assert_eq!(verify(&padded(8_000)), Err(TokenError::TooLong));
    assert_eq!(verify(&"a".repeat(1_000_000)), Err(TokenError::TooLong));
    let nested = format!("{{\"storeId\":\"s1\",\"x\":{}", "[".repeat(4_000));
    assert_eq!(verify(&with_claims(&nested)), Err(TokenError::Claims));
}

/// J15, J16, J17, J30: one compact form, one spelling of it.
#[test]
fn other_spellings_are_refused() {
    let token = good();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for other in [
        format!("{token}="),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.x.y"),
        signed.to_owned(),
        signed.split('.').next().unwrap().to_owned(),
        format!("{signed}..{signature}"),
        format!("{signed}.{signature}\n"),
        format!("{signed}.{}", signature.replace(['-', '_'], "+")) + "+",
        format!(" {token}"),
        token.replace('.', "?."),
        format!("{{\"payload\":\"{signed}\"}}"),
        String::new(),
        "..".to_owned(),
    ] {
        assert!(verify(&other).is_err(), "{other}");
    }
}

/// J36: short secrets are no keys.
#[test]
fn short_hmac_secrets_are_refused() {
    for secret in ["", "secret", "0123456789012345678901234567890"] {
        assert!(VerifyKey::hs256(secret.as_bytes()).is_err());
    }
    assert!(VerifyKey::hs256(&[1; 32]).is_ok());
}

#[test]
fn no_keys_means_no_token_passes() {
    assert_eq!(Verifier::new(vec![], rules()).verify(&good(), now()), Err(TokenError::Algorithm));
}

/// J47: a clock at either end of time refuses and never panics.
#[test]
fn extreme_clocks_never_panic() {
    let verifier = verifier_with(rules());
    assert_eq!(verifier.verify(&good(), Timestamp::MAX), Err(TokenError::Expired));
    assert!(verifier.verify(&good(), Timestamp::MIN).is_err());
}

/// H34: every single-character change of a token is refused.
#[test]
fn every_changed_character_is_refused() {
    let token = good();
    for at in 0..token.len() {
        for c in ['A', 'B', 'z', '0', '-', '_', '.', '=', '+'] {
            let mut changed = token.clone().into_bytes();
            changed[at] = u8::try_from(c).unwrap();
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed == token || verify(&changed).is_err(), "{at} {c}");
        }
    }
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// Somebody with a fresh key of a public-key algorithm.
struct Signer {
    pem: String,
    sign: Sign,
}

impl Signer {
    fn es256() -> Self {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        let random = aws_lc_rs::rand::SystemRandom::new();
        Self { pem, sign: Box::new(move |message| pair.sign(&random, message).unwrap().as_ref().to_vec()) }
    }

    fn eddsa() -> Self {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        Self { pem, sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()) }
    }

    fn rs256() -> Self {
        use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
        let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let pem = pem(pair.public_key().as_der().unwrap().as_ref());
        let random = aws_lc_rs::rand::SystemRandom::new();
        let sign = move |message: &[u8]| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
            signature
        };
        Self { pem, sign: Box::new(sign) }
    }

    fn token(&self, header: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(json!({"storeId": "s1", "exp": NOW + 60}).to_string()));
        format!("{signed}.{}", b64((self.sign)(signed.as_bytes())))
    }

    fn key(&self, algorithm: Algorithm) -> VerifyKey {
        VerifyKey::from_pem(algorithm, self.pem.as_bytes()).unwrap()
    }
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn public_keys_verify_tokens_of_their_own_algorithm_only() {
    for (alg, algorithm, ours, other) in [
        ("ES256", Algorithm::ES256, Signer::es256(), Signer::es256()),
        ("EdDSA", Algorithm::EdDSA, Signer::eddsa(), Signer::eddsa()),
        ("RS256", Algorithm::RS256, Signer::rs256(), Signer::rs256()),
    ] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        // J05: mixed with a secret, each takes its own.
        let verifier = Verifier::new(vec![VerifyKey::hs256(SECRET).unwrap(), ours.key(algorithm)], rules());
        assert!(verifier.verify(&ours.token(&header), now()).is_ok(), "{alg}");
        assert!(verifier.verify(&good(), now()).is_ok());
        assert_eq!(verifier.verify(&other.token(&header), now()), Err(TokenError::Signature), "{alg}");
        assert_eq!(verify(&ours.token(&header)), Err(TokenError::Algorithm), "{alg}");
        // J04: the same key under another name of its family.
        for family in ["RS384", "PS256", "ES384", "ES256K", "Ed25519"] {
            let token = ours.token(&format!(r#"{{"alg":"{family}"}}"#));
            assert_eq!(verifier.verify(&token, now()), Err(TokenError::Algorithm), "{family}");
        }
        // The public key, which anybody has, is not a secret.
        let payload = json!({"storeId": "s1", "exp": NOW + 60}).to_string();
        let signed = format!("{}.{}", b64(r#"{"alg":"HS256"}"#), b64(payload));
        let confused = jsonwebtoken::EncodingKey::from_secret(ours.pem.as_bytes());
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &confused, Algorithm::HS256).unwrap();
        let only_public = Verifier::new(vec![ours.key(algorithm)], rules());
        assert_eq!(only_public.verify(&format!("{signed}.{signature}"), now()), Err(TokenError::Algorithm));
    }
}

#[test]
fn a_kid_chooses_among_keys_and_its_absence_tries_few() {
    let (a, b) = (Signer::es256(), Signer::es256());
    let keys = vec![a.key(Algorithm::ES256).with_id("a".into()), b.key(Algorithm::ES256).with_id("b".into())];
    let verifier = Verifier::new(keys, rules());
    let verify = |signer: &Signer, header: &str| verifier.verify(&signer.token(header), now()).map(|_| ());
    assert_eq!(verify(&a, r#"{"alg":"ES256","kid":"a"}"#), Ok(()));
    assert_eq!(verify(&a, r#"{"alg":"ES256","kid":"b"}"#), Err(TokenError::Signature));
    assert_eq!(verify(&a, r#"{"alg":"ES256","kid":"../../dev/null"}"#), Err(TokenError::Algorithm));
    assert_eq!(verify(&b, r#"{"alg":"ES256"}"#), Ok(()));
    // J12: bounded work.
    let mut many: Vec<_> = (0..MAX_KEYS_TRIED).map(|_| a.key(Algorithm::ES256)).collect();
    many.push(b.key(Algorithm::ES256));
    let verifier = Verifier::new(many, rules());
    assert_eq!(verifier.verify(&b.token(r#"{"alg":"ES256"}"#), now()), Err(TokenError::Signature));
}

#[test]
fn what_is_no_public_key_is_refused_at_load() {
    let es256 = Signer::es256();
    for algorithm in [Algorithm::RS256, Algorithm::EdDSA] {
        assert_eq!(VerifyKey::from_pem(algorithm, es256.pem.as_bytes()).unwrap_err(), KeyLoadError::Pem);
    }
    assert_eq!(VerifyKey::from_pem(Algorithm::ES256, b"rubbish").unwrap_err(), KeyLoadError::Pem);
    assert_eq!(VerifyKey::from_pem(Algorithm::HS256, es256.pem.as_bytes()).unwrap_err(), KeyLoadError::Kind);
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
