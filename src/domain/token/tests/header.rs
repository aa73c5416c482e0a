use super::*;

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
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &other, jsonwebtoken::Algorithm::HS256).unwrap();
    assert_eq!(verify(&format!("{signed}.{signature}")), Err(TokenError::Signature));
}

/// J14: tokens for another purpose, and extensions that nobody here understands.
#[test]
fn other_token_types_and_extensions_are_refused() {
    for typ in [r#""JWT""#, r#""jwt""#, r#""at+jwt""#, r#""application/at+jwt""#] {
        assert!(verify(&with_header(&format!(r#"{{"alg":"HS256","typ":{typ}}}"#))).is_ok(), "{typ}");
    }
    // A type that is asked for is the only one.
    let wanting = |typ: &str| verifier_with(TokenRules { required_type: Some(typ.into()), ..rules() });
    let verify_typ = |required: &str, header: &str| wanting(required).verify(&with_header(header), now()).map(|_| ());
    assert_eq!(verify_typ("at+jwt", r#"{"alg":"HS256","typ":"application/AT+jwt"}"#), Ok(()));
    assert_eq!(verify_typ("AT+JWT", r#"{"alg":"HS256","typ":"at+jwt"}"#), Ok(()));
    for header in [r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","typ":""}"#] {
        assert_eq!(verify_typ("at+jwt", header), Err(TokenError::Type), "{header}");
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

/// J11: whatever a `kid` is, it only ever names a key.
#[test]
fn an_odd_kid_names_no_key_and_nothing_else() {
    let key = VerifyKey::hs256(SECRET).unwrap().with_id("a".into());
    let verifier = Verifier::new(vec![key], rules());
    for kid in ["../../../../dev/null", "' OR 1=1--", "|id", "\\u0000", "", "A", "a ", &"k".repeat(5000)] {
        let token = with_header(&format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#));
        assert_eq!(verifier.verify(&token, now()), Err(TokenError::UnknownKey), "{kid}");
    }
    assert_eq!(verifier.verify(&with_header(r#"{"alg":"HS256","kid":"\ud800"}"#), now()), Err(TokenError::Header));
    assert!(verifier.verify(&with_header(r#"{"alg":"HS256","kid":"a"}"#), now()).is_ok());
}

/// J09, J10: what the header says of keys elsewhere is not even read.
#[test]
fn hints_at_keys_elsewhere_change_nothing() {
    let hints = r#""jku":"https://evil.example/jwks","x5u":"http://169.254.169.254/","x5c":["AAAA"],"x5t":"AAAA""#;
    assert!(verify(&with_header(&format!(r#"{{"alg":"HS256",{hints}}}"#))).is_ok());
    let forged = Issuer::new("ES256");
    assert!(verify(&forged.sign_raw(&format!(r#"{{"alg":"ES256",{hints}}}"#), &claims().to_string())).is_err());
}

/// J15: what is encrypted is not decrypted, whatever work it asks for.
#[test]
fn encrypted_tokens_are_refused_by_their_form() {
    for header in [r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, r#"{"alg":"PBES2-HS256+A128KW","p2c":2147483648}"#] {
        assert_eq!(verify(&format!("{}.AAAA.AAAA.AAAA.AAAA", b64(header))), Err(TokenError::Format));
    }
}

/// For `signer check-token`, and to find the key.
#[test]
fn a_header_tells_what_the_token_wrote() {
    let header = Header::parse(br#"{"alg":"ES256","kid":"k1","typ":"Application/AT+JWT"}"#).unwrap();
    assert_eq!(header.algorithm(), jsonwebtoken::Algorithm::ES256);
    assert_eq!((header.kid(), header.typ()), (Some("k1"), Some("at+jwt")));
    let bare = Header::parse(br#"{"alg":"HS256"}"#).unwrap();
    assert_eq!((bare.kid(), bare.typ()), (None, None));
}
