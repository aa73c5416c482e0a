use super::*;

fn verify_with(list: &str, claims: Value) -> Result<(), TokenError> {
    let mut all = json!({"exp": NOW + 60, "storeId": "s1"});
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let verifier = verifier_with(rules()).refusing(Revoked::parse(list, StoreIdRule::Strict).unwrap());
    verifier.verify(&with_claims(&all.to_string()), now()).map(|_| ())
}

#[test]
fn a_revoked_token_subject_or_store_is_refused() {
    const LIST: &str = "jti = ['t1']\nsub = ['mallory']\nstore = ['s2']\n";
    assert_eq!(verify_with(LIST, json!({"jti": "t2", "sub": "alice"})), Ok(()));
    for claims in
        [json!({"jti": "t1"}), json!({"sub": "mallory"}), json!({"storeId": "s2"}), json!({"storeId": ["s1", "s2"]})]
    {
        assert_eq!(verify_with(LIST, claims.clone()), Err(TokenError::Revoked), "{claims}");
    }
    assert_eq!(verify_with("", json!({"jti": "t1"})), Ok(()));
}

#[test]
fn not_before_refuses_older_tokens_of_a_store() {
    let times = [
        format!("s1 = {NOW}"),
        "s1 = '2027-01-15T08:00:00Z'".to_owned(),
        "s1 = 2027-01-15T08:00:00Z".to_owned(),
        "s1 = 2027-01-15T09:00:00+01:00".to_owned(),
        "'*' = 2027-01-15T08:00:00Z".to_owned(),
    ];
    for time in times {
        let list = format!("[not_before]\n{time}\n");
        assert_eq!(verify_with(&list, json!({"iat": NOW})), Ok(()), "{time}");
        assert_eq!(verify_with(&list, json!({"iat": NOW - 1})), Err(TokenError::Revoked), "{time}");
        // When it was made is not known, so it may have been before.
        assert_eq!(verify_with(&list, json!({})), Err(TokenError::Revoked), "{time}");
        let other = verify_with(&list, json!({"storeId": "s2", "iat": NOW - 1}));
        assert_eq!(other.is_ok(), !time.starts_with("'*'"), "{time}");
    }
}

#[test]
fn a_list_that_cannot_be_understood_is_an_error() {
    for list in [
        "jti = 't1'",
        "stores = ['s1']",
        "[not_before]\ns1 = 'yesterday'",
        "[not_before]\ns1 = 2026-11-22",
        "[not_before]\ns1 = true",
        "{",
        "jti = [1]",
    ] {
        assert!(Revoked::parse(list, StoreIdRule::Strict).is_err(), "{list}");
    }
}

/// A line that no token could ever meet would be a revocation that somebody relies on.
#[test]
fn stores_are_revoked_as_tokens_name_them() {
    let lossy = |list: &str| Revoked::parse(list, StoreIdRule::Lossy);
    let rules = || TokenRules { store_rule: StoreIdRule::Lossy, ..rules() };
    for (list, refused) in [
        ("store = ['a/b']", true),
        ("store = ['a_b']", true),
        ("store = ['a/c']", false),
        ("[not_before]\n'a/b' = 1800000000", true),
        ("[not_before]\n'a/b' = 1800000000\na_b = 1", true),
        ("[not_before]\n'a/b' = 1\na_b = 1800000000", true),
    ] {
        let token = with_claims(&json!({"exp": NOW + 60, "iat": NOW - 60, "storeId": "a/b"}).to_string());
        let verified = verifier_with(rules()).refusing(lossy(list).unwrap()).verify(&token, now());
        assert_eq!(verified.is_err_and(|error| error == TokenError::Revoked), refused, "{list}");
    }
    for list in ["store = ['a/b']", "store = ['']", "[not_before]\n'a b' = 1", "store = ['..']", "store = ['*']"] {
        let error = Revoked::parse(list, StoreIdRule::Strict).unwrap_err();
        assert!(matches!(error, RevokedError::Store(_)), "{list}: {error}");
    }
}

/// Else it could not be revoked, nor be found in the audit log.
#[test]
fn a_token_whose_id_is_no_text_is_refused() {
    for id in [json!(1), json!(null), json!(["t1"]), json!({})] {
        for claim in ["jti", "sub"] {
            assert_eq!(verify_with("", json!({claim: id})), Err(TokenError::Claims), "{claim}: {id}");
        }
    }
}
