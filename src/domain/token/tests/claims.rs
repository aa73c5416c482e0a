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

/// J12, J26: an issuer may publish what it likes, keys without a name or with another's; who else is in the configuration
/// does not lose its tokens by it.
#[test]
fn many_keys_of_one_issuer_lock_nobody_else_out() {
    let (a, b) = (Issuer::new("ES256"), Issuer::new("ES256"));
    let expected = |name: &str| Arc::new(Expected { issuer: Some(name.into()), audiences: Vec::new() });
    let anybodys = || key_of(&a).expecting(Arc::default());
    for greedy in [
        key_of(&a).expecting(expected("A")),
        key_of(&a).with_id("k".into()).expecting(expected("A")),
        // Keys of no issuer in particular give way, too, to the one that the token names.
        anybodys(),
        anybodys().with_id("k".into()),
    ] {
        let mut keys = vec![greedy; 100];
        keys.push(key_of(&b).with_id("k".into()).expecting(expected("B")));
        let verifier = Verifier::new(keys, rules());
        let verify = |claims: &Value| verifier.verify(&b.token(json!({"kid": "k"}), claims), now()).map(|_| ());
        assert_eq!(verify(&json!({"storeId": "s1", "exp": NOW + 60, "iss": "B"})), Ok(()));
        assert!(verify(&json!({"storeId": "s1", "exp": NOW + 60, "iss": "A"})).is_err());
    }
    // Within one issuer, the key that is named comes before those without a name.
    let mut keys = vec![key_of(&a).expecting(expected("B")); 100];
    keys.push(key_of(&b).with_id("k".into()).expecting(expected("B")));
    let claims = json!({"storeId": "s1", "exp": NOW + 60, "iss": "B"});
    assert!(Verifier::new(keys, rules()).verify(&b.token(json!({"kid": "k"}), &claims), now()).is_ok());
}
