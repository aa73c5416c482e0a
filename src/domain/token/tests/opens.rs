use super::*;
use crate::domain::policy::Permissions;
use crate::domain::route::{StorageIndex, StorageRoute, StorageRoutes};

#[test]
fn a_good_token_gives_its_store() {
    let caller = verify(&good()).unwrap();
    assert_eq!(allowed(&caller, Action::Put, "s1/f"), Ok(()));
    assert_eq!(allowed(&caller, Action::Put, "s2/f"), Err(Denied::OutsideStore));
}

#[test]
fn a_minted_token_opens_its_stores_for_its_time() {
    let claims = MintClaims { scope: Some("files:read".into()), sub: Some("ann".into()), ..MintClaims::default() };
    let token = mint_hs256(SECRET, "storeId", &["s1".into(), "s2".into()], &claims, 60, now()).unwrap();
    let caller = verify(&token).unwrap();
    assert_eq!(caller.subject(), Some("ann"));
    assert_eq!(allowed(&caller, Action::Get, "s2/f"), Ok(()));
    assert_eq!(allowed(&caller, Action::Put, "s1/f"), Err(Denied::Operation));
    assert_eq!(allowed(&caller, Action::Get, "s3/f"), Err(Denied::OutsideStore));
    let late = Timestamp::from_second(NOW + 60 + 31).unwrap();
    assert!(verifier_with(rules()).verify(&token, late).is_err());
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
        let caller =
            verifier_with(TokenRules { scope: ScopeRules { required: require_scope, ..rules().scope }, ..rules() })
                .verify(&token, now())
                .unwrap();
        [Action::Get, Action::Put, Action::Delete].map(|action| allowed(&caller, action, "s1/f").is_ok())
    };
    assert_eq!(permissions("\"openid files:read\"", false), [true, false, false]);
    assert_eq!(permissions("[\"files:write\",\"files:delete\"]", false), [false, true, true]);
    assert_eq!(permissions("\"openid offline_access\"", false), [true; 3]);
    assert_eq!(permissions("\"openid offline_access\"", true), [false; 3]);
    assert_eq!(permissions("\"\"", true), [false; 3]);
    // Words in one entry of a list are words.
    assert_eq!(permissions("[\"openid files:read\"]", false), [true, false, false]);
    assert_eq!(permissions("[\"files:read files:write\", \"openid\"]", false), [true, true, false]);
    // A word that was meant for us and is none is not "no scope".
    for scope in ["files:reed", "openid files:READ", "FILES:READ", "files:read,files:write", "files:read\\tx", "files:"]
    {
        assert_eq!(permissions(&format!("\"{scope}\""), false), [false; 3], "{scope}");
        assert_eq!(permissions(&format!("[\"{scope}\"]"), false), [false; 3], "[{scope}]");
    }
    assert_eq!(permissions("\"files:reed files:write\"", false), [false, true, false]);
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

fn caller_of(claims: &Value, rules: TokenRules) -> Arc<Caller> {
    let mut all = json!({"exp": NOW + 60});
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    verifier_with(rules).verify(&with_claims(&all.to_string()), now()).unwrap()
}

fn stores_by(claim: &str, claims: &Value) -> Vec<String> {
    let rules = TokenRules { store_source: StoreSource::Claim(claim.into()), ..rules() };
    caller_of(claims, rules).stores().iter().map(|placed| placed.store.as_str().to_owned()).collect()
}

