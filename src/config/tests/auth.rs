use super::*;
use crate::domain::store::StoreIdRule;
use crate::domain::token::{Expected, Revoked, TokenRules};

/// Every example of the README and the guides is a configuration that starts; only the files that it names are not here.
#[test]
fn the_guides_examples_are_configurations() {
    const STORAGE: &str =
        "[storage]\nendpoint = 'https://s3.test'\nbucket = 'files'\naccess_key_id = 'a'\nsecret_access_key = 'b'\n";
    const AUTH: &str = "[auth]\nhs256_secret = '0123456789abcdef0123456789abcdef'\n";
    const KEY: &str = "access_key_id = 'a'\nsecret_access_key = 'b'\n";
    let texts = [
        include_str!("../../../README.md"),
        include_str!("../../guide/tokens.md"),
        include_str!("../../guide/storage.md"),
        include_str!("../../guide/operate.md"),
        include_str!("../../guide/migrate.md"),
    ];
    let (mut auth, mut storage, mut migration, mut revoked) = (0, 0, 0, 0);
    for block in
        texts.iter().flat_map(|text| text.split("```toml\n").skip(1)).map(|rest| rest.split("```").next().unwrap())
    {
        let text = if block.contains("auth") {
            auth += 1;
            format!("{STORAGE}{block}")
        } else if block.contains("[storage.") || block.contains("[storages.") {
            storage += 1;
            format!("{GOOD}{block}")
        } else if block.contains("[storage]") {
            storage += 1;
            format!("{AUTH}{block}{KEY}")
        } else if block.contains("[migration]") {
            migration += 1;
            format!("{GOOD}{block}")
        } else {
            revoked += 1;
            assert!(Revoked::parse(block, StoreIdRule::Strict).is_ok(), "{block}");
            continue;
        };
        if let Err(error) = load_with(&text, &[]) {
            let unreadable = |p: &Problem| p.key.ends_with("_file") && p.message.contains("cannot be read");
            assert!(error.problems.iter().all(unreadable), "{block}: {error}");
        }
    }
    assert_eq!((auth, storage, migration, revoked), (10, 10, 1, 1));
}

const STORAGE_ONLY: &str =
    "[storage]\nendpoint = 'https://s3.test'\nbucket = 'files'\naccess_key_id = 'a'\nsecret_access_key = 'b'\n[auth]\n";

fn auth_of(auth: &str) -> Auth {
    load_with(&format!("{STORAGE_ONLY}{auth}"), &[]).unwrap().auth
}

fn auth_problems(auth: &str) -> Vec<String> {
    problems(&format!("{STORAGE_ONLY}{auth}"), &[])
}

#[test]
fn an_issuer_is_discovered_unless_its_keys_are_named() {
    let locations = |auth: &str| auth_of(auth).sources.iter().map(KeySource::name).collect::<Vec<_>>();
    assert_eq!(locations("issuer = 'https://a.test'"), ["https://a.test"]);
    assert_eq!(locations("issuer = 'https://a.test'\njwks_url = 'https://b.test/jwks'"), ["https://b.test/jwks"]);
    assert_eq!(
        locations(&format!("issuer = 'https://a.test'\nhs256_secret = '{}'", "0123456789abcdef".repeat(3))),
        Vec::<String>::new()
    );
    assert_eq!(
        locations(
            "jwks_url = 'https://b.test/'\n[[auth.issuers]]\nissuer = 'https://c.test/'\n[[auth.issuers]]\nissuer = 'd'\njwks_url = 'https://d.test/'"
        ),
        ["https://b.test/", "https://c.test/", "https://d.test/"]
    );
}

#[test]
fn keys_and_sources_say_what_their_tokens_must_say() {
    let auth = auth_of(
        "issuer = 'https://a.test'\naudience = ['us']\njwks_url = 'https://a.test/jwks'\n\
         [[auth.keys]]\nalgorithm = 'HS256'\nsecret = '0123456789abcdef0123456789abcdef'\n\
         [[auth.keys]]\nalgorithm = 'HS512'\nsecret = '0123456789abcdef0123456789abcdef'\nissuer = 'cron'\n\
         [[auth.issuers]]\nissuer = 'https://b.test'\naudience = ['them']\n",
    );
    let said: Vec<_> = auth
        .keys
        .iter()
        .map(|key| key.expected().clone())
        .chain(auth.sources.iter().map(|source| (*source.expected).clone()))
        .collect();
    let expected =
        |issuer: &str, audience: &str| Expected { issuer: Some(issuer.into()), audiences: vec![audience.into()] };
    assert_eq!(
        said,
        [
            expected("https://a.test", "us"),
            expected("cron", "us"),
            expected("https://a.test", "us"),
            expected("https://b.test", "them")
        ]
    );
}

