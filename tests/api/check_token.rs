//! `signer check-token`: the same verdict as the service's, and never the token.

use filesync_signer::check_token::{Verdict, check_token};
use filesync_signer::config;
use serde_json::json;

use crate::issuer::Issuer;
use crate::support::{FakeServer, SECRET, TestApp, good_token, now, token};

async fn check(settings: &[(&str, &str)], token: &str) -> (bool, String) {
    let usual = [("auth.hs256_secret", SECRET)];
    let flags: Vec<_> = usual.iter().chain(settings).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let storage = [
        ("storage.endpoint", "https://s3.test"),
        ("storage.bucket", "b"),
        ("storage.access_key_id", "a"),
        ("storage.secret_access_key", "b"),
    ];
    let storage = storage.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let auth = config::from_flags(&[flags, storage.to_vec()].concat()).unwrap().auth;
    let mut lines = Vec::new();
    let verdict = check_token(&auth, token, now(), &mut |step| lines.push(step.to_string())).await;
    lines.extend([verdict.to_string(), String::new()]);
    let text = lines.join("\n");
    for part in token.split('.').filter(|part| part.len() > 8) {
        assert!(!text.contains(part), "the token is printed: {text}");
    }
    (verdict == Verdict::Accepted, text)
}

#[tokio::test]
async fn a_good_token_is_explained_step_by_step() {
    let token = token(
        json!({"storeId": ["s1", "s2"], "scope": "openid files:read files:write", "sub": "alice", "prefixes": ["s1/photos/"], "max_upload_bytes": 1000, "iat": now().as_second()}),
    );
    let (opens, text) = check(&[], &token).await;
    assert!(opens);
    let expected = r#"ok   keys: the configuration has HS256
ok   header: alg HS256, typ "jwt"
ok   key: signed by HS256
ok   claims: iss (absent), aud (absent), sub "alice", iat 2026-11-22T15:00:00Z, exp 2026-11-22T15:01:00Z, now 2026-11-22T15:00:00Z
ok   claims: storeId ["s1","s2"]
ok   store: s1, s2
ok   operations: read, write
ok   prefixes: "s1/photos"
ok   uploads: of at most 1000 bytes
accepted
"#;
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_refusal_names_its_step_and_what_was_wanted() {
    let at = |claims| token(claims);
    let issuer = [("auth.issuer", "https://idp.test"), ("auth.audience", r#"["files"]"#)];
    for (settings, token, line) in [
        (
            &[][..],
            at(json!({"storeId": "s1", "exp": now().as_second() - 60})),
            "FAIL time: the token has expired: exp 2026-11-22T14:59:00Z, now 2026-11-22T15:00:00Z",
        ),
        (&[], at(json!({"storeId": "s1", "exp": now().as_second() + 90_000})), "FAIL time: the token lives too long"),
        (&[], at(json!({"storeId": "s1", "nbf": "x"})), "FAIL claims: a claim is missing"),
        (
            &[],
            at(json!({"storeId": "s1", "aud": "x"})),
            "FAIL claims: the token is for another audience: iss (absent), aud \"x\", and auth.audience is empty",
        ),
        (
            &issuer,
            at(json!({"storeId": "s1", "iss": "https://idp.test/", "aud": "files"})),
            "FAIL claims: the token is from another issuer: iss \"https://idp.test/\", aud \"files\", wanted iss \"https://idp.test\"",
        ),
        (&issuer, at(json!({"storeId": "s1", "iss": "https://idp.test", "aud": ["a", "b"]})), "wanted aud \"files\""),
        (
            &[("auth.token_typ", "at+jwt")],
            good_token(),
            "FAIL header: the token type is not allowed: auth.token_typ asks for \"at+jwt\"",
        ),
        (&[], format!("{}x", good_token()), "FAIL"),
        (
            &[],
            Issuer::new("HS256").token(json!({}), &json!({})),
            "FAIL key: the token signature does not match (alg HS256); known are HS256",
        ),
        (
            &[],
            Issuer::new("ES256").token(json!({"kid": "\u{1b}[31m"}), &json!({})),
            "FAIL key: the token algorithm is not allowed (alg ES256, kid \"\\u{1b}[31m\"); known are HS256",
        ),
        (&[], "rubbish".to_owned(), "FAIL form: the token is not a compact JWS"),
        (&[], at(json!({"storeId": "a/b"})), "FAIL store: none"),
        (&[], at(json!({})), "FAIL store: none"),
        (&[("auth.require_scope", "true")], good_token(), "FAIL operations: none: auth.require_scope is on"),
        (&[], at(json!({"storeId": "s1", "prefixes": []})), "FAIL prefixes: none"),
    ] {
        let (opens, text) = check(settings, &token).await;
        assert!(!opens && text.contains(line), "{line}\n{text}");
        // The service says the same.
        let app = TestApp::with(settings).await;
        let answer = app.call("GET", "/download-url?key=s1/f", &token, "").await;
        assert!(answer.status == 401 || answer.status == 403, "{line} {answer:?}");
    }
}

#[tokio::test]
async fn key_sets_are_fetched_and_an_unreachable_one_is_named() {
    let (idp, issuer) = (FakeServer::start().await, Issuer::new("ES384"));
    idp.answers(
        200,
        &[],
        &json!({"keys": [issuer.jwk(json!({"kid": "k1"})), {"kty": "oct", "k": "AAAA"}]}).to_string(),
    );
    let token = issuer.token(json!({"kid": "k1"}), &json!({"storeId": "s1", "exp": now().as_second() + 60}));
    let (opens, text) = check(&[("auth.jwks_url", &idp.url)], &token).await;
    assert!(opens, "{text}");
    assert!(text.contains(&format!("ok   keys: {}/ has ES384 \"k1\"", idp.url)), "{text}");
    assert!(text.contains("entry 1 is not used, it is a secret or a private key"), "{text}");
    idp.answers(500, &[], "");
    let (opens, text) = check(&[("auth.jwks_url", &idp.url)], &token).await;
    assert!(!opens && text.contains(&format!("warn keys: {}/: it answered 500", idp.url)), "{text}");
    assert!(text.ends_with("undecided: the service answers 503 keys_unavailable\n"), "{text}");
}