/// The whole name first, then the path, and only through own members of objects.
#[test]
fn a_store_claim_may_be_a_name_with_dots_or_a_path() {
    let nested = json!({"app_metadata": {"storeId": "s1", "deep": {"er": ["s2", "s3"]}}});
    assert_eq!(stores_by("app_metadata.storeId", &nested), ["s1"]);
    assert_eq!(stores_by("app_metadata.deep.er", &nested), ["s2", "s3"]);
    for name in ["https://app.example/storeId", "custom:storeId", "app_metadata.storeId"] {
        assert_eq!(stores_by(name, &json!({name: "s1", "app_metadata": {"storeId": "s2"}})), ["s1"], "{name}");
    }
    assert_eq!(
        stores_by("https://app.example/claims.storeId", &json!({"https://app.example/claims": {"storeId": "s1"}})),
        ["s1"]
    );
    for path in [
        "app_metadata.",
        ".storeId",
        "app_metadata..storeId",
        "app_metadata.storeId.length",
        "app_metadata.deep.er.0",
        "app_metadata",
        "constructor.name",
        "__proto__.storeId",
        "",
        ".",
    ] {
        assert_eq!(stores_by(path, &nested), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn a_template_makes_the_store_from_other_claims() {
    let by = |template: &str, encoding, claims: &Value| {
        let template = StoreTemplate::parse(template, encoding).unwrap();
        let rules = TokenRules {
            store_source: StoreSource::Template(template),
            // Never rewritten: two people would meet in `user-a_b`.
            store_rule: StoreIdRule::Lossy,
            ..rules()
        };
        caller_of(claims, rules).stores().iter().map(|placed| placed.store.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(by("user-{sub}", TemplateEncoding::Plain, &json!({"sub": "42", "storeId": "victim"})), ["user-42"]);
    assert_eq!(by("{org.id}", TemplateEncoding::Plain, &json!({"org": {"id": "acme"}})), ["acme"]);
    for odd in [json!({}), json!({"sub": "a/b"}), json!({"sub": "auth0|1"}), json!({"sub": ""})] {
        assert!(by("user-{sub}", TemplateEncoding::Plain, &odd).is_empty(), "{odd}");
    }
    assert_eq!(by("u{sub}", TemplateEncoding::Sha256, &json!({"sub": "auth0|1"}))[0].len(), 65);
}

#[test]
fn other_peoples_scope_words_are_mapped() {
    let read = Permissions { read: true, ..Permissions::NONE };
    let scope = ScopeRules {
        claims: vec!["scope".into(), "permissions".into(), "https://app.example/scopes".into()],
        words: [("read:files".to_owned(), read), ("admin".to_owned(), Permissions::ALL)].into(),
        required: true,
    };
    let permissions = |claims: Value| caller_of(&claims, TokenRules { scope: scope.clone(), ..rules() }).permissions();
    assert_eq!(permissions(json!({"scope": "openid read:files"})), read);
    assert_eq!(permissions(json!({"permissions": ["admin"]})), Permissions::ALL);
    assert_eq!(
        permissions(json!({"https://app.example/scopes": ["read:files", "files:write"]})),
        Permissions { write: true, ..read }
    );
    // What several claims give is added up; one that cannot be read gives nothing, with all the others.
    assert_eq!(
        permissions(json!({"scope": "files:delete", "permissions": ["read:files"]})),
        Permissions { delete: true, ..read }
    );
    assert_eq!(permissions(json!({"scope": "admin", "permissions": {"admin": true}})), Permissions::NONE);
    assert_eq!(permissions(json!({"scope": "openid"})), Permissions::NONE);
    assert_eq!(permissions(json!({"scope": "ADMIN read:filesx"})), Permissions::NONE);
}

/// A limit that cannot be read allows nothing, not everything.
#[test]
fn max_upload_bytes_is_a_whole_number() {
    let limit = |claim: Value| caller_of(&json!({"max_upload_bytes": claim}), rules()).max_upload_bytes();
    assert_eq!(limit(json!(1000)), Some(1000));
    for odd in [json!(-1), json!("1000"), json!(1.5), json!(null), json!([]), json!(1e30)] {
        assert_eq!(limit(odd.clone()), Some(0), "{odd}");
    }
    assert_eq!(caller_of(&json!({}), rules()).max_upload_bytes(), None);
}

/// For notes and `signer check-token`, which name the claim.
#[test]
fn the_store_claim_has_a_name_unless_a_template_makes_the_store() {
    assert_eq!(rules().store_claim(), Some("storeId"));
    let template = StoreTemplate::parse("user-{sub}", TemplateEncoding::Plain).unwrap();
    assert_eq!(TokenRules { store_source: StoreSource::Template(template), ..rules() }.store_claim(), None);
}

/// Operators may map other words, never give ours another meaning.
#[test]
fn our_scope_words_are_known() {
    for word in ["files:read", "files:write", "files:delete"] {
        assert!(is_our_scope_word(word), "{word}");
    }
    for word in ["", "files", "read:files", "files:reader", "FILES:READ"] {
        assert!(!is_our_scope_word(word), "{word}");
    }
}

/// What limits and logs tell two people of one name apart by.
#[test]
fn a_caller_is_somebodys() {
    let of = |claims| {
        let caller = caller_of(&claims, rules());
        (caller.issuer().map(str::to_owned), caller.subject().map(str::to_owned))
    };
    assert_eq!(
        of(json!({"iss": "https://idp.test", "sub": "u1"})),
        (Some("https://idp.test".into()), Some("u1".into()))
    );
    assert_eq!(of(json!({})), (None, None));
    assert_eq!(of(json!({"iss": ["https://idp.test"]})), (None, None));
}

#[test]
fn a_claim_of_the_token_places_its_stores() {
    let routes = || {
        let eu = StorageRoute {
            stores: vec![],
            claim: Some(("app.region".into(), "eu".into())),
            storage: StorageIndex::new(1),
        };
        StorageRoutes::new(vec![eu])
    };
    let storages = |claims: Value| -> Vec<usize> {
        let caller = caller_of(&claims, TokenRules { routes: routes(), ..rules() });
        caller.stores().iter().map(|placed| placed.storage.get()).collect()
    };
    assert_eq!(storages(json!({"storeId": ["s1", "s2"], "app": {"region": "eu"}})), [1, 1]);
    assert_eq!(storages(json!({"storeId": "s1", "app": {"region": ["us", "eu"]}})), [1]);
    for region in [json!("us"), json!(null), json!(["us"]), json!([1, "eu"]), json!({"eu": 1})] {
        assert_eq!(storages(json!({"storeId": "s1", "app": {"region": region}})), [0], "{region}");
    }
    assert_eq!(storages(json!({"storeId": "s1"})), [0]);
}