#[test]
fn unusable_keys_and_sources_are_refused_with_a_sentence() {
    for (auth, key, words) in [
        ("issuer = 'idp.test'", "auth.issuer", "must be a URL"),
        ("issuer = 'http://idp.test'", "auth.issuer", "not https"),
        ("issuer = 'https://idp.test/?x'", "auth.issuer", "query"),
        ("jwks_url = 'http://169.254.169.254/'", "auth.jwks_url", "not https"),
        ("jwks_url = 'https://a:b@idp.test/'", "auth.jwks_url", "user name"),
        ("jwks_url = 'file:///etc/passwd'", "auth.jwks_url", "must be a URL"),
        ("jwks_url = 'https://a.test/'\nalgorithms = ['HS256']", "auth.algorithms", "must be"),
        ("jwks_url = 'https://a.test/'\nalgorithms = ['none']", "auth.algorithms", "must be"),
        ("jwks_file = '/nowhere/jwks.json'", "auth.jwks_file", "cannot be read"),
        ("[[auth.issuers]]\njwks_url = 'https://a.test/'", "auth.issuers.0.issuer", "is not set"),
        ("[[auth.keys]]\nalgorithm = 'ES256'", "auth.keys.0", "either"),
        ("[[auth.keys]]\npublic_key = 'x'", "auth.keys.0.algorithm", "is not set"),
        ("[[auth.keys]]\nalgorithm = 'HS256'\npublic_key = 'x'", "auth.keys.0.algorithm", "takes a secret"),
        (
            "[[auth.keys]]\nalgorithm = 'ES256'\nsecret = '0123456789abcdef0123456789abcdef'",
            "auth.keys.0.secret",
            "another kind",
        ),
        ("[[auth.keys]]\nsecret = '0123456789abcdef0123456789abcdef'", "auth.keys.0.algorithm", "is not set"),
        ("[[auth.keys]]\nalgorithm = 'HS384'\nsecret = 'short'", "auth.keys.0.secret", "has 5 bytes"),
        (
            r#"[[auth.keys]]\npublic_key = '{"kty":"oct","k":"AAAA"}'"#,
            "auth.keys.0.public_key",
            "private key or a secret",
        ),
        (
            r#"[[auth.keys]]\npublic_key = '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}'"#,
            "auth.keys.0.public_key",
            "no point",
        ),
        ("issuer = 'https://a.test'\nstore_template = 'everybody'", "auth.store_template", "names no claim"),
        ("issuer = 'https://a.test'\nstore_template_encode = 'md5'", "auth.store_template_encode", "must be"),
        ("issuer = 'https://a.test'\nscopes = { edit = ['everything'] }", "auth.scopes.edit", "must be"),
        ("issuer = 'https://a.test'\nscopes = { 'files:read' = ['delete'] }", "auth.scopes.files:read", "already"),
        ("issuer = 'https://a.test'\ncookie = 'session'", "auth.cookie", "cors_origins"),
        ("issuer = 'https://a.test'\ncookie = 'a b'", "auth.cookie", "no cookie"),
        ("issuer = 'https://a.test'\ndenied_file = '/nowhere'", "auth.denied_file", "cannot be read"),
        ("issuer = 'https://a.test'\njwks_cooldown_secs = 0", "auth.jwks_cooldown_secs", "1 to"),
        ("issuer = 'https://a.test'\njwks_max_stale_secs = 10", "auth.jwks_max_stale_secs", "less than"),
        // J48
        ("issuer = 'https://a.test'\nleeway_secs = 1000000000000000000", "auth.leeway_secs", "0 to 600"),
        ("issuer = 'https://a.test'\nleeway_secs = -1", "auth.leeway_secs", "whole number"),
    ] {
        let auth = auth.replace("\\n", "\n");
        let found = auth_problems(&auth);
        assert_eq!(found.len(), 1, "{auth}: {found:?}");
        assert!(found[0].starts_with(&format!("{key}: ")) && found[0].contains(words), "{auth}: {found:?}");
    }
}

#[test]
fn what_is_allowed_and_dangerous_is_warned_about() {
    for (auth, words) in [
        ("jwks_url = 'https://a.test/'\naudience = ['x']", "no auth.issuer beside it"),
        ("issuer = 'https://a.test'", "auth.audience is empty"),
        ("issuer = 'https://a.test'\naudience = ['x']\nstore_claim = 'user_metadata.storeId'", "write themselves"),
        ("issuer = 'https://a.test'\naudience = ['x']\nstore_template = '{unsafe_metadata.id}'", "write themselves"),
        ("issuer = 'https://a.test'\nhs256_secret = '0123456789abcdef0123456789abcdef'", "not fetched"),
        ("[[auth.keys]]\nalgorithm = 'HS512'\nsecret = '0123456789abcdef0123456789abcdef'", "RFC 7518"),
    ] {
        let warnings = load_with(&format!("{STORAGE_ONLY}{auth}"), &[]).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{auth}: {warnings:?}");
        assert!(warnings[0].contains(words), "{auth}: {warnings:?}");
    }
}

/// The rules of the code and the defaults of the file are one thing.
#[test]
fn the_default_rules_are_the_default_settings() {
    let rules = auth_of("issuer = 'https://a.test'").rules;
    assert_eq!(format!("{rules:?}"), format!("{:?}", TokenRules::default()));
}
