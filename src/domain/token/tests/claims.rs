use super::*;

fn verify_expecting(issuer: Option<&str>, audiences: &[&str], claims: Value) -> Result<(), TokenError> {
    let expected =
        Expected { issuer: issuer.map(str::to_owned), audiences: audiences.iter().map(|a| (*a).to_owned()).collect() };
    let key = VerifyKey::hs256(SECRET).unwrap().expecting(Arc::new(expected));
    let mut all = json!({"exp": NOW + 60});
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    Verifier::new(vec![key], rules()).verify(&with_claims(&all.to_string()), now()).map(|_| ())
}

/// J24: named, or refused; and nobody's token is nobody's.
#[test]
fn an_audience_must_name_us() {
    for aud in [json!("svc"), json!(["other", "svc"]), json!(["svc"])] {
        assert_eq!(verify_expecting(None, &["svc"], json!({"aud": aud})), Ok(()), "{aud}");
    }
    assert_eq!(verify_expecting(None, &["a", "svc"], json!({"aud": "svc"})), Ok(()));
    for aud in [
        json!("other"),
        json!("SVC"),
        json!("svc "),
        json!([]),
        json!(["other"]),
        json!(7),
        json!(null),
        json!({"svc": 1}),
        json!(["svc", 7]),
        json!([["svc"]]),
    ] {
        assert_eq!(verify_expecting(None, &["svc"], json!({"aud": aud})), Err(TokenError::Audience), "{aud}");
    }
    assert_eq!(verify_expecting(None, &["svc"], json!({})), Err(TokenError::Audience));
    // No audience configured.
    assert_eq!(verify_expecting(None, &[], json!({})), Ok(()));
    for aud in [json!("someone-else"), json!(["someone-else"]), json!([]), json!(null)] {
        assert_eq!(verify_expecting(None, &[], json!({"aud": aud})), Err(TokenError::Audience), "{aud}");
    }
}

/// J25: byte for byte, and a text.
#[test]
fn an_issuer_is_compared_byte_for_byte() {
    const ISS: &str = "https://iss.example";
    assert_eq!(verify_expecting(Some(ISS), &[], json!({"iss": ISS})), Ok(()));
    for iss in [
        json!(7),
        json!(null),
        json!(["https://evil.example", ISS]),
        json!([ISS]),
        json!({ISS: 1}),
        json!("https://iss.example/"),
        json!("https://ISS.example"),
        json!("HTTPS://iss.example"),
        json!("https://iss.example@evil.example"),
        json!(" https://iss.example"),
        json!(""),
    ] {
        assert_eq!(verify_expecting(Some(ISS), &[], json!({"iss": iss})), Err(TokenError::Issuer), "{iss}");
    }
    assert_eq!(verify_expecting(Some(ISS), &[], json!({})), Err(TokenError::Issuer));
    assert_eq!(verify_expecting(None, &[], json!({"iss": "https://any.example"})), Ok(()));
}

/// J26: B cannot speak for A, not even with the same `kid`.
#[test]
fn keys_speak_for_their_own_issuer_alone() {
    let (a, b) = (Issuer::new("ES256"), Issuer::new("ES256"));
    let of = |issuer: &Issuer, name: &str| {
        let expected = Expected { issuer: Some(name.into()), audiences: Vec::new() };
        key_of(issuer).with_id("k".into()).expecting(Arc::new(expected))
    };
    let verifier = Verifier::new(vec![of(&a, "A"), of(&b, "B")], rules());
    let verify = |issuer: &Issuer, name: &str, header: Value| {
        let claims = json!({"storeId": "s1", "exp": NOW + 60, "iss": name});
        verifier.verify(&issuer.token(header, &claims), now()).map(|_| ())
    };
    for header in [json!({"kid": "k"}), json!({})] {
        assert_eq!(verify(&a, "A", header.clone()), Ok(()));
        assert_eq!(verify(&b, "B", header.clone()), Ok(()));
        assert_eq!(verify(&b, "A", header.clone()), Err(TokenError::Issuer));
        assert_eq!(verify(&a, "B", header), Err(TokenError::Issuer));
    }
    // One key under two names, as a provider with a custom domain has it.
    let verifier = Verifier::new(vec![of(&a, "A"), of(&a, "A2")], rules());
    for name in ["A", "A2"] {
        let claims = json!({"storeId": "s1", "exp": NOW + 60, "iss": name});
        assert!(verifier.verify(&a.token(json!({"kid": "k"}), &claims), now()).is_ok());
    }
}
